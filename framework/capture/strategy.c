/* Capture strategies' life: from the table to init, arm, fini; and what the core offers them. */
#include "capture/capture_engine.h"
#include "capture/page_set.h"
#include "capture/regions.h"
#include "common/fail.h"

#include <dejavu/capture.h>
#include <dejavu/option.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void explain(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    enum dv_status reported = dv_fail("capture", DV_ERR_INTERNAL, "%s", text);
    (void)reported; /* the strategy returns the status that fits */
}

static const struct dv_capture_core core = {
    .add = dv_page_set_add,
    .populated = dv_region_populated,
    .explain = explain,
};

static enum dv_status unknown_strategy(const char *name)
{
    const char *names[64] = {NULL};
    for (size_t i = 0; i < 63 && dv_capture_table[i]; i++)
        names[i] = dv_capture_table[i]->name;
    const char *near = dv_did_you_mean(name, names);
    return dv_fail("capture", DV_ERR_NOT_FOUND, "there is no capture strategy \"%s\"%s%s%s", name,
                   near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum dv_status find(const char *name, const struct dv_capture_ops **ops)
{
    for (size_t i = 0; dv_capture_table[i]; i++) {
        if (strcmp(dv_capture_table[i]->name, name) != 0)
            continue;
        *ops = dv_capture_table[i];
        if ((*ops)->api == DV_CAPTURE_API && (*ops)->select)
            return DV_OK;
        return dv_fail("capture", DV_ERR_UNSUPPORTED,
                       "capture strategy %s is made for interface %u, not %u; rebuild it", name,
                       (*ops)->api, DV_CAPTURE_API);
    }
    return unknown_strategy(name);
}

enum dv_status dv_capture_open(const char *name, const char *options, struct dv_capture **strategy)
{
    const struct dv_capture_ops *ops = NULL;
    enum dv_status status = find(name, &ops);
    if (status != DV_OK)
        return status;
    struct dv_capture *c = calloc(1, sizeof *c);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
    void *state = calloc(1, ops->state_size ? ops->state_size : 1);
    if (!c || !state) {
        status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for capture strategy %s", name);
        goto out_free;
    }
    *c = (struct dv_capture){.ops = ops, .core = &core, .state = state};
    static const struct dv_option no_options[] = {{0}};
    char why[512];
    status =
        dv_options_apply(ops->options ? ops->options : no_options, options, state, why, sizeof why);
    if (status != DV_OK) {
        status = dv_fail("capture", status, "capture strategy %s: %s", name, why);
        goto out_free;
    }
    if (ops->init) {
        status = ops->init(c);
        if (status != DV_OK)
            goto out_free;
    }
    *strategy = c;
    return DV_OK;

out_free:
    free(state);
    free(c);
    return status;
}

enum dv_status dv_capture_arm(struct dv_capture *strategy)
{
    if (!strategy->ops->arm)
        return DV_OK;
    struct dv_maps maps;
    enum dv_status status = dv_maps_read(&maps);
    if (status != DV_OK)
        return status;
    struct dv_region_list list = {maps.regions, maps.count};
    status = strategy->ops->arm(strategy, &list);
    dv_maps_free(&maps);
    return status;
}

void dv_capture_close(struct dv_capture *strategy)
{
    if (!strategy)
        return;
    if (strategy->ops->fini)
        strategy->ops->fini(strategy);
    free(strategy->state);
    free(strategy);
}
