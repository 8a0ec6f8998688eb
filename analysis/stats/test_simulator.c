/* The simulator against closed forms. Random ones hold within 5 standard errors of their mean. */
#include "analysis/stats/simulator.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

#define REPLICATIONS 4000

static unsigned long seed_of_tests(void)
{
    const char *given = getenv("DEJAVU_SEED");
    return given ? strtoul(given, NULL, 10) : 20260704;
}

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not %.17g, even within %g", value, expected, tolerance);
}

static struct dv_sim_outcome run_once(const struct dv_sim_job *job,
                                      const struct dv_machine *machine, gsl_rng *rng)
{
    struct dv_failures failures;
    struct dv_sim_outcome outcome;
    dv_failures_begin(&failures, machine, rng);
    dv_sim_run(job, &failures, rng, &outcome);
    dv_failures_end(&failures);
    return outcome;
}

/* With failures at these moments. */
static struct dv_sim_outcome run_replayed(const struct dv_sim_job *job, const double *moments,
                                          size_t count)
{
    struct dv_failures failures;
    struct dv_sim_outcome outcome;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    dv_failures_replay(&failures, moments, count);
    dv_sim_run(job, &failures, rng, &outcome);
    dv_failures_end(&failures);
    gsl_rng_free(rng);
    return outcome;
}

static void assert_mean_time(const struct dv_sim_job *job, const struct dv_machine *machine,
                             double expected)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    static double times[REPLICATIONS];
    gsl_rng_set(rng, seed_of_tests());
    for (size_t i = 0; i < REPLICATIONS; i++) {
        struct dv_sim_outcome outcome = run_once(job, machine, rng);
        assert_true(outcome.finished);
        times[i] = outcome.time_s;
    }
    gsl_rng_free(rng);
    double error = gsl_stats_sd(times, 1, REPLICATIONS) / sqrt(REPLICATIONS);
    double mean = gsl_stats_mean(times, 1, REPLICATIONS);
    printf("mean %g, expected %g, standard error %g\n", mean, expected, error);
    assert_near(mean, expected, 5 * error);
}

/* 10 segments of 100 with 9 checkpoints between them. */
static const struct dv_sim_epoch stop = {.stall_s = 5};
static const double recovery_s[] = {20};
static const struct dv_sim_job plain = {
    .work_s = 1000,
    .interval_s = 100,
    .replay = 1,
    .limit_s = INFINITY,
    .levels = {{.every = 1}},
    .level_count = 1,
    .epochs = &stop,
    .epoch_count = 1,
    .recoveries = recovery_s,
    .recovery_count = 1,
};

static void test_no_failures(void **state)
{
    (void)state;
    struct dv_sim_job job = plain;
    struct dv_sim_epoch epoch = stop;
    job.epochs = &epoch;
    struct dv_sim_outcome outcome = run_replayed(&job, recovery_s, 0);
    assert_true(outcome.finished);
    assert_near(outcome.time_s, 1000 + 9 * 5, 1e-9);
    assert_int_equal(outcome.checkpoints, 9);
    epoch.drag_s = 7; /* 7 s of each interval are lost, too: a tenth checkpoint before the end */
    job.setup_s = 50;
    assert_near(run_replayed(&job, recovery_s, 0).time_s, 50 + 1000 + 10 * 12, 1e-9);
    epoch = (struct dv_sim_epoch){.stall_s = 5, .commit_s = {150}};
    job.setup_s = 0; /* checkpoints wait for the one before: 100, 250, 400 ... 850 */
    assert_near(run_replayed(&job, recovery_s, 0).time_s, 1000 + 6 * 5, 1e-9);
    job.interval_s = INFINITY;
    assert_near(run_replayed(&job, recovery_s, 0).time_s, 1000, 1e-9);
}

/* Checkpoints at 100 ... 105, 205 ... 210, 310 ... 315; the failure at 350 finds 335 done. */
static void test_one_failure(void **state)
{
    (void)state;
    const double at_s[] = {350};
    struct dv_sim_job job = plain;
    assert_near(run_replayed(&job, at_s, 1).time_s, 370 + 700 + 6 * 5, 1e-9);
    job.rollback = DV_ROLLBACK_PARTIAL; /* the others wait while 35 are done again */
    job.replay = 0.5;
    assert_near(run_replayed(&job, at_s, 1).time_s, 370 + 17.5 + 665 + 6 * 5, 1e-9);
    job.rollback = DV_ROLLBACK_COORDINATED;
    const struct dv_sim_epoch late = {.stall_s = 5, .commit_s = {60}}; /* 300 is not durable yet */
    job.epochs = &late;
    assert_near(run_replayed(&job, at_s, 1).time_s, 370 + 800 + 7 * 5, 1e-9);
}

static void test_levels(void **state)
{
    (void)state;
    const double at_s[] = {350};
    struct dv_sim_job job = plain;
    job.levels[0] = (struct dv_sim_level){.every = 1, .lost_share = 1};
    job.levels[1] = (struct dv_sim_level){.every = 2, .read_s = 10};
    job.level_count = 2; /* back to 200 */
    assert_near(run_replayed(&job, at_s, 1).time_s, 380 + 800 + 7 * 5, 1e-9);
    job.levels[1].every = 1; /* as often as it can: 100 arrives at 265, 200 finds it under way */
    const struct dv_sim_epoch slow = {.stall_s = 5, .commit_s = {0, 160}};
    job.epochs = &slow; /* so 300 is under way at 350: back to 100 */
    assert_near(run_replayed(&job, at_s, 1).time_s, 380 + 900 + 8 * 5, 1e-9);
    job.epochs = &stop;
    job.levels[0].lost_share = 0; /* back to 300, from the first level */
    assert_near(run_replayed(&job, at_s, 1).time_s, 370 + 700 + 6 * 5, 1e-9);
}

static void test_a_recovery_is_struck(void **state)
{
    (void)state;
    const double at_s[] = {350, 360};
    assert_near(run_replayed(&plain, at_s, 2).time_s, 380 + 700 + 6 * 5, 1e-9);
    double often[1000];
    for (int i = 0; i < 1000; i++)
        often[i] = 10 * (i + 1);
    struct dv_sim_job job = plain;
    job.limit_s = 5000;
    assert_false(run_replayed(&job, often, 1000).finished);
}

/* Daly's exact formula, segment by segment: M exp(R / M) (exp(segment / M) - 1). */
static void test_exponential(void **state)
{
    (void)state;
    const double mtbf = 150, factor = mtbf * exp(recovery_s[0] / mtbf);
    const struct dv_machine machine = {
        .law = DV_LAW_EXPONENTIAL, .node_mtbf_s = 50 * mtbf, .nodes = 50};
    assert_mean_time(&plain, &machine, factor * (9 * expm1(105 / mtbf) + expm1(100 / mtbf)));
}

static void test_zero_cost(void **state)
{
    (void)state;
    const double mtbf = 150;
    const struct dv_machine machine = {.node_mtbf_s = mtbf, .nodes = 1};
    const struct dv_sim_epoch nothing = {0};
    struct dv_sim_job job = plain;
    job.epochs = &nothing;
    job.recovery_count = 0;
    assert_mean_time(&job, &machine, 10 * mtbf * expm1(100 / mtbf));
    job.interval_s = 1; /* the more often, the nearer to no loss at all */
    assert_mean_time(&job, &machine, 1000 * mtbf * expm1(1 / mtbf));
}

/* Nothing is computed again; stops are the busy periods of M/D/infinity: M (exp(R / M) - 1). */
static void test_partial_rollback(void **state)
{
    (void)state;
    const double mtbf = 60;
    const struct dv_machine machine = {.node_mtbf_s = 8 * mtbf, .nodes = 8};
    const struct dv_sim_epoch nothing = {0};
    struct dv_sim_job job = plain;
    job.epochs = &nothing;
    job.rollback = DV_ROLLBACK_PARTIAL;
    job.replay = 0;
    assert_mean_time(&job, &machine, 1000 * exp(recovery_s[0] / mtbf));
}

enum { NODES = 200, HORIZON = 3 }; /* horizon in mean times to failure */

/* Failures of each node by itself, the plain way. */
static double count_plainly(const struct dv_machine *machine, gsl_rng *rng)
{
    double scale = machine->node_mtbf_s / tgamma(1 + 1 / machine->shape), count = 0;
    for (int64_t node = 0; node < machine->nodes; node++) {
        double at_s =
            scale * pow(pow(machine->age_s / scale, machine->shape) + gsl_ran_exponential(rng, 1),
                        1 / machine->shape) -
            machine->age_s;
        while (at_s < HORIZON) {
            at_s += gsl_ran_weibull(rng, scale, machine->shape);
            count++;
        }
    }
    return count;
}

static double count_stream(const struct dv_machine *machine, gsl_rng *rng)
{
    struct dv_failures failures;
    double count = 0, last = 0;
    dv_failures_begin(&failures, machine, rng);
    for (double at_s; (at_s = dv_failures_next(&failures)) < HORIZON; count++) {
        assert_true(at_s >= last);
        last = at_s;
    }
    dv_failures_end(&failures);
    return count;
}

static void test_weibull(void **state)
{
    (void)state;
    enum { TRIALS = 500 };
    static double plainly[TRIALS], stream[TRIALS];
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(rng, seed_of_tests());
    for (int aged = 0; aged <= 1; aged++) {
        const struct dv_machine machine = {.law = DV_LAW_WEIBULL,
                                           .shape = 0.6,
                                           .node_mtbf_s = 1,
                                           .age_s = 2.0 * aged,
                                           .nodes = NODES};
        for (size_t i = 0; i < TRIALS; i++) {
            plainly[i] = count_plainly(&machine, rng);
            stream[i] = count_stream(&machine, rng);
        }
        double error = gsl_stats_sd(plainly, 1, TRIALS) * sqrt(2.0 / TRIALS);
        assert_near(gsl_stats_mean(stream, 1, TRIALS), gsl_stats_mean(plainly, 1, TRIALS),
                    5 * error);
        assert_near(gsl_stats_sd(stream, 1, TRIALS), gsl_stats_sd(plainly, 1, TRIALS),
                    0.3 * gsl_stats_sd(plainly, 1, TRIALS));
    }
    gsl_rng_free(rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_failures),      cmocka_unit_test(test_one_failure),
        cmocka_unit_test(test_levels),           cmocka_unit_test(test_a_recovery_is_struck),
        cmocka_unit_test(test_exponential),      cmocka_unit_test(test_zero_cost),
        cmocka_unit_test(test_partial_rollback), cmocka_unit_test(test_weibull),
    };
    printf("seed %lu\n", seed_of_tests());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
