# The side-by-side measurements: bench/README.md.
#
# bench/<name>_main.cc is build/<flavour>/bench/<name>; the other sources of bench/ belong to all of them.

BENCH_MAINS := $(wildcard bench/*_main.cc)
BENCH_SOURCES := $(filter-out $(BENCH_MAINS),$(wildcard bench/*.cc))
BENCH_PROGRAMS := $(patsubst bench/%_main.cc,$(BUILD)/bench/%,$(BENCH_MAINS))
OBJECTS += $(call objects_of,$(BENCH_MAINS) $(BENCH_SOURCES))
-include $(wildcard $(patsubst %.cc,$(BUILD)/%.d,$(BENCH_MAINS) $(BENCH_SOURCES)))

$(BENCH_PROGRAMS): $(BUILD)/bench/%: $(BUILD)/bench/%_main.o $(call objects_of,$(BENCH_SOURCES)) $(LIB_ARCHIVES) $(BUILD)/link_flags
	$(call say,LINK,$@)
	$(Q)$(link)

.PHONY: bench bench-quick bench-programs
bench-programs: $(BENCH_PROGRAMS)

# SCENARIO="S1 S2" (all of them), RUNS=5, SCALE=0.1 (shorter runs)
bench: $(PROGRAMS) $(BENCH_PROGRAMS)
	$(Q)$(PYTHON) -B bench/main.py full --runs $(or $(RUNS),5) --scale $(or $(SCALE),1) $(SCENARIO)

# A before and after: SCENARIO="S1 S2", RUNS=3, BEFORE=<commit> (without it: ours alone), PEER=yes
bench-quick: $(PROGRAMS) $(BENCH_PROGRAMS)
	$(Q)$(PYTHON) -B bench/main.py quick --runs $(or $(RUNS),3) --scale $(or $(SCALE),1) $(if $(BEFORE),--before $(BEFORE)) $(if $(PEER),--peer) $(or $(SCENARIO),S1 S2)
