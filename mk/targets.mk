# The targets a person types.
.PHONY: all check check-unit help clean

all: $(addprefix $(O)/bin/,$(PROGRAMS)) $(addprefix $(O)/lib/,$(SHARED)) ## build everything
tests: all $(addprefix $(O)/tests/,$(TEST_PROGRAMS) $(UNIT_TESTS)) ## build the test programs too

check-unit: $(addprefix $(O)/tests/,$(UNIT_TESTS)) ## unit tests
	$(Q)for t in $^; do echo "== $$t"; $$t || exit 1; done

clean: ## remove what was built
	rm -rf build

help: ## list the targets
	@grep -hE '^[a-z][a-z0-9/_-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'
