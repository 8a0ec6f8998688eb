# Statistics of samples: used by the harness's report and, later, by the analyses.
ARCHIVES += dvstats
dvstats_SRCS := analysis/stats/stats.c
dvstats_CPPFLAGS := -I.

UNIT_TESTS += unit-stats
unit-stats_SRCS := analysis/stats/test_stats.c
unit-stats_CPPFLAGS := -I.
unit-stats_LIBS := dvstats $(call pkg,--libs,gsl) $(CMOCKA_LIBS)
