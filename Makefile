.DEFAULT_GOAL := help

tool    := go tool -modfile=.tools/go.mod
version := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The race detector needs a C compiler.
race := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

packages := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Run the server on http://127.0.0.1:8080, with a private PostgreSQL
	@bin/rowhouse serve

.PHONY: build
build: ## Build bin/rowhouse
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.Version=$(version)' -o bin/ ./cmd/rowhouse

.PHONY: check
check: lint test ## Do all that CI does

# vet=off: lint runs all of vet, and check does both. The timeout is for machines that
# do other work as well. One package more at a time than a machine of two cores needs, because
# some tests wait for other processes. All of it with the race detector, also the benchmarks
# (which only have to run): otherwise everything would be compiled twice. What debuggers need is
# left out, which is a fifth of compiling; tests that build something get the same by the environment.
.PHONY: test
test: export GOFLAGS = $(strip $(shell go env GOFLAGS) -gcflags=all=-dwarf=false)
test: ## Run every test; PostgreSQL's programs are found, or fetched
	@mkdir -p bin
	{ go test $(race) -vet=off -p $(packages) -timeout 20m -shuffle=on ./... && echo ok >bin/test.status || echo failed >bin/test.status; } | tee bin/test.txt
	@echo "dearest packages, in seconds beside others:"; awk '$$1 == "ok" && $$3+0 >= 10 { print "  " $$3+0, $$2 }' bin/test.txt | sort -k1,1nr | head -n 10
	@grep -q ok bin/test.status
	go test $(race) -vet=off -short -run "^$$" -bench "CatchUp|Rebuild" -benchtime 1x ./projections
	go test $(race) -vet=off -short -run "^$$" -bench . -benchtime 1x ./eventstore/kurrent ./bus ./bus/nats ./bus/kafka

.PHONY: lint
lint: ## Find mistakes, and code that nobody uses
	$(tool) golangci-lint run
	@dead=$$($(tool) deadcode -test ./...) && test -z "$$dead" || { echo "$$dead"; exit 1; }
	go mod tidy -diff

.PHONY: fmt
fmt: ## Format and modernize the code
	go fix ./...
	$(tool) golangci-lint fmt

.PHONY: golden
golden: ## Accept the stored form of events and rows as it is now, and write the tables that no migration makes
	go test $$(grep -l '/domaintest"' ./domain/*/*_test.go | xargs -n 1 dirname | sort -u) -update
	go test ./projections -run "^TestTables$$" -golden
	go test ./projections -run "^TestKinds$$" -golden

.PHONY: bench
bench: build ## Measure how fast it is beside the limits of the same PostgreSQL
	go run ./cmd/bench
	go test -timeout 5m -run "^$$" -bench "CatchUp|Rebuild" -benchtime 6x ./projections
	go test -timeout 5m -run "^$$" -bench . -benchtime 5x ./eventstore/kurrent
	go test -timeout 5m -run "^$$" -bench . ./bus ./bus/nats ./bus/kafka

.PHONY: vuln
vuln: ## Look for known vulnerabilities (needs vuln.go.dev)
	$(tool) govulncheck -test ./...
