# How a room becomes an archive, a main becomes a program, and a folder of tests a test binary.

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

mains_of = $(wildcard $(1)/main.cc $(1)/*_main.cc)
sources_of = $(filter-out $(call mains_of,$(1)),$(wildcard $(1)/*.cc))
objects_of = $(patsubst %.cc,$(BUILD)/%.o,$(1))
program_name = $(if $(filter $(1)/main.cc,$(2)),$(1),$(subst _,-,$(patsubst $(1)/%_main.cc,%,$(2))))

# Every object this tree asks for, collected by the definitions below; their .d files are read.
OBJECTS :=
DIRS := $(BUILD) $(BUILD)/lib $(BUILD)/bin $(BUILD)/check $(BUILD)/fuzz $(BUILD)/pch

# $(call remember,file,text): writes text to the file only when it differs, so that what depends on
# the file is made again when the text changes (a source removed, a flag added). No shell.
remember = $(if $(call same,$(strip $(file <$(1))),$(strip $(2))),,$(file >$(1),$(strip $(2))))
same = $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x))

# Programs and tools the recipes call.
PYTHON ?= python3

ifneq ($(filter-out help clean distclean format,$(or $(MAKECMDGOALS),all)),)
$(shell mkdir -p $(DIRS))
$(call remember,$(BUILD)/flags,$(CXX) $(ALL_CXXFLAGS))
$(call remember,$(BUILD)/install_flags,$(INSTALL_FLAGS))
$(call remember,$(BUILD)/link_flags,$(CXX) $(ALL_LDFLAGS) $(PACKAGE_LIBS))
remember_here = $(call remember,$(1),$(2))
endif

# --- archives ---------------------------------------------------------------------------------

ROOM_ARCHIVES :=
archive_of = $(if $(call sources_of,$(1)),$(BUILD)/$(1).a)

# $(1) folder. The list beside the archive makes it anew when a source is removed.
define archive
OBJECTS += $(call objects_of,$(call sources_of,$(1)))
$(call remember_here,$(BUILD)/$(1).list,$(call objects_of,$(call sources_of,$(1))))
$(BUILD)/$(1).a: $(call objects_of,$(call sources_of,$(1))) $(BUILD)/$(1).list
endef
archive_if_any = $(if $(call sources_of,$(1)),$(eval $(call archive,$(1))))
$(foreach r,$(LIB_ROOMS),$(call archive_if_any,lib/$(r)))
$(foreach r,$(PROCESS_ROOMS),$(call archive_if_any,$(r)))
LIB_ARCHIVES := $(foreach r,$(LIB_ROOMS),$(call archive_of,lib/$(r)))
ROOM_ARCHIVES := $(foreach r,$(PROCESS_ROOMS),$(call archive_of,$(r)))

$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# $(call closure,rooms): the rooms and all that mk/layers.mk lets them include.
closure = $(if $(1),$(sort $(1) $(call closure,$(foreach r,$(1),$(LAYER_$(r))))))
lib_archives_for = $(foreach r,$(filter $(call closure,$(1)),$(LIB_ROOMS)),$(call archive_of,lib/$(r)))
# What links with a folder: a lib room brings its layers, tools bring every process (prconf lists
# the parameters of all), a process brings itself and all of lib/.
archives_for = $(if $(filter $(1),$(LIB_ROOMS)),$(call lib_archives_for,$(1)),\
  $(if $(filter tools,$(1)),$(ROOM_ARCHIVES),$(call archive_of,$(1))) $(LIB_ARCHIVES))
# `smtp` is both a grammar and a process: its tests are tests/unit/smtp and tests/unit/smtp_client.
process_of_tests = $(if $(filter smtp_client,$(1)),smtp,$(1))

# --- programs ---------------------------------------------------------------------------------

PROGRAMS :=
define program
PROGRAMS += $(BUILD)/bin/$(call program_name,$(1),$(2))
OBJECTS += $(call objects_of,$(2))
$(BUILD)/bin/$(call program_name,$(1),$(2)): $(call objects_of,$(2)) \
  $(if $(filter tools,$(1)),$(ROOM_ARCHIVES),$(call archive_of,$(1))) $(LIB_ARCHIVES) $(BUILD)/link_flags
endef
$(foreach r,$(PROCESS_ROOMS),$(foreach m,$(call mains_of,$(r)),$(eval $(call program,$(r),$(m)))))

link = $(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PACKAGE_LIBS)

$(BUILD)/bin/%:
	$(call say,LINK,$@)
	$(Q)$(link)

# Programs that are started for every message carry all they need: most of their time would be the
# dynamic linker's. Not under sanitizers, whose runtime is loaded; nor in $(BUILD)/crash/, where they can
# be watched by what is preloaded.
STATIC := $(if $(filter release debug,$(FLAVOUR)),$(addprefix $(BUILD)/bin/,$(STATIC_PROGRAMS)))
STATIC_OBJECTS := $(call objects_of,$(wildcard tools/static/*.cc))
OBJECTS += $(STATIC_OBJECTS)
link_static = $(CXX) $(filter-out -pie,$(ALL_LDFLAGS)) -static-pie -o $@ $(filter %.o,$^) \
  -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(STATIC_LIBS)
$(STATIC): link = $(link_static)
$(STATIC): $(STATIC_OBJECTS)

define dynamic_copy
$(BUILD)/crash/$(1): $(BUILD)/tools/$(1)_main.o $(ROOM_ARCHIVES) $(LIB_ARCHIVES) $(BUILD)/link_flags
endef
$(foreach p,$(STATIC_PROGRAMS),$(eval $(call dynamic_copy,$(p))))
$(BUILD)/crash/%:
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(link)

# --- unit tests -------------------------------------------------------------------------------
# tests/unit/<room>/*.cc is one binary, check/<room>; the room is a lib room or a process folder.

TESTS :=
define unit_test
TESTS += $(BUILD)/check/$(1)
OBJECTS += $(call objects_of,$(wildcard tests/unit/$(1)/*.cc))
$(call remember_here,$(BUILD)/check/$(1).list,$(wildcard tests/unit/$(1)/*.cc))
$(BUILD)/check/$(1): $(call objects_of,$(wildcard tests/unit/$(1)/*.cc)) $(BUILD)/tests/unit/catch_main.o \
  $(call test_archives,$(1)) $(BUILD)/check/$(1).list $(BUILD)/link_flags
endef
test_archives = $(if $(filter smtp_client,$(1)),$(call archive_of,smtp) $(LIB_ARCHIVES),$(call archives_for,$(1)))
UNIT_ROOMS := $(sort $(foreach d,$(wildcard tests/unit/*/),$(if $(wildcard $(d)*.cc),$(patsubst tests/unit/%/,%,$(d)))))
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit_test,$(r))))
OBJECTS += $(BUILD)/tests/unit/catch_main.o

$(BUILD)/check/%:
	$(call say,LINK,$@)
	$(Q)$(link)

# --- fuzzers ----------------------------------------------------------------------------------
# tests/fuzz/<name>_fuzz.cc is fuzz/<name>: a fuzzer in the fuzz flavour, a replayer of files in
# every other. It links the rooms whose headers it includes.

FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZERS := $(addprefix $(BUILD)/fuzz/,$(FUZZ_NAMES))
FUZZ_MAIN := $(if $(filter fuzz,$(FLAVOUR)),,$(BUILD)/tests/fuzz/replay_main.o)
FUZZ_LINK := $(if $(filter fuzz,$(FLAVOUR)),-fsanitize=fuzzer)
# "name:room" or "name:lib/room" for each include of each fuzzer.
FUZZ_USES := $(if $(FUZZ_NAMES),$(shell for f in $(FUZZ_NAMES); do \
  sed -nE "s,^\#include \"(lib/[a-z0-9]+|[a-z0-9]+)/.*,$$f:\1,p" tests/fuzz/$${f}_fuzz.cc; done))
fuzz_rooms = $(patsubst $(1):%,%,$(filter $(1):%,$(FUZZ_USES)))
fuzz_libs = $(patsubst lib/%,%,$(filter lib/%,$(call fuzz_rooms,$(1))))
fuzz_processes = $(filter $(PROCESS_ROOMS),$(call fuzz_rooms,$(1)))
define fuzzer
OBJECTS += $(BUILD)/tests/fuzz/$(1)_fuzz.o
$(BUILD)/fuzz/$(1): $(BUILD)/tests/fuzz/$(1)_fuzz.o $(FUZZ_MAIN) $(BUILD)/link_flags \
  $(foreach r,$(call fuzz_processes,$(1)),$(call archive_of,$(r))) \
  $(if $(call fuzz_processes,$(1)),$(LIB_ARCHIVES),$(call lib_archives_for,$(call fuzz_libs,$(1))))
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzzer,$(f))))
OBJECTS += $(FUZZ_MAIN)

$(BUILD)/fuzz/%:
	$(call say,LINK,$@)
	$(Q)$(link) $(FUZZ_LINK)

# What was built from sources that are gone goes too; nobody should run it by mistake.
STALE := $(filter-out $(PROGRAMS) $(TESTS) $(FUZZERS) %.list,$(wildcard $(addprefix $(BUILD)/,bin/* check/* fuzz/*)))
$(if $(STALE),$(shell rm -f $(STALE)))

# --- objects ----------------------------------------------------------------------------------

PCH ?= yes
pch_for = $(if $(and $(PCH),$(filter-out tools/static/%,$(1))),$(BUILD)/pch/$(if $(filter tests/unit/%,$(1)),pch_test,pch).pch)

# Timestamps stay out of the precompiled header; its -MD makes it anew when a system header changes.
$(BUILD)/pch/%.pch: mk/%.h $(BUILD)/flags
	$(call say,PCH,$@)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -Xclang -fno-pch-timestamp -fpch-instantiate-templates -MD -MP \
	  -MF $(@:.pch=.d) -MT $@ -x c++-header $< -o $@
	$(Q){ cat $(BUILD)/flags mk/pch*.h; $(CXX) --version; } | sha256sum | cut -c1-64 > $@.sum

.SECONDEXPANSION:
$(BUILD)/%.o: %.cc $(BUILD)/flags $$(call pch_for,$$*)
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CCACHE) $(CXX) $(ALL_CXXFLAGS) \
	  $(if $(call pch_for,$*),-include-pch $(call pch_for,$*)) $(ROOM_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/lib/config/%.o: ROOM_FLAGS := $(INSTALL_FLAGS)
$(call objects_of,$(call sources_of,lib/config)): $(BUILD)/install_flags

# prconf knows every room whose header declares `void declare_<room>(config::Catalogue&)`.
PARAMETER_ROOMS := $(shell awk -f mk/parameter_rooms.awk /dev/null \
  $(sort $(wildcard $(foreach r,$(LIB_ROOMS),lib/$(r)/*.h) $(foreach r,$(PROCESS_ROOMS),$(r)/*.h))))
$(call remember_here,$(BUILD)/parameter_rooms,$(PARAMETER_ROOMS))
$(BUILD)/tools/prconf_rooms.o: ROOM_FLAGS := '-DPOSTRIDER_PARAMETER_ROOMS=$(PARAMETER_ROOMS)'
$(BUILD)/tools/prconf_rooms.o: $(BUILD)/parameter_rooms

# Catch2's own sources: 20 seconds with the sanitizers, 5 without, and not ours to check.
$(BUILD)/tests/unit/catch_main.o: tests/unit/catch_main.cc $(BUILD)/flags
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CCACHE) $(CXX) $(BASE_CXXFLAGS) -O0 -g1 -c -o $@ $<

DEPS := $(OBJECTS:.o=.d) $(BUILD)/pch/pch.d $(BUILD)/pch/pch_test.d
$(DEPS): ;
-include $(wildcard $(DEPS))

# Included as bytes, which the compiler's dependency list does not tell.
$(BUILD)/tools/manifest.o: conf/install.manifest
