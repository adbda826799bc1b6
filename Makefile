# Floodway's front door: `make help` lists what there is. Every target sets up what it needs, and does nothing twice.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Three virtual environments: for tests and tools (the extension as cargo's dev profile, used in place), for figures
# (an installed release wheel, as users have it), and for the free-threaded interpreter.
VENV := .venv
RELEASE := .venv-release
FREE := .venv-ft
FREE_RELEASE := .venv-ft-release
# Processes that pytest uses: tests mostly wait for sockets and timers, so more than there are cores.
JOBS ?= 4
ARGS ?=

RUST := Cargo.toml $(wildcard Cargo.lock) $(shell find crates -name '*.rs' -o -name Cargo.toml)
PYTHON_SOURCES := pyproject.toml $(shell find src -name '*.py' -o -name '*.pyi' -o -name py.typed)
PYTEST := $(VENV)/bin/python -m pytest
PYTHON_FILES := $(shell ls -d src tests tools examples benchmarks 2>/dev/null)

CONNECTIONS ?= 1000000

.PHONY: help demo million test test-slow quick one lint format types bench figures soak wheel miri loom fuzz deny test-rust test-python test-together test-alone test-benchmarks \
	test-freethreaded repeat lock build clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.13 chooses an interpreter, ARGS='...' reaches the program behind demo, bench and test-python."

demo: $(RELEASE)/.built ## ten thousand connections on one Python handler, live
	@$(RELEASE)/bin/floodway demo $(ARGS)

test: lint types test-rust loom test-python ## everything that must pass before a change lands
	@echo "make test: all green"

quick: $(VENV)/.built ## the Python tests that take seconds, nothing else
	@$(PYTEST) -n $(JOBS) -m "not slow and not alone" -q $(ARGS)

one: $(VENV)/.built ## one test: T=tests/app/test_echo.py, T=a_part_of_its_name, T=floodway-base::its_name
	@test -n "$(T)" || { echo "say which: make one T=tests/app/test_echo.py (or a part of a name, or floodway-base::name)"; exit 2; }
	@case "$(T)" in \
		floodway-*) crate="$(T)"; cargo test --quiet -p "$${crate%%::*}" -- "$$(case $$crate in *::*) echo "$${crate#*::}";; esac)";; \
		*/* | *.py*) $(PYTEST) -vv -n 0 $(ARGS) "$(T)";; \
		*) $(PYTEST) -vv -n 0 $(ARGS) -k "$(T)";; \
	esac

lint: $(VENV)/.ready ## format and lint, both languages; changes nothing
	@tools/require.sh cargo cc rustfmt clippy
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(VENV)/bin/ruff format --check --quiet $(PYTHON_FILES) || { echo "not formatted: run 'make format'"; exit 1; }
	$(VENV)/bin/ruff check --quiet $(PYTHON_FILES)
	@git ls-files '*.py' '*.rs' 2>/dev/null | xargs wc -l | awk '$$1 > 400 && $$2 != "total" { print "long: " $$2 ", " $$1 " lines" }'

format: $(VENV)/.ready ## format both languages, and mend what the linters can mend
	@tools/require.sh cargo rustfmt
	cargo fmt --all
	$(VENV)/bin/ruff check --fix --quiet --exit-zero $(PYTHON_FILES)
	$(VENV)/bin/ruff format $(PYTHON_FILES)

types: $(VENV)/.built ## mypy, the stub against the built module, pyright's completeness
	$(VENV)/bin/mypy
	$(VENV)/bin/stubtest floodway._core --mypy-config-file pyproject.toml --allowlist tools/stubtest-allowlist.txt
	$(VENV)/bin/python tools/check_types.py

test-rust: $(VENV)/.ready
	@tools/require.sh cargo cc
	cargo test --quiet --workspace --exclude floodway-py

loom: ## every interleaving of inbox, wake flag and block return
	@tools/require.sh cargo cc
	@# Everything but the model checker unoptimised: compiling is what takes long here.
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --quiet -p floodway-base --test loom \
		--config 'profile.dev.package."*".opt-level=0' --config 'profile.dev.package."*".debug=false' \
		--config profile.dev.package.loom.opt-level=2 --config profile.dev.package.generator.opt-level=2

miri: ## undefined behaviour in floodway-base (needs a nightly toolchain with Miri)
	@tools/require.sh cargo miri
	MIRIFLAGS="-Zmiri-disable-isolation" PROPTEST_CASES=8 CARGO_TARGET_DIR=target/miri \
		cargo +nightly miri test -p floodway-base

fuzz: ## hostile input for SECONDS=60 (nightly Rust, cargo-fuzz); or T=framing CASES=100000: one property test, many inputs
	@tools/require.sh cargo cc
	@if test -n "$(T)"; then \
		PROPTEST_CASES=$(or $(CASES),100000) cargo test --quiet --workspace --exclude floodway-py --test "$(T)"; \
	else \
		tools/require.sh nightly cargo-fuzz && for target in fuzz/targets/*.rs; do \
			name=$$(basename "$$target" .rs); \
			mkdir -p "fuzz/corpus/$$name"; \
			cargo +nightly fuzz run "$$name" "fuzz/corpus/$$name" "fuzz/seeds/$$name" -- -max_total_time=$(or $(SECONDS),60) -max_len=400 -dict=fuzz/$$name.dict -timeout=20 || exit 1; \
		done; \
	fi

deny: ## licences and advisories of what we depend on (needs cargo-deny)
	@tools/require.sh cargo cargo-deny
	cargo deny check

test-python: test-together test-alone test-benchmarks ## the Python tests: all together, then those that measure, alone

test-together: $(VENV)/.built
	@tools/system_packages.sh
	$(PYTEST) -n $(JOBS) -m "not alone" $(ARGS)

test-alone: $(VENV)/.built # exit code 5: there is no such test
	$(PYTEST) -n 0 -m alone $(ARGS) || [ $$? = 5 ]

test-benchmarks: $(VENV)/.built
	$(PYTEST) -n 0 -q benchmarks/tests

test-freethreaded: $(FREE)/.built ## the Python tests on CPython 3.13 without the GIL, which is built if need be
	@tools/system_packages.sh
	@$(FREE)/bin/python -c "import sys, floodway; assert not sys._is_gil_enabled(), 'importing floodway switched the GIL on'"
	PYTHON_GIL=0 $(FREE)/bin/python -X gil=0 -m pytest -n $(JOBS) -m "not alone" --ignore=tests/repo $(ARGS)
	PYTHON_GIL=0 $(FREE)/bin/python -X gil=0 -m pytest -n 0 -m alone --ignore=tests/repo $(ARGS) || [ $$? = 5 ]
	PYTHON_GIL=0 $(FREE)/bin/python -X gil=0 -m pytest -n $(JOBS) -m cross_thread --repetitions 30 -q --durations=0 $(ARGS)

bench: $(RELEASE)/.built ## measure, beside the peers; results are kept as files
	@# Where the free-threaded interpreter was built (make test-freethreaded), it takes part.
	@if tools/freethreaded.sh --path >/dev/null 2>&1; then \
		$(MAKE) $(FREE_RELEASE)/.built && export FLOODWAY_FT_PYTHON=$(CURDIR)/$(FREE_RELEASE)/bin/python; \
	fi; $(RELEASE)/bin/python benchmarks/run.py $(ARGS)

figures: $(RELEASE)/.built ## measure and redraw the figures, within an hour; a run that was ended goes on; FULL=1 for all points
	@$(RELEASE)/bin/python benchmarks/redraw.py $(if $(filter-out 0,$(FULL)),--full) $(ARGS)

million: $(RELEASE)/.built ## a million idle connections on this machine: CONNECTIONS=, if it is too small
	@$(RELEASE)/bin/python benchmarks/million.py --connections $(CONNECTIONS) $(ARGS)

test-slow: $(VENV)/.built ## what takes minutes, and is not part of make test: 100,000 connections, 1,000 replacements
	@$(MAKE) million CONNECTIONS=100000
	FLOODWAY_CROWD=2000 $(PYTEST) -n 0 --timeout 600 -o faulthandler_timeout=0 tests/faults/test_http_crowds.py $(ARGS)
	FLOODWAY_REPLACEMENTS=1000 $(PYTEST) -n 0 -s --timeout 3600 -o faulthandler_timeout=0 tests/faults/test_many_replacements.py $(ARGS)

soak: $(VENV)/.built ## three minutes of mixed load over HTTP; the server's memory has to stay
	FLOODWAY_SOAK=$(or $(SECONDS),180) $(PYTEST) -n 0 -s -q -o faulthandler_timeout=0 tests/faults/test_http_soak.py $(ARGS)

wheel: $(RELEASE)/.ready ## a release wheel in dist/
	@tools/require.sh cargo cc
	$(RELEASE)/bin/maturin build --quiet --release --interpreter $(RELEASE)/bin/python --out dist

build: $(VENV)/.built ## only what tests need: environment and extension

lock: ## resolve the pinned tools anew (ARGS=--upgrade takes the newest)
	@test -x $(VENV)-uv/bin/uv || { python=$$(tools/find_python.sh) && "$$python" -m venv $(VENV)-uv && $(VENV)-uv/bin/pip install --quiet uv; }
	tools/lock.sh $(CURDIR)/$(VENV)-uv/bin/uv $(ARGS)

clean: ## remove everything that was built, environments too
	rm -rf target dist .cargo $(VENV) $(RELEASE) $(FREE) $(FREE_RELEASE) $(VENV)-uv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src -name '_core.*.so' -delete
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps. With PYTHON= the environment is looked at each time; what did not change is not made again.
$(VENV)/.ready: tools/requirements-dev.txt $(if $(PYTHON),FORCE)
	@tools/venv.sh $(VENV) dev

$(VENV)/.built: $(VENV)/.ready pyproject.toml $(RUST)
	@tools/require.sh cargo cc
	@tools/build.sh $(VENV) dev

$(RELEASE)/.ready: tools/requirements-release.txt $(if $(PYTHON),FORCE)
	@tools/venv.sh $(RELEASE) release

$(RELEASE)/.built: $(RELEASE)/.ready $(RUST) $(PYTHON_SOURCES)
	@tools/require.sh cargo cc
	@tools/build.sh $(RELEASE) release

$(FREE)/.ready $(FREE_RELEASE)/.ready: tools/requirements-freethreaded.txt
	@python=$$(tools/freethreaded.sh) && PYTHON=$$python tools/venv.sh $(@D) freethreaded

$(FREE)/.built: $(FREE)/.ready pyproject.toml $(RUST)
	@tools/require.sh cargo cc
	@tools/build.sh $(FREE) freethreaded

$(FREE_RELEASE)/.built: $(FREE_RELEASE)/.ready $(RUST) $(PYTHON_SOURCES)
	@tools/require.sh cargo cc
	@tools/build.sh $(FREE_RELEASE) freethreaded-release
