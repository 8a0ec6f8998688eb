# Images and manifests: writer, reader, verification, the job directory's epochs.
ARCHIVES += dvimage
dvimage_SRCS := $(wildcard framework/image/*.c)
dvimage_CFLAGS := -fPIC
dvimage_LIBS := dvcommon -pthread
