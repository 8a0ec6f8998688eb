/* Messages of dejavu-bench: one line on stderr each, beginning "dejavu-bench: ". Whoever knows the
 * cause says it once; callers only hand the status on. On a terminal a progress line may be
 * showing: messages take its place and the next progress call draws it again. One thread only. */
#ifndef DV_HARNESS_SAY_H
#define DV_HARNESS_SAY_H

#include <dejavu/status.h>

void dv_bench_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Say "dejavu-bench: error: ..." and return `status`. */
enum dv_status dv_bench_fail(enum dv_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Show `text` as the progress line, if stderr is a terminal; NULL: take it away. */
void dv_bench_progress(const char *text);

#endif
