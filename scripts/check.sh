#!/bin/sh
# Format, vet, staticcheck, tidiness and the import rules.
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
go tool -modfile=tools/go.mod staticcheck ./...
go test -count=1 ./internal/archtest
echo "check: ok"
