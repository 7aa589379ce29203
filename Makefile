# The commands of this repository. `make` alone lists them.

.DEFAULT_GOAL := help
# The parts of `check` and `test` report in order, and share the two locks of Cargo anyway.
.NOTPARALLEL:

# What sandboxes must be shown beside /usr: nothing, on most machines.
ifndef CAGENT_EXPOSE
CAGENT_EXPOSE := $(shell scripts/interpreters)
endif
ifneq ($(CAGENT_EXPOSE),)
export CAGENT_EXPOSE
endif

CAGENT := target/release/cagent
DEMO_DIR := .demo

##@ Use
.PHONY: demo build dashboard setup image
demo: build ## Build the program and run examples/demo.md in a sandbox
	@mkdir -p $(DEMO_DIR)
	@$(CAGENT) run --data-dir $(DEMO_DIR) --output $(DEMO_DIR)/demo.zip examples/demo.md
	@echo
	@echo "The result is $(DEMO_DIR)/demo.zip:"
	@python3 -m zipfile --list $(DEMO_DIR)/demo.zip

build: setup ## Build the program, target/release/cagent
	@scripts/dashboard optional
	cargo build --release --locked --package cagent

image: build ## Have the Docker daemon build the agent image, containerized-agent:latest
	$(CAGENT) image build

dashboard: ## Build the pages that the program embeds (Node.js 20.19 or newer)
	@scripts/dashboard

setup: ## Install what building and running take and is missing here (Debian packages)
	@scripts/setup

##@ Change
.PHONY: check test testsetup
check: format lint tidy unit ## Format, lints, rules of the house, unit tests: under a minute when warm

test: testsetup dashboard format lint tidy docs testimage ## Everything: the parts of check, docs, all tests, licences
	cargo test --workspace --locked --no-fail-fast
	@$(MAKE) --no-print-directory dashboardtest contract compose chaostest vm
	@$(MAKE) --no-print-directory licences

testsetup: ## Install what tests take beside that: Docker, a screen, a browser
	@scripts/setup test

.PHONY: bench
bench: build ## Measure what we promise in numbers on this machine: writes bench/RESULTS.md
	@command -v bwrap >/dev/null || \
		{ [ "$$(id -u)" -eq 0 ] && apt-get install --yes --quiet=2 --no-install-recommends bubblewrap >/dev/null; } || \
		echo "bench: bwrap is not installed (Debian: bubblewrap), so its floor is skipped"
	cargo build --release --locked --package bench
	@TMPDIR=$${TMPDIR:-/var/tmp} target/release/bench --publish

.PHONY: chaos
CHAOS ?= --kills 100
chaos: build ## Pull the plug at seeded moments and count what is lost: CHAOS='--kills 1000 --seed 7'
	cargo build --release --locked --package chaos
	@TMPDIR=$${TMPDIR:-/var/tmp} target/release/chaos $(CHAOS)

.PHONY: hostile
HOSTILE ?= --engines local,docker
hostile: build ## Do hostile programs stay in their sandboxes? HOSTILE='--engines local --only egress/'
	cargo build --release --locked --package hostile
	@TMPDIR=$${TMPDIR:-/var/tmp} target/release/hostile $(HOSTILE)

##@ Parts
.PHONY: format lint tidy docs unit contract licences
format: ## Is every file formatted?
	cargo fmt --all --check

lint: ## Is clippy content?
	cargo clippy --workspace --all-targets --locked -- -D warnings

tidy: ## Are the rules of the house kept?
	cargo xtask tidy

docs: ## Do the docs in the code point somewhere?
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --locked --no-deps --document-private-items --quiet

unit: ## The tests beside the code
	cargo test --workspace --locked --lib --bins

contract: ## Does a real server do what its OpenAPI document says? (Schemathesis)
	cargo build --package cagent --locked
	scripts/contract target/debug/cagent

.PHONY: dashboardtest
dashboardtest: dashboard ## Does the dashboard do what it should? Its parts, then all of it in a real browser: minutes
	npm --prefix dashboard test --silent
	cargo build --locked --package cagent --package testkit
	npm --prefix dashboard run --silent browsertest

.PHONY: testimage compose
testimage: ## The agent image that tests use; starts a Docker daemon if none answers
	@scripts/docker
	cargo build --locked --package cagent
	target/debug/cagent image build

compose: testimage ## Does the agent image do what it should, and does compose bring everything up?
	tests/image/run
	tests/compose/run target/debug/cagent

.PHONY: chaostest
chaostest: ## Is nothing lost, and nothing run twice? 30 kills and every other fault, both engines: minutes
	cargo build --locked --package cagent --package chaos
	@TMPDIR=$${TMPDIR:-/var/tmp} target/debug/chaos --kills 30 --seed 6 --longest 2000 --engines local,docker

.PHONY: vm
vm: ## Do limits hold on version 2 cgroups and under systemd? In an emulated machine: minutes
	cargo build --locked --package cagent
	tests/vm/run target/debug/cagent

# Without the advisories: they need the network and change without a change of ours.
licences: ## Are the licences and sources of all dependencies allowed?
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --workspace check bans licenses sources; \
	else \
		echo "skipped: licences (cargo-deny is not installed; cargo install --locked cargo-deny)"; \
	fi

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
