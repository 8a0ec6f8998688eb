# The benchmark harness: `dejavu-bench`.
include analysis/module.mk

HARNESS_PARTS := config plan launch record
HARNESS_PACKAGES := yaml-0.1 gsl papi

ARCHIVES += dvbench
dvbench_SRCS := $(foreach p,$(HARNESS_PARTS),$(wildcard harness/$(p)/*.c)) \
    $(filter-out harness/cli/main.c,$(wildcard harness/cli/*.c))
dvbench_CPPFLAGS := -I. $(HDF5_CPPFLAGS)

HARNESS_LIBS := dvbench dvstats dvcommon $(HDF5_LIBS) $(call pkg,--libs,$(HARNESS_PACKAGES)) -lxxhash -lm

PROGRAMS += dejavu-bench
dejavu-bench_SRCS := harness/cli/main.c
dejavu-bench_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
dejavu-bench_LIBS := $(HARNESS_LIBS)

# $(call harness_unit_test,name)
define harness_unit_test
UNIT_TESTS += unit-bench-$(1)
unit-bench-$(1)_SRCS := harness/tests/test_$(1).c
unit-bench-$(1)_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
unit-bench-$(1)_LIBS := $(HARNESS_LIBS) $(CMOCKA_LIBS)
endef
$(foreach t,$(patsubst harness/tests/test_%.c,%,$(wildcard harness/tests/test_*.c)),$(eval $(call harness_unit_test,$(t))))
