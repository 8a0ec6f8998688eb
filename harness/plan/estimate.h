/* How long and how much: from what was measured so far, else from rough figures of known
 * applications. */
#ifndef DV_HARNESS_ESTIMATE_H
#define DV_HARNESS_ESTIMATE_H

#include "harness/plan/plan.h"

struct dv_estimate {
    double seconds;       /* of the runs that are not done */
    double scratch_bytes; /* the most that one run's images take at a time */
    double output_bytes;  /* of all runs' records */
    bool measured;        /* all seconds come from measured runs */
    bool guessed;         /* some run's application is not known at all */
};

/* `measured_s[run]`: wall time of a run that is done, NaN for others; NULL: none is. */
struct dv_estimate dv_estimate_rest(const struct dv_plan *plan, const double *measured_s,
                                    double pause_s, int64_t processors);
/* "45 s", "3 min 20 s", "2 h 5 min" */
void dv_estimate_text(double seconds, char *text, size_t text_bytes);

#endif
