# Statistics of samples (dvstats: used by the harness's report, too), and what is made of campaigns: `dejavu-stats`.
ARCHIVES += dvstats dvanalysis
dvstats_SRCS := $(addprefix analysis/stats/,stats.c paired.c unpaired.c fit.c optimum.c)
dvstats_CPPFLAGS := -I.

dvanalysis_SRCS := $(filter-out $(dvstats_SRCS) analysis/stats/main.c analysis/stats/test_%.c,$(wildcard analysis/stats/*.c))
dvanalysis_CPPFLAGS := -I. $(HDF5_CPPFLAGS)

# The archives of the harness read campaigns; its module.mk names them.
ANALYSIS_LIBS = dvanalysis $(HARNESS_LIBS)

PROGRAMS += dejavu-stats
dejavu-stats_SRCS := analysis/stats/main.c
dejavu-stats_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
dejavu-stats_LIBS = $(ANALYSIS_LIBS)

# $(call analysis_unit_test,name)
define analysis_unit_test
UNIT_TESTS += unit-$(1)
unit-$(1)_SRCS := analysis/stats/test_$(1).c
unit-$(1)_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
unit-$(1)_LIBS = $$(ANALYSIS_LIBS) $(CMOCKA_LIBS)
endef
$(foreach t,$(patsubst analysis/stats/test_%.c,%,$(wildcard analysis/stats/test_*.c)),$(eval $(call analysis_unit_test,$(t))))
