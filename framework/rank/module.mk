# dejavu-rank, the lower half: linked with the real MPICH; its own definitions (open, socket, pthread_create ...) stand
# before libc's for all its libraries, hence -rdynamic. And the resident, embedded in it.
RESIDENT := $(O)/gen/resident.so
RESIDENT_SRCS := framework/rank/resident/resident.c framework/gate/capture.c framework/gate/entry.S
$(RESIDENT): $(RESIDENT_SRCS) framework/rank/resident/resident.lds framework/gate/gate.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK    $@")
	$(Q)$(CC) $(DV_CPPFLAGS) -std=gnu11 $(WARNINGS) -O2 -g -fPIC -ffreestanding -fno-stack-protector -fvisibility=hidden \
	    -mgeneral-regs-only -fcf-protection=none -shared -nostdlib -Wl,-T,framework/rank/resident/resident.lds \
	    -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,-z,noexecstack -Wl,--build-id=none -Wl,-Bsymbolic \
	    -Wl,--eh-frame-hdr $(RESIDENT_SRCS) -o $@

PROGRAMS += dejavu-rank
dejavu-rank_SRCS := $(wildcard framework/rank/*.c) framework/rank/raw.S framework/rank/start.S \
                    framework/rank/resident_image.S framework/gate/entry.S
dejavu-rank_CC := $(MPICC)
dejavu-rank_CPPFLAGS := $(MPICH_CPPFLAGS) -DDV_RESIDENT_FILE='"$(RESIDENT)"'
dejavu-rank_CFLAGS := -fPIE -fno-stack-protector
dejavu-rank_LDFLAGS := -pie -rdynamic
dejavu-rank_DEPS := $(O)/gen/mpi_fn.h $(RESIDENT)
dejavu-rank_LIBS := dvcontrol dvmpitable dvcapture dvcapturestrategies dvstore dvimage dvcommon -lxxhash -lpthread -ldl
