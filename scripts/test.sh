#!/bin/sh
# Runs every test with the race detector and prints a summary. Skipped tests
# are listed by name; a failure ends with exit code 1.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

start=$(date +%s)
status=0
go test -race -shuffle=on -count=1 -timeout 30m -json ${GO_TEST_FLAGS:-} ./... >"$log" || status=$?
# What signs with keys in hardware modules is only built with a tag.
go test -tags pkcs11 -race -shuffle=on -count=1 -json ${GO_TEST_FLAGS:-} ./credentials/keys/pkcs11 >>"$log" || status=$?
go test -tags pkcs11 -race -shuffle=on -count=1 -json ${GO_TEST_FLAGS:-} -run '^TestPKCS11' ./internal/e2e >>"$log" || status=$?
# What measures memory and time would measure the race detector, and slows
# storms down so much that there are fewer of them under it.
go test -count=1 -json ${GO_TEST_FLAGS:-} -run '^(TestThousands|TestAtMostOnce)' ./internal/e2e >>"$log" || status=$?
# The vectors of Wycheproof and BetterTLS are modules of their own, which follow
# the dependencies of this one.
for module in wycheproof bettertls; do
	(cd "internal/$module" && go test -mod=mod -count=1 -json ./...) >>"$log" || status=$?
done
go run ./internal/testsummary <"$log" || status=1
./scripts/fuzz.sh || status=1
echo "took $(($(date +%s) - start)) s"
exit "$status"
