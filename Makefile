# make help lists the targets.
PYTHON ?= python3
PROFILE ?= smoke
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
FREEZE = (echo "\# Made by make lock from pyproject.toml: every version exact."; \
  _build/lock/bin/pip freeze --all --exclude tcstudy --exclude pip | sed 's/+cpu$$//')

# An environment knows its own path: one that was moved or copied with the project is made again.
$(shell test "$$(cat $(VENV)/.installed 2>/dev/null)" = "$$(pwd -P)" || rm -f $(VENV)/.installed)

.PHONY: help book test env dev format fetch pages lab bench lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | awk -F'|' '{printf "make %-8s %s\n", $$1, $$2}'

book: pages ## run every page of PROFILE (smoke) and build the book into _build/html/
	@$(BIN)/tcstudy book --profile $(PROFILE)

pages: fetch ## run every page of PROFILE; runs that have a record are not repeated
	@$(BIN)/tcstudy run params/$(PROFILE)

fetch: env ## fetch and verify the default encoder and texts
	@$(BIN)/tcstudy fetch

test: dev ## check style and rooms, run all tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest

env: $(VENV)/.installed ## make the environment in .venv/ from requirements.lock

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "making the environment in $(VENV)/ from requirements.lock"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --quiet $(INDEX) -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@pwd -P > $@

dev: $(VENV)/.developer ## add the tools for tests and JupyterLab, from requirements-dev.lock

$(VENV)/.developer: $(VENV)/.installed requirements-dev.lock
	@$(PIP) install --quiet $(INDEX) -r requirements-dev.lock
	@touch $@

lab: dev ## open the pages in JupyterLab
	@$(BIN)/jupyter lab book

FILTER = -jupytext.text_representation.jupytext_version
HEADER = {"jupytext": {"notebook_metadata_filter": "$(FILTER)"}, \
  "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}

format: dev ## write code as ruff does, and pages as jupytext does when JupyterLab saves them
	@$(BIN)/ruff format --quiet .
	@$(BIN)/jupytext --quiet --to md:myst --update-metadata '$(HEADER)' $$(grep -l '^jupytext:' book/*.md)

bench: fetch ## measure speed beside Hugging Face's Trainer, and how it grows; nothing else should run meanwhile
	@$(BIN)/python -m benchmarks.speed

lock: ## resolve the dependencies of pyproject.toml anew into requirements-dev.lock, and those of readers into requirements.lock
	@$(PYTHON) -m venv --clear _build/lock
	@_build/lock/bin/pip install --quiet $(INDEX) setuptools ".[lab,cluster,lora,test]"
	@$(FREEZE) > requirements-dev.lock
	@$(PYTHON) -m venv --clear _build/lock
	@_build/lock/bin/pip install --quiet $(INDEX) --constraint requirements-dev.lock setuptools .
	@$(FREEZE) > requirements.lock
	@rm -rf _build/lock build

clean: ## remove the built book and the executed pages; records in _runs/ stay
	@rm -rf _build
