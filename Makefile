# make setup     .venv with everything in requirements.lock, and the package
# make compare   train on every framework and compare: the main job
# make test      static checks, then all tests
# make lint      the static checks alone

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# In the tests a framework that is missing here is a failure, not a skip.
export D2LDROP_TEST_BACKENDS ?= numpy torch tensorflow mxnet paddle

.PHONY: setup compare test lint
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing requirements.lock (4 GB on disk, some minutes; the next time none) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

compare: $(READY)
	$(BIN)/d2ldrop compare

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright

# The notebooks, each in a process of its own, then the tests; their line is the last.
test: $(READY) lint
	OMP_WAIT_POLICY=passive $(BIN)/pytest --nbmake --nbmake-timeout=600 -n 2 notebooks/*.ipynb notebooks/zh/*.ipynb
	$(BIN)/pytest
