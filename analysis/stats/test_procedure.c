/* The whole procedure on simulated campaigns whose truth is known: are strategies told apart exactly
 * as their intervals say, at the error rates that are stated? Rates may differ from what is stated by
 * what chance does once in 10^6 tests. */
#include "analysis/stats/analyse.h"
#include "analysis/stats/commands.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* clang-format off: needs the headers above */
#include <cmocka.h>
/* clang-format on */

enum { REPETITIONS = 200, BLOCKS = 14 };
#define CONFIDENCE 0.95
#define ALPHA (1 - CONFIDENCE)
#define MARGIN 0.02
#define CHANCE 1e-6

static const struct dv_analysis_options options = {.confidence = CONFIDENCE, .margin = MARGIN};
static gsl_rng *rng;

static int setup(void **state)
{
    (void)state;
    const char *given = getenv("DEJAVU_SEED");
    unsigned long seed = given ? strtoul(given, NULL, 10) : 20260704;
    printf("seed %lu\n", seed);
    rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (rng)
        gsl_rng_set(rng, seed);
    return rng ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gsl_rng_free(rng);
    return 0;
}

/* No more events than n tosses with this probability give but once in 10^6. */
static void assert_rate_at_most(size_t events, size_t n, double probability)
{
    printf("    %zu of %zu, stated: at most %.3g\n", events, n, probability);
    if (events > 0)
        assert_true(gsl_cdf_binomial_Q((unsigned)events - 1, probability, (unsigned)n) > CHANCE);
}

static void assert_rate_at_least(size_t events, size_t n, double probability)
{
    printf("    %zu of %zu, expected: at least %.3g\n", events, n, probability);
    assert_true(gsl_cdf_binomial_P((unsigned)events, probability, (unsigned)n) > CHANCE);
}

/* Noise as runs have it: a common factor for a block, a small one of each run, and now and then
 * something that takes much longer. The ratio of two runs of a block is symmetric about the truth. */
static double run_time(double block_factor, double slowdown)
{
    double spike = gsl_rng_uniform(rng) < 0.05 ? 1 + gsl_ran_exponential(rng, 0.2) : 1;
    return 10 * block_factor * (1 + slowdown) * exp(gsl_ran_gaussian(rng, 0.012)) * spike;
}

static void add_run(struct dv_tables *tables, int64_t block, const char *strategy, int32_t kind,
                    double wall_s)
{
    struct dv_run_row *run = DV_ADD(tables, DV_TABLE_RUNS, dv_run_row);
    run->run = (int64_t)tables->table[DV_TABLE_RUNS].count - 1;
    run->block = block;
    run->outcome = DV_OUTCOME_OK;
    run->strategy_kind = kind;
    run->warmup = run->timed_out = run->oversubscribed = 0;
    run->ranks = 2;
    run->interval_s = kind == DV_STRATEGY_CHECKPOINT ? 10 : NAN;
    run->wall_s = wall_s;
    DV_TEXT_SET(run->application, "cg");
    DV_TEXT_SET(run->class_name, "A");
    DV_TEXT_SET(run->strategy, strategy);
    DV_TEXT_SET(run->fault, "none");
}

/* A study of one campaign, which is `tables`; the study owns them from now on. */
static void study_of(struct dv_tables *tables, struct dv_study *study, struct dv_results *results)
{
    dv_results_init(results);
    *study = (struct dv_study){.campaign_count = 1};
    study->campaigns = dv_reallocate(NULL, 1, sizeof *study->campaigns);
    study->campaigns[0] = *tables;
    struct dv_source_row *source = DV_RESULT_ADD(results, DV_RESULT_SOURCES, dv_source_row);
    DV_TEXT_SET(source->name, "simulated");
    dv_study_arrange(study, results, results);
}

/* Rows: "one" and "two", slowed as told, against native. */
static void make_campaign(double slow_one, double slow_two, struct dv_overhead_row rows[2])
{
    struct dv_tables tables;
    struct dv_study study;
    struct dv_results results;
    dv_tables_init(&tables);
    for (int64_t block = 0; block < BLOCKS; block++) {
        double factor = exp(gsl_ran_gaussian(rng, 0.05));
        add_run(&tables, block, "native", DV_STRATEGY_NATIVE, run_time(factor, 0));
        add_run(&tables, block, "one", DV_STRATEGY_CHECKPOINT, run_time(factor, slow_one));
        add_run(&tables, block, "two", DV_STRATEGY_CHECKPOINT, run_time(factor, slow_two));
    }
    study_of(&tables, &study, &results);
    dv_analyse_overhead(&study, &options, &results);
    assert_int_equal(results.table[DV_RESULT_OVERHEAD].count, 2);
    for (size_t i = 0; i < 2; i++)
        rows[i] = *(struct dv_overhead_row *)dv_table_row(&results.table[DV_RESULT_OVERHEAD], i);
    dv_results_clear(&results);
    dv_study_close(&study);
}

/* What a verdict stands on, in every single case: the test and its interval say the same, and no
 * verdict says more than they do. */
static void assert_verdict_follows(const struct dv_overhead_row *row)
{
    bool excludes_none = row->shift_low_s > 0 || row->shift_high_s < 0;
    assert_int_equal(row->n, BLOCKS);
    assert_int_equal(row->p_wilcoxon <= ALPHA, excludes_none);
    assert_true(row->p_holm >= row->p_wilcoxon);
    switch ((enum dv_verdict)row->verdict) {
    case DV_VERDICT_SLOWER:
        assert_true(row->p_holm < ALPHA && row->shift_low_s > 0 && row->ratio_high > 1 + MARGIN);
        break;
    case DV_VERDICT_FASTER:
        assert_true(row->p_holm < ALPHA && row->shift_high_s < 0);
        break;
    case DV_VERDICT_EQUIVALENT:
        assert_true(row->ratio_low >= 1 / (1 + MARGIN) && row->ratio_high <= 1 + MARGIN);
        break;
    case DV_VERDICT_UNDECIDED:
        assert_true(row->p_holm >= ALPHA);
        break;
    }
}

struct tally {
    size_t apart, verdicts[4], missed, wrong_way;
    double stated_miss; /* what the ratio's interval says of itself */
};

static void count(const struct dv_overhead_row *row, double truth, struct tally *tally)
{
    assert_verdict_follows(row);
    tally->apart += row->p_wilcoxon <= ALPHA;
    tally->verdicts[row->verdict]++;
    tally->missed += row->ratio_low > truth || row->ratio_high < truth;
    tally->wrong_way += row->shift_high_s < 0;
    tally->stated_miss = 1 - row->coverage;
}

static void test_identical_strategies(void **state)
{
    (void)state;
    struct tally tally = {0};
    size_t families = 0;
    for (int i = 0; i < REPETITIONS; i++) {
        struct dv_overhead_row rows[2];
        make_campaign(0, 0, rows);
        count(&rows[0], 1, &tally);
        assert_verdict_follows(&rows[1]);
        families += rows[0].p_holm <= ALPHA || rows[1].p_holm <= ALPHA;
    }
    assert_rate_at_most(tally.apart, REPETITIONS, ALPHA);
    assert_rate_at_most(families, REPETITIONS, ALPHA); /* Holm: any error among several */
    assert_rate_at_most(tally.missed, REPETITIONS, tally.stated_miss);
    assert_rate_at_least(tally.verdicts[DV_VERDICT_EQUIVALENT], REPETITIONS, 0.15);
}

/* `power`: at least so often it is told apart; `equivalent`: at most so often it is called equal. */
static void try_slowdown(double slowdown, double power, double equivalent)
{
    struct tally tally = {0};
    for (int i = 0; i < REPETITIONS; i++) {
        struct dv_overhead_row rows[2];
        make_campaign(slowdown, 0, rows);
        count(&rows[0], 1 + slowdown, &tally);
        assert_verdict_follows(&rows[1]);
    }
    printf("  slowed by %g: slower %zu, faster %zu, equivalent %zu, undecided %zu\n", slowdown,
           tally.verdicts[DV_VERDICT_SLOWER], tally.verdicts[DV_VERDICT_FASTER],
           tally.verdicts[DV_VERDICT_EQUIVALENT], tally.verdicts[DV_VERDICT_UNDECIDED]);
    assert_rate_at_least(tally.apart, REPETITIONS, power);
    assert_rate_at_most(tally.missed, REPETITIONS, tally.stated_miss);
    assert_rate_at_most(tally.wrong_way, REPETITIONS, ALPHA / 2);
    assert_rate_at_most(tally.verdicts[DV_VERDICT_EQUIVALENT], REPETITIONS, equivalent);
}

/* 1 % lies within the margin, so it may be called equal; 3 % and 10 % may not, but for the error
 * rate of the interval's one end. */
static void test_slowed_strategy(void **state)
{
    (void)state;
    try_slowdown(0.01, 0.10, 1);
    try_slowdown(0.03, 0.80, ALPHA / 2);
    try_slowdown(0.10, 0.90, ALPHA / 2); /* two spikes among 14 of the base hide even this */
}

static const double setup_s = 0.5, recovery_s = 1.5, stall_s = 0.1, commit_s = 0.4, mtbf_s = 4;
enum { MOMENTS = 64 };

static double draw_work(void)
{
    return 9.5 * exp(gsl_ran_gaussian(rng, 0.01));
}

/* What the harness records of a run whose recoveries it saw take recovery_s. */
static void record_run(struct dv_tables *tables, int64_t block, const double *moments,
                       const struct dv_sim_job *job, double time_s)
{
    int64_t number = (int64_t)tables->table[DV_TABLE_RUNS].count;
    add_run(tables, block, "full", DV_STRATEGY_CHECKPOINT, time_s);
    struct dv_run_row *run = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, (size_t)number);
    run->interval_s = job->interval_s;
    DV_TEXT_SET(run->fault, "kill any, exponential 4s");
    for (size_t i = 0; i < MOMENTS; i++) {
        struct dv_fault_row *fault = DV_ADD(tables, DV_TABLE_FAULTS, dv_fault_row);
        fault->run = number;
        fault->planned_s = moments[i];
        fault->injected = moments[i] < time_s;
        fault->recovered_s = fault->injected ? recovery_s : NAN;
    }
    struct dv_event_row *event = DV_ADD(tables, DV_TABLE_EVENTS, dv_event_row);
    event->run = number;
    event->at_s = setup_s;
    DV_TEXT_SET(event->event, "running");
    DV_TEXT_SET(event->fields, "incarnation=0 epoch=0");
    struct dv_epoch_row *row = DV_ADD(tables, DV_TABLE_EPOCHS, dv_epoch_row);
    row->run = number;
    row->epoch = row->committed = 1;
    row->rank = 0;
    row->stall_ns = (int64_t)(stall_s * 1e9);
    row->commit_ns = (int64_t)(commit_s * 1e9);
    row->populated_bytes = row->data_bytes = row->file_bytes = 1 << 20;
}

/* A campaign with faults that the simulator itself makes: validation must find it within the interval
 * at the interval's rate, and must not if recoveries take longer than was measured. */
static void add_fault_campaign(struct dv_tables *tables, double hidden_s)
{
    const struct dv_sim_epoch epoch = {.stall_s = stall_s, .commit_s = {commit_s}};
    const double recovery = recovery_s + hidden_s;
    struct dv_sim_job job = {.setup_s = setup_s,
                             .interval_s = 2,
                             .limit_s = INFINITY,
                             .levels = {{.every = 1}},
                             .level_count = 1,
                             .epochs = &epoch,
                             .epoch_count = 1,
                             .recoveries = &recovery,
                             .recovery_count = 1};
    for (int64_t block = 0; block < BLOCKS; block++) {
        struct dv_failures failures;
        struct dv_sim_outcome outcome;
        double moments[MOMENTS], at_s = 0;
        for (size_t i = 0; i < MOMENTS; i++)
            moments[i] = at_s += gsl_ran_exponential(rng, mtbf_s);
        add_run(tables, block, "idle", DV_STRATEGY_IDLE, setup_s + draw_work());
        job.work_s = draw_work();
        dv_failures_replay(&failures, moments, MOMENTS);
        dv_sim_run(&job, &failures, rng, &outcome);
        record_run(tables, block, moments, &job, outcome.time_s);
    }
}

static struct dv_validation_row validate_once(double hidden_s)
{
    static const struct dv_stats_request request = {
        .analysis = {.confidence = CONFIDENCE, .seed = 1}, .simulation = {.replications = 400}};
    struct dv_tables tables;
    struct dv_study study;
    struct dv_results results;
    dv_tables_init(&tables);
    add_fault_campaign(&tables, hidden_s);
    study_of(&tables, &study, &results);
    dv_validate(&request, &study, &results);
    assert_int_equal(results.table[DV_RESULT_VALIDATION].count, 1);
    struct dv_validation_row row =
        *(struct dv_validation_row *)dv_table_row(&results.table[DV_RESULT_VALIDATION], 0);
    dv_results_clear(&results);
    dv_study_close(&study);
    return row;
}

static void test_validation(void **state)
{
    (void)state;
    enum { TRIALS = 60 };
    size_t within = 0, fooled = 0;
    for (int i = 0; i < TRIALS; i++) {
        within += validate_once(0).within != 0;
        fooled += validate_once(12).within != 0;
    }
    assert_rate_at_least(within, TRIALS, 0.9);
    assert_rate_at_most(fooled, TRIALS, 0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identical_strategies),
        cmocka_unit_test(test_slowed_strategy),
        cmocka_unit_test(test_validation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
