#include "harness/launch/external.h"

#include "harness/config/tools.h"

#include <stdio.h>
#include <string.h>

#define ADAPTER "dejavu-external"
#define ADAPTER_SOURCE "harness/launch/external.py"

static const char *find_adapter(struct dv_arena *memory)
{
    const char *found = dv_tool_find(ADAPTER, ADAPTER_SOURCE, memory);
    return found ? found : ADAPTER;
}

void dv_external_add_words(const struct dv_experiment *experiment, const struct dv_cell *cell,
                           const char *job_directory, int64_t restarts, struct dv_words *words)
{
    dv_words_add(words, find_adapter(words->memory));
    dv_words_add(words, cell->strategy->system);
    dv_words_add(words, "--job");
    dv_words_add(words, job_directory);
    dv_words_add(words, "--ranks");
    dv_words_add_number(words, cell->ranks);
    dv_words_add(words, "--interval");
    dv_words_add(words, dv_arena_printf(words->memory, "%g", cell->interval_s));
    dv_words_add(words, "--max-restarts");
    dv_words_add_number(words, restarts);
    dv_words_add(words, "--mpiexec");
    dv_words_add(words, experiment->mpiexec);
    dv_words_add(words, "--");
}

const char *dv_external_unable(struct dv_experiment *experiment, const struct dv_strategy *strategy,
                               int64_t ranks)
{
    struct dv_arena *memory = &experiment->memory;
    if (strategy->kind != DV_STRATEGY_CHECKPOINT || strcmp(strategy->system, "dejavu") == 0)
        return NULL;
    char reason[200] = "";
    const char *command = dv_arena_printf(memory, "'%s' %s --check --ranks %lld 2>&1 </dev/null",
                                          find_adapter(memory), strategy->system, (long long)ranks);
    FILE *pipe = popen(command, "re");
    if (pipe && !fgets(reason, sizeof reason, pipe))
        reason[0] = '\0';
    while (pipe && fgetc(pipe) != EOF)
        ; /* to its end, so that it does not die of a closed pipe */
    int ended = pipe ? pclose(pipe) : -1;
    reason[strcspn(reason, "\n")] = '\0';
    if (ended == 0)
        return NULL;
    return dv_arena_text(memory, *reason ? reason : "its adapter " ADAPTER " does not run");
}
