# Headgate's commands. `make` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN      := $(CURDIR)/.bin
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULES   = $(shell go list -f '{{.Dir}}' -m)
PACKAGES  = $(addsuffix /...,$(MODULES))
GO_BUILD  = CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
PROTOC_PLUGINS := protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the binary into .bin/headgate
	@mkdir -p $(BIN)
	$(GO_BUILD) -o $(BIN)/headgate ./cmd/headgate

.PHONY: run
run: build ## run the whole mesh in one process
	$(BIN)/headgate all $(ARGS)

.PHONY: mesh
mesh: build ## run every service as a process of its own on loopback
	$(BIN)/headgate mesh $(ARGS)

.PHONY: test
test: ## run every test (no cgo)
	CGO_ENABLED=0 go test work

.PHONY: promises
promises: build ## prove the promises and print a table; HEADGATE_PROMISES=long for the full numbers, HEADGATE_SEED=N to repeat
	@# without a package's name go test shows what it prints
	cd tests/promises && HEADGATE_PROMISES=$(or $(HEADGATE_PROMISES),short) HEADGATE_BINARY=$(BIN)/headgate CGO_ENABLED=0 go test -count=1 -timeout 2h

.PHONY: race
race: ## run every module's tests under the race detector (needs cgo); ARGS=-short leaves the longest out
	go test -race $(ARGS) $(filter-out %/tests/... %/cmd/headgate/...,$(PACKAGES)) # tests/ asks the binary from outside

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 20s) each
	./tools/fuzz.sh $(or $(FUZZTIME),20s)

.PHONY: bench
bench: build ## measure Headgate beside the simulator and a plain reverse proxy
	CGO_ENABLED=0 go run ./bench -headgate $(BIN)/headgate $(ARGS)

.PHONY: test-sdks
test-sdks: build ## try the official SDKs for TypeScript and Python (needs node and python, fetches packages)
	./tests/sdks/run.sh $(BIN)/headgate

.PHONY: test-mcp
test-mcp: build ## try the official conformance suite of MCP (needs npm, fetches packages)
	./tests/sdks/mcp/run.sh $(BIN)/headgate

.PHONY: test-examples
test-examples: build ## try the examples beside a running mesh (needs python, fetches packages)
	./examples/python-provider/test.sh $(BIN)/headgate
	./examples/classify-records/test.sh $(BIN)/headgate

.PHONY: grpcurl
grpcurl: $(BIN)/grpcurl ## build grpcurl into .bin/

.PHONY: proto
proto: $(addprefix $(BIN)/,buf $(PROTOC_PLUGINS)) ## check the contracts and generate gen/
	$(BIN)/buf format -d --exit-code
	$(BIN)/buf lint
	rm -rf gen/*/v1 gen/rest gen/openapi/*.json
	$(BIN)/buf generate

.PHONY: breaking
breaking: $(BIN)/buf ## check the contracts against AGAINST (default: main)
	$(BIN)/buf breaking --against '.git#branch=$(or $(AGAINST),main)'

.PHONY: lint
lint: $(BIN)/golangci-lint ## run the linters over every module
	$(BIN)/golangci-lint run $(PACKAGES)

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## format every module
	$(BIN)/golangci-lint fmt $(MODULES)

.PHONY: tidy
tidy: ## sync and tidy every module
	go work sync
	@for m in $(MODULES) $(CURDIR)/tools $(CURDIR)/tools/gen $(CURDIR)/tools/lint; do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

.PHONY: check-alone
check-alone: ## build each module by itself: dependencies point one way
	@for m in $(MODULES); do echo "build $${m#$(CURDIR)/}"; (cd $$m && GOWORK=off CGO_ENABLED=0 go build ./... && GOWORK=off go vet ./...) || exit 1; done
	@for f in $$(git ls-files '*go.mod' ':!tools'); do grep -q "./$$(dirname $$f)$$" go.work || { echo "$$f is not in go.work"; exit 1; }; done

.PHONY: check-clean
check-clean: proto tidy ## fail when generated code or go.mod files are not clean
	@git diff --exit-code --stat -- gen '*go.mod' '*go.sum' go.work go.work.sum || { echo "run 'make proto tidy' and commit"; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard gen)" || { echo "gen/ has files that are not committed"; exit 1; }

.PHONY: ci
ci: check-clean breaking check-alone lint race test ## everything that has to pass before a change lands

$(BIN)/buf $(BIN)/grpcurl $(BIN)/gofumpt: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && GOWORK=off CGO_ENABLED=0 go build -o $(BIN)/ tool
	@touch $(addprefix $(BIN)/,buf grpcurl gofumpt)

$(addprefix $(BIN)/,$(PROTOC_PLUGINS)) &: tools/gen/go.mod tools/gen/go.sum
	@mkdir -p $(BIN)
	cd tools/gen && GOWORK=off CGO_ENABLED=0 go build -o $(BIN)/ tool
	@touch $(addprefix $(BIN)/,$(PROTOC_PLUGINS))

$(BIN)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	@mkdir -p $(BIN)
	cd tools/lint && GOWORK=off CGO_ENABLED=0 go build -o $(BIN)/ tool
	@touch $@
