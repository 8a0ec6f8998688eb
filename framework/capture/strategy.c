/* Capture strategies' life: from the table to init, arm, fini; and what the core offers them. */
#include "capture/capture_engine.h"
#include "capture/job.h"
#include "capture/page_set.h"
#include "capture/pagemap.h"
#include "capture/regions.h"
#include "capture/trackers.h"
#include "common/fail.h"
#include "image/checksum.h"

#include <dejavu/capture.h>
#include <dejavu/option.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DECISION_BYTES 65536u

static enum dv_status add_length(void *arg, uint64_t start, uint64_t end)
{
    *(uint64_t *)arg += end - start;
    return DV_OK;
}

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

/* The lines of one epoch; what does not fit is left out, which is said. */
static struct {
    char text[DECISION_BYTES];
    size_t used;
    int full;
} decisions;

static void decided(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; (at = strchr(at, '\n')) != NULL;)
        *at = ' ';
    size_t length = strlen(line);
    if (decisions.full)
        return;
    if (decisions.used + length + 64 > sizeof decisions.text) {
        decisions.full = 1;
        snprintf(line, sizeof line, "more=yes reason=the record of this epoch is full");
        length = strlen(line);
    }
    memcpy(decisions.text + decisions.used, line, length);
    decisions.used += length;
    decisions.text[decisions.used++] = '\n';
    decisions.text[decisions.used] = '\0';
}

const char *dv_capture_decisions(void)
{
    static char copy[DECISION_BYTES];
    memcpy(copy, decisions.text, decisions.used + 1);
    decisions.used = 0;
    decisions.full = 0;
    decisions.text[0] = '\0';
    return copy;
}

static uint64_t huge_bytes(const struct dv_region *region)
{
    uint64_t bytes = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    const struct dv_pagemap_scan scan = {.start = region->start,
                                         .end = region->end,
                                         .all_of = DV_PAGE_IS_HUGE,
                                         .any_of = DV_PAGE_IS_PRESENT};
    if (fd < 0)
        return 0;
    if (dv_pagemap_scan(fd, &scan, add_length, &bytes) != DV_OK)
        bytes = 0; /* a kernel that does not tell */
    close(fd);
    return bytes;
}

/* What the take under way has found out already. */
static const struct dv_page_set *populated_now;

void dv_strategy_populated(const struct dv_page_set *populated)
{
    populated_now = populated;
}

static enum dv_status populated(const struct dv_region *region,
                                enum dv_status (*each)(void *arg, uint64_t start, uint64_t end),
                                void *arg)
{
    if (!populated_now)
        return dv_region_populated(region, each, arg);
    enum dv_status status = DV_OK;
    uint64_t from = region->live_from, to = region->end;
    for (size_t i = dv_page_set_find(populated_now, from);
         i < populated_now->count && populated_now->ranges[i].start < to && status == DV_OK; i++) {
        const struct dv_page_run *run = &populated_now->ranges[i];
        status = each(arg, run->start > from ? run->start : from, run->end < to ? run->end : to);
    }
    return status;
}

static const struct dv_capture_core core = {
    .add = dv_page_set_add,
    .populated = populated,
    .explain = explain,
    .shared_alloc = dv_shared_alloc,
    .shared_free = dv_shared_free,
    .digest = dv_checksum128,
    .huge_bytes = huge_bytes,
    .decided = decided,
    .keep_cost = dv_snapshot_cost,
    .trackers = dv_trackers,
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
    dv_snapshot_measure();
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

enum dv_status dv_capture_arm(struct dv_capture *strategy, uint64_t restored_epoch)
{
    strategy->parent_epoch = restored_epoch;
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
