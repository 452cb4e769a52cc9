# make demo: train, evaluate and draw on bundled data. make test: all tests but the slow ones. make slow: those.
# make soak: kill trainings 20 times at any moment and compare what they end with.
# make compat: test the wheel with the oldest and newest dependencies on every Python.
# make fuzz: read 10,000 mutated videos, annotations, configurations and checkpoints.
# make docs: the pages in docs/_build/html. make benchmarks: measure docs/speed.md anew, on an idle machine.
# make reproduce TABLE=sync_mnist MODEL=rstg_all_temp SCALE=small DIGITS=5 SEED=0: a row of docs/reproduction.md.
# Each installs what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed

.PHONY: install demo test slow soak fuzz compat lint docs benchmarks reproduce format clean

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml
	@echo "Installing into $(VENV) (torch is large: a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (got " + sys.version.split()[0] + "); name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python -W ignore::FutureWarning -m pyg_video.cli.demo --output demo

# A process per core, with one thread each: make test WORKERS=0 runs all in one process.
WORKERS ?= logical
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not gpu and not slow"

slow: $(INSTALLED)
	$(BIN)/python -m pytest -q -m "slow and not gpu"

soak: $(INSTALLED)
	PYG_VIDEO_KILLS=20 $(BIN)/python -m pytest -q tests/runs/test_killed.py

compat:
	.ci/compat $(CASES)

fuzz: $(INSTALLED)
	$(BIN)/python -W ignore::FutureWarning benchmarks/fuzz.py --output benchmarks/results/fuzz.json

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	@touch $@

docs: $(DOCS_INSTALLED)
	$(BIN)/python -W ignore::FutureWarning -m sphinx -W -n --keep-going -q -d docs/_build/doctrees docs docs/_build/html

benchmarks: $(INSTALLED)
	$(BIN)/python -W ignore::FutureWarning benchmarks/blocks.py --output benchmarks/results/blocks.json
	$(BIN)/python -W ignore::FutureWarning benchmarks/curves.py --threads 1 --rounds 2 --max-seconds 1.5 --max-mib 1500 --output benchmarks/results/curves.json
	$(BIN)/python -W ignore::FutureWarning benchmarks/allocator.py --cases dyreg_256 --threads 1 --rounds 3 --processes 1 --output benchmarks/results/allocator.json
	$(BIN)/python -W ignore::FutureWarning benchmarks/compiled.py --output benchmarks/results/compiled.json
	$(BIN)/python -W ignore::FutureWarning benchmarks/floor.py --output benchmarks/results/floor.json
	$(BIN)/python -W ignore::FutureWarning benchmarks/page.py

SCALE ?= small
DIGITS ?= 5
SEED ?= 0
reproduce: $(INSTALLED)
	$(BIN)/python -W ignore::FutureWarning benchmarks/reproduce.py --table $(TABLE) --model $(MODEL) --scale $(SCALE) --digits $(DIGITS) --seed $(SEED) $(OPTIONS)

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo lightning_logs .mypy_cache .pytest_cache .ruff_cache *.egg-info docs/_build docs/_notebooks
