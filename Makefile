# Paths are relative to this folder throughout, so that it may lie in a folder with a space in its name.

PYTHON := .venv/bin/python
QGIS_PYTHON := .venv-qgis/bin/python

# pytest compiles each file of tests for seconds in all. Where a variable of the user's says otherwise, it is kept all the same.
COMPILED := PYTHONDONTWRITEBYTECODE=

# What the tests need around them: Qt without a screen, and the interpreter the plugin computes with.
IN_QGIS = QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR="$$PWD/.tools/runtime" FALSE_CORE_PYTHON="$$PWD/$(PYTHON)" $(COMPILED)

# Threads of numpy slow each other down: false_core.computing.native_libraries says more, but here numpy is imported first.
IN_CORE = OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 $(COMPILED)

# More for pytest, for example: make test-core PYTEST_ARGS="-k metrics -x"
PYTEST_ARGS ?=
# More for the demo, for example: make demo DEMO_ARGS="--pretrain --steps 200"
DEMO_ARGS ?=
FUZZ_ARGS ?=
# What the plugin's users get. The plugin repository looks at it with flake8 and bandit too. Lengths of lines are ruff's matter.
PACKAGED := qgis_false false_core processing_scripts
# "required" makes tests that need QGIS fail where it is missing. Otherwise they say that they did not run.
QGIS ?= optional

.DEFAULT_GOAL := help
.PHONY: help setup demo fuzz test test-quick test-quick-core test-quick-plugin test-slow test-slow-core test-slow-process test-core test-plugin test-process test-desktop test-qgis-3.40 test-qgis-3.44 test-qt6 test-dist lint format package \
        dist generate docs clean

help:  ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9. -]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

setup:  ## Install what everything below needs; returns at once when it is there
	@tools/setup.sh

demo: setup  ## Make a land-cover map of a generated scene through QGIS, and score it
	@$(PYTHON) tools/demo.py $(DEMO_ARGS)

test: setup  ## Run every test on two cores; a part that fails does not keep the others from running
	@echo 'The tests of the library run beside those of the plugin. Each part says what it found when it is done.'
	@$(MAKE) --no-print-directory --keep-going -j2 --output-sync=target test-core test-plugin test-process

test-quick: setup  ## Run what catches most of what breaks, in about a minute
	@$(MAKE) --no-print-directory --keep-going -j2 --output-sync=target test-quick-core test-quick-plugin

test-quick-core: setup
	$(IN_CORE) $(PYTHON) -m pytest tests/core -q -n 2 --dist worksteal -m "not slow and not thorough" $(PYTEST_ARGS)

test-quick-plugin: setup
	$(call run-in-qgis,tests/plugin -q -m "not slow and not thorough")

test-slow: setup  ## Run what shows once more, or on a larger scale, what make test shows; some ten minutes
	@$(MAKE) --no-print-directory --keep-going test-slow-core test-slow-process

test-slow-core: setup
	$(IN_CORE) $(PYTHON) -m pytest tests/core -m slow $(PYTEST_ARGS)

test-slow-process: setup
	$(call run-in-qgis,tests/process -m slow)

test-core: setup  ## Run the tests of the library
	$(IN_CORE) $(PYTHON) -m pytest tests/core -n 2 --dist worksteal -m "not slow" $(or $(PYTEST_ARGS),--every-error)

test-plugin: setup  ## Run the tests of the plugin inside QGIS's Python
	$(call run-in-qgis,tests/plugin $(if $(PYTEST_ARGS),,--every-error))

test-process: setup  ## Run the tests that drive qgis_process
	$(call run-in-qgis,tests/process -m "not slow")

test-desktop: setup package  ## Run the plugin in a QGIS desktop on a screen of its own, from installing it to the map
	$(call run-in-qgis,tests/desktop)

test-qgis-3.40 test-qgis-3.44: test-qgis-%: setup  ## Run the tests of the plugin in that QGIS, in a Debian of its own; needs root
	@tools/test_qgis_in_debian.sh $* $(PYTEST_ARGS)

test-qt6:  ## Run what of the plugin is Qt alone under PyQt6, without QGIS, in an environment of its own; 370 MB
	@tools/setup.sh qt6
	.venv-qt6/bin/python -m pytest tests/qt6 $(PYTEST_ARGS)

test-dist: dist  ## Install the library's wheel alone in a fresh environment and run it; some minutes, 6 GB
	$(PYTHON) -m pytest tests/dist $(PYTEST_ARGS)

define run-in-qgis
@if [ -f .venv-qgis/.stamp ]; then \
	echo '$(QGIS_PYTHON) -m pytest $(1) $(PYTEST_ARGS)'; \
	$(IN_QGIS) $(QGIS_PYTHON) -m pytest $(1) $(PYTEST_ARGS); \
else \
	echo 'NOT RUN: $(1). QGIS is missing; make setup says how to install it.'; \
	[ '$(QGIS)' != required ]; \
fi
endef

fuzz: setup  ## Feed broken input to what reads files from others, led by coverage; hours, or FUZZ_ARGS="job --inputs 10000"
	$(PYTHON) tests/fuzz/run.py $(FUZZ_ARGS)

lint: setup  ## Check style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m flake8 --extend-ignore E203,E501,W503 $(PACKAGED)
	$(PYTHON) -m bandit --quiet --recursive --severity-level medium $(PACKAGED)

format: setup  ## Bring the code into the agreed format
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .

package: setup  ## Build the plugin's zip in dist/
	$(PYTHON) tools/package.py

dist: setup  ## Build wheel and sdist of the library in dist/, and check what they say of themselves
	$(PYTHON) tools/dist.py

generate: setup  ## Write anew what is made from the jobs: translations, help pages, messages
	$(PYTHON) tools/build_translations.py
	$(PYTHON) tools/build_help.py
	$(PYTHON) tools/build_language.py

docs:  ## Build the documentation in build/docs, with MkDocs in an environment of its own
	@tools/setup.sh docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet
	@echo build/docs/index.html

clean:  ## Remove what was made here, but not the environments
	rm -rf dist demo build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -not -path './.tools/*' -prune -exec rm -rf {} +
