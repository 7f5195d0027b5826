# Crash tests: what is promised survives kill -9 and power cuts. doc/reliability.md has the method and the figures.
#
#   make crash                       all of it, as long as it takes; writes the tables of doc/reliability.md
#   make crash-kill KILLS=2000       processes killed under load
#   make crash-powercut STATES=20000 disks as a power cut may leave them
#   make crash-fail                  every call of every process fails once, with each error; ARGS='--only qmgr/fsync'

KILLS ?= 2000
STATES ?= 20000
SEED ?= 1
WORKERS ?= 2

# The programs that own the queue and the mailboxes, once more, with the recorder in front of libc. Linked, since
# neither a set-gid program nor a delivery worker with an environment of its own would take a preload.
CRASH := $(BUILD)/crash
RECORDED := cleanup:cleanup/main.cc qmgr:qmgr/main.cc pickup:pickup/main.cc bounce:bounce/main.cc \
            local:local/main.cc virtual:local/virtual_main.cc prdrop:tools/prdrop_main.cc
CRASH_PROGRAMS :=
define recorded
CRASH_PROGRAMS += $(CRASH)/bin/$(1)
$(CRASH)/bin/$(1): $(call objects_of,$(2)) $(if $(filter tools/%,$(2)),$(ROOM_ARCHIVES),$(call archive_of,$(firstword $(subst /, ,$(2))))) \
  $(LIB_ARCHIVES) $(CRASH)/recorder.so $(BUILD)/link_flags
endef
$(foreach r,$(RECORDED),$(eval $(call recorded,$(firstword $(subst :, ,$(r))),$(lastword $(subst :, ,$(r))))))

$(CRASH)/bin/%:
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -Wl,--no-as-needed $(abspath $(CRASH)/recorder.so) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
	  -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PACKAGE_LIBS)

$(CRASH)/recorder.so: tests/crash/recorder.cc $(BUILD)/flags
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++23 -O2 -fPIC -shared -fno-exceptions -o $@ $< -ldl

# Reads a queue as qmgr and pickup do after a crash.
-include $(wildcard $(BUILD)/tests/crash/recover.d)
$(CRASH)/recover: $(BUILD)/tests/crash/recover.o $(call lib_archives_for,queue) $(BUILD)/link_flags
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(link)

# Preloaded into the programs as they are built.
build/crash/failing_calls.so: tests/crash/failing_calls.cc
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++23 -O1 -g1 -fPIC -shared -fno-threadsafe-statics -Wall -Wextra \
	  -o $@.$$$$ $< -ldl && mv $@.$$$$ $@

.PHONY: crash crash-kill crash-powercut crash-fail crash-programs
crash-programs: $(CRASH_PROGRAMS) $(CRASH)/recover

crash-kill: $(PROGRAMS)
	$(Q)$(PYTHON) -B tests/crash/kill.py --kills $(KILLS) --seed $(SEED) --results build/crash/kill.json

crash-powercut: $(PROGRAMS) crash-programs
	$(Q)$(PYTHON) -B tests/crash/powercut.py --states $(STATES) --seed $(SEED) --workers $(WORKERS) \
	  --results build/crash/powercut.json

crash-fail: $(PROGRAMS) build/crash/failing_calls.so
	$(Q)$(PYTHON) -B tests/crash/fail.py --results build/crash/fail.json $(ARGS)

crash:
	$(Q)status=0; for part in crash-kill crash-powercut crash-fail; do \
	  $(MAKE) --no-print-directory $$part || status=1; done; \
	  $(PYTHON) -B tests/crash/report.py build/crash doc/reliability.md; exit $$status
