# Everything a developer needs. `make run` needs only Go. The other targets install the packages that
# they need besides Go, or say which are missing (scripts/test-deps).

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X main.version=$(VERSION)
TESTFLAGS ?=
FUZZTIME  ?= 1m
CRASHES   ?= 100
HISTORIES ?= 100000
TOOL      := tool -modfile=$(CURDIR)/tools/go.mod
LINT      := tool -modfile=$(CURDIR)/tools/lint/go.mod

.DEFAULT_GOAL := help
.PHONY: help run build deps test check format tidy vet lint lint-all vuln generated generate notices bench crash soak fuzz clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start the sandbox: gateway, wallet simulator and demo shop (KEEP=1 keeps the data of the last run, ARGS=… adds flags)
	@exec bin/sampan sandbox $(if $(KEEP),,--fresh) $(ARGS)

build: ## build the static binary bin/sampan
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/sampan ./cmd/sampan

test: deps ## run every test, on both databases and in a real browser (TESTFLAGS=-v shows each)
	scripts/with-postgres scripts/test $(TESTFLAGS)

deps: ## install the Debian packages that the tests need; without root, say which
	@scripts/test-deps

check: deps format tidy vet lint lint-all generated ## what continuous integration runs: the checks of the source, make test, short fuzzing, some random histories
	$(MAKE) test TESTFLAGS='-count=1 -v'
	scripts/fuzz 3s
	scripts/soak 3000

format: ## fail if a file is not formatted
	@test -z "$$(gofmt -l *.go cmd internal scripts test | tee /dev/stderr)"

tidy: ## fail if a go.mod does not match the code
	go mod tidy -diff
	go -C test mod tidy -diff

vet: ## go vet
	go vet ./...
	go -C test vet ./...

lint: ## staticcheck, at the version pinned in tools/go.mod
	go $(TOOL) staticcheck ./...
	go -C test $(TOOL) staticcheck ./...

lint-all: ## golangci-lint with .golangci.yml, at the version pinned in tools/lint/go.mod (its first build takes minutes)
	go $(LINT) golangci-lint run ./...
	go -C test $(LINT) golangci-lint run ./...

vuln: ## the newest govulncheck; fails without its database, unless VULN=skip
	scripts/vuln

generate: ## generate the code from SQL
	go $(TOOL) sqlc generate

generated: ## fail if the generated code or the notices are out of date
	go $(TOOL) sqlc diff
	go run ./scripts/notices -check

notices: ## write the licences of everything linked into the binary; run it after a change of go.mod
	go run ./scripts/notices

bench: deps build ## measure speed beside the limits of the machine: about ten minutes on an idle machine (ARGS='-rounds 1' is quicker)
	SAMPAN_TEST_FSYNC=on scripts/with-postgres go run ./scripts/bench $(ARGS)

crash: deps ## kill and stop gateway, wallet and PostgreSQL, fail over, fill the disk, break the network, CRASHES times each (default 100), and count losses
	SAMPAN_CRASHES=$(CRASHES) scripts/with-postgres go -C test test -count=1 -timeout 1h -v ./crash

soak: ## run the gateway through HISTORIES random histories (default 100000) and compare its books with the wallet's: half an hour
	scripts/soak $(HISTORIES)

fuzz: ## fuzz each target for FUZZTIME (default 1m)
	scripts/fuzz $(FUZZTIME)

clean: ## remove the output of the build and the tests
	rm -rf bin artifacts
