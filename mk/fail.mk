# Failing system calls: tests/crash/fail.py says what is tried.
#
#   make crash-fail   every call of every process fails once, with each error; ARGS='--only qmgr/fsync'

.PHONY: crash-fail

build/crash/failing_calls.so: tests/crash/failing_calls.cc
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++23 -O1 -g1 -fPIC -shared -fno-threadsafe-statics -Wall -Wextra \
	  -o $@.$$$$ $< -ldl && mv $@.$$$$ $@

crash-fail: $(PROGRAMS) build/crash/failing_calls.so
	$(Q)$(PYTHON) -B tests/crash/fail.py $(ARGS)
