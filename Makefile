# Needs python3 (3.11 or newer), make and sh; `make setup` brings the rest into .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup lock lint types walls test test-services demo up prove bench clean

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

PACKAGES := $(notdir $(patsubst %/__init__.py,%,$(wildcard \
    libs/*/src/smartops/*/__init__.py \
    services/*/src/smartops/*/__init__.py \
    infra/*/src/smartops/*/__init__.py)))

help: ## this list
	@while IFS= read -r line; do \
	    case "$$line" in \
	    [a-z]*:*'##'*) printf '  make %-13s %s\n' "$${line%%:*}" "$${line##*## }" ;; \
	    esac; \
	done < Makefile

setup: ## make .venv what requirements.lock says; nothing happens if it is
	@python='$(PYTHON)'; if $(BIN)/python -I -S -c '' 2>/dev/null; then python=$(BIN)/python; fi; \
	"$$python" -I -S scripts/bootstrap.py setup

lock: ## write requirements.lock from the pyproject.toml files; UPGRADE=1 takes newer releases
	@UPGRADE='$(UPGRADE)' '$(PYTHON)' scripts/bootstrap.py lock

lint: setup ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy, strict, on every package, the experiments and what tests share
	$(BIN)/mypy $(foreach package,$(PACKAGES),-p smartops.$(package)) -p benchmarks
	MYPYPATH=tests $(BIN)/mypy -p support

walls: setup ## who may import whom
	$(BIN)/lint-imports

test: setup ## all tests; ARGS='-k name' chooses, WORKERS=4 where there are cores
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-services: setup ## each service's unit tests where only its own dependencies exist
	$(BIN)/python scripts/isolated.py $(NAME)

demo: setup ## one task from intent to done, on real servers; BREAK=1 breaks it, YES=1 asks nothing
	$(BIN)/smartops demo$(if $(BREAK), --break)$(if $(YES), --yes)

up: setup ## the whole stack on this machine, until Ctrl-C
	$(BIN)/smartops up

prove: setup ## list the proofs of our promises; NAME=.. runs one
	$(BIN)/python benchmarks/run.py prove$(if $(NAME), '$(NAME)')

bench: setup ## list the benchmarks; NAME=.. runs one
	$(BIN)/python benchmarks/run.py bench$(if $(NAME), '$(NAME)')

clean: ## remove .venv and caches; data stays
	@'$(PYTHON)' scripts/bootstrap.py clean
