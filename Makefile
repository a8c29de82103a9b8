# Each target does its own set-up from a fresh clone: virtual environment, pinned packages, then the work.
PYTHON ?= python3
BIN := .venv/bin
# torch comes first: a plain dependency on it would fetch gigabytes of CUDA wheels.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# The build runs with the pinned hatchling, not with one fetched for an isolated environment.
EDITABLE := $(INSTALL) --no-build-isolation --editable

.PHONY: demo test test-slow check docs notebooks bench bench-gpu clean

demo: .venv/demo-installed  ## the main job: theory and a trained transformer in out/report.html
	$(BIN)/metasphere compare --out out

test: check  ## format, lint, types, tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/test-installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

check: .venv/test-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

docs: .venv/test-installed  ## the documentation with its notebooks, as they ran, into out/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

notebooks: .venv/test-installed  ## run the notebooks anew, in place
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace docs/notebooks/*.ipynb

bench: .venv/test-installed  ## what it costs, with rivals: one table; half an hour
	$(BIN)/python -m benchmarks

bench-gpu: .venv/test-installed  ## what an accelerator gains, checked against the CPU; under 8 minutes
	$(BIN)/python -m benchmarks.accelerator

.venv/torch-installed: constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0 hatchling editables
	touch $@

.venv/demo-installed: .venv/torch-installed pyproject.toml
	$(EDITABLE) ".[pretrained]"
	touch $@

.venv/test-installed: .venv/torch-installed pyproject.toml
	$(EDITABLE) ".[pretrained,cluster,meanfield,dev]"
	touch $@

clean:
	rm -rf .venv out dist
