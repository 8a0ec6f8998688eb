/* JOB/events: one line per event, append only; see events.md for what is in it. One writer (the
 * supervisor). */
#ifndef DV_CONTROL_EVENTS_H
#define DV_CONTROL_EVENTS_H

#include "control/wire.h"

#include <dejavu/status.h>

#include <stddef.h>

struct dv_events;

/* Open for appending. Times are seconds since this call. */
enum dv_status dv_events_open(const char *job_directory, struct dv_events **events) DV_CHECKED;
void dv_events_close(struct dv_events *events);
/* One line: `<seconds> <event> ` and the formatted key=value pairs. A line that cannot be written
 * is reported once, and then events are off: the job is worth more than its record. */
void dv_events_log(struct dv_events *events, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A line with all of a rank's figures. */
void dv_events_figures(struct dv_events *events, const char *event, unsigned rank,
                       const struct dv_wire_figures *figures);
/* A line for each line of a DECISIONS frame's text: `region` if it begins with `start=`, else `decision` (struct dv_wire_epoch + text, with or
 * without a NUL). A frame that is too short says nothing and is left out. */
void dv_events_decisions(struct dv_events *events, unsigned rank, const void *payload,
                         size_t length);
/* "text with spaces" in double quotes, quotes and backslashes escaped, so that a line can be split.
 */
const char *dv_events_quote(const char *text, char *buffer, size_t buffer_bytes);

#endif
