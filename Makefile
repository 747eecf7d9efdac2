# attune: evolves CUDA kernels ahead of time and writes the winner as one C header.
#
#   make deps tune        install what is missing, build, tune and write tuned/attn_best.h
#   make deps check       the tests that need no GPU
#
# Targets
#   all                   build/attune and build/attune-run (default)
#   deps                  install what the build needs, or print the command that does; nothing missing: does nothing
#   tune                  build and run `attune tune` with the variables below; the winner joins those that are there
#   suite                 the same, with 220 trials, for each of PROBLEMS (default: every named problem of the family) whose
#                         entry is not up to date, then sdpa; may be stopped at any time, and goes on from there
#   sdpa                  measure the header's entries against PyTorch's attention backends, in one process on the same
#                         tensors, into OUT/evidence/sdpa_ARCH.json and .md; needs a Python with torch
#   spaces                record a survey of each of PROBLEMS on this machine's GPU, for replaying and for attune bench
#   list, drop            what the header holds; take the entry of PROBLEM (and ARCH) out of it
#   verify                rebuild every entry of the header and compare its machine code; with a GPU judge and time it again
#   install               copy the headers of OUT to PREFIX, with a pkg-config file each; DESTDIR is honoured
#   check                 build and run the tests that need no GPU
#   emulate               build build/tests/emulate/emulate, which runs kernels on the CPU; needs a C++17 compiler
#   check-gpu             run tests/gpu/*.sh; skipped where there is no GPU
#   test_NAME             build and run one suite, tests/test_NAME.c
#   profile               profile the winner of KERNEL in OUT with ncu, into build/profile
#   fuzz                  run the fuzzers of tests/fuzz, FUZZ_SECONDS=600 each; needs clang
#   kernels-check         compile every variant's default for every ARCH in ARCHS; needs nvcc, no GPU
#   lint                  module floors, file lengths, and cppcheck, shellcheck, luac where they are installed
#   clean                 remove build/
#   help                  this text
#
# Variables of `make tune`; one that is not given is left to attune's default
#   ARCH=sm_90a           architecture to tune for (default: this machine's GPU, else the recorded one)
#   KERNEL=attn           kernel family, a folder of kernels/
#   PROBLEM="b=1 h=8"     dimensions and flags in any order, the others at their defaults, or a name such as seed
#   TRIALS=45             how many candidates to try
#   SEED=1                seed of the search
#   POLICY=lua/policy.lua the search policy
#   JOBS=8                compilers at once (default: the machine's cores)
#   RUNNER="ssh box attune-run"   the command that starts the runner (default: build/attune-run)
#   NVCC=nvcc             the CUDA compiler
#   PYTHON=python3        a Python with torch, for the SDPA baselines
#   SANITIZER=off         do not run the winner under compute-sanitizer (default: auto, where it is installed)
#   PROFILE=3             profile so many of the best candidates with ncu on the way, for the policy; off: none
#   OUT=tuned             folder of the header and its evidence
#   PROBLEMS="seed gqa"   named problems of `make suite` and `make spaces` (there: seed, seed-causal and d128, 1500 TRIALS,
#                         in OUT=build/spaces)
#   RETUNE=winner         `make suite` leaves alone what was tuned with other sources that do not change the winner's own
#                         (default: sources); missing tunes what has no measured entry, all everything
#   SECONDS_MOST=600      `make sdpa` begins no problem after so many seconds (default: no limit)
#   PREFIX=/usr/local     where `make install` puts include/attune and share/pkgconfig
#
# Variables of the build
#   CC, CFLAGS, LDFLAGS   compiler and flags; CFLAGS come last
#   CXX                   C++ compiler, for the emulator only
#   CUDA_HOME             CUDA Toolkit, for cuda.h (default: found from NVCC, else /usr/local/cuda)
#   ARCHS="sm_80 sm_90a"  architectures of kernels-check
#   STATIC=1              link Lua, jansson, libmd and zlib statically, to carry build/ to another machine
#   SANITIZE=1            address and undefined-behaviour sanitizers, in build/san
#   WERROR=1              warnings are errors
#   V=1                   show the commands

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all deps tune suite sdpa list drop verify install check check-gpu profile fuzz kernels-check lint emulate spaces clean help FORCE

B := build$(if $(SANITIZE),/san)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$(2)')

ifeq ($(origin CC),default)
CC := cc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
CFLAGS ?= -O2 -g
ARCHS ?= sm_80 sm_86 sm_89 sm_90a sm_100 sm_120

# --- what the user gave -------------------------------------------------------------------------------------------
# A value goes to the programs through the environment and is never pasted into a shell command. $(value) and override
# keep make itself from expanding it, so PROBLEM='$(shell ...)' is only an unknown word to attune.
OPTIONS := ARCH KERNEL PROBLEM TRIALS SEED POLICY JOBS RUNNER NVCC OUT PYTHON SANITIZER PROFILE
OTHER_OPTIONS := PROBLEMS PREFIX DESTDIR RETUNE SECONDS_MOST
define option
override $(1) := $$(value $(1))
export ATTUNE_ARG_$(1) := $$(value $(1))
endef
$(foreach o,$(OPTIONS) $(OTHER_OPTIONS),$(eval $(call option,$(o))))
lower = $(shell printf %s '$(1)' | tr A-Z a-z)
# Shell text that appends "--name value" to the positional parameters for each option that is set.
add_options = $(foreach o,$(1),[ -z "$$ATTUNE_ARG_$(o)" ] || set -- "$$@" --$(call lower,$(o)) "$$ATTUNE_ARG_$(o)";)

# --- sources --------------------------------------------------------------------------------------------------------
# The base is shared, the runner's modules are known by name, everything else is the host's: src/MODULE.c, src/MODULE_*.c.
SRC := $(wildcard src/*.c gen/*.c)
BASE_MODULES := err buf hash fs proc wire stats journal
RUN_MODULES := judge gpu bench oracle inputs replay torch arena child crew dtype launch spec
BASE_SRC := $(filter $(foreach m,$(BASE_MODULES),src/$(m).c src/$(m)_%.c),$(SRC))
RUN_SRC := $(filter src/run_main.c $(foreach m,$(RUN_MODULES),src/$(m).c src/$(m)_%.c),$(SRC))
HOST_SRC := $(filter-out $(BASE_SRC) $(RUN_SRC),$(SRC))
MAIN_SRC := $(filter src/main%.c,$(HOST_SRC))
RUN_MAIN_SRC := $(filter src/run_main%.c,$(RUN_SRC))
TEST_SRC := $(wildcard tests/test_*.c)
SUPPORT_SRC := $(filter-out $(TEST_SRC),$(wildcard tests/*.c))
FAKE_SRC := $(wildcard tests/fakecuda/*.c)
EMULATE_SRC := $(wildcard tests/emulate/*.c)
EMULATE_CXX := $(wildcard tests/emulate/*.cc)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_BASE := $(B)/libbase.a
LIB_HOST := $(if $(filter-out $(MAIN_SRC),$(HOST_SRC)),$(B)/libhost.a)
LIB_RUN := $(if $(filter-out $(RUN_MAIN_SRC),$(RUN_SRC)),$(B)/librunner.a)
LIB_TEST := $(if $(SUPPORT_SRC),$(B)/libtest.a)
FAKE := $(if $(FAKE_SRC),$(B)/tests/fakecuda/libcuda.so.1)
PROGRAMS := $(if $(MAIN_SRC),$(B)/attune) $(if $(RUN_MAIN_SRC),$(B)/attune-run)
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))

# A suite links what its module needs: base suites the base alone, so that they build while the rest is being changed.
tests_of = $(filter $(foreach m,$(1),$(B)/tests/test_$(m) $(B)/tests/test_$(m)_%),$(TESTS))
BASE_TESTS := $(call tests_of,$(BASE_MODULES))
RUN_TESTS := $(call tests_of,$(RUN_MODULES) runner fakecuda)
HOST_TESTS := $(filter-out $(BASE_TESTS) $(RUN_TESTS),$(TESTS))

# --- flags ----------------------------------------------------------------------------------------------------------
# Library flags are asked for in a recipe (.ci/flags), not while this file is read: `make deps all` on a fresh machine
# installs the libraries in between. They reach the compiler as response files.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(WERROR),-Werror)
COMMA := ,
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
SAN := $(if $(SANITIZE),-fsanitize=address$(COMMA)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
C_FLAGS = -std=c11 -D_GNU_SOURCE -Iinclude -Isrc -Igen -MMD -MP $(WARN) $(SAN) @$(B)/lib.cflags
LINK = $(CC) $(SAN) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed
export ATTUNE_SETTINGS := $(CC) $(WARN) $(SAN) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) STATIC=$(STATIC)
export STATIC CUDA_HOME
# The Toolkit's installer leaves PATH alone.
export PATH := $(PATH):$(if $(CUDA_HOME),$(CUDA_HOME)/bin:)/usr/local/cuda/bin:/opt/cuda/bin

# deps (and clean) come before everything else when they are asked for, also under -j.
FIRST := $(filter deps clean,$(MAKECMDGOALS))

all: $(PROGRAMS)

$(B)/.settings: FORCE | $(FIRST)
	@mkdir -p $(B)
	@.ci/flags $(B)
	@{ printf '%s\n' "$$ATTUNE_SETTINGS"; cat $(B)/*flags $(B)/*.libs; } >$@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi

# Changes when a source joins or leaves, so that archives are made anew.
$(B)/.sources: FORCE | $(FIRST)
	@mkdir -p $(B)
	@printf '%s\n' '$(SRC) $(SUPPORT_SRC)' >$@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi

define compile
$(call say,CC,$<)
@mkdir -p $(@D)
$(Q)$(CC) $(C_FLAGS) $(1) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
endef

$(B)/obj/%.o: %.c $(B)/.settings
	$(call compile)

# gen_embed.c puts the templates into the program.
$(call obj,$(filter gen/%,$(HOST_SRC))): $(wildcard gen/*.h.in)

# Only these see CUDA's headers.
CUDA_OBJ := $(call obj,$(RUN_SRC) $(FAKE_SRC))
$(CUDA_OBJ): $(B)/obj/%.o: %.c $(B)/.settings
	@test -s $(B)/cuda.cflags || { echo "cuda.h not found: install the CUDA Toolkit, or set CUDA_HOME or NVCC" >&2; exit 1; }
	$(call compile,@$(B)/cuda.cflags -fPIC)

define archive
$(call say,AR,$@)
@rm -f $@
$(Q)ar rcs $@ $(filter %.o,$^)
endef

$(LIB_BASE): $(call obj,$(BASE_SRC)) $(B)/.sources
	$(call archive)
$(B)/libhost.a: $(call obj,$(filter-out $(MAIN_SRC),$(HOST_SRC))) $(B)/.sources
	$(call archive)
$(B)/librunner.a: $(call obj,$(filter-out $(RUN_MAIN_SRC),$(RUN_SRC))) $(B)/.sources
	$(call archive)
$(B)/libtest.a: $(call obj,$(SUPPORT_SRC)) $(B)/.sources
	$(call archive)

define link
$(call say,LINK,$@)
@mkdir -p $(@D)
$(Q)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1)
endef

$(B)/attune: $(call obj,$(MAIN_SRC)) $(LIB_HOST) $(LIB_BASE)
	$(call link,@$(B)/host.libs)
$(B)/attune-run: $(call obj,$(RUN_MAIN_SRC)) $(LIB_RUN) $(LIB_BASE)
	$(call link,@$(B)/runner.libs)

$(BASE_TESTS): $(B)/tests/%: $(B)/obj/tests/%.o $(LIB_TEST) $(LIB_BASE)
	$(call link,@$(B)/test.libs @$(B)/runner.libs)
$(HOST_TESTS): $(B)/tests/%: $(B)/obj/tests/%.o $(LIB_TEST) $(LIB_HOST) $(LIB_BASE)
	$(call link,@$(B)/test.libs @$(B)/host.libs)
$(RUN_TESTS): $(B)/tests/%: $(B)/obj/tests/%.o $(LIB_TEST) $(LIB_HOST) $(LIB_RUN) $(LIB_BASE)
	$(call link,@$(B)/test.libs @$(B)/host.libs)
$(RUN_TESTS): | $(FAKE) $(filter %/attune-run,$(PROGRAMS))

# The stand-in driver for tests of the runner; it computes nothing that is ever published.
$(B)/tests/fakecuda/libcuda.so.1: $(call obj,$(FAKE_SRC))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -shared -Wl,-soname,libcuda.so.1 -o $@ $^ -lm -ldl -lpthread

# The emulator: kernels run on the host (tests/emulate/README.md). Shared objects that it loads call back into it.
EMULATE := $(B)/tests/emulate/emulate
EMULATE_OBJ := $(call obj,$(EMULATE_SRC)) $(patsubst %.cc,$(B)/obj/%.o,$(EMULATE_CXX))
CXX_WARN := $(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(WARN))
$(B)/obj/%.o: %.cc $(B)/.settings
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -Iinclude -MMD -MP $(CXX_WARN) $(SAN) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$(EMULATE): $(EMULATE_OBJ) $(LIB_HOST) $(LIB_RUN) $(LIB_BASE)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(SAN) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $(filter %.o,$^) $(filter %.a,$^) @$(B)/host.libs @$(B)/runner.libs
emulate: $(EMULATE)
# Without a C++ compiler, and under sanitizers, which know nothing of its stacks, its tests say that they are skipped.
HAVE_CXX := $(if $(SANITIZE),,$(shell command -v '$(CXX)' 2>/dev/null))

# --- what people type -----------------------------------------------------------------------------------------------
deps:
	$(Q).ci/deps

tune: $(B)/attune $(B)/attune-run
	$(Q)set -- tune; $(call add_options,$(OPTIONS)) \
		$(if $(SANITIZE),ATTUNE_ROOT="$$PWD") $(B)/attune "$$@"

# What measures a family's entries against others, where it has such a program: kernels/KERNEL/suite/run.py. 77: it cannot, here.
define measure_suite
kernel=$${ATTUNE_ARG_KERNEL:-attn}; out=$${ATTUNE_ARG_OUT:-tuned}; suite=kernels/$$kernel/suite/run.py; \
if [ -f "$$suite" ] && [ -d "$$out/entries" ]; then \
	mkdir -p $(B)/suite; $(B)/attune list --kernel "$$kernel" --problems >$(B)/suite/problems.json || exit 1; \
	set -- --out "$$out" --build $(B)/suite --problems $(B)/suite/problems.json; \
	[ -z "$$ATTUNE_ARG_ARCH" ] || set -- "$$@" --arch "$$ATTUNE_ARG_ARCH"; \
	[ -z "$$ATTUNE_ARG_SECONDS_MOST" ] || set -- "$$@" --seconds "$$ATTUNE_ARG_SECONDS_MOST"; \
	for problem in $$ATTUNE_ARG_PROBLEMS; do set -- "$$@" --problem "$$problem"; done; \
	measured=0; "$${ATTUNE_ARG_PYTHON:-python3}" "$$suite" "$$@" || measured=$$?; \
	[ $$measured -eq 77 ] || [ $$measured -eq 0 ] || exit $$measured; \
fi
endef

# PROBLEMS is split at blanks: names hold none, and other problems are tuned one by one. What one problem failed of keeps
# nothing from being measured; who stopped the tuning wants no measuring either.
suite: $(B)/attune $(B)/attune-run
	$(Q)set -f; set -- suite; [ -n "$$ATTUNE_ARG_TRIALS" ] || set -- "$$@" --trials 220; \
		$(call add_options,$(filter-out PROBLEM,$(OPTIONS)) RETUNE) \
		for problem in $$ATTUNE_ARG_PROBLEMS; do set -- "$$@" --problem "$$problem"; done; \
		tuned=0; $(if $(SANITIZE),ATTUNE_ROOT="$$PWD") $(B)/attune "$$@" || tuned=$$?; [ $$tuned -le 1 ] || exit $$tuned; \
		$(measure_suite); exit $$tuned

sdpa: $(B)/attune
	$(Q)set -f; $(measure_suite)

spaces: $(B)/attune $(B)/attune-run
	$(Q)set -f; gen/spaces $(B) "$${ATTUNE_ARG_OUT:-build/spaces}" "$${ATTUNE_ARG_TRIALS:-1500}" \
		$${ATTUNE_ARG_PROBLEMS:-seed seed-causal d128}

list drop: $(B)/attune
	$(Q)set -- $@; $(call add_options,ARCH KERNEL PROBLEM OUT) $(if $(SANITIZE),ATTUNE_ROOT="$$PWD") $(B)/attune "$$@"

verify: $(B)/attune $(B)/attune-run
	$(Q)set -- verify "$${ATTUNE_ARG_OUT:-tuned}/$${ATTUNE_ARG_KERNEL:-attn}_best.h"; $(call add_options,RUNNER NVCC) \
		$(if $(SANITIZE),ATTUNE_ROOT="$$PWD") $(B)/attune "$$@"

install:
	$(Q)gen/install "$${ATTUNE_ARG_OUT:-tuned}" "$${ATTUNE_ARG_PREFIX:-/usr/local}" "$$ATTUNE_ARG_DESTDIR"

check: $(PROGRAMS) $(TESTS) $(FAKE) $(if $(HAVE_CXX),$(EMULATE))
	$(Q)tests/run $(B)

check-gpu: $(PROGRAMS)
	$(Q)tests/run --gpu $(B)

test_%: $(B)/tests/test_%
	$(Q)ATTUNE_ROOT="$$PWD" ATTUNE_BUILD="$(abspath $(B))" $<

# Profiled while it is judged, on fresh inputs; the runner's own kernels are left out by name. ncu leaves the clocks alone.
profile: $(PROGRAMS)
	$(Q)tests/gpu/profile $(B) "$${ATTUNE_ARG_OUT:-tuned}/$${ATTUNE_ARG_KERNEL:-attn}_best.h"

# Readers of files and streams that others write, with all that they stand on, built anew by clang with its fuzzer.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SECONDS ?= 600
FUZZ_SRC := $(BASE_SRC) $(wildcard src/problem.c src/space.c src/space_*.c src/cubin*.c src/vet.c)
$(FUZZERS): $(B)/fuzz/%: tests/fuzz/%.c $(FUZZ_SRC) $(wildcard include/attune/*.h) $(B)/.settings
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang -std=c11 -D_GNU_SOURCE -Iinclude -Isrc -g -O1 -fsanitize=fuzzer$(COMMA)address$(COMMA)undefined \
		-fno-sanitize-recover=all @$(B)/lib.cflags -o $@ $(filter %.c,$^) @$(B)/host.libs

# clang is one package, its fuzzer another.
CAN_FUZZ := $(if $(filter fuzz,$(MAKECMDGOALS)),$(shell printf 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	clang -fsanitize=fuzzer -x c -o /dev/null - >/dev/null 2>&1 && echo yes))

fuzz: $(if $(CAN_FUZZ),$(FUZZERS))
	$(Q)$(if $(CAN_FUZZ),tests/fuzz/run $(B) $(FUZZ_SECONDS),echo "skipped: clang with its fuzzer is not installed")

kernels-check: $(B)/attune $(B)/attune-run
	$(Q)set -- compile --all --arch '$(subst $(SPACE),$(COMMA),$(strip $(ARCHS)))'; $(call add_options,KERNEL JOBS NVCC) \
		$(if $(SANITIZE),ATTUNE_ROOT="$$PWD") $(B)/attune "$$@"

lint: | $(FIRST)
	$(Q)tests/lint

clean:
	$(Q)rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# Keep the objects of the suites between runs, and know what each object was made from.
.SECONDARY:
-include $(patsubst %.o,%.d,$(call obj,$(SRC) $(TEST_SRC) $(SUPPORT_SRC) $(FAKE_SRC)) $(EMULATE_OBJ))
