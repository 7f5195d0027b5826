# What can be asked for.

.DEFAULT_GOAL := all
.PHONY: all test tests fuzzers fuzz-replay man install help format clean distclean

all: $(PROGRAMS)

tests: $(TESTS)

# `make test` without a flavour means the sanitize flavour: that is where tests are worth most.
ifeq ($(origin FLAVOUR),file)
test fuzz-replay:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=sanitize $@
fuzz-%:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz $@
else
test: tests
	$(Q)status=0; for t in $(TESTS); do echo "== $$t"; $$t || status=1; done; exit $$status

fuzz-replay: $(FUZZERS)
	$(Q)status=0; for f in $(FUZZ_NAMES); do \
	  $(BUILD)/fuzz/$$f tests/fuzz/corpus/$$f || { echo "fuzz-replay: $$f failed"; status=1; }; done; exit $$status

fuzz-%: $(BUILD)/fuzz/%
	$(Q)mkdir -p build/corpus/$* tests/fuzz/corpus/$*
	$(Q)$< -max_total_time=$(or $(SECONDS),60) -rss_limit_mb=1024 -timeout=10 build/corpus/$* tests/fuzz/corpus/$*
endif

fuzzers: $(FUZZERS)

# make test-queue: one room's unit tests.
test-%: $(BUILD)/check/%
	$(Q)$< $(ARGS)

# The pages as written, completed by the programs' own lists of parameters where a page has the line
# `.\" parameters: <room>`; in build/man.
MAN_PAGES := $(wildcard $(addprefix man/*.,1 5 7 8))
man: $(filter %/prconf,$(PROGRAMS))
	$(Q)$(PYTHON) mk/man.py $(if $(filter %/prconf,$(PROGRAMS)),$(BUILD)/bin/prconf,false) $(MAN_PAGES)

install: $(PROGRAMS) man
	$(Q)$(PYTHON) mk/install.py --programs $(BUILD)/bin --destdir '$(DESTDIR)' $(if $(CREATE_USERS),--create-users) \
	  $(foreach v,$(INSTALL_VARIABLES),--set '$(v)=$($(v))')

help:
	@sed -n '2,/^$$/s/^#  \{0,1\}//p;/^#   FLAVOUR/,/^$$/s/^#  \{0,1\}//p' Makefile | sed '/^#$$/d'

clean:
	rm -rf $(BUILD)

distclean:
	rm -rf build autom4te.cache configure config.log config.status
