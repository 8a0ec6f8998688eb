/* When epochs are begun, and what comes of them. */
#include "common/fail.h"
#include "common/io.h"
#include "control/supervisor_state.h"
#include "store/levels.h"
#include "store/manifest.h"

#include <dejavu/log.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REFUSED_PREFIX "cannot checkpoint now: "

static const char *const cause_names[] = {"interval", "command", "signal", "stop"};

void dv_sup_interval_begin(struct dv_sup *s, uint64_t now_ns)
{
    s->checkpoint_at_ns =
        s->job->interval_s > 0 ? now_ns + (uint64_t)(s->job->interval_s * 1e9) : UINT64_MAX;
}

const char *dv_sup_not_now(const struct dv_sup *s)
{
    if (s->state == DV_SUP_LAUNCHING)
        return s->restore_epoch ? "the job is being restored" : "not all ranks have started yet";
    if (s->state != DV_SUP_RUNNING)
        return "the job is not running";
    for (unsigned r = 0; r < s->size; r++)
        if (s->ranks[r].exiting || s->ranks[r].lost || !s->ranks[r].conn)
            return "the application is ending";
    return NULL;
}

/* What the ranks may inherit from. One that is damaged is none: what they write then is complete. */
static void find_parent(struct dv_sup *s, struct dv_manifest *parent)
{
    memset(parent, 0, sizeof *parent);
    if (!s->parent_epoch)
        return;
    if (dv_store_present(s->directory, s->parent_epoch) == DV_OK &&
        dv_manifest_read(s->directory, s->parent_epoch, parent) == DV_OK &&
        parent->ranks == s->size)
        return;
    dv_warn("control", "epoch %" PRIu64 " cannot be inherited from; the next one is complete",
            s->parent_epoch);
    dv_manifest_free(parent);
    memset(parent, 0, sizeof *parent);
    s->parent_epoch = 0;
}

static void fill_stop(struct dv_sup *s, unsigned rank, const struct dv_manifest *parent,
                      struct dv_wire_stop *stop)
{
    const char *base = dv_place_base(&s->place, s->directory, rank, s->size);
    dv_epoch_directory(base, stop->epoch, stop->directory, sizeof stop->directory);
    int n = snprintf(stop->recycle, sizeof stop->recycle, "%s/spare/rank-%u.dvi", base, rank);
    if (n < 0 || (size_t)n >= sizeof stop->recycle || access(stop->recycle, W_OK) != 0)
        stop->recycle[0] = '\0';
    stop->parent_epoch = parent->epoch;
    if (parent->epoch)
        memcpy(stop->parent_digest, parent->rank[rank].digest, sizeof stop->parent_digest);
}

static void send_stop(struct dv_sup *s, uint64_t epoch)
{
    struct dv_manifest parent;
    find_parent(s, &parent);
    bool complete = dv_sup_wants_complete(s);
    s->stop_parent = parent.epoch;
    for (unsigned r = 0; r < s->size; r++) {
        struct dv_wire_stop stop = {.epoch = epoch, .complete = complete};
        fill_stop(s, r, &parent, &stop);
        if (s->ranks[r].conn &&
            dv_conn_send(s->ranks[r].conn, DV_WIRE_STOP, r, &stop, sizeof stop, NULL, 0) != DV_OK)
            dv_debug("control", "cannot send STOP to rank %u", r);
    }
    dv_manifest_free(&parent);
}

static void report_failure(struct dv_sup *s, const char *text, const char *reason)
{
    /* With an interval the same refusal would come again and again, of this rank or that: it is
     * said once. */
    bool again = strcmp(reason, s->last_reason) == 0;
    snprintf(s->last_refusal, sizeof s->last_refusal, "%s", text);
    snprintf(s->last_reason, sizeof s->last_reason, "%s", reason);
    if (!again || s->cause != DV_CAUSE_INTERVAL)
        dv_info("control", "%s; the application runs on", text);
}

bool dv_sup_checkpoint(struct dv_sup *s, enum dv_cause cause, const char **why)
{
    *why = dv_sup_not_now(s);
    if (*why)
        return false;
    uint64_t epoch = s->next_epoch++;
    s->cause = cause;
    if (dv_level_make_epoch(s->directory, &s->place, epoch) != DV_OK) {
        /* The disk may be full: try again at the next interval. */
        dv_sup_interval_begin(s, dv_now_ns());
        *why = dv_why();
        dv_events_log(s->events, "aborted", "epoch=%" PRIu64 " status=%d", epoch, DV_ERR_SYSTEM);
        return false;
    }
    dv_events_log(s->events, "stop", "epoch=%" PRIu64 " cause=%s", epoch, cause_names[cause]);
    dv_epoch_begin(&s->epoch, epoch, dv_now_ns());
    /* The application stands still no longer because of background work. */
    dv_helper_pause(&s->compactor);
    send_stop(s, epoch);
    return true;
}

void dv_sup_checkpoint_tick(struct dv_sup *s, uint64_t now_ns)
{
    if (!s->epoch_ready)
        return;
    dv_epoch_tick(&s->epoch, now_ns);
    if (s->epoch.phase != DV_EPOCH_IDLE)
        return;
    const char *why;
    if (s->checkpoint_wanted) {
        s->checkpoint_wanted = false;
        enum dv_cause cause = dv_sup_stop_is_wanted(s) ? DV_CAUSE_STOP : DV_CAUSE_COMMAND;
        if (!dv_sup_checkpoint(s, cause, &why))
            dv_sup_clients_epoch(s, UINT64_MAX, DV_ERR_REFUSED, why);
    } else if (now_ns >= s->checkpoint_at_ns && s->state == DV_SUP_RUNNING) {
        /* Postponed quietly while the application is ending. */
        s->checkpoint_at_ns = UINT64_MAX;
        (void)dv_sup_checkpoint(s, DV_CAUSE_INTERVAL, &why);
    }
}

static void tell(void *arg, enum dv_wire_type type, uint64_t epoch)
{
    struct dv_sup *s = arg;
    struct dv_wire_epoch frame = {.epoch = epoch};
    dv_sup_send_all(s, type, &frame, sizeof frame, NULL, 0);
    if (type == DV_WIRE_RESUME || type == DV_WIRE_ABORT)
        dv_helper_go_on(&s->compactor);
    uint64_t now = dv_now_ns();
    if (type == DV_WIRE_PROCEED) {
        s->proceed_ns = now;
        dv_events_log(s->events, "proceed",
                      "epoch=%" PRIu64 " versions=%u steps=%u communicators=%u", epoch,
                      s->epoch.version, s->epoch.steps, s->epoch.target_count);
    } else if (type == DV_WIRE_RESUME) {
        s->resume_ns = now;
        dv_events_log(s->events, "resume", "epoch=%" PRIu64, epoch);
        dv_sup_interval_begin(s, now);
    }
}

static void target(void *arg, uint64_t epoch, uint32_t version, const struct dv_wire_entry *entries,
                   uint32_t count)
{
    struct dv_sup *s = arg;
    struct dv_wire_parked frame = {.epoch = epoch, .version = version, .count = count};
    dv_sup_send_all(s, DV_WIRE_TARGET, &frame, sizeof frame, entries, count * sizeof *entries);
}

enum dv_status dv_sup_manifest(struct dv_sup *s, uint64_t epoch, struct dv_manifest *m)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *m = (struct dv_manifest){
        .epoch = epoch,
        .ranks = s->size,
        .committed_unix_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
        .place = s->place,
    };
    snprintf(m->strategy, sizeof m->strategy, "%s", s->strategy);
    m->rank = calloc(s->size, sizeof *m->rank);
    if (!m->rank)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for a manifest");
    for (unsigned r = 0; r < s->size; r++) {
        const struct dv_wire_figures *f = &s->epoch.rank[r].figures;
        m->rank[r].file_bytes = f->file_bytes;
        m->rank[r].data_bytes = f->data_bytes;
        m->rank[r].parent_epoch = f->parent_epoch;
        memcpy(m->rank[r].digest, f->digest, sizeof m->rank[r].digest);
        if (f->parent_epoch)
            m->parent_epoch = f->parent_epoch;
    }
    return DV_OK;
}

static enum dv_status protect(void *arg, uint64_t epoch)
{
    return dv_sup_protect(arg, epoch);
}

static enum dv_status commit(void *arg, uint64_t epoch)
{
    struct dv_sup *s = arg;
    struct dv_manifest m;
    enum dv_status status = dv_sup_manifest(s, epoch, &m);
    if (status)
        return status;
    if (m.parent_epoch && m.parent_epoch != s->stop_parent)
        status = dv_fail("control", DV_ERR_PROTOCOL,
                         "epoch %" PRIu64 " inherits from epoch %" PRIu64 ", not from %" PRIu64,
                         epoch, m.parent_epoch, s->stop_parent);
    else if (m.parent_epoch && m.parent_epoch != s->parent_epoch)
        status = dv_fail("control", DV_ERR_DAMAGED,
                         "it inherits from epoch %" PRIu64 ", which is damaged", m.parent_epoch);
    else
        status = dv_manifest_write(s->directory, &m);
    free(m.rank);
    return status;
}

static void committed(void *arg, uint64_t epoch)
{
    struct dv_sup *s = arg;
    uint64_t now = dv_now_ns(), bytes = 0;
    s->committed_epoch = s->parent_epoch = epoch;
    s->last_refusal[0] = s->last_reason[0] = '\0';
    for (unsigned r = 0; r < s->size; r++) {
        bytes += s->epoch.rank[r].figures.file_bytes;
        dv_events_figures(s->events, "rank", r, &s->epoch.rank[r].figures);
    }
    dv_events_log(s->events, "committed",
                  "epoch=%" PRIu64 " file_bytes=%" PRIu64 " quiesce_ns=%" PRIu64
                  " capture_ns=%" PRIu64 " commit_ns=%" PRIu64 " total_ns=%" PRIu64,
                  epoch, bytes, s->proceed_ns - s->epoch.begin_ns, s->resume_ns - s->proceed_ns,
                  now - s->resume_ns, now - s->epoch.begin_ns);
    dv_debug("control", "epoch %" PRIu64 " is committed", epoch);
    if (s->cause == DV_CAUSE_SIGNAL)
        dv_info("control", "epoch %" PRIu64 " is committed", epoch);
    dv_sup_compact(s);
    dv_sup_prune(s);
    char text[64];
    snprintf(text, sizeof text, "epoch %" PRIu64 " is committed", epoch);
    dv_sup_clients_epoch(s, epoch, DV_OK, text);
}

static void aborted(void *arg, uint64_t epoch, enum dv_status status, int rank, const char *reason)
{
    struct dv_sup *s = arg;
    char text[700], who[32] = "", quoted[700];
    bool named = strncmp(reason, "rank ", 5) == 0;
    if (rank >= 0 && !named)
        snprintf(who, sizeof who, "rank %d: ", rank);
    size_t skip = strlen(REFUSED_PREFIX);
    if (strncmp(reason, REFUSED_PREFIX, skip) == 0)
        reason += skip;
    if (status == DV_ERR_REFUSED)
        snprintf(text, sizeof text, REFUSED_PREFIX "%s%s", who, reason);
    else
        snprintf(text, sizeof text, "checkpoint %" PRIu64 " was given up: %s%s", epoch, who,
                 reason);
    dv_events_log(s->events, "aborted", "epoch=%" PRIu64 " status=%d reason=%s", epoch, (int)status,
                  dv_events_quote(reason, quoted, sizeof quoted));
    dv_sup_interval_begin(s, dv_now_ns());
    dv_helper_kill(&s->protector);
    if (dv_level_remove_epoch(s->directory, &s->place, epoch) != DV_OK)
        dv_warn("control", "the given-up epoch %" PRIu64 " could not be removed", epoch);
    /* The end of a rank is reported where it is dealt with. */
    bool quiet = dv_sup_not_now(s) != NULL || s->ended_by || s->stopping;
    if (!quiet)
        report_failure(s, text, reason);
    dv_sup_clients_epoch(s, epoch, status == DV_OK ? DV_ERR_ABORTED : status, text);
}

static void hung(void *arg, uint64_t epoch, const char *reason)
{
    struct dv_sup *s = arg;
    snprintf(s->hang, sizeof s->hang, "the job hangs in checkpoint %" PRIu64 ": %s", epoch, reason);
    dv_sup_kill(s);
}

const struct dv_epoch_ops dv_sup_epoch_ops = {
    .tell = tell,
    .target = target,
    .commit = commit,
    .committed = committed,
    .aborted = aborted,
    .hung = hung,
    .protect = protect,
};
