# Images and manifests: writer, reader, chains, verification, the job directory's epochs.
ARCHIVES += dvimage
dvimage_SRCS := $(wildcard framework/image/*.c)
dvimage_CFLAGS := -fPIC
dvimage_SYSTEM := -llz4 -lzstd -lisal -pthread
