/* Tracker "mprotect": memory is write-protected; the first write to a block faults, and the SIGSEGV handler opens the block
 * and notes it. Needs nothing of the kernel, but costs a signal per block, and the kernel itself does not fault: a system
 * call that writes to a protected block gets EFAULT. So whoever may let the kernel write opens the memory first; see
 * rank/guard.h for the proof that all of them do, and TRACKERS.md for what it means to the application.
 *
 * Opened blocks are what splits mappings. When there are half as many as the kernel allows (vm.max_map_count), whole ranges
 * are opened instead.
 *
 * Everything that a fault needs lies in tables that exist before; the code from here to dv_protect_open_all uses no
 * thread-local storage, no lock, no memory allocation and no libc function. */
#include "capture/tracker_mprotect.h"

#include "capture/regions.h"
#include "capture/trackers.h"
#include "common/fail.h"
#include "common/io.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RANGES_MAX 8192u
#define BLOCK_BYTES (64u << 10)
#define TEST_PAGES 4096u
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#define BARE __attribute__((no_stack_protector))

/* Which blocks are open; shared by the ranges that one armed range was cut into. */
struct notes {
    struct notes *next;
    uint32_t users;
    unsigned char dirty[];
};

struct range {
    uint64_t start, end;
    uint64_t origin; /* where block 0 begins: a multiple of the block size */
    struct notes *notes;
    int protection; /* the application's */
    int armed; /* 0: all of it is open, and dirty; always 1 if the application cannot write to it anyway */
};

static struct {
    const struct dv_protect_host *host;
    struct range ranges[RANGES_MAX]; /* ascending, not overlapping */
    size_t count;
    struct notes *notes;
    uint64_t block_bytes;
    int64_t mappings,
        mappings_most; /* of this process: at most so many, and how many the tracker lets them become */
    int64_t mappings_counted; /* when last looked */
    int protecting;           /* some range may be protected */
    int opened;
} protect = {.block_bytes = BLOCK_BYTES};

void dv_protect_attach(const struct dv_protect_host *host)
{
    protect.host = host;
}

void dv_protect_block(uint64_t bytes)
{
    protect.block_bytes = bytes;
}

/* ---- opening ------------------------------------------------------------- */

BARE static long protect_call(uint64_t start, uint64_t end, int protection)
{
    long ret;
    register long third __asm__("rdx") = protection;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(SYS_mprotect), "D"(start), "S"(end - start), "r"(third)
                     : "rcx", "r11", "memory");
    return ret;
}

/* The first range that ends above `address`. */
BARE static size_t find(uint64_t address)
{
    size_t low = 0, high = protect.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (protect.ranges[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

BARE static uint64_t block_of(const struct range *r, uint64_t address)
{
    return (address - r->origin) / protect.block_bytes;
}

BARE static void open_range(struct range *r)
{
    if (!r->armed || !(r->protection & PROT_WRITE))
        return;
    /* Splits no mapping, so cannot fail for want of them. */
    if (protect_call(r->start, r->end, r->protection) != 0)
        __builtin_trap();
    r->armed = 0;
}

/* What opening blocks [from, to] adds to the number of mappings. */
BARE static int64_t splits_by(const struct range *r, uint64_t from, uint64_t to)
{
    int64_t by = 0;
    uint64_t last = block_of(r, r->end - 1);
    if (from > block_of(r, r->start))
        by += r->notes->dirty[from - 1] ? -1 : 1;
    if (to < last)
        by += r->notes->dirty[to + 1] ? -1 : 1;
    return by;
}

/* Open the blocks of an armed, writable range that [start, end) touches. */
BARE static void open_blocks(struct range *r, uint64_t start, uint64_t end)
{
    uint64_t from = block_of(r, start > r->start ? start : r->start);
    uint64_t to = block_of(r, (end < r->end ? end : r->end) - 1);
    int64_t by = splits_by(r, from, to);
    uint64_t low = r->origin + from * protect.block_bytes;
    uint64_t high = r->origin + (to + 1) * protect.block_bytes;
    low = low > r->start ? low : r->start;
    high = high < r->end ? high : r->end;
    if (protect.mappings + by > protect.mappings_most ||
        protect_call(low, high, r->protection) != 0) {
        open_range(r);
        return;
    }
    protect.mappings += by;
    for (uint64_t block = from; block <= to; block++)
        r->notes->dirty[block] = 1;
}

BARE int dv_protect_fault(uint64_t address)
{
    if (!protect.protecting)
        return 0;
    size_t at = find(address);
    if (at == protect.count)
        return 0;
    struct range *r = &protect.ranges[at];
    if (address < r->start || !r->armed || !(r->protection & PROT_WRITE))
        return 0;
    open_blocks(r, address, address + 1);
    return 1;
}

BARE void dv_protect_open(uint64_t start, uint64_t end)
{
    if (!protect.protecting || end <= start)
        return;
    for (size_t i = find(start); i < protect.count && protect.ranges[i].start < end; i++)
        if (protect.ranges[i].armed && (protect.ranges[i].protection & PROT_WRITE))
            open_blocks(&protect.ranges[i], start, end);
}

BARE void dv_protect_open_all(void)
{
    if (!protect.protecting)
        return;
    for (size_t i = 0; i < protect.count; i++)
        open_range(&protect.ranges[i]);
    protect.protecting = 0;
}

/* ---- the table ----------------------------------------------------------- */

static void release(struct range *r)
{
    if (r->notes)
        r->notes
            ->users--; /* freed when the main thread arms next: this may be the placement thread */
}

static void remove_at(size_t at)
{
    release(&protect.ranges[at]);
    protect.count--;
    memmove(&protect.ranges[at], &protect.ranges[at + 1],
            (protect.count - at) * sizeof *protect.ranges);
}

static int insert_at(size_t at, const struct range *r)
{
    if (protect.count == RANGES_MAX)
        return 0;
    memmove(&protect.ranges[at + 1], &protect.ranges[at],
            (protect.count - at) * sizeof *protect.ranges);
    protect.ranges[at] = *r;
    protect.count++;
    return 1;
}

/* Take [start, end) out of the table; its protection is the caller's business. */
static void cut(uint64_t start, uint64_t end)
{
    size_t at = find(start);
    while (at < protect.count && protect.ranges[at].start < end) {
        struct range *r = &protect.ranges[at], upper = *r;
        if (r->start < start && r->end > end) {
            upper.start = end;
            if (insert_at(at + 1, &upper)) {
                if (upper.notes)
                    upper.notes->users++;
            } else {
                open_range(&upper); /* no room for a second piece: it is forgotten */
            }
            r->end = start;
            return;
        }
        if (r->start < start) {
            r->end = start;
            at++;
        } else if (r->end > end) {
            r->start = end;
            return;
        } else {
            remove_at(at);
        }
    }
}

void dv_protect_forget(uint64_t start, uint64_t end)
{
    start = dv_page_floor(start);
    if (end > UINT64_MAX - DV_PAGE_BYTES)
        end = UINT64_MAX - DV_PAGE_BYTES;
    end = dv_page_ceil(end);
    if (end <= start)
        return;
    dv_protect_open(start, end);
    cut(start, end);
}

static void free_notes(void)
{
    for (struct notes **at = &protect.notes; *at;) {
        struct notes *notes = *at;
        if (notes->users == 0) {
            *at = notes->next;
            free(notes);
        } else {
            at = &notes->next;
        }
    }
}

/* ---- arming and collecting ----------------------------------------------- */

/* A handler of the application that ran now would write to what is being armed. */
static void block_signals(uint64_t *old)
{
    uint64_t all = ~0ull;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, sizeof all);
}

static void unblock_signals(const uint64_t *old)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, sizeof *old);
}

/* Not all of what was split becomes one again: look, if there may be many. */
static void count_mappings(void)
{
    char text[16384];
    if (protect.mappings < protect.mappings_most / 2 ||
        protect.mappings <= protect.mappings_counted)
        return;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int64_t lines = fd < 0 ? protect.mappings_most : 0;
    for (ssize_t got; fd >= 0 && (got = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            lines += text[i] == '\n';
    if (fd >= 0)
        close(fd);
    protect.mappings = protect.mappings_counted = lines;
}

static int host_ready(uint64_t *mask)
{
    count_mappings();
    if (protect.host->ready(*mask) == DV_OK) {
        *mask &= ~(1ull << (SIGSEGV - 1)); /* blocked at most by the handler that we are in */
        return 1;
    }
    if (protect.protecting)
        dv_protect_open_all();
    return 0;
}

/* Does another range that was cut from the same one reach into the block? Then they share its note. */
static int is_shared(const struct range *r, uint64_t block)
{
    uint64_t low = r->origin + block * protect.block_bytes, high = low + protect.block_bytes;
    for (size_t i = find(low); i < protect.count && protect.ranges[i].start < high; i++)
        if (&protect.ranges[i] != r && protect.ranges[i].notes == r->notes)
            return 1;
    return 0;
}

/* Blocks [first, end) of the range are clean; one of which another range has a part stays noted, for that may be open. */
static void clean_blocks(struct range *r, uint64_t first, uint64_t end)
{
    unsigned char was_first = r->notes->dirty[first], was_last = r->notes->dirty[end - 1];
    memset(r->notes->dirty + first, 0, end - first);
    if (was_first && is_shared(r, first))
        r->notes->dirty[first] = 1;
    if (was_last && is_shared(r, end - 1))
        r->notes->dirty[end - 1] = 1;
}

/* Protect all of an open range; its pages are clean. */
static void protect_range(struct range *r)
{
    if (!(r->protection & PROT_WRITE))
        return;
    protect.protecting = 1;
    clean_blocks(r, block_of(r, r->start), block_of(r, r->end - 1) + 1);
    if (protect_call(r->start, r->end, r->protection & ~PROT_WRITE) == 0) {
        r->armed = 1;
    } else { /* half done, perhaps */
        r->armed = 1;
        open_range(r);
    }
}

static enum dv_status track(const struct dv_region *region, uint64_t start, uint64_t end, int ready)
{
    struct range r = {.start = start, .end = end, .origin = start & ~(protect.block_bytes - 1)};
    r.protection = (region->flags & DV_REGION_READ ? PROT_READ : 0) |
                   (region->flags & DV_REGION_WRITE ? PROT_WRITE : 0) |
                   (region->flags & DV_REGION_EXEC ? PROT_EXEC : 0);
    r.armed = !(r.protection & PROT_WRITE);
    if (!r.armed) {
        r.notes = calloc(1, sizeof *r.notes + block_of(&r, end - 1) + 1);
        if (!r.notes)
            return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to track %llu bytes",
                           (unsigned long long)(end - start));
        r.notes->users = 1;
        r.notes->next = protect.notes;
        protect.notes = r.notes;
    }
    /* A mapping without any page of its own, when split and written, never becomes one again: give it one. */
    if (!r.armed)
        madvise((void *)(uintptr_t)start, DV_PAGE_BYTES, MADV_POPULATE_WRITE);
    size_t at = find(start);
    if (!insert_at(at, &r)) {
        if (r.notes)
            r.notes->users = 0;
        return dv_fail_quietly(DV_ERR_UNSUPPORTED, "more than %u ranges to protect", RANGES_MAX);
    }
    if (ready)
        protect_range(&protect.ranges[at]);
    return DV_OK;
}

/* A mapping that grows would grow protected. (The call is EINVAL on others, and changes nothing on such a one.) */
static int grows_down(const struct dv_region *region)
{
    int protection = (region->flags & DV_REGION_READ ? PROT_READ : 0) |
                     (region->flags & DV_REGION_WRITE ? PROT_WRITE : 0) |
                     (region->flags & DV_REGION_EXEC ? PROT_EXEC : 0);
    return protect_call(region->end - DV_PAGE_BYTES, region->end, protection | PROT_GROWSDOWN) == 0;
}

static int can_protect(const struct dv_region *region)
{
    /* Pages of a file change with the file, and nobody in this process writes to them then. */
    return !(region->flags &
             (DV_REGION_SHARED | DV_REGION_FILE | DV_REGION_STACK | DV_REGION_GROWSDOWN)) &&
           protect.host->can_protect(region->start, region->end);
}

/* The regions of `maps` that make up [start, end). */
static enum dv_status track_all(const struct dv_maps *maps, uint64_t start, uint64_t end, int ready)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < maps->count && start < end && status == DV_OK; i++) {
        const struct dv_region *region = &maps->regions[i];
        if (region->end <= start)
            continue;
        if (region->start > start || !can_protect(region) || grows_down(region))
            return dv_fail_quietly(DV_ERR_UNSUPPORTED, "%#llx cannot be protected",
                                   (unsigned long long)start);
        uint64_t to = region->end < end ? region->end : end;
        status = track(region, start, to, ready);
        start = to;
    }
    if (status == DV_OK && start < end)
        status =
            dv_fail_quietly(DV_ERR_UNSUPPORTED, "%#llx is not mapped", (unsigned long long)start);
    return status;
}

static enum dv_status protect_arm(struct dv_tracker *t, uint64_t start, uint64_t end)
{
    (void)t;
    struct dv_maps maps;
    enum dv_status status = dv_maps_read(&maps);
    if (status != DV_OK)
        return status;
    uint64_t mask;
    free_notes();
    block_signals(&mask);
    dv_protect_forget(start, end);
    status = track_all(&maps, start, end, host_ready(&mask));
    if (status != DV_OK)
        dv_protect_forget(start, end);
    protect.host->reopen();
    unblock_signals(&mask);
    dv_maps_free(&maps);
    return status;
}

static enum dv_status protect_disarm(struct dv_tracker *t, uint64_t start, uint64_t end)
{
    (void)t;
    uint64_t mask;
    block_signals(&mask);
    dv_protect_forget(start, end);
    unblock_signals(&mask);
    return DV_OK;
}

typedef enum dv_status (*each_function)(void *arg, uint64_t from, uint64_t to);

/* Report the dirty blocks of an armed range within [start, end), and close them again. */
static enum dv_status collect_blocks(struct range *r, uint64_t start, uint64_t end,
                                     each_function each, void *arg)
{
    enum dv_status status = DV_OK;
    uint64_t block = block_of(r, start), last = block_of(r, end - 1);
    while (block <= last && status == DV_OK && r->armed) {
        uint64_t first = block;
        while (block <= last && r->notes->dirty[block])
            block++;
        if (block == first) {
            block++;
            continue;
        }
        uint64_t from = r->origin + first * protect.block_bytes;
        uint64_t to = r->origin + block * protect.block_bytes;
        from = from > r->start ? from : r->start;
        to = to < r->end ? to : r->end;
        status = each(arg, from > start ? from : start, to < end ? to : end);
        if (from < start || to > end)
            continue; /* of a block that is only in part asked for: it stays open */
        int64_t by = splits_by(r, first, block - 1);
        if (protect_call(from, to, r->protection & ~PROT_WRITE) != 0) {
            open_range(r);
            return status == DV_OK ? each(arg, start, end) : status;
        }
        protect.mappings -= by;
        clean_blocks(r, first, block);
    }
    return status;
}

static enum dv_status collect_range(struct range *r, int ready, uint64_t start, uint64_t end,
                                    each_function each, void *arg)
{
    if (!(r->protection & PROT_WRITE))
        return DV_OK;
    if (r->armed)
        return collect_blocks(r, start, end, each, arg);
    if (ready && (r->start < start || r->end > end)) { /* the rest of it remains dirty */
        protect_range(r);
        uint64_t low = r->start, high = r->end;
        if (low < start)
            dv_protect_open(low, start);
        if (end < high)
            dv_protect_open(end, high);
    } else if (ready) {
        protect_range(r);
    }
    return each(arg, start, end);
}

static int is_tracked(uint64_t start, uint64_t end)
{
    size_t at = find(start);
    while (start < end && at < protect.count && protect.ranges[at].start <= start)
        start = protect.ranges[at++].end;
    return start >= end;
}

static enum dv_status protect_collect(struct dv_tracker *t, uint64_t start, uint64_t end,
                                      uint32_t region_flags, each_function each, void *arg)
{
    (void)region_flags;
    (void)t;
    uint64_t mask;
    enum dv_status status = DV_OK;
    block_signals(&mask);
    int ready = host_ready(&mask); /* may forget some */
    if (!is_tracked(start, end))
        status = dv_fail_quietly(DV_ERR_NOT_FOUND, "not all of it is tracked");
    for (size_t i = find(start); status == DV_OK && i < protect.count; i++) {
        struct range *r = &protect.ranges[i];
        if (r->start >= end)
            break;
        status = collect_range(r, ready, r->start > start ? r->start : start,
                               r->end < end ? r->end : end, each, arg);
    }
    protect.host->reopen();
    unblock_signals(&mask);
    return status;
}

static int protect_can_track(struct dv_tracker *t, const struct dv_region *region)
{
    (void)t;
    return can_protect(region);
}

/* ---- as others see it ---------------------------------------------------- */

int dv_protect_hides(uint64_t address, uint64_t *until)
{
    size_t at = find(address);
    while (at < protect.count &&
           !(protect.ranges[at].armed && (protect.ranges[at].protection & PROT_WRITE)))
        at++;
    *until = UINT64_MAX;
    if (at == protect.count || !protect.protecting)
        return 0;
    int hidden = protect.ranges[at].start <= address;
    *until = hidden ? protect.ranges[at].end : protect.ranges[at].start;
    return hidden;
}

/* ---- life, and the self test --------------------------------------------- */

static int64_t mappings_limit(void)
{
    int64_t limit = 65530;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%ld", &limit) != 1)
            limit = 65530;
        fclose(file);
    }
    return limit;
}

static enum dv_status protect_open(struct dv_tracker **tracker)
{
    if (!protect.host)
        return dv_fail_quietly(
            DV_ERR_UNSUPPORTED,
            "system calls that write to protected memory can only be made safe by a filter that is "
            "installed at the start: ask for it with tracker=mprotect");
    if (protect.opened)
        return dv_fail_quietly(DV_ERR_BUSY, "there is one table of protected memory per process");
    protect.opened = 1;
    protect.mappings_most =
        mappings_limit() / 2; /* the rest is for the application and the lower half */
    protect.mappings = INT32_MAX;
    protect.mappings_counted = 0;
    count_mappings();
    *tracker = (struct dv_tracker *)&protect;
    return DV_OK;
}

static void protect_close(struct dv_tracker *t)
{
    (void)t;
    dv_protect_forget(0, UINT64_MAX);
    if (protect.protecting && protect.host->leave)
        protect.host->leave();
    protect.protecting = protect.opened = 0;
    free_notes();
}

static void test_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (!dv_protect_fault((uint64_t)(uintptr_t)info->si_addr))
        signal(sig, SIG_DFL);
}

static enum dv_status count_pages(void *arg, uint64_t from, uint64_t to)
{
    *(uint64_t *)arg += (to - from) / DV_PAGE_BYTES;
    return DV_OK;
}

/* Every third page is written; whole blocks are found. */
static enum dv_status try_out(volatile char *memory, struct dv_tracker_cost *cost)
{
    struct dv_region region = {.start = (uint64_t)(uintptr_t)memory,
                               .flags = DV_REGION_READ | DV_REGION_WRITE};
    region.end = region.start + (uint64_t)TEST_PAGES * DV_PAGE_BYTES;
    uint64_t pages = 0, again = 0, slack = 2 * protect.block_bytes / DV_PAGE_BYTES;
    uint64_t t0 = dv_now_ns();
    enum dv_status status = track(&region, region.start, region.end, 1);
    if (status != DV_OK)
        return status;
    uint64_t t1 = dv_now_ns();
    for (uint64_t i = 0; i < TEST_PAGES / 2; i += 3)
        memory[i * DV_PAGE_BYTES] = 2;
    uint64_t t2 = dv_now_ns();
    struct range *r = &protect.ranges[find(region.start)];
    status = collect_range(r, 1, region.start, region.end, count_pages, &pages);
    uint64_t t3 = dv_now_ns();
    if (status == DV_OK)
        status = collect_range(r, 1, region.start, region.end, count_pages, &again);
    if (status == DV_OK &&
        (again != 0 || pages < TEST_PAGES / 2 - 2 || pages > TEST_PAGES / 2 + slack))
        status =
            dv_fail_quietly(DV_ERR_UNSUPPORTED,
                            "%u pages of the test were written, but %llu reported, and %llu again",
                            TEST_PAGES / 2, (unsigned long long)pages, (unsigned long long)again);
    const unsigned writes = TEST_PAGES / 2 / 3;
    cost->arm_ns = (double)(t1 - t0) / TEST_PAGES;
    cost->written_ns = (double)(t2 - t1) / writes;
    cost->scan_ns = (double)(t3 - t2) / TEST_PAGES;
    cost->reported = (double)pages / writes;
    dv_protect_forget(region.start, region.end);
    return status;
}

static enum dv_status test_memory(struct dv_tracker_cost *cost)
{
    size_t bytes = (size_t)TEST_PAGES * DV_PAGE_BYTES;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return dv_fail_quietly(DV_ERR_NO_MEMORY, "no memory for the test");
    struct sigaction action = {.sa_sigaction = test_fault, .sa_flags = SA_SIGINFO | SA_NODEFER},
                     old;
    memset(memory, 1, bytes);
    sigaction(SIGSEGV, &action, &old);
    enum dv_status status = try_out(memory, cost);
    sigaction(SIGSEGV, &old, NULL);
    munmap(memory, bytes);
    return status;
}

static enum dv_status protect_test(struct dv_tracker_cost *cost, char *why, size_t why_bytes)
{
    struct dv_tracker *t = NULL;
    enum dv_status status = protect_open(&t);
    if (status == DV_OK) {
        status = test_memory(cost);
        dv_protect_forget(0, UINT64_MAX);
        protect.protecting = protect.opened = 0;
        free_notes();
    }
    snprintf(why, why_bytes, "%s", status == DV_OK ? "" : dv_why());
    return status == DV_OK || status == DV_ERR_NO_MEMORY ? status : DV_ERR_UNSUPPORTED;
}

extern const struct dv_tracker_ops dv_tracker_mprotect;
const struct dv_tracker_ops dv_tracker_mprotect = {
    .name = "mprotect",
    .summary = "memory is write-protected, the first write to a block faults (SIGSEGV)",
    .test = protect_test,
    .open = protect_open,
    .can_track = protect_can_track,
    .arm = protect_arm,
    .disarm = protect_disarm,
    .collect = protect_collect,
    .close = protect_close,
};
