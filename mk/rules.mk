# How a room becomes an archive, a main becomes a program, and a folder of tests a test binary.

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

mains_of = $(wildcard $(1)/main.cc $(1)/*_main.cc)
sources_of = $(filter-out $(call mains_of,$(1)),$(wildcard $(1)/*.cc))
objects_of = $(patsubst %.cc,$(BUILD)/%.o,$(1))
program_name = $(if $(filter $(1)/main.cc,$(2)),$(1),$(subst _,-,$(patsubst $(1)/%_main.cc,%,$(2))))

LIB_ARCHIVES :=
PROGRAMS :=
TESTS :=
ROOM_ARCHIVES :=

# $(1) folder, $(2) archive list to join
define archive
$(2) += $(BUILD)/$(1).a
$(BUILD)/$(1).a: $(call objects_of,$(call sources_of,$(1)))
endef
define archive_if_any
$(if $(call sources_of,$(1)),$(eval $(call archive,$(1),$(2))))
endef
$(foreach r,$(LIB_ROOMS),$(call archive_if_any,lib/$(r),LIB_ARCHIVES))
$(foreach r,$(PROCESS_ROOMS),$(call archive_if_any,$(r),ROOM_ARCHIVES))

$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $(filter %.o,$^)

# $(1) folder, $(2) main source. prconf lists the parameters of every process, so it links them all.
define program
PROGRAMS += $(BUILD)/bin/$(call program_name,$(1),$(2))
$(BUILD)/bin/$(call program_name,$(1),$(2)): $(call objects_of,$(2)) \
  $(if $(filter tools,$(1)),$(ROOM_ARCHIVES),$(if $(call sources_of,$(1)),$(BUILD)/$(1).a)) $(LIB_ARCHIVES)
endef
$(foreach r,$(PROCESS_ROOMS),$(foreach m,$(call mains_of,$(r)),$(eval $(call program,$(r),$(m)))))

link = $(CXX) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PACKAGE_LIBS)

$(BUILD)/bin/%:
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(link)

# tests/unit/<room>/*.cc is one binary, check/<room>; the room is a lib room or a process folder.
define unit_test
TESTS += $(BUILD)/check/$(1)
$(BUILD)/check/$(1): $(call objects_of,$(wildcard tests/unit/$(1)/*.cc)) $(BUILD)/tests/unit/catch_main.o \
  $(if $(filter tools,$(1)),$(ROOM_ARCHIVES),$(if $(call sources_of,$(1)),$(BUILD)/$(1).a)) $(LIB_ARCHIVES)
endef
UNIT_ROOMS := $(sort $(patsubst tests/unit/%/,%,$(wildcard tests/unit/*/)))
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit_test,$(r))))

$(BUILD)/check/%:
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(link)

$(BUILD)/%.o: %.cc
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CCACHE) $(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.o,%.d,$(shell find $(BUILD) -name '*.o' 2>/dev/null))
