# Compiler, flavours and external libraries. `configure` writes build/config.mk, which may override
# what is set here with ?=; without it the defaults below serve a Debian 12 machine.

-include build/config.mk

CXX := $(if $(filter default undefined,$(origin CXX)),clang++-19,$(CXX))
CCACHE ?= $(shell command -v ccache)
FLAVOUR ?= release
BUILD := build/$(FLAVOUR)

# One cache for every checkout of the tree. The precompiled header is known to it by the digest
# beside it: the file itself differs from checkout to checkout.
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR ?= 1
export CCACHE_SLOPPINESS ?= pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_PCH_EXTSUM := 1

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual \
            -Wconversion -Wno-sign-conversion -Wimplicit-fallthrough -Wno-missing-field-initializers
WERROR ?= -Werror
HARDEN := -fstack-protector-strong -fPIE -ftrivial-auto-var-init=zero

FLAGS_release := -O2 -g1 -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS
FLAGS_debug := -O0 -g -D_GLIBCXX_ASSERTIONS -DPOSTRIDER_TASK_TREE
FLAGS_sanitize := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS -DPOSTRIDER_TASK_TREE
FLAGS_fuzz := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS
LINK_sanitize := -fsanitize=address,undefined
LINK_fuzz := -fsanitize=address,undefined
$(if $(FLAGS_$(FLAVOUR)),,$(error FLAVOUR is one of release, debug, sanitize, fuzz))

# Reports of the sanitizers with names and stacks.
export UBSAN_OPTIONS ?= print_stacktrace=1
export ASAN_OPTIONS ?= detect_stack_use_after_return=1
export ASAN_SYMBOLIZER_PATH ?= $(shell command -v llvm-symbolizer-19)

PACKAGES := $(shell awk '!/^\#/ && $$3 ~ /^[a-z]/ {print $$3}' mk/packages.txt)
LIBRARIES := $(shell awk '!/^\#/ && $$3 ~ /^-l/ {print $$3}' mk/packages.txt)
PACKAGE_CFLAGS ?= $(shell pkg-config --cflags $(PACKAGES))
PACKAGE_LIBS ?= $(shell pkg-config --libs $(PACKAGES)) $(LIBRARIES)
# What STATIC_PROGRAMS need of them, where they are archives.
STATIC_LIBS ?= -lidn2 -lunistring -lpcre2-8 -ldb-5.3 -llmdb -lcdb -lseccomp -lcap-ng
PREFIX ?= /usr

# Nothing of where it was built goes into what is built.
NO_PATHS := $(if $(findstring clang,$(CXX)),-ffile-compilation-dir=.,-ffile-prefix-map=$(CURDIR)=.)
BASE_CXXFLAGS := -std=c++23 -I. $(NO_PATHS) -pthread $(WARNINGS) $(WERROR) $(HARDEN) $(PACKAGE_CFLAGS) $(CXXFLAGS)
ALL_CXXFLAGS := $(BASE_CXXFLAGS) $(FLAGS_$(FLAVOUR))
ALL_LDFLAGS := -fuse-ld=lld -pie -pthread -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed -Wl,--error-limit=5 $(LINK_$(FLAVOUR)) $(LDFLAGS)
