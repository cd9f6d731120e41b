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
(cd internal/bettertls && go vet -mod=mod ./...)
go tool -modfile=tools/go.mod staticcheck ./...
# What is only built with the tag for hardware modules needs a C compiler.
command -v "$(go env CC)" >/dev/null || ./scripts/deps.sh
tagged="./credentials/keys/... ./internal/app/... ./internal/e2e ./cmd/..."
# shellcheck disable=SC2086 # several patterns
CGO_ENABLED=1 go vet -tags pkcs11 $tagged
# shellcheck disable=SC2086
CGO_ENABLED=1 go tool -modfile=tools/go.mod staticcheck -tags pkcs11 $tagged
# The linter of many linters has a module of its own: its dependencies are many
# times ours.
go tool -modfile=tools/lint/go.mod golangci-lint run --timeout 10m ./...
go test -count=1 ./internal/archtest
echo "check: ok"
