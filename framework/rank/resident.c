/* Maps the resident (an ELF image of ours, embedded) into the upper half and fills the gate page.
 */
#include "mpi_fn.h"
#include "rank/guard.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1)
#endif

extern const unsigned char dv_resident_image[], dv_resident_image_end[];
extern void *const dv_mpi_real[DV_FN_COUNT];

uint64_t dv_resident_park_address, dv_resident_deliver_address, dv_resident_restorer_address,
    dv_resident_fault_address, dv_resident_park_guarded_address,
    dv_resident_deliver_guarded_address;

/* Where dv_gate_enter leaves the upper thread pointer of each thread. */
static __thread uint64_t upper_fs __attribute__((tls_model("initial-exec")));

static enum dv_status map_fixed(uint64_t at, size_t bytes)
{
    long got = DV_RAW(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == (long)at)
        return DV_OK;
    dv_error("resident", "cannot map %zu bytes at %#llx: %s", bytes, (unsigned long long)at,
             strerror((int)-got));
    return DV_ERR_SYSTEM;
}

enum dv_status dv_resident_map(void)
{
    size_t bytes = (uintptr_t)dv_resident_image_end - (uintptr_t)dv_resident_image;
    size_t mapped = (bytes + 4095) & ~(size_t)4095;
    enum dv_status status = map_fixed(DV_GATE_BASE, DV_GATE_BYTES);
    if (status == DV_OK)
        status = map_fixed(DV_RESIDENT_BASE, mapped);
    if (status != DV_OK)
        return status;
    memcpy((void *)DV_RESIDENT_BASE, dv_resident_image, bytes);
    DV_RAW(SYS_mprotect, DV_RESIDENT_BASE, mapped, PROT_READ | PROT_EXEC);
    struct dv_gate *gate = DV_GATE;
    gate->magic = DV_GATE_MAGIC;
    gate->abi = DV_GATE_ABI;
    gate->mpi_rank = (uint32_t)dv_rank.rank;
    gate->mpi_size = (uint32_t)dv_rank.size;
    gate->blocked.number = -1;
    strncpy(gate->protocol, dv_rank.options.protocol, sizeof gate->protocol - 1);
    strncpy(gate->protocol_options, dv_rank.options.protocol_options,
            sizeof gate->protocol_options - 1);
    memcpy(gate->program, dv_rank.program, sizeof gate->program);
    return DV_OK;
}

static void note_pid(struct dv_gate *gate)
{
    const uint32_t pid = (uint32_t)getpid();
    if (gate->pid != 0 && gate->pid != pid)
        gate->former_pids[gate->former_pid_count++ % DV_FORMER_PIDS] = gate->pid;
    gate->pid = pid;
}

void dv_gate_fill(void)
{
    struct dv_gate *gate = DV_GATE;
    note_pid(gate);
    uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
    gate->fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
    gate->stop = 0;
    gate->lower = &dv_lower;
    gate->mpi = dv_mpi_real;
    gate->main_lower_fs = dv_fs_get();
    gate->upper_fs_offset = (int64_t)((uint64_t)&upper_fs - gate->main_lower_fs);
    gate->vdso_clock_gettime = vdso ? (void *)dv_elf_symbol(vdso, "__vdso_clock_gettime") : NULL;
    gate->vdso_gettimeofday = vdso ? (void *)dv_elf_symbol(vdso, "__vdso_gettimeofday") : NULL;
    gate->vdso_time = vdso ? (void *)dv_elf_symbol(vdso, "__vdso_time") : NULL;
    gate->vdso_getcpu = vdso ? (void *)dv_elf_symbol(vdso, "__vdso_getcpu") : NULL;
    gate->vdso_clock_getres = vdso ? (void *)dv_elf_symbol(vdso, "__vdso_clock_getres") : NULL;
    dv_resident_park_address = dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_park");
    dv_resident_deliver_address = dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_deliver");
    dv_resident_restorer_address = dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_restorer");
    dv_resident_fault_address = dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_fault");
    dv_resident_park_guarded_address = dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_park_guarded");
    dv_resident_deliver_guarded_address =
        dv_elf_symbol(DV_RESIDENT_BASE, "dv_resident_deliver_guarded");
    dv_guard_fill();
}
