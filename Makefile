# make demo | make test | make check   (each sets up its own environment in .venv first)
# make test-oldest | make test-newest  (the suite on the oldest and newest versions that pyproject.toml allows)
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
# More for pytest: make test PYTEST="-k losses"
PYTEST ?=

.PHONY: demo test check test-oldest test-newest

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[train,weights,dev]'
	touch $(STAMP)

demo: $(STAMP)
	rm -rf demo
	$(BIN)/acrloss demo --output demo

# One test process a core, and no more threads than that. Afterwards: which lines and branches ran.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --cov --cov-report= $(PYTEST)
	$(BIN)/python tools/coverage_summary.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

test-oldest:
	PYTHON=$(PYTHON) tools/test_versions.sh lowest-direct $(PYTEST)

test-newest:
	PYTHON=$(PYTHON) tools/test_versions.sh highest $(PYTEST)
