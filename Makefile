# The targets of gakushoku. Only Go is needed for demo, test, lint, build and bench; what the
# others need they name when it is missing.
SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
.PHONY: help demo generate check test test-race simulate test-browser pictures test-kill test-dynamodb lint build validate tools e2e e2e-build bench clean

CACHE := .cache
VENV := $(CACHE)/venv
CHECKOV := $(CACHE)/checkov

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

generate: ## write infra/observability.yaml from the alarms, questions and graphs
	go generate ./infra

demo: build ## break a read model and rebuild it while guests go on, embedded, in seconds
	@bin/gakushoku demo

# go test runs only what depends on a change, and takes the rest from its cache; the test of the layers
# has to run each time, since it asks the go command for imports.
check: lint ## before a commit: lint, and short tests of all that a change touches, in minutes
	go test -short -vet=off ./...
	go test -vet=off -count=1 ./internal/app

test: ## run the tests (needs only Go)
	go test $(LONG_TESTS) ./...

# They come first, so that both processors are busy until the end.
LONG_TESTS := ./scripts/gakushoku ./internal/rehearse/simulation ./internal/rehearse/faultport ./internal/app/embedded ./internal/store/sqlite

test-race: ## run short tests with the race detector, and more random interleavings
	go test -race -short $(LONG_TESTS) ./...
	go test ./internal/engine/projection -count=1 -interleavings=10000

SEEDS ?= 20000

simulate: ## play the whole protocol under SEEDS random schedules with crashes (20000)
	go test ./internal/rehearse/simulation -count=1 -timeout 4h -run TestAnyScheduleKeepsThePromises -seeds=$(SEEDS)

test-kill: ## kill -9 the server, and the archiver, under load, 200 times each
	go test ./internal/app/embedded -count=1 -v -run Kill9 -crashes=200

bin/dynamodb-local: FORCE # go run would leave Java behind when it is stopped
	@go build -o $@ ./scripts/dynamodb-local

test-dynamodb: bin/dynamodb-local ## run the store contracts on AWS's DynamoDB Local (needs Java 17 and Maven)
	bin/dynamodb-local go test -race -count=1 ./internal/store/dynamo/...

lint: ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l functions internal scripts infra); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-ed: $$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

# Without -trimpath, which would have every package compiled once more beside what go test compiles.
# The browser is $CHROMIUM, or Debian's.
test-browser: build ## the pages in a real browser (needs Node.js 20 and Chromium)
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer"; exit 1; }
	@[ -x "$${CHROMIUM:-/usr/bin/chromium}" ] || { echo "Chromium is missing: apt-get install chromium, or set CHROMIUM to one"; exit 1; }
	cd scripts/browser && npm install --no-package-lock --no-audit --no-fund --silent && $(if $(PICTURES),PICTURES=$(PICTURES) )node --test $(if $(PICTURES),--test-name-pattern=pictures)

pictures: ## take the README's pictures of the pages anew (needs what test-browser needs, and Japanese fonts)
	$(MAKE) test-browser PICTURES=$(CURDIR)/infra/pictures

build: ## build bin/gakushoku
	@go build -o bin/gakushoku ./scripts/gakushoku

tools: $(VENV)/bin/sam $(VENV)/bin/cfn-lint-serverless $(CHECKOV)/bin/checkov ## install SAM, cfn-lint and checkov into .cache (needs Python 3)

$(VENV)/bin/sam:
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.11 or newer"; exit 1; }
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet aws-sam-cli==1.170.0 cfn-lint==1.58.0

$(VENV)/bin/cfn-lint-serverless: $(VENV)/bin/sam
	$(VENV)/bin/pip install --quiet cfn-lint-serverless==0.3.4
	touch $@

# Apart from SAM, of which it wants other versions of the same packages.
$(CHECKOV)/bin/checkov:
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.11 or newer"; exit 1; }
	python3 -m venv $(CHECKOV)
	$(CHECKOV)/bin/pip install --quiet checkov==3.3.30

validate: validate-sam validate-checkov validate-build ## check the templates with SAM, cfn-lint and checkov, and build them

.PHONY: validate-sam validate-checkov validate-build
validate-sam: tools
	SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam validate --lint --region us-east-1
	$(VENV)/bin/cfn-lint

validate-checkov: tools
	BC_SKIP_MAPPING=TRUE $(CHECKOV)/bin/checkov

validate-build: tools
	$(LAMBDA_BUILD) -o $(CACHE)/functions/ ./functions/... # at once: builds side by side would each compile what they share
	MAKEFLAGS= SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam build --build-in-source --parallel # without this make's jobs

e2e: e2e-build ## deploy to an AWS emulator, and rebuild read models there under traffic; E2E='-run rebuilt' for a part of it
	bin/e2e -sam $(VENV)/bin/sam -built $(E2E)
	S3_ENDPOINT=$${AWS_ENDPOINT_URL:-http://localhost:4566} REQUIRE_S3=1 go test -count=1 ./internal/store/s3 -run Emulator

# For this machine's processor. At once: SAM's builds side by side would each compile what they share.
e2e-build: ARCHITECTURE = $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
e2e-build: $(VENV)/bin/sam
	@go build -o bin/e2e ./scripts/e2e
	$(LAMBDA_BUILD) -o $(CACHE)/functions/ ./functions/...
	ARCHITECTURE=$(ARCHITECTURE) SAM_CLI_TELEMETRY=0 $(VENV)/bin/sam build --build-in-source --parallel --parameter-overrides Architecture=$(ARCHITECTURE)

bench: ## measure all, beside the baselines (Node, DuckDB, DynamoDB Local); BENCH=-quick just tries it
	@go build -o bin/bench ./scripts/bench # go run would leave Java behind when it is stopped
	bin/bench all $(BENCH)

FORCE:

clean: ## remove what was built and fetched
	rm -rf bin build .aws-sam $(CACHE)

# The functions, as `sam build` asks for them (BuildMethod: makefile). ARCHITECTURE is that of
# the deployment's parameter; for the other one: ARCHITECTURE=x86_64 sam build. Without
# --build-in-source SAM copies the whole folder, .cache too, for each of them.
ARCHITECTURE ?= arm64
GOARCH_arm64 := arm64
GOARCH_x86_64 := amd64
LAMBDA_BUILD = CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH_$(ARCHITECTURE)) go build -tags lambda.norpc -trimpath -ldflags "-s -w"

.PHONY: build-CommandFunction build-QueryFunction build-HealthFunction build-ProjectorFunction build-ArchiverFunction build-ReprojectFunction build-AuditFunction build-ProcessFunction
build-CommandFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/command
build-QueryFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/query
build-HealthFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/health
build-ProjectorFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/projector
build-AuditFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/audit
build-ArchiverFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/archiver
build-ReprojectFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/reproject
build-ProcessFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/process
