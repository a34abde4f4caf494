# Everything runs from .venv, made from the hash-pinned lock. Only Python 3.11+, make and the package registries are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo serve test check bench bench-mpc bench-statistics fuzz clean

demo: $(READY)
	$(BIN)/python -m examples.demo

serve: $(READY)
	$(BIN)/python -m examples.demo --serve

test: $(READY)
	$(BIN)/python -m pytest tests

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-statistics bench-mpc

bench-statistics: $(READY)
	$(BIN)/python -m benchmarks.statistics.run

bench-mpc: $(READY)
	$(BIN)/python -m benchmarks.mpc.run

fuzz: $(READY)
	$(BIN)/python -m pytest tests/properties tests/unit/mpc --hypothesis-profile=long -p no:timeout

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unseen needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

clean:
	rm -rf $(VENV) .demo demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
