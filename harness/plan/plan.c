#include "harness/plan/plan.h"

#include "harness/config/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define RUNS_MAX 10000000u

static const struct dv_fault no_fault = {.label = "none"};

uint64_t dv_random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t dv_random_below(uint64_t *state, uint64_t bound)
{
    uint64_t biased =
        (UINT64_MAX % bound + 1) % bound; /* values at the top that would favour small results */
    uint64_t value;
    do {
        value = dv_random_next(state);
    } while (value > UINT64_MAX - biased);
    return value % bound;
}

double dv_random_unit(uint64_t *state)
{
    return (double)(dv_random_next(state) >> 11) * 0x1p-53;
}

static void shuffle(uint64_t *state, size_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = dv_random_below(state, i);
        size_t moved = order[i - 1];
        order[i - 1] = order[j];
        order[j] = moved;
    }
}

static void leave_out(struct dv_plan *plan, const char *cell, const char *reason)
{
    plan->left_out =
        dv_reallocate(plan->left_out, plan->left_out_count + 1, sizeof *plan->left_out);
    plan->left_out[plan->left_out_count++] = (struct dv_left_out){cell, reason};
}

static void add_cell(struct dv_plan *plan, const struct dv_cell *group,
                     const struct dv_strategy *strategy, double interval_s,
                     const struct dv_fault *fault)
{
    char interval[48] = "", seconds[32];
    if (!isnan(interval_s)) {
        dv_seconds_text(interval_s, seconds, sizeof seconds);
        snprintf(interval, sizeof interval, " @ %s", seconds);
    }
    struct dv_cell cell = *group;
    cell.strategy = strategy;
    cell.interval_s = interval_s;
    cell.fault = fault;
    cell.label = dv_arena_printf(&plan->memory, "%s %s%s%s%s", group->label, strategy->label,
                                 interval, fault->kind != DV_FAULT_NONE ? ", " : "",
                                 fault->kind != DV_FAULT_NONE ? fault->label : "");
    if (fault->kind == DV_FAULT_RANK && fault->rank >= group->ranks) {
        leave_out(plan, cell.label,
                  dv_arena_printf(&plan->memory, "there is no rank %" PRId64 " among %" PRId64,
                                  fault->rank, group->ranks));
        return;
    }
    plan->cells = dv_reallocate(plan->cells, plan->cell_count + 1, sizeof *plan->cells);
    plan->cells[plan->cell_count++] = cell;
}

/* All treatments of one group: bases once, the rest crossed with intervals and faults. */
static void add_group(struct dv_experiment *e, struct dv_plan *plan, struct dv_cell group)
{
    group.group = plan->group_count++;
    for (size_t s = 0; s < e->strategy_count; s++) {
        const struct dv_strategy *strategy = &e->strategies[s];
        if (strategy->kind != DV_STRATEGY_CHECKPOINT) {
            add_cell(plan, &group, strategy, NAN, &no_fault);
            continue;
        }
        const char *reason = e->unable ? e->unable(e, strategy, group.ranks) : NULL;
        if (reason) {
            leave_out(plan, dv_arena_printf(&plan->memory, "%s %s", group.label, strategy->label),
                      reason);
            continue;
        }
        for (size_t i = 0; i < e->intervals.count; i++) {
            for (size_t f = 0; f < e->faults.count; f++)
                add_cell(plan, &group, strategy, e->intervals.item[i], &e->faults.item[f]);
        }
    }
}

static bool has_class(const struct dv_known_app *known, const char *class_name)
{
    for (size_t i = 0; i < sizeof known->estimates / sizeof known->estimates[0]; i++) {
        if (class_name[0] == known->estimates[i].class_name && !class_name[1])
            return true;
    }
    return false;
}

static void consider_group(struct dv_experiment *e, struct dv_plan *plan, const struct dv_app *app,
                           const char *class_name, int64_t ranks)
{
    struct dv_cell group = {.app = app, .class_name = class_name, .ranks = ranks};
    group.label = dv_arena_printf(&plan->memory, "%s.%s.%" PRId64, app->name, class_name, ranks);
    if (app->known && !has_class(app->known, class_name))
        leave_out(plan, group.label,
                  dv_arena_printf(&plan->memory, "%s has no class %s, only S W A B C", app->name,
                                  class_name));
    else if (app->known && !dv_rank_rule_allows(app->known->rule, ranks))
        leave_out(plan, group.label,
                  dv_arena_printf(&plan->memory, "%s needs %s as its number of ranks", app->name,
                                  dv_rank_rule_text(app->known->rule)));
    else
        add_group(e, plan, group);
}

static bool takes_class(const struct dv_app *app)
{
    for (size_t i = 0; i < app->arguments.count; i++) {
        if (strstr(app->arguments.item[i], "{class}"))
            return true;
    }
    return false;
}

static void make_cells(struct dv_experiment *e, struct dv_plan *plan)
{
    static char *no_class[] = {(char *)"-"};
    for (size_t a = 0; a < e->app_count; a++) {
        const struct dv_app *app = &e->apps[a];
        struct dv_names classes = app->classes.count ? app->classes : e->classes;
        struct dv_numbers ranks = app->ranks.count ? app->ranks : e->ranks;
        if (!takes_class(app))
            classes = (struct dv_names){no_class, 1};
        for (size_t c = 0; c < classes.count; c++) {
            for (size_t r = 0; r < ranks.count; r++)
                consider_group(e, plan, app, classes.item[c], ranks.item[r]);
        }
    }
}

/* One block's runs behind those that are there. */
static void add_block(struct dv_plan *plan, size_t block, bool warmup, uint64_t seed,
                      size_t *groups, size_t *members)
{
    for (size_t i = 0; i < plan->group_count; i++)
        groups[i] = i;
    shuffle(&seed, groups, plan->group_count);
    size_t position = 0;
    for (size_t g = 0; g < plan->group_count; g++) {
        size_t count = 0;
        for (size_t c = 0; c < plan->cell_count; c++) {
            if (plan->cells[c].group == groups[g])
                members[count++] = c;
        }
        shuffle(&seed, members, count);
        for (size_t m = 0; m < count; m++) {
            plan->runs[plan->run_count] = (struct dv_planned_run){
                .index = plan->run_count,
                .block = block,
                .position = position,
                .warmup = warmup,
                .cell = members[m],
                .seed = dv_random_next(&seed),
            };
            plan->run_count++;
            position++;
        }
    }
}

static uint64_t digest_plan(const struct dv_plan *plan)
{
    XXH64_hash_t digest = 0;
    for (size_t i = 0; i < plan->run_count; i++) {
        const struct dv_planned_run *run = &plan->runs[i];
        char line[512];
        int length = snprintf(line, sizeof line, "%zu %zu %d %" PRIu64 " %s\n", run->index,
                              run->block, run->warmup, run->seed, plan->cells[run->cell].label);
        size_t bytes = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
        digest = XXH64(line, bytes, digest);
    }
    return digest;
}

/* Where the most likely mistake is: "demo.yaml:4". */
static const char *place_of_ranks(const struct dv_experiment *e)
{
    const char *source = dv_experiment_setting(e, "ranks")->source;
    return strcmp(source, "default") == 0 ? e->path : source;
}

enum dv_status dv_plan_make(struct dv_experiment *experiment, struct dv_plan *plan)
{
    struct dv_experiment *e = experiment;
    memset(plan, 0, sizeof *plan);
    make_cells(e, plan);
    if (plan->cell_count == 0) {
        enum dv_status status = dv_bench_fail(
            DV_ERR_USAGE, "%s: nothing to run; first cell left out: %s: %s", place_of_ranks(e),
            plan->left_out_count ? plan->left_out[0].cell : "none",
            plan->left_out_count ? plan->left_out[0].reason : "no ranks or classes given");
        dv_plan_free(plan);
        return status;
    }
    size_t blocks = (size_t)(e->warmup + e->repetitions);
    if (blocks > RUNS_MAX / plan->cell_count) {
        enum dv_status status =
            dv_bench_fail(DV_ERR_USAGE, "%s: %zu blocks of %zu runs are more than %u runs", e->path,
                          blocks, plan->cell_count, RUNS_MAX);
        dv_plan_free(plan);
        return status;
    }
    plan->runs = dv_reallocate(NULL, blocks * plan->cell_count, sizeof *plan->runs);
    size_t *groups = dv_reallocate(NULL, plan->group_count, sizeof *groups);
    size_t *members = dv_reallocate(NULL, plan->cell_count, sizeof *members);
    uint64_t seeds = (uint64_t)e->seed;
    for (size_t block = 0; block < blocks; block++)
        add_block(plan, block, block < (size_t)e->warmup, dv_random_next(&seeds), groups, members);
    free(groups);
    free(members);
    plan->digest = digest_plan(plan);
    return DV_OK;
}

void dv_plan_free(struct dv_plan *plan)
{
    free(plan->cells);
    free(plan->runs);
    free(plan->left_out);
    dv_arena_free(&plan->memory);
    memset(plan, 0, sizeof *plan);
}
