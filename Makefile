# Two commands do all set-up on a fresh machine with Python 3.11 or newer: `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart install test check format docs environment clean

quickstart: $(VENV)/core.done ## made-up studies -> prepare -> pre-train -> evaluate -> runs/quickstart/report.html
	$(BIN)/cxr-clip quickstart log.tensorboard=true

install: $(VENV)/core.done ## the environment alone

test: $(VENV)/dev.done ## the whole test suite with coverage
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=90

check: $(VENV)/dev.done ## format, lint, types, layers, tables, known vulnerabilities of the pins
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python benchmarks/tables.py --check
	$(BIN)/python checks/audit.py

format: $(VENV)/dev.done
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev.done ## the documentation as a site: site/index.html, which needs no network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

# An environment is made where none is whole, that is, where no pip answers. Debian's python3 cannot put pip in without
# the package python3-venv; its own pip (22.3 or newer) then does.
# torch goes first: with the pinned one in place, no other package pulls a larger build.
$(VENV)/core.done: pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory environment
	@echo "Installing CXR-CLIP into $(VENV) (about a minute)"
	$(INSTALL) torch
	$(INSTALL) --editable '.[dicom,search,tensorboard,web]'
	@touch $@

environment:
	@echo "Making the virtual environment $(VENV) (once)"
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; }

$(VENV)/dev.done: $(VENV)/core.done
	@echo "Installing the development tools into $(VENV)"
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) site runs data-quickstart .mypy_cache .ruff_cache .pytest_cache .coverage*
