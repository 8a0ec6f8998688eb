# The supervisor and what commands and ranks need to talk to it.
ARCHIVES += dvcontrol
dvcontrol_SRCS := $(wildcard framework/control/*.c)
dvcontrol_CFLAGS := -fPIC

PROGRAMS += dejavu-stdio
dejavu-stdio_SRCS := framework/control/stdio/main.c
