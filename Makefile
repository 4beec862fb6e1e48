# Everything a developer needs. `make run` needs only Go; the rest installs, or
# asks for, what it needs beside it (scripts/test-deps).

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

run: build ## start the sandbox: gateway, wallet simulator and demo shop (KEEP=1 keeps the last run's data, ARGS=… adds flags)
	@exec bin/sampan sandbox $(if $(KEEP),,--fresh) $(ARGS)

build: ## build the static binary bin/sampan
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/sampan ./cmd/sampan

test: deps ## run every test, on both databases and in a real browser (TESTFLAGS=-v shows each)
	scripts/with-postgres scripts/test $(TESTFLAGS)

deps: ## install what the tests need from Debian's packages, or, without root, say what to install
	@scripts/test-deps

check: deps format tidy vet lint lint-all generated ## what continuous integration runs: the checks of the source, make test, a little fuzzing, some random histories
	$(MAKE) test TESTFLAGS='-count=1 -v'
	scripts/fuzz 3s
	scripts/soak 3000

format: ## fail if a file is not formatted
	@test -z "$$(gofmt -l *.go cmd internal scripts test | tee /dev/stderr)"

tidy: ## fail if a go.mod is not what the code needs
	go mod tidy -diff
	go -C test mod tidy -diff

vet: ## go vet
	go vet ./...
	go -C test vet ./...

lint: ## staticcheck, at the version pinned in tools/go.mod
	go $(TOOL) staticcheck ./...
	go -C test $(TOOL) staticcheck ./...

lint-all: ## golangci-lint with .golangci.yml, at the version pinned in tools/lint/go.mod (the first time it takes minutes to build)
	go $(LINT) golangci-lint run ./...
	go -C test $(LINT) golangci-lint run ./...

vuln: ## govulncheck, at its newest; fails where its database is out of reach, unless told VULN=skip
	scripts/vuln

generate: ## write the code that is generated from SQL
	go $(TOOL) sqlc generate

generated: ## fail if the generated code is not what its SQL gives, or the notices not what the binary holds
	go $(TOOL) sqlc diff
	go run ./scripts/notices -check

notices: ## write the licences of what is linked into the binary, after a change of go.mod
	go run ./scripts/notices

bench: deps build ## measure it beside what bounds it: about ten minutes on an otherwise idle machine (ARGS='-rounds 1' is quicker)
	SAMPAN_TEST_FSYNC=on scripts/with-postgres go run ./scripts/bench $(ARGS)

crash: deps ## kill and stop gateway, wallet and PostgreSQL, fail over, fill the disk, break the network, CRASHES times each (default 100), and count what is lost
	SAMPAN_CRASHES=$(CRASHES) scripts/with-postgres go -C test test -count=1 -timeout 1h -v ./crash

soak: ## drive the gateway through HISTORIES random ones (default 100000), and compare its books with the wallet's: half an hour
	scripts/soak $(HISTORIES)

fuzz: ## fuzz every target for FUZZTIME each (default 1m)
	scripts/fuzz $(FUZZTIME)

clean: ## remove what the build and the tests wrote
	rm -rf bin artifacts
