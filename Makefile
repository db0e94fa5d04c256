# `make` alone tells what there is. Needed beforehand: python3 >= 3.11, git, make, Go >= 1.24 (Temporal is
# built once where it cannot be downloaded), Node.js >= 18 with npm (the EVM node and its contracts). Everything
# else arrives by itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup test check format demo chaos dev lock clean

UV_VERSION := 0.13.8
PYTHON := python3
# HOME may be unset or empty, as in some build machines: the account's own directory is meant then.
ifeq ($(strip $(HOME)),)
export HOME := $(shell $(PYTHON) -c 'import os, pwd; print(pwd.getpwuid(os.getuid()).pw_dir)')
endif
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tripwire
UV_VENV := $(CACHE)/uv-$(UV_VERSION)
# No interpreter is downloaded: the one that is there is used, or a sentence says what is missing.
export UV_PYTHON_DOWNLOADS := never
# The cache and the work tree may be on different disks; uv would warn on every run.
export UV_LINK_MODE := copy
# A company's own certificates live in the system's store; uv would look at its built-in list only.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
IN := .venv/bin
STAMP := .venv/.ready

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## everything the other targets need (they call it themselves)
	@$(IN)/python -m infra.devnet.tools

test: setup ## what continuous integration runs: format, lint, types, rooms, all tests
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/mypy
	$(IN)/lint-imports
	$(IN)/python -m pytest $(ARGS)

check: test ## the same, by its other name

format: $(STAMP) ## put the code in the house's form
	$(IN)/ruff format .
	$(IN)/ruff check --fix .

demo: setup ## a rule becomes settled money, before your eyes; ARGS="--help" for more
	@$(IN)/tripwire demo $(ARGS)

chaos: setup ## every fault there is a drill for, on both venues; ARGS="--help" for seeds, minutes and a choice
	@$(IN)/tripwire chaos $(ARGS)

dev: setup ## the embedded world in the foreground, until Ctrl-C; ARGS="--state DIR --port-base N"
	@$(IN)/tripwire dev $(ARGS)

lock: ## resolve the dependencies anew into requirements.lock
	@uv="$$($(find_uv))"; \
	"$$uv" pip compile -q pyproject.toml --all-extras --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-annotate -o requirements.lock --custom-compile-command "make lock"

clean: ## remove what was made here, and the state of the embedded world
	rm -rf .venv .tripwire .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Prints the path of uv: the one on PATH if it is recent enough, else a pinned one in the cache.
define find_uv
set -euo pipefail; \
if command -v uv >/dev/null && uv --version | awk '{split($$2, v, "."); exit !(v[1] > 0 || v[2] >= 5)}'; then \
  command -v uv; \
else \
  if ! [ -x "$(UV_VENV)/bin/uv" ]; then \
    mkdir -p "$(CACHE)"; unfinished="$$(mktemp -d "$(CACHE)/uv.XXXXXX")"; trap 'rm -rf "$$unfinished"' EXIT; \
    $(PYTHON) -m venv "$$unfinished" >&2 || { \
      echo "python3 cannot make virtual environments here: apt install python3-venv" >&2; exit 1; }; \
    "$$unfinished/bin/python" -m pip install -q --disable-pip-version-check "uv==$(UV_VERSION)" >&2; \
    mkdir -p "$(UV_VENV)/bin"; \
    mv -f "$$unfinished/bin/uv" "$(UV_VENV)/bin/uv"; \
  fi; \
  echo "$(UV_VENV)/bin/uv"; \
fi
endef

# Made anew when the lock file or pyproject.toml changes; otherwise this costs nothing.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 is not on PATH: Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"Python 3.11 or newer is needed; python3 on PATH is {sys.version.split()[0]}")'
	@uv="$$($(find_uv))"; \
	[ -x $(IN)/python ] || "$$uv" venv -q --python "$$(command -v $(PYTHON))" .venv; \
	echo "installing the locked dependencies into .venv"; \
	"$$uv" pip sync -q --python $(IN)/python --require-hashes requirements.lock; \
	"$$uv" pip install -q --python $(IN)/python --no-deps --no-build-isolation -e .; \
	touch $(STAMP)
