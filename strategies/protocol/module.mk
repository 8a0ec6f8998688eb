# Protocol strategies: part of the upper half's MPI library (framework/mpi/module.mk), hence position independent and
# without stack protector.
ARCHIVES += dvprotocolstrategies
dvprotocolstrategies_SRCS := $(wildcard strategies/protocol/*.c strategies/protocol/*/*.c)
dvprotocolstrategies_CFLAGS := -fPIC -fno-stack-protector
