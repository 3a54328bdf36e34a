# What people type; CMake does the work. `make help` lists the targets.

JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PREFIX ?= /usr/local
SECONDS ?= 60
CONDITIONS ?= On a quiet machine.
ATTENTION ?= context 4096

MAKEFLAGS += --no-print-directory
CONFIGURE = tools/configure.sh
COMPILE = cmake --build $(1) -j $(JOBS)
# Two tests more than processors, because tests of time limits wait most of their time.
CTEST = ctest --output-on-failure -j $$(($(JOBS) + 2))
SOURCES = find include src examples tests bench -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.inc'
# A warning fails the build of a test; `make build` keeps what was chosen last.
STRICT = -DTG_WERROR=$(or $(WERROR),ON)
HINT = { echo "If a warning is what failed: make $@ WERROR=OFF" >&2; exit 1; }
# The thread sanitizer of some compilers cannot place its memory when the system randomizes addresses widely.
FIXED_ADDRESSES = $(shell setarch -R true 2>/dev/null && echo setarch -R)

.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{ printf "make %-14s %s\n", $$1, $$2 }'
	@echo 'Variables: JOBS=$(JOBS) (compilers and tests at a time), WERROR=ON|OFF (warnings as errors)'

build: ## build the library and the examples into build/
	@tools/install_deps.sh build
	@$(CONFIGURE) release $(if $(WERROR),-DTG_WERROR=$(WERROR)) >/dev/null
	@$(call COMPILE,build)

run: build ## build, then run paged attention, Case1 and Case2, and Case2 on this computer
	@tools/install_deps.sh run
	@build/bin/paged_attention --case Case1 --brief
	@build/bin/paged_attention --case Case2 --brief
	@build/bin/paged_attention --case Case2 -p cpu --repeat 100 --brief
	@echo 'More: build/bin/paged_attention --case Case2 --summary; build/bin/tilegraph --help'

test: ## build with warnings as errors and run the tests (at most 5 minutes)
	@tools/install_deps.sh build test
	@$(CONFIGURE) release -DTG_BUILD_TESTS=ON $(STRICT) >/dev/null
	@$(call COMPILE,build) || $(HINT)
	cd build && $(CTEST) -LE 'slow|long'

test-long: ## the tests for which `make test` has no time: failing allocations, laws and documents of predicted time
	@tools/install_deps.sh build test
	@$(CONFIGURE) release -DTG_BUILD_TESTS=ON $(STRICT) >/dev/null
	@$(call COMPILE,build) || $(HINT)
	cd build && $(CTEST) -L long

reference: ## the reference of the public headers, made by Doxygen: build/reference/index.html
	@tools/install_deps.sh reference
	@mkdir -p build
	doxygen docs/Doxyfile

mutants: ## every single-point mutant of paged attention, and what finds it: a table (minutes)
	@tools/install_deps.sh build test
	@$(CONFIGURE) release -DTG_BUILD_TESTS=ON $(STRICT) >/dev/null
	@$(call COMPILE,build) || $(HINT)
	cd build && $(CTEST) -V -R '^test_all_mutants$$'

test-slow: ## the slow tests: long random runs, weakened memory orders, mutants, packages (minutes)
	@tools/install_deps.sh build test package reference browser
	@$(CONFIGURE) release -DTG_BUILD_TESTS=ON $(STRICT) >/dev/null
	@$(call COMPILE,build) || $(HINT)
	cd build && $(CTEST) -L slow

test-full: ## what is slow: formatting, mutants, sanitizers, clang, ucontext, valgrind
	@$(MAKE) format-check
	@$(MAKE) test-long
	@$(MAKE) test-slow
	@$(MAKE) test-asan
	@$(MAKE) test-tsan
	@$(MAKE) test-clang
	@$(MAKE) test-ucontext
	@$(MAKE) test-valgrind

screenshots: build ## take the pictures of the documents again, docs/images/*.png
	@tools/install_deps.sh run browser
	/usr/bin/python3 tools/screenshots.py build $(NAME)

# LABEL=unit: only the tests with that label.
test-debug: ## the tests with asserts
test-asan: ## the tests under the address and undefined-behaviour sanitizers
test-tsan: ## the tests under the thread sanitizer; then races are planted, which it has to find
test-clang: ## the tests compiled by clang
test-ucontext: ## the tests with the portable coroutine switch
test-aarch64: ## the tests built for aarch64, run under qemu-user
PRESETS = debug asan tsan clang ucontext aarch64
test-debug test-ucontext: GROUPS = build test
test-asan test-tsan test-clang: GROUPS = build test full
test-aarch64: GROUPS = build aarch64
test-tsan: CTEST := $(FIXED_ADDRESSES) $(CTEST)
test-tsan: AFTERWARDS = JOBS=$(JOBS) tests/planted_races.sh
$(PRESETS:%=test-%): test-%:
	@tools/install_deps.sh $(GROUPS)
	@$(CONFIGURE) $* $(STRICT) >/dev/null
	@$(call COMPILE,build/$*) || $(HINT)
	cd build/$* && $(CTEST) -LE slow $(if $(LABEL),-L $(LABEL))
	$(AFTERWARDS)

test-valgrind: build ## the main job under valgrind
	@tools/install_deps.sh full
	valgrind --quiet --error-exitcode=9 --leak-check=full build/bin/paged_attention --case Case1
	valgrind --quiet --error-exitcode=9 --leak-check=full build/bin/paged_attention --case Case2

fuzz: ## fuzz what reads bytes, and run hostile and damaged programs, SECONDS=60 in all
	@tools/install_deps.sh build test full
	@$(CONFIGURE) fuzz >/dev/null
	@$(call COMPILE,build/fuzz)
	@$(CONFIGURE) release -DTG_BUILD_TESTS=ON $(STRICT) >/dev/null
	@$(call COMPILE,build)
	@tools/fuzz.sh build/fuzz $(SECONDS) build/tests/bin

bench: ## build and run the benchmarks
	@tools/install_deps.sh build
	@$(CONFIGURE) release -DTG_BUILD_BENCH=ON >/dev/null
	@$(call COMPILE,build)
	@cmake --build build --target bench

performance: ## measure platform cpu beside other runtimes, write docs/performance.md and a page of docs/attention-on-cpu/
	@tools/install_deps.sh build peers
	@$(CONFIGURE) release -DTG_BUILD_BENCH=ON >/dev/null
	@$(call COMPILE,build)
	$(RUN) build/bench/bench_workers >build/bench/workers.json
	$(RUN) build/bench/bench_attention '$(ATTENTION)' >build/bench/attention.json
	$(RUN) build/bench/bench_attention_op >build/bench/attention_op.json
	RUN="$(RUN)" bench/peers/run.sh build/bench/peers.json '$(ATTENTION)'
	cat build/bench/workers.json build/bench/attention.json build/bench/attention_op.json build/bench/peers.json \
	    >build/bench/performance.json
	tools/performance_page.py build/bench/performance.json "$(CONDITIONS)"
	tools/attention_page.py build/bench/performance.json "$(CONDITIONS)"

bench-check: ## measure attention on cpu, name the figures below what is asked (minutes; a quiet machine)
	@tools/install_deps.sh build
	@$(CONFIGURE) release -DTG_BUILD_BENCH=ON >/dev/null
	@$(call COMPILE,build)
	$(RUN) build/bench/bench_attention '$(ATTENTION)' >build/bench/attention.json
	$(RUN) build/bench/bench_attention_op >build/bench/attention_op.json
	@tools/bench_check.py build/bench/attention.json build/bench/attention_op.json

check-cost: ## measure runs with and without checks, write the table of docs/checking-memory.md (minutes)
	@tools/install_deps.sh build
	@$(CONFIGURE) release -DTG_BUILD_BENCH=ON >/dev/null
	@$(call COMPILE,build)
	$(RUN) build/bench/bench_check >build/bench/check.txt
	tools/check_cost.py build/bench/check.txt "$(CONDITIONS)"

device-times: build ## published device times beside the predicted ones, as a table
	@tools/device_times.py $(if $(LEAVE_ONE_OUT),--leave-one-out)

coverage: ## run the tests, report lines and branches, details in build/coverage/html
	@tools/install_deps.sh build test coverage
	@$(CONFIGURE) coverage >/dev/null
	@$(call COMPILE,build/coverage)
	@find build/coverage -name '*.gcda' -delete
	cd build/coverage && $(CTEST)
	@mkdir -p build/coverage/html
	gcovr --root . --object-directory build/coverage --filter src/ --filter examples/common/ --print-summary \
	    --html-details build/coverage/html/index.html --txt

format: ## format the sources
	@tools/install_deps.sh lint
	@$(SOURCES) | xargs clang-format -i

format-check: ## fail if a source is not formatted
	@tools/install_deps.sh lint
	@$(SOURCES) | xargs clang-format --dry-run --Werror

shape: ## function lengths, arrows between rooms, widths of lines, lengths of sentences
	@tools/shape.py --list

lint: format-check tidy ## both checks of the sources

tidy: ## clang-tidy over the sources
	@tools/install_deps.sh build lint full
	@$(CONFIGURE) clang >/dev/null
	@find src examples -name '*.c' | xargs -P $(JOBS) -n 1 clang-tidy --quiet -p build/clang

install: build ## install library, headers, pkg-config and CMake files, PREFIX=/usr/local
	cmake --install build --prefix $(PREFIX)

clean: ## remove everything that was built
	rm -rf build

.PHONY: help build run test reference screenshots test-slow shape mutants test-full $(PRESETS:%=test-%) test-valgrind fuzz bench \
    bench-check check-cost performance device-times coverage format format-check lint tidy install clean
