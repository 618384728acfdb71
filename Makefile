# Everything a person does with this repository. `make demo` and `make test` need nothing installed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
REPORT ?= reports
LAB ?= ../shared/lab
# Test files run side by side, each worker with servers of its own: they wait more than they work.
WORKERS ?= 4
# Files that take long (the marker `long`) are begun in good time: reordering by numbers of tests would undo that.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
KILLS ?= 1000
FAULTS ?= .faults
INSTALLED := $(VENV)/installed
# Tests start hundreds of processes: none of them is to compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo up down test test-unit test-integration test-charts test-cluster test-jobs test-lab test-faults test-hostile images lock sbom lint format schemas bench clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml sdk/pyproject.toml tools/install.py
	$(PYTHON) tools/install.py $(VENV)

demo: $(INSTALLED)
	$(BIN)/wakeline demo $(if $(DATA),--data $(DATA)) --report $(REPORT)

up down: $(INSTALLED)
	$(BIN)/wakeline $@

test: $(INSTALLED)
	$(PYTEST) $(PYTEST_ARGS)

test-unit: $(INSTALLED)
	$(PYTEST) tests/unit tests/contract

test-integration: $(INSTALLED)
	$(PYTEST) tests/integration tests/system

# The chart rendered by Helm 3 and 4, against Kubernetes' schemas and the services' own settings.
test-charts: $(INSTALLED)
	$(PYTEST) tests/charts

# Images, chart and loop on the lab's Kubernetes: minutes. FULL=1 breaks more than a pod, on the lab's Kafka and MinIO too;
# DATA=FOLDER gives people real images with boxes to label.
test-cluster: $(INSTALLED)
	LAB=$(LAB) PYTHON=$(BIN)/python tools/test-cluster $(if $(FULL),--full --kills 20) $(if $(DATA),--data $(DATA))

# The messaging and storage suites against a real Apache Kafka and MinIO, where there is a lab.
test-lab: $(INSTALLED)
	LAB=$(LAB) PYTEST="$(BIN)/python -m pytest $(PYTEST_ARGS)" tools/test-lab

# Training as Jobs on a real API server, where there is a lab.
.PHONY: test-jobs
test-jobs: $(INSTALLED)
	LAB=$(LAB) PYTEST="$(PYTEST) $(PYTEST_ARGS)" tools/test-jobs

# Breaks a platform on purpose for an hour; the same command goes on with a run that was broken off.
test-faults: $(INSTALLED)
	$(BIN)/python -m tests.system.faults --home $(FAULTS) --kills $(KILLS)

# Sends what nobody honest sends to every door of a running platform: minutes.
test-hostile: $(INSTALLED)
	$(BIN)/python -m tests.system.hostile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy libs services embedded trainer demo sdk/wakeline_sdk schemas tools benchmarks charts
	$(BIN)/lint-imports
	$(BIN)/python schemas/generate.py --check
	$(BIN)/python sdk/generate_sync.py --check
	$(BIN)/python -m charts.generate --check
	$(BIN)/python tools/access.py --check

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(INSTALLED)
	$(BIN)/python schemas/generate.py
	$(BIN)/python sdk/generate_sync.py
	$(BIN)/python -m charts.generate

# All container images; how, with what builder and for which registry: images/build.
images:
	images/build

# The versions that the images install, as new as pyproject.toml allows.
lock: $(INSTALLED)
	$(BIN)/pip install -q uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python images/lock.py

# What is in the images: a CycloneDX document each, in dist/sbom.
sbom: $(INSTALLED)
	$(BIN)/pip install -q cyclonedx-bom
	images/sbom $(BIN)/cyclonedx-py dist/sbom

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
