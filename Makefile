# Everything here works on a fresh Debian machine with Go: what is missing is
# installed by deps. GO_TEST_FLAGS is for extra flags, for example -run.
GO ?= go
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck
FUZZTIME ?= 10s

.PHONY: all build build-pkcs11 demo test check deps unit race fuzz node

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

fuzz:
	FUZZTIME=$(FUZZTIME) ./scripts/fuzz.sh
