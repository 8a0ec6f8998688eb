/* Writing what a take has kept; see job.h. The path from dv_job_write_pages down runs in a forked child of a process with
 * threads, too: it allocates nothing and takes no lock. */
#include "capture/job.h"
#include "common/fail.h"
#include "common/io.h"
#include "gate/gate.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOUNCE_BYTES (1024u * 1024u)
/* What a child has written it gives back in steps of this: a page that it does not map any more is not copied when the
 * application writes to it. */
#define GIVE_BACK_BYTES (2u * 1024u * 1024u)

/* What a forked writer is told, and says of its work; in shared memory. */
struct dv_shared_result {
    uint32_t go; /* futex: the application runs again */
    int done;
    enum dv_status status;
    struct dv_image_stats stats;
    uint64_t write_ns, sync_ns;
    char why[900];
};

/* A pass over the pages. */
struct pass {
    struct dv_capture_job *job;
    size_t region;  /* the one that the last page was in */
    size_t kept_at; /* how far the kept pages are used up */
    uint64_t given_back;
    int in_child;
};

enum dv_status dv_job_result_new(struct dv_capture_job *job)
{
    job->result = dv_shared_alloc(sizeof *job->result);
    if (job->result)
        return DV_OK;
    return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to hear from the writing process");
}

static int filter(void *arg, uint64_t address, const void *bytes)
{
    const struct dv_capture_job *job = arg;
    int changed = job->strategy->ops->changed(job->strategy, address, bytes);
    return changed || !job->inherits;
}

static enum dv_status cannot_read(const struct dv_region *region, uint64_t address)
{
    return dv_fail("capture", DV_ERR_UNSUPPORTED, "cannot read %#llx in the mapping %llx-%llx %s%s",
                   (unsigned long long)address, (unsigned long long)region->start,
                   (unsigned long long)region->end, region->path,
                   region->flags & DV_REGION_READ
                       ? ""
                       : ", which is not readable; boot without proc_mem.force_override=");
}

/* Write pages that must not be written from where they are: unreadable, or changing meanwhile (the
 * image's checksum and its bytes must be of the same moment). */
static enum dv_status write_bounced(struct dv_capture_job *job, const struct dv_region *region,
                                    uint64_t start, uint64_t end)
{
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        size_t length = end - start < BOUNCE_BYTES ? (size_t)(end - start) : BOUNCE_BYTES, got = 0;
        status = dv_memory_read(start, job->bounce, length, &got);
        if (status == DV_OK && got != length)
            status = cannot_read(region, start + got);
        if (status == DV_OK)
            status = dv_image_write_pages(job->writer, start, length, job->bounce);
        start += length;
    }
    return status;
}

/* Where bouncing must begin or end inside [start, end): the next such address behind `start`. */
static uint64_t next_boundary(const struct dv_capture_job *job, uint64_t start, uint64_t end)
{
    const uint64_t boundaries[] = {DV_GATE_BASE, DV_GATE_BASE + DV_GATE_BYTES, job->volatile_start,
                                   job->volatile_end};
    for (size_t i = 0; i < sizeof boundaries / sizeof boundaries[0]; i++)
        if (boundaries[i] > start && boundaries[i] < end)
            end = boundaries[i];
    return end;
}

static int is_volatile(const struct dv_capture_job *job, uint64_t address)
{
    return (address >= DV_GATE_BASE && address < DV_GATE_BASE + DV_GATE_BYTES) ||
           (address >= job->volatile_start && address < job->volatile_end);
}

static enum dv_status write_stopped(struct pass *pass, const struct dv_region *region,
                                    uint64_t start, uint64_t end)
{
    struct dv_capture_job *job = pass->job;
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        uint64_t stop = next_boundary(job, start, end);
        if (dv_snapshot_must_copy(region) || is_volatile(job, start))
            status = write_bounced(job, region, start, stop);
        else
            status = dv_image_write_pages(job->writer, start, stop - start,
                                          (const void *)(uintptr_t)start);
        start = stop;
    }
    return status;
}

static enum dv_status write_kept(struct pass *pass, uint64_t start, uint64_t end)
{
    const char *source = pass->job->kept + pass->kept_at;
    pass->kept_at += end - start;
    return dv_image_write_pages(pass->job->writer, start, end - start, source);
}

static enum dv_status write_forked(struct pass *pass, uint64_t start, uint64_t end)
{
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        uint64_t stop = end - start < GIVE_BACK_BYTES ? end : start + GIVE_BACK_BYTES;
        status = dv_image_write_pages(pass->job->writer, start, stop - start,
                                      (const void *)(uintptr_t)start);
        if (pass->in_child)
            madvise((void *)(uintptr_t)start, stop - start, MADV_DONTNEED);
        start = stop;
    }
    return status;
}

static enum dv_status write_range(struct pass *pass, const struct dv_region *region, uint64_t start,
                                  uint64_t end)
{
    switch (pass->job->keep) {
    case DV_KEEP_COPY:
        return write_kept(pass, start, end);
    case DV_KEEP_FORK:
        return dv_snapshot_must_copy(region) ? write_kept(pass, start, end)
                                             : write_forked(pass, start, end);
    default:
        return write_stopped(pass, region, start, end);
    }
}

/* Pages [start, end) to be written, cut along the regions. */
static enum dv_status write_run(struct pass *pass, uint64_t start, uint64_t end)
{
    struct dv_capture_job *job = pass->job;
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        size_t before = pass->region;
        while (job->maps.regions[pass->region].end <= start)
            pass->region++;
        if (pass->region != before)
            dv_image_writer_next_region(job->writer);
        const struct dv_region *region = &job->maps.regions[pass->region];
        uint64_t stop = end < region->end ? end : region->end;
        if (__atomic_load_n(&job->cancelled, __ATOMIC_RELAXED))
            return dv_fail_quietly(DV_ERR_ABORTED, "the checkpoint was given up");
        status = write_range(pass, region, start, stop);
        start = stop;
    }
    return status;
}

/* Both sets ascend and have nothing in common. */
static enum dv_status write_both_sets(struct pass *pass)
{
    const struct dv_page_set *pages = &pass->job->pages, *inherit = &pass->job->inherit;
    enum dv_status status = DV_OK;
    size_t p = 0, i = 0;
    while (status == DV_OK && (p < pages->count || i < inherit->count)) {
        if (i == inherit->count ||
            (p < pages->count && pages->ranges[p].start < inherit->ranges[i].start)) {
            status = write_run(pass, pages->ranges[p].start, pages->ranges[p].end);
            p++;
        } else {
            status = dv_image_write_inherited(pass->job->writer, inherit->ranges[i].start,
                                              inherit->ranges[i].end - inherit->ranges[i].start);
            i++;
        }
    }
    return status;
}

static enum dv_status write_all(struct dv_capture_job *job, int in_child,
                                struct dv_image_stats *stats)
{
    struct pass pass = {.job = job, .in_child = in_child};
    if (job->strategy->ops->changed)
        dv_image_writer_filter(job->writer, filter, job);
    enum dv_status status = dv_image_writer_begin(job->writer);
    if (status == DV_OK)
        status = write_both_sets(&pass);
    if (status == DV_OK)
        status = dv_image_writer_finish(job->writer, stats);
    return status;
}

enum dv_status dv_job_write_pages(struct dv_capture_job *job, struct dv_image_stats *stats)
{
    return write_all(job, 0, stats);
}

/* ---- the forked child ---------------------------------------------------- */

static enum dv_status not_inherited(const struct dv_region *region)
{
    return dv_fail(
        "capture", DV_ERR_UNSUPPORTED,
        "the mapping %llx-%llx %s is not inherited by a forked process (MADV_DONTFORK or "
        "MADV_WIPEONFORK), so that it cannot be written by one; use --snapshot copy",
        (unsigned long long)region->start, (unsigned long long)region->end, region->path);
}

/* A region that the application keeps from its children (MADV_DONTFORK, MADV_WIPEONFORK) is not here as it was: its first
 * page that was populated tells; of a mapping of an image, which need not have pages, that it is there. */
static enum dv_status check_region(const struct dv_region *region, uint64_t page, int pagemap)
{
    uint64_t entry = 0;
    size_t got = 0;
    if (region->flags & (DV_REGION_FILE | DV_REGION_SHARED))
        return DV_OK;
    if (region->flags & DV_REGION_LAZY)
        return msync((void *)(uintptr_t)page, DV_PAGE_BYTES, MS_ASYNC) == 0 ? DV_OK
                                                                            : not_inherited(region);
    enum dv_status status =
        dv_pread_full(pagemap, &entry, sizeof entry, page / DV_PAGE_BYTES * sizeof entry, &got);
    if (status == DV_OK && got == sizeof entry && (entry >> 62) != 0)
        return DV_OK;
    return not_inherited(region);
}

static enum dv_status check_regions(const struct dv_capture_job *job)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open /proc/self/pagemap: %s",
                       strerrordesc_np(errno));
    enum dv_status status = DV_OK;
    size_t at = 0, checked = SIZE_MAX;
    for (size_t i = 0; i < job->populated.count && status == DV_OK; i++) {
        struct dv_page_run run = job->populated.ranges[i];
        while (run.start < run.end && status == DV_OK) { /* it may reach over several regions */
            while (job->maps.regions[at].end <= run.start)
                at++;
            if (at != checked)
                status = check_region(&job->maps.regions[at], run.start, pagemap);
            checked = at;
            run.start = job->maps.regions[at].end;
        }
    }
    close(pagemap);
    return status;
}

/* While some ranks still stand, the processors are theirs. */
static void wait_for_go(struct dv_shared_result *result)
{
    while (!__atomic_load_n(&result->go, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &result->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void let_go(struct dv_shared_result *result)
{
    __atomic_store_n(&result->go, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &result->go, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void dv_job_child(struct dv_capture_job *job, pid_t parent)
{
    struct dv_shared_result *result = job->result;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        kill(getpid(), SIGKILL);
    /* Copies of sockets and pipes would keep their other ends from seeing that the rank has ended. */
    syscall(SYS_close_range, 0u, ~0u, 0u);
    prctl(PR_SET_NAME, "dejavu-writer");
    wait_for_go(result);
    uint64_t t0 = dv_now_ns();
    enum dv_status status = check_regions(job);
    if (status == DV_OK)
        status = write_all(job, 1, &result->stats);
    uint64_t t1 = dv_now_ns();
    if (status == DV_OK)
        status = dv_image_writer_commit(job->writer);
    result->write_ns = t1 - t0;
    result->sync_ns = dv_now_ns() - t1;
    result->status = status;
    if (status != DV_OK)
        snprintf(result->why, sizeof result->why, "%s", dv_why());
    __atomic_store_n(&result->done, 1, __ATOMIC_RELEASE);
    /* Not exit: nothing of this process's past is this child's to clean up. */
    syscall(SYS_exit_group, 0);
    for (;;)
        kill(getpid(), SIGKILL);
}

static enum dv_status wait_for_child(struct dv_capture_job *job, struct dv_capture_figures *figures)
{
    int wait_status = 0;
    struct dv_shared_result *result = job->result;
    let_go(result);
    while (waitpid(job->child, &wait_status, __WALL) < 0 && errno == EINTR)
        ;
    job->child = 0;
    if (__atomic_load_n(&job->cancelled, __ATOMIC_RELAXED))
        return dv_fail_quietly(DV_ERR_ABORTED, "the checkpoint was given up");
    if (!__atomic_load_n(&result->done, __ATOMIC_ACQUIRE))
        return dv_fail("capture", DV_ERR_SYSTEM, "the process that wrote the image %s%d",
                       WIFSIGNALED(wait_status) ? "was ended by signal " : "ended with status ",
                       WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : wait_status >> 8);
    figures->write_ns += result->write_ns;
    figures->sync_ns += result->sync_ns;
    figures->image = result->stats;
    if (result->status == DV_ERR_UNSUPPORTED)
        dv_snapshot_fork_failed();
    if (result->status != DV_OK)
        return dv_fail("capture", result->status, "%s", result->why);
    return DV_OK;
}

/* ---- from outside -------------------------------------------------------- */

static enum dv_status write_here(struct dv_capture_job *job, struct dv_capture_figures *figures)
{
    enum dv_status status = DV_OK;
    uint64_t t0 = dv_now_ns();
    if (!job->written)
        status = dv_job_write_pages(job, &figures->image);
    uint64_t t1 = dv_now_ns();
    figures->write_ns += t1 - t0;
    if (status != DV_OK)
        return status;
    status = dv_image_writer_commit(job->writer);
    job->writer = NULL;
    figures->sync_ns += dv_now_ns() - t1;
    return status;
}

enum dv_status dv_capture_write(struct dv_capture_job *job, struct dv_capture_figures *figures)
{
    enum dv_status status = job->child ? wait_for_child(job, figures) : write_here(job, figures);
    if (status == DV_OK && job->oracle)
        status = dv_oracle_compare(job, &figures->oracle_pages);
    return status;
}

void dv_capture_cancel(struct dv_capture_job *job)
{
    __atomic_store_n(&job->cancelled, 1, __ATOMIC_RELAXED);
    if (job->child)
        kill(job->child, SIGKILL);
    else if (job->writer)
        dv_image_writer_cancel(job->writer);
}

void dv_capture_discard(struct dv_capture_job *job)
{
    if (!job)
        return;
    if (job->child) {
        kill(job->child, SIGKILL);
        while (waitpid(job->child, NULL, __WALL) < 0 && errno == EINTR)
            ;
    }
    dv_image_writer_abort(job->writer);
    if (job->kept_is_own && job->kept)
        munmap(job->kept, job->kept_bytes);
    dv_shared_free(job->result, sizeof *job->result);
    dv_page_set_free(&job->pages);
    dv_page_set_free(&job->inherit);
    dv_page_set_free(&job->populated);
    free(job->data_end);
    dv_maps_free(&job->maps);
    free(job->bounce);
    free(job);
}
