# Everything runs from .venv, made from the hash-pinned lock. Only Python 3.11+, make and the package registries are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

WORKERS ?= 2
# A file's tests stay together and in order: several tell one story to the servers that its first test starts.
# With more threads OpenBLAS spins where the processors are busy: an attack took 450 s instead of 46.
TESTS := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo serve stop test quick attack check bench bench-gate bench-mpc bench-statistics fuzz clean

demo: $(READY)
	$(BIN)/python -m examples.demo

# PORT= for another port than the last one (8440 at first). What it keeps is in .demo.
serve: $(READY)
	$(BIN)/python -m examples.serve $(if $(PORT),--port $(PORT))

stop: $(READY)
	$(BIN)/python -m examples.serve --stop

# All but the attacks: 15 minutes at most on two cores.
test: $(READY)
	$(TESTS) tests --ignore tests/attacks --ignore tests/faults

# No server, no Ray, no node's database: under a minute.
quick: $(READY)
	$(TESTS) tests/unit tests/vectors --ignore tests/unit/sandbox/node -m "not ray and not e2e and not slow"

# Every promise attacked over the public way in, then every process killed and every connection cut.
attack: $(READY)
	$(TESTS) tests/attacks tests/faults

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-statistics bench-gate bench-mpc

bench-statistics: $(READY)
	$(BIN)/python -m benchmarks.statistics.run

# What the gate costs and withholds: six minutes at most.
bench-gate: $(READY)
	$(BIN)/python -m benchmarks.gate.run

bench-mpc: $(READY)
	$(BIN)/python -m benchmarks.mpc.run

fuzz: $(READY)
	$(BIN)/python -m pytest tests/properties tests/unit/mpc --hypothesis-profile=long -p no:timeout

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unseen needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test ! -L $(VENV) || { echo "$(VENV) is a link, and what is installed through it changes another checkout: remove it"; exit 1; }
	@for file in $(VENV)/lib/python*/site-packages/_editable_impl_unseen.pth; do \
	  test ! -e "$$file" || test "$$(head -n 1 "$$file")" -ef . || \
	  { echo "$(VENV) was made for the checkout $$(head -n 1 "$$file"): make clean, or remove it"; exit 1; }; done
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

clean:
	rm -rf $(VENV) .demo .demo-story demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis
