# The store above image files: manifests, epochs, levels, compaction, pruning, kept files.
ARCHIVES += dvstore
dvstore_SRCS := $(wildcard framework/store/*.c)
dvstore_CFLAGS := -fPIC
dvstore_SYSTEM := -lisal
