/* A job's events (framework/control/events.md) as rows: the figures of checkpoints in /epochs, those of
 * restores in /restores, what strategies decided in /decisions, all others and these but for the decisions, which would
 * be there twice and are many, in /events, and what came of the fault. */
#ifndef DV_HARNESS_EVENTS_H
#define DV_HARNESS_EVENTS_H

#include "harness/record/schema.h"

#include <stdbool.h>

struct dv_events_summary {
    int64_t epochs;   /* committed */
    int64_t restarts; /* incarnations after the first in which all ranks ran */
    double
        exiting_s; /* the application began to end by itself, and did not start again; NaN: never */
    bool began_anew;      /* a restart from nothing although an epoch was committed */
    size_t unknown_lines; /* that are not `<seconds> <event> ...` */
};

/* `offset_s`: time of the run at the events' time 0 (NaN: unknown). The fault rows of this run,
 * already in `tables`, get recovered_s, restored_epoch and epochs_before. A missing file is a job
 * without events. */
enum dv_status dv_events_read(const char *path, int64_t run, double offset_s,
                              struct dv_tables *tables,
                              struct dv_events_summary *summary) DV_CHECKED;

#endif
