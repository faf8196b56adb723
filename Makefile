# Thin verbs over the `rig` command; `make help` lists them. Every setting is explained in .env, and any of them can be
# given here: make up TOPOLOGY=redis IMAGES=debian
.DEFAULT_GOAL := help
.PHONY: help up down status logs doctor load bench selfbench test check clean compose-plugin
SHELL := /bin/bash

READY := .venv/.ready
RIG := .venv/bin/rig
VOLUMES ?=
SERVICE ?=
ARGS ?=

help: ## This list
	@echo "make VERB [TOPOLOGY=rabbitmq|redis|redis-sentinel] [IMAGES=official|debian]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(READY) ## Start the deployment and wait until a canary task has run on every queue
	@$(RIG) up

down: $(READY) ## Stop it; VOLUMES=1 also deletes its data, passwords and ledger
	@$(RIG) down $(if $(VOLUMES),--volumes)

status: $(READY) ## What runs where, and where the passwords are
	@$(RIG) status

logs: $(READY) ## Follow the logs, of all or of SERVICE=name
	@$(RIG) logs $(SERVICE)

doctor: $(READY) ## Say what would keep the deployment from starting
	@$(RIG) doctor

load: $(READY) ## Drive it with Locust (web UI), or ARGS="--headless -t 20s"
	@.venv/bin/locust -f loadtests/ $(ARGS)

bench: $(READY) ## The first experiment: what does storing results cost? Three to four minutes
	@$(RIG) run loadtests/experiments/ignore_result.toml $(ARGS)

selfbench: $(READY) ## What measuring costs and whether it tells the truth; fails above the limits. About 35 minutes
	@$(RIG) selfbench $(ARGS)

test: $(READY) compose-plugin ## All tests: unit, contract, and the stack on each topology (ARGS go to pytest)
	@.venv/bin/python -m pytest $(ARGS)

check: $(READY) compose-plugin ## ruff, mypy, shellcheck, and Compose's own check of each topology
	.venv/bin/ruff check .
	.venv/bin/mypy --strict
	git ls-files -z '*.sh' | xargs -0 .venv/bin/shellcheck
	set -e; for folder in compose/topologies/*/; do \
	    TOPOLOGY=$$(basename $$folder) docker compose --profile grafana config --quiet; done

clean: ## Delete the deployment with its data, the images built here, and the environment
	@if [ -e $(READY) ]; then $(RIG) down --volumes; fi
	@docker images --quiet 'celery-rig/*' | sort -u | xargs --no-run-if-empty docker image rm --force
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# `rig up` sees to engine and Compose itself; tests and checks that only read the files need Compose as well.
compose-plugin:
	@docker compose version >/dev/null 2>&1 || [ "$(RIG_NO_INSTALL)" = 1 ] || compose/install-docker.sh

# Anew whenever the requirements or what the package says about itself have changed.
$(READY): requirements/dev.txt requirements/make-env.sh pyproject.toml
	@requirements/make-env.sh
	@touch $@
