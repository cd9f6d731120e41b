# Everything here works on a fresh Debian machine with Go: what is missing is
# installed by deps. GO_TEST_FLAGS is for extra flags, for example -run.
GO ?= go
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck
FUZZTIME ?= 10s

.PHONY: all build build-pkcs11 demo test check deps unit race fuzz node bench bench-cascade kill-cascade

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tegata ./cmd/tegata

# With keys in hardware modules: needs a C compiler, and links with C.
build-pkcs11:
	CGO_ENABLED=1 $(GO) build -trimpath -tags pkcs11 -o bin/tegata ./cmd/tegata

demo:
	$(GO) run ./cmd/tegata demo

# The whole test command: installs what it lacks, runs everything, and ends with
# a summary. Nothing is skipped silently: the summary names every skip.
test: deps
	./scripts/test.sh

# Format, tidiness, vet, staticcheck, the linters of .golangci.yml and the import
# rules.
check:
	./scripts/check.sh

deps:
	./scripts/deps.sh

# What the server costs: its processor time per credential, as a multiple of the
# bare cryptography. TEGATA_BENCH_PROFILE names a folder for CPU profiles.
bench:
	$(GO) test ./internal/bench -run '^$$' -bench . -benchtime 1x -timeout 60m

# The cascade against a revocation list of a million entries and as many live
# credentials, in SQLite and PostgreSQL; prints progress, rates and peak memory.
bench-cascade:
	TEGATA_CASCADE_ENTRIES=$${TEGATA_CASCADE_ENTRIES:-1000000} $(GO) test ./issuer -run '^$$' -bench '^BenchmarkCascade$$' -benchtime 1x -timeout 90m

# Import and publication killed 500 times on each database; make test does it
# 12 times.
kill-cascade:
	TEGATA_CASCADE_KILLS=$${TEGATA_CASCADE_KILLS:-500} $(GO) test ./issuer -run '^TestCascadeKill$$' -v -timeout 60m

fuzz:
	FUZZTIME=$(FUZZTIME) ./scripts/fuzz.sh
