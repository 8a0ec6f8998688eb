# The capture engine: regions, pages, descriptors, process state; capture and restore. Lower half only.
ARCHIVES += dvcapture
dvcapture_SRCS := $(wildcard framework/capture/*.c)
dvcapture_CFLAGS := -fPIC
