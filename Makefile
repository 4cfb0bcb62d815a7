# dftui: `make run` opens it on a running stack, `make test` proves it. ARGS go to dftui: make run ARGS="--stack my.yaml"

VENV := .venv
PYTHON := $(VENV)/bin/python
ARGS ?=
ON_SWARM = $(VENV)/bin/dftui --docker unix://$(CURDIR)/.run/swarm/node1/docker.sock --stack .run/swarm/dftui.yaml

.PHONY: help run test check bench soak screenshots swarm swarm-down clean

help:
	@echo "make run          set everything up, bring the stack up, open the screen"
	@echo "make test         set everything up, then every check and every test"
	@echo "make check        ruff, mypy, import-linter alone"
	@echo "make bench        the figures of the README"
	@echo "make soak         the long trials"
	@echo "make screenshots  the pictures of the README, from a live stack"
	@echo "make swarm        a Docker Swarm of three nodes on this machine, the stack on it, the screen; make swarm-down ends it"
	@echo "make clean        remove what was built here (a running stack stays: dftui down)"

run:
	@.ci/setup run
	@# `up` ends with the status and the URL, which is all there is to show where there is no terminal.
	@$(VENV)/bin/dftui $(ARGS) up
	@if [ -t 0 ] && [ -t 1 ]; then exec $(VENV)/bin/dftui $(ARGS); fi

test:
	@.ci/test

check:
	@.ci/setup check
	@.ci/check

bench:
	@.ci/setup test
	@$(PYTHON) -m tests.bench $(ARGS)

soak:
	@.ci/setup test
	@$(PYTHON) -m tests.bench.soak $(ARGS)
	@$(PYTHON) -m tests.bench.alarms

screenshots:
	@.ci/setup screenshots
	@$(PYTHON) -m tests.screenshots

swarm:
	@.ci/setup swarm
	@$(PYTHON) -m tests.swarmlab up $(ARGS)
	@$(ON_SWARM) up
	@if [ -t 0 ] && [ -t 1 ]; then exec $(ON_SWARM); fi

swarm-down:
	@$(PYTHON) -m tests.swarmlab down $(ARGS)

clean:
	@[ ! -e .run/swarm ] || { echo "the swarm of make swarm is still there; type: make swarm-down"; exit 1; }
	rm -rf $(VENV) .run build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find dftui tests -name __pycache__ -type d -prune -exec rm -rf {} +
