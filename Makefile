# Needs Python 3.11 or later and make; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
ROUNDS ?= 10
# As root, the programs under torture run as `nobody`, who has to be able to run this one.
TORTURE_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help run demo test lint typecheck unit torture benchmark format clean

help: ## Show what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 18

run: .venv/installed ## Start Headcount with a ready tenant and token on http://127.0.0.1:8000
	@$(BIN)/headcount quickstart

demo: .venv/demonstrable ## Provision an HR file into a running tenant, twice, and show that a third plan is empty
	@$(BIN)/python examples/demo.py

test: lint typecheck unit ## Install what the tests need and run all of them

lint: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: .venv/tested
	$(BIN)/mypy

unit: .venv/tested
	$(BIN)/pytest -n 2 -q

torture: .venv/tested .torture/installed ## Kill, pause and overload everything, for about twenty minutes
	TORTURE_ROUNDS=$(ROUNDS) TORTURE_PATRONI=$(CURDIR)/.torture/bin/patroni $(BIN)/pytest -v --timeout 900 tests/torture

outside: .venv/tested .outside/installed ## Provision into servers that others wrote (needs Node.js; about five minutes)
	OUTSIDE_PROGRAMS=$(CURDIR)/.outside $(BIN)/pytest -v --timeout 300 tests/outside

benchmark: .venv/tested ## Measure speed beside a floor and a peer (about ten minutes)
	$(BIN)/python benchmarks/run.py

format: .venv/tested ## Format the code
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

clean: ## Remove the virtual environment and caches; data stays
	rm -rf .venv .torture .outside .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headcount needs Python 3.11 or later (PYTHON=...)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	@echo "Installing Headcount into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/demonstrable: .venv/bin/python pyproject.toml
	@echo "Installing Headcount with its provisioning engine into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[provisioning]'
	@touch $@ .venv/installed

.venv/tested: .venv/bin/python pyproject.toml
	@echo "Installing Headcount and what its tests need into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/installed

.torture/installed:
	@command -v etcd >/dev/null || { echo "The failover test needs etcd (Debian: apt install etcd-server)" >&2; exit 1; }
	@command -v pgbouncer >/dev/null || echo "Without pgbouncer (Debian: apt install pgbouncer) the test behind a pooler is left out" >&2
	$(TORTURE_PYTHON) -m venv .torture
	@.torture/bin/python -m pip install --quiet --disable-pip-version-check 'patroni[psycopg3,etcd3]' 'psycopg[binary]'
	@touch $@

.outside/installed: $(wildcard tests/outside/requirements/*) $(wildcard tests/outside/scimmy/*)
	@command -v npm >/dev/null || { echo "SCIMMY needs Node.js and npm (Debian: apt install nodejs npm)" >&2; exit 1; }
	@echo "Installing Canaille, scim2-server and SCIMMY into .outside ..."
	@for program in canaille scim2-server; do \
		$(PYTHON) -m venv .outside/$$program && .outside/$$program/bin/python -m pip install --quiet \
			--disable-pip-version-check --requirement tests/outside/requirements/$$program.txt || exit 1; \
	done
	@mkdir -p .outside/scimmy && cp tests/outside/scimmy/* .outside/scimmy/
	@npm install --prefix .outside/scimmy --silent --no-audit --no-fund --no-package-lock
	@touch $@
