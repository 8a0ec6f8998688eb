/* How long and how much: from what was measured in this campaign, else in earlier ones, else from
 * rough figures of known applications, else not at all. */
#ifndef DV_HARNESS_ESTIMATE_H
#define DV_HARNESS_ESTIMATE_H

#include "harness/plan/plan.h"

/* What earlier results say of a cell; NaN: nothing. */
struct dv_prior {
    double wall_s, image_bytes; /* of one run; of one epoch, all ranks */
};

struct dv_plan_estimate {
    double seconds;       /* of the runs that are not done, as far as anything is known of them */
    double scratch_bytes; /* the most that one run's images take at a time */
    double output_bytes;  /* of all runs' records */
    bool measured;        /* all seconds come from measured runs */
    size_t unknown_runs;  /* nothing is known of their time */
};

/* `measured_s[run]`: wall time of a run that is done, NaN for others; NULL: none is. `prior[cell]`,
 * or NULL. */
struct dv_plan_estimate dv_estimate_rest(const struct dv_plan *plan, const double *measured_s,
                                         const struct dv_prior *prior, double pause_s,
                                         int64_t processors);
/* "about 45 s", "more than 3 min 20 s" with unknown runs beside, "unknown" */
void dv_estimate_text(const struct dv_plan_estimate *estimate, char *text, size_t text_bytes);

#endif
