# Everything that is done with this repository has a name here; `make` alone lists them.

GO      ?= $(or $(shell command -v go 2>/dev/null),/usr/local/go/bin/go)
# The linter and the tests call it by its name.
export PATH := $(PATH):$(shell $(GO) env GOROOT)/bin

VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),devel)
PEER    ?= v6responder
COUNT   ?= 20
ROUNDS  ?= 3
BIN     ?= bin
DIST    ?= dist
DOCS    ?= $(DIST)/docs

# What v6guest may need on a guest's disk: 12 MiB.
MAX_SIZE := 12582912

# Tools and what tests leave; the Debian roots of the lab are in $V6GUEST_CACHE or /var/cache/v6guest-lab.
CACHE     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/v6guest
ARTIFACTS := .cache/artifacts

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
NFPM_VERSION        := v2.43.0
GOLANGCI    := $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
GOVULNCHECK := $(CACHE)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
NFPM        := $(CACHE)/nfpm-$(NFPM_VERSION)/nfpm

# One static binary each; neither the folder nor the moment of the build is in it. Without the first tag
# the library of the command line brings a Markdown parser along, for manual pages that are made elsewhere;
# without the second the HTTP library brings HTTP/2, which no unix socket speaks.
BUILD := CGO_ENABLED=0 $(GO) build -tags urfave_cli_no_docs,nethttpomithttp2 -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$(VERSION)"

.PHONY: help build docs packages demo demo-vm test test-long test-rough test-boot test-boot-long lint bench bench-responder bench-boot cover clean need-root lab-tools qemu roots
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## both programs into bin/: static and reproducible
	@mkdir -p $(BIN)
	$(BUILD) -o $(BIN)/ ./cmd/v6guest ./cmd/v6responder
	@size=$$(stat -c %s $(BIN)/v6guest); [ $$size -lt $(MAX_SIZE) ] || { echo "bin/v6guest has $$size bytes: fewer than $(MAX_SIZE) are allowed"; exit 1; }

docs: ## manual pages, configuration files and completions into dist/docs, from the tables of the parsers
	@rm -rf $(DOCS)
	$(GO) run -tags docs ./cmd/v6guest $(DOCS)
	$(GO) run -tags docs ./cmd/v6responder $(DOCS)

packages: $(NFPM) docs ## deb and rpm of both programs, amd64 and arm64, into dist/: reproducible
	@packaging/build $(NFPM) $(DOCS) $(DIST) $(VERSION)

demo: need-root build lab-tools ## see it work in network namespaces (root); PEER=dnsmasq or PEER=kea: against others' servers
	@$(GO) run ./test/demo -bin $(BIN) -peer $(PEER)

demo-vm: need-root lab-tools qemu ## see it on a virtual machine: a Debian 13 without IPv6 gets v6guest's package (root)
	@mkdir -p .cache
	@$(GO) test -c -o .cache/boot.test ./test/boot
	@cd test/boot && ../../.cache/boot.test -test.run '^TestDemonstration$$' -demo

test: need-root roots ## every test with the race detector, the end-to-end ones in namespaces too (root)
	@mkdir -p $(ARTIFACTS)
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v /test/)
# Those below test/ build programs and packages, of whose files go's cache of results knows nothing.
	$(GO) test -race -count=1 -timeout 20m $$($(GO) list ./test/... | grep -Ev '/test/(e2e|boot)$$')
	$(GO) test -race -count=1 -parallel 8 -timeout 30m -artifacts -outputdir $(CURDIR)/$(ARTIFACTS) ./test/e2e

test-long: need-root roots ## what takes too long for every change: a kill at any system call, for every back end; 100,000 guests for a day (root)
	$(GO) test -count=1 -timeout 3h ./test/kill -long
	$(GO) test -count=1 -timeout 1h ./test/waves -long
	$(GO) test -count=1 -timeout 10m ./pkg/responder -run AKilledServer -long

test-rough: need-root roots ## floods and storms in the namespaces, one after the other: the tests that call rough(t), which `make test` skips (root)
	@mkdir -p $(ARTIFACTS)
	$(GO) test -count=1 -parallel 1 -timeout 30m -artifacts -outputdir $(CURDIR)/$(ARTIFACTS) ./test/e2e -rough \
		-run "^($$(awk '/^func Test/ { sub(/\(.*/, "", $$2); name = $$2 } /^\trough\(t\)$$/ { printf "%s%s", sep, name; sep = "|" }' test/e2e/*_test.go))$$"

test-boot: need-root lab-tools qemu ## guests as real virtual machines, emulated: Debian 12 and 13 as they come (root)
	$(GO) test -count=1 -parallel 2 -timeout 60m ./test/boot

test-boot-long: need-root lab-tools qemu ## every boot test: all stacks, cloud-init, 20 stops and starts, routers that come late or change, snapshots; hours (root)
	$(GO) test -count=1 -parallel 2 -timeout 6h -v ./test/boot -long

lint: $(GOLANGCI) $(GOVULNCHECK) ## golangci-lint (with gofumpt) and known vulnerabilities
	$(GOLANGCI) run ./...
	@.ci/vulncheck $(GOVULNCHECK)

bench: need-root build lab-tools ## the figures of docs/performance.md; COUNT=5 for a quick look (root)
	$(GO) test -run '^$$' -bench . -benchmem ./pkg/...
	$(GO) run ./test/figures -bin $(BIN) -count $(COUNT)

bench-responder: need-root lab-tools ## v6responder beside Kea, dnsmasq and an echo; ROUNDS=1 for a quick look (root)
	@mkdir -p .cache/rate
	$(BUILD) -o .cache/rate/ ./cmd/v6responder ./test/rate
	.cache/rate/rate -bin .cache/rate -rounds $(ROUNDS) -page docs/performance.md

bench-boot: need-root lab-tools qemu ## from a guest's boot to its address, on virtual machines (root)
	$(GO) test -count=1 -parallel 2 -timeout 2h -v ./test/boot -long -run '^TestTimeToTheAddress$$' -page $(CURDIR)/docs/performance.md

cover: need-root roots ## how much of the code the tests run; cover.out for `go tool cover` (root)
	$(GO) test -coverpkg=./pkg/...,./cmd/... -coverprofile=cover.out $$($(GO) list ./... | grep -Ev '/test/(e2e|boot)$$')
	@$(GO) tool cover -func=cover.out | tail -1

clean: ## remove what was built; the cached Debian roots stay
	rm -rf bin dist .cache cover.out

# What stands behind the targets above.

need-root:
	$(if $(filter 0,$(shell id -u)),,$(error this makes network namespaces and needs root: run it as root))@:

# None of these starts a daemon; everything else that the lab needs is in the roots that it makes.
lab-tools: need-root
	@command -v debootstrap >/dev/null && command -v gpgv >/dev/null && command -v ip >/dev/null || { \
		echo "installing debootstrap and iproute2, for the roots and networks of the tests"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap gpgv debian-archive-keyring iproute2; }

qemu: need-root
	@command -v qemu-system-x86_64 >/dev/null && command -v mke2fs >/dev/null || { \
		echo "installing qemu and e2fsprogs, for the virtual machines of the tests"; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends qemu-system-x86 e2fsprogs; }

roots: lab-tools
	@$(GO) run ./test/roots/make >/dev/null

$(GOLANGCI):
	GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(GOVULNCHECK):
	GOBIN=$(@D) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(NFPM):
	GOBIN=$(@D) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
