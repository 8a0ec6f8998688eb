# Images and manifests: writer, reader, chains, verification, the job directory's epochs. What links it needs -llz4 -lzstd.
ARCHIVES += dvimage
dvimage_SRCS := $(wildcard framework/image/*.c)
dvimage_CFLAGS := -fPIC
