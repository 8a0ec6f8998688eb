/* Performance counters over a child and all that it starts: PAPI where it has the event;
 * perf_event_open for software events where it has not (PAPI 7 turns all of perf off on a processor
 * that it does not know); getrusage always.
 *
 * A counter that cannot be counted becomes a row in state "unavailable" with the reason, never a 0.
 */
#ifndef DV_HARNESS_COUNTERS_H
#define DV_HARNESS_COUNTERS_H

#include "harness/config/experiment.h"
#include "harness/record/schema.h"

#include <sys/resource.h>
#include <sys/types.h>

struct dv_counters;

/* Attach to `pid`, which waits to be let go: a counter covers it and its later descendants. Never
 * fails as a whole. */
struct dv_counters *dv_counters_start(const struct dv_names *names, pid_t pid);
/* After the last process ended: rows into /counters. Frees. */
void dv_counters_finish(struct dv_counters *counters, int64_t run, struct dv_tables *tables);

void dv_counters_add_rusage(const struct rusage *usage, int64_t run, struct dv_tables *tables);

/* "7.0.0", and what PAPI's perf component says of itself. */
void dv_counters_describe(char *version, size_t version_bytes, char *state, size_t state_bytes);

#endif
