# Hazards: each program does one thing that a checkpoint could break. Those directly here are single processes without
# MPI; those in mpi/ are MPI programs. They are built as any user would build them and know nothing of DejaVu.
ARCHIVES += hazardcommon
hazardcommon_SRCS := apps/hazards/hazard.c
hazardcommon_CPPFLAGS := -I.

ARCHIVES += hazardchurn
hazardchurn_SRCS := $(wildcard apps/hazards/churn/*.c)
hazardchurn_CPPFLAGS := -I.

DV_HAZARDS := $(filter-out hazard,$(basename $(notdir $(wildcard apps/hazards/*.c))))
TEST_PROGRAMS += $(addprefix hazard-,$(DV_HAZARDS))
define dv_hazard
hazard-$(1)_SRCS := apps/hazards/$(1).c
hazard-$(1)_CPPFLAGS := -I.
hazard-$(1)_LIBS := hazardcommon -lm -pthread
endef
$(foreach h,$(DV_HAZARDS),$(eval $(call dv_hazard,$(h))))
hazard-churn_LIBS := hazardchurn hazardcommon
hazard-fixed_CFLAGS := -fno-pie
hazard-fixed_LDFLAGS := -no-pie

DV_MPI_HAZARDS := $(basename $(notdir $(wildcard apps/hazards/mpi/*.c)))
TEST_PROGRAMS += $(addprefix hazard-mpi-,$(DV_MPI_HAZARDS))
define dv_mpi_hazard
hazard-mpi-$(1)_SRCS := apps/hazards/mpi/$(1).c
hazard-mpi-$(1)_CC := mpicc.mpich
hazard-mpi-$(1)_CPPFLAGS := -I.
hazard-mpi-$(1)_LIBS := hazardcommon
endef
$(foreach h,$(DV_MPI_HAZARDS),$(eval $(call dv_mpi_hazard,$(h))))
hazard-mpi-churn_LIBS := hazardchurn hazardcommon

# The rules know C only; without a C++ compiler its test is skipped.
ifneq ($(shell command -v g++),)
TEST_EXTRA += $(O)/tests/hazard-exceptions
endif
$(O)/tests/hazard-exceptions: apps/hazards/exceptions.cc apps/hazards/module.mk
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CXX     $<")
	$(Q)g++ -std=c++17 -Wall -Wextra -Wshadow -Wconversion -O2 -g $< -o $@ -pthread
