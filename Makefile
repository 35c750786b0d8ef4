# make demo    a fresh machine: environment, data, the first program with progress, evaluation and a TensorBoard log
# make test    environment, ruff, mypy, all tests with the examples in the docstrings
# make docs    write the generated parts of docs/ again
# make bench   environment of the peers, then the benchmark table and the GEMM table
#
# The first python3 of at least 3.11 is used; say `make PYTHON=/path/to/python test` for another.

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BENCH_VENV := .venv-bench
PIP_FLAGS := --disable-pip-version-check --quiet
BENCH_FLAGS ?=
TEST_FLAGS ?=

.PHONY: demo test lint types tests bench gemm docs docs-check clean help

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Lamella needs Python 3.11 or newer; none found. Try: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[tensorboard]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[test]'
	@touch $@ $(VENV)/.demo

$(BENCH_VENV)/.done: benchmarks/peers.txt
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install $(PIP_FLAGS) -r benchmarks/peers.txt
	@touch $@

demo: $(VENV)/.demo
	tools/get_data.sh $(VENV)/bin/python
	$(VENV)/bin/python examples/fashion_mnist.py --log-dir logs
	@echo
	@echo "The curves and histograms: $(VENV)/bin/tensorboard --logdir logs"

test: lint types tests

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .

types: $(VENV)/.test
	$(VENV)/bin/mypy

tests: $(VENV)/.test
	$(VENV)/bin/python -m pytest $(TEST_FLAGS)

docs: $(VENV)/.test
	$(VENV)/bin/python tools/make_fit_page.py
	$(VENV)/bin/python tools/make_numbers.py

docs-check: $(VENV)/.test
	$(VENV)/bin/python -m pytest -q tests/test_import_contract.py lamella

bench: $(VENV)/.test $(BENCH_VENV)/.done
	tools/get_data.sh $(VENV)/bin/python || true
	$(VENV)/bin/python benchmarks/run.py $(BENCH_FLAGS)
	$(VENV)/bin/python benchmarks/details.py
	$(VENV)/bin/python benchmarks/gemm.py

gemm: $(VENV)/.test
	$(VENV)/bin/python benchmarks/gemm.py

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist logs .pytest_cache .mypy_cache .ruff_cache .hypothesis
