# Everything runs from .venv, and everything in .venv comes from a lock file with hashes.
# A fresh machine needs Python 3.11, 3.12 or 3.13, git and make.

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# The newest supported one there is; another: make PYTHON=/path/to/python3.11
is_supported := import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	$$name -c '$(is_supported)' 2>/dev/null && echo $$name && break; done)

# The stamp's name holds the content it stands for, so a changed lock file or pyproject.toml installs again.
runtime_stamp := $(VENV)/.installed-runtime-$(shell cat requirements.lock pyproject.toml | git hash-object --stdin)
dev_stamp := $(VENV)/.installed-dev-$(shell cat requirements-dev.lock pyproject.toml | git hash-object --stdin)
# What serves development serves the demo as well.
installed := $(firstword $(wildcard $(dev_stamp)) $(runtime_stamp))

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit contract cluster format bench lock clean

help: ## say what there is (this)
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(installed) ## install, then collect 100 symbols from a simulated exchange at 15 requests per second
	$(BIN)/candles demo

# What needs no Ray runs in two processes; tests that kill real processes and time real requests run one by one.
test: lint ## install, then run every check: lint, types, imports, all tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 2 tests/unit tests/contract
	$(BIN)/python -m pytest tests/cluster

lint: $(dev_stamp) ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit contract cluster: $(dev_stamp)
	$(BIN)/python -m pytest tests/$@

format: $(dev_stamp) ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(dev_stamp) ## run the benchmarks and print their tables
	$(BIN)/python -m benchmarks

lock: | $(BIN)/python ## pin again what pyproject.toml asks for (newest versions: make lock UPGRADE=--upgrade)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(compile) --output-file requirements.lock
	$(compile) --group dev --group benchmarks --constraints requirements.lock --output-file requirements-dev.lock

compile = $(BIN)/uv pip compile pyproject.toml --extra demo --extra arrow --extra plot --group build --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet $(UPGRADE)

clean: ## remove .venv, caches and build products
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Candle Collector needs Python 3.11, 3.12 or 3.13, and none is on the PATH:" \
		"install one, or say where it is: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	@$(PYTHON) -c '$(is_supported)' || { echo "Candle Collector needs Python 3.11, 3.12 or 3.13:" \
		"$(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) cannot make a virtual environment:" \
		"install its venv module (on Debian and Ubuntu: a package named like python3.13-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(runtime_stamp) $(dev_stamp): | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(lock_file)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	rm -f $(VENV)/.installed-*
	touch $@

$(runtime_stamp): lock_file := requirements.lock
$(dev_stamp): lock_file := requirements-dev.lock
