/* Measured costs at scale: which strategy is how efficient where. */
#include "analysis/stats/commands.h"
#include "analysis/stats/costs.h"
#include "analysis/stats/optimum.h"
#include "analysis/stats/stats.h"
#include "harness/config/arena.h"
#include "harness/config/experiment.h"
#include "harness/config/say.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLICATIONS 200
/* In one job: where checkpoints cost nothing, the optimum interval is 0. */
#define CHECKPOINTS_MAX 1e5

const char *const dv_place_words[] = {"node", "partner", "shared", NULL};

/* One combination of all axes but the strategy and the protocol. */
struct scene {
    const struct dv_simulation_options *options;
    const struct dv_hierarchy *hierarchy;
    struct dv_machine machine;
    double bandwidth, interval_s;
    uint64_t seed;
    double confidence;
};

/* A strategy under a protocol in a scene. */
struct variant {
    const struct dv_strategy_costs *costs;
    enum dv_rollback rollback;
    double *efficiencies; /* by replication */
};

struct variants {
    struct variant *variant;
    size_t count;
};

/* How much larger a node is than the one measured; all ranks were on one. */
static double growth(const struct scene *scene, const struct dv_cost_epoch *epoch)
{
    double memory_bytes = scene->options->memory_bytes;
    return isnan(memory_bytes) ? 1 : memory_bytes / epoch->populated_bytes;
}

static double commit_at(const struct scene *scene, const struct dv_strategy_costs *costs,
                        const struct dv_cost_epoch *epoch, enum dv_place place)
{
    double bytes = epoch->file_bytes * growth(scene, epoch);
    double local_s = epoch->commit_s + costs->commit_slope * (bytes - epoch->file_bytes);
    if (place == DV_PLACE_PARTNER)
        return local_s + bytes / scene->options->link_bandwidth;
    if (place == DV_PLACE_SHARED)
        return fmax(local_s, (double)scene->machine.nodes * bytes / scene->bandwidth);
    return local_s;
}

/* A measured epoch with the scene's memory: along the models' slopes, the residual kept. */
static struct dv_sim_epoch scale_epoch(const struct scene *scene,
                                       const struct dv_strategy_costs *costs,
                                       const struct dv_cost_epoch *epoch)
{
    double more = growth(scene, epoch) - 1;
    struct dv_sim_epoch scaled = {
        .stall_s = fmax(epoch->stall_s + costs->stall_slope * epoch->data_bytes * more, 0),
        .drag_s = fmax(epoch->drag_s + costs->drag_slope * epoch->file_bytes * more, 0),
    };
    for (size_t level = 0; level < scene->hierarchy->count; level++)
        scaled.commit_s[level] =
            fmax(commit_at(scene, costs, epoch, scene->hierarchy->place[level]), 0);
    return scaled;
}

static double mean_memory(const struct scene *scene, const struct dv_strategy_costs *costs)
{
    double sum = 0;
    for (size_t i = 0; i < costs->epoch_count; i++)
        sum += costs->epochs[i].populated_bytes * growth(scene, &costs->epochs[i]);
    return sum / (double)costs->epoch_count;
}

static struct dv_sim_level level_at(const struct scene *scene, const struct variant *variant,
                                    size_t level)
{
    const struct dv_simulation_options *o = scene->options;
    struct dv_sim_level made = {.every = scene->hierarchy->every[level]};
    double memory_bytes = mean_memory(scene, variant->costs);
    double readers = variant->rollback == DV_ROLLBACK_PARTIAL ? 1 : (double)scene->machine.nodes;
    switch (scene->hierarchy->place[level]) {
    case DV_PLACE_NODE:
        made.lost_share = o->node_lost_share;
        break;
    case DV_PLACE_PARTNER:
        made.lost_share = o->partner_lost_share;
        made.read_s = memory_bytes / o->link_bandwidth;
        break;
    case DV_PLACE_SHARED:
        made.read_s = readers * memory_bytes / scene->bandwidth;
        break;
    }
    return made;
}

static double mean_cost(const struct dv_sim_job *job)
{
    double sum = 0;
    for (size_t i = 0; i < job->epoch_count; i++)
        sum += job->epochs[i].stall_s + job->epochs[i].drag_s;
    return sum / (double)job->epoch_count;
}

/* `epochs`: room for the strategy's. */
static void make_job(const struct scene *scene, const struct variant *variant,
                     struct dv_sim_epoch *epochs, struct dv_sim_job *job)
{
    const struct dv_strategy_costs *costs = variant->costs;
    const struct dv_simulation_options *o = scene->options;
    bool partial = variant->rollback == DV_ROLLBACK_PARTIAL;
    *job = (struct dv_sim_job){
        .work_s = o->work_s * (partial ? 1 + o->logging : 1),
        .interval_s = scene->interval_s,
        .rollback = variant->rollback,
        .replay = o->replay,
        .limit_s = DV_SIM_PATIENCE * o->work_s,
        .level_count = scene->hierarchy->count,
        .epochs = epochs,
        .epoch_count = costs->epoch_count,
        .recoveries = costs->recoveries.value,
        .recovery_count = costs->recoveries.count,
    };
    for (size_t i = 0; i < costs->epoch_count; i++)
        epochs[i] = scale_epoch(scene, costs, &costs->epochs[i]);
    for (size_t level = 0; level < job->level_count; level++)
        job->levels[level] = level_at(scene, variant, level);
    if (scene->interval_s == 0)
        job->interval_s = dv_interval_exact(mean_cost(job), scene->machine.node_mtbf_s /
                                                                (double)scene->machine.nodes);
    if (job->interval_s < o->work_s / CHECKPOINTS_MAX)
        job->interval_s = o->work_s / CHECKPOINTS_MAX;
}

/* Returns how many replications were given up. All variants meet the same failures in the same
 * replication, so that their differences are paired. */
static int64_t replicate(const struct scene *scene, const struct dv_sim_job *job,
                         double *efficiencies)
{
    gsl_rng *chance = gsl_rng_alloc(gsl_rng_mt19937), *costs = gsl_rng_alloc(gsl_rng_mt19937);
    int64_t unfinished = 0;
    for (size_t i = 0; i < scene->options->replications; i++) {
        struct dv_failures failures;
        struct dv_sim_outcome outcome;
        gsl_rng_set(chance, dv_sim_seed(scene->seed, i, 0));
        gsl_rng_set(costs, dv_sim_seed(scene->seed, i, 1));
        dv_failures_begin(&failures, &scene->machine, chance);
        dv_sim_run(job, &failures, costs, &outcome);
        dv_failures_end(&failures);
        unfinished += !outcome.finished;
        efficiencies[i] = outcome.finished ? scene->options->work_s / outcome.time_s : 0;
    }
    gsl_rng_free(costs);
    gsl_rng_free(chance);
    return unfinished;
}

/* Half the width of Student's interval of a mean. */
static double half_width(const double *values, size_t count, double confidence)
{
    if (count < 2)
        return NAN;
    return gsl_cdf_tdist_Pinv((1 + confidence) / 2, (double)count - 1) *
           gsl_stats_sd(values, 1, count) / sqrt((double)count);
}

static double mean_stored(const struct scene *scene, const struct dv_strategy_costs *costs)
{
    double sum = 0;
    for (size_t i = 0; i < costs->epoch_count; i++)
        sum += costs->epochs[i].file_bytes * growth(scene, &costs->epochs[i]);
    return sum / (double)costs->epoch_count;
}

static void simulate_variant(const struct scene *scene, const struct variant *variant,
                             struct dv_results *results)
{
    size_t n = scene->options->replications;
    struct dv_sim_job job;
    struct dv_sim_epoch *epochs = dv_reallocate(NULL, variant->costs->epoch_count, sizeof *epochs);
    make_job(scene, variant, epochs, &job);
    struct dv_simulation_row *row = DV_RESULT_ADD(results, DV_RESULT_SIMULATION, dv_simulation_row);
    DV_TEXT_SET(row->strategy, variant->costs->strategy);
    DV_TEXT_SET(row->levels, scene->hierarchy->text);
    row->protocol = (int32_t)variant->rollback;
    row->distribution = (int32_t)scene->machine.law;
    row->shape = scene->machine.shape;
    row->nodes = scene->machine.nodes;
    row->node_mtbf_s = scene->machine.node_mtbf_s;
    row->bandwidth = scene->bandwidth;
    row->bytes_per_node = mean_stored(scene, variant->costs);
    row->interval_s = job.interval_s;
    row->unfinished = replicate(scene, &job, variant->efficiencies);
    double half = half_width(variant->efficiencies, n, scene->confidence);
    row->n = (int64_t)n;
    row->efficiency = gsl_stats_mean(variant->efficiencies, 1, n);
    row->low = row->efficiency - half;
    row->high = row->efficiency + half;
    row->seed = (int64_t)scene->seed;
    free(epochs);
}

static void compare_variants(const struct scene *scene, const struct variant *a,
                             const struct variant *b, struct dv_results *results)
{
    size_t n = scene->options->replications;
    double *differences = dv_reallocate(NULL, n, sizeof *differences);
    for (size_t i = 0; i < n; i++)
        differences[i] = a->efficiencies[i] - b->efficiencies[i];
    double mean = gsl_stats_mean(differences, 1, n);
    bool apart = fabs(mean) > half_width(differences, n, scene->confidence);
    struct dv_crossover_row *row = DV_RESULT_ADD(results, DV_RESULT_CROSSOVER, dv_crossover_row);
    DV_TEXT_SET(row->strategy_a, a->costs->strategy);
    DV_TEXT_SET(row->strategy_b, b->costs->strategy);
    DV_TEXT_SET(row->levels, scene->hierarchy->text);
    row->protocol_a = (int32_t)a->rollback;
    row->protocol_b = (int32_t)b->rollback;
    row->distribution = (int32_t)scene->machine.law;
    row->shape = scene->machine.shape;
    row->nodes = scene->machine.nodes;
    row->node_mtbf_s = scene->machine.node_mtbf_s;
    row->bandwidth = scene->bandwidth;
    row->interval_s = scene->interval_s > 0 ? scene->interval_s : NAN;
    row->efficiency_a = gsl_stats_mean(a->efficiencies, 1, n);
    row->efficiency_b = gsl_stats_mean(b->efficiencies, 1, n);
    row->winner = !apart ? DV_WINNER_TIE : mean > 0 ? DV_WINNER_A : DV_WINNER_B;
    free(differences);
}

static void play(const struct scene *scene, const struct variants *variants,
                 struct dv_results *results)
{
    for (size_t i = 0; i < variants->count; i++)
        simulate_variant(scene, &variants->variant[i], results);
    for (size_t i = 0; i < variants->count; i++) {
        for (size_t j = i + 1; j < variants->count; j++)
            compare_variants(scene, &variants->variant[i], &variants->variant[j], results);
    }
}

/* Mixed-radix counting over the axes: the `index`-th combination. */
static struct scene scene_at(const struct dv_stats_request *request, size_t index)
{
    const struct dv_simulation_options *o = &request->simulation;
#define TAKE(count) (left = index % (count), index /= (count), left)
    size_t left;
    struct scene scene = {
        .options = o,
        .seed = request->analysis.seed,
        .confidence = request->analysis.confidence,
    };
    scene.machine.nodes = (int64_t)o->nodes.value[TAKE(o->nodes.count)];
    scene.machine.node_mtbf_s = o->node_mtbfs_s.value[TAKE(o->node_mtbfs_s.count)];
    scene.bandwidth = o->bandwidths.value[TAKE(o->bandwidths.count)];
    scene.interval_s = o->intervals_s.value[TAKE(o->intervals_s.count)];
    const struct dv_law_choice *law = &o->laws[TAKE(o->law_count)];
    scene.hierarchy = &o->hierarchies[TAKE(o->hierarchy_count)];
    scene.machine.law = law->law;
    scene.machine.shape = law->shape;
    scene.machine.age_s = o->age_s;
#undef TAKE
    return scene;
}

static void add_variant(struct variants *variants, const struct dv_strategy_costs *costs,
                        enum dv_rollback rollback, size_t replications)
{
    variants->variant =
        dv_reallocate(variants->variant, variants->count + 1, sizeof *variants->variant);
    variants->variant[variants->count++] =
        (struct variant){costs, rollback, dv_reallocate(NULL, replications, sizeof(double))};
}

static bool is_new_strategy(const struct dv_study *study, size_t cell)
{
    bool is_new = study->cells[cell].kind == DV_STRATEGY_CHECKPOINT;
    for (size_t i = 0; i < cell; i++)
        is_new =
            is_new && strcmp(study->cells[i].key.strategy, study->cells[cell].key.strategy) != 0;
    return is_new;
}

/* The costs of each strategy that has epochs; malloc'ed. */
static struct dv_strategy_costs *collect(const struct dv_study *study,
                                         const struct dv_simulation_options *options, size_t *count,
                                         struct dv_results *results)
{
    struct dv_strategy_costs *costs = dv_reallocate(NULL, study->cell_count + 1, sizeof *costs);
    *count = 0;
    for (size_t i = 0; i < study->cell_count; i++) {
        if (!is_new_strategy(study, i))
            continue;
        const struct dv_cost_filter filter = {.strategy = study->cells[i].key.strategy,
                                              .application = options->application,
                                              .interval_s = NAN,
                                              .campaign = SIZE_MAX};
        char what[160];
        snprintf(what, sizeof what, "simulation: %s", filter.strategy);
        dv_strategy_costs_collect(study, &filter, &costs[*count]);
        if (costs[*count].epoch_count == 0) {
            dv_results_leave_out(results, what, "no committed epoch was measured", 1);
            dv_strategy_costs_free(&costs[*count]);
            continue;
        }
        if (costs[*count].recoveries.count == 0)
            dv_results_leave_out(results, what, "no recovery was measured; taken as 0 s", 1);
        (*count)++;
    }
    return costs;
}

static enum dv_status simulate(const struct dv_stats_request *request, const struct dv_study *study,
                               struct dv_results *results)
{
    const struct dv_simulation_options *o = &request->simulation;
    struct variants variants = {0};
    size_t strategies;
    struct dv_strategy_costs *costs = collect(study, o, &strategies, results);
    for (size_t i = 0; i < strategies; i++) {
        add_variant(&variants, &costs[i], DV_ROLLBACK_COORDINATED, o->replications);
        if (o->partial)
            add_variant(&variants, &costs[i], DV_ROLLBACK_PARTIAL, o->replications);
    }
    size_t scenes = o->nodes.count * o->node_mtbfs_s.count * o->bandwidths.count *
                    o->intervals_s.count * o->law_count * o->hierarchy_count;
    for (size_t i = 0; strategies && i < scenes; i++) {
        struct scene scene = scene_at(request, i);
        char progress[96];
        snprintf(progress, sizeof progress, "simulated: %zu of %zu combinations", i, scenes);
        dv_bench_progress(progress);
        play(&scene, &variants, results);
    }
    dv_bench_progress(NULL);
    for (size_t i = 0; i < variants.count; i++)
        free(variants.variant[i].efficiencies);
    for (size_t i = 0; i < strategies; i++)
        dv_strategy_costs_free(&costs[i]);
    free(variants.variant);
    free(costs);
    return strategies ? DV_OK
                      : dv_bench_fail(DV_ERR_NOTHING,
                                      "no strategy has a committed epoch%s%s: nothing to replay",
                                      o->application ? " with " : "",
                                      o->application ? o->application : "");
}

enum dv_status dv_command_simulate(const struct dv_stats_request *request)
{
    struct dv_study study;
    struct dv_results results;
    struct dv_stats_request whole = *request;
    if (whole.simulation.replications == 0)
        whole.simulation.replications = REPLICATIONS;
    enum dv_status status = dv_request_open(&whole, &study, &results);
    if (status == DV_OK) {
        dv_table_clear(&results.table[DV_RESULT_SIMULATION]);
        dv_table_clear(&results.table[DV_RESULT_CROSSOVER]);
        dv_results_forget(&results, "simulation: ");
        status = simulate(&whole, &study, &results);
    }
    if (status == DV_OK)
        status = dv_results_write(&results, request->directory);
    dv_results_clear(&results);
    dv_study_close(&study);
    return status;
}
