/* The plan: complete blocks, the same order for the same seed, cells left out with a reason. */
#include "harness/plan/estimate.h"
#include "harness/plan/plan.h"
#include "harness/tests/fixture.h"

#include <math.h>

static const char crossed[] = "applications: [ep, {name: cg, ranks: [2]}]\n"
                              "classes: [S, W]\n"
                              "ranks: [1, 3]\n"
                              "strategies: [full+coordinated]\n"
                              "intervals: [1s, 2s]\n"
                              "faults: [none, {kill: rank 2, at: 1s}]\n"
                              "repetitions: 4\n"
                              "warmup: 2\n";

static void make(const char *yaml, struct dv_experiment *e, struct dv_plan *plan)
{
    assert_int_equal(fixture_open(yaml, e), DV_OK);
    assert_int_equal(dv_plan_make(e, plan), DV_OK);
}

static void test_blocks_are_complete(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    make(crossed, &e, &plan);
    /* ep: 2 classes x (1 rank: 2 bases + 2 intervals; 3 ranks: 2 bases + 2 intervals x 2 faults);
     * cg: 2 classes x (2 bases + 2 intervals); there is no rank 2 among 1 or 2. */
    assert_int_equal(plan.cell_count, 2 * (4 + 6) + 2 * 4);
    assert_int_equal(plan.group_count, 6);
    assert_int_equal(plan.left_out_count, 2 * 2 + 2 * 2);
    assert_non_null(strstr(plan.left_out[0].reason, "there is no rank 2"));
    assert_int_equal(plan.run_count, 6 * plan.cell_count);
    size_t *seen = calloc(plan.cell_count, sizeof *seen);
    for (size_t i = 0; i < plan.run_count; i++) {
        const struct dv_planned_run *run = &plan.runs[i];
        assert_int_equal(run->index, i);
        assert_int_equal(run->block, i / plan.cell_count);
        assert_int_equal(run->position, i % plan.cell_count);
        assert_int_equal(run->warmup, run->block < 2);
        seen[run->cell]++;
        if (run->position + 1 < plan.cell_count)
            continue;
        for (size_t c = 0; c < plan.cell_count; c++)
            assert_int_equal(seen[c], run->block + 1);
    }
    free(seen);
    dv_plan_free(&plan);
    dv_experiment_close(&e);
}

/* A group's runs come one behind the other, so that pairs are close in time. */
static void test_groups_stay_together(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    make(crossed, &e, &plan);
    size_t changes = 0;
    for (size_t i = 1; i < plan.cell_count; i++)
        changes += plan.cells[plan.runs[i].cell].group != plan.cells[plan.runs[i - 1].cell].group;
    assert_int_equal(changes, plan.group_count - 1);
    dv_plan_free(&plan);
    dv_experiment_close(&e);
}

static void test_seed_decides(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan a, b, c;
    make(crossed, &e, &a);
    assert_int_equal(dv_plan_make(&e, &b), DV_OK);
    assert_int_equal(a.digest, b.digest);
    size_t same_order = 0;
    for (size_t i = 0; i < a.run_count; i++) {
        assert_int_equal(a.runs[i].cell, b.runs[i].cell);
        assert_int_equal(a.runs[i].seed, b.runs[i].seed);
        size_t next = (i + a.cell_count) % a.run_count;
        same_order += a.runs[i].cell == a.runs[next].cell;
    }
    assert_true(same_order < a.run_count / 2); /* blocks differ in their order */
    e.seed++;
    assert_int_equal(dv_plan_make(&e, &c), DV_OK);
    assert_int_not_equal(a.digest, c.digest);
    dv_plan_free(&a);
    dv_plan_free(&b);
    dv_plan_free(&c);
    dv_experiment_close(&e);
    /* More repetitions leave the blocks that are there as they are. */
    make(crossed, &e, &a);
    e.repetitions++;
    assert_int_equal(dv_plan_make(&e, &b), DV_OK);
    for (size_t i = 0; i < a.run_count; i++)
        assert_int_equal(a.runs[i].seed, b.runs[i].seed);
    dv_plan_free(&a);
    dv_plan_free(&b);
    dv_experiment_close(&e);
}

/* Every place of a block is equally likely for a treatment. */
static void test_order_is_uniform(void **state)
{
    (void)state;
    enum { SIDES = 6, THROWS = 60000 };
    size_t counts[SIDES] = {0};
    uint64_t seed = 1;
    for (int i = 0; i < THROWS; i++)
        counts[dv_random_below(&seed, SIDES)]++;
    double chi2 = 0, expected = (double)THROWS / SIDES;
    for (int i = 0; i < SIDES; i++)
        chi2 += pow((double)counts[i] - expected, 2) / expected;
    assert_true(chi2 < 20.5); /* 5 degrees of freedom, p = 0.001 */
    for (int i = 0; i < 1000; i++) {
        double unit = dv_random_unit(&seed);
        assert_true(unit >= 0 && unit < 1);
    }
}

static void test_impossible(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    char text[2048];
    enum dv_status status;
    assert_int_equal(fixture_open("applications: [cg]\nranks: [3]\n", &e), DV_OK);
    FIXTURE_CAPTURE(text, status = dv_plan_make(&e, &plan));
    assert_int_equal(dv_status_exit(status), DV_EXIT_USAGE);
    assert_non_null(strstr(text, "nothing to run; first cell left out: cg.S.3: cg needs a power"));
    dv_experiment_close(&e);
}

static void test_estimate(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    make("applications: [ep]\nrepetitions: 2\nwarmup: 0\nranks: [1]\n", &e, &plan);
    assert_int_equal(plan.run_count, 6);
    double measured[6] = {4, NAN, NAN, NAN, NAN, NAN};
    struct dv_plan_estimate estimate = dv_estimate_rest(&plan, measured, NULL, 0.5, 2);
    assert_true(estimate.measured);
    assert_true(fabs(estimate.seconds - 5 * 4.5) <
                1e-9); /* other cells of the group: as this one */
    estimate = dv_estimate_rest(&plan, NULL, NULL, 0, 2);
    assert_false(estimate.measured);
    assert_true(estimate.seconds > 0);
    dv_plan_free(&plan);
    dv_experiment_close(&e);
}

/* A known application without classes runs once, whatever classes the others have. */
static void test_no_class(void **state)
{
    (void)state;
    struct dv_experiment e;
    struct dv_plan plan;
    make("applications: [synthetic]\nclasses: [S, W]\nranks: [3]\n", &e, &plan);
    assert_int_equal(e.apps[0].arguments.count, 0);
    assert_int_equal(plan.group_count, 1);
    assert_int_equal(plan.left_out_count, 0);
    assert_string_equal(plan.cells[0].class_name, "-");
    dv_plan_free(&plan);
    dv_experiment_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_complete),
        cmocka_unit_test(test_groups_stay_together),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_order_is_uniform),
        cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_no_class),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
