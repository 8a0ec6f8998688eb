/* Optimum intervals: against the closed form by Lambert's W, and Young and Daly where they must
 * agree. */
#include "analysis/stats/optimum.h"

#include <gsl/gsl_sf_lambert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

/* d/dt of (exp((t + c) / M) - 1) / t is 0 where t = M (1 + W(-exp(-1 - c / M))). */
static void test_exact(void **state)
{
    (void)state;
    const double mtbf_s = 86400;
    for (int power = 0; power < 11; power++) {
        double cost_s = 1e-3 * pow(7, power); /* up to three MTBFs */
        double expected = mtbf_s * (1 + gsl_sf_lambert_W0(-exp(-1 - cost_s / mtbf_s)));
        assert_near(dv_interval_exact(cost_s, mtbf_s), expected, 2e-5);
    }
}

static void test_approximations(void **state)
{
    (void)state;
    assert_near(dv_interval_young(50, 10000), 1000, 1e-12);
    /* Cheap checkpoints: all agree; Daly is the better one. */
    assert_near(dv_interval_young(1, 1e6), dv_interval_exact(1, 1e6), 1e-3);
    assert_near(dv_interval_daly(1, 1e6), dv_interval_exact(1, 1e6), 1e-4);
    assert_near(dv_interval_daly(600, 3600), dv_interval_exact(600, 3600), 1e-2);
    assert_near(dv_interval_daly(1e4, 5e3), 5e3, 0);
}

static void test_efficiency(void **state)
{
    (void)state;
    double interval = dv_interval_exact(60, 3600);
    double best = dv_interval_efficiency(interval, 60, 30, 3600);
    assert_true(best > dv_interval_efficiency(interval * 1.2, 60, 30, 3600));
    assert_true(best > dv_interval_efficiency(interval / 1.2, 60, 30, 3600));
    /* Failures that hardly come: only checkpoints cost. */
    assert_near(dv_interval_efficiency(100, 10, 30, 1e12), 100.0 / 110, 1e-6);
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(dv_interval_exact(0, 100) == 0);
    assert_true(isnan(dv_interval_exact(-1, 100)));
    assert_true(isnan(dv_interval_exact(1, 0)));
    assert_true(isnan(dv_interval_exact(NAN, 100)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_approximations),
        cmocka_unit_test(test_efficiency),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
