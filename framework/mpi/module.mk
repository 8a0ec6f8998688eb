# The upper half's MPI library: libmpich.so.12 as MPICH exports it, in a directory of its own because that directory goes
# into the application's LD_LIBRARY_PATH. Needs nothing but libc; no stack protector, because the canary is FS-relative
# and the gate switches FS (gate.h).
DV_MPI_GENERATE := framework/mpi/generate.py framework/mpi/functions.tbl

$(O)/gen/mpi_fn.h: $(DV_MPI_GENERATE)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< fn > $@.tmp && mv $@.tmp $@
$(O)/gen/mpi_table.c: $(DV_MPI_GENERATE)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< table > $@.tmp && mv $@.tmp $@
$(O)/gen/mpi_wrappers.c: $(DV_MPI_GENERATE)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< wrappers > $@.tmp && mv $@.tmp $@
$(O)/gen/mpi_versions.c: framework/mpi/generate.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) $< versions > $@.tmp && mv $@.tmp $@

DV_MPICH := dejavu/libmpich.so.12
SHARED += $(DV_MPICH)
$(DV_MPICH)_SRCS := $(wildcard framework/mpi/*.c) framework/gate/capture.c framework/gate/entry.S mpi_wrappers.c mpi_versions.c \
                    $(wildcard strategies/protocol/*.c strategies/protocol/*/*.c)
$(DV_MPICH)_CPPFLAGS := $(MPICH_CPPFLAGS) -DHAVE_VISIBILITY=1
$(DV_MPICH)_CFLAGS := -fPIC -fno-stack-protector -fvisibility=hidden
$(DV_MPICH)_LDFLAGS := -Wl,-soname,libmpich.so.12 -Wl,-z,now -Wl,-z,defs -Wl,--exclude-libs,ALL
$(DV_MPICH)_LIBS := dvcommon
$(DV_MPICH)_DEPS := $(O)/gen/mpi_fn.h

# The lower half's table of the real functions, for dejavu-rank (links with the real libmpich).
ARCHIVES += dvmpitable
dvmpitable_SRCS := mpi_table.c
dvmpitable_CPPFLAGS := $(MPICH_CPPFLAGS)
dvmpitable_DEPS := $(O)/gen/mpi_fn.h
