/* What the supervisor does for the store while the application runs: redundancy before a commit, compaction and pruning
 * after it. */
#include "common/fail.h"
#include "common/io.h"
#include "control/engine.h"
#include "control/supervisor_state.h"
#include "store/compact.h"
#include "store/levels.h"
#include "store/manifest.h"
#include "store/prune.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTECT_LIMIT_NS 600000000000ull
#define COMPACT_LIMIT_NS 900000000000ull

/* ---- redundancy ----------------------------------------------------------- */

static enum dv_status protect_work(void *manifest, uint64_t *figures)
{
    (void)figures;
    return dv_level_protect(manifest);
}

enum dv_status dv_sup_protect(struct dv_sup *s, uint64_t epoch)
{
    struct dv_manifest m;
    if (dv_place_survives(&s->place) == 0 || s->place.level == DV_LEVEL_SHARED)
        return DV_OK;
    enum dv_status status = dv_sup_manifest(s, epoch, &m);
    if (status)
        return status;
    status = dv_helper_start(&s->protector, protect_work, &m, PROTECT_LIMIT_NS, false);
    free(m.rank);
    return status ? status : DV_ERR_BUSY;
}

static void on_protected(struct dv_sup *s, uint64_t began_ns, const struct dv_helper_result *result)
{
    char why[800] = "";
    dv_events_log(s->events, "protected", "epoch=%" PRIu64 " status=%d total_ns=%" PRIu64,
                  s->epoch.number, (int)result->status, dv_now_ns() - began_ns);
    if (result->status)
        snprintf(why, sizeof why, "its %s could not be made: %s",
                 s->place.level == DV_LEVEL_RS ? "parity" : "copies", result->why);
    dv_epoch_protected(&s->epoch, result->status, why);
}

/* ---- pruning -------------------------------------------------------------- */

void dv_sup_prune(struct dv_sup *s)
{
    const struct dv_prune what = {
        .keep = s->job->keep,
        .pinned = s->compacting_epoch,
        .writing = s->epoch.phase != DV_EPOCH_IDLE ? s->epoch.number : 0,
        .mapped = s->restore_epoch,
        .bad = s->bad_epochs,
        .bad_count = s->bad_count,
        .place = &s->place,
    };
    if (dv_store_prune(s->directory, &what, NULL) != DV_OK)
        dv_warn("control", "old epochs of %s could not be removed", s->directory);
}

/* ---- compaction ----------------------------------------------------------- */

struct compaction {
    const char *directory;
    uint64_t epoch;
    enum dv_codec codec;
};

static enum dv_status compact_work(void *arg, uint64_t *written_bytes)
{
    const struct compaction *c = arg;
    struct dv_compacted result;
    unsigned rebuilt = 0;
    enum dv_status status = dv_compact_epoch(c->directory, c->epoch, c->codec, &result);
    if (status == DV_ERR_DAMAGED &&
        dv_level_rebuild(c->directory, c->epoch, 1, &rebuilt) == DV_OK && rebuilt)
        status = dv_compact_epoch(c->directory, c->epoch, c->codec, &result);
    if (status == DV_OK)
        *written_bytes = result.written_bytes;
    return status == DV_ERR_NOTHING ? DV_OK : status;
}

static uint32_t chain_length(const struct dv_sup *s, uint64_t epoch)
{
    uint32_t length = 0;
    if (!epoch || dv_store_chain_length(s->directory, epoch, &length) != DV_OK)
        return 0;
    return length;
}

bool dv_sup_wants_complete(const struct dv_sup *s)
{
    return s->job->chain && chain_length(s, s->parent_epoch) >= 2 * s->job->chain;
}

void dv_sup_compact(struct dv_sup *s)
{
    struct compaction c = {.directory = s->directory, .epoch = s->committed_epoch};
    struct dv_engine engine;
    if (!s->job->chain || s->compactor.pid || s->state != DV_SUP_RUNNING ||
        chain_length(s, c.epoch) <= s->job->chain)
        return;
    /* Packed as the ranks pack. */
    if (dv_engine_parse(s->job->engine ? s->job->engine : "", &engine) != DV_OK)
        return;
    c.codec = engine.codec;
    if (dv_helper_start(&s->compactor, compact_work, &c, COMPACT_LIMIT_NS, true) != DV_OK)
        return;
    s->compacting_epoch = c.epoch;
    dv_events_log(s->events, "compact", "epoch=%" PRIu64, c.epoch);
}

static void compacted(struct dv_sup *s, uint64_t began_ns, const struct dv_helper_result *result)
{
    char quoted[700];
    uint64_t epoch = s->compacting_epoch;
    s->compacting_epoch = 0;
    dv_events_log(s->events, "compacted",
                  "epoch=%" PRIu64 " status=%d file_bytes=%" PRIu64 " total_ns=%" PRIu64
                  " reason=%s",
                  epoch, (int)result->status, result->figures, dv_now_ns() - began_ns,
                  dv_events_quote(result->why, quoted, sizeof quoted));
    if (result->status == DV_ERR_DAMAGED) {
        dv_warn("control", "epoch %" PRIu64 " is damaged: %s; the next checkpoint is complete",
                epoch, result->why);
        dv_sup_mark_bad(s, epoch);
        s->parent_epoch = 0;
    } else if (result->status && s->state == DV_SUP_RUNNING) {
        dv_warn("control", "epoch %" PRIu64 " could not be compacted: %s", epoch, result->why);
    }
    if (s->state == DV_SUP_RUNNING)
        dv_sup_prune(s);
}

/* ---- both ----------------------------------------------------------------- */

bool dv_sup_upkeep_reaped(struct dv_sup *s, pid_t pid, int wait_status)
{
    struct dv_helper_result result;
    uint64_t protect_ns = s->protector.began_ns, compact_ns = s->compactor.began_ns;
    if (dv_helper_reaped(&s->protector, pid, wait_status, &result))
        on_protected(s, protect_ns, &result);
    else if (dv_helper_reaped(&s->compactor, pid, wait_status, &result))
        compacted(s, compact_ns, &result);
    else
        return false;
    return true;
}

void dv_sup_upkeep_tick(struct dv_sup *s, uint64_t now_ns)
{
    dv_helper_tick(&s->protector, now_ns);
    dv_helper_tick(&s->compactor, now_ns);
}

uint64_t dv_sup_upkeep_deadline_ns(const struct dv_sup *s)
{
    uint64_t a = dv_helper_deadline_ns(&s->protector), b = dv_helper_deadline_ns(&s->compactor);
    return a < b ? a : b;
}

void dv_sup_upkeep_kill(struct dv_sup *s)
{
    dv_helper_kill(&s->protector);
    dv_helper_kill(&s->compactor);
    s->compacting_epoch = 0;
}
