# The targets a person types.
.PHONY: all tests deps demo check check-unit check-mpi check-e2e check-oracle check-faults bench bench-stall bench-cost bench-restart \
        fuzz lint format doctor report figures paper install clean help
PREFIX ?= /usr/local

all: $(addprefix $(O)/bin/,$(PROGRAMS)) $(addprefix $(O)/lib/,$(SHARED)) ## build everything
tests: all $(addprefix $(O)/tests/,$(TEST_PROGRAMS) $(UNIT_TESTS)) $(TEST_EXTRA) ## build the test programs too

deps: ## install what is missing from Debian (as root, through sudo, or by printing the line to run)
	$(Q)mk/deps.sh

# The package's flags are read when make starts, so what needs them runs in a second make.
demo: deps ## build, run a small experiment matrix, print its overhead table
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all
	$(Q)mk/demo.sh $(O)

check: deps ## build and run all tests
	$(Q)mk/deps.sh check || echo "dejavu: going on without a browser: how reports look is not tested"
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)mk/check.sh $(O) unit mpi e2e

check-unit: tests ## unit and conformance tests
	$(Q)mk/check.sh $(O) unit
check-mpi: tests ## MPI programs, attached and with checkpoints
	$(Q)mk/check.sh $(O) mpi
check-e2e: tests ## kills, bad input, unsupported objects, end to end
	$(Q)mk/check.sh $(O) e2e

ORACLE_EPOCHS ?= 1000
check-oracle: tests ## compare ORACLE_EPOCHS (1000) incremental epochs of many programs with full images
	$(Q)dir=$$(mktemp -d); (cd $$dir && DEJAVU_BUILD=$(abspath $(O)) \
	  $(abspath framework/tests/e2e/incremental.py) oracle --total $(ORACLE_EPOCHS)); \
	status=$$?; rm -rf $$dir; exit $$status

FAULTS ?= all
check-faults: tests ## kill, or fail, the store's work at each of its system calls in turn (FAULTS: at how many; 15 minutes)
	$(Q)DEJAVU_FAULTS=$(FAULTS) DEJAVU_TESTS='^(unit-store-faults|store-commit)$$' mk/check.sh $(O) unit e2e

bench: deps ## measure idle cost, latency and checkpoint bandwidth into results/ (takes long)
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)mk/bench.sh $(O)
bench-stall: deps ## measure how long checkpoints stop an application, into results/stall.h5 (15 minutes)
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)mk/bench.sh $(O) stall
bench-cost: deps ## measure what incremental checkpoints cost in running time, into results/cost.h5 and total.h5 (65 minutes)
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)mk/bench.sh $(O) cost total

bench-restart: deps ## measure how soon restarted jobs compute, eager and lazy, into results/restart.h5 (5 minutes)
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)mk/bench.sh $(O) restart

FUZZ_SECONDS ?= 600
fuzz: ## libFuzzer on the image reader, FUZZ_SECONDS (600) long, sanitizers on; what it finds is kept under build/fuzz
	$(Q)mk/deps.sh fuzz
	$(Q)$(MAKE) --no-print-directory $(O)/fuzz/image-reader
	$(Q)mkdir -p $(O)/fuzz/corpus
	$(Q)$(O)/fuzz/image-reader -max_total_time=$(FUZZ_SECONDS) -max_len=98304 -timeout=120 -rss_limit_mb=2048 \
	    -print_final_stats=1 -artifact_prefix=$(O)/fuzz/ $(O)/fuzz/corpus framework/tests/fuzz/corpus

lint: ## clang-format, clang-tidy, cppcheck, the layering rules
	$(Q)mk/deps.sh lint
	$(Q)mk/lint.sh $(O)
format: ## apply clang-format
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

doctor: all ## does this host have what DejaVu stands on?
	$(Q)$(O)/bin/dejavu doctor

CAMPAIGN ?= $(firstword $(wildcard results/paper.h5 results/paper/paper.h5))
report: ## the HTML page of CAMPAIGN=FILE.h5 (results/paper.h5), in build/report
	$(Q)mk/deps.sh
	$(Q)$(MAKE) --no-print-directory $(O)/bin/dejavu-stats
	$(Q)analysis/campaign_report.sh $(O) report "$(CAMPAIGN)"
figures: ## the pictures of CAMPAIGN=FILE.h5 (results/paper.h5), in build/figures
	$(Q)mk/deps.sh
	$(Q)$(MAKE) --no-print-directory $(O)/bin/dejavu-stats
	$(Q)analysis/campaign_report.sh $(O) figures "$(CAMPAIGN)"
paper: ## paper/dejavu.pdf from what is in results (PAPER=FILE.h5: from another campaign); installs TeX
	$(Q)mk/deps.sh paper
	$(Q)$(MAKE) --no-print-directory $(O)/bin/dejavu-stats
	$(Q)paper/build.sh $(O) $(PAPER)

install: all ## install under PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/dejavu $(DESTDIR)$(PREFIX)/include/dejavu $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(addprefix $(O)/bin/,dejavu dejavu-rank dejavu-stdio dejavu-bench dejavu-stats) $(DESTDIR)$(PREFIX)/bin
	ln -sf ../../bin/dejavu-stats $(DESTDIR)$(PREFIX)/lib/dejavu/dejavu-stats
	install -m 755 harness/launch/external.py $(DESTDIR)$(PREFIX)/lib/dejavu/dejavu-external
	for name in dejavu dejavu-bench; do \
	  install -m 644 harness/dejavu-bench.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name; done
	install -m 644 $(O)/lib/dejavu/libmpich.so.12 $(DESTDIR)$(PREFIX)/lib/dejavu
	install -m 755 analysis/report.py analysis/figures.py $(DESTDIR)$(PREFIX)/lib/dejavu
	install -m 644 analysis/report.css $(DESTDIR)$(PREFIX)/lib/dejavu
	for part in plots page; do install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/dejavu/$$part analysis/$$part/*.py || exit 1; done
	install -m 644 framework/include/dejavu/*.h $(DESTDIR)$(PREFIX)/include/dejavu
	install -m 644 $(wildcard framework/cli/*.1 harness/*.1 analysis/*.1) $(DESTDIR)$(PREFIX)/share/man/man1

clean: ## remove what was built
	rm -rf build

help: ## list the targets
	@grep -hE '^[a-z][a-z0-9/_-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'
