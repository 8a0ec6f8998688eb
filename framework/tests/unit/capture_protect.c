/* Tracker mprotect in a plain process: what is written is reported, whoever writes; what changes is forgotten; the list of
 * mappings shows memory as the application knows it. */
#include "capture/regions.h"
#include "capture/tracker_mprotect.h"
#include "capture/trackers.h"
#include "check.h"
#include "common/fail.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#define BASE 0x200000000000ull
#define PAGES 512u
#define BYTES ((uint64_t)PAGES * DV_PAGE_BYTES)
#define BLOCK (8ull * DV_PAGE_BYTES)

extern const struct dv_tracker_ops dv_tracker_mprotect;
static const struct dv_tracker_ops *const ops = &dv_tracker_mprotect;
static struct dv_tracker *tracker;
static volatile char *const memory = (volatile char *)BASE;
static int is_ready;
static uint64_t reopen_start, reopen_end;
static unsigned faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    faults++;
    if (!dv_protect_fault((uint64_t)(uintptr_t)info->si_addr))
        signal(sig, SIG_DFL);
}

static enum dv_status ready(uint64_t mask)
{
    (void)mask;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    return is_ready ? DV_OK : DV_ERR_UNSUPPORTED;
}

static int can_protect(uint64_t start, uint64_t end)
{
    return start >= BASE && end <= BASE + (1ull << 40);
}

static void reopen(void)
{
    dv_protect_open(reopen_start, reopen_end);
}

static const struct dv_protect_host host = {
    .ready = ready, .can_protect = can_protect, .reopen = reopen};

static void map(uint64_t at, uint64_t bytes, int protection)
{
    void *got = mmap((void *)at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    assert_ptr_equal(got, (void *)at);
}

static int setup(void **state)
{
    (void)state;
    check_quiet();
    is_ready = 1;
    reopen_start = reopen_end = 0;
    dv_protect_attach(&host);
    dv_protect_block(BLOCK);
    map(BASE, BYTES, PROT_READ | PROT_WRITE);
    memset((char *)BASE, 1, BYTES);
    return ops->open(&tracker) == DV_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ops->close(tracker);
    return munmap((void *)BASE, 2 * BYTES);
}

static unsigned char reported[2 * PAGES];

static enum dv_status note(void *arg, uint64_t from, uint64_t to)
{
    (void)arg;
    assert_true(from < to && from >= BASE && to <= BASE + 2 * BYTES);
    for (; from < to; from += DV_PAGE_BYTES)
        reported[(from - BASE) / DV_PAGE_BYTES] = 1;
    return DV_OK;
}

static size_t collect(uint64_t start, uint64_t end)
{
    size_t count = 0;
    memset(reported, 0, sizeof reported);
    assert_int_equal(ops->collect(tracker, start, end, 0, note, NULL), DV_OK);
    for (size_t i = 0; i < sizeof reported; i++)
        count += reported[i];
    return count;
}

static void arm(void)
{
    assert_int_equal(ops->arm(tracker, BASE, BASE + BYTES), DV_OK);
}

static void test_blocks(void **state)
{
    (void)state;
    arm();
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
    faults = 0;
    memory[100 * DV_PAGE_BYTES] = 2;
    memory[101 * DV_PAGE_BYTES + 7] = 2;
    assert_int_equal(faults, 1);
    assert_int_equal(collect(BASE, BASE + BYTES), 8);
    assert_true(reported[100] && reported[101]);
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
    memory[101 * DV_PAGE_BYTES] = 3;
    assert_int_equal(faults, 2);
    /* A part of a block is reported, and the block stays dirty. */
    assert_int_equal(collect(BASE + 101ull * DV_PAGE_BYTES, BASE + 102ull * DV_PAGE_BYTES), 1);
    assert_int_equal(collect(BASE, BASE + BYTES), 8);
}

static void test_system_calls(void **state)
{
    (void)state;
    struct timespec now;
    int ends[2];
    arm();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], &now, sizeof now), sizeof now);
    /* What all the opening is for. */
    assert_true(read(ends[0], (void *)(BASE + 64), sizeof now) == -1 && errno == EFAULT);
    dv_protect_open(BASE + 64, BASE + 64 + sizeof now);
    assert_int_equal(read(ends[0], (void *)(BASE + 64), sizeof now), sizeof now);
    assert_int_equal(collect(BASE, BASE + BYTES), 8);
    assert_true(reported[0]);
    close(ends[0]);
    close(ends[1]);
}

static void test_pending(void **state)
{
    (void)state;
    arm();
    reopen_start = BASE + 40ull * DV_PAGE_BYTES;
    reopen_end = reopen_start + 1;
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
    faults = 0;
    memory[40 * DV_PAGE_BYTES] = 9;
    assert_int_equal(faults, 0);
    assert_int_equal(collect(BASE, BASE + BYTES), 8);
    assert_int_equal(collect(BASE, BASE + BYTES), 8); /* as long as it is pending */
}

static void test_forget(void **state)
{
    (void)state;
    uint64_t middle = BASE + 203ull * DV_PAGE_BYTES;
    arm();
    dv_protect_forget(middle, middle + 5ull * DV_PAGE_BYTES);
    assert_int_equal(ops->collect(tracker, BASE, BASE + BYTES, 0, note, NULL), DV_ERR_NOT_FOUND);
    faults = 0;
    for (size_t i = 203; i < 208; i++)
        memory[i * DV_PAGE_BYTES] = 4;
    assert_int_equal(faults, 0);
    memory[300 * DV_PAGE_BYTES] = 4;
    assert_int_equal(faults, 1);
    collect(middle + 5ull * DV_PAGE_BYTES, BASE + BYTES);
    assert_true(reported[300] && !reported[400]);
    /* The block that was cut is open on both sides. */
    assert_int_equal(collect(BASE, middle), 3);
    arm();
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
}

static void test_open_all(void **state)
{
    (void)state;
    arm();
    faults = 0;
    dv_protect_open_all();
    memory[7] = 1;
    assert_int_equal(faults, 0);
    assert_int_equal(collect(BASE, BASE + BYTES), PAGES);
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
    is_ready = 0;
    assert_int_equal(collect(BASE, BASE + BYTES), PAGES);
    memory[7] = 1;
    assert_int_equal(faults, 0);
    assert_int_equal(collect(BASE, BASE + BYTES), PAGES);
    is_ready = 1;
    assert_int_equal(collect(BASE, BASE + BYTES), PAGES);
    assert_int_equal(collect(BASE, BASE + BYTES), 0);
}

static void test_unwritable(void **state)
{
    (void)state;
    struct dv_maps maps;
    map(BASE + BYTES, BYTES, PROT_READ);
    assert_int_equal(ops->arm(tracker, BASE, BASE + 2 * BYTES), DV_OK);
    assert_int_equal(collect(BASE, BASE + 2 * BYTES), 0);
    dv_protect_open_all();
    assert_int_equal(collect(BASE, BASE + 2 * BYTES), PAGES);
    /* To the kernel it is one read-only mapping. */
    assert_int_equal(dv_maps_read(&maps), DV_OK);
    size_t found = 0;
    for (size_t i = 0; i < maps.count; i++)
        if (maps.regions[i].start == BASE) {
            assert_int_equal(maps.regions[i].end, BASE + BYTES);
            assert_int_equal(maps.regions[i].flags, DV_REGION_READ | DV_REGION_WRITE);
            assert_int_equal(maps.regions[i + 1].start, BASE + BYTES);
            assert_int_equal(maps.regions[i + 1].end, BASE + 2 * BYTES);
            assert_int_equal(maps.regions[i + 1].flags, DV_REGION_READ);
            found++;
        }
    assert_int_equal(found, 1);
    dv_maps_free(&maps);
}

static void test_pieces_are_one_mapping(void **state)
{
    (void)state;
    struct dv_maps maps;
    arm();
    for (size_t i = 0; i < PAGES; i += 24)
        memory[i * DV_PAGE_BYTES] = 1;
    assert_int_equal(dv_maps_read(&maps), DV_OK);
    assert_int_equal(maps.count, 1);
    assert_int_equal(maps.regions[0].start, BASE);
    assert_int_equal(maps.regions[0].end, BASE + BYTES);
    assert_int_equal(maps.regions[0].flags, DV_REGION_READ | DV_REGION_WRITE);
    dv_maps_free(&maps);
}

static void test_limit_of_mappings(void **state)
{
    (void)state;
    const uint64_t at = BASE + 16 * BYTES, pages = 140000;
    uint64_t count = 0, written = 0;
    char *far = (char *)at;
    dv_protect_block(DV_PAGE_BYTES);
    map(at, pages * DV_PAGE_BYTES, PROT_READ | PROT_WRITE);
    assert_int_equal(ops->arm(tracker, at, at + pages * DV_PAGE_BYTES), DV_OK);
    faults = 0;
    for (uint64_t i = 0; i < pages; i += 4, written++)
        far[i * DV_PAGE_BYTES] = 1;
    assert_true(faults < written); /* at some point all was opened */
    struct dv_region region = {.start = at, .end = at + pages * DV_PAGE_BYTES};
    struct dv_maps maps;
    assert_int_equal(dv_maps_read(&maps), DV_OK);
    for (size_t i = 0; i < maps.count; i++)
        count += maps.regions[i].start == region.start && maps.regions[i].end == region.end;
    assert_int_equal(count, 1);
    dv_maps_free(&maps);
    assert_int_equal(ops->disarm(tracker, region.start, region.end), DV_OK);
    munmap(far, pages * DV_PAGE_BYTES);
}

/* A model of what was written; the tracker may report more, never less. */
static void test_random(void **state)
{
    (void)state;
    const char *text = getenv("DEJAVU_SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srandom(seed);
    unsigned char written[PAGES] = {0};
    arm();
    for (int step = 0; step < 20000; step++) {
        uint64_t page = (uint64_t)random() % PAGES, more = (uint64_t)random() % (PAGES - page) + 1;
        uint64_t start = BASE + page * DV_PAGE_BYTES, end = start + more * DV_PAGE_BYTES;
        switch (random() % 40) {
        case 0:
            dv_protect_open(start + 9, end - 9);
            break;
        case 1:
            dv_protect_open_all();
            break;
        case 2:
            dv_protect_forget(start, end);
            memset((char *)start, step, end - start);
            memset(written + page, 1, more);
            break;
        case 3:
            is_ready = random() % 4 != 0;
            break;
        case 4:
        case 5: {
            memset(reported, 0, sizeof reported);
            enum dv_status status = ops->collect(tracker, start, end, 0, note, NULL);
            for (size_t i = page; status == DV_OK && i < page + more; i++)
                assert_true(reported[i] >= written[i]);
            assert_true(status == DV_OK || status == DV_ERR_NOT_FOUND);
            if (status == DV_ERR_NOT_FOUND)
                assert_int_equal(ops->arm(tracker, start, end), DV_OK);
            memset(written + page, 0, more);
            break;
        }
        default:
            memory[page * DV_PAGE_BYTES + (uint64_t)step % DV_PAGE_BYTES] = (char)step;
            written[page] = 1;
        }
    }
}

static void test_self_test(void **state)
{
    (void)state;
    struct dv_tracker_cost cost = {0};
    char why[256];
    assert_int_equal(ops->test(&cost, why, sizeof why), DV_ERR_UNSUPPORTED); /* it is open */
    ops->close(tracker);
    assert_int_equal(ops->test(&cost, why, sizeof why), DV_OK);
    assert_true(cost.written_ns > 0 && cost.arm_ns > 0 && cost.scan_ns > 0);
    dv_protect_attach(NULL);
    assert_int_equal(ops->test(&cost, why, sizeof why), DV_ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "tracker=mprotect"));
    dv_protect_attach(&host);
    assert_int_equal(ops->open(&tracker), DV_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_blocks),
        TEST(test_system_calls),
        TEST(test_pending),
        TEST(test_forget),
        TEST(test_open_all),
        TEST(test_unwritable),
        TEST(test_pieces_are_one_mapping),
        TEST(test_limit_of_mappings),
        TEST(test_random),
        TEST(test_self_test),
    };
    return cmocka_run_group_tests_name("capture-protect", tests, NULL, NULL);
}
