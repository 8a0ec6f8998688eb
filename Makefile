# DejaVu: one non-recursive Makefile. Each folder states what it builds in its module.mk; mk/rules.mk turns that into
# rules. `make help` lists the targets. V=1 shows the commands; VARIANT=debug|asan|ubsan|cov builds beside release.
.DEFAULT_GOAL := all
SHELL := /bin/bash
VARIANT ?= release
O := $(if $(filter release,$(VARIANT)),build,build/$(VARIANT))

include mk/toolchain.mk
include mk/rules.mk

MODULES := framework/common framework/gate framework/image framework/store framework/capture framework/rank framework/mpi \
           framework/control framework/cli framework/tests strategies apps apps/hazards harness framework/tests/bench
include $(wildcard $(addsuffix /module.mk,$(MODULES)))
$(eval $(dv_generate_rules))

include mk/targets.mk
