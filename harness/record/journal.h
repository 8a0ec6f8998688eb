/* The journal of a campaign: which runs are done. Append-only; every line carries its checksum and
 * is on disk before the next step, so that SIGKILL at any moment loses at most the run that was
 * going on.
 *
 *     DIR/journal           <xxh64 of the rest> campaign version=1 id=... settings=... plan=...
 * runs=48 arguments=... <xxh64> session number=0 <xxh64> start run=0 <xxh64> done run=0 ok=1
 * wall_s=3.21 record=<xxh64 of the record> DIR/experiment.yaml   the experiment, byte for byte
 *     DIR/sessions/0000     environment rows of a session
 *     DIR/runs/000000/      record (tables' rows as text), stdout, stderr, events
 *     DIR/<name>.h5         made from all of the above
 *
 * A run counts when its `done` line is whole; its directory is complete before that. What a crash
 * left behind of a run without one is thrown away and the run is made again. One process may write
 * (flock). */
#ifndef DV_HARNESS_JOURNAL_H
#define DV_HARNESS_JOURNAL_H

#include "harness/config/experiment.h"
#include "harness/plan/plan.h"

struct dv_journal_run {
    bool started, done, ok;
    double wall_s;
    uint64_t record_digest;
};

struct dv_journal {
    const char *directory; /* the experiment's output */
    int fd;                /* -1: read only */
    uint64_t id;           /* of the campaign, random */
    size_t sessions;
    struct dv_journal_run *runs;
    size_t run_count, done_count, failed_count;
};

/* Open the journal in the experiment's output directory; `writable`: make it if it is not there,
 * and become its only writer. `arguments`: how this command was called, for messages.
 * DV_ERR_NOT_FOUND (said): nothing there to read; DV_ERR_MISMATCH: another campaign; DV_ERR_BUSY:
 * another writer; DV_ERR_DAMAGED. */
enum dv_status dv_journal_open(const struct dv_experiment *experiment, const struct dv_plan *plan,
                               bool writable, const char *arguments,
                               struct dv_journal *journal) DV_CHECKED;
void dv_journal_close(struct dv_journal *journal);

/* A new session; its environment rows must be on disk. `*number`: its number. */
enum dv_status dv_journal_begin_session(struct dv_journal *journal, size_t *number) DV_CHECKED;
enum dv_status dv_journal_start(struct dv_journal *journal, size_t run) DV_CHECKED;
enum dv_status dv_journal_done(struct dv_journal *journal, size_t run,
                               const struct dv_journal_run *result) DV_CHECKED;

/* "<DIR>/runs/000012" and "<DIR>/sessions/0003" */
void dv_journal_run_directory(const struct dv_journal *journal, size_t run, char *path,
                              size_t path_bytes);
void dv_journal_session_path(const struct dv_journal *journal, size_t session, char *path,
                             size_t path_bytes);

#endif
