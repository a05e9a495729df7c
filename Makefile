# `make demo` shows everything on the example; `make test` installs what the tests need and runs them all.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test ladders lint tools clean

demo: $(VENV)/.demo
	cd firmware_examples/spoken_digits && $(CURDIR)/$(BIN)/edgelstm build --target cortex-m4

test: tools $(VENV)/.test lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Hundreds of random models through every rung, of which the tests climb with a part. Takes most of an hour.
ladders: tools $(VENV)/.test
	$(BIN)/python tests/firmware/random_ladder.py 0 300
	$(BIN)/python tests/firmware/random_ladder.py 0 50 --kind all

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/lint-imports

# Compilers and emulators from the distribution, where this user may install them.
tools:
	sh tests/install_tools.sh

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[all]"
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) firmware_examples/*/out
