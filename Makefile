# Two commands do everything: `make compare` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: compare demo test types suite check clean

compare: $(VENV)/.ready
	$(BIN)/lmzoo compare

demo: $(VENV)/.ready-demo
	$(BIN)/lmzoo serve

test: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory -j 2 types suite

# Beside each other, and in three processes on two cores: many tests wait for a process, a signal or a limit.
types:
	$(BIN)/mypy lmzoo
	for file in lmzoo/course/assignments/*/assignment.py; do $(BIN)/mypy $$file || exit 1; done

suite:
	$(BIN)/pytest -n 3 --dist worksteal

check: $(VENV)/.ready-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy lmzoo

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lmzoo needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.ready-demo: $(VENV)/.ready
	$(BIN)/pip install -q -c constraints.txt -e '.[serve]'
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
