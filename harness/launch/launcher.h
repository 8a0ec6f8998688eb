/* How programs are started on processors: one struct of functions for each way. To add one, fill
 * such a struct and name it in launcher.c. */
#ifndef DV_HARNESS_LAUNCHER_H
#define DV_HARNESS_LAUNCHER_H

#include "harness/config/experiment.h"
#include "harness/launch/words.h"

struct dv_launcher {
    const char *name, *summary;
    /* Once before a campaign: can it be used here? Says why not. May run programs. */
    enum dv_status (*check)(const struct dv_experiment *experiment);
    /* The words before a program that start `ranks` processes of it without DejaVu. */
    void (*add_words)(const struct dv_experiment *experiment, int64_t ranks,
                      struct dv_words *words);
    /* The options of `dejavu run` that make it use this launcher. */
    void (*add_options)(const struct dv_experiment *experiment, struct dv_words *words);
    /* NAME=VALUE for the environment of every run, NULL at the end, in `memory`: pinning. */
    char **(*environment)(const struct dv_experiment *experiment, struct dv_arena *memory);
};

/* NULL: there is none of this name. */
const struct dv_launcher *dv_launcher_find(const char *name);
/* The launcher of the experiment is known and can be used. Says why not. */
enum dv_status dv_launcher_check(const struct dv_experiment *experiment) DV_CHECKED;

#endif
