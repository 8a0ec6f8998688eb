/* Paired statistics against SciPy (fixtures/make.py), and against what must hold by construction. */
#include "analysis/stats/paired.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

#define CONFIDENCE 0.95

enum { POSITIVE_RANKS, P_WILCOXON, CENTRE, LOW, HIGH, P_DRIFT, ANSWERS };

static const struct fixture {
    size_t count;
    bool has_interval;
    double values[150], answers[ANSWERS];
} fixtures[] = {
/* clang-format off */
#include "analysis/stats/fixtures/paired.inc"
    /* clang-format on */
};
#define FIXTURES (sizeof fixtures / sizeof fixtures[0])

static void assert_near(double value, double expected, double tolerance)
{
    bool same = isnan(expected) ? isnan(value)
                                : fabs(value - expected) <= tolerance * fmax(1.0, fabs(expected));
    if (!same)
        fail_msg("%.17g is not %.17g", value, expected);
}

static void test_wilcoxon(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        struct dv_wilcoxon found;
        assert_true(dv_stats_wilcoxon(fixtures[i].values, fixtures[i].count, &found));
        assert_near(found.positive_ranks, fixtures[i].answers[POSITIVE_RANKS], 0);
        assert_near(found.p, fixtures[i].answers[P_WILCOXON], 1e-9);
        assert_int_equal(found.exact, fixtures[i].count <= DV_WILCOXON_EXACT_MAX);
    }
}

static void test_wilcoxon_at_the_edges(void **state)
{
    (void)state;
    const double zeros[] = {0, 0, 0}, holed[] = {1, NAN};
    struct dv_wilcoxon found;
    assert_true(dv_stats_wilcoxon(zeros, 3, &found));
    assert_near(found.p, 1, 0);
    assert_int_equal(found.zeros, 3);
    assert_false(dv_stats_wilcoxon(holed, 2, &found));
    assert_false(dv_stats_wilcoxon(zeros, 0, &found));
}

static void test_hodges_lehmann(void **state)
{
    (void)state;
    size_t intervals = 0;
    for (size_t i = 0; i < FIXTURES; i++) {
        const double *answers = fixtures[i].answers;
        struct dv_estimate shift;
        assert_true(
            dv_stats_hodges_lehmann(fixtures[i].values, fixtures[i].count, CONFIDENCE, &shift));
        assert_near(shift.value, answers[CENTRE], 1e-12);
        if (!fixtures[i].has_interval)
            continue;
        assert_near(shift.low, answers[LOW], 1e-12);
        assert_near(shift.high, answers[HIGH], 1e-12);
        assert_true(isnan(shift.low) || shift.coverage >= CONFIDENCE);
        intervals += isnan(shift.low) ? 0 : 1;
    }
    assert_true(intervals >= 4);
}

/* Above the exact limit the normal quantile takes over: at the limit both must nearly agree. */
static void test_intervals_join_at_the_limit(void **state)
{
    (void)state;
    double values[DV_WILCOXON_EXACT_MAX + 1];
    for (size_t i = 0; i <= DV_WILCOXON_EXACT_MAX; i++)
        values[i] = sin((double)(i * i)) + 0.01 * (double)i;
    struct dv_estimate exact, normal;
    assert_true(dv_stats_hodges_lehmann(values, DV_WILCOXON_EXACT_MAX, CONFIDENCE, &exact));
    assert_true(dv_stats_hodges_lehmann(values, DV_WILCOXON_EXACT_MAX + 1, CONFIDENCE, &normal));
    assert_near(normal.high - normal.low, exact.high - exact.low, 0.02);
}

static void test_paired_ratio(void **state)
{
    (void)state;
    const double treated[] = {11, 22, 33, 44, 55, 60, 84}, base[] = {10, 20, 30, 40, 50, 60, 70};
    const double bad[] = {1, 0};
    struct dv_estimate ratio;
    assert_true(dv_stats_paired_ratio(treated, base, 7, CONFIDENCE, &ratio));
    assert_near(ratio.value, 1.1, 1e-12);
    assert_near(ratio.low, 1.0, 1e-12);
    assert_near(ratio.high, 1.2, 1e-12);
    assert_near(ratio.coverage, 1 - 2.0 / 128, 1e-12);
    assert_true(dv_stats_paired_ratio(treated, base, 5, CONFIDENCE, &ratio));
    assert_true(isnan(ratio.low) && isnan(ratio.high) && isnan(ratio.coverage));
    assert_false(dv_stats_paired_ratio(treated, bad, 2, CONFIDENCE, &ratio));
}

/* By hand: 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.04 * 1 may not fall below what is before. */
static void test_holm(void **state)
{
    (void)state;
    const double p[] = {0.03, NAN, 0.01, 0.04, 0.02};
    const double expected[] = {0.06, NAN, 0.04, 0.06, 0.06};
    double adjusted[5];
    assert_true(dv_stats_holm(p, 5, adjusted));
    for (size_t i = 0; i < 5; i++)
        assert_near(adjusted[i], expected[i], 1e-15);
    const double large[] = {0.6, 0.7};
    assert_true(dv_stats_holm(large, 2, adjusted));
    assert_near(adjusted[0], 1, 0);
    assert_near(adjusted[1], 1, 0);
}

static void test_equivalence(void **state)
{
    (void)state;
    const struct dv_estimate within = {1, 0.985, 1.019, 0.96}, above = {1, 0.99, 1.021, 0.96},
                             below = {1, 0.980, 1.01, 0.96}, none = {1, NAN, NAN, NAN};
    assert_true(dv_stats_equivalent(&within, 0.02));
    assert_false(dv_stats_equivalent(&above, 0.02));
    assert_false(dv_stats_equivalent(&below, 0.02)); /* 1 / 1.02 is 0.9804 */
    assert_false(dv_stats_equivalent(&none, 0.02));
}

static void test_drift(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++)
        assert_near(dv_stats_drift(fixtures[i].values, fixtures[i].count),
                    fixtures[i].answers[P_DRIFT], 1e-9);
    const double equal[] = {2, 2, 2, 2};
    assert_true(isnan(dv_stats_drift(equal, 4)));
    assert_true(isnan(dv_stats_drift(equal, 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilcoxon),       cmocka_unit_test(test_wilcoxon_at_the_edges),
        cmocka_unit_test(test_hodges_lehmann), cmocka_unit_test(test_intervals_join_at_the_limit),
        cmocka_unit_test(test_paired_ratio),   cmocka_unit_test(test_holm),
        cmocka_unit_test(test_equivalence),    cmocka_unit_test(test_drift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
