/* From an image back into the application: restart, recovery and migration are this one operation.
 *
 * Runs on the lower half's own stack. Once memory is being replaced only lower-half code and data
 * are used. */
#include "capture/lazy.h"
#include "common/fail.h"
#include "common/io.h"
#include "rank/rank.h"
#include "rank/raw.h"
#include "store/store.h"

#include <dejavu/log.h>

#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dv_gate_resume(int outcome) __attribute__((noreturn));

#define MOST_THREADS 4u

/* The image's gate page, before anything is restored: which phase of MPI it was in. */
static enum dv_status read_gate(struct dv_image_chain *chain, struct dv_gate *gate)
{
    static unsigned char page[DV_GATE_BYTES] __attribute__((aligned(4096)));
    enum dv_status status =
        dv_image_chain_load(chain, DV_GATE_BASE, DV_GATE_BASE + DV_GATE_BYTES, page, 1);
    memcpy(gate, page, sizeof *gate);
    if (status == DV_OK && (gate->magic != DV_GATE_MAGIC || gate->abi != DV_GATE_ABI))
        return dv_fail("restore", DV_ERR_MISMATCH, "the image holds no gate page of this version");
    return status;
}

/* How many ranks are on this node. */
static unsigned local_ranks(void)
{
    const char *local =
        getenv("MPI_LOCALNRANKS"); /* from hydra; without it the ranks may be anywhere */
    return local != NULL ? (unsigned)strtoul(local, NULL, 10) : (unsigned)dv_rank.size;
}

static unsigned processors(void)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (unsigned)CPU_COUNT(&allowed) : 1;
}

/* One thread per processor for all ranks of this node together: more of them only get in each other's way. */
static unsigned restore_threads(void)
{
    unsigned ranks = local_ranks(), threads = ranks > 0 ? processors() / ranks : 1;
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

/* Memory comes back in a thread of its own while the main thread starts MPI, if there are processors for both: one works
 * below the split, the other above. MPI waits by spinning, so without a processor to spare it is done first. */
struct memory_job {
    pthread_t thread;
    int started;
    struct dv_image_chain *chain;
    struct dv_lazy *lazy; /* NULL: all is to be loaded */
    struct dv_restored restored;
    enum dv_status status;
    char why[500];
};

static void *memory_thread(void *arg)
{
    struct memory_job *job = arg;
    uint64_t before = dv_now_ns();
    job->status = dv_restore_memory(dv_rank.options.job, job->chain, restore_threads(), job->lazy,
                                    &job->restored);
    dv_rank.read_ns = dv_now_ns() - before;
    if (job->status != DV_OK)
        snprintf(job->why, sizeof job->why, "%s", dv_why());
    return NULL;
}

static void memory_start(struct memory_job *job)
{
    job->started = pthread_create(&job->thread, NULL, memory_thread, job) == 0;
}

static enum dv_status memory_finish(struct memory_job *job)
{
    if (job->started)
        pthread_join(job->thread, NULL);
    else
        memory_thread(job);
    return job->status == DV_OK ? DV_OK : dv_fail_quietly(job->status, "%s", job->why);
}

static enum dv_status restore_memory_and_mpi(struct memory_job *job, const struct dv_gate *gate)
{
    if (gate->phase == 1 && local_ranks() < processors())
        memory_start(job);
    enum dv_status mpi = init_mpi(gate);
    enum dv_status status = memory_finish(job);
    if (status == DV_OK)
        status = mpi;
    if (status == DV_OK)
        status = dv_break_set(job->restored.heap_end ? job->restored.heap_end : DV_BREAK_BASE);
    dv_rank.inherits = !job->restored.copied_files;
    dv_rank.loaded_bytes = job->restored.loaded_bytes;
    dv_rank.lazy_bytes = job->restored.lazy_bytes;
    return status;
}

/* What was mapped was not what had been captured: this process must not go on, and the epoch is of no use. By a signal,
 * since exiting would be taken for the application's own end. */
static void verified(enum dv_status status, const char *why)
{
    if (status == DV_OK) {
        dv_lazy_calls_verified();
        return;
    }
    dv_agent_restore_failed(dv_rank.options.restore_epoch, status, why);
    kill(getpid(), SIGKILL);
}

static enum dv_status restore(struct memory_job *job)
{
    static struct dv_gate gate;
    dv_lower_environment();
    struct dv_image_reader *image = dv_image_chain_head(job->chain);
    char why[256];
    enum dv_status status = dv_identity_check(dv_image_reader_identity(image), why, sizeof why);
    if (status != DV_OK)
        return dv_fail("restore", status, "%s", why);
    status = read_gate(job->chain, &gate);
    dv_rank.image_bytes = dv_image_reader_stats(image)->file_bytes;
    dv_rank.chain_length = dv_image_chain_length(job->chain);
    if (status == DV_OK)
        status = restore_memory_and_mpi(job, &gate);
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
        status = dv_capture_arm(dv_rank.capture, dv_rank.options.restore_epoch);
    /* Files have been cut to their captured sizes: nobody may append to a shared one before all
     * have done so. */
    if (status == DV_OK && gate.phase == 1)
        PMPI_Barrier(MPI_COMM_WORLD);
    return status == DV_OK ? dv_agent_start() : status;
}

/* From here on the chain is no longer needed, or belongs to who checks what was mapped. */
static enum dv_status hand_over(struct memory_job *job)
{
    if (job->lazy != NULL && job->lazy->bytes > 0) {
        dv_lazy_calls_verifying();
        return dv_lazy_verify(job->lazy, job->chain, verified);
    }
    if (job->lazy != NULL)
        dv_lazy_free(job->lazy);
    dv_image_chain_close(job->chain);
    return DV_OK;
}

/* Every rank of this node will want as much as this one. */
static int memory_suffices(const struct dv_image_chain *chain)
{
    uint64_t address, length, wanted = 0;
    unsigned long long available_kib = 0;
    char line[128];
    FILE *info = fopen("/proc/meminfo", "re");
    int found = 0;
    for (size_t i = 0; dv_image_chain_run(chain, i, &address, &length); i++)
        wanted += length;
    while (info != NULL && !found && fgets(line, sizeof line, info) != NULL)
        found = sscanf(line, "MemAvailable: %llu kB", &available_kib) == 1;
    if (info != NULL)
        fclose(info);
    return !found || wanted * local_ranks() < available_kib * 1024;
}

/* Eager is the default: it is nearly as soon ready and the application runs on in huge pages, where a lazy restore makes it
 * take a fault and a copy for every 4 KiB that it writes. ARCHITECTURE.md has the figures. */
static int be_lazy(const struct dv_image_chain *chain)
{
    const char *how = dv_rank.options.restore_how;
    if (strcmp(how, "auto") == 0)
        return !memory_suffices(chain);
    return strcmp(how, "lazy") == 0;
}

static struct memory_job restore_job;

enum dv_status dv_restore_open(void)
{
    static struct dv_lazy lazy;
    uint64_t epoch = dv_rank.options.restore_epoch;
    enum dv_status status =
        dv_image_chain_open(dv_store_locate, (void *)(uintptr_t)dv_rank.options.job, epoch,
                            (uint32_t)dv_rank.rank, &restore_job.chain);
    if (status != DV_OK) {
        dv_agent_restore_failed(epoch, status, dv_why());
        return status;
    }
    dv_rank.options.lazy = be_lazy(restore_job.chain);
    if (dv_rank.options.lazy)
        restore_job.lazy = &lazy;
    return DV_OK;
}

enum dv_status dv_restore_run(void)
{
    enum dv_status status = restore(&restore_job);
    if (status == DV_OK)
        status = hand_over(&restore_job);
    if (status == DV_OK)
        dv_gate_resume(DV_OUTCOME_RESTORED);
    dv_agent_restore_failed(dv_rank.options.restore_epoch, status, dv_why());
    return status;
}
