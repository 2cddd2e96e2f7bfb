# The book's commands. `make book` and `make test` are all that a fresh machine needs; each calls
# `python -m poly.press`, which does the same without make in any environment that has the package.

PYTHON ?= python3
BIN := .venv/bin
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
ifeq ($(filter chapter new,$(MAKECMDGOALS))$(value CHAPTER),new)
$(error which name? make new CHAPTER=appendix-my-check)
endif
ifeq ($(filter chapter,$(MAKECMDGOALS))$(value CHAPTER),chapter)
$(error which chapter? make chapter CHAPTER=03 PARAMS="m=1000 starts=8")
endif

.PHONY: help book stored chapter new record register test reproduce perturb audit unchanged verify serve pdf zip notebook bench install clean


help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' Makefile

book: install ## set up, execute what changed, render the book into _build/html
	@$(PRESS) build $(call every,ARGS)

stored: install ## render the stored outputs, executing nothing, into _build/stored/html
	@$(PRESS) build --stored

chapter: install ## one chapter with other parameters: CHAPTER=03 PARAMS="m=1000 starts=8"
	@$(PRESS) chapter -- $(call one,CHAPTER) $(call every,PARAMS)

new: install ## write a chapter from a template, with a claim and a figure: CHAPTER=appendix-my-check
	@$(PRESS) new -- $(call one,CHAPTER)

record: install ## refresh the stored outputs, showing what changes first: CHAPTERS="02 03", ARGS=--dry-run
	@$(PRESS) record $(call every,CHAPTERS) $(call every,ARGS)

register: install ## store the commit that registers each new claim of book/claims.yml, before its number is known
	@$(PRESS) register

test: install ## lint, types, unit tests, every chapter against its stored outputs, the pages in a browser
	@$(PRESS) test $(call every,ARGS)

reproduce: install ## check the stored numbers on 1 and 2 threads, on all instruction sets, perturbed: ARGS="--threads 1"
	@$(PRESS) reproduce $(call every,CHAPTERS) $(call every,ARGS)

perturb: install ## check the levels: every start moved in its last digit: CHAPTERS="06 07", ARGS="--small --times 3"
	@$(PRESS) perturb $(call every,CHAPTERS) $(call every,ARGS)

audit: install ## recompute some cells of each kept run that other code made, and note the result
	@$(BIN)/python -m poly.experiments.archive_audit $(call every,ARGS) $(sort $(dir $(wildcard book/data/*/provenance.json)))

unchanged: install ## compare every stored value, figure, claim and address with another commit's: BASE=main~1
	@$(PRESS) unchanged -- $(call one,BASE)

verify: install ## execute all chapters and the kept runs of flow-runs; compare the claims with the published ones: ARGS="--against claims.json"
	@$(PRESS) verify $(call every,ARGS)

serve: install ## serve the finished book on this machine: PORT=8000
	@$(PRESS) serve --port $(call one,PORT)

pdf: install ## the whole book as one PDF; needs Chromium or Chrome
	@$(PRESS) pdf $(call every,ARGS)

zip: install ## the book as a zip that opens from the file system
	@$(PRESS) zip $(call every,ARGS)

notebook: install ## open JupyterLab on the chapters
	@$(PRESS) notebook -- $(call every,ARGS)

bench: install ## ratios against the textbook implementation, into _build/bench.json: ARGS="--quick"
	@$(BIN)/python benchmarks/run.py $(call every,ARGS)

# install.py does nothing where .venv is up to date. The environment's own Python can say that, if there is one.
install: ## only set up .venv
	@$(BIN)/python install.py --check 2>/dev/null || { \
	  command -v $(call one,PYTHON) >/dev/null 2>&1 || { printf 'error: there is no %s: %s\n' $(call one,PYTHON) \
	    'install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=python3.12' >&2; exit 1; }; \
	  $(call one,PYTHON) install.py; }

# A link, or a folder that another file system is mounted on, is emptied and stays.
clean: ## remove _build: the book and everything it was made from
	@rm -rf _build/* _build/.[!.]* _build/..?*
	@rmdir _build 2>/dev/null || [ -d _build ] || rm -f _build
