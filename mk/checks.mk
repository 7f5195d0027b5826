# What is true of the sources without running them. Each prints its findings and one summary line.

CHECKS := layers headers format man paths documents manifest
# Ten minutes and more: for `make checks`, not for every run of `quickstart check`.
SLOW_CHECKS := tidy
.PHONY: checks $(addprefix check-,$(CHECKS) $(SLOW_CHECKS))
checks: $(addprefix check-,$(CHECKS) $(SLOW_CHECKS))

CLANG_FORMAT ?= $(shell command -v clang-format-19 || command -v clang-format)
CLANG_TIDY ?= $(shell command -v clang-tidy-19 || command -v clang-tidy)

SOURCE_DIRS := $(addprefix lib/,$(LIB_ROOMS)) $(PROCESS_ROOMS)
OUR_SOURCES := $(wildcard $(addsuffix /*.cc,$(SOURCE_DIRS)))
OUR_HEADERS := $(wildcard $(addsuffix /*.h,$(SOURCE_DIRS)) tests/unit/*/*.h)
FORMATTED := $(OUR_SOURCES) $(OUR_HEADERS) $(wildcard mk/*.h tools/static/*.cc tests/unit/*.cc tests/unit/*/*.cc tests/fuzz/*.cc tests/crash/*.cc \
  bench/*.cc bench/*.h)

check-layers:
	$(Q)$(PYTHON) tests/tool/layers.py

check-paths: $(PROGRAMS)
	$(Q)$(PYTHON) tests/tool/paths.py $(PROGRAMS)

check-documents:
	$(Q)$(PYTHON) tests/tool/documents.py

check-man: man
	$(Q)$(PYTHON) tests/tool/man_pages.py $(notdir $(PROGRAMS))

check-manifest:
	$(Q)$(PYTHON) mk/install.py --check $(notdir $(PROGRAMS))

check-format:
	$(Q)printf '%s\n' $(FORMATTED) | xargs -P2 -n40 $(CLANG_FORMAT) --dry-run -Werror
	@echo "format: $(words $(FORMATTED)) files, ok"

format:
	$(Q)printf '%s\n' $(FORMATTED) | xargs -n40 $(CLANG_FORMAT) -i

# Each header compiled alone, without the precompiled header, so that a missing
# include is found; into an object, so that ccache remembers it.
ALONE := $(patsubst %,build/alone/%.o,$(OUR_HEADERS))
build/alone/%.o: % $(BUILD)/flags
	$(call say,ALONE,$<)
	$(Q)mkdir -p $(@D) && $(CCACHE) $(CXX) $(BASE_CXXFLAGS) $(INSTALL_FLAGS) -Wno-pragma-once-outside-header -Wno-unused-const-variable \
	  -MMD -MP -MF $(@:.o=.d) -x c++ -c -o $@ $<
check-headers: $(ALONE)
	@echo "headers: $(words $(OUR_HEADERS)) headers and $(words $(OUR_SOURCES)) sources stand alone, ok"

check-tidy:
	$(Q)$(PYTHON) tests/tool/tidy.py --clang-tidy $(CLANG_TIDY) --stamps build/tidy \
	  --flags '-std=c++23 -I. -pthread -Wno-everything $(PACKAGE_CFLAGS) $(CXXFLAGS)' $(OUR_SOURCES)

ifneq ($(filter check%,$(MAKECMDGOALS)),)
-include $(wildcard $(ALONE:.o=.d))
endif
