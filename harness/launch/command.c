#include "harness/launch/command.h"

#include "harness/launch/external.h"
#include "harness/launch/launcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dv_words_add(struct dv_words *words, const char *word)
{
    if (words->count + 1 >= words->room) {
        size_t room = words->room ? 2 * words->room : 32;
        char **grown = dv_arena_alloc(words->memory, room, sizeof *grown);
        if (words->count)
            memcpy(grown, words->item, words->count * sizeof *grown);
        words->item = grown;
        words->room = room;
    }
    words->item[words->count++] = dv_arena_text(words->memory, word);
}

void dv_words_add_number(struct dv_words *words, long long number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", number);
    dv_words_add(words, text);
}

static void add_application(struct dv_words *words, const struct dv_cell *cell)
{
    char ranks[24];
    snprintf(ranks, sizeof ranks, "%" PRId64, cell->ranks);
    dv_words_add(words, cell->app->program);
    for (size_t i = 0; i < cell->app->arguments.count; i++) {
        const char *argument = cell->app->arguments.item[i];
        argument = dv_arena_replace(words->memory, argument, "{class}", cell->class_name);
        dv_words_add(words, dv_arena_replace(words->memory, argument, "{ranks}", ranks));
    }
}

static void add_dejavu(struct dv_words *words, const struct dv_experiment *e,
                       const struct dv_cell *cell, const char *job_directory, int64_t restarts)
{
    const struct dv_strategy *strategy = cell->strategy;
    dv_words_add(words, dv_arena_printf(words->memory, "%s/dejavu", e->bindir));
    dv_words_add(words, "run");
    dv_words_add(words, "-n");
    dv_words_add_number(words, cell->ranks);
    dv_words_add(words, "--job");
    dv_words_add(words, job_directory);
    if (strategy->kind == DV_STRATEGY_CHECKPOINT) {
        char interval[32];
        dv_seconds_text(cell->interval_s, interval, sizeof interval);
        dv_words_add(words, "--capture");
        dv_words_add(words, strategy->capture);
        dv_words_add(words, "--protocol");
        dv_words_add(words, strategy->protocol);
        dv_words_add(words, "--interval");
        dv_words_add(words, interval);
    }
    dv_words_add(words, "--max-restarts");
    dv_words_add_number(words, restarts);
    dv_launcher_find(e->launcher)->add_options(e, words);
    for (size_t i = 0; i < strategy->options.count; i++)
        dv_words_add(words, strategy->options.item[i]);
    dv_words_add(words, "--");
}

char **dv_command_make(const struct dv_experiment *experiment, const struct dv_cell *cell,
                       const char *job_directory, size_t faults, struct dv_arena *memory)
{
    struct dv_words words = {.memory = memory};
    const struct dv_strategy *strategy = cell->strategy;
    bool checkpoints = strategy->kind == DV_STRATEGY_CHECKPOINT;
    int64_t restarts = checkpoints ? experiment->max_restarts + (int64_t)faults : 0;
    if (strategy->kind == DV_STRATEGY_NATIVE)
        dv_launcher_find(experiment->launcher)->add_words(experiment, cell->ranks, &words);
    else if (strcmp(strategy->system, "dejavu") == 0)
        add_dejavu(&words, experiment, cell, job_directory, restarts);
    else
        dv_external_add_words(experiment, cell, job_directory, restarts, &words);
    add_application(&words, cell);
    return words.item;
}

char *dv_command_text(char *const *argv, struct dv_arena *memory)
{
    char *text = dv_arena_text(memory, "");
    for (; *argv; argv++) {
        bool plain = **argv && !strpbrk(*argv, " \t\n'\"\\$`*?[]{}()<>|&;#~!");
        text =
            dv_arena_printf(memory, plain ? "%s%s%s" : "%s%s'%s'", text, *text ? " " : "", *argv);
    }
    return text;
}
