/* The plan: which run comes when. It follows from the experiment alone, so that an interrupted
 * campaign finds the same plan again.
 *
 *     block 0 (warm-up)   group cg.A.2: idle, native, full+coordinated @ 1s    group ep.A.2: ...
 *     block 1             group ep.A.2: native, full+coordinated @ 1s, idle    group cg.A.2: ...
 *
 * A group is one application, class and number of ranks; a cell is a group under one treatment
 * (strategy, interval, fault). Every block has every cell once (randomised complete blocks); groups
 * are shuffled within a block, treatments within a group, so that runs which are compared as a pair
 * lie close together in time. */
#ifndef DV_HARNESS_PLAN_H
#define DV_HARNESS_PLAN_H

#include "harness/config/arena.h"
#include "harness/config/experiment.h"

struct dv_cell {
    const struct dv_app *app;
    const char *class_name;
    int64_t ranks;
    const struct dv_strategy *strategy;
    double interval_s;            /* NaN: no checkpoints */
    const struct dv_fault *fault; /* never NULL */
    size_t group;
    const char *label; /* "cg.A.2 full+coordinated @ 1s, kill rank 1 at 2s" */
};

struct dv_planned_run {
    size_t index; /* place in the whole order */
    size_t block, position;
    bool warmup;
    size_t cell;
    uint64_t seed;
};

struct dv_left_out {
    const char *cell, *reason;
};

struct dv_plan {
    struct dv_arena memory;
    struct dv_cell *cells;
    size_t cell_count, group_count;
    struct dv_planned_run *runs;
    size_t run_count;
    struct dv_left_out *left_out;
    size_t left_out_count;
    uint64_t digest; /* of all runs in order: the same plan or another one */
};

/* DV_ERR_USAGE when no cell is left to run; says so. The experiment must outlive the plan. */
enum dv_status dv_plan_make(struct dv_experiment *experiment, struct dv_plan *plan) DV_CHECKED;
void dv_plan_free(struct dv_plan *plan);

/* splitmix64; `*state` moves on. */
uint64_t dv_random_next(uint64_t *state);
/* Uniform in 0 .. bound - 1, without bias; bound > 0. */
uint64_t dv_random_below(uint64_t *state, uint64_t bound);
double dv_random_unit(uint64_t *state); /* [0, 1) */

#endif
