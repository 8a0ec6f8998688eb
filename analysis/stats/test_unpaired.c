/* Unpaired statistics: the expected p are scipy.stats.mannwhitneyu's (SciPy 1.10.1), the intervals were counted over
 * all arrangements of the ranks. */
#include "analysis/stats/unpaired.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const double a[] = {3.1, 2.7, 4.4, 3.9, 2.2, 5.0, 3.3}, b[] = {4.1, 5.2, 3.6, 6.0, 4.8, 5.5};

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-9))
        fail_msg("%.17g is not %.17g", value, expected);
}

static void test_rank_sum(void **state)
{
    (void)state;
    static const double c[] = {1, 2, 2, 3, 4, 5}, d[] = {2, 3, 5, 6, 7, 7, 8};
    double many_a[60], many_b[60];
    for (int i = 0; i < 60; i++) {
        many_a[i] = i;
        many_b[i] = i * 1.03 + 2.5001;
    }
    assert_near(dv_stats_rank_sum(a, COUNT(a), b, COUNT(b)), 0.03496503496503496);
    assert_near(dv_stats_rank_sum(b, COUNT(b), a, COUNT(a)), 0.03496503496503496);
    assert_near(dv_stats_rank_sum(c, COUNT(c), d, COUNT(d)), 0.05148833084743259);
    assert_near(dv_stats_rank_sum(many_a, 60, many_b, 60), 0.312321421676216);
    assert_near(dv_stats_rank_sum(a, 1, a, 1), 1);
}

static void test_shift(void **state)
{
    (void)state;
    struct dv_estimate shift;
    assert_true(dv_stats_shift(a, COUNT(a), b, COUNT(b), 0.95, &shift));
    assert_near(shift.value, 1.4);
    assert_near(shift.low, 0.2);
    assert_near(shift.high, 2.7);
    assert_near(shift.coverage, 0.965034965034965);
    /* Three values on each side cannot give 95 %. */
    assert_true(dv_stats_shift(a, 3, b, 3, 0.95, &shift));
    assert_true(isnan(shift.low) && isnan(shift.high) && isnan(shift.coverage));
}

static void test_nothing(void **state)
{
    (void)state;
    static const double holes[] = {1, NAN};
    struct dv_estimate shift;
    assert_true(isnan(dv_stats_rank_sum(a, 0, b, COUNT(b))));
    assert_true(isnan(dv_stats_rank_sum(a, COUNT(a), holes, 2)));
    assert_false(dv_stats_shift(holes, 2, b, COUNT(b), 0.95, &shift));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_sum),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
