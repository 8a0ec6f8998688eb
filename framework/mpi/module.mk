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

# Programs that verify MPI objects, and the library with dv_test_rebuild, which makes all objects again in one process
# (framework/tests/mpi/rebuild.sh; not part of `all`).
TEST_PROGRAMS += mpi-objects mpi-passing
$(foreach t,objects passing,$(eval mpi-$(t)_SRCS := framework/tests/mpi/$(t).c) $(eval mpi-$(t)_CC := $(MPICC)) \
  $(eval mpi-$(t)_CFLAGS := -Wno-stringop-overflow))

TEST_EXTRA += $(O)/tests/mpi-fortran $(O)/tests/rebuild/lib/dejavu/libmpich.so.12
$(O)/tests/mpi-fortran: framework/tests/mpi/fortran.f90
	@mkdir -p $(@D) $(O)/obj/mpi-fortran
	$(if $(V),,@echo "  FC      $<")
	$(Q)mpifort.mpich -O1 -g -fallow-argument-mismatch -w -J $(O)/obj/mpi-fortran $< -o $@

DV_REBUILD_HOOK := $(O)/obj/rebuild_hook.o
$(DV_REBUILD_HOOK): framework/tests/mpi/rebuild_hook.c framework/mpi/objects.h framework/mpi/core.h $(O)/gen/mpi_fn.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC      $<")
	$(Q)$(CC) $(DV_CPPFLAGS) $($(DV_MPICH)_CPPFLAGS) $(DV_CFLAGS) $($(DV_MPICH)_CFLAGS) -c $< -o $@
$(O)/tests/rebuild/lib/dejavu/libmpich.so.12: $(O)/lib/$(DV_MPICH) $(DV_REBUILD_HOOK)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK    $@")
	$(Q)$(CC) $(DV_CFLAGS) -shared $($(DV_MPICH)_LDFLAGS) $(call dv_objects,$(DV_MPICH)) $(DV_REBUILD_HOOK) \
	    $(O)/lib/libdvcommon.a -o $@
