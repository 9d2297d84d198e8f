# The three commands a person must know: make demo, make test, make bench.
#
# Everything they need is set up by lab/tools.py: Debian packages (by apt, after saying so) and uv, which brings the locked
# Python packages into .venv. What is slow to make is kept in ~/.cache/oompolicy (or $OOMPOLICY_CACHE).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo lint test test-kernel bench

POLICY ?= demo
KEEP ?=
TESTS ?= tests
KERNEL ?=

help: ## What can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?(.*)/make \1\t\2/' | expand -t 20

setup:
	@python3 tests/support/lab/tools.py
	@$(UV) sync --frozen --quiet

UV = $(shell python3 tests/support/lab/tools.py --print-uv)
RUN = PYTHONPATH=tests/support $(UV) run --frozen --quiet

demo: setup ## The product doing its job on a real node (KEEP=1 leaves the cluster up, POLICY=none shows the kernel alone, KERNEL=patched has it ask who dies)
	@$(RUN) python -m demo $(if $(KEEP),--keep) $(if $(filter none,$(POLICY)),--without-policy) $(if $(filter patched,$(KERNEL)),--patched-kernel)

lint: setup ## Style, types and the boundaries between packages
	@$(UV) lock --check --quiet
	@$(RUN) ruff format --check --quiet .
	@$(RUN) ruff check --quiet .
	@MYPY_CACHE_DIR=$${OOMPOLICY_CACHE:-$$HOME/.cache/oompolicy}/mypy $(RUN) mypy
	@$(RUN) lint-imports

test: lint ## Every test there is, on real parts (TESTS=tests/agent for some of them)
	@$(RUN) $(if $(filter tests,$(TESTS)),python -m every_test,pytest $(TESTS))

test-kernel: setup ## The patches of agent/kernel: builds that kernel (a quarter of an hour, once; KERNEL=debug: with lockdep and KASAN, KERNEL=/path/to/vmlinuz: yours) and runs OOMs on it
	@OOMPOLICY_KERNEL=$(or $(KERNEL),minimal) $(RUN) pytest tests/vm/test_kernel_hook.py

bench: setup ## How fast it decides, as ratios within one run
	@$(RUN) python -m bench
