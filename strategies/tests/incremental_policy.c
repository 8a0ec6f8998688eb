/* How the incremental strategy watches a zone: the choice between tracking and hashing, from costs as a processor of 2024 has
 * them, and how it changes with what the application does. Nanoseconds. */
#include "../capture/incremental/policy.h"

/* cmocka.h needs the others before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include <stdlib.h>

#define PAGES 262144u /* 1 GiB */
#define EPOCHS 8u

static const struct policy_costs calm = {
    .tracker = {.written_ns = 700, .scan_ns = 10, .arm_ns = 10, .reported = 1},
    .keep = {.copy_ns = 330, .fork_ns = 100, .cow_ns = 2200},
    .digest_ns = 140,
    .split_ns = 300e3,
};

/* The mode after some epochs in each of which `percent` of the pages are written, spread evenly. */
static enum zone_mode settle(const struct policy_costs *costs, struct zone *z, unsigned percent)
{
    for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
        struct zone_count seen = {.end = z->end};
        const char *reason;
        double tracked, hashed;
        for (uint64_t page = 0; page < z->pages; page++)
            if (page % 100 < percent)
                zone_count_add(&seen, page * DV_PAGE_BYTES, (page + 1) * DV_PAGE_BYTES);
        assert_int_equal(seen.pages, z->pages / 100 * percent +
                                         (z->pages % 100 < percent ? z->pages % 100 : percent));
        enum zone_mode mode = policy_judge(costs, z, &seen, &tracked, &hashed, &reason);
        if (mode != z->mode)
            z->age = z->against = 0;
        z->mode = mode;
    }
    return z->mode;
}

static struct zone zone(enum zone_mode mode, uint64_t pages)
{
    return (struct zone){.end = pages * DV_PAGE_BYTES, .mode = mode, .pages = pages};
}

static void few_pages_are_tracked(void **state)
{
    (void)state;
    for (unsigned percent = 0; percent <= 25; percent += 5) {
        struct zone z = zone(ZONE_TRACKED, PAGES);
        assert_int_equal(settle(&calm, &z, percent), ZONE_TRACKED);
        z = zone(ZONE_HASHED, PAGES);
        assert_int_equal(settle(&calm, &z, percent), ZONE_TRACKED);
    }
}

static void many_pages_are_hashed(void **state)
{
    (void)state;
    for (unsigned percent = 60; percent <= 100; percent += 10) {
        struct zone z = zone(ZONE_TRACKED, PAGES);
        assert_int_equal(settle(&calm, &z, percent), ZONE_HASHED);
        z = zone(ZONE_HASHED, PAGES);
        assert_int_equal(settle(&calm, &z, percent), ZONE_HASHED);
    }
}

static void habits_change(void **state)
{
    (void)state;
    struct zone z = zone(ZONE_TRACKED, PAGES);
    assert_int_equal(settle(&calm, &z, 100), ZONE_HASHED);
    assert_int_equal(settle(&calm, &z, 5), ZONE_TRACKED);
    assert_int_equal(settle(&calm, &z, 90), ZONE_HASHED);
}

/* All pages of a hashed zone are kept in every epoch, which stops the application: measured on a busy machine, page faults and
 * scans seem dear, but a tenth of the pages is no reason yet to stop it for the others. */
static void stops_count(void **state)
{
    (void)state;
    struct policy_costs busy = calm;
    busy.tracker.written_ns = 1656;
    busy.tracker.scan_ns = 106;
    struct zone z = zone(ZONE_TRACKED, PAGES);
    assert_int_equal(settle(&busy, &z, 10), ZONE_TRACKED);
    z = zone(ZONE_HASHED, PAGES);
    assert_int_equal(settle(&busy, &z, 10), ZONE_TRACKED);
}

static void one_epoch_is_no_habit(void **state)
{
    (void)state;
    struct zone z = zone(ZONE_TRACKED, PAGES);
    struct zone_count all = {.end = z.end, .pages = PAGES, .blocks = PAGES / 512},
                      few = {.end = z.end, .pages = 1, .blocks = 1};
    const char *reason;
    double tracked, hashed;
    for (unsigned epoch = 0; epoch < EPOCHS; epoch++)
        assert_int_equal(
            policy_judge(&calm, &z, epoch % 2 ? &few : &all, &tracked, &hashed, &reason),
            ZONE_TRACKED);
}

static void huge_pages_are_not_split(void **state)
{
    (void)state;
    const char *reason;
    struct zone z = zone(ZONE_NEW, PAGES);
    z.huge_pages = PAGES;
    z.mode = policy_first(&z, &reason);
    assert_int_equal(z.mode, ZONE_HASHED);
    assert_int_equal(settle(&calm, &z, 20), ZONE_HASHED); /* something in every huge page */
}

static void small_and_shared_zones_stay(void **state)
{
    (void)state;
    struct zone z = zone(ZONE_TRACKED, 500);
    assert_int_equal(settle(&calm, &z, 100), ZONE_TRACKED);
    z = zone(ZONE_ALWAYS, PAGES);
    assert_int_equal(settle(&calm, &z, 1), ZONE_ALWAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_pages_are_tracked),
        cmocka_unit_test(many_pages_are_hashed),
        cmocka_unit_test(habits_change),
        cmocka_unit_test(stops_count),
        cmocka_unit_test(one_epoch_is_no_habit),
        cmocka_unit_test(huge_pages_are_not_split),
        cmocka_unit_test(small_and_shared_zones_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
