# Capture strategies: one line per strategy here, one in table.c. The skeleton is compiled and tested but not offered.
ARCHIVES += dvcapturestrategies dvcaptureskeleton
dvcapturestrategies_SRCS := strategies/capture/table.c $(filter-out %/skeleton.c,$(wildcard strategies/capture/*/*.c))
dvcapturestrategies_CFLAGS := -fPIC
dvcaptureskeleton_SRCS := strategies/capture/skeleton/skeleton.c
dvcaptureskeleton_CFLAGS := -fPIC
