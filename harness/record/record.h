/* Making one run and committing what came of it. */
#ifndef DV_HARNESS_RECORD_H
#define DV_HARNESS_RECORD_H

#include "harness/record/journal.h"
#include "harness/record/schema.h"

struct dv_campaign {
    const struct dv_experiment *experiment;
    const struct dv_plan *plan;
    struct dv_journal journal;
    const char *filter; /* of this session; NULL: none */
};

/* Make the run, commit its record, tidy up. `row` gets its row of /runs. DV_ERR_ABORTED:
 * interrupted, nothing was recorded. Other errors: the campaign cannot go on (said). A run that
 * failed is DV_OK with row->outcome. */
enum dv_status dv_record_run(struct dv_campaign *campaign, const struct dv_planned_run *run,
                             size_t session, struct dv_run_row *row) DV_CHECKED;

/* What an earlier, killed harness left: processes, private directories of runs that are not done.
 */
void dv_record_clear_up(struct dv_campaign *campaign);

/* Begin a session: collects the environment. */
enum dv_status dv_record_begin_session(struct dv_campaign *campaign, size_t *session) DV_CHECKED;

/* Everything that is committed, as tables, judged: digests compared with those of the native runs.
 */
enum dv_status dv_record_load(const struct dv_campaign *campaign,
                              struct dv_tables *tables) DV_CHECKED;

/* The rows of /runs whose digest is not that of the native runs of the same application, class and
 * ranks become failures. Rows without a digest are left alone. */
void dv_record_judge(struct dv_tables *tables);

#endif
