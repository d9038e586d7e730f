# One command a line: make help. Everything is built under .sandbox and build, which git ignores.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUILDFLAGS := -ldflags="-s -w"
BIN        := .sandbox/bin
DIR        ?= .sandbox
CLUSTERS   ?= 1
NODES      ?= 6
ARGS       ?=
SEEDS      ?= 1..20
VERSION    ?= v0.0.0-dev
FUZZTIME   ?= 30s
TESTFLAGS  := -race -shuffle=on -timeout=20m

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

demo: build controlplane ## start everything, walk through the story, stop everything
	@$(BIN)/sandbox demo --dir .sandbox/demo --bin $(BIN) --controlplane "$$(scripts/build-controlplane $(BIN))"

sandbox: build controlplane ## the same world, kept running: DIR=.sandbox CLUSTERS=1 NODES=6 ARGS="--port compute=9080"
	@exec $(BIN)/sandbox up --dir $(DIR) --bin $(BIN) --clusters $(CLUSTERS) --nodes $(NODES) --controlplane "$$(scripts/build-controlplane $(BIN))" $(ARGS)

build: ## build the programs
	@echo "building negfleet and the sandbox (first time: a minute or two) ..."
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 go build $(BUILDFLAGS) -o $(BIN)/ ./cmd/... ./test/sandbox/cmd/... ./test/fakegce/cmd/... ./test/fakecontainer/cmd/... ./test/fakekube/cmd/...

controlplane: ## build the control plane that tests and sandbox run on
	@scripts/build-controlplane $(BIN) >/dev/null

test: build controlplane lint ## everything: unit, emulators, real control plane, the story
	@scripts/test

test-fast: ## the inner loop: no control plane, under a minute
	@go test -short $(TESTFLAGS) ./...

golden: ## rewrite the outputs of golden files; read the diff
	go test ./shared/plan ./admission ./test/deploy -update

fuzz: ## every fuzz target for FUZZTIME=30s
	@scripts/fuzz $(FUZZTIME)

storm: ## events lost, doubled and shuffled, calls failing, instances dying: SEEDS=1..20; thousands: TESTFLAGS=-timeout=9h
	go test $(TESTFLAGS) -count=1 ./test/storm -run TestStorm -seeds $(SEEDS) -v

bench: build controlplane ## speed, calls and memory
	@scripts/bench

stage: ## the source trees that are deployed, in build/stage
	@awk '!/^#/ && NF { print $$1 }' infra/functions.list | xargs -n1 scripts/stage

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(git ls-files -z "*.go" | xargs -0 gofmt -l); test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	@go vet ./...
	@cd test/controlplane && CGO_ENABLED=0 go vet -gcflags=all=-dwarf=false ./...
	@cd test/conformance/cloudprovider && CGO_ENABLED=0 go vet ./...
	@cd test/fakegce/browser && go vet ./...
	@cd test/infra/stubprovider && go vet ./...
	@go build -C test/lint -o ../../$(BIN)/staticcheck honnef.co/go/tools/cmd/staticcheck
	@$(BIN)/staticcheck ./...
	@cd test/conformance/cloudprovider && CGO_ENABLED=0 ../../../$(BIN)/staticcheck ./...
	@cd test/fakegce/browser && ../../../$(BIN)/staticcheck ./...
	@cd test/infra/stubprovider && ../../../$(BIN)/staticcheck ./...

vulncheck: ## known vulnerabilities that what ships reaches; asks vuln.go.dev, or VULNDB=file:///FOLDER
	@scripts/vulncheck

licenses: ## rewrite docs/licenses.md, the licences of all that ships
	@mkdir -p build && go run ./test/licenses/cmd/licenses >build/licenses.md && mv build/licenses.md docs/licenses.md

sbom: build ## software bills of materials of the command and the functions, in build/sbom
	@for each in negfleet function admission; do scripts/sbom $(BIN)/$$each $(VERSION) build/sbom/$$each.cdx.json && echo build/sbom/$$each.cdx.json; done

release: ## what is released of VERSION=v1.2.3, in build/release; publishes nothing
	@scripts/release $(VERSION)

clean: ## remove what was built
	rm -rf .sandbox build

.PHONY: help demo sandbox build controlplane test test-fast golden fuzz storm bench stage lint vulncheck licenses sbom release clean
