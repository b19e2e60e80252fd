# The functions, as `sam build` asks for them (BuildMethod: makefile). ARCHITECTURE is that of the
# deployment's parameter: make build, or ARCHITECTURE=x86_64 sam build.
ARCHITECTURE ?= arm64
LAMBDA_GOARCH = $(if $(filter x86_64,$(ARCHITECTURE)),amd64,arm64)
LAMBDA_BUILD = CGO_ENABLED=0 GOOS=linux GOARCH=$(LAMBDA_GOARCH) go build -tags lambda.norpc -trimpath -ldflags "-s -w"

build-CommandFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/command
build-QueryFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/query
build-HealthFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/health
build-ProjectorFunction:
	$(LAMBDA_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/projector

.PHONY: build-CommandFunction build-QueryFunction build-HealthFunction build-ProjectorFunction
