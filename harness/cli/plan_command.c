#include "harness/cli/commands.h"
#include "harness/plan/estimate.h"
#include "harness/record/environment.h"

#include <inttypes.h>

void dv_command_keys(FILE *out)
{
    struct dv_key_text key;
    for (size_t i = 0; dv_experiment_key(i, &key); i++)
        fprintf(out, "%s (%s)\n    %s\n    default: %s\n", key.name, key.unit, key.help,
                key.default_value);
}

enum dv_status dv_request_open(const struct dv_request *request, FILE *out,
                               struct dv_experiment *experiment, struct dv_plan *plan)
{
    enum dv_status status = dv_experiment_open(experiment, request->path, request->overrides);
    if (status != DV_OK)
        return status;
    if (request->show_config) {
        for (size_t i = 0; i < experiment->setting_count; i++)
            fprintf(out, "%s: %s    # %s\n", experiment->settings[i].key,
                    experiment->settings[i].value, experiment->settings[i].source);
    }
    status = dv_plan_make(experiment, plan);
    if (status != DV_OK)
        dv_experiment_close(experiment);
    return status;
}

static void print_summary(const struct dv_experiment *e, const struct dv_plan *plan, FILE *out)
{
    int64_t processors = dv_environment_processors();
    struct dv_estimate estimate = dv_estimate_rest(plan, NULL, e->pause_s, processors);
    char time[48];
    size_t crowded = 0;
    dv_estimate_text(estimate.seconds, time, sizeof time);
    for (size_t i = 0; i < plan->cell_count; i++)
        crowded += plan->cells[i].ranks > processors;
    fprintf(out, "campaign  %s%s%s\n", e->name, *e->description ? ": " : "", e->description);
    fprintf(out, "output    %s\n", e->output);
    fprintf(out, "seed      %" PRId64 "\n", e->seed);
    fprintf(out,
            "runs      %zu: %" PRId64 " warm-up and %" PRId64 " measured blocks of %zu cells\n",
            plan->run_count, e->warmup, e->repetitions, plan->cell_count);
    fprintf(out, "time      about %s (rough figures%s)\n", time,
            estimate.guessed ? "; 10 s for each run of an unknown application" : "");
    fprintf(out, "disk      about %.1f MiB in %s, and %.0f MiB at a time in %s\n",
            estimate.output_bytes / 0x1p20, e->output, estimate.scratch_bytes / 0x1p20, e->scratch);
    if (crowded)
        fprintf(out, "note      %zu cells have more ranks than the %" PRId64 " processors here\n",
                crowded, processors);
    if (e->repetitions < 6)
        fprintf(out,
                "note      %" PRId64
                " repetitions are too few for a 95 %% interval; 6 are the least\n",
                e->repetitions);
    for (size_t i = 0; i < plan->left_out_count; i++)
        fprintf(out, "left out  %s: %s\n", plan->left_out[i].cell, plan->left_out[i].reason);
}

enum dv_status dv_command_plan(const struct dv_request *request, FILE *out)
{
    struct dv_experiment experiment;
    struct dv_plan plan;
    enum dv_status status = dv_request_open(request, out, &experiment, &plan);
    if (status != DV_OK)
        return status;
    print_summary(&experiment, &plan, out);
    fprintf(out, "\n%6s %6s  %s\n", "run", "block", "cell");
    for (size_t i = 0; i < plan.run_count; i++)
        fprintf(out, "%6zu %5zu%s  %s\n", i, plan.runs[i].block, plan.runs[i].warmup ? "w" : " ",
                plan.cells[plan.runs[i].cell].label);
    dv_plan_free(&plan);
    dv_experiment_close(&experiment);
    return DV_OK;
}
