# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SWIFT ?= swift
# A file of JSON Lines for `make demo`; without it the simulator makes tweets of its own.
INPUT ?=
# A regular expression: only the tests whose names match it run.
FILTER ?=
# Kills per service in `make soak`.
SOAK_ROUNDS ?= 50
# Kills of a process that writes a journal in `make soak`.
JOURNAL_KILL_ROUNDS ?= 500
# How long a producer is stopped by SIGSTOP in `make soak`.
PRODUCER_PAUSE_SECONDS ?= 60
# Kills of a producer with uploads in `make soak`.
ARCHIVE_KILL_ROUNDS ?= 500
# How long loaders are under random faults in `make soak`, at 5,000 tweets a second.
LOADER_SOAK_SECONDS ?= 1200
# How often `verify` runs beside a pipeline that is killed now and then, in `make soak`.
VERIFY_LOOKS ?= 1000
# What `make bench` measures (producer start loader latency; all of it when empty), and how much.
BENCH_PARTS ?=
BENCH_ROWS ?= 200000
BENCH_LINES ?= 1600000
BENCH_ROUNDS ?= 3
BENCH_SECONDS ?= 20
BENCH_SEGMENTS ?= 10000
# --json for programs.
BENCH_FLAGS ?=
# How long `make fuzz` runs each target: so many runs, or seconds when that is not 0. FUZZ_CORPUS: files of JSON Lines as
# further beginnings.
FUZZ_TARGETS ?= framer control tweet
FUZZ_RUNS ?= 1000000
FUZZ_SECONDS ?= 0
FUZZ_CORPUS ?=

quiet := scripts/quiet.sh
# Which test targets run, one after the other.
TARGETS ?= $(notdir $(wildcard Tests/*Tests))
test := FILTER='$(FILTER)' TARGETS='$(TARGETS)' SWIFT='$(SWIFT)' scripts/test.sh

# What the sanitizer cannot judge; see the file.
export LSAN_OPTIONS ?= suppressions=$(CURDIR)/scripts/leak-sanitizer.supp:print_suppressions=0

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Installs the missing Debian packages, checks the Swift toolchain
	@scripts/setup.sh

.PHONY: demo
demo: build ## X simulator → Kafka → PostgreSQL here, with kills (INPUT=file.jsonl: your own tweets)
	@exec "$$($(SWIFT) build --show-bin-path)/sandbox" demo $(if $(INPUT),--input '$(INPUT)')

.PHONY: build
build: setup ## Builds for debugging, into .build/debug
	@$(quiet) 'building' .build/make-build.log $(SWIFT) build

.PHONY: release
release: setup ## Builds optimized, into .build/release; the programs need no Swift where they run
	@$(quiet) 'building (release)' .build/make-release.log $(SWIFT) build -c release --static-swift-stdlib

.PHONY: test
test: setup ## Unit, integration and end-to-end tests (FILTER=regex: some of them)
	@$(quiet) 'building the tests' .build/make-test.log $(SWIFT) build --build-tests
	@$(test) .build

.PHONY: test-thread test-address
test-thread: ## The same under ThreadSanitizer, built in .build-thread
test-address: ## The same under AddressSanitizer, which reports leaks as well, built in .build-address
test-thread: preload = LD_PRELOAD=$(CURDIR)/.build-thread/thread-sanitizer.so
test-thread: .build-thread/thread-sanitizer.so
test-thread test-address: test-%: setup
	@$(quiet) 'building the tests ($* sanitizer)' .build-$*/make-test.log \
		$(SWIFT) build --build-tests --sanitize=$* --scratch-path .build-$*
	@$(preload) $(test) .build-$* --sanitize=$* --scratch-path .build-$*

.build-thread/thread-sanitizer.so: scripts/thread-sanitizer.c | setup
	@mkdir -p $(@D)
	@$$(dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/clang \
		-Wall -Wextra -Werror -O1 -g -shared -fPIC -o $@ $<

.PHONY: soak
soak: setup ## Random kills of both services and of a journal's writer; loaders under faults for LOADER_SOAK_SECONDS; a minute's burst
	@$(quiet) 'building the tests' .build/make-test.log $(SWIFT) build --build-tests
	@scripts/s3-server.sh --install
	@SOAK_ROUNDS=$(SOAK_ROUNDS) JOURNAL_KILL_ROUNDS=$(JOURNAL_KILL_ROUNDS) \
		ARCHIVE_KILL_ROUNDS=$(ARCHIVE_KILL_ROUNDS) \
		PRODUCER_PAUSE_SECONDS=$(PRODUCER_PAUSE_SECONDS) \
		$(SWIFT) test --skip-build --disable-xctest --filter 'KillSoakTests|JournalKillTests|ProcessFaultTests.f34'
	@RULE_STATES=1000 $(SWIFT) test --skip-build --disable-xctest --filter 'XRuleApplicationTests.convergesFromAnyState'
	@VERIFY_LOOKS=$(VERIFY_LOOKS) $(SWIFT) test --skip-build --disable-xctest --filter VerifyBesideTests
	@X_BURST_SECONDS=60 X_DISK_STALL_SECONDS=15 $(SWIFT) test --skip-build --disable-xctest --filter 'XFaultTests\..*/f(27|06)'
	@$(quiet) 'building (release)' .build/make-release.log $(SWIFT) build -c release --static-swift-stdlib
	@LOADER_SOAK_SECONDS=$(LOADER_SOAK_SECONDS) \
		LOADER_SOAK_EXECUTABLE="$$($(SWIFT) build -c release --show-bin-path)/tweet-loader" \
		$(SWIFT) test --skip-build --disable-xctest --filter LoaderSoakTests

.PHONY: bench
bench: setup ## Measures both services, built optimized in .build-bench, beside curl | kcat and psql (BENCH_ROWS=…; see Benchmarks/)
	@$(quiet) 'building (release)' .build-bench/make-build.log \
		$(SWIFT) build -c release --static-swift-stdlib --scratch-path .build-bench
	@exec .build-bench/release/sandbox bench $(BENCH_PARTS) --rows $(BENCH_ROWS) --lines $(BENCH_LINES) \
		--rounds $(BENCH_ROUNDS) --seconds $(BENCH_SECONDS) --segments $(BENCH_SEGMENTS) $(BENCH_FLAGS)

.PHONY: fuzz
fuzz: setup ## libFuzzer on framer, control messages and decoder (FUZZ_RUNS=n or FUZZ_SECONDS=n, see docs/fuzzing.md)
	@SWIFT='$(SWIFT)' FUZZ_RUNS='$(FUZZ_RUNS)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_CORPUS='$(FUZZ_CORPUS)' \
		scripts/fuzz.sh $(FUZZ_TARGETS)

.PHONY: lint
lint: ## Checks the format of the Swift sources and the shell scripts
	@scripts/setup.sh shellcheck
	@$(SWIFT) format lint --strict --recursive Sources Tests Fuzz Package.swift
	@shellcheck .ci/run scripts/*.sh kafka/*.sh

.PHONY: format
format: ## Formats the Swift sources
	@$(SWIFT) format --in-place --recursive Sources Tests Fuzz Package.swift

.PHONY: check
check: ## Everything that continuous integration checks, in a few minutes more than `make test`
	@bash .ci/run

.PHONY: clean
clean: ## Removes everything that was built
	@rm -rf .build .build-thread .build-address .build-bench .build-fuzz
