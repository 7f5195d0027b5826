# What can be asked for.

.DEFAULT_GOAL := all
.PHONY: all test tests help clean

all: $(PROGRAMS)

tests: $(TESTS)

test: tests
	$(Q)status=0; for t in $(TESTS); do echo "== $$t"; $$t || status=1; done; exit $$status

# make test-queue: one room's unit tests.
test-%: $(BUILD)/check/%
	$(Q)$<

help:
	@sed -n 's/^# //p' Makefile | sed -n 1,8p

clean:
	rm -rf $(BUILD)
