# Every command sets itself up: nothing but Python 3.11+, make and git is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = pyproject.toml $(wildcard extensions/package-lock.json) \
	$(shell find extensions -path '*/node_modules' -prune -o \( -name '*.ts' -o -name '*.json' -o -name '*.mjs' -o -name '*.css' \) -print 2>/dev/null)
PYTEST = $(BIN)/python -m pytest

.PHONY: setup demo fix check test interop browser notebooks soak fuzz bench requirements docs clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-time: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.develop: $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.run-time

setup: $(VENV)/.develop

demo: $(VENV)/.run-time
	$(BIN)/dicomlab demo $(DEMO)

fix: setup
	$(BIN)/ruff check --fix --quiet dicomlab tests tools || true
	$(BIN)/ruff format dicomlab tests tools

extensions/node_modules/.package-lock.json: extensions/package-lock.json | setup
	cd extensions && PATH="$(abspath $(BIN)):$$PATH" npm ci --silent
	touch $@

build/typescript.checked: $(SOURCES) extensions/node_modules/.package-lock.json
	cd extensions && PATH="$(abspath $(BIN)):$$PATH" npm run --silent check
	mkdir -p build && touch $@

check: setup build/typescript.checked
	$(BIN)/ruff check dicomlab tests tools
	$(BIN)/ruff format --check dicomlab tests tools
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

test: setup
	$(PYTEST) tests -m "(unit or property or contract or typing or smoke) and not browser" \
		--results build/results/test.json
	@# A process of its own: ITK and Playwright in one crash it when it ends.
	$(PYTEST) tests/browser -m smoke

interop browser notebooks: setup
	$(PYTEST) tests/$@ --results build/results/$@.json

soak fuzz: setup
	$(PYTEST) tests/fuzz -m $@ --results build/results/$@.json

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	$(BIN)/python tests/bench/run.py $(BENCH)

requirements: $(VENV)/bin/python
	$(BIN)/python tools/requirements.py

docs: setup
	$(BIN)/python -m pdoc --docformat numpy --output-directory build/docs ./dicomlab

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
