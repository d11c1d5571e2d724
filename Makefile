# Everything runs in .venv, which is built once from pyproject.toml and constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCHMARKS := plan overhead sampler svm training slurm

.PHONY: demo test lint bench
.DEFAULT_GOAL := demo

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip check
	$(BIN)/python -m compileall -q artifacts cluster jobs runner
	touch $@

demo: $(INSTALLED)
	$(BIN)/runner submit grids/quickstart.yaml --backend ray
	$(BIN)/runner collect quickstart

test: $(INSTALLED)
	.ci/install-debian-packages
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	for benchmark in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$benchmark || exit 1; done
