# The only entry points. `make help` lists them. PYTHON is the Python that makes the environment (3.11 to 3.13).
PYTHON ?= python3
VENV ?= .venv
BUDGET ?= cpu
WORKERS ?= 2

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
endif
PY := $(BIN)/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup lab book test notebooks bench comparison table1 lock clean

help:  ## list what there is
	@echo "make lab        open JupyterLab at lesson 00"
	@echo "make book       run every lesson and write the book"
	@echo "make test       run every test"
	@echo "make notebooks  for authors: write the learner copies again from their sources (drops answers)"
	@echo "make bench      measure speed against other libraries"
	@echo "make comparison train every objective with seeds again (about 20 minutes of processor time)"
	@echo "make table1     train and test every system of Table 1 again where no record is (hours of processor time)"
	@echo "make lock       write requirements.txt again from the ranges in pyproject.toml"
	@echo "make clean      remove the book, caches and compiled files (keeps $(VENV))"
	@echo "Variables: PYTHON=$(PYTHON) VENV=$(VENV) BUDGET=$(BUDGET) (quick, cpu, gpu) WORKERS=$(WORKERS)"

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else f'Python 3.11 to 3.13 is needed; $(PYTHON) is {v[0]}.{v[1]}. Try make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(PY) -c "import pathlib; pathlib.Path('$(STAMP)').touch()"

# neither lab nor book writes into notebooks/: the copies there may hold your answers
lab: $(STAMP)
	$(PY) -m jupyterlab $(ALLOW_ROOT) notebooks/00_first_look.ipynb

notebooks: $(STAMP)
	$(PY) -m avcl_teach.authoring.learner $(wildcard notebooks/[0-9][0-9]_*.py)

book: $(STAMP)
	$(PY) book/tools/run_notebooks.py --budget $(BUDGET) --workers $(WORKERS)
	$(PY) book/tools/build_book.py --budget $(BUDGET)

# the lessons run first, two at a time; a lesson that fails is told by the tests that read the runs
test: $(STAMP)
	-$(PY) book/tools/run_notebooks.py --kind both --budget quick --offline --workers $(WORKERS)
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup

# the peers come without what they would drag in; the last command exits with 1 when a bound is missed
bench: $(STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements.txt
	$(PY) benchmarks/bench_features.py
	$(PY) benchmarks/bench_world.py
	$(PY) -m benchmarks.side_by_side

comparison: $(STAMP)
	$(PY) -m avcl_teach.comparison --out data/comparison.json --workers $(WORKERS)
	$(PY) -c "import shutil; shutil.copy('data/comparison.json', 'avcl_teach/comparison/table.json')"

# the page and the spreadsheet of the book are copies of what the package ships
table1: $(STAMP)
	$(BIN)/avcl table1 --budget $(BUDGET) --workers $(WORKERS) --out avcl_teach/table1/made
	$(PY) -c "import shutil; [shutil.copy(f'avcl_teach/table1/made/table1.{x}', 'book') for x in ('md', 'csv')]"

lock: $(STAMP)
	$(PY) -m pip install --quiet uv
	$(PY) book/tools/lock.py

clean:
	$(PYTHON) -c "import pathlib, shutil; [shutil.rmtree(p, ignore_errors=True) for n in ('out', '.cache', '.pytest_cache', '.ruff_cache', '.hypothesis', 'build') for p in [pathlib.Path(n)]]; [shutil.rmtree(p, ignore_errors=True) for d in ('avcl_teach', 'tests', 'book', 'benchmarks') for p in pathlib.Path(d).rglob('__pycache__')]"
