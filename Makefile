# make demo   measure this machine and open a page     make test   everything that is checked
# Both set up what they need in .venv; nothing else has to be installed but python3 (3.11 or newer), git and make.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: coverage demo docs test test-boards test-slow wheel test-wheel test-installed lint bench statistics fuzz lock clean help
.DEFAULT_GOAL := help

help:
	@sed -n '1,2p' Makefile

$(INSTALLED): pyproject.toml scripts/make_venv.sh requirements/dev.txt
	@scripts/make_venv.sh "$(PYTHON)"
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/bnnbench run examples/demo.toml --store demo
	@$(BIN)/bnnbench report -o demo/report --store demo
	@echo
	@echo "Look at demo/report/index.html"

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Counting lines costs a quarter of the processor time, so only tests of what decides verdicts do it: `make coverage`
# counts all.
OF_VERDICTS := $(patsubst %,tests/results/test_%.py,\
	accuracy_verdict certainty comparing_statistics proportion ratios statistics verdicts)

test: $(INSTALLED) lint
	@scripts/system_packages.sh
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report= $(OF_VERDICTS)
	$(BIN)/pytest -n 2 --dist worksteal $(addprefix --ignore=,$(OF_VERDICTS))
	@echo "statistics and verdicts: their tests cover $$($(BIN)/coverage report --include='results/statistics/*,results/verdict/*' --format=total) %"

# Of every package, by the tests of `make test` in their own processes; programs that tests start are not counted.
coverage: $(INSTALLED)
	@scripts/system_packages.sh
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=
	@$(BIN)/coverage report --skip-covered --sort=cover

test-slow: $(INSTALLED)
	@scripts/system_packages.sh
	$(BIN)/pytest -m slow

# On emulated machines: what this one's processor cannot run.
test-boards: $(INSTALLED)
	@scripts/system_packages.sh boards
	$(BIN)/pytest -m board -n 2 --dist loadfile tests/boards

# The sdist, the wheel that is built from it, with engines inside, and its SBOM: in dist/.
wheel: $(INSTALLED)
	@scripts/release.sh

# The wheel of dist/: what is in it, and that it runs where there is no compiler and no network.
test-wheel: $(INSTALLED)
	@scripts/system_packages.sh
	$(BIN)/pytest -m wheel tests/packaging

# The tests of `make test` against the wheel of dist/, with the source folders out of reach. Those of the checkout itself
# are left out: its documents, its sdist, and builds of engines that the wheel has.
OF_THE_CHECKOUT := --ignore=tests/harness/test_packaged.py \
	--deselect=tests/kernels/test_toolchain.py::test_same_bytes_from_another_folder_and_cache \
	--deselect=tests/kernels/test_toolchain.py::test_two_processes_at_once_build_once
test-installed: $(INSTALLED)
	@scripts/system_packages.sh
	@scripts/test_installed.sh -n 2 --dist worksteal $(OF_THE_CHECKOUT) \
		tests/devices tests/harness tests/kernels tests/results

# Alone on a quiet machine: it measures.
bench: $(INSTALLED)
	$(BIN)/pytest -m speed -s tests/benchmarks

# How often verdicts are wrong, simulated: the tables of docs/statistics.md. A quarter of an hour.
statistics: $(INSTALLED)
	$(BIN)/python -m tests.simulation

# Hostile files: mutated models against the importers, mutated plans against the engine with sanitizers, damaged stores
# against all that reads them, and protocol requests. An hour or two.
fuzz: $(INSTALLED)
	@scripts/system_packages.sh fuzz
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements/fuzz.txt
	@mkdir -p .fuzz/models && cp tests/golden/*.tflite .fuzz/models/
	$(BIN)/python -m tests.fuzz.fuzz_importer -runs=100000 .fuzz/models
	$(BIN)/python -m tests.fuzz.fuzz_onnx --count 100000
	$(BIN)/python -m tests.fuzz.fuzz_plans --count 1000000
	$(BIN)/python -m tests.fuzz.fuzz_protocol --count 1000000
	$(BIN)/python -m tests.fuzz.fuzz_store --count 100000

# The documentation as a site: site/index.html. Strict, and then looked at: no page fetches anything from another host.
docs: $(INSTALLED)
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements/docs.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/pytest -q -m slow tests/docs/test_site.py

# Newer versions of everything that is installed, with hashes: requirements/*.txt and those of engines install.
lock: $(INSTALLED)
	@scripts/lock.sh

clean:
	rm -rf .venv .fuzz demo site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .coverage
