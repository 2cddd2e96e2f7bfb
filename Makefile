# The book's commands. `make book` and `make test` are all that a fresh machine needs; each calls
# `python -m poly.press`, which does the same without make in any environment that has the package.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What the environment was set up for: this folder, whose path it holds, and these packages. Clocks decide nothing.
WANTED := $(CURDIR) $(shell cat requirements.txt pyproject.toml | tr -d '\r' | cksum)
PRESS := $(BIN)/python -m poly.press

CHAPTER ?=
PARAMS ?=
CHAPTERS ?=
PORT ?= 8000
BASE ?= HEAD
ARGS ?=

# What is set on the command line is passed on as it is: neither make nor the shell finds a command in it.
# `one` quotes a value whole, `every` each of its words.
unexport CHAPTER PARAMS CHAPTERS PORT BASE ARGS PYTHON
one = '$(subst ','\'',$(value $(1)))'
every = $(foreach part,$(value $(1)),'$(subst ','\'',$(part))')

.DEFAULT_GOAL := help
# Before anything is installed.
ifeq ($(filter chapter,$(MAKECMDGOALS))$(value CHAPTER),chapter)
$(error which chapter? make chapter CHAPTER=03 PARAMS="m=1000 starts=8")
endif
# An environment that was moved, copied, or made for other packages is set up again.
ifneq ($(strip $(shell cat $(INSTALLED) 2>/dev/null)),$(strip $(WANTED)))
.PHONY: $(INSTALLED)
endif
.PHONY: help book stored chapter record test reproduce perturb audit unchanged verify serve pdf zip notebook bench install clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' Makefile

book: $(INSTALLED) ## set up, execute what changed, render the book into _build/html
	@$(PRESS) build $(call every,ARGS)

stored: $(INSTALLED) ## render the stored outputs, executing nothing, into _build/stored/html
	@$(PRESS) build --stored

chapter: $(INSTALLED) ## one chapter with other parameters: CHAPTER=03 PARAMS="m=1000 starts=8"
	@$(PRESS) chapter -- $(call one,CHAPTER) $(call every,PARAMS)

record: $(INSTALLED) ## refresh the stored outputs, showing what changes first: CHAPTERS="02 03", ARGS=--dry-run
	@$(PRESS) record $(call every,CHAPTERS) $(call every,ARGS)

test: $(INSTALLED) ## lint, types, unit tests, every chapter against its stored outputs, the pages in a browser
	@$(PRESS) test $(call every,ARGS)

reproduce: $(INSTALLED) ## check the stored numbers on 1 and 2 threads, on all instruction sets, perturbed: ARGS="--threads 1"
	@$(PRESS) reproduce $(call every,CHAPTERS) $(call every,ARGS)

perturb: $(INSTALLED) ## check the levels: every start moved in its last digit: CHAPTERS="06 07", ARGS="--small --times 3"
	@$(PRESS) perturb $(call every,CHAPTERS) $(call every,ARGS)

audit: $(INSTALLED) ## kept runs that other code made: compute some cells of each again, and note what came of it
	@$(BIN)/python -m poly.experiments.audit $(call every,ARGS) book/data/flow-runs book/data/adamw-runs

unchanged: $(INSTALLED) ## compare every stored value, figure, claim and address with another commit's: BASE=main~1
	@$(PRESS) unchanged -- $(call one,BASE)

verify: $(INSTALLED) ## execute everything anew; compare the claims with the published ones: ARGS="--against claims.json"
	@$(PRESS) verify $(call every,ARGS)

serve: $(INSTALLED) ## serve the finished book on this machine: PORT=8000
	@$(PRESS) serve --port $(call one,PORT)

pdf: $(INSTALLED) ## the whole book as one PDF; needs Chromium or Chrome
	@$(PRESS) pdf $(call every,ARGS)

zip: $(INSTALLED) ## the book as a zip that opens from the file system
	@$(PRESS) zip $(call every,ARGS)

notebook: $(INSTALLED) ## open JupyterLab on the chapters
	@$(PRESS) notebook -- $(call every,ARGS)

bench: $(INSTALLED) ## ratios against the textbook implementation, into _build/bench.json: ARGS="--quick"
	@$(BIN)/python benchmarks/run.py $(call every,ARGS)

install: $(INSTALLED) ## only set up .venv

# A link, or a folder that another file system is mounted on, is emptied and stays.
clean: ## remove _build: the book and everything it was made from
	@{ rm -rf _build/* _build/.[!.]* _build/..?*; } 2>&1 | head -n 1 >&2
	@[ -d _build ] || rm -f _build
	@[ -z "`ls -A _build/ 2>/dev/null`" ] || exit 1
	@rmdir _build 2>/dev/null || true

# The file .venv/.installing holds the process that installs packages: where that is gone, it was cut off, perhaps in the middle of a file, and all is done again. A pipe hides pip's exit status, so success is what
# removes it.
# The reader's own settings for pip may say where packages come from, but not where they go.
$(INSTALLED):
	@command -v git >/dev/null 2>&1 || { echo "error: git is not installed: this book needs it" >&2; exit 1; }
	@command -v $(call one,PYTHON) >/dev/null 2>&1 || { \
	  printf "error: there is no %s: install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=python3.12\n" $(call one,PYTHON) >&2; exit 1; }
	@$(call one,PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  printf "error: Python 3.11, 3.12 or 3.13 is needed, %s is %s: name another, for example make PYTHON=python3.12\n" $(call one,PYTHON) \
	  "`$(call one,PYTHON) -c 'import platform; print(platform.python_version())'`" >&2; exit 1; }
	@$(call one,PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  printf "error: %s lacks the venv module: install it, on Debian and Ubuntu with apt-get install python3-venv\n" $(call one,PYTHON) >&2; exit 1; }
	@rm -f $@
	@if kill -0 "`cat $(VENV)/.installing 2>/dev/null`" 2>/dev/null; then \
	  echo "error: process `cat $(VENV)/.installing` is already setting up $(VENV): wait for it" >&2; exit 1; fi
	@if [ -e $(VENV)/.installing ]; then rm -rf $(VENV); fi
	@echo "setting up $(VENV): about 170 packages, a few minutes the first time"
	@$(call one,PYTHON) -m venv $(VENV)
	@echo $$PPID > $(VENV)/.installing
	@export PYTHONUNBUFFERED=1 PIP_USER=0 PIP_DRY_RUN=0; \
	unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PYTHONPATH PYTHONHOME FORCE_COLOR PYTHONWARNINGS; \
	{ $(BIN)/python -m pip install --target "" --disable-pip-version-check --requirement requirements.txt \
	  && $(BIN)/python -m pip install --target "" --disable-pip-version-check --no-deps --no-build-isolation --editable . \
	  && rm $(VENV)/.installing; } 2>&1 | tee $(VENV)/install.log \
	  | while read -r line; do case "$$line" in \
	      Collecting*) n=$$((n + 1)); [ $$((n % 20)) -ne 0 ] || echo "  $$n packages found" ;; \
	      Installing\ collected*) echo "  installing" ;; Successfully\ installed*) echo "  installed" ;; ERROR*) echo "$$line" ;; \
	    esac; done
	@test ! -e $(VENV)/.installing || { tail -n 5 $(VENV)/install.log >&2; \
	  echo "error: the packages could not be installed; pip's whole output is in $(VENV)/install.log" >&2; exit 1; }
	@printf '%s\n' $(call one,WANTED) > $@
