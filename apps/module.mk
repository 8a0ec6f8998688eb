# The applications: NAS Parallel Benchmarks and test programs. They are plain MPI programs that know nothing of
# DejaVu, linked with the distribution's MPICH.
NPB_BENCHMARKS := ep cg mg ft is lu bt sp
NPB_CFLAGS := $(if $(filter release,$(VARIANT)),-O3)

ARCHIVES += npbcommon
npbcommon_SRCS := $(wildcard apps/common/npb_*.c)
npbcommon_CC := mpicc.mpich
npbcommon_CPPFLAGS := -I.
npbcommon_CFLAGS := $(NPB_CFLAGS)

PROGRAMS += $(addprefix npb-,$(NPB_BENCHMARKS))
# What BT and SP have in common besides.
npb-bt_COMMON := $(wildcard apps/npb/adi/*.c)
npb-sp_COMMON := $(npb-bt_COMMON)
# $(call npb_program,letters)
define npb_program
npb-$(1)_SRCS := $(wildcard apps/npb/$(1)/*.c) $(npb-$(1)_COMMON)
npb-$(1)_CC := mpicc.mpich
npb-$(1)_CPPFLAGS := -I.
npb-$(1)_CFLAGS := $(NPB_CFLAGS)
npb-$(1)_LIBS := npbcommon -lm
endef
$(foreach b,$(NPB_BENCHMARKS),$(eval $(call npb_program,$(b))))

PROGRAMS += synthetic
synthetic_SRCS := $(wildcard apps/synthetic/*.c)
synthetic_CC := mpicc.mpich
synthetic_CPPFLAGS := -I.
synthetic_CFLAGS := $(NPB_CFLAGS)
synthetic_LIBS := npbcommon -lm

# The rules know C only: the Fortran test program has its own, and `make tests` builds it through TEST_EXTRA.
MPIFORT := mpifort.mpich
FFLAGS_release := -O2 -g
FFLAGS_debug   := -O0 -g -fcheck=all
DV_FFLAGS := -std=f2018 -Wall -Wextra -Wno-compare-reals $(or $(FFLAGS_$(VARIANT)),-O1 -g)

TEST_EXTRA += $(O)/tests/heatf
$(O)/tests/heatf: apps/fortran/heatf.f90 apps/module.mk
	@mkdir -p $(@D) $(O)/obj/heatf
	$(if $(V),,@echo "  FC      $<")
	$(Q)$(MPIFORT) $(DV_FFLAGS) -J $(O)/obj/heatf $< -o $@
