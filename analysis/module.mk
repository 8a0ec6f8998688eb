# Statistics of samples (dvstats: used by the harness's report, too).
ARCHIVES += dvstats
dvstats_SRCS := analysis/stats/stats.c analysis/stats/paired.c
dvstats_CPPFLAGS := -I.

# $(call analysis_unit_test,name,archives)
define analysis_unit_test
UNIT_TESTS += unit-$(1)
unit-$(1)_SRCS := analysis/stats/test_$(1).c
unit-$(1)_CPPFLAGS := -I. $(HDF5_CPPFLAGS)
unit-$(1)_LIBS := $(2) $(call pkg,--libs,gsl) $(CMOCKA_LIBS)
endef
$(eval $(call analysis_unit_test,stats,dvstats))
$(eval $(call analysis_unit_test,paired,dvstats))
