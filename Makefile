# spritty: make run, make test, make help.
#
# Every .c file under src/ but main.c goes into one library; the program, the tests and the benches
# are each one file linked to it. New files are found by themselves. Sanitizers and other machines
# build into folders of their own: `make BUILD=build/asan SAN=address,undefined`.

# All cores, unless make was told how many (make -j1).
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

BUILD  ?= build
CC     ?= cc
OPT    ?= -O3
PREFIX ?= /usr/local
PKGS    = libpng inih libcjson libutf8proc zlib ncursesw sqlite3 libsixel chafa libcurl hiredis nettle

PKG_CONFIG ?= pkg-config
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
# libcurl is opened when it is needed (src/base/libcurl.h).
PKG_LIBS   := $(filter-out -lcurl,$(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null))
TEST_LIBS  := $(shell $(PKG_CONFIG) --libs cmocka vterm 2>/dev/null)

CFLAGS  ?= -g
WARN     = -Wall -Wextra $(if $(filter true 1,$(CI) $(WERROR)),-Werror)
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
OPENMP   = -fopenmp
COMPILE  = $(CC) -std=c17 -D_GNU_SOURCE $(OPT) -fno-math-errno $(FUSE) $(CFLAGS) $(WARN) $(SANFLAGS) $(OPENMP) -MMD -MP \
           -Isrc $(PKG_CFLAGS)
LIBS     = -ldnnl $(PKG_LIBS) -lm -lpthread $(OPENMP)

# The CUDA backend (gpu/): a shared object, opened at run time. nvcc makes its kernels for devices;
# the C++ compiler that goes with CC makes the same sources for the CPU, where tests run them
# (tests/gpu_shim). `make` builds it for the GPUs of this machine, `make gpu` for all; CUDA_ARCHS=
# says otherwise.
NVCC       := $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc) $(shell command -v nvcc) \
                $(wildcard /usr/local/cuda/bin/nvcc))
CUDA_ALL    = 80 86 89 90 100 120 121
CUDA_HERE  := $(if $(NVCC),$(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader \
                2>/dev/null | tr -d . | grep -x '[0-9]*' | sort -u))
CUDA_SAID  := $(CUDA_ARCHS)
CUDA_ARCHS ?= $(or $(CUDA_HERE),$(CUDA_ALL))
CUDA_HAVE   = $(shell $(NVCC) --list-gpu-arch)
CUDA_FOR    = $(foreach a,$(CUDA_ARCHS),$(if $(filter compute_$a,$(CUDA_HAVE)),$a))
CUDA_CODE   = $(foreach a,$(CUDA_FOR),-gencode arch=compute_$a,code=sm_$a) \
              -gencode arch=compute_$(firstword $(CUDA_FOR)),code=compute_$(firstword $(CUDA_FOR))
CUDA_FLAGS  = $(shell NVCC=$(NVCC) sh .ci/cuda.sh cflags)
CUDA_LIBS   = $(shell NVCC=$(NVCC) sh .ci/cuda.sh libs)
COMPILE_CU  = $(NVCC) -std=c++17 -O3 --threads 2 $(CUDA_CODE) \
              $(if $(filter true 1,$(CI) $(WERROR)),-Werror all-warnings) \
              -Xcompiler -fPIC,-Wall,-Wextra,-fvisibility=hidden -MMD -MP -Isrc
CXX_NAME   := $(shell echo $(firstword $(CC)) | sed -E 's/clang/clang++/;t;s/gcc/g++/;t;s/cc$$/c++/')
NO_SHIM    := $(if $(findstring thread,$(SAN)),the thread sanitizer cannot follow fibers,$(if \
                $(shell command -v $(CXX_NAME)),,there is no C++ compiler $(CXX_NAME) here))
SHIM_CXX    = $(CXX_NAME) $(wordlist 2,9,$(CC))
# Threads that are fibers, thousands a launch: no second stack for each.
SHIM_SAN    = $(if $(findstring address,$(SAN)),--param asan-use-after-return=0)
# Vectors halve what the tests take; gcc 12 for aarch64 breaks down over one of the kernels then.
SHIM_VECTOR  = $(if $(findstring aarch64,$(CC) $(shell uname -m)),-fno-tree-vectorize,-ftree-vectorize)
COMPILE_SHIM = $(SHIM_CXX) -x c++ -std=c++17 -O2 $(SHIM_VECTOR) $(CFLAGS) $(WARN) \
               -Wno-unknown-pragmas $(SANFLAGS) $(SHIM_SAN) -fno-exceptions -fno-rtti -fPIC -MMD \
               -MP -Isrc -Igpu -Itests/gpu_shim

# One short line a file; V=1 shows the commands.
Q   = $(if $(V),,@)
SAY = $(if $(V),@:,@echo)

SRC     := $(sort $(shell find src -name '*.c' ! -path src/main.c))
ifeq ($(BARE),1)
# For machines with CUDA and a compiler but none of the libraries: the model without the app, small
# twins in place of what else it needs (tests/bare).
SRC     := $(sort $(wildcard src/base/*.c src/ops/*.c src/prompt/*.c src/sdxl/*.c tests/bare/*.c))
SRC     := $(filter-out src/ops/ops_cpu.c src/ops/cpu_conv.c src/ops/cpu_dnnl.c src/ops/cpu_dnnl_table.c \
                      src/ops/cpu_weight.c \
                      src/base/digest.c src/base/inifile.c src/base/libcurl.c,$(SRC))
PKG_CFLAGS := -Itests/bare
TEST_LIBS  :=
LIBS     = -lm -lpthread -ldl $(OPENMP)
endif
# Folders of src/ that what is built takes nothing from (the linker says so where that is wrong).
WITHOUT ?=
SRC     := $(filter-out $(WITHOUT:%=src/%/%),$(SRC))
OBJ     := $(SRC:%.c=$(BUILD)/%.o)
LIB      = $(BUILD)/libspritty.a
# Which test runs where is said in its own file, with the reason, in a line that begins so:
#   /* Not under sanitizers: ...  /* Not under qemu: ...  /* Under the thread sanitizer: ...
#   /* Started first: ...
marked   = $(patsubst tests/%.c,$(BUILD)/%,$(shell grep -l '^/\* $(1): ' tests/test_*.c))
NOT_HERE = $(if $(QEMU),Not under qemu,$(if $(SAN),Not under sanitizers))
TESTS   := $(filter-out $(if $(NOT_HERE),$(call marked,$(NOT_HERE))), \
             $(patsubst tests/%.c,$(BUILD)/%,$(sort $(wildcard tests/test_*.c))))
FIRST    = $(filter $(call marked,Started first),$(TESTS))
SCRIPTS := $(sort $(wildcard tests/test_*.sh))
BENCHES := $(patsubst tests/%.c,$(BUILD)/%,$(sort $(wildcard tests/bench_*.c)))
CUDA    := $(sort $(wildcard gpu/*.cu))
CUDA_C  := $(sort $(wildcard gpu/*.c))
SHIM    := $(wildcard tests/gpu_shim/*.c tests/gpu_shim/*.cu) gpu/ops_cuda.c gpu/weight.c \
           gpu/entry.c gpu/turn.c gpu/looking.c gpu/staging.c gpu/window.c $(CUDA)
# What the shared object has of src/: its own copy, so that it needs nothing of the program.
CUDA_SRC = src/base/err.c src/base/fileio.c src/base/parallel.c src/ops/arena.c src/ops/cost.c
CUDA_OBJ = $(CUDA:%=$(BUILD)/%.o) $(CUDA_C:%=$(BUILD)/%.o) $(CUDA_SRC:%=$(BUILD)/gpu/%.o)
CUDA_SO  = $(BUILD)/libspritty_cuda.so
SHIM_OBJ = $(if $(NO_SHIM),,$(SHIM:%=$(BUILD)/shim/%.o))
# The calls of cuBLASLt and cuDNN, in front of stand-ins for both that check and compute what they are
# asked (tests/gpu_shim/fake), where NVIDIA's headers are.
LIBRARY = $(wildcard tests/gpu_shim/fake/*.c) $(patsubst %,gpu/%.c,library blas conv sdpa dnn \
          dnn_shapes choices kept)
CUDA_DIRS  := $(if $(NVCC),$(filter-out -isystem,$(CUDA_FLAGS)))
NO_LIBRARY  = $(or $(NO_SHIM),$(if $(and $(wildcard $(CUDA_DIRS:%=%/cublasLt.h)),$(wildcard \
                $(CUDA_DIRS:%=%/cudnn.h))),,there are no headers of cuBLASLt and cuDNN here))
# The real cuDNN, asked about a device that is only described.
NO_DNN = $(or $(NO_LIBRARY),$(if $(filter $(shell uname -m)-%,$(shell $(CC) -dumpmachine)),,the \
    libraries here are not for the machine that this is compiled for),$(if $(filter %libcudnn.so %libcudnn.so.9,$(CUDA_LIBS)),,there is no \
           cuDNN here),$(if $(SAN),cuDNN is not made for sanitizers))
LIBRARY_OBJ = $(if $(NO_LIBRARY),,$(LIBRARY:%=$(BUILD)/shim/%.o))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/*.c)))

.DEFAULT_GOAL := all
.PHONY: all docs help setup setup-dev doctor run gpu gpu-build gpu-test gpu-bench gpu-plans test check build-tests bench asan tsan tsan-threads \
        run-threaded fuzz fuzzers lint format \
        aarch64-test man install uninstall clean

all: $(BUILD)/spritty ## the program: build/spritty
ifneq ($(and $(NVCC),$(or $(CUDA_HERE),$(CUDA_SAID))),)
all: $(CUDA_SO)
endif

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo '  BUILD= SAN= OPT= CC= WERROR=1 ARGS= PREFIX= FUZZ_SECONDS= V=1 change how'

# -- set-up: Debian packages, only those that are missing ------------------------------------------

setup: ; @sh .ci/deps.sh install build
setup-dev: ; @sh .ci/deps.sh install build dev
doctor: ## one line a dependency: found or missing
	@sh .ci/deps.sh show

# -- run -------------------------------------------------------------------------------------------

ARGS    ?=
EXAMPLE  = gen "a green slime with a crown" -o slime.png
run: setup ## set up, build and start the app (ARGS="gen ..." passes a subcommand)
	@$(MAKE) --no-print-directory all
	@if [ -n '$(ARGS)' ] || { [ -t 0 ] && [ -t 1 ]; }; then \
	    $(BUILD)/spritty $(ARGS); else $(BUILD)/spritty $(EXAMPLE); fi

# -- the CUDA backend ------------------------------------------------------------------------------

gpu: ## the CUDA backend for all GPUs, or CUDA_ARCHS="90 ...", where there is nvcc
ifeq ($(NVCC),)
	@echo "gpu skipped: there is no nvcc in CUDA_HOME, PATH or /usr/local/cuda"
	@echo "0 passed, 0 failed, 1 skipped"
else
	@$(MAKE) --no-print-directory CUDA_ARCHS="$(or $(CUDA_SAID),$(CUDA_ALL))" $(CUDA_SO)
endif

# For which GPUs the objects are. A plain make leaves alone what was built for others.
CUDA_STAMP = $(BUILD)/gpu/archs
ifneq ($(NVCC),)
$(shell mkdir -p $(BUILD)/gpu; { [ -z '$(CUDA_SAID)' ] && [ -e $(CUDA_STAMP) ]; } || \
    echo '$(CUDA_FOR)' | cmp -s - $(CUDA_STAMP) || echo '$(CUDA_FOR)' >$(CUDA_STAMP))
endif

$(CUDA_SO): $(CUDA_OBJ)
	$(SAY) "  link  $@"
	$(Q)$(CC) -shared -o $@ $^ -Wl,-z,defs $(LDFLAGS) $(CUDA_LIBS) $(OPENMP)

$(BUILD)/gpu/%.cu.o: gpu/%.cu $(CUDA_STAMP) Makefile
	@mkdir -p $(@D)
	$(SAY) "  nvcc  $< ($(CUDA_FOR))"
	$(Q)$(COMPILE_CU) -c -o $@ $<

COMPILE_CUDA_C = $(COMPILE) -fPIC -fvisibility=hidden $(CUDA_FLAGS)
$(BUILD)/gpu/%.c.o: gpu/%.c $(CUDA_STAMP) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE_CUDA_C) -DSPRITTY_CUDA_ARCHS='"$(CUDA_FOR)"' -c -o $@ $<

$(BUILD)/gpu/src/%.c.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $< (for $(notdir $(CUDA_SO)))"
	$(Q)$(COMPILE_CUDA_C) -c -o $@ $<

$(BUILD)/shim/%.cu.o: %.cu Makefile
	@mkdir -p $(@D)
	$(SAY) "  c++   $<"
	$(Q)$(COMPILE_SHIM) -c -o $@ $<

$(BUILD)/shim/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) $(SHIM_SAN) -fPIC -c -o $@ $<

$(LIBRARY_OBJ): CFLAGS += $(CUDA_FLAGS)

# Plans are kept from run to run (gpu/kept.h): under a sum over what describes graphs and chooses
# among proposals, so that another description finds none of the old.
GRAPHS     := gpu/conv.c gpu/sdpa.c $(wildcard gpu/dnn*.[ch])
GRAPHS_OBJ = $(BUILD)/gpu/library.c.o $(BUILD)/shim/gpu/library.c.o
GRAPHS_SUM := $(shell cat $(GRAPHS) | cksum | cut -d' ' -f1)
$(GRAPHS_OBJ): $(GRAPHS)
$(GRAPHS_OBJ): override CFLAGS += -DSPRITTY_GRAPHS='"$(GRAPHS_SUM)"'

# The backend through the shim as a shared object, in the place of the real one.
SHIM_SO = $(BUILD)/shim/libspritty_cuda.so
$(SHIM_SO): $(SHIM_OBJ) $(CUDA_SRC:%=$(BUILD)/shim/%.o)
	$(SAY) "  link  $@"
	$(Q)$(CC) -shared $(SANFLAGS) -o $@ $^ $(LDFLAGS) -lm -lstdc++ $(OPENMP)

# -- on a machine with a GPU and nothing else ------------------------------------------------------

# Only CUDA's toolkit with cuDNN, make, a C compiler and python3 are needed. VIA=shim runs all of it
# through the shim, without a GPU: it exercises the harness.
GPU_BUILD   = build/bare
GPU_MAKE    = $(MAKE) --no-print-directory -s BARE=1 BUILD=$(GPU_BUILD) PKG_CONFIG=false
GPU_OBJECT  = $(if $(VIA),$(GPU_BUILD)/shim/libspritty_cuda.so,$(GPU_BUILD)/libspritty_cuda.so)
GPU_TESTS   = gpu_device gpu_ops gpu_networks gpu_control gpu_trajectory gpu_lora_golden gpu_model
GPU_RUN     = SPRITTY_CUDA=$(CURDIR)/$(GPU_OBJECT) $(if $(VIA),SLOWNESS=30 SPRITTY_FEW=1)
gpu-build:
	+@$(GPU_MAKE) $(GPU_OBJECT) $(GPU_TESTS:%=$(GPU_BUILD)/gpu/%) \
	    $(GPU_BUILD)/gpu/gpu_bench $(GPU_BUILD)/gpu/gpu_bench_lora

gpu-test: gpu-build ## the CUDA backend on this machine's GPU against ref; a report in docs/results
	@$(GPU_RUN) sh tests/gpu/test.sh $(GPU_BUILD)

gpu-bench: gpu-build ## SDXL's full shapes on this machine's GPU, PyTorch beside it; results in docs/results
	@$(GPU_RUN) sh tests/gpu/bench.sh $(GPU_BUILD)

COMPILE_GPU_TEST = $(COMPILE) -Itests -MF $@.d -o $@
GPU_NETWORKS = $(BUILD)/gpu/gpu_networks $(BUILD)/gpu/gpu_control $(BUILD)/gpu/gpu_trajectory \
               $(BUILD)/gpu/gpu_lora_golden
$(GPU_NETWORKS): $(BUILD)/gpu/gpu_%: tests/test_%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $< (for a GPU)"
	$(Q)$(COMPILE_GPU_TEST) -DGOLDEN_CUDA $< $(LIB) $(LDFLAGS) $(LIBS)

$(BUILD)/gpu/gpu_%: tests/gpu/gpu_%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE_GPU_TEST) $< $(LIB) $(LDFLAGS) $(LIBS)

# -- the real libraries, about GPUs that are described to them ------------------------------------

# The backend without a device, in front of the real cuDNN (tests/gpu_plans/none.h): the linker puts
# the functions that look on in the way of the backend's own calls.
PLANS      = $(BUILD)/plans
PLANS_C    = $(wildcard tests/gpu_plans/none_*.c tests/gpu_plans/plan_*.c)
PLANS_OBJ  = $(filter-out %/device.c.o %/clock.c.o,$(CUDA_C:%=$(BUILD)/%.o)) \
             $(CUDA_SRC:%=$(BUILD)/gpu/%.o) $(PLANS_C:%=$(BUILD)/%.o)
PLANS_WRAP = dnn_open conv_graph sdpa_graph dnn_proposals dnn_plan dnn_plan_of_text dnn_run
$(PLANS_C:%=$(BUILD)/%.o): $(BUILD)/%.o: % tests/gpu_plans/none.h Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE_CUDA_C) -c -o $@ $<

$(PLANS)/libspritty_cuda.so: $(PLANS_OBJ) $(PLANS)/libcuda.so.1
	$(SAY) "  link  $@"
	$(Q)$(CC) -shared -o $@ $(PLANS_OBJ) $(PLANS_WRAP:%=-Wl,--wrap=%) -Wl,-z,defs $(LDFLAGS) \
	    $(CUDA_LIBS) $(OPENMP)

$(PLANS)/libcuda.so.1: tests/gpu_plans/no_driver.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(CC) -std=c17 -O1 $(WARN) -fPIC -fvisibility=hidden -shared -Wl,-soname,$(@F) -o $@ $<

$(PLANS)/gpu_plans: tests/gpu_plans/gpu_plans.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -MF $@.d -o $@ $< $(LIB) $(LDFLAGS) $(LIBS)

gpu-plans: ## what the real cuDNN says of all that is asked of it, without a GPU (PARTS=quick: in short)
ifneq ($(NO_DNN),)
	@echo "gpu-plans skipped: $(NO_DNN)"
	@echo "0 passed, 0 failed, 1 skipped"
else
	+@$(MAKE) --no-print-directory $(PLANS)/libspritty_cuda.so $(PLANS)/gpu_plans
	@sh tests/gpu_plans/plans.sh $(CURDIR)/$(PLANS)
endif

# -- tests -----------------------------------------------------------------------------------------

test: setup ## set up, build, and run every test that this machine can
	@$(MAKE) --no-print-directory check

build-tests: $(BUILD)/spritty $(TESTS)
check: build-tests
	@$(if $(NOT_HERE),grep -o '^/\* $(NOT_HERE): .*' tests/test_*.c | sed 's|:/\* |: |; s| \*/||')
	@SPRITTY=$(BUILD)/spritty sh tests/run.sh $(FIRST) $(if $(QEMU),,$(SCRIPTS)) \
	    $(filter-out $(FIRST),$(TESTS))

asan: ## the quick tests under the address and undefined behaviour sanitizers
	@SPRITTY_QUICK=1 ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1 \
	    UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp \
	    $(MAKE) --no-print-directory check BUILD=build/asan SAN=address,undefined OPT=-O1 CFLAGS=-g1

tsan: ## the quick tests under the thread sanitizer
	@SPRITTY_QUICK=1 \
	    TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=$(CURDIR)/tests/tsan.supp \
	    $(MAKE) --no-print-directory check BUILD=build/tsan SAN=thread OPT=-O1 CFLAGS=-g1 OPENMP=

tsan-threads: ## the tests of what threads share, under the thread sanitizer
	@$(MAKE) --no-print-directory BUILD=build/tsan SAN=thread OPT=-O1 CFLAGS=-g1 OPENMP= \
	    WITHOUT="bench cli term ui" run-threaded
run-threaded: $(call marked,Under the thread sanitizer)
	@SPRITTY_QUICK=1 TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.supp sh tests/run.sh $^

bench: $(BENCHES) ## build the benches and run each
	@for b in $(BENCHES); do echo "== $$b"; $$b || exit 1; done

FUZZ_SECONDS ?= 60
FUZZ_MODEL_SECONDS ?= $(FUZZ_SECONDS)
fuzzers: $(FUZZERS)
fuzz: ## each fuzzer for FUZZ_SECONDS=60, one a core (needs clang)
	@$(MAKE) --no-print-directory fuzzers BUILD=build/fuzz CC=clang OPT=-O1 OPENMP= \
	    CFLAGS="-g1 -Wno-pass-failed" WITHOUT="cli ui" \
	    SAN=address,undefined,fuzzer-no-link
	@printf '%s\n' $(FUZZERS) | xargs -P $$(nproc) -I {} sh tests/fuzz.sh {} $(FUZZ_SECONDS) \
	    $(FUZZ_MODEL_SECONDS)

docs: $(BUILD)/spritty ## docs/commands.md, from what --help says
	@sh .ci/commands.sh $(BUILD)/spritty >docs/commands.md.new && mv docs/commands.md.new docs/commands.md
lint: ## formatting, line and file lengths, who includes whom
	@sh .ci/lint.sh
format: ## rewrites src and tests with clang-format
	@clang-format -i $$(git ls-files -co --exclude-standard 'src/*.[ch]' 'tests/*.[ch]')

aarch64-test: ## cross-compile for aarch64 and run the unit tests under qemu
	+@sh .ci/aarch64.sh

# -- install ---------------------------------------------------------------------------------------

SHARE = $(DESTDIR)$(PREFIX)/share
man: $(BUILD)/spritty.1 ## the manual page: build/spritty.1
$(BUILD)/spritty.1: $(BUILD)/spritty
	$(BUILD)/spritty --man > $@.tmp && mv $@.tmp $@

install: $(BUILD)/spritty $(BUILD)/spritty.1 ## program, manual, completion, model (PREFIX=/usr/local)
	install -D -m 755 $(BUILD)/spritty $(DESTDIR)$(PREFIX)/bin/spritty
	! [ -e $(CUDA_SO) ] || install -D -m 755 $(CUDA_SO) \
	    $(DESTDIR)$(PREFIX)/lib/spritty/$(notdir $(CUDA_SO))
	install -D -m 644 $(BUILD)/spritty.1 $(SHARE)/man/man1/spritty.1
	install -D -m 644 config.ini $(SHARE)/spritty/config.ini
	install -d $(SHARE)/bash-completion/completions
	$(BUILD)/spritty --completion > $(SHARE)/bash-completion/completions/spritty
	cd themes && find . -name '*.ini' -exec install -D -m 644 {} $(SHARE)/spritty/themes/{} \;
	cd models && find tiny tiny-lines -type f -exec install -D -m 644 {} $(SHARE)/spritty/models/{} \;

uninstall: ## takes away what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/spritty $(SHARE)/man/man1/spritty.1
	rm -f $(SHARE)/bash-completion/completions/spritty
	rm -rf $(DESTDIR)$(PREFIX)/lib/spritty
	rm -rf $(SHARE)/spritty

clean: ## removes build/
	rm -rf build

# -- rules -----------------------------------------------------------------------------------------

$(BUILD)/spritty: $(BUILD)/src/main.o $(LIB)
	$(SAY) "  link  $@"
	$(Q)$(CC) $(SANFLAGS) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@.tmp
	@$(AR) qcs $@.tmp $^ && mv $@.tmp $@

$(BUILD)/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -c -o $@ $<

# The commit is in one object, made again when it changes.
COMMIT       := $(shell git describe --always --dirty --abbrev=10 --exclude='*' 2>/dev/null)
COMMIT_STAMP  = $(BUILD)/commit
$(shell mkdir -p $(BUILD); echo '$(COMMIT)' | cmp -s - $(COMMIT_STAMP) || echo '$(COMMIT)' >$(COMMIT_STAMP))
$(BUILD)/src/base/version.o: $(COMMIT_STAMP)
$(BUILD)/src/base/version.o: CFLAGS += -DSPRITTY_COMMIT='"$(COMMIT)"'

$(BUILD)/tests/bare/%.o: tests/bare/%.c Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -c -o $@ $<

# CPU kernels may fuse a * b + c where the level that they are compiled for can.
$(BUILD)/src/ops/cpu_%.o $(BUILD)/src/sdxl/preview.o $(BUILD)/src/sdxl/lora_product.o: FUSE = -ffp-contract=fast
# Also under sanitizers, whose tests spend nine tenths of their time there.
$(BUILD)/src/ops/%.o: override OPT = -O3

# Nothing to vectorise in the app (and gcc 12 for aarch64 breaks down over it with -O3).
$(BUILD)/src/ui/%.o: OPT = -O2
# (gcc 12 for aarch64 breaks down over one of these when it vectorises.)
$(BUILD)/src/bench/%.o: OPT = -O2 -fno-tree-vectorize

# Tests need no -O3 and no vectors (and gcc 12 for aarch64 breaks down over two of them with those).
# Where only the rest is to be proved they are not optimised: -O1 takes four times as long to compile.
$(BUILD)/test_%: private override OPT = $(if $(SAN)$(QEMU),-O0,-O2 -fno-tree-vectorize)

$(BUILD)/test_%: tests/test_%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -Itests -MF $@.d -o $@ $< $(EXTRA) $(LIB) $(LDFLAGS) $(TEST_LIBS) $(LIBS)

# A stand-in for the driver's library, in the place of the real one.
NVML_SO = $(BUILD)/tests/fake_nvml.so
$(NVML_SO): tests/fake_nvml/fake_nvml.c src/engine/nvml_abi.h Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(CC) -std=c17 -O1 $(WARN) -fPIC -shared -Isrc -o $@ $<
$(BUILD)/test_kept: gpu/kept.c
$(BUILD)/test_kept: EXTRA = gpu/kept.c
$(BUILD)/test_ranges: gpu/ranges.c
$(BUILD)/test_ranges: EXTRA = gpu/ranges.c $(CUDA_FLAGS)
$(BUILD)/test_gpu_device: $(if $(NO_LIBRARY),,gpu/device.c gpu/clock.c)
$(BUILD)/test_gpu_device: EXTRA = $(if $(NO_LIBRARY),-DNO_LIBRARY='"$(NO_LIBRARY)"', \
                                  gpu/device.c gpu/clock.c $(CUDA_FLAGS))
$(BUILD)/test_gpu_meters: $(NVML_SO)
$(BUILD)/test_gpu_meters: EXTRA = -DFAKE_NVML='"$(NVML_SO)"' $(CUDA_FLAGS)

SHIM_TESTS = $(BUILD)/test_gpu $(BUILD)/test_gpu_kernels $(BUILD)/test_gpu_turns \
             $(BUILD)/test_gpu_networks $(BUILD)/test_gpu_control $(BUILD)/test_gpu_lora
$(SHIM_TESTS): $(SHIM_OBJ)
SO_TESTS = $(BUILD)/test_cuda_load $(BUILD)/test_gpu_memory
$(SO_TESTS): $(if $(NO_SHIM),,$(SHIM_SO))
$(SO_TESTS): EXTRA = $(if $(NO_SHIM),-DNO_SHIM='"$(NO_SHIM)"',-DSHIM_SO='"$(SHIM_SO)"')
$(SHIM_TESTS): EXTRA = $(if $(NO_SHIM),-DNO_SHIM='"$(NO_SHIM)"',$(SHIM_OBJ))

LIBRARY_TESTS = $(BUILD)/test_gpu_library $(BUILD)/test_gpu_choices
$(LIBRARY_TESTS): $(SHIM_OBJ) $(LIBRARY_OBJ)
$(LIBRARY_TESTS): EXTRA = $(if $(NO_LIBRARY),-DNO_LIBRARY='"$(NO_LIBRARY)"',$(SHIM_OBJ) $(LIBRARY_OBJ))
$(BUILD)/test_cudnn: $(if $(NO_DNN),,gpu/dnn.c gpu/dnn_shapes.c $(PLANS)/libcuda.so.1)
$(BUILD)/test_cudnn: EXTRA = $(if $(NO_DNN),-DNO_DNN='"$(NO_DNN)"',gpu/dnn.c gpu/dnn_shapes.c \
    $(CUDA_FLAGS) -DSTUB='"$(PLANS)/libcuda.so.1"' $(CUDA_LIBS))

$(BUILD)/bench_%: tests/bench_%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -Itests -MF $@.d -o $@ $< $(LIB) $(LDFLAGS) $(TEST_LIBS) $(LIBS)

build/fuzz/%: tests/fuzz/%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(SAY) "  cc    $<"
	$(Q)$(COMPILE) -fsanitize=fuzzer -Itests -MF $@.d -o $@ $< $(LIB) $(LDFLAGS) $(LIBS)

-include $(OBJ:.o=.d) $(BUILD)/src/main.d $(wildcard $(BUILD)/*.d $(BUILD)/gpu/*.d) $(CUDA_OBJ:.o=.d) \
    $(SHIM_OBJ:.o=.d) $(LIBRARY_OBJ:.o=.d) $(PLANS_OBJ:.o=.d)
