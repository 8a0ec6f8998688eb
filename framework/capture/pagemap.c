/* Which pages of a region hold information; reading memory without faulting. See regions.h.
 *
 * Two ways to ask the kernel: the ioctl PAGEMAP_SCAN (Linux 6.7), which skips what is empty by page
 * table, and reading /proc/self/pagemap, 8 bytes for every page of the region. The headers of
 * Debian 12 are older than the ioctl, so its definitions are carried here, and it is tried. */
#include "capture/pagemap.h"

#include "capture/regions.h"
#include "common/fail.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_FILE (1ull << 61)
#define PAGEMAP_ENTRIES 8192
/* The kernel's `walk_end` cannot be relied on with more ranges than this. */
#define SCAN_RANGES 512

struct scan_range {
    uint64_t start, end, categories;
};

struct scan_request {
    uint64_t size, flags, start, end, walk_end, ranges, range_count, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_request)

typedef enum dv_status (*each_function)(void *arg, uint64_t start, uint64_t end);

/* Joins runs that touch before they are handed on, since both ways return them in pieces. */
struct joiner {
    each_function each;
    void *arg;
    uint64_t start, end; /* the run that may still grow */
};

static enum dv_status join_flush(struct joiner *joiner)
{
    enum dv_status status = DV_OK;
    if (joiner->start < joiner->end)
        status = joiner->each(joiner->arg, joiner->start, joiner->end);
    joiner->start = joiner->end = 0;
    return status;
}

static enum dv_status join(struct joiner *joiner, uint64_t start, uint64_t end)
{
    if (joiner->start < joiner->end && joiner->end == start) {
        joiner->end = end;
        return DV_OK;
    }
    enum dv_status status = join_flush(joiner);
    joiner->start = start;
    joiner->end = end;
    return status;
}

static enum dv_status scan_failed(const struct dv_pagemap_scan *scan, uint64_t at)
{
    int error = errno;
    if (error == ENOTTY || error == EINVAL)
        return dv_fail_quietly(DV_ERR_UNSUPPORTED, "this kernel has no such PAGEMAP_SCAN");
    if (error == EPERM && (scan->flags & DV_SCAN_CHECK_ASYNC))
        return dv_fail_quietly(DV_ERR_NOT_FOUND, "memory at %#llx is not tracked",
                               (unsigned long long)at);
    return dv_fail("capture", DV_ERR_SYSTEM, "PAGEMAP_SCAN of %#llx-%#llx failed: %s",
                   (unsigned long long)at, (unsigned long long)scan->end, strerror(error));
}

static enum dv_status refuse(const struct scan_range *range)
{
    return dv_fail_quietly(DV_ERR_REFUSED,
                           "the pages %#llx-%#llx are guards (MADV_GUARD_INSTALL), which cannot be "
                           "captured yet",
                           (unsigned long long)range->start, (unsigned long long)range->end);
}

static enum dv_status scan_with_ioctl(int fd, const struct dv_pagemap_scan *scan,
                                      struct joiner *joiner)
{
    struct scan_range ranges[SCAN_RANGES];
    enum dv_status status = DV_OK;
    uint64_t at = scan->start;
    /* Until nothing is found: right whatever the kernel says of where it stopped. */
    while (status == DV_OK && at < scan->end) {
        struct scan_request request = {
            .size = sizeof request,
            .flags = scan->flags,
            .start = at,
            .end = scan->end,
            .ranges = (uint64_t)(uintptr_t)ranges,
            .range_count = SCAN_RANGES,
            .category_inverted = scan->inverted,
            .category_mask = scan->all_of,
            .category_anyof_mask = scan->any_of,
            .return_mask = scan->all_of | scan->any_of | scan->refused,
        };
        int found = ioctl(fd, SCAN_IOCTL, &request);
        if (found < 0 && errno == EINTR)
            continue;
        if (found < 0)
            return scan_failed(scan, at);
        if (found == 0)
            break;
        for (int i = 0; i < found && status == DV_OK; i++)
            status = ranges[i].categories & scan->refused
                         ? refuse(&ranges[i])
                         : join(joiner, ranges[i].start, ranges[i].end);
        at = ranges[found - 1].end;
    }
    return status;
}

enum dv_status dv_pagemap_scan(int fd, const struct dv_pagemap_scan *scan, each_function each,
                               void *arg)
{
    struct joiner joiner = {.each = each, .arg = arg};
    enum dv_status status = scan_with_ioctl(fd, scan, &joiner);
    return status == DV_OK ? join_flush(&joiner) : status;
}

/* `without`: bits that a page must not have. */
static enum dv_status scan_by_reading(int fd, uint64_t start, uint64_t end, uint64_t without,
                                      struct joiner *joiner)
{
    uint64_t *entries = malloc(PAGEMAP_ENTRIES * sizeof *entries);
    if (!entries)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to list pages");
    enum dv_status status = DV_OK;
    uint64_t at = start;
    while (status == DV_OK && at < end) {
        size_t wanted = (end - at) / DV_PAGE_BYTES;
        if (wanted > PAGEMAP_ENTRIES)
            wanted = PAGEMAP_ENTRIES;
        size_t got = 0;
        status = dv_pread_full(fd, entries, wanted * sizeof *entries,
                               at / DV_PAGE_BYTES * sizeof *entries, &got);
        if (status != DV_OK || got != wanted * sizeof *entries) {
            status = dv_fail("capture", DV_ERR_SYSTEM,
                             "cannot read /proc/self/pagemap at %#llx: %s", (unsigned long long)at,
                             status != DV_OK ? strerror(errno) : "it ended early");
            break;
        }
        for (size_t i = 0; i < wanted && status == DV_OK; i++, at += DV_PAGE_BYTES)
            if ((entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) && !(entries[i] & without))
                status = join(joiner, at, at + DV_PAGE_BYTES);
    }
    free(entries);
    return status;
}

/* Pages that exist; with `own` only those that are not a file's. */
static enum dv_status list_pages(uint64_t start, uint64_t end, enum dv_pagemap_way way, int own,
                                 each_function each, void *arg)
{
    const uint64_t without = own ? DV_PAGE_IS_FILE : DV_PAGE_IS_PFNZERO;
    /* Found out once; only the main thread captures. */
    static int no_ioctl;
    static uint64_t guard = DV_PAGE_IS_GUARD;
    struct joiner joiner = {.each = each, .arg = arg};
    struct dv_pagemap_scan scan = {
        .start = start,
        .end = end,
        .inverted = without,
        .all_of = without,
        .any_of = DV_PAGE_IS_PRESENT | DV_PAGE_IS_SWAPPED,
        .refused = guard,
    };
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open /proc/self/pagemap: %s",
                       strerror(errno));
    int scans = way == DV_PAGEMAP_SCAN_IOCTL || (way == DV_PAGEMAP_AUTO && !no_ioctl);
    enum dv_status status = scans ? scan_with_ioctl(fd, &scan, &joiner) : DV_ERR_UNSUPPORTED;
    if (scans && status == DV_ERR_UNSUPPORTED && guard) { /* a kernel that knows no guards? */
        scan.refused = guard = 0;
        status = scan_with_ioctl(fd, &scan, &joiner);
    }
    if (status == DV_ERR_UNSUPPORTED && way != DV_PAGEMAP_SCAN_IOCTL) {
        no_ioctl |= way == DV_PAGEMAP_AUTO;
        status = scan_by_reading(fd, start, end, own ? PAGEMAP_FILE : 0, &joiner);
    }
    close(fd);
    if (status == DV_OK)
        status = join_flush(&joiner);
    return status;
}

enum dv_status dv_pagemap_populated(uint64_t start, uint64_t end, enum dv_pagemap_way way,
                                    each_function each, void *arg)
{
    return list_pages(start, end, way, 0, each, arg);
}

enum dv_status dv_pagemap_own(uint64_t start, uint64_t end, enum dv_pagemap_way way,
                              each_function each, void *arg)
{
    return list_pages(start, end, way, 1, each, arg);
}

enum dv_status dv_region_populated(const struct dv_region *region, each_function each, void *arg)
{
    uint64_t from = region->live_from;
    if (region->flags & DV_REGION_LAZY) /* what has no page yet is in the image that is mapped */
        return from < region->end ? each(arg, from, region->end) : DV_OK;
    if (region->flags & (DV_REGION_FILE | DV_REGION_SHARED)) {
        uint64_t end = dv_region_data_end(region);
        if (region->kept)
            return dv_pagemap_own(from, end, DV_PAGEMAP_AUTO, each, arg);
        return from < end ? each(arg, from, end) : DV_OK;
    }
    return dv_pagemap_populated(from, region->end, DV_PAGEMAP_AUTO, each, arg);
}

enum dv_status dv_memory_read(uint64_t address, void *buffer, size_t length, size_t *got)
{
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot open /proc/self/mem: %s", strerror(errno));
    size_t done = 0;
    while (done < length) {
        ssize_t step = pread(fd, (char *)buffer + done, length - done, (off_t)(address + done));
        if (step < 0 && errno == EINTR)
            continue;
        if (step <= 0)
            break; /* what is behind the end of a file, or of a mapping, answers EIO */
        done += (size_t)step;
    }
    close(fd);
    *got = done;
    return DV_OK;
}

static int is_readable(uint64_t address)
{
    char byte;
    size_t got = 0;
    return dv_memory_read(address, &byte, 1, &got) == DV_OK && got == 1;
}

uint64_t dv_region_data_end(const struct dv_region *region)
{
    if (!(region->flags & (DV_REGION_FILE | DV_REGION_SHARED)) ||
        is_readable(region->end - DV_PAGE_BYTES))
        return region->end;
    /* Pages behind the end of the file cannot be read; all before can. */
    uint64_t readable = 0, pages = (region->end - region->start) / DV_PAGE_BYTES;
    while (readable < pages) {
        uint64_t middle = readable + (pages - readable) / 2;
        if (is_readable(region->start + middle * DV_PAGE_BYTES))
            readable = middle + 1;
        else
            pages = middle;
    }
    return region->start + readable * DV_PAGE_BYTES;
}
