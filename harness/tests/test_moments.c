/* Moments of faults: the same for the same seed, with the distribution asked for; and filters, by which cells are chosen. */
#include "harness/plan/filter.h"
#include "harness/plan/moments.h"
#include "harness/tests/fixture.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sort.h>
#include <math.h>

enum { DRAWS = 20000 };

/* Kolmogorov and Smirnov's distance of the gaps from a distribution function. */
static double distance(const struct dv_moments *moments, const struct dv_fault *fault)
{
    double *gaps = calloc(moments->count, sizeof *gaps), largest = 0;
    for (size_t i = 0; i < moments->count; i++)
        gaps[i] = moments->item[i].at_s - (i ? moments->item[i - 1].at_s : 0);
    gsl_sort(gaps, 1, moments->count);
    for (size_t i = 0; i < moments->count; i++) {
        double p =
            fault->timing == DV_FAULT_EXPONENTIAL
                ? gsl_cdf_exponential_P(gaps[i], fault->mtbf_s)
                : gsl_cdf_weibull_P(gaps[i], fault->mtbf_s / gsl_sf_gamma(1 + 1 / fault->shape),
                                    fault->shape);
        largest = fmax(largest, fabs(p - ((double)i + 0.5) / (double)moments->count));
    }
    free(gaps);
    return largest;
}

static void test_distributions(void **state)
{
    (void)state;
    struct dv_arena memory = {NULL};
    struct dv_fault faults[] = {
        {.kind = DV_FAULT_ALL, .timing = DV_FAULT_EXPONENTIAL, .mtbf_s = 20, .most = DRAWS},
        {.kind = DV_FAULT_ALL,
         .timing = DV_FAULT_WEIBULL,
         .mtbf_s = 5,
         .shape = 0.7,
         .most = DRAWS},
        {.kind = DV_FAULT_ALL, .timing = DV_FAULT_WEIBULL, .mtbf_s = 5, .shape = 3, .most = DRAWS},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct dv_moments moments = dv_moments_draw(&faults[i], 7, 2, INFINITY, &memory);
        assert_int_equal(moments.count, DRAWS);
        assert_true(distance(&moments, &faults[i]) < 1.95 / sqrt(DRAWS)); /* p = 0.001 */
        double mean = moments.item[DRAWS - 1].at_s / DRAWS;
        assert_true(fabs(mean / faults[i].mtbf_s - 1) < 0.05);
    }
    dv_arena_free(&memory);
}

static void test_repeatable(void **state)
{
    (void)state;
    struct dv_arena memory = {NULL};
    struct dv_fault fault = {
        .kind = DV_FAULT_ANY_RANK, .timing = DV_FAULT_EXPONENTIAL, .mtbf_s = 2};
    struct dv_moments a = dv_moments_draw(&fault, 1, 4, 1000, &memory);
    struct dv_moments b = dv_moments_draw(&fault, 1, 4, 1000, &memory);
    struct dv_moments c = dv_moments_draw(&fault, 2, 4, 1000, &memory);
    size_t of_rank[4] = {0};
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.item, b.item, a.count * sizeof *a.item);
    assert_true(a.item[0].at_s != c.item[0].at_s);
    for (size_t i = 0; i < a.count; i++) {
        assert_true(a.item[i].at_s < 1000 && (i == 0 || a.item[i].at_s > a.item[i - 1].at_s));
        assert_in_range(a.item[i].rank, 0, 3);
        of_rank[a.item[i].rank]++;
    }
    for (int i = 0; i < 4; i++)
        assert_true(of_rank[i] > a.count / 8);
    dv_arena_free(&memory);
}

static void test_schedule(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_arena memory = {NULL};
    assert_int_equal(
        fixture_open("applications: [cg]\n"
                     "faults: [{kill: rank 1, at: [1s, 2500ms]}, {kill: all, after-epoch: 2},\n"
                     "  {kill: rank any, distribution: weibull, mtbf: 20s, shape: 0.7, most: 3}]\n",
                     &e),
        DV_OK);
    struct dv_moments moments = dv_moments_draw(&e.faults.item[0], 3, 2, 2, &memory);
    assert_int_equal(moments.count, 2);
    assert_true(moments.item[1].at_s == 2.5 && moments.item[1].rank == 1);
    assert_string_equal(e.faults.item[0].label, "kill rank 1 at 1s+2.5s");
    assert_false(dv_fault_is_certain(&e.faults.item[0]));
    moments = dv_moments_draw(&e.faults.item[1], 3, 2, 60, &memory);
    assert_true(moments.count == 1 && isnan(moments.item[0].at_s) && moments.item[0].rank == -1);
    assert_true(dv_fault_is_certain(&e.faults.item[1]));
    assert_string_equal(e.faults.item[2].label, "kill rank any weibull mtbf 20s shape 0.7 most 3");
    dv_arena_free(&memory);
    dv_experiment_close(&e);
}

/* How many cells are chosen, or -1; `text`: what was said. */
static int choose(const char *expression, const struct dv_experiment *e, const struct dv_plan *plan,
                  char *text, size_t text_bytes)
{
    bool chosen[64];
    char said[2048];
    enum dv_status status;
    assert_true(plan->cell_count <= 64);
    FIXTURE_CAPTURE(said, status = dv_filter_choose(expression, e, plan, chosen));
    snprintf(text, text_bytes, "%s", said);
    int count = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        count += chosen[i];
    return status == DV_OK ? count : -1;
}

static void test_filter(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    char text[2048];
    assert_int_equal(fixture_open("applications: [ep, {name: cg, arguments: ['{class}', '{n}']}]\n"
                                  "sweep: {n: [1, 2]}\n"
                                  "strategies: [full+coordinated, incremental+coordinated]\n"
                                  "intervals: [1s, 2s]\n",
                                  &e),
                     DV_OK);
    assert_int_equal(dv_plan_make(&e, &plan), DV_OK);
    assert_int_equal(plan.cell_count, 3 * 6);
    assert_int_equal(choose(NULL, &e, &plan, text, sizeof text), 18);
    assert_int_equal(choose("application=ep", &e, &plan, text, sizeof text), 6);
    assert_int_equal(choose("application~cg,strategy~incremental", &e, &plan, text, sizeof text),
                     2 * (2 + 2));
    assert_int_equal(choose("interval=1000ms", &e, &plan, text, sizeof text), 3 * (2 + 2));
    assert_int_equal(choose("n=2,interval!=1s,strategy!~full", &e, &plan, text, sizeof text),
                     2 + 1);
    assert_int_equal(choose("strategy=native", &e, &plan, text, sizeof text), 3 * 2);
    assert_int_equal(choose("aplication=ep", &e, &plan, text, sizeof text), -1);
    assert_non_null(
        strstr(text, "--filter: unknown factor 'aplication'; did you mean 'application'?"));
    assert_int_equal(choose("ep", &e, &plan, text, sizeof text), -1);
    assert_non_null(strstr(text, "is not factor=value"));
    assert_int_equal(choose("application=lu", &e, &plan, text, sizeof text), -1);
    assert_non_null(strstr(text, "none of 18 cells matches"));
    dv_plan_free(&plan);
    dv_experiment_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_filter),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
