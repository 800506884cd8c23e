# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CLIENTS := puredata-core supercollider-server supercollider-language
CHROMIUM := $(or $(CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome))
ROOT = $(if $(filter 0,$(shell id -u)),,sudo -n)

.PHONY: demo test test-all clients browser lint docs notebooks release-check fuzz house bench bench-model bench-playing bench-field bench-base base-models bench-recipe bench-step bench-start bench-train bench-live bench-learn bench-data bench-augment

demo: .venv/installed  ## walk the whole road once, on a piece of its own
	@$(BIN)/hxmx demo

test: lint  ## all checks and the quick tests
	@$(BIN)/python -m pytest --numprocesses auto

test-all: lint clients browser  ## the slow tests too
	@$(BIN)/python -m pytest --numprocesses auto -m ""

clients:  ## Pure Data and SuperCollider, to test the patches in examples/ with; only where apt-get may
	@if command -v pd && command -v sclang && command -v scsynth; then exit 0; fi >/dev/null; \
	if command -v apt-get >/dev/null && $(ROOT) true 2>/dev/null \
		&& $(ROOT) apt-get update -qq \
		&& $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(CLIENTS) >/dev/null; \
	then echo "Installed $(CLIENTS)"; \
	else echo "Pure Data and SuperCollider are not here and cannot be installed: their tests will say how to get them"; fi

browser: .venv/installed-dev  ## Chromium and what drives it, to test the page with; only where they may be installed
	@if test -n "$(CHROMIUM)"; then :; \
	elif command -v apt-get >/dev/null && $(ROOT) true 2>/dev/null && $(ROOT) apt-get update -qq \
		&& $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	then echo "Installed chromium"; \
	else echo "Chromium is not here and cannot be installed: the page's tests will say how to get it"; fi
	@$(BIN)/python -c "import playwright" 2>/dev/null || $(PIP) "playwright>=1.45" \
		|| echo "playwright cannot be installed: the page's tests will say how to get it"

bench: bench-model bench-step bench-start bench-train bench-live bench-learn bench-data bench-augment  ## everything that is measured

bench-model: .venv/installed  ## how well models predict; ARGS="--tasks piano --seeds 1", ARGS=--help
	@$(BIN)/python -m benchmarks.model $(ARGS)

bench-playing: .venv/installed  ## how models play what they learned; ARGS=--quick, ARGS="--kinds piano", ARGS=--help
	@$(BIN)/python -m benchmarks.playing $(ARGS)

bench-field: .venv/installed  ## known floors and published figures; ARGS=--quick, ARGS="--rows hawkes1,jsb", ARGS=--help
	@$(BIN)/python -m benchmarks.field $(ARGS)

bench-base: .venv/installed  ## what a base model is worth; ARGS=--quick, ARGS="--corpora groove_dev", ARGS=--help
	@$(BIN)/python -m benchmarks.base $(ARGS)

base-models: .venv/installed  ## make the base models that come with the package; ARGS="drums", ARGS=--help
	@$(BIN)/python -m benchmarks.base_models $(ARGS)

bench-recipe: .venv/installed  ## what each part of the training recipe is worth
	@$(BIN)/python -m benchmarks.recipe $(ARGS)

bench-step: .venv/installed  ## how many events a second a model plays
	@$(BIN)/python benchmarks/step.py

bench-start: .venv/installed  ## how long gen, run and info take from the prompt on, and how much memory
	@$(BIN)/python -m benchmarks.start $(ARGS)

bench-train: .venv/installed  ## how many events a second are learned from, and what Lightning's loop takes of it
	@$(BIN)/python -m benchmarks.train $(ARGS)

bench-live: .venv/installed  ## how steady playing live is, beside a plain echo; ARGS=--quick, ARGS=--help
	@$(BIN)/python -m benchmarks.live $(ARGS)

bench-learn: .venv/installed  ## what learning on stage is worth, and what it costs what plays; ARGS=--quick, ARGS=--help
	@$(BIN)/python -m benchmarks.learn $(ARGS)

bench-data: .venv/installed-dev  ## how fast data comes in; ARGS="midi format" for some of it
	@$(BIN)/python -m benchmarks.data $(ARGS)

bench-augment: .venv/installed  ## what augmentations cost training
	@$(BIN)/python -m benchmarks.augment

docs: .venv/installed-dev  ## the documentation as a site, in docs/_build
	@rm -rf docs/_build
	@$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo "The first page is docs/_build/html/index.html"

notebooks: .venv/installed-dev  ## run the notebooks and keep what they show; ARGS="notebooks/04_live.ipynb" for some
	@$(BIN)/python docs/notebooks.py $(ARGS)

release-check: .venv/installed-dev  ## build, check and try a release, all but the upload
	@$(BIN)/python docs/release.py $(ARGS)

fuzz: .venv/installed-dev  ## coverage-guided fuzzing of every reader, a minute each; ARGS="--seconds 600 midi"
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(PIP) atheris
	@$(BIN)/python -m tests.fuzz.readers $(ARGS)

house: .venv/installed  ## how the package is built, in figures; ARGS="FOLDER …" to compare with another checkout
	@$(BIN)/python benchmarks/house.py $(ARGS)

lint: .venv/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("hachimachi needs Python 3.10 or newer" if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	@echo "Installing hachimachi into .venv; the first time takes a few minutes"
	@$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	@echo "Installing hachimachi and what its tests need into .venv; the first time takes a few minutes"
	@$(PIP) --editable ".[dev]"
	@touch .venv/installed $@
