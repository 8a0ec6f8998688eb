/* From an image back into the application: restart, recovery and migration are this one operation.
 *
 * Runs on the lower half's own stack. Once memory is being replaced only lower-half code and data
 * are used. */
#include "common/fail.h"
#include "common/io.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dv_gate_resume(int outcome) __attribute__((noreturn));

#define MOST_THREADS 4u

/* The image's gate page, before anything is restored: which phase of MPI it was in. */
static enum dv_status read_gate(struct dv_image_reader *image, struct dv_gate *gate)
{
    static unsigned char page[DV_GATE_BYTES] __attribute__((aligned(4096)));
    enum dv_status status =
        dv_image_reader_load(image, DV_GATE_BASE, DV_GATE_BASE + DV_GATE_BYTES, page, 1);
    memcpy(gate, page, sizeof *gate);
    if (status == DV_OK && (gate->magic != DV_GATE_MAGIC || gate->abi != DV_GATE_ABI))
        return dv_fail("restore", DV_ERR_MISMATCH, "the image holds no gate page of this version");
    return status;
}

/* One thread per processor for all ranks of this node together: more of them only get in each other's way. */
static unsigned restore_threads(void)
{
    cpu_set_t allowed;
    const char *local =
        getenv("MPI_LOCALNRANKS"); /* from hydra; without it the ranks may be anywhere */
    unsigned ranks = local != NULL ? (unsigned)strtoul(local, NULL, 10) : (unsigned)dv_rank.size;
    unsigned processors =
        sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (unsigned)CPU_COUNT(&allowed) : 1;
    unsigned threads = ranks > 0 ? processors / ranks : 1;
    if (threads > MOST_THREADS)
        return MOST_THREADS;
    return threads > 0 ? threads : 1;
}

static enum dv_status init_mpi(const struct dv_gate *gate)
{
    uint64_t before = dv_now_ns();
    int provided = 0, size = 0;
    if (gate->phase != 1)
        return DV_OK;
    if (PMPI_Init_thread(NULL, NULL, gate->thread_required, &provided) != MPI_SUCCESS)
        return dv_fail("restore", DV_ERR_SYSTEM, "MPI_Init_thread failed in the new process");
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != dv_rank.size)
        return dv_fail("restore", DV_ERR_MISMATCH,
                       "MPI_COMM_WORLD has %d ranks, the job %d: is mpiexec MPICH's?", size,
                       dv_rank.size);
    dv_rank.mpi_init_ns = dv_now_ns() - before;
    return DV_OK;
}

/* The kernel's view of the main thread. The id that libc caches stays what it was when the process was first started:
 * mutexes that the application holds are marked with it (placement.c translates it where libc gives it to the kernel). */
static void restore_thread(void)
{
    struct dv_gate *gate = DV_GATE;
    if (gate->tid_address != 0)
        DV_RAW(SYS_set_tid_address, gate->tid_address);
    if (gate->sleep_deadline_ns > 0)
        gate->sleep_deadline_ns += (int64_t)dv_now_ns() - gate->captured_ns;
    /* A signal may come before the first gate entry has noted it. */
    *(uint64_t *)(gate->main_lower_fs + (uint64_t)gate->upper_fs_offset) = gate->context.fs;
}

static enum dv_status restore(struct dv_image_reader *image)
{
    static struct dv_gate gate;
    struct dv_restored restored = {0};
    char why[256];
    enum dv_status status = dv_identity_check(dv_image_reader_identity(image), why, sizeof why);
    if (status != DV_OK)
        return dv_fail("restore", status, "%s", why);
    status = read_gate(image, &gate);
    if (status == DV_OK)
        status = init_mpi(&gate);
    dv_rank.image_bytes = dv_image_reader_stats(image)->file_bytes;
    uint64_t before = dv_now_ns();
    if (status == DV_OK)
        status = dv_restore_memory(image, restore_threads(), &restored);
    if (status == DV_OK)
        status = dv_break_set(restored.heap_end ? restored.heap_end : DV_BREAK_BASE);
    dv_rank.read_ns = dv_now_ns() - before;
    if (status != DV_OK)
        return status;
    DV_GATE->restarts++;
    dv_gate_fill();
    dv_rank.stack_start = DV_GATE->stack_start;
    dv_rank.stack_end = DV_GATE->stack_end;
    restore_thread();
    dv_signals_restore();
    status = dv_restore_process(image, dv_rank.lower_fd_base, dv_rank.stdio, NULL);
    if (status == DV_OK)
        status = dv_capture_arm(dv_rank.capture);
    /* Files have been cut to their captured sizes: nobody may append to a shared one before all
     * have done so. */
    if (status == DV_OK && gate.phase == 1)
        PMPI_Barrier(MPI_COMM_WORLD);
    return status == DV_OK ? dv_agent_start() : status;
}

enum dv_status dv_restore_run(void)
{
    char path[4096];
    uint64_t epoch = dv_rank.options.restore_epoch;
    struct dv_image_reader *image = NULL;
    snprintf(path, sizeof path, "%s/epochs/%06llu/rank-%d.dvi", dv_rank.options.job,
             (unsigned long long)epoch, dv_rank.rank);
    enum dv_status status = dv_image_reader_open(path, &image);
    if (status == DV_OK)
        status = restore(image);
    dv_image_reader_close(image);
    if (status == DV_OK)
        dv_gate_resume(DV_OUTCOME_RESTORED);
    dv_agent_restore_failed(epoch, status, dv_why());
    return status;
}
