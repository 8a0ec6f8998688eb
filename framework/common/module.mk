# Status texts, messages, options, files: what every part of DejaVu uses. Position independent, so that the upper
# half's library may link it as well.
ARCHIVES += dvcommon
dvcommon_SRCS := $(wildcard framework/common/*.c)
dvcommon_CFLAGS := -fPIC
