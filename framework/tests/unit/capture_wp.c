/* Tracker wp in a plain process: what is written is reported, also after mappings were moved, replaced and joined behind the
 * tracker's back. Skipped as a whole where the kernel lacks what it takes. */
#include "capture/regions.h"
#include "capture/trackers.h"
#include "check.h"

#include <sys/mman.h>

#define BASE 0x200000000000ull
#define PAGES 64u
#define BYTES ((uint64_t)PAGES * DV_PAGE_BYTES)
#define SKIPPED 77

extern const struct dv_tracker_ops dv_tracker_wp;
static const struct dv_tracker_ops *const ops = &dv_tracker_wp;
static struct dv_tracker *tracker;
static unsigned char reported[2 * PAGES];

static volatile char *page(unsigned number)
{
    return (volatile char *)(BASE + (uint64_t)number * DV_PAGE_BYTES);
}

/* No huge pages: what is reported is exact to a page. */
static void map(unsigned first, unsigned pages)
{
    void *at = (void *)page(first);
    size_t bytes = (size_t)pages * DV_PAGE_BYTES;
    assert_ptr_equal(at, mmap(at, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    assert_int_equal(0, madvise(at, bytes, MADV_NOHUGEPAGE));
}

static void write_pages(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        *page(i) = (char)(*page(i) + 1);
}

static void arm(unsigned first, unsigned pages)
{
    uint64_t start = (uint64_t)(uintptr_t)page(first);
    assert_int_equal(DV_OK, ops->arm(tracker, start, start + (uint64_t)pages * DV_PAGE_BYTES));
}

static enum dv_status note(void *arg, uint64_t start, uint64_t end)
{
    (void)arg;
    memset(reported + (start - BASE) / DV_PAGE_BYTES, 1, (end - start) / DV_PAGE_BYTES);
    return DV_OK;
}

static enum dv_status collect(unsigned first, unsigned pages)
{
    uint64_t start = (uint64_t)(uintptr_t)page(first);
    memset(reported, 0, sizeof reported);
    return ops->collect(tracker, start, start + (uint64_t)pages * DV_PAGE_BYTES,
                        DV_REGION_READ | DV_REGION_WRITE, note, NULL);
}

/* Exactly [first, end) of the first `pages` is reported, and once. */
static void expect(unsigned pages, unsigned first, unsigned end)
{
    assert_int_equal(DV_OK, collect(0, pages));
    for (unsigned i = 0; i < pages; i++)
        assert_int_equal(i >= first && i < end, reported[i]);
    assert_int_equal(DV_OK, collect(0, pages));
    assert_null(memchr(reported, 1, sizeof reported));
}

static int begin(void **state)
{
    (void)state;
    map(0, PAGES);
    write_pages(0, PAGES);
    return ops->open(&tracker) == DV_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ops->close(tracker);
    return munmap((void *)page(0), 2 * BYTES);
}

static void writes_are_reported(void **state)
{
    (void)state;
    arm(0, PAGES);
    expect(PAGES, 0, 0);
    write_pages(3, 17);
    expect(PAGES, 3, 17);
}

static void a_replaced_mapping_is_not_tracked(void **state)
{
    (void)state;
    arm(0, PAGES);
    map(8, 4);
    assert_int_equal(DV_ERR_NOT_FOUND, collect(0, PAGES));
}

static void memory_given_back_and_written_is_reported(void **state)
{
    (void)state;
    arm(0, PAGES);
    assert_int_equal(0, madvise((void *)page(20), 8 * (size_t)DV_PAGE_BYTES, MADV_DONTNEED));
    write_pages(22, 25);
    expect(PAGES, 22, 25);
}

/* Another mapping is moved next to the tracked one. Linux 6.18 makes one of both, which is not registered any more; the pages
 * keep their notes, also those that are written from then on. */
static void a_joined_mapping_can_be_armed_again(void **state)
{
    (void)state;
    arm(0, PAGES);
    map(4 * PAGES, PAGES);
    arm(4 * PAGES, PAGES);
    assert_ptr_equal((void *)page(PAGES), mremap((void *)page(4 * PAGES), BYTES, BYTES,
                                                 MREMAP_MAYMOVE | MREMAP_FIXED, page(PAGES)));
    write_pages(0, 8);
    if (collect(0, 2 * PAGES) == DV_ERR_NOT_FOUND)
        arm(0, 2 * PAGES);
    write_pages(4, 12);
    expect(2 * PAGES, 4, 12);
}

int main(void)
{
    check_quiet();
    struct dv_tracker_cost cost;
    char why[256];
    if (ops->test(&cost, why, sizeof why) != DV_OK) {
        printf("1..0 # SKIP tracker wp: %s\n", why);
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_are_reported, begin, end),
        cmocka_unit_test_setup_teardown(a_replaced_mapping_is_not_tracked, begin, end),
        cmocka_unit_test_setup_teardown(memory_given_back_and_written_is_reported, begin, end),
        cmocka_unit_test_setup_teardown(a_joined_mapping_can_be_armed_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
