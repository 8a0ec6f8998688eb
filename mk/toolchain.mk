# Compilers, flags and the packages that pkg-config finds.
CC       := gcc
CLANG    := clang
MPICC    := mpicc.mpich
MPIEXEC  := mpiexec.mpich
PYTHON   := /usr/bin/python3
Q        := $(if $(V),,@)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
CFLAGS_release := -O2 -g
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
CFLAGS_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all
CFLAGS_cov     := -O0 -g --coverage
DV_CPPFLAGS := -D_GNU_SOURCE -Iframework/include -Iframework -I$(O)/gen
DV_CFLAGS   := -std=gnu11 $(WARNINGS) $(CFLAGS_$(VARIANT)) $(CFLAGS)

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
MPICH_CPPFLAGS := -isystem /usr/include/x86_64-linux-gnu/mpich
CMOCKA_LIBS    := -lcmocka
HDF5_CPPFLAGS  := $(patsubst -I%,-isystem %,$(call pkg,--cflags-only-I,hdf5))
HDF5_LIBS      := $(call pkg,--libs,hdf5)
