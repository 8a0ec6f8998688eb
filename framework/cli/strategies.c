/* Strategy names and options, checked before anything is started. */
#include "cli/verbs.h"
#include "common/fail.h"

#include <dejavu/capture.h>
#include <dejavu/option.h>
#include <dejavu/protocol.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STRATEGIES 64

static enum dv_status unknown(const char *axis, const char *name, const char *const *names)
{
    char list[400] = "";
    size_t used = 0;
    const char *near = dv_did_you_mean(name, names);
    if (near)
        return dv_fail("cli", DV_ERR_USAGE, "there is no %s strategy \"%s\"; did you mean \"%s\"?",
                       axis, name, near);
    for (size_t i = 0; names[i] && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    return dv_fail("cli", DV_ERR_USAGE, "there is no %s strategy \"%s\"; there is: %s", axis, name,
                   list);
}

static enum dv_status check_options(const char *axis, const char *name,
                                    const struct dv_option *table, size_t state_size,
                                    const char *options)
{
    char why[400] = "";
    void *state = calloc(1, state_size ? state_size : 1);
    if (!state)
        return dv_fail("cli", DV_ERR_NO_MEMORY, "no memory for the options of %s", name);
    enum dv_status status = dv_options_apply(table, options, state, why, sizeof why);
    free(state);
    if (status)
        return dv_fail("cli", DV_ERR_USAGE, "%s strategy %s: %s", axis, name, why);
    return DV_OK;
}

static enum dv_status check_capture(const char *name, const char *options)
{
    const char *names[MAX_STRATEGIES + 1] = {NULL};
    for (size_t i = 0; i < MAX_STRATEGIES && dv_capture_table[i]; i++) {
        const struct dv_capture_ops *o = dv_capture_table[i];
        if (strcmp(o->name, name) == 0)
            return check_options("capture", name, o->options, o->state_size, options);
        names[i] = o->name;
    }
    return unknown("capture", name, names);
}

static enum dv_status check_protocol(const char *name, const char *options)
{
    const char *names[MAX_STRATEGIES + 1] = {NULL};
    for (size_t i = 0; i < MAX_STRATEGIES && dv_protocol_table[i]; i++) {
        const struct dv_protocol_ops *o = dv_protocol_table[i];
        if (strcmp(o->name, name) == 0)
            return check_options("protocol", name, o->options, o->state_size, options);
        names[i] = o->name;
    }
    return unknown("protocol", name, names);
}

enum dv_status cli_check_strategies(const struct dv_job *job)
{
    enum dv_status status = check_capture(job->capture, job->capture_options);
    return status ? status : check_protocol(job->protocol, job->protocol_options);
}
