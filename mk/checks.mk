# What is true of the sources without running them. Each prints its findings and one summary line.

CHECKS := layers headers format tidy man paths documents manifest
.PHONY: checks $(addprefix check-,$(CHECKS))
checks: $(addprefix check-,$(CHECKS))

CLANG_FORMAT ?= $(shell command -v clang-format-19 || command -v clang-format)
CLANG_TIDY ?= $(shell command -v clang-tidy-19 || command -v clang-tidy)

SOURCE_DIRS := $(addprefix lib/,$(LIB_ROOMS)) $(PROCESS_ROOMS)
OUR_SOURCES := $(wildcard $(addsuffix /*.cc,$(SOURCE_DIRS)))
OUR_HEADERS := $(wildcard $(addsuffix /*.h,$(SOURCE_DIRS)) tests/unit/*/*.h)
FORMATTED := $(OUR_SOURCES) $(OUR_HEADERS) $(wildcard mk/*.h tests/unit/*.cc tests/unit/*/*.cc tests/fuzz/*.cc bench/*.cc bench/*.h)

check-layers:
	$(Q)$(PYTHON) tests/tool/layers.py

check-paths: $(PROGRAMS)
	$(Q)$(PYTHON) tests/tool/paths.py $(PROGRAMS)

check-documents:
	$(Q)$(PYTHON) tests/tool/documents.py

check-man:
	$(Q)$(PYTHON) tests/tool/man_pages.py $(notdir $(PROGRAMS))

check-manifest:
	$(Q)$(PYTHON) mk/install.py --check $(notdir $(PROGRAMS))

check-format:
	$(Q)printf '%s\n' $(FORMATTED) | xargs -P2 -n40 $(CLANG_FORMAT) --dry-run -Werror
	@echo "format: $(words $(FORMATTED)) files, ok"

format:
	$(Q)printf '%s\n' $(FORMATTED) | xargs -n40 $(CLANG_FORMAT) -i

# Each header compiled alone, without the precompiled one; the stamp remembers until what it
# includes changes.
HEADER_STAMPS := $(patsubst %,build/headers/%.ok,$(OUR_HEADERS))
build/headers/%.h.ok: %.h $(BUILD)/flags
	$(Q)mkdir -p $(@D) && $(CXX) $(BASE_CXXFLAGS) -Wno-pragma-once-outside-header -Wno-unused-const-variable \
	  -fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ -x c++ $<
	$(Q)touch $@
check-headers: $(HEADER_STAMPS)
	@echo "headers: $(words $(HEADER_STAMPS)) headers, ok"

# The object stands for what the source includes. No precompiled header here either, so that a
# source which lacks an include is found.
TIDY_STAMPS := $(patsubst %.cc,build/tidy/%.ok,$(OUR_SOURCES))
build/tidy/%.ok: %.cc .clang-tidy $(BUILD)/%.o
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D) && $(CLANG_TIDY) --quiet $< -- -std=c++23 -I. -pthread -Wno-everything \
	  $(PACKAGE_CFLAGS) $(CXXFLAGS) >$(@:.ok=.out) 2>$(@:.ok=.err) || { cat $(@:.ok=.out); grep error: $(@:.ok=.err); exit 1; }
	$(Q)touch $@
check-tidy: $(TIDY_STAMPS)
	@echo "tidy: $(words $(TIDY_STAMPS)) sources, ok"

ifneq ($(filter check%,$(MAKECMDGOALS)),)
-include $(wildcard $(HEADER_STAMPS:.ok=.d))
endif
