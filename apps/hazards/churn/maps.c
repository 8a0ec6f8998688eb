/* Churn: mappings that come, go, move, grow, shrink, change their protection and are given back; see churn.h. */
#include "apps/hazards/churn/churn.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of some systems. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define READ_WRITE (PROT_READ | PROT_WRITE)
#define MOST_NEW_PAGES 700u
#define HUGE_AREA_PAGES (3 * CHURN_HUGE_BYTES / CHURN_PAGE)

static unsigned char *map(enum churn_kind kind, void *at, size_t pages, size_t file_page)
{
    int flags = kind == CHURN_SHARED ? MAP_SHARED | MAP_ANONYMOUS
                : kind == CHURN_FILE ? MAP_PRIVATE
                                     : MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *memory = mmap(at, pages * CHURN_PAGE, READ_WRITE, flags | (at ? MAP_FIXED : 0),
                                 kind == CHURN_FILE ? churn.file : -1,
                                 kind == CHURN_FILE ? (off_t)(file_page * CHURN_PAGE) : 0);
    CHECK(memory != MAP_FAILED);
    CHECK(!at || memory == at);
    return memory;
}

static enum churn_kind random_kind(void)
{
    uint64_t value = churn_random(8);
    return value == 0 ? CHURN_SHARED : value == 1 ? CHURN_FILE : CHURN_PRIVATE;
}

/* Part of it has contents at once. */
static void dirty_some(struct churn_area *area)
{
    size_t first = churn_random(area->pages), count = 1 + churn_random(area->pages - first);
    for (size_t block = first * CHURN_PAGE_BLOCKS; block < (first + count) * CHURN_PAGE_BLOCKS;
         block += 1 + churn_random(3))
        churn_write(area, block, churn_seed());
}

static void run_map(void)
{
    enum churn_kind kind = random_kind();
    size_t pages = 1 + churn_random(churn_random(6) ? 60 : MOST_NEW_PAGES), file_page = 0;
    if (kind == CHURN_FILE) {
        pages = 1 + pages % (CHURN_FILE_PAGES / 2);
        file_page = churn_random(CHURN_FILE_PAGES - pages);
    }
    struct churn_area *area = churn_area_new(pages);
    if (!area)
        return;
    churn_area_set(area, kind, map(kind, NULL, pages, file_page), pages, file_page);
    dirty_some(area);
}

static void run_unmap(void)
{
    struct churn_area *area = churn_pick(~0u);
    if (!area)
        return;
    churn_area_verify(area, 0, area->pages);
    CHECK(munmap(area->at, area->pages * CHURN_PAGE) == 0);
    churn_area_forget(area);
}

/* The tail or the head of an area goes. */
static void run_trim(void)
{
    struct churn_area *area = churn_pick(~0u);
    if (!area || area->pages < 2)
        return;
    size_t gone = 1 + churn_random(area->pages - 1);
    CHECK(munmap(area->at + (area->pages - gone) * CHURN_PAGE, gone * CHURN_PAGE) == 0);
    churn_area_resize(area, area->pages - gone);
}

/* Other memory at the same address: the whole area, of any kind. */
static void run_over(void)
{
    struct churn_area *area = churn_pick(~0u);
    if (!area)
        return;
    enum churn_kind kind = random_kind();
    size_t pages = area->pages, file_page = 0;
    if (kind == CHURN_FILE && pages >= CHURN_FILE_PAGES)
        kind = CHURN_PRIVATE;
    if (kind == CHURN_FILE)
        file_page = churn_random(CHURN_FILE_PAGES - pages);
    unsigned char *at = area->at;
    if (churn_random(2))
        CHECK(munmap(at, pages * CHURN_PAGE) == 0);
    (void)map(kind, at, pages, file_page);
    churn_area_forget(area);
    churn_area_set(area, kind, at, pages, file_page);
    if (churn_random(2))
        dirty_some(area);
}

/* The same memory again, fresh, over a part of an area. */
static void run_patch(void)
{
    struct churn_range range;
    if (!churn_pick_range(CHURN_PRIVATE | CHURN_FILE, 40, &range))
        return;
    (void)map(range.area->kind, range.area->at + range.first * CHURN_PAGE, range.count,
              range.area->file_page + range.first);
    memset(range.area->protection + range.first, READ_WRITE, range.count);
    churn_area_fresh(range.area, range.first, range.count);
    range.area->patched = true;
    if (churn_random(2))
        churn_write(range.area, range.first * CHURN_PAGE_BLOCKS, churn_seed());
}

/* What mremap does, for pages that are several mappings to the kernel. Since Linux 6.17 it may have moved some of them to
 * `to` before it refused. */
static unsigned char *copy(const struct churn_area *area, size_t pages, unsigned char *to,
                           int flags)
{
    unsigned char *at = to ? to : map(CHURN_PRIVATE, NULL, pages, 0), there;
    for (size_t page = 0; page < pages; page++) {
        unsigned char *from = area->at + page * CHURN_PAGE;
        if (page >= area->pages || mincore(from, CHURN_PAGE, &there) != 0)
            continue; /* fresh; or moved already */
        if (to)
            (void)map(CHURN_PRIVATE, to + page * CHURN_PAGE, 1, 0);
        memcpy(at + page * CHURN_PAGE, from, CHURN_PAGE);
    }
    if (flags & MREMAP_DONTUNMAP)
        CHECK(madvise(area->at, area->pages * CHURN_PAGE, MADV_DONTNEED) == 0);
    else
        CHECK(munmap(area->at, area->pages * CHURN_PAGE) == 0);
    return at;
}

/* Moves an area; `to` NULL: the kernel chooses where. Neighbours whose pages the kernel keeps account of together can keep
 * it from joining what mprotect had split, if seldom: then mremap answers EFAULT. How often is said at the end: it must not
 * be the case because somebody else splits mappings. */
static void move(struct churn_area *area, size_t pages, unsigned char *to, int flags)
{
    /* The call itself: UCX replaces libc's mremap by one that forgets the address of MREMAP_FIXED. */
    unsigned char *at =
        (unsigned char *)syscall(SYS_mremap, area->at, area->pages * CHURN_PAGE, pages * CHURN_PAGE,
                                 MREMAP_MAYMOVE | (to ? MREMAP_FIXED : 0) | flags, to);
    churn.moves++;
    if (at == MAP_FAILED && errno == EFAULT && area->kind == CHURN_PRIVATE) {
        churn.refused_moves++;
        at = copy(area, pages, to, flags);
    }
    CHECK(at != MAP_FAILED);
    CHECK(!to || at == to);
    area->at = at;
}

static struct churn_area *movable(unsigned kinds)
{
    struct churn_area *area = churn_pick(kinds);
    if (!area || area->patched)
        return NULL;
    churn_open(&(struct churn_range){area, 0, area->pages});
    return area;
}

static void run_grow(void)
{
    struct churn_area *area = movable(CHURN_PRIVATE);
    size_t more = 1 + churn_random(100);
    if (!area || churn.pages + more > churn.most_pages)
        return;
    move(area, area->pages + more, NULL, 0);
    churn_area_resize(area, area->pages + more);
    churn_area_verify(area, 0, area->pages);
    if (churn_random(2))
        churn_write(area, area->pages * CHURN_PAGE_BLOCKS - 1, churn_seed());
}

static void run_shrink(void)
{
    struct churn_area *area = movable(CHURN_PRIVATE | CHURN_SHARED);
    if (!area || area->pages < 2)
        return;
    size_t pages = 1 + churn_random(area->pages - 1);
    move(area, pages, NULL, 0);
    churn_area_resize(area, pages);
}

/* To a place that was just given back, onto another area, or leaving the old place mapped and empty. */
static void run_move(void)
{
    struct churn_area *area = movable(CHURN_PRIVATE | CHURN_SHARED);
    if (!area)
        return;
    unsigned char *to = mmap(NULL, area->pages * CHURN_PAGE, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(to != MAP_FAILED);
    move(area, area->pages, to, 0);
    churn_area_verify(area, 0, area->pages);
}

static void run_onto(void)
{
    struct churn_area *area = movable(CHURN_PRIVATE), *other = churn_pick(~0u);
    if (!area || !other || area == other || other->pages < area->pages)
        return;
    unsigned char *to = other->at;
    size_t rest = other->pages - area->pages;
    if (rest)
        CHECK(munmap(to + area->pages * CHURN_PAGE, rest * CHURN_PAGE) == 0);
    churn_area_forget(other);
    move(area, area->pages, to, 0);
}

static void run_leave(void)
{
    struct churn_area *area = movable(CHURN_PRIVATE);
    struct churn_area *left = area ? churn_area_new(area->pages) : NULL;
    if (!left)
        return;
    unsigned char *at = area->at;
    move(area, area->pages, NULL, MREMAP_DONTUNMAP);
    CHECK(area->at != at);
    churn_area_set(left, CHURN_PRIVATE, at, area->pages, 0);
    churn_area_verify(left, 0, left->pages);
    churn_write(left, churn_random(left->pages * CHURN_PAGE_BLOCKS), churn_seed());
}

static void run_protect(void)
{
    static const unsigned char protections[] = {PROT_NONE, PROT_READ, PROT_READ, READ_WRITE};
    struct churn_range range;
    if (!churn_pick_range(~0u, 30, &range))
        return;
    unsigned char protection = protections[churn_random(sizeof protections)];
    CHECK(mprotect(range.area->at + range.first * CHURN_PAGE, range.count * CHURN_PAGE,
                   protection) == 0);
    memset(range.area->protection + range.first, protection, range.count);
    churn_area_verify(range.area, range.first, range.count);
}

static void run_unprotect(void)
{
    struct churn_area *area = churn_pick(~0u);
    if (!area)
        return;
    churn_open(&(struct churn_range){area, 0, area->pages});
    churn_area_verify(area, 0, area->pages);
}

static void give_back(unsigned kinds)
{
    struct churn_range range;
    if (!churn_pick_range(kinds, 60, &range))
        return;
    CHECK(madvise(range.area->at + range.first * CHURN_PAGE, range.count * CHURN_PAGE,
                  MADV_DONTNEED) == 0);
    if (range.area->kind != CHURN_SHARED)
        churn_area_fresh(range.area, range.first, range.count);
    churn_area_verify(range.area, range.first, range.count);
    if (churn_random(2) && churn_writable(range.area, range.first))
        churn_write(range.area, range.first * CHURN_PAGE_BLOCKS + churn_random(CHURN_PAGE_BLOCKS),
                    churn_seed());
}

static void run_dontneed(void)
{
    give_back(CHURN_PRIVATE | CHURN_SHARED);
}

/* The file's contents are there again. A restore makes memory of a private mapping of a file, so that this is for runs that
 * are not killed. */
static void run_dontneedfile(void)
{
    give_back(CHURN_FILE);
}

static void run_free(void)
{
    struct churn_range range;
    if (!churn_pick_range(CHURN_PRIVATE, 60, &range))
        return;
    CHECK(madvise(range.area->at + range.first * CHURN_PAGE, range.count * CHURN_PAGE, MADV_FREE) ==
          0);
    memset(range.area->given_back + range.first, 1, range.count);
}

static void run_remove(void)
{
    struct churn_range range;
    if (!churn_pick_range(CHURN_SHARED, 60, &range))
        return;
    churn_open(&range);
    CHECK(madvise(range.area->at + range.first * CHURN_PAGE, range.count * CHURN_PAGE,
                  MADV_REMOVE) == 0);
    churn_area_fresh(range.area, range.first, range.count);
    churn_area_verify(range.area, range.first, range.count);
}

/* Advice that changes no contents; where the kernel does not know it, or cannot follow it, nothing happens. Given to whole
 * areas, for it splits mappings. */
static void advise(const int *advice, size_t count)
{
    struct churn_area *area = churn_pick(~0u);
    if (area)
        (void)madvise(area->at, area->pages * CHURN_PAGE, advice[churn_random(count)]);
}

static void run_advise(void)
{
    static const int advice[] = {MADV_DONTDUMP, MADV_NOHUGEPAGE, MADV_SEQUENTIAL, MADV_NORMAL,
                                 MADV_WILLNEED};
    advise(advice, sizeof advice / sizeof *advice);
}

/* Memory that a forked process does not have, or has as zeros. */
static void run_forkless(void)
{
    static const int advice[] = {MADV_DONTFORK, MADV_WIPEONFORK, MADV_DOFORK, MADV_KEEPONFORK};
    advise(advice, sizeof advice / sizeof *advice);
}

/* An area of huge pages; the first of them is written whole, the others here and there. */
static void run_huge(void)
{
    struct churn_area *area = churn_area_new(HUGE_AREA_PAGES);
    if (!area)
        return;
    size_t bytes = HUGE_AREA_PAGES * CHURN_PAGE;
    unsigned char *memory = map(CHURN_PRIVATE, NULL, (bytes + CHURN_HUGE_BYTES) / CHURN_PAGE, 0);
    size_t before = -(uintptr_t)memory % CHURN_HUGE_BYTES;
    if (before)
        CHECK(munmap(memory, before) == 0);
    if (before < CHURN_HUGE_BYTES)
        CHECK(munmap(memory + before + bytes, CHURN_HUGE_BYTES - before) == 0);
    (void)madvise(memory + before, bytes, MADV_HUGEPAGE);
    churn_area_set(area, CHURN_PRIVATE, memory + before, HUGE_AREA_PAGES, 0);
    size_t blocks = HUGE_AREA_PAGES * CHURN_PAGE_BLOCKS;
    for (size_t block = 0; block < blocks; block += block < blocks / 3 ? 1 : 1 + churn_random(800))
        churn_write(area, block, churn_seed());
}

static void run_collapse(void)
{
    struct churn_area *area = churn_pick(CHURN_PRIVATE);
    if (area && churn_all_writable(&(struct churn_range){area, 0, area->pages}))
        (void)madvise(area->at, area->pages * CHURN_PAGE, MADV_COLLAPSE);
}

/* A write barrier, as collectors have it: the program's own handler opens the page. */
static struct churn_range barrier;
static unsigned char *barrier_page;
static volatile sig_atomic_t barrier_hits;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if ((unsigned char *)info->si_addr < barrier_page ||
        (unsigned char *)info->si_addr >= barrier_page + CHURN_PAGE ||
        info->si_code != SEGV_ACCERR) {
        signal(number, SIG_DFL);
        return;
    }
    barrier_hits++;
    if (mprotect(barrier_page, CHURN_PAGE, READ_WRITE) != 0)
        abort();
}

static void run_barrier(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, before;
    if (!churn_pick_range(CHURN_PRIVATE, 4, &barrier))
        return;
    CHECK(sigaction(SIGSEGV, &action, &before) == 0);
    for (size_t page = barrier.first; page < barrier.first + barrier.count; page++) {
        barrier_page = barrier.area->at + page * CHURN_PAGE;
        int hits = barrier_hits;
        CHECK(mprotect(barrier_page, CHURN_PAGE, PROT_READ) == 0);
        barrier.area->protection[page] = READ_WRITE; /* by the time anybody looks */
        churn_write(barrier.area, page * CHURN_PAGE_BLOCKS + churn_random(CHURN_PAGE_BLOCKS),
                    churn_seed());
        CHECK(barrier_hits == hits + 1);
    }
    CHECK(sigaction(SIGSEGV, &before, NULL) == 0);
}

const struct churn_operation churn_map_operations[] = {
    {"map", 14, run_map},          {"unmap", 4, run_unmap},
    {"trim", 3, run_trim},         {"over", 4, run_over},
    {"patch", 4, run_patch},       {"grow", 5, run_grow},
    {"shrink", 3, run_shrink},     {"move", 4, run_move},
    {"onto", 2, run_onto},         {"leave", 2, run_leave},
    {"protect", 8, run_protect},   {"unprotect", 3, run_unprotect},
    {"dontneed", 5, run_dontneed}, {"dontneedfile", 0, run_dontneedfile},
    {"free", 4, run_free},         {"remove", 2, run_remove},
    {"forkless", 0, run_forkless}, {"advise", 3, run_advise},
    {"huge", 1, run_huge},         {"collapse", 1, run_collapse},
    {"barrier", 3, run_barrier},   {NULL, 0, NULL},
};
