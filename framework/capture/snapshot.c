/* Keeping pages while the application goes on: copying them to memory that is there already, or forking a child.
 *
 *      copy   stall = bytes x copy         then nothing more
 *      fork   stall = page tables x fork   then the application copies each page that it writes to while the child lives,
 *                                          about ten times as dear as copying it here
 *      stop   stall = all of the writing   then nothing more
 *
 * So copying is better as long as the stall allows it. What things cost is measured when the process starts and again with
 * every epoch, since other ranks share the memory bus. */
#include "capture/job.h"
#include "capture/stream_copy.h"
#include "common/background.h"
#include "common/fail.h"
#include "common/io.h"

#include <dejavu/log.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#define MEASURE_BYTES (4u << 20)
#define MEASURE_COW_BYTES (1u << 20)
#define HUGE_PAGE_BYTES (2u << 20)
/* A copy may not take more of the host's memory than one part in this many. */
#define SHADOW_PART 8u
#define READY_STEP_BYTES HUGE_PAGE_BYTES
#define TRIES 3

/* Where pages are copied to; kept from epoch to epoch. Not inherited by forked children. The lock is for the thread that makes
 * it ready, which gives it up every few milliseconds. */
static struct {
    pthread_mutex_t lock;
    char *base;
    size_t bytes, ready; /* mapped; of these, there already */
    size_t wanted;       /* for the next epoch */
    size_t last;         /* what the last epoch would have needed */
} shadow = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* First values: as measured on the machine this was developed on. A page that is not there yet has to be found and zeroed
 * before it is copied to, which takes several times as long. */
#define COPY_NS_PER_BYTE 0.08
#define NEW_NS_PER_BYTE 0.4
#define FORK_NS_PER_PAGE 100
#define COW_NS_PER_PAGE 2200
struct costs {
    double copy_ns_per_byte, fork_ns, fork_ns_per_page, cow_ns_per_page;
};
static struct costs measured = {
    .copy_ns_per_byte = COPY_NS_PER_BYTE,
    .fork_ns = 500e3,
    .fork_ns_per_page = FORK_NS_PER_PAGE,
    .cow_ns_per_page = COW_NS_PER_PAGE,
};
static struct costs costs; /* as seen lately */
static int fork_fails;

void dv_snapshot_fork_failed(void)
{
    __atomic_store_n(&fork_fails, 1, __ATOMIC_RELAXED);
}

int dv_snapshot_must_copy(const struct dv_region *region)
{
    /* What is a file's, in a private mapping too, changes under the child when the file is written. */
    return (region->flags & (DV_REGION_SHARED | DV_REGION_FILE)) ||
           !(region->flags & DV_REGION_READ);
}

/* ---- what it costs ------------------------------------------------------- */

/* A child with a copy of the memory, and no exit signal: the application does not hear of it, nor does its wait(). */
static pid_t fork_quietly(void)
{
    return (pid_t)syscall(SYS_clone, 0ul, 0ul, 0ul, 0ul, 0ul);
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

static pid_t fork_idle(void)
{
    pid_t parent = getpid(), child = fork_quietly();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        for (;;)
            kill(getpid(), SIGKILL);
    }
    if (child < 0)
        dv_snapshot_fork_failed();
    return child;
}

static double measure_fork(void *unused)
{
    (void)unused;
    uint64_t before = dv_now_ns();
    pid_t child = fork_idle();
    uint64_t after = dv_now_ns();
    if (child < 0)
        return 0;
    end_child(child);
    return (double)(after - before);
}

/* Writing to memory that a child has, too. */
static double measure_cow(void *arg)
{
    volatile char *memory = arg;
    pid_t child = fork_idle();
    if (child < 0)
        return 0;
    uint64_t before = dv_now_ns();
    for (size_t at = 0; at < MEASURE_COW_BYTES; at += DV_PAGE_BYTES)
        memory[at] = 2;
    uint64_t after = dv_now_ns();
    end_child(child);
    return (double)(after - before);
}

/* The least of a few: anything more is another process's doing. */
static double least_of(double (*measure)(void *), void *arg)
{
    double least = measure(arg);
    for (int i = 1; i < TRIES; i++) {
        double once = measure(arg);
        if (once < least)
            least = once;
    }
    return least;
}

static double measure_copy(void *arg)
{
    char *memory = arg;
    uint64_t before = dv_now_ns();
    dv_stream_copy(memory + MEASURE_BYTES, memory, MEASURE_BYTES, NULL);
    return (double)(dv_now_ns() - before);
}

void dv_snapshot_measure(void)
{
    char *memory =
        mmap(NULL, 2 * MEASURE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    madvise(memory, MEASURE_BYTES, MADV_NOHUGEPAGE);
    double small = least_of(measure_fork, NULL);
    memset(memory, 1, 2 * MEASURE_BYTES);
    const size_t pages = 2 * (size_t)MEASURE_BYTES / DV_PAGE_BYTES;
    double large = least_of(measure_fork, NULL);
    /* So few bytes and page tables stay in the cache, which says what memory is at least as slow as. */
    measured.copy_ns_per_byte = least_of(measure_copy, memory) / MEASURE_BYTES;
    if (measured.copy_ns_per_byte < COPY_NS_PER_BYTE)
        measured.copy_ns_per_byte = COPY_NS_PER_BYTE;
    double cow = least_of(measure_cow, memory);
    munmap(memory, 2 * MEASURE_BYTES);
    if (cow > 0)
        measured.cow_ns_per_page = cow / MEASURE_COW_BYTES * DV_PAGE_BYTES;
    measured.fork_ns = small;
    if (large > small)
        measured.fork_ns_per_page = (large - small) / (double)pages;
    if (measured.fork_ns_per_page < FORK_NS_PER_PAGE)
        measured.fork_ns_per_page = FORK_NS_PER_PAGE;
    costs = measured;
    dv_debug(
        "capture",
        "copying costs %.3f ns per byte, forking %.0f us and %.0f ns per page, and %.0f ns per "
        "page that is written afterwards",
        costs.copy_ns_per_byte, costs.fork_ns / 1e3, costs.fork_ns_per_page, costs.cow_ns_per_page);
}

void dv_snapshot_cost(struct dv_keep_cost *cost)
{
    *cost = (struct dv_keep_cost){.copy_ns = costs.copy_ns_per_byte * DV_PAGE_BYTES,
                                  .fork_ns = costs.fork_ns_per_page,
                                  .cow_ns = costs.cow_ns_per_page};
}

/* Half of what is seen now, half of what was known. */
static void learn(double *known, double seen)
{
    *known = (*known + seen) / 2;
}

/* What was not done this time is believed a little less to be as dear as it was the last time: the machine may have been busy
 * with something else then. */
static void forgive(double *known, double base)
{
    *known = (3 * *known + base) / 4;
}

/* ---- the shadow ---------------------------------------------------------- */

static size_t shadow_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (size_t)pages / SHADOW_PART * DV_PAGE_BYTES : (size_t)1 << 30;
}

static void shadow_drop(void)
{
    if (shadow.base)
        munmap(shadow.base, shadow.bytes);
    shadow.base = NULL;
    shadow.bytes = shadow.ready = 0;
}

static enum dv_status shadow_grow(size_t bytes)
{
    if (bytes <= shadow.bytes)
        return DV_OK;
    shadow_drop();
    bytes = (bytes + bytes / 4 + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return dv_fail_quietly(DV_ERR_NO_MEMORY, "no memory for a copy of %zu bytes: %s", bytes,
                               strerror(errno));
    madvise(base, bytes, MADV_HUGEPAGE);
    madvise(base, bytes, MADV_DONTFORK);
    madvise(base, bytes, MADV_DONTDUMP);
    shadow.base = base;
    shadow.bytes = bytes;
    return DV_OK;
}

/* One step; 1 if there is more to do. */
static int make_ready(void)
{
    if (shadow.wanted == 0)
        shadow_drop();
    if (shadow.wanted == 0 || shadow_grow(shadow.wanted) != DV_OK)
        return 0;
    /* A little more than last time. */
    size_t ready = shadow.wanted + shadow.wanted / 8;
    if (ready > shadow.bytes)
        ready = shadow.bytes;
    if (ready <= shadow.ready)
        return 0;
    size_t step = ready - shadow.ready < READY_STEP_BYTES ? ready - shadow.ready : READY_STEP_BYTES;
    /* Older kernels lack this: then the next copy makes the pages. */
    if (madvise(shadow.base + shadow.ready, step, MADV_POPULATE_WRITE) != 0)
        return 0;
    shadow.ready += step;
    return 1;
}

void dv_capture_make_ready(void)
{
    int more = 1;
    while (more && !dv_background_halted()) {
        pthread_mutex_lock(&shadow.lock);
        more = make_ready();
        pthread_mutex_unlock(&shadow.lock);
    }
}

/* ---- keeping ------------------------------------------------------------- */

/* `next`: where the range begins that comes after this one. */
static enum dv_status copy_range(const struct dv_region *region, uint64_t start, uint64_t end,
                                 char *to, uint64_t next)
{
    size_t length = end - start, got = 0;
    if (region->flags & DV_REGION_READ && !(region->flags & (DV_REGION_FILE | DV_REGION_SHARED))) {
        dv_stream_copy(to, (const void *)(uintptr_t)start, length, (const void *)(uintptr_t)next);
        return DV_OK;
    }
    enum dv_status status = dv_memory_read(start, to, length, &got);
    uint64_t stop = start + got;
    if (status == DV_OK && got != length)
        status =
            dv_fail("capture", DV_ERR_UNSUPPORTED, "cannot read %#llx in the mapping %llx-%llx %s",
                    (unsigned long long)stop, (unsigned long long)region->start,
                    (unsigned long long)region->end, region->path);
    return status;
}

/* Copy all pages to be written, or only those that have to be, one behind the other. `*bytes`: how many; with `to` NULL they
 * are only counted. */
static enum dv_status copy_pages(const struct dv_capture_job *job, int all, char *to, size_t *bytes)
{
    enum dv_status status = DV_OK;
    size_t at = 0;
    *bytes = 0;
    for (size_t i = 0; i < job->pages.count && status == DV_OK; i++) {
        struct dv_page_run range = job->pages.ranges[i];
        uint64_t next = i + 1 < job->pages.count ? job->pages.ranges[i + 1].start : 0;
        while (range.start < range.end && status == DV_OK) {
            while (job->maps.regions[at].end <= range.start)
                at++;
            const struct dv_region *region = &job->maps.regions[at];
            uint64_t end = range.end < region->end ? range.end : region->end;
            if (all || dv_snapshot_must_copy(region)) {
                if (to)
                    status = copy_range(region, range.start, end, to + *bytes, next);
                *bytes += end - range.start;
            }
            range.start = end;
        }
    }
    return status;
}

/* With the shadow's lock held. */
static enum dv_status keep_by_copy(struct dv_capture_job *job, size_t bytes)
{
    enum dv_status status = shadow_grow(bytes);
    if (status != DV_OK)
        return status;
    uint64_t before = dv_now_ns();
    int was_ready = bytes <= shadow.ready;
    job->kept = shadow.base;
    status = copy_pages(job, 1, shadow.base, &bytes);
    if (bytes > shadow.ready)
        shadow.ready = bytes;
    if (was_ready && bytes >= MEASURE_BYTES)
        learn(&costs.copy_ns_per_byte, (double)(dv_now_ns() - before) / (double)bytes);
    return status;
}

/* Signals of the application are not for the child. */
static pid_t fork_writer(struct dv_capture_job *job)
{
    uint64_t every = ~0ull, old = 0;
    pid_t parent = getpid();
    /* Not libc's function, which leaves its own signals out. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every, &old, sizeof every);
    pid_t child = fork_quietly();
    if (child == 0)
        dv_job_child(job, parent);
    int error = errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
    errno = error;
    return child;
}

static enum dv_status keep_by_fork(struct dv_capture_job *job, uint64_t resident_pages)
{
    size_t bytes = 0;
    enum dv_status status = copy_pages(job, 0, NULL, &bytes);
    if (status == DV_OK && bytes) {
        job->kept = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (job->kept == MAP_FAILED) {
            job->kept = NULL;
            return dv_fail("capture", DV_ERR_NO_MEMORY,
                           "no memory to copy %zu bytes of shared memory", bytes);
        }
        job->kept_bytes = bytes;
        job->kept_is_own = 1;
        status = copy_pages(job, 0, job->kept, &bytes);
    }
    if (status == DV_OK)
        status = dv_job_result_new(job);
    if (status != DV_OK)
        return status;
    uint64_t before = dv_now_ns();
    pid_t child = fork_writer(job);
    if (child < 0)
        return dv_fail_quietly(DV_ERR_SYSTEM, "cannot fork a process to write the image: %s",
                               strerror(errno));
    job->child = child;
    double took = (double)(dv_now_ns() - before) - costs.fork_ns;
    if (took > 0 && resident_pages > 4096)
        learn(&costs.fork_ns_per_page, took / (double)resident_pages);
    return DV_OK;
}

static uint64_t set_bytes(const struct dv_page_set *set)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < set->count; i++)
        bytes += set->ranges[i].end - set->ranges[i].start;
    return bytes;
}

static double fork_cost(uint64_t resident_pages)
{
    return costs.fork_ns + (double)resident_pages * costs.fork_ns_per_page;
}

/* Is a copy that takes so long to be preferred to forking? */
static int copy_pays(const struct dv_capture_request *request, double copy_ns, double fork_ns)
{
    return copy_ns <= fork_ns || copy_ns <= (double)request->stall_target_ns;
}

static enum dv_keep choose(const struct dv_capture_job *job,
                           const struct dv_capture_request *request, uint64_t bytes,
                           uint64_t resident_pages)
{
    uint64_t new_bytes = bytes > shadow.ready ? bytes - shadow.ready : 0;
    double copy_ns = (double)bytes * costs.copy_ns_per_byte + (double)new_bytes * NEW_NS_PER_BYTE,
           fork_ns = fork_cost(resident_pages);
    int fits = bytes <= shadow_limit();
    enum dv_keep keep = fits && copy_pays(request, copy_ns, fork_ns) ? DV_KEEP_COPY : DV_KEEP_FORK;
    if (keep == DV_KEEP_FORK && __atomic_load_n(&fork_fails, __ATOMIC_RELAXED))
        keep = fits ? DV_KEEP_COPY : DV_KEEP_STOP;
    job->strategy->core->decided("snapshot=%s bytes=%llu resident_pages=%llu copy_ns=%.0f "
                                 "fork_ns=%.0f target_ns=%.0f",
                                 dv_keep_name(keep), (unsigned long long)bytes,
                                 (unsigned long long)resident_pages, copy_ns, fork_ns,
                                 (double)request->stall_target_ns);
    return keep;
}

/* What may be copied next time is made ready; what will not be is given back. New memory is dear, and the first epoch, which
 * is complete, says nothing of the next: it takes two to agree, unless this one was copied anyway. */
static size_t wanted_next(const struct dv_capture_job *job,
                          const struct dv_capture_request *request, uint64_t bytes,
                          uint64_t resident_pages)
{
    uint64_t least = bytes < shadow.last ? bytes : shadow.last;
    double ready_ns = (double)least * costs.copy_ns_per_byte;
    int may_be_copied = request->keep == DV_KEEP_AUTO && least <= shadow_limit() &&
                        copy_pays(request, ready_ns, fork_cost(resident_pages));
    if (job->keep == DV_KEEP_COPY)
        return bytes;
    return may_be_copied ? least : 0;
}

/* What cannot be had, the next best way is tried; that it was is in the epoch's decisions. */
static enum dv_status fall_back(struct dv_capture_job *job, enum dv_keep keep)
{
    job->strategy->core->decided("snapshot=%s was=%s reason=%s", dv_keep_name(keep),
                                 dv_keep_name(job->keep), dv_why());
    dv_warn("capture", "%s; the application stands still while the image is written", dv_why());
    job->keep = keep;
    return DV_OK;
}

void dv_snapshot_choose(struct dv_capture_job *job, const struct dv_capture_request *request)
{
    uint64_t bytes = set_bytes(&job->pages),
             resident_pages = set_bytes(&job->populated) / DV_PAGE_BYTES;
    pthread_mutex_lock(&shadow.lock);
    job->keep =
        request->keep == DV_KEEP_AUTO ? choose(job, request, bytes, resident_pages) : request->keep;
    shadow.wanted = wanted_next(job, request, bytes, resident_pages);
    shadow.last = bytes;
    pthread_mutex_unlock(&shadow.lock);
}

enum dv_status dv_snapshot_keep(struct dv_capture_job *job)
{
    enum dv_status status = DV_OK;
    if (job->keep != DV_KEEP_COPY)
        forgive(&costs.copy_ns_per_byte, measured.copy_ns_per_byte);
    if (job->keep != DV_KEEP_FORK)
        forgive(&costs.fork_ns_per_page, measured.fork_ns_per_page);
    if (job->keep == DV_KEEP_COPY) {
        pthread_mutex_lock(&shadow.lock);
        status = keep_by_copy(job, set_bytes(&job->pages));
        pthread_mutex_unlock(&shadow.lock);
    } else if (job->keep == DV_KEEP_FORK) {
        status = keep_by_fork(job, set_bytes(&job->populated) / DV_PAGE_BYTES);
    }
    if ((job->keep == DV_KEEP_COPY && status == DV_ERR_NO_MEMORY) ||
        (job->keep == DV_KEEP_FORK && status == DV_ERR_SYSTEM))
        status = fall_back(job, DV_KEEP_STOP);
    return status;
}
