# Two commands: `make demo` and `make test`. Each makes the environment that it needs, the first time it is called.
PYTHON ?= python3
# On most machines plain pip takes the CUDA build of torch; another build: make env TORCH="torch --index-url …"
TORCH ?= torch==2.13.0
BIN := .venv/bin

.PHONY: env demo test test-all docs check-debian

env: .venv/.made

.venv/.made: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory check-debian
	@echo "The first time, the libraries are installed into .venv: 3 to 10 minutes, 2.5 GB on the disk, and 3 GB more"
	@echo "where pip takes the CUDA build of torch. Without a GPU the CPU build is enough; README says how to take it."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	grep -v '^torch==' constraints.txt > .venv/constraints.txt
	$(BIN)/pip install --progress-bar on -c .venv/constraints.txt $(TORCH)
	$(BIN)/pip freeze | grep '^torch==' >> .venv/constraints.txt
	$(BIN)/pip install --progress-bar on -c .venv/constraints.txt -e ".[dev]"
	@touch $@

check-debian:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one:  make env PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "The Debian package python3-venv is missing:  apt-get install python3-venv"; exit 2; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || \
	  { echo "The Debian package libgomp1 is missing:  apt-get install libgomp1"; exit 2; }

demo: env
	$(BIN)/polyclinic demo

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not slow"

test-all: env
	$(BIN)/pytest -n 2

docs: env
	$(BIN)/mkdocs build --strict
