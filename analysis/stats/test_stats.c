/* Statistics against values known from tables and other programs (R: median, quantile type 7,
 * DescTools::MedianCI). */
#include "analysis/stats/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

#define NEAR 1e-12

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= NEAR * fmax(1.0, fabs(expected))))
        fail_msg("%.17g is not %.17g", value, expected);
}

static void test_median(void **state)
{
    (void)state;
    const double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2};
    assert_near(dv_stats_median(odd, 3), 3);
    assert_near(dv_stats_median(even, 4), 2.5);
    assert_near(dv_stats_median(odd, 1), 5);
    assert_true(isnan(dv_stats_median(odd, 0)));
    assert_near(odd[0], 5); /* the sample is left alone */
}

static void test_missing_values_are_not_dropped(void **state)
{
    (void)state;
    const double holed[] = {1, NAN, 3, 4, 5, 6, 7};
    struct dv_interval interval;
    assert_true(isnan(dv_stats_median(holed, 3)));
    assert_false(dv_stats_median_interval(holed, 7, 0.95, &interval));
}

static void test_quantile(void **state)
{
    (void)state;
    double sample[20];
    for (int i = 0; i < 20; i++)
        sample[i] = 20 - i;
    assert_near(dv_stats_quantile(sample, 20, 0.95), 19.05);
    assert_near(dv_stats_quantile(sample, 20, 0.25), 5.75);
    assert_near(dv_stats_minimum(sample, 20), 1);
    assert_near(dv_stats_maximum(sample, 20), 20);
}

/* Ranks and coverages from the standard table of the sign test's interval. */
static void test_median_interval(void **state)
{
    (void)state;
    static const struct {
        size_t count, low, high;
        double coverage;
    } table[] = {
        {6, 1, 6, 0.96875},        {8, 1, 8, 0.9921875},       {9, 2, 8, 0.9609375},
        {10, 2, 9, 0.978515625},   {12, 3, 10, 0.96142578125}, {13, 3, 11, 0.9775390625},
        {20, 6, 15, 0.9586105347},
    };
    double sample[20];
    for (int i = 0; i < 20; i++)
        sample[i] = (i * 7) % 20 + 1; /* 1..20, shuffled; only the first `count` are used */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double ordered[20];
        for (size_t j = 0; j < table[i].count; j++)
            ordered[j] = (double)(table[i].count - j);
        struct dv_interval interval;
        assert_true(dv_stats_median_interval(ordered, table[i].count, 0.95, &interval));
        assert_int_equal(interval.low_rank, table[i].low);
        assert_int_equal(interval.high_rank, table[i].high);
        assert_true(fabs(interval.coverage - table[i].coverage) < 1e-9);
        assert_near(interval.low, (double)table[i].low);
        assert_near(interval.high, (double)table[i].high);
    }
    struct dv_interval interval;
    assert_false(dv_stats_median_interval(sample, 5, 0.95, &interval));
    assert_false(dv_stats_median_interval(sample, 0, 0.95, &interval));
}

static void test_geometric_mean(void **state)
{
    (void)state;
    const double sample[] = {1, 2, 4}, bad[] = {1, 0};
    assert_near(dv_stats_geometric_mean(sample, 3), 2);
    assert_true(isnan(dv_stats_geometric_mean(bad, 2)));
    assert_true(isnan(dv_stats_geometric_mean(sample, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_missing_values_are_not_dropped),
        cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_median_interval),
        cmocka_unit_test(test_geometric_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
