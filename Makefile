# make run     set everything up, then open the workbench on the film reviews
# make test    the same set-up, then the tests
# make lint    formatting, types and the import contracts
# make bench   measure what the README claims
# make lock    choose the exact versions anew, from pyproject.toml
#
# Needs Python 3.11 or later, make and a package index; PYTHON=… names another interpreter.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SESSION ?= sessions/film-reviews.toml
# The programs in an environment name its path: where the checkout was moved, it is made anew.
MOVED := $(shell [ ! -f $(VENV)/.place ] || [ "$$(cat $(VENV)/.place)" = "$(CURDIR)" ] || { rm -f $(READY); echo yes; })
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test lint bench lock setup starters clean
.DELETE_ON_ERROR:

run: starters
	@if [ ! -t 0 ]; then \
	  echo "workbench: standard input is no terminal, so no screen is opened; without one there are: $(BIN)/workbench train|generate|eval $(SESSION), $(BIN)/workbench runs, $(BIN)/workbench doctor" >&2; \
	  exit 2; \
	fi; \
	exec $(BIN)/workbench $(SESSION)

test: starters
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false \
	  PYTEST_ADDOPTS="-n 2 --dist loadfile --no-loadscope-reorder $$PYTEST_ADDOPTS" $(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: starters
	@set -e; for one in startup latency training imports dataset_open dataset_scan lengths prompting lm_eval; do \
	  echo "== $$one"; $(BIN)/python -m benchmarks.$$one; \
	done

lock: setup
	$(BIN)/python .ci/lock.py

starters: setup
	@$(BIN)/workbench fetch

setup: $(READY)

# The environment is made once, and brought up to date when a version in the lock changes.
$(READY): requirements.lock pyproject.toml hatch_build.py
	@set -e; \
	if [ -n "$(MOVED)" ] || ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  for one in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      found=$$one; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "workbench needs Python 3.11 or later, and none was found; install one, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$found cannot make virtual environments: its venv module is missing; install it (Debian and Ubuntu: apt install python3-venv)" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV); \
	fi; \
	echo "Installing the exact versions of requirements.lock"; \
	$(BIN)/python -m pip install --requirement requirements.lock; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	echo "$(CURDIR)" > $(VENV)/.place; \
	touch $(READY)

clean:
	rm -rf $(VENV) dist build
