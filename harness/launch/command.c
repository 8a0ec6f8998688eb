#include "harness/launch/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct words {
    char **item;
    size_t count, room;
    struct dv_arena *memory;
};

static void add(struct words *words, const char *word)
{
    if (words->count + 1 >= words->room) {
        words->room = words->room ? 2 * words->room : 32;
        words->item = dv_reallocate(words->item, words->room, sizeof *words->item);
    }
    words->item[words->count++] = dv_arena_text(words->memory, word);
    words->item[words->count] = NULL;
}

/* `text` with every "{name}" as `value`. */
static char *replace(struct dv_arena *memory, const char *text, const char *name, const char *value)
{
    char *result = dv_arena_text(memory, text), *at;
    size_t length = strlen(name);
    for (size_t from = 0; (at = strstr(result + from, name));) {
        size_t before = (size_t)(at - result);
        result = dv_arena_printf(memory, "%.*s%s%s", (int)before, result, value, at + length);
        from = before + strlen(value);
    }
    return result;
}

static void add_application(struct words *words, const struct dv_cell *cell)
{
    char ranks[24];
    snprintf(ranks, sizeof ranks, "%" PRId64, cell->ranks);
    add(words, cell->app->program);
    for (size_t i = 0; i < cell->app->arguments.count; i++) {
        const char *argument = cell->app->arguments.item[i];
        argument = replace(words->memory, argument, "{class}", cell->class_name);
        add(words, replace(words->memory, argument, "{ranks}", ranks));
    }
}

static void add_dejavu(struct words *words, const struct dv_experiment *e,
                       const struct dv_cell *cell, const char *job_directory)
{
    const struct dv_strategy *strategy = cell->strategy;
    bool checkpoints = strategy->kind == DV_STRATEGY_CHECKPOINT;
    char interval[32];
    add(words, dv_arena_printf(words->memory, "%s/dejavu", e->bindir));
    add(words, "run");
    add(words, "-n");
    add(words, dv_arena_printf(words->memory, "%" PRId64, cell->ranks));
    add(words, "--job");
    add(words, job_directory);
    if (checkpoints) {
        dv_seconds_text(cell->interval_s, interval, sizeof interval);
        add(words, "--capture");
        add(words, strategy->capture);
        add(words, "--protocol");
        add(words, strategy->protocol);
        add(words, "--interval");
        add(words, interval);
    }
    add(words, "--max-restarts");
    add(words, dv_arena_printf(words->memory, "%" PRId64, checkpoints ? e->max_restarts : 0));
    for (size_t i = 0; i < strategy->options.count; i++)
        add(words, strategy->options.item[i]);
    add(words, "--");
}

char **dv_command_make(const struct dv_experiment *experiment, const struct dv_cell *cell,
                       const char *job_directory, struct dv_arena *memory)
{
    struct words words = {.memory = memory};
    if (cell->strategy->kind == DV_STRATEGY_NATIVE) {
        add(&words, experiment->mpiexec);
        add(&words, "-n");
        add(&words, dv_arena_printf(memory, "%" PRId64, cell->ranks));
    } else {
        add_dejavu(&words, experiment, cell, job_directory);
    }
    add_application(&words, cell);
    char **argv = dv_arena_alloc(memory, words.count + 1, sizeof *argv);
    memcpy(argv, words.item, words.count * sizeof *argv);
    free(words.item);
    return argv;
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
