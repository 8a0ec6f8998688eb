#include "analysis/stats/simulator.h"

#include <math.h>

/* A checkpoint that is on its way to a level. */
struct flight {
    bool under_way;
    double work_s, durable_s;
};

struct run {
    const struct dv_sim_job *job;
    struct dv_failures *failures;
    gsl_rng *rng;
    double now_s, work_s; /* work_s: done */
    double drag_s;        /* still to be lost to the writing of the last image */
    double next_failure_s;
    double saved_s[DV_LEVELS_MAX]; /* work in each level's newest durable checkpoint */
    struct flight flights[DV_LEVELS_MAX];
    int64_t checkpoints, failure_count;
};

static double draw_recovery(struct run *r)
{
    const struct dv_sim_job *job = r->job;
    return job->recovery_count ? job->recoveries[gsl_rng_uniform_int(r->rng, job->recovery_count)]
                               : 0;
}

/* What is durable by `at_s` is a checkpoint. */
static void land(struct run *r, double at_s)
{
    for (size_t level = 0; level < r->job->level_count; level++) {
        struct flight *flight = &r->flights[level];
        if (flight->under_way && flight->durable_s <= at_s) {
            r->saved_s[level] = flight->work_s;
            flight->under_way = false;
        }
    }
}

/* The first level that the failure has left: the number of levels if it took all. */
static size_t draw_severity(struct run *r)
{
    double draw = gsl_rng_uniform(r->rng);
    size_t level = 0;
    while (level < r->job->level_count && draw < r->job->levels[level].lost_share)
        level++;
    return level;
}

/* The newest checkpoint from `severity` on: its work, and what reading it takes. */
static double newest(const struct run *r, size_t severity, double *read_s)
{
    double best_s = 0;
    *read_s = 0;
    for (size_t level = severity; level < r->job->level_count; level++) {
        if (r->saved_s[level] > best_s) {
            best_s = r->saved_s[level];
            *read_s = r->job->levels[level].read_s;
        }
    }
    return best_s;
}

static void strike(struct run *r)
{
    r->now_s = r->next_failure_s;
    land(r, r->now_s);
    for (size_t level = 0; level < r->job->level_count; level++)
        r->flights[level].under_way = false;
    r->drag_s = 0;
    r->failure_count++;
    r->next_failure_s = dv_failures_next(r->failures);
}

/* All go back, again and again until a recovery is not struck itself. What was read is put into the
 * levels that had lost it. */
static void roll_all_back(struct run *r)
{
    double end_s;
    do {
        double read_s;
        strike(r);
        size_t severity = draw_severity(r);
        r->work_s = newest(r, severity, &read_s);
        for (size_t level = 0; level < severity && level < r->job->level_count; level++)
            r->saved_s[level] = r->work_s;
        end_s = r->now_s + draw_recovery(r) + read_s;
    } while (r->next_failure_s < end_s && end_s < r->job->limit_s);
    r->now_s = end_s;
}

/* Each node that fails recovers and catches up, at the same time as others that do; all wait. */
static void roll_some_back(struct run *r)
{
    double end_s = 0;
    do {
        double read_s;
        strike(r);
        double lost_s = r->work_s - newest(r, draw_severity(r), &read_s);
        end_s = fmax(end_s, r->now_s + draw_recovery(r) + read_s + lost_s * r->job->replay);
    } while (r->next_failure_s < end_s && end_s < r->job->limit_s);
    r->now_s = end_s;
}

static void fail(struct run *r)
{
    if (r->job->rollback == DV_ROLLBACK_PARTIAL)
        roll_some_back(r);
    else
        roll_all_back(r);
}

/* Compute until `until_s` or the next failure. */
static void compute(struct run *r, double until_s)
{
    double end_s = fmin(until_s, r->next_failure_s), spent_s = end_s - r->now_s;
    double dragged_s = fmin(spent_s, r->drag_s);
    r->drag_s -= dragged_s;
    r->work_s += spent_s - dragged_s;
    r->now_s = end_s;
    land(r, end_s);
}

/* To each level whose turn it is, unless one is still on its way there. */
static void send(struct run *r, const struct dv_sim_epoch *epoch)
{
    for (size_t level = 0; level < r->job->level_count; level++) {
        if (r->checkpoints % r->job->levels[level].every == 0 && !r->flights[level].under_way)
            r->flights[level] = (struct flight){true, r->work_s, r->now_s + epoch->commit_s[level]};
    }
    land(r, r->now_s);
}

static void checkpoint(struct run *r)
{
    const struct dv_sim_job *job = r->job;
    const struct dv_sim_epoch *epoch = &job->epochs[gsl_rng_uniform_int(r->rng, job->epoch_count)];
    double end_s = r->now_s + epoch->stall_s;
    if (r->next_failure_s < end_s) {
        fail(r);
        return;
    }
    r->now_s = end_s;
    r->drag_s = epoch->drag_s;
    r->checkpoints++;
    send(r, epoch);
}

static void set_up(struct run *r)
{
    while (r->next_failure_s < r->now_s + r->job->setup_s) {
        r->now_s = r->next_failure_s + draw_recovery(r) - r->job->setup_s;
        r->failure_count++;
        r->next_failure_s = dv_failures_next(r->failures);
    }
    r->now_s += r->job->setup_s;
}

void dv_sim_run(const struct dv_sim_job *job, struct dv_failures *failures, gsl_rng *rng,
                struct dv_sim_outcome *outcome)
{
    struct run r = {.job = job, .failures = failures, .rng = rng};
    r.next_failure_s = dv_failures_next(failures);
    set_up(&r);
    bool done = false;
    while (!done && r.now_s < job->limit_s) {
        double finish_s = r.now_s + r.drag_s + (job->work_s - r.work_s);
        double due_s = r.now_s + job->interval_s;
        if (r.flights[0].under_way)
            due_s = fmax(due_s, r.flights[0].durable_s);
        double end_s = fmin(finish_s, due_s);
        compute(&r, end_s);
        if (r.now_s < end_s)
            fail(&r);
        else if (finish_s <= due_s)
            done = true;
        else
            checkpoint(&r);
    }
    *outcome = (struct dv_sim_outcome){
        .time_s = r.now_s,
        .finished = done,
        .failures = r.failure_count,
        .checkpoints = r.checkpoints,
    };
}

unsigned long dv_sim_seed(uint64_t seed, uint64_t whole, uint64_t part)
{
    /* splitmix64's finaliser (Steele, Lea and Flood, OOPSLA 2014). */
    uint64_t z = seed + 0x9e3779b97f4a7c15U * (2 * whole + part + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (unsigned long)((z ^ (z >> 31)) & 0xffffffffU); /* mt19937 takes 32 bits */
}
