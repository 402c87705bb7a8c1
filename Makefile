# Two commands matter to a newcomer: `make demo` and `make test`. `make` alone
# lists all of them.

# One set of build flags for everything, so that the build cache holds. The
# sandbox contains Kubernetes: its first build takes about 10 minutes on 2 cores.
export GOFLAGS := -trimpath -buildvcs=false
KUBERNETES := v1.36.3
SANDBOX_LDFLAGS := -s -w \
	-X k8s.io/component-base/version.gitVersion=$(KUBERNETES) \
	-X k8s.io/component-base/version.gitMajor=1 \
	-X k8s.io/component-base/version.gitMinor=36

# What keeps bin/drover small: no symbols, and no package that looks methods up
# by name at run time (text/template, and gRPC's trace pages, which use it): the
# linker would have to keep every method of every SDK, which more than doubles it.
# The clients of Google's and Azure's stores and key services add 11 MB; without
# gRPC's xDS, which Google's storage client brings for a protocol that is not
# used here, that is 5 MB and 7 ms of every start less. Kustomize adds 3 MB, and
# with its Go plugins, which are off here, 112 MB: the package plugin, too, makes
# the linker keep everything. docs/performance.md has the size as it is.
DROVER_FLAGS := -tags grpcnotrace,disable_grpc_modules,kustomize_disable_go_plugin_support -ldflags '-s -w'
DROVER_MAX := 90000000

.PHONY: help setup build size sandbox demo test test-unit test-owners test-pulumi test-terraform test-clients test-eksctl test-e2e torture torture-owners torture-by-hand torture-crash torture-upgrade torture-users fuzz check gate fmt lint lint-sandbox bench update pictures manual release-dry-run requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed to work on Drover, where that is allowed
	@./scripts/setup

build: bin/drover sandbox ## build bin/drover and bin/drover-sandbox

.PHONY: bin/drover
bin/drover:
	@mkdir -p bin
	go build $(DROVER_FLAGS) -o $@ ./cmd/drover

size: bin/drover ## bin/drover must not grow past 90 MB
	@test $$(wc -c < bin/drover) -le $(DROVER_MAX) || { echo "bin/drover is larger than $(DROVER_MAX) bytes: see DROVER_FLAGS in the Makefile"; exit 1; }

sandbox: ## build bin/drover-sandbox alone
	@mkdir -p bin
	@test -x bin/drover-sandbox || echo "building the sandbox (Kubernetes is part of it): about 10 minutes the first time"
	cd sandbox && CGO_ENABLED=0 go build -ldflags '$(SANDBOX_LDFLAGS)' -o ../bin/ ./cmd/drover-sandbox
	cd sandbox && CGO_ENABLED=0 go build -o ../bin/ ./cmd/drover-sandbox-pod

requirements: ## install what the sandbox runs from the distribution, where that is allowed
	@./scripts/requirements

demo: requirements build ## the whole tutorial, narrated
	bin/drover demo $(DEMO)

test: requirements build test-unit test-owners test-clients-if-there test-e2e ## all tests of all modules

test-unit: ## the tests of both modules that need no sandbox, with the race detector
	go test -race -timeout 40m ./...
	cd sandbox && CGO_ENABLED=0 go test ./...

# Modules of their own, outside of the workspace: it would raise what the product
# itself is built with to what Pulumi and Terraform require.
test-owners: ## the tests of the modules for Pulumi and Terraform, which need neither; a terraform of 1.16 or newer is used if there is one
	cd pulumi && GOWORK=off go test ./...
	cd terraform && GOWORK=off PATH=$(CURDIR)/bin:$$PATH go test ./...
	cd examples/pulumi && GOWORK=off go vet -tags engine ./...
	cd examples/terraform && GOWORK=off go vet -tags engine ./...

PULUMI := v3.274.1
bin/pulumi: tools/pulumi/go.mod
	@mkdir -p bin
	@echo "building pulumi: about 15 minutes the first time"
	cd tools/pulumi && GOWORK=off go build -ldflags '-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$(PULUMI)' -o ../../bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

test-pulumi: build bin/pulumi ## examples/pulumi in the real Pulumi engine, in the sandbox, with and without Drover
	@for name in TestReplacement TestManagedReplacement; do (cd examples/pulumi && GOWORK=off DROVER_BIN=$(CURDIR)/bin PATH=$(CURDIR)/bin:$$PATH go test -tags engine -count=1 -timeout 60m -run "^$$name\$$" -v .) || exit 1; done # a sandbox for each

# Terraform has its license (BUSL): it is built for the test alone.
bin/terraform: tools/terraform/go.mod
	@mkdir -p bin
	@echo "building terraform: about 10 minutes the first time"
	cd tools/terraform && GOWORK=off go build -ldflags '-s -w -X github.com/hashicorp/terraform/version.dev=no' -o ../../bin/terraform github.com/hashicorp/terraform

test-terraform: build bin/terraform ## examples/terraform in the real Terraform, in the sandbox, with and without Drover
	@for name in TestReplacement TestManagedReplacement; do (cd examples/terraform && GOWORK=off DROVER_BIN=$(CURDIR)/bin go test -tags engine -count=1 -timeout 60m -run "^$$name\$$" -v .) || exit 1; done # a sandbox for each

test-clients: ## AWS's own clients judge the sandbox's endpoint; installs botocore and the aws command where that is allowed
	@./scripts/clients install
	@$(MAKE) --no-print-directory test-clients-if-there

.PHONY: test-clients-if-there
test-clients-if-there: # as part of make test: with the clients that this machine has
	@if ./scripts/clients there; then cd sandbox && CGO_ENABLED=0 go test -tags clients -count=1 -run TestOutsideClients -v ./internal/aws; fi

test-e2e: ## the demo's story and the crash tests in the sandbox, with real traffic
	DROVER_BIN=$(CURDIR)/bin go test -tags e2e -count=1 -timeout 45m -p 1 -v ./test/...

RUN ?= .*
torture: build bin/kubectl ## move what is hard to move, by Drover and by cordon, drain and delete (hours; RUN=one-replica, RUN='.*/drover')
	DROVER_BIN=$(CURDIR)/bin KUBECTL=$(CURDIR)/bin/kubectl go test -tags torture -count=1 -timeout 8h -run 'TestTorture/$(RUN)' -v ./test/torture

bin/kubectl: tools/kubectl/go.mod
	@mkdir -p bin
	cd tools/kubectl && GOWORK=off go build -o ../../bin/kubectl .

OWNERS := TestGroupsOfOthers TestCommandsOfAnyCluster TestGroupsThatRegisterTheirNodesThemselves TestFence TestStackOfFencesAndRolls
torture-owners: build bin/kubectl ## move what others made: by migrate, drain (beside kubectl's) and without AWS, killed and ended from elsewhere; through fences, and by EKS (about 20 minutes)
	@for name in $(OWNERS); do DROVER_BIN=$(CURDIR)/bin KUBECTL=$(CURDIR)/bin/kubectl go test -tags e2e,torture -count=1 -timeout 40m -run "^$$name\$$" -v ./test/e2e || exit 1; done

bin/eksctl: tools/eksctl/go.mod
	@mkdir -p bin
	@echo "building eksctl: about 10 minutes the first time"
	cd tools/eksctl && GOWORK=off go build -ldflags '-s -w' -o ../../bin/eksctl github.com/weaveworks/eksctl/cmd/eksctl

test-eksctl: build bin/kubectl bin/eksctl ## the real eksctl in the sandbox: groups come, are drained and go (about 4 minutes)
	DROVER_BIN=$(CURDIR)/bin KUBECTL=$(CURDIR)/bin/kubectl go test -tags e2e,torture -count=1 -timeout 40m -run '^TestEksctl$$' -v ./test/e2e

torture-by-hand: build ## the demo in the tutorial's own steps: add, re-point, scale to 0, remove (about 4 minutes)
	DROVER_BIN=$(CURDIR)/bin go test -tags e2e,torture -count=1 -timeout 20m -run TestDemoByHand -v ./test/demo

torture-crash: build ## kill drover at every step boundary of up, change and destroy (about 10 minutes)
	DROVER_BIN=$(CURDIR)/bin go test -tags e2e,torture -count=1 -timeout 40m -run TestKilledAtEveryStepBoundary -v ./test/e2e

torture-upgrade: build ## a cluster as people have them, upgraded by one minor under load; needs helm in the PATH (about 10 minutes)
	DROVER_BIN=$(CURDIR)/bin go test -tags e2e,torture -count=1 -timeout 40m -run TestUpgradeOfAClusterAsPeopleHaveIt -v ./test/e2e

torture-users: build ## pods of other users and groups in a sandbox, their volumes and what they leave (about 2 minutes)
	DROVER_BIN=$(CURDIR)/bin go test -tags e2e,torture -count=1 -timeout 20m -run TestUsersOfPods -v ./test/e2e

check: fmt lint size ## the quick gate, without the sandbox: format, lint, size, tests of the root module
	go test ./...

gate: check lint-sandbox test ## the whole gate: check, and all tests of both modules

fmt: ## every Go file is formatted
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt these: $$files"; exit 1; }

lint: bin/golangci-lint ## lint the root module
	bin/golangci-lint run ./...

lint-sandbox: bin/golangci-lint
	cd sandbox && CGO_ENABLED=0 ../bin/golangci-lint run ./...

.PHONY: mutate
mutate: bin/mutate ## change the code a little, again and again, and tell what no test notices: make mutate PKG=./internal/verdict
	bin/mutate $(if $(FILES),-files $(FILES)) $(if $(RUN),-run '$(RUN)') $(if $(BUDGET),-budget $(BUDGET)) $(if $(AGAIN),-again $(AGAIN)) $(if $(ARGS),-args '$(ARGS)') $(or $(PKG),./internal/verdict ./plan)

bin/mutate: $(wildcard tools/mutate/*.go)
	@mkdir -p bin
	cd tools/mutate && GOWORK=off go build -o ../../bin/mutate .

bin/golangci-lint: tools/go.mod
	@mkdir -p bin
	cd tools && GOWORK=off go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

CASES ?= 10000
SEED ?= $(shell date +%s)
fuzz: ## crash the engine anywhere, and move drawn worlds, CASES times each; SEED repeats a run
	@echo "seed $(SEED), $(CASES) cases"
	go test ./internal/engine -run TestCrashAnywhere -count=1 -timeout 60m -rapid.checks=$(CASES) -rapid.seed=$(SEED)
	go test ./internal/handover -run TestAnyWorld -count=1 -timeout 12h -rapid.checks=$(CASES) -rapid.seed=$(SEED)

bench: bin/drover ## measure; compare within one run only (docs/performance.md)
	DROVER_BIN=$(CURDIR)/bin go test -run '^$$' -bench . -benchmem ./...

pictures: ## draw the README's pictures from the recorded run
	go test ./internal/view/tui ./internal/view/text -run TestReadmePicture -update

manual: ## write man pages and completions to build/manual
	go run ./cmd/drover-manual build/manual

release-dry-run: ## build what a release consists of, into dist/; nothing is published
	@./scripts/release-dry-run

update: pictures ## rewrite the golden files, and what docs have from the code; review their diff like code
	@for p in $$(git grep -l 'flag.Bool("update"' -- '*_test.go' | xargs -n 1 dirname | sort -u); do go test ./$$p -update || exit 1; done
	UPDATE_SCRIPTS=1 go test ./cmd/drover

clean: ## remove what was built
	rm -rf bin build dist
