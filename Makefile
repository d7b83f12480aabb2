.DEFAULT_GOAL := help
SHELL := /bin/sh

# uv creates the environment. Where it is not installed, pip puts a copy into .uv/ and nowhere else.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
STAMP := .venv/.setup
RUN := .venv/bin/

.PHONY: help setup demo test lint format fuzz audit bench paper docs clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Create .venv with everything that demo, test, lint and docs need

.uv/bin/uv:
	@python3 -m pip --version >/dev/null 2>&1 || \
		{ echo "Neither uv nor pip is installed: apt install python3-pip, or see docs.astral.sh/uv"; exit 1; }
	python3 -m pip install --quiet --disable-pip-version-check --target .uv uv

$(STAMP): pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --locked --extra airflow --extra peers --extra signing --extra train
	@touch $@

demo: $(STAMP)  ## Run a week of real batches through Airflow; writes build/demo/reports/
	$(RUN)drift-monitor demo

test: $(STAMP)  ## Run the tests
	$(RUN)pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)  ## Check format, lint rules, types and the direction of imports
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy
	$(RUN)lint-imports --no-logo

format: $(STAMP)  ## Format the code and fix what ruff can fix
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

fuzz: $(STAMP)  ## Spoil files of each kind for FUZZ_SECONDS=600 and see that each is named or read
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) $(RUN)pytest -q tests/bad_inputs/test_fuzz.py

audit: $(STAMP)  ## Look up known vulnerabilities of the locked dependencies at osv.dev
	@said=$$($(UV) audit --preview-features audit-command --locked 2>&1); code=$$?; \
	case "$$code $$said" in \
		2*"Request failed"*|2*"sending request"*) echo "Not audited: osv.dev cannot be reached from here";; \
		*) echo "$$said"; exit $$code;; \
	esac

bench: $(STAMP)  ## Measure speed and accuracy against peers; writes benchmarks/results/
	$(RUN)python -m benchmarks.scoring.speed
	$(RUN)python -m benchmarks.scoring.agreement
	$(RUN)python -m benchmarks.job.speed_and_memory
	$(RUN)python -m benchmarks.startup.cpu_and_memory
	$(RUN)python -m benchmarks.report.speed_and_memory
	$(RUN)python -m benchmarks.accuracy.estimate
	$(RUN)python -m benchmarks.training.speed
	$(RUN)python -m benchmarks.attacks.speed

paper: $(STAMP)  ## Repeat the paper's evaluation, which takes hours (make paper DATA=DIR); writes studies/
	$(RUN)python studies/paper.py run --data-dir $(DATA)

docs: $(STAMP)  ## Build the user guide into build/docs
	$(RUN)mkdocs build --strict --site-dir build/docs

clean:  ## Remove the environment and everything that was built
	rm -rf .venv .uv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
