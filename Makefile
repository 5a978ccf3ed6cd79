# make train, make test: all the set-up that a fresh machine needs is done on the way.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_SLOW := .venv/.installed-slow
INSTALLED_DOCS := .venv/.installed-docs

.PHONY: install train test test-long test-slow soak check bench docs
.DEFAULT_GOAL := train

install: $(INSTALLED)

# byte-compiled at once: a process that compiles what it imports starts twice as slowly
$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing into .venv (PyTorch and the rest: some 5 GB, minutes on a slow line) ..."
	@$(PYTHON) -c 'import sys; sys.exit("lightune needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet 'uv>=0.9'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q src
	@touch $@

# what clusters, databases and trackers need beside: the tests of them are among the slow ones
$(INSTALLED_SLOW): $(INSTALLED)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev,mlflow,postgresql,ray,slurm,wandb]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

train: $(INSTALLED)
	$(BIN)/python train.py

# one process a core, each with one thread: more of them only wait for each other
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal --durations=25

# studies and programs of many members that are killed and resumed, and the commands of the documentation
test-long: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'long and not slow' -n auto --dist worksteal --durations=25

test-slow: $(INSTALLED_SLOW)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n auto --dist worksteal

# faults injected into real studies, by seed: make soak SEED=7 FAULTS=100; ONLY='driver killed' and KIND='grid, local' narrow it
SEED ?= 0
FAULTS ?= 20
soak: $(INSTALLED)
	PYTHONPATH=tests/faults $(BIN)/python -m soak --seed $(SEED) --faults $(FAULTS) $(if $(ONLY),--only '$(ONLY)') $(if $(KIND),--kind '$(KIND)')

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(INSTALLED)
	$(BIN)/python benchmarks/startup.py

# the site of the documentation, in site/; to look at it: .venv/bin/python -m http.server --directory site
docs: $(INSTALLED_DOCS)
	$(BIN)/python docs/site/make_site.py
