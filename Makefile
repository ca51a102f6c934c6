# SPDX-License-Identifier: Apache-2.0
# One non-recursive Makefile. `make help` lists what it can do; V=1 shows the commands.

FLAVOUR ?= release
ARCH    ?= $(shell uname -m | sed 's/aarch64/arm64/; s/x86_64/x86/')
PREFIX  ?= /usr/local
CLANG   ?= clang
# Asked once, and not at all by goals that make no skeleton.
BPFTOOL ?= $(eval BPFTOOL := $(or $(shell sh packaging/find-bpftool),bpftool))$(BPFTOOL)
PYTHON  ?= python3
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.0.0)
FUZZ_SECONDS ?= 10

O := build/$(FLAVOUR)

ifeq ($(FLAVOUR),fuzz)
CC := clang
endif
ifeq ($(FLAVOUR),clang)
CC := clang
endif
ifeq ($(origin CC),default)
CC := gcc
endif

ifneq ($(V),1)
Q := @
say = @printf '  %-8s %s\n' $(1) $(2);
else
say =
endif

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

# ---- flags -------------------------------------------------------------------------------------------

cc-option = $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>/dev/null && echo $(1))

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wvla -Wundef -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough -Wdate-time \
	-Wno-missing-field-initializers
ifeq ($(WERROR),1)
WARN += -Werror
endif

CFLAGS_release := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
CFLAGS_clang   := $(CFLAGS_release)
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all \
		  -fno-omit-frame-pointer
HARDEN_release := -fstack-protector-strong $(call cc-option,-fstack-clash-protection) \
		  $(call cc-option,-fcf-protection=full) $(call cc-option,-mbranch-protection=standard)
HARDEN_clang   := $(HARDEN_release)

ifeq ($(filter $(FLAVOUR),release clang debug asan fuzz),)
$(error FLAVOUR is one of: release clang debug asan fuzz)
endif

ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -I$(O)/gen -fPIE -fno-strict-aliasing -pthread $(WARN) \
	      $(CFLAGS_$(FLAVOUR)) $(HARDEN_$(FLAVOUR)) -DLT_VERSION='"$(VERSION)"' $(CFLAGS)
ALL_LDFLAGS := -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed \
	       $(filter -fsanitize=address%,$(CFLAGS_$(FLAVOUR))) $(LDFLAGS)
ifeq ($(FLAVOUR),fuzz)
ALL_LDFLAGS := -pthread -fsanitize=address,undefined,fuzzer
endif

# ---- rooms -------------------------------------------------------------------------------------------
# A room and the rooms it links against (the order of the way of the data; see tests/lint/layers).

ROOMS := base collectors capture stream protocol estimate decode flow discover run workload attribute price ledger export control view

DEPS_base       := base
DEPS_collectors := collectors base
DEPS_capture    := capture collectors base
DEPS_stream     := stream base
DEPS_protocol   := protocol stream base
DEPS_estimate   := estimate base
DEPS_decode     := decode estimate protocol stream base
DEPS_flow       := flow decode estimate protocol stream base
DEPS_discover   := discover capture collectors base
DEPS_run        := run decode estimate protocol stream discover capture collectors base
DEPS_workload   := workload base
DEPS_attribute  := attribute workload decode estimate protocol stream discover capture collectors base
DEPS_price      := price decode estimate protocol stream base
DEPS_ledger     := ledger attribute workload price decode estimate protocol stream discover capture collectors base
DEPS_export     := export $(DEPS_ledger)
DEPS_control    := control run $(DEPS_export)
DEPS_view       := view $(DEPS_control)
DEPS_cmd        := $(DEPS_view) flow

# Static libbpf: the one that the distribution ships need not be on the host that runs the agent.
LIBS := -lcurl -lyaml -ljansson -lbrotlidec -lzstd -lnghttp2 -lsqlite3 -l:libbpf.a -lelf -lz -lcrypto

room-dir  = $(if $(filter collectors,$(1)),collectors,userspace/$(1))
room-srcs = $(sort $(wildcard $(call room-dir,$(1))/*.c))
room-objs = $(patsubst %.c,$(O)/%.o,$(call room-srcs,$(1)))
room-libs = $(foreach r,$(1),$(if $(call room-srcs,$(r)),$(O)/lib/$(r).a))

CMD_OBJS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard userspace/cmd/*.c)))
DATA := $(sort $(wildcard userspace/run/*.yaml userspace/decode/providers/*.yaml userspace/decode/shapes/*.yaml \
	userspace/price/books/*.tsv))

.PHONY: all
all: build/ledgertap

build/ledgertap: build/$(FLAVOUR)/ledgertap
	$(Q)ln -sf $(FLAVOUR)/ledgertap $@

$(O)/ledgertap: $(CMD_OBJS) $(call room-libs,$(DEPS_cmd))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CMD_OBJS) $(ALL_LDFLAGS) -Wl,--start-group \
		$(call room-libs,$(DEPS_cmd)) -Wl,--end-group $(LIBS) -o $@

$(O)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define room-rule
$(O)/lib/$(1).a: $(call room-objs,$(1))
	$$(call say,AR,$$@)
	$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room-rule,$(r))))

# Data files are pulled in by .incbin, which -MMD does not see.
$(O)/userspace/decode/builtin.o $(O)/userspace/price/builtin.o $(O)/userspace/run/agents.o: $(DATA)

# The list of built-in catalog files, as assembler that includes them.
$(O)/gen/catalog_files.h: $(filter userspace/decode/%,$(DATA)) tests/lint/embed
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && sh tests/lint/embed $(filter %.yaml,$^) > $@
$(O)/userspace/decode/builtin.o: $(O)/gen/catalog_files.h

# ---- BPF ---------------------------------------------------------------------------------------------

BPF_SRCS := $(sort $(wildcard bpf/*.bpf.c))
BPF_HDRS := $(wildcard bpf/*.h vmlinux/*.h vmlinux/*/*.h)
BPF_CFLAGS := -g -O2 -mcpu=v3 -target bpf -Wall -Wextra -Werror -Wno-unused-parameter -I.

build/bpf/$(ARCH)/%.bpf.o: bpf/%.bpf.c $(BPF_HDRS)
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -c $< -o $@.tmp
	$(Q)llvm-strip -g $@.tmp && mv $@.tmp $@

build/bpf/$(ARCH)/capture.bpf.o: $(patsubst bpf/%.bpf.c,build/bpf/$(ARCH)/%.bpf.o,$(BPF_SRCS))
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(O)/gen/capture.skel.h: build/bpf/$(ARCH)/capture.bpf.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name lt_capture_bpf > $@
ifneq ($(BPF_SRCS),)
$(call room-objs,capture): $(O)/gen/capture.skel.h
endif

# Both architectures compile, whichever this host is.
.PHONY: bpf-all
bpf-all:
	$(Q)$(MAKE) --no-print-directory ARCH=x86 build/bpf/x86/capture.bpf.o
	$(Q)$(MAKE) --no-print-directory ARCH=arm64 build/bpf/arm64/capture.bpf.o

# ---- tests -------------------------------------------------------------------------------------------

TEST_LIB_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/lib/*.c))
unit-srcs = $(sort $(wildcard tests/unit/$(1)/test_*.c))
unit-bins = $(patsubst %.c,$(O)/%,$(call unit-srcs,$(1)))

define unit-rule
$(O)/tests/unit/$(1)/%: $(O)/tests/unit/$(1)/%.o $(TEST_LIB_OBJS) $(call room-libs,$(DEPS_$(1)))
	$$(call say,LD,$$@)
	$(Q)$(CC) $(ALL_CFLAGS) $$< $(TEST_LIB_OBJS) $(ALL_LDFLAGS) -Wl,--start-group \
		$(call room-libs,$(DEPS_$(1))) -Wl,--end-group -lcmocka $(LIBS) -o $$@
.PHONY: unit-$(1)
unit-$(1): $(call unit-bins,$(1))
	$(Q)sh tests/lib/run-unit $$^
endef
$(foreach r,$(ROOMS),$(eval $(call unit-rule,$(r))))

.PHONY: unit
unit: $(foreach r,$(ROOMS),$(call unit-bins,$(r)))
	$(Q)sh tests/lib/run-unit $^

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(TEST_LIB_OBJS) $(call room-libs,$(DEPS_cmd))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(TEST_LIB_OBJS) $(ALL_LDFLAGS) -Wl,--start-group \
		$(call room-libs,$(DEPS_cmd)) -Wl,--end-group $(LIBS) -o $@

.PHONY: $(addprefix fuzz-,$(FUZZERS)) fuzz
$(addprefix fuzz-,$(FUZZERS)): fuzz-%: $(O)/tests/fuzz/fuzz_%
	$(call say,FUZZ,$*)
	$(Q)mkdir -p build/fuzz-found/$*
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
		-verbosity=0 -artifact_prefix=build/fuzz-found/ build/fuzz-found/$* \
		$(wildcard tests/fuzz/corpus/$*)

ifeq ($(FLAVOUR),fuzz)
fuzz: $(addprefix fuzz-,$(FUZZERS))
else
fuzz:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz
endif

# ---- the two commands of the README, and the rest --------------------------------------------------------

DEB_DEPS := gcc clang llvm lld make pkg-config libbpf-dev libelf-dev zlib1g-dev libnghttp2-dev libbrotli-dev libzstd-dev \
	    libsqlite3-dev libyaml-dev libjansson-dev libssl-dev libcurl4-openssl-dev libcmocka-dev pmccabe shellcheck \
	    clang-format-14 scdoc curl openssl ca-certificates python3 python3-venv iproute2 util-linux \
	    runc jq procps wget gnutls-bin libgnutls28-dev libnss3-dev libnspr4-dev libmbedtls-dev libwolfssl-dev

# Not among the others: nobody who builds or runs it wants these daemons for that.
CONTAINER_DEPS := podman uidmap docker.io systemd-container lxc

.PHONY: deps deps-containers test lint golden export-rules test-focus e2e clients-of-tests test-clients test-containers test-gateways test-pods test-kubernetes soak check-kernel run demo install uninstall man bench help format
deps: ## install everything that building and testing needs (Debian 12, Ubuntu 24.04; root)
	$(Q)sh packaging/deps.sh $(DEB_DEPS)

deps-containers: ## install the runtimes that test-containers runs, some 80 MB (root)
	$(Q)sh packaging/deps.sh $(CONTAINER_DEPS)

build/.deps: packaging/deps.sh
	$(Q)sh packaging/deps.sh --if-missing $(DEB_DEPS)
	$(Q)mkdir -p build && touch $@

test: build/.deps ## set up, build, and pass every test (root for the live ones)
	$(Q)$(MAKE) --no-print-directory WERROR=1 all unit bpf-all benches
	$(Q)$(MAKE) --no-print-directory WERROR=1 FLAVOUR=clang build/clang/ledgertap
	$(Q)$(MAKE) --no-print-directory WERROR=1 FLAVOUR=asan unit
	$(Q)$(MAKE) --no-print-directory fuzz
	$(Q)$(MAKE) --no-print-directory golden export-rules test-pods check-kernel e2e test-gateways test-clients test-containers soak

golden: all
	$(Q)$(PYTHON) tests/golden/run.py
	$(Q)$(PYTHON) tests/golden/estimates.py
	$(Q)$(PYTHON) tests/golden/keys.py
	$(Q)$(PYTHON) tests/golden/joins.py

check-kernel: all
	$(Q)sh tests/kernel/run

# Once for all that need it, also where they run side by side.
clients-of-tests:
	$(Q)sh tests/e2e/setup.sh

e2e: all clients-of-tests
	$(Q)$(PYTHON) tests/e2e/run.py

test-clients: all clients-of-tests ## every kind of client against a replaying upstream: N calls are N records (root; CLIENTS=NAME,...)
	$(Q)$(PYTHON) tests/e2e/matrix.py $(if $(DOCS),--docs) $(if $(STRICT),--strict)
	$(Q)$(if $(CLIENTS),,$(PYTHON) tests/e2e/first_call.py)

test-containers: all clients-of-tests ## real containers: each call lands on its container, image and tenant (root; CASES=NAME,...)
	$(Q)$(PYTHON) tests/containers/run.py $(if $(CASES),--only $(CASES)) $(if $(STRICT),--strict)

test-pods: all # what an API server answered, and what can go wrong with one; no root, no cluster
	$(Q)$(PYTHON) -B tests/kubernetes/replay.py

test-kubernetes: all ## a real control plane, kubelet and containers on this machine (root; KUBE_BIN=DIR has the binaries)
	$(Q)$(PYTHON) -B tests/kubernetes/real.py $(KUBE_BIN)

test-gateways: all clients-of-tests ## calls through gateways count once, on who asked (root; LITELLM=1 adds LiteLLM, a minute)
	$(Q)sh tests/e2e/gateways/setup.sh
	$(Q)$(PYTHON) tests/e2e/gateways.py

soak: all clients-of-tests ## processes that come and go below probes that come and go: CYCLES of them, 500 unless said (root)
	$(Q)CYCLES=$(CYCLES) $(PYTHON) tests/e2e/soak.py

lint: build/.deps ## layers, sizes, headers, format, scripts
	$(Q)sh tests/lint/check-layers
	$(Q)sh tests/lint/check-size
	$(Q)sh tests/lint/check-headers
	$(Q)sh tests/lint/check-text
	$(Q)sh tests/lint/check-format
	$(Q)shellcheck -S warning $$(grep -lE '^#!/bin/(ba)?sh' -r tests packaging .ci --include='*' | sort)
	@echo lint is clean

format: ## put the sources into the format that lint asks for
	$(Q)find bpf collectors userspace tests -name '*.[ch]' | xargs clang-format-14 -i

run: build/.deps all ## build and start the agent on this host, with a live view of calls (root, Ctrl-C ends it)
	$(Q)sh packaging/run.sh build/ledgertap

demo: build/.deps all ## show it on a machine that has no LLM traffic (root)
	$(Q)sh packaging/demo/demo.sh

.PHONY: benches
benches: $(addprefix $(O)/tests/bench/bench_,decode rules probe plain flow attribution)

bench: build/.deps ## measure probes and decoding against a floor of the same run; writes build/bench.json (root)
	$(Q)$(MAKE) --no-print-directory all benches
	$(Q)$(PYTHON) tests/bench/run.py

$(O)/tests/bench/%: $(O)/tests/bench/%.o $(call room-libs,$(DEPS_cmd))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(ALL_LDFLAGS) -Wl,--start-group $(call room-libs,$(DEPS_cmd)) \
		-Wl,--end-group -lssl $(LIBS) -o $@

# The rules of FOCUS, of which the official validator is half a gigabyte: FOCUS=1 has make test run it too.
test-focus: all $(O)/tests/focus/make_ledger ## exports against the rules of FOCUS, and against its official validator (Python 3.12)
	$(Q)$(PYTHON) tests/focus/run.py --make-ledger $(O)/tests/focus/make_ledger --validator

export-rules: all $(O)/tests/focus/make_ledger
	$(Q)$(PYTHON) tests/focus/run.py --make-ledger $(O)/tests/focus/make_ledger $(if $(FOCUS),--validator)

$(O)/tests/focus/%: $(O)/tests/focus/%.o $(call room-libs,$(DEPS_cmd))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(ALL_LDFLAGS) -Wl,--start-group $(call room-libs,$(DEPS_cmd)) \
		-Wl,--end-group $(LIBS) -o $@

build/ledgertap.1: packaging/man/ledgertap.1.scd
	$(Q)mkdir -p build && scdoc < $< > $@
man: build/ledgertap.1

install: all man ## to $(PREFIX), with man page, completion, unit and a sample config
	install -D -m 755 build/ledgertap $(DESTDIR)$(PREFIX)/bin/ledgertap
	install -D -m 644 build/ledgertap.1 $(DESTDIR)$(PREFIX)/share/man/man1/ledgertap.1
	install -D -m 644 packaging/completion/ledgertap.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ledgertap
	install -D -m 644 packaging/config/ledgertap.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/ledgertap/ledgertap.yaml
	install -d $(DESTDIR)$(PREFIX)/share/ledgertap/tokens
	install -m 644 packaging/tokens/*.ranks packaging/tokens/LICENSE.tiktoken \
		$(DESTDIR)$(PREFIX)/share/ledgertap/tokens
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' packaging/systemd/ledgertap.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/ledgertap.service

uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/ledgertap $(DESTDIR)$(PREFIX)/share/man/man1/ledgertap.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ledgertap \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/ledgertap.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/ledgertap $(DESTDIR)$(PREFIX)/share/ledgertap/tokens
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/share/ledgertap

help: ## this list
	@echo "make            build build/ledgertap"
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/' | expand -t 16
	@echo "make fuzz       every fuzz target for FUZZ_SECONDS (default 10)"
	@echo "FLAVOUR=release|clang|debug|asan|fuzz picks a build; V=1 shows the commands; WERROR=1 for developers"

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
