module github.com/tegata-id/tegata/internal/bettertls

go 1.26.4

require (
	github.com/Netflix/bettertls v0.0.0-20250909192348-e1e99e353074
	github.com/tegata-id/tegata v0.0.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/tegata-id/tegata => ../..
