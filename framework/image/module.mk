# Image files: format, codecs, writer, reader, chains.
ARCHIVES += dvimage
dvimage_SRCS := $(wildcard framework/image/*.c)
dvimage_CFLAGS := -fPIC
dvimage_SYSTEM := -llz4 -lzstd -pthread
