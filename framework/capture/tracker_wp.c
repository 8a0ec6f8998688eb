/* Tracker "wp": the kernel itself notes which pages are written (userfaultfd with WP_ASYNC, Linux 6.7), and PAGEMAP_SCAN
 * reads and clears its notes in one pass. No signal and no message: a first write to a page costs the application one
 * fault that the kernel resolves alone, also when it is a system call or another process that writes. Exact to 4 KiB.
 *
 * What is registered can be undone behind our back: a new mapping, a break that grew, a mapping that was moved are not
 * registered. Every scan therefore asks the kernel to check (PM_SCAN_CHECK_WPASYNC). What the kernel does not see: writes
 * through other mappings of shared memory, and by devices into pinned pages; such regions are not trackable.
 *
 * A mapping can also lose its registration and keep the notes in its page tables: if another that is registered is moved
 * next to it and the kernel makes one of both. A page that is written then is writable and yet noted as protected, and no
 * later scan would report it. So arming takes away the notes that are there already.
 *
 * Pages that exist are armed by a scan; never-touched ones need no protection, since they are not there: when they come,
 * they come unprotected, that is, written. Source: userfaultfd(2), Documentation/admin-guide/mm/pagemap.rst. */
#include "capture/pagemap.h"
#include "capture/trackers.h"
#include "common/fail.h"
#include "common/io.h"

#include <dejavu/capture.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_ASYNC (1ull << 15) /* newer than Debian 12's headers */
#define TEST_PAGES 512u

struct dv_tracker {
    int uffd, pagemap;
};

static enum dv_status open_pagemap(struct dv_tracker *t)
{
    t->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (t->pagemap >= 0)
        return DV_OK;
    return dv_fail_quietly(DV_ERR_UNSUPPORTED, "cannot open /proc/self/pagemap: %s",
                           strerror(errno));
}

/* The new descriptor gets the lowest free number, which is the application's: it moves to where ours are. */
static enum dv_status open_userfaultfd(struct dv_tracker *t)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0)
        return dv_fail_quietly(DV_ERR_UNSUPPORTED, "userfaultfd: %s", strerror(errno));
    t->uffd = fcntl(fd, F_DUPFD_CLOEXEC, t->pagemap);
    int error = errno;
    close(fd);
    if (t->uffd < 0)
        return dv_fail_quietly(DV_ERR_UNSUPPORTED, "userfaultfd: %s", strerror(error));
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_ASYNC};
    if (ioctl(t->uffd, UFFDIO_API, &api) != 0)
        return dv_fail_quietly(DV_ERR_UNSUPPORTED,
                               "userfaultfd has no WP_ASYNC (Linux 6.7 has it): %s",
                               strerror(errno));
    return DV_OK;
}

static void wp_close(struct dv_tracker *t)
{
    if (t->uffd >= 0)
        close(t->uffd);
    if (t->pagemap >= 0)
        close(t->pagemap);
    free(t);
}

static enum dv_status wp_open(struct dv_tracker **tracker)
{
    struct dv_tracker *t = calloc(1, sizeof *t);
    if (!t)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a tracker");
    t->uffd = t->pagemap = -1;
    enum dv_status status = open_pagemap(t);
    if (status == DV_OK)
        status = open_userfaultfd(t);
    if (status != DV_OK) {
        wp_close(t);
        return status;
    }
    *tracker = t;
    return DV_OK;
}

static int wp_can_track(struct dv_tracker *t, const struct dv_region *region)
{
    (void)t;
    /* A page of a private mapping of a file that is the file's (never written, or given back by MADV_DONTNEED) changes with
     * the file, and nothing in this process is written then. */
    return !(region->flags & (DV_REGION_SHARED | DV_REGION_FILE));
}

static enum dv_status ignore(void *arg, uint64_t start, uint64_t end)
{
    (void)arg;
    (void)start;
    (void)end;
    return DV_OK;
}

static enum dv_status collect(struct dv_tracker *t, uint64_t start, uint64_t end,
                              uint32_t region_flags,
                              enum dv_status (*each)(void *arg, uint64_t from, uint64_t to),
                              void *arg)
{
    /* A page of a private mapping that is still the file's has only been read. To tell costs several times as much as all
     * else together, so it is asked only where files are mapped. */
    uint64_t not_of = region_flags & (DV_REGION_FILE | DV_REGION_LAZY) ? DV_PAGE_IS_FILE : 0;
    const struct dv_pagemap_scan scan = {
        .start = start,
        .end = end,
        .flags = DV_SCAN_PROTECT | DV_SCAN_CHECK_ASYNC,
        .inverted = not_of,
        .all_of = DV_PAGE_IS_WRITTEN | not_of,
        .any_of = DV_PAGE_IS_PRESENT | DV_PAGE_IS_SWAPPED,
    };
    return dv_pagemap_scan(t->pagemap, &scan, each, arg);
}

static enum dv_status open_run(void *arg, uint64_t start, uint64_t end)
{
    const struct dv_tracker *t = arg;
    struct uffdio_writeprotect open = {.range = {.start = start, .len = end - start}, .mode = 0};
    if (ioctl(t->uffd, UFFDIO_WRITEPROTECT, &open) == 0)
        return DV_OK;
    return dv_fail_quietly(DV_ERR_UNSUPPORTED, "%#llx-%#llx cannot be opened: %s",
                           (unsigned long long)start, (unsigned long long)end, strerror(errno));
}

/* Of memory that was not tracked before, none or few: then this costs no more than a scan of clean pages. */
static enum dv_status open_noted(struct dv_tracker *t, uint64_t start, uint64_t end)
{
    const struct dv_pagemap_scan scan = {
        .start = start,
        .end = end,
        .flags = DV_SCAN_CHECK_ASYNC,
        .inverted = DV_PAGE_IS_WRITTEN,
        .all_of = DV_PAGE_IS_WRITTEN,
        .any_of = DV_PAGE_IS_PRESENT | DV_PAGE_IS_SWAPPED,
    };
    return dv_pagemap_scan(t->pagemap, &scan, open_run, t);
}

static enum dv_status wp_arm(struct dv_tracker *t, uint64_t start, uint64_t end)
{
    struct uffdio_register range = {.range = {.start = start, .len = end - start},
                                    .mode = UFFDIO_REGISTER_MODE_WP};
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    if (ioctl(t->uffd, UFFDIO_REGISTER, &range) != 0)
        return dv_fail_quietly(DV_ERR_UNSUPPORTED, "%#llx-%#llx cannot be tracked: %s",
                               (unsigned long long)start, (unsigned long long)end, strerror(errno));
    enum dv_status status = open_noted(t, start, end);
    if (status == DV_OK)
        status = collect(t, start, end, 0, ignore, NULL);
    return status == DV_ERR_NOT_FOUND ? DV_ERR_UNSUPPORTED : status;
}

static enum dv_status wp_disarm(struct dv_tracker *t, uint64_t start, uint64_t end)
{
    struct uffdio_range range = {.start = start, .len = end - start};
    if (ioctl(t->uffd, UFFDIO_UNREGISTER, &range) == 0)
        return DV_OK;
    return dv_fail("capture", DV_ERR_SYSTEM, "cannot stop tracking %#llx-%#llx: %s",
                   (unsigned long long)start, (unsigned long long)end, strerror(errno));
}

/* ---- the self test ------------------------------------------------------- */

struct seen {
    uint64_t base;
    unsigned char written[TEST_PAGES];
};

static enum dv_status note(void *arg, uint64_t start, uint64_t end)
{
    struct seen *seen = arg;
    for (; start < end; start += DV_PAGE_BYTES)
        seen->written[(start - seen->base) / DV_PAGE_BYTES] = 1;
    return DV_OK;
}

/* Every third page is written: exactly those must be found, and none afterwards. */
static enum dv_status try_out(struct dv_tracker *t, volatile char *memory,
                              struct dv_tracker_cost *cost)
{
    struct seen seen = {.base = (uint64_t)(uintptr_t)memory};
    uint64_t start = seen.base, end = start + (uint64_t)TEST_PAGES * DV_PAGE_BYTES;
    uint64_t t0 = dv_now_ns();
    enum dv_status status = wp_arm(t, start, end);
    uint64_t t1 = dv_now_ns();
    for (size_t i = 0; i < TEST_PAGES; i += 3)
        memory[i * DV_PAGE_BYTES] = 2;
    uint64_t t2 = dv_now_ns();
    if (status == DV_OK)
        status = collect(t, start, end, 0, note, &seen);
    uint64_t t3 = dv_now_ns();
    for (size_t i = 0; i < TEST_PAGES && status == DV_OK; i++)
        if (seen.written[i] != (i % 3 == 0))
            status = dv_fail_quietly(DV_ERR_UNSUPPORTED,
                                     "page %zu of the test was %swritten, but reported otherwise",
                                     i, i % 3 == 0 ? "" : "not ");
    memset(seen.written, 0, sizeof seen.written);
    if (status == DV_OK)
        status = collect(t, start, end, 0, note, &seen);
    if (status == DV_OK && memchr(seen.written, 1, sizeof seen.written))
        status = dv_fail_quietly(DV_ERR_UNSUPPORTED, "a page is reported again");
    cost->arm_ns = (double)(t1 - t0) / TEST_PAGES;
    const unsigned written = (TEST_PAGES + 2) / 3;
    cost->written_ns = (double)(t2 - t1) / written;
    cost->scan_ns = (double)(t3 - t2) / TEST_PAGES;
    cost->reported = 1;
    return status;
}

static enum dv_status wp_test(struct dv_tracker_cost *cost, char *why, size_t why_bytes)
{
    struct dv_tracker *t = NULL;
    size_t bytes = (size_t)TEST_PAGES * DV_PAGE_BYTES;
    enum dv_status status = wp_open(&t);
    char *memory = MAP_FAILED;
    if (status == DV_OK) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            status = dv_fail_quietly(DV_ERR_NO_MEMORY, "no memory for the test");
    }
    if (status == DV_OK) {
        madvise(memory, bytes, MADV_NOHUGEPAGE);
        memset(memory, 1, bytes);
        status = try_out(t, memory, cost);
    }
    if (memory != MAP_FAILED)
        munmap(memory, bytes);
    if (t)
        wp_close(t);
    snprintf(why, why_bytes, "%s", status == DV_OK ? "" : dv_why());
    return status == DV_OK || status == DV_ERR_NO_MEMORY ? status : DV_ERR_UNSUPPORTED;
}

extern const struct dv_tracker_ops dv_tracker_wp;
const struct dv_tracker_ops dv_tracker_wp = {
    .name = "wp",
    .summary = "the kernel notes which pages are written (userfaultfd WP_ASYNC, PAGEMAP_SCAN)",
    .test = wp_test,
    .open = wp_open,
    .can_track = wp_can_track,
    .arm = wp_arm,
    .disarm = wp_disarm,
    .collect = collect,
    .close = wp_close,
};
