#include "harness/launch/launcher.h"

#include "harness/config/say.h"
#include "harness/config/yaml.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- mpiexec on this host ------------------------------------------------ */

static enum dv_status check_local(const struct dv_experiment *e)
{
    char command[PATH_MAX], first[256] = "";
    if (strchr(e->mpiexec, '\''))
        return dv_bench_fail(DV_ERR_USAGE, "mpiexec: quotes in %s", e->mpiexec);
    snprintf(command, sizeof command, "'%s' --version 2>&1 </dev/null", e->mpiexec);
    FILE *pipe = popen(command, "re");
    if (pipe && !fgets(first, sizeof first, pipe))
        first[0] = '\0';
    while (pipe && fgetc(pipe) != EOF)
        ; /* to its end, so that it does not die of a closed pipe */
    int ended = pipe ? pclose(pipe) : -1;
    first[strcspn(first, "\n")] = '\0';
    if (ended != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot run %s --version: %s; install mpich",
                             e->mpiexec, *first ? first : "no output");
    if (!strstr(first, "HYDRA"))
        return dv_bench_fail(DV_ERR_SYSTEM,
                             "%s is not MPICH's launcher (it says '%.60s'); set 'mpiexec'",
                             e->mpiexec, first);
    return DV_OK;
}

static void add_local_words(const struct dv_experiment *e, int64_t ranks, struct dv_words *words)
{
    dv_words_add(words, e->mpiexec);
    dv_words_add(words, "-n");
    dv_words_add_number(words, ranks);
}

static void add_local_options(const struct dv_experiment *e, struct dv_words *words)
{
    (void)e, (void)words; /* DejaVu uses the mpiexec of the MPI library that it was built with */
}

/* Hydra takes -bind-to from HYDRA_BINDING, too; so DejaVu's mpiexec binds like the native one. */
static char **local_environment(const struct dv_experiment *e, struct dv_arena *memory)
{
    char **variables = dv_arena_alloc(memory, 2, sizeof *variables);
    variables[0] =
        dv_arena_text(memory, e->pin == DV_PIN_CORES ? "HYDRA_BINDING=core" : "HYDRA_BINDING=none");
    return variables;
}

static const struct dv_launcher local = {
    .name = "local",
    .summary = "mpiexec of MPICH on this host",
    .check = check_local,
    .add_words = add_local_words,
    .add_options = add_local_options,
    .environment = local_environment,
};

/* -------------------------------------------------------------------------- */

static const struct dv_launcher *const launchers[] = {&local};
#define LAUNCHERS (sizeof launchers / sizeof launchers[0])

const struct dv_launcher *dv_launcher_find(const char *name)
{
    for (size_t i = 0; i < LAUNCHERS; i++) {
        if (strcmp(launchers[i]->name, name) == 0)
            return launchers[i];
    }
    return NULL;
}

enum dv_status dv_launcher_check(const struct dv_experiment *experiment)
{
    const struct dv_launcher *launcher = dv_launcher_find(experiment->launcher);
    if (launcher)
        return launcher->check(experiment);
    const char *names[LAUNCHERS + 1] = {NULL};
    for (size_t i = 0; i < LAUNCHERS; i++)
        names[i] = launchers[i]->name;
    struct dv_yaml place = {.origin =
                                (char *)dv_experiment_setting(experiment, "launcher")->source};
    return dv_yaml_fail_unknown(&place, NULL, "launcher", experiment->launcher, names);
}
