# Every target does its own set-up; nothing needs root.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV = $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
ARGS ?=
SEEDS ?=
CONTROLLERS ?=
JSON ?=
SOAK_S ?= 600

# Where images set it, each of the many processes here would compile everything anew: three times
# the time that a command takes to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup dev ansible up test check soak cluster bench bench-energy lock clean

setup: $(VENV)/.runtime
dev: $(VENV)/.dev

$(BIN)/python:
	@command -v uv >/dev/null 2>&1 && uv venv -q --python $(PY) $(VENV) || \
	  { $(PY) -m venv $(VENV) && $(BIN)/pip -q --disable-pip-version-check install uv; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml requirements.lock
	@$(UV) pip install -q --python $(BIN)/python -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(UV) pip install -q --python $(BIN)/python -r requirements-dev.lock
	@touch $@

# Ansible is large and is one judge of the simulator only, so it has an environment of its own.
ansible: $(VENV)/ansible/.done

$(VENV)/ansible/.done: $(BIN)/python requirements-ansible.lock
	@$(PY) -m venv $(VENV)/ansible
	@$(UV) pip install -q --python $(VENV)/ansible/bin/python -r requirements-ansible.lock
	@touch $@

# What a fresh clone imports is compiled once, while mypy has the other core, and not by every worker.
$(VENV)/.warm: $(VENV)/.dev
	@$(BIN)/pytest --collect-only -q >/dev/null 2>&1 || true
	@touch $@

up: setup
	@$(BIN)/iolaus up $(ARGS)

check: dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.budgets

# Thousands of tests share two cores with real sockets and often wait for these, so three run side by
# side, files with slow tests first. What fails is tried once more and named in the summary as RERUN; `make test ARGS=--reruns=0`
# tries nothing twice. Hypothesis draws the same examples every time, so that what passed here passes
# everywhere; `ARGS=--hypothesis-profile=explore` and `make soak` look for others.
test: dev
	@$(MAKE) -s -j2 check $(VENV)/.warm
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --reruns 1 -r fER $(ARGS)

# `make soak SOAK_S=60 ARGS="-s -k quote"` gives each parser that is named so a minute of CPU time;
# nothing given is ten minutes for each of all of them, and the crash tests that take long.
soak: dev
	@SOAK_S="$(SOAK_S)" $(BIN)/pytest -m soak --hypothesis-profile=explore $(ARGS)

# Three bus servers, PostgreSQL (Debian: apt install postgresql), two cores and four edges against a
# simulated hall, each a process, until Ctrl-C: `make cluster ARGS="--nodes 200"`.
cluster: dev
	@$(BIN)/python -m iolaus.app.cluster.onemachine $(ARGS)

bench: dev
	@$(BIN)/python -m bench $(ARGS)

# `make bench-energy SEEDS="9001 9002" CONTROLLERS="iolaus static" JSON=out.json`; nothing given is
# every load with every failure on both curves, under every controller.
bench-energy: dev
	@$(BIN)/python -m bench.energy run --seeds "$(SEEDS)" --controllers "$(CONTROLLERS)" --json "$(JSON)" $(ARGS)

# The lock files name packages and hashes only; where they come from is the machine's business.
lock:
	@uv pip compile -q --universal --no-header --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --no-header --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	@uv pip compile -q --universal --no-header --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes --group ansible -o requirements-ansible.lock

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache
