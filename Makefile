# Everything runs in .venv, which is built once from pyproject.toml and constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCHMARKS := plan overhead sampler svm training slurm

.PHONY: demo test check lint bench faults gpu
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

# What needs no SLURM, Ray or browser and takes seconds: quick enough before every commit.
check: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slurm and not ray and not browser and not long"

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Strikes sweeps N times on each backend at random moments and checks what is left; hours for 10000.
N ?= 100
SEED ?= 1
faults: $(INSTALLED)
	for backend in inline ray slurm; do \
		$(BIN)/python -m tests.faults.campaign --strikes $(N) --seed $(SEED) --backend $$backend || exit 1; \
	done

# All that a GPU can show, in gpu.md; see benchmarks/gpu.py for what it needs. PYTHON may be any that
# has a CUDA torch: nothing is installed.
gpu:
	$(PYTHON) -m benchmarks.gpu

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(BENCHMARKS)
