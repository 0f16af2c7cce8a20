# Two commands do all set-up on a fresh machine with Python 3.11 or newer: `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test check format clean

quickstart: $(VENV)/core.done ## made-up studies -> prepare -> pre-train -> evaluate -> runs/quickstart/report.html
	$(BIN)/cxr-clip quickstart log.tensorboard=true

test: $(VENV)/dev.done ## the whole test suite with coverage
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=90

check: $(VENV)/dev.done ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/dev.done
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(BIN)/python:
	@echo "Making the virtual environment $(VENV) (once)"
	$(PYTHON) -m venv $(VENV)

# torch goes first: with the pinned one in place, no other package pulls a larger build.
$(VENV)/core.done: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing CXR-CLIP into $(VENV) (about a minute)"
	$(INSTALL) torch
	$(INSTALL) --editable '.[dicom,tensorboard]'
	@touch $@

$(VENV)/dev.done: $(VENV)/core.done
	@echo "Installing the development tools into $(VENV)"
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) runs data-quickstart .mypy_cache .ruff_cache .pytest_cache .coverage*
