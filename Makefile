# make setup         make .venv with everything in requirements.lock, and the package
# make compare       train on every framework and compare: the main job
# make test          run the static checks, then all tests
# make test-oldest   run the quick tests on the oldest versions that pyproject.toml admits
# make lint          run the static checks
# make docs-tables   rewrite the tables of the documentation
# make lock          compute requirements.lock again
# make help          print this list
#
# PYTHON=/path/to/python3.12 chooses another Python.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST := .venv-oldest

# The first name in $(2) that starts a Python from 3.11 to 3.$(1). Names are tried, because a shim may be broken.
SUPPORTED = import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(1)))
first = $(shell for python in $(2); do \
	"$$python" -c '$(call SUPPORTED,$(1))' 2> /dev/null && echo "$$python" && break; done)

ifeq ($(origin PYTHON),undefined)
PYTHON := $(call first,13,$(wildcard $(BIN)/python) python3.13 python3.12 python3.11 python3)
else ifneq ($(shell cat $(READY) 2> /dev/null),$(shell $(PYTHON) --version 2> /dev/null))
.PHONY: $(READY) # .venv is missing or has another Python
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check

# On this machine all six frameworks have wheels, so the tests fail if one is missing.
ifeq ($(shell uname -sm),Linux x86_64)
export D2LDROP_TEST_BACKENDS ?= numpy torch tensorflow mxnet paddle jax
endif

.PHONY: setup compare test test-oldest lint docs-tables lock help
.DELETE_ON_ERROR:

setup: $(READY)

# MXNet's metadata requires NumPy below 2, but MXNet runs with NumPy 2. So pip installs the lock without
# dependencies, and the check below accepts that one conflict. If PyTorch is a CUDA build, pip adds the
# dependencies of that build.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(call SUPPORTED,13)' 2> /dev/null || { \
		found=$$("$(or $(PYTHON),python3)" --version 2> /dev/null || echo no Python); \
		echo "Python 3.11, 3.12 or 3.13 with venv is needed, but $(or $(PYTHON),python3) is $$found."; \
		echo "Install one (Debian: python3 and python3-venv), or: make PYTHON=/path/to/python3.13 ..."; \
		exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) ..."
	@[ "$$($(BIN)/python --version 2> /dev/null)" = "$$($(PYTHON) --version)" ] \
		&& $(PIP) --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing requirements.lock (4 GB on disk, some minutes; later runs reuse it) ..."
	@$(PIP) install --quiet --no-deps --requirement requirements.lock
	@grep '^torch==' requirements.lock | $(PIP) install --quiet --requirement /dev/stdin
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@! $(PIP) check | grep --invert-match --regexp='^No broken requirements found' \
		--regexp='^mxnet 1.9.1 has requirement numpy<2.0.0,>1.16.0, but you have numpy 2'
	@$(BIN)/python --version > $@

compare: $(READY)
	$(BIN)/d2ldrop compare

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python docs/tables.py --check

docs-tables: $(READY)
	$(BIN)/python docs/tables.py

help:
	@sed -n 's/^# \(make .*\)/\1/p; s/^# \(PYTHON=.*\)/\1/p' $(firstword $(MAKEFILE_LIST))

# First the notebooks, each in its own process, then the tests, whose summary is the last line.
test: $(READY) lint
	OMP_WAIT_POLICY=passive $(BIN)/pytest --nbmake --nbmake-timeout=600 -n 2 notebooks/*.ipynb notebooks/zh/*.ipynb
	$(BIN)/pytest

# MXNet requires NumPy 1.26, which has no wheel for Python 3.13.
$(OLDEST)/.ready: pyproject.toml $(READY)
	$(call first,12,python3.11 python3.12 python3 $(PYTHON)) -m venv --clear $(OLDEST)
	$(BIN)/uv pip compile --quiet --no-config --resolution lowest-direct --python $(OLDEST) \
		--extra mxnet --extra test pyproject.toml --output-file $(OLDEST)/requirements.txt
	$(BIN)/uv pip sync --quiet --no-config --python $(OLDEST) $(OLDEST)/requirements.txt
	$(BIN)/uv pip install --quiet --no-config --python $(OLDEST) --no-deps --editable .
	@touch $@

test-oldest: $(OLDEST)/.ready
	D2LDROP_TEST_BACKENDS="numpy mxnet" $(OLDEST)/bin/python -m pytest -m "not slow" \
		-W ignore::DeprecationWarning # old packages use deprecated functions of newer ones

lock: $(READY)
	$(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
		--no-annotate --custom-compile-command "make lock" --extra all --extra dev --group lock \
		pyproject.toml --output-file requirements.lock
