#!/bin/sh
# Format, tidiness, vet, staticcheck, the configured linters and the import rules.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	echo "gofmt would change:" >&2
	echo "$unformatted" >&2
	exit 1
fi
go mod tidy -diff
go vet ./...
(cd internal/wycheproof && go vet -mod=mod ./...)
go tool -modfile=tools/go.mod staticcheck ./...
# The linter of many linters has a module of its own: its dependencies are many
# times ours.
go tool -modfile=tools/lint/go.mod golangci-lint run --timeout 10m ./...
go test -count=1 ./internal/archtest
echo "check: ok"
