# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SWIFT ?= swift
# A file of JSON Lines for `make demo`; by default the simulator generates tweets.
INPUT ?=
# Where `make install` puts what, and which programs.
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS ?= .build-release/release
# none is faster than xz, and the package larger.
DEB_COMPRESSION ?= xz
# A regular expression: only the tests whose names match it run.
FILTER ?=
# Of these, the ones whose names match this do not run.
SKIP ?=
# Kills per service in `make soak`.
SOAK_ROUNDS ?= 50
# Kills of a process that writes a journal in `make soak`.
JOURNAL_KILL_ROUNDS ?= 500
# How long a producer is stopped by SIGSTOP in `make soak`.
PRODUCER_PAUSE_SECONDS ?= 60
# Kills of a producer with uploads in `make soak`.
ARCHIVE_KILL_ROUNDS ?= 500
# How often the active one of two producers is killed or paused in `make soak`.
STANDBY_ROUNDS ?= 50
# How long one of two listeners is deaf in `make soak`; ten minutes are compared.
LISTENERS_MINUTES ?= 12
# How long loaders are under random faults in `make soak`, at 5,000 tweets a second.
LOADER_SOAK_SECONDS ?= 1200
# How many times `verify` runs beside a pipeline that is killed repeatedly, in `make soak`.
VERIFY_LOOKS ?= 1000
# Parts of `make bench` (producer start loader latency export scale; all when empty), and their sizes.
BENCH_PARTS ?=
BENCH_ROWS ?= 200000
BENCH_LINES ?= 1600000
BENCH_ROUNDS ?= 3
BENCH_SECONDS ?= 20
BENCH_SEGMENTS ?= 10000
BENCH_WRITERS ?= 1 2 4
# Tweets of the part export.
BENCH_EXPORT_ROWS ?= 1000000
# Tweets of the part scale; BENCH_ROWS makes it short.
BENCH_SCALE ?= $(if $(filter file,$(origin BENCH_ROWS)),200000 2000000 10000000,$(BENCH_ROWS))
# Folder with copy_loader.py and confluent_producer.py, and a Python that has their modules.
BENCH_PEERS ?=
BENCH_PYTHON ?= python3
# --json for programs.
BENCH_FLAGS ?=
# How long `make fuzz` runs each target: a number of runs, or of seconds unless that is 0. FUZZ_CORPUS: files of JSON Lines
# as further seeds. FUZZ_SANITIZER=address: in the build of `make test-address`.
FUZZ_TARGETS ?= framer control tweet
FUZZ_RUNS ?= 1000000
FUZZ_SECONDS ?= 0
FUZZ_CORPUS ?=

quiet := scripts/quiet.sh
# How programs and the modules under test are built: optimized, as what is installed is, but open to the tests. With CONFIGURATION=debug the
# build after a small change is faster, and the tests are slower.
CONFIGURATION ?= release
for_tests := -c $(CONFIGURATION) $(if $(filter release,$(CONFIGURATION)),-Xswiftc -enable-testing -Xswiftc -DFAIL_POINTS)
programs = $$($(SWIFT) build $(for_tests) --show-bin-path)
build_tests := $(quiet) 'building the tests' .build/make-test.log $(SWIFT) build $(for_tests) --build-tests
# Which test targets run (scripts/test.sh): the quick ones first, and then those that take longest, so that all rows end
# together.
unit_targets := $(addsuffix UnitTests,$(notdir $(wildcard Tests/Unit/*)))
fault_targets := $(addsuffix FaultTests,$(notdir $(wildcard Tests/Fault/*)))
integration_targets := $(addsuffix IntegrationTests,Timelines Producer) EndToEndTests \
	$(addsuffix IntegrationTests,Loader XAPI Sandbox LogShipping)
TARGETS ?= $(unit_targets) $(fault_targets) $(integration_targets)
test := FILTER='$(FILTER)' SKIP='$(SKIP)' TARGETS='$(TARGETS)' SWIFT='$(SWIFT)' scripts/test.sh

# False reports of the leak sanitizer; see the file.
export LSAN_OPTIONS ?= suppressions=$(CURDIR)/scripts/leak-sanitizer.supp:print_suppressions=0

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Installs the missing Debian packages, checks the Swift toolchain
	@scripts/setup.sh

.PHONY: demo
demo: build ## Runs the whole pipeline on this machine, with kills (INPUT=file.jsonl: your own tweets)
	@exec "$(programs)/sandbox" demo $(if $(INPUT),--input '$(INPUT)')

.PHONY: build
build: setup ## Builds the programs, into .build/release (CONFIGURATION=debug: into .build/debug)
	@$(quiet) 'building' .build/make-build.log $(SWIFT) build $(for_tests)

.PHONY: release
release: setup ## Builds what is installed, programs that need no Swift at run time, into .build-release
	@$(quiet) 'building (release)' .build-release/make-build.log env SWIFT='$(SWIFT)' scripts/release.sh

.PHONY: install
install: ## Installs programs, manual pages, completions, units and settings (PREFIX=, DESTDIR=, PROGRAMS=); after `make release`
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install.sh '$(PROGRAMS)'

.PHONY: deb
deb: release ## Builds a Debian package, into .build/deb (DEB_REVISION=, DEBFULLNAME=, DEBEMAIL=)
	@scripts/setup.sh dpkg-dev
	@rm -rf .build/deb
	@DEB_COMPRESSION='$(DEB_COMPRESSION)' scripts/deb.sh .build-release/release .build/deb

.PHONY: test-deb
test-deb: deb ## Checks the Debian package and its manual pages with lintian and mandoc
	@scripts/setup.sh lintian mandoc
	@scripts/check-deb.sh .build/deb/*.deb

.PHONY: test-package
test-package: deb ## Installs, uses, upgrades and purges the Debian package on a bare Debian 12 with a systemd of its own
	@scripts/setup.sh debootstrap
	@scripts/package-host.sh .build/deb/*.deb

.PHONY: test
test: setup ## Runs unit, integration and end-to-end tests (FILTER=regex: some of them)
	@$(build_tests)
	@$(test) .build $(for_tests)

.PHONY: print-targets
print-targets:
	@printf '%s\n' $(TARGETS)

.PHONY: test-unit test-integration test-fault
test-unit: ## The tests of single modules, without processes and sockets: seconds
test-integration: ## The tests with PostgreSQL, Kafka, the simulator of X and other servers
test-fault: ## The tests that kill, pause and cut
test-unit test-integration test-fault: test-%: setup
	@$(build_tests)
	@TARGETS='$($*_targets)' FILTER='$(FILTER)' SWIFT='$(SWIFT)' scripts/test.sh .build $(for_tests)

.PHONY: test-browser
test-browser: build ## Opens the pages of the console in Chromium with hostile data (Debian: chromium)
	@scripts/setup.sh chromium
	@scripts/python.sh browser "$(programs)"

.PHONY: pictures
pictures: build ## Makes the pictures of the README with Chromium (Debian: chromium)
	@scripts/setup.sh chromium
	@scripts/python.sh pictures "$(programs)"

.PHONY: settings-doc
settings-doc: setup ## Write the tables of docs/settings.md from the declarations of the settings
	@WRITE_SETTINGS_DOC=1 $(MAKE) --no-print-directory test FILTER=SettingsTests.*theDocumentIsThatOfTheDeclarations

.PHONY: metrics-doc
metrics-doc: setup ## Write the tables of docs/metrics.md from the declarations of the metrics
	@WRITE_METRICS_DOC=1 $(MAKE) --no-print-directory test FILTER=MetricsTableTests.*theDocumentIsThatOfTheDeclarations

.PHONY: test-thread test-address
test-thread: ## Runs the tests under ThreadSanitizer, built in .build-thread
test-address: ## Runs the tests under AddressSanitizer, leaks included, built in .build-address
test-thread: preload = LD_PRELOAD=$(CURDIR)/.build-thread/thread-sanitizer.so
test-thread: .build-thread/thread-sanitizer.so
test-thread test-address: test-%: setup
	@$(quiet) 'building the tests ($* sanitizer)' .build-$*/make-test.log \
		$(SWIFT) build --build-tests --sanitize=$* --scratch-path .build-$*
	@$(preload) $(test) .build-$* --sanitize=$* --scratch-path .build-$*

.PHONY: build-thread build-address build-fuzz
test-thread test-address build-thread build-address: export TEST_TARGETS = $(TARGETS)
# `fuzz` is built, too.
test-address build-address: export FUZZER_RUNTIME = $(shell SWIFT='$(SWIFT)' scripts/fuzz.sh --runtime)
build-thread build-address: build-%: setup
	@$(quiet) 'building ($* sanitizer)' .build-$*/make-build.log \
		$(SWIFT) build --build-tests --sanitize=$* --scratch-path .build-$*
build-fuzz: setup
	@SWIFT='$(SWIFT)' scripts/fuzz.sh

.build-thread/thread-sanitizer.so: scripts/thread-sanitizer.c | setup
	@mkdir -p $(@D)
	@$$(dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/clang \
		-Wall -Wextra -Werror -O1 -g -shared -fPIC -o $@ $<

soak_test := $(SWIFT) test $(for_tests) --skip-build --disable-xctest
.PHONY: soak
soak: setup ## Kills both services and a journal's writer at random; runs loaders under faults for LOADER_SOAK_SECONDS
	@$(build_tests)
	@scripts/python.sh --install s3-server
	@SOAK_ROUNDS=$(SOAK_ROUNDS) JOURNAL_KILL_ROUNDS=$(JOURNAL_KILL_ROUNDS) \
		ARCHIVE_KILL_ROUNDS=$(ARCHIVE_KILL_ROUNDS) \
		PRODUCER_PAUSE_SECONDS=$(PRODUCER_PAUSE_SECONDS) \
		$(soak_test) --filter 'KillSoakTests|JournalKillTests|ProcessFaultTests.f34'
	@STANDBY_ROUNDS=$(STANDBY_ROUNDS) $(soak_test) --filter StandbyTests.f82
	@LISTENERS_MINUTES=$(LISTENERS_MINUTES) $(soak_test) --filter ActiveListenersTests
	@RULE_STATES=1000 $(soak_test) --filter 'XRuleApplicationTests.convergesFromAnyState'
	@VERIFY_LOOKS=$(VERIFY_LOOKS) $(soak_test) --filter VerifyBesideTests
	@X_BURST_SECONDS=60 X_DISK_STALL_SECONDS=15 $(soak_test) --filter 'XFaultTests\..*/f(27|06)'
	@LOADER_SOAK_SECONDS=$(LOADER_SOAK_SECONDS) $(soak_test) --filter LoaderSoakTests

.PHONY: bench
bench: release ## Measures both services beside curl | kcat and psql (BENCH_ROWS=…; see Benchmarks/)
	@exec .build-release/release/sandbox bench $(BENCH_PARTS) --rows $(BENCH_ROWS) --lines $(BENCH_LINES) \
		--rounds $(BENCH_ROUNDS) --seconds $(BENCH_SECONDS) --segments $(BENCH_SEGMENTS) \
		--writers $(BENCH_WRITERS) --scale $(BENCH_SCALE) --export-rows $(BENCH_EXPORT_ROWS) --python $(BENCH_PYTHON) \
		$(if $(BENCH_PEERS),--peers $(BENCH_PEERS)) $(BENCH_FLAGS)

.PHONY: fuzz
fuzz: setup ## Fuzzes framer, control messages and decoder (FUZZ_RUNS=n or FUZZ_SECONDS=n; see docs/fuzzing.md)
	@SWIFT='$(SWIFT)' FUZZ_RUNS='$(FUZZ_RUNS)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_CORPUS='$(FUZZ_CORPUS)' \
		scripts/fuzz.sh $(FUZZ_TARGETS)

.PHONY: lint
lint: ## Checks the format of the Swift sources and the shell scripts
	@scripts/setup.sh shellcheck
	@$(SWIFT) format lint --strict --recursive Sources Tests Fuzz Package.swift
	@shellcheck .ci/run scripts/*.sh kafka/*.sh deploy/container/*.sh deploy/debian/{postinst,prerm,postrm}

.PHONY: format
format: ## Formats the Swift sources
	@$(SWIFT) format --in-place --recursive Sources Tests Fuzz Package.swift

.PHONY: check
check: ## Runs everything that continuous integration checks
	@bash .ci/run

.PHONY: clean
clean: ## Removes everything that was built
	@rm -rf .build .build-thread .build-address .build-release .build-fuzz
