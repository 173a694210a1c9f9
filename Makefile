# Every target sets itself up: the first run makes .venv, later runs reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests start some hundred interpreters; without bytecode each would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check browser fuzz audit audit-long mutants guards benchmark protos clean

demo: $(VENV)/.demo ## run the main job on real input
	$(BIN)/splittally demo

test: $(VENV)/.dev ## run every test
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## style, types, import contracts, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m protos.build --check
	$(BIN)/python -m engine.cli.reference --check

audit: $(VENV)/.dev ## the privacy claim: neighbours, laws, releases, views, accounts (5 minutes)
	AUDIT=whole $(BIN)/python -m pytest -n 2 tests/audit tests/trusted_sampler/test_law.py

audit-long: $(VENV)/.dev ## the same with every neighbour on every base and two million releases a side (an hour of processor time)
	AUDIT=long $(BIN)/python -m pytest -n 2 -m "long or not long" tests/audit tests/trusted_sampler/test_law.py

browser: $(VENV)/.dev ## the desk in a Chromium that this machine has, and the walk over the demo, every page by axe-core (needs npm)
	npm install --silent --no-save --no-audit --no-fund --prefix .cache/browser axe-core@4.14.1
	$(BIN)/python -m pytest tests/desk/test_browser.py tests/processes/test_demo_walk.py

fuzz: $(VENV)/.dev ## statements and plans that nobody wrote, for FUZZ_SECONDS (600)
	$(BIN)/python tests/fuzz/fuzz.py

mutants: $(VENV)/.dev ## plant errors in the trusted base; the tests must notice each
	$(BIN)/python tests/mutants/run.py

guards: $(VENV)/.dev ## take the guard out of each fault scenario; the scenario must then fail
	$(BIN)/python tests/faults/guards.py

benchmark: $(VENV)/.dev ## figures, as ratios in one run
	$(BIN)/python -m benchmarks

protos: $(VENV)/.dev ## regenerate the protobuf code
	$(BIN)/python -m protos.build

clean: ## remove the environment and caches
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache build *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	touch $@
