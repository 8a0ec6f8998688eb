/* One epoch: the cut by collective clocks, then write, resume, sync, commit. */
#include "control/epoch.h"

#include "common/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_FIRST_NS 10000000ull
#define STEP_LONGEST_NS 200000000ull
#define NAMED_RANKS 8

enum dv_status dv_epoch_init(struct dv_epoch *e, unsigned ranks, uint64_t quiesce_timeout_ns,
                             uint64_t write_timeout_ns, const struct dv_epoch_ops *ops, void *arg)
{
    memset(e, 0, sizeof *e);
    e->ops = ops;
    e->arg = arg;
    e->ranks = ranks;
    e->quiesce_timeout_ns = quiesce_timeout_ns;
    e->write_timeout_ns = write_timeout_ns;
    e->rank = calloc(ranks, sizeof *e->rank);
    if (!e->rank)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %u ranks", ranks);
    return DV_OK;
}

static void forget(struct dv_epoch *e)
{
    for (unsigned r = 0; r < e->ranks; r++) {
        free(e->rank[r].entries);
        memset(&e->rank[r], 0, sizeof e->rank[r]);
    }
    free(e->target);
    e->target = NULL;
    e->target_count = e->version = 0;
    e->steps = 0;
    e->phase = DV_EPOCH_IDLE;
}

void dv_epoch_fini(struct dv_epoch *e)
{
    if (!e->rank)
        return;
    forget(e);
    free(e->rank);
    e->rank = NULL;
}

void dv_epoch_begin(struct dv_epoch *e, uint64_t number, uint64_t now_ns)
{
    forget(e);
    e->number = number;
    e->phase = DV_EPOCH_STOPPING;
    e->begin_ns = e->phase_ns = now_ns;
    e->step_wait_ns = STEP_FIRST_NS;
    e->step_ns = now_ns + e->step_wait_ns;
}

void dv_epoch_abort(struct dv_epoch *e, enum dv_status status, int rank, const char *reason)
{
    if (e->phase == DV_EPOCH_IDLE)
        return;
    uint64_t number = e->number;
    e->phase = DV_EPOCH_IDLE;
    e->ops->tell(e->arg, DV_WIRE_ABORT, number);
    e->ops->aborted(e->arg, number, status, rank, reason);
}

/* The place of `comm` in ascending entries, or where it belongs. */
static uint32_t entry_place(const struct dv_wire_entry *entries, uint32_t count, uint64_t comm)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entries[middle].comm < comm)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Raise the counter of `comm` to at least `value`; `*grew` is set if that changed anything. */
static enum dv_status entry_raise(struct dv_wire_entry **entries, uint32_t *count, uint64_t comm,
                                  uint64_t value, bool *grew)
{
    uint32_t place = entry_place(*entries, *count, comm);
    if (place < *count && (*entries)[place].comm == comm) {
        if ((*entries)[place].count >= value)
            return DV_OK;
        (*entries)[place].count = value;
        *grew = true;
        return DV_OK;
    }
    struct dv_wire_entry *larger = realloc(*entries, (*count + 1u) * sizeof **entries);
    if (!larger)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %u counters", *count + 1u);
    memmove(larger + place + 1, larger + place, (*count - place) * sizeof *larger);
    larger[place] = (struct dv_wire_entry){.comm = comm, .count = value};
    *entries = larger;
    (*count)++;
    *grew = true;
    return DV_OK;
}

/* A rank that has nothing of a communicator that is a target is not a member of it. */
static bool rank_is_behind(const struct dv_epoch *e, const struct dv_epoch_rank *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t place = entry_place(e->target, e->target_count, r->entries[i].comm);
        if (place < e->target_count && e->target[place].comm == r->entries[i].comm &&
            e->target[place].count > r->entries[i].count)
            return true;
    }
    return false;
}

static void send_targets(struct dv_epoch *e)
{
    e->version++;
    for (unsigned r = 0; r < e->ranks; r++)
        e->rank[r].parked = false;
    e->ops->target(e->arg, e->number, e->version, e->target, e->target_count);
}

static void something_moved(struct dv_epoch *e, uint64_t now_ns)
{
    e->step_wait_ns = STEP_FIRST_NS;
    e->step_ns = now_ns + e->step_wait_ns;
}

static void proceed_if_cut(struct dv_epoch *e, uint64_t now_ns)
{
    for (unsigned r = 0; r < e->ranks; r++)
        if (!e->rank[r].parked || rank_is_behind(e, &e->rank[r]))
            return;
    e->phase = DV_EPOCH_WRITING;
    e->phase_ns = now_ns;
    e->ops->tell(e->arg, DV_WIRE_PROCEED, e->number);
}

static enum dv_status take_entries(struct dv_epoch *e, struct dv_epoch_rank *r, uint32_t count,
                                   const uint8_t *bytes, bool replace, bool *grew)
{
    if (replace) {
        free(r->entries);
        r->entries = NULL;
        r->count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct dv_wire_entry entry;
        memcpy(&entry, bytes + i * sizeof entry, sizeof entry);
        bool own;
        enum dv_status status = entry_raise(&r->entries, &r->count, entry.comm, entry.count, &own);
        if (status == DV_OK)
            status = entry_raise(&e->target, &e->target_count, entry.comm, entry.count, grew);
        if (status)
            return status;
    }
    return DV_OK;
}

static enum dv_status on_counters(struct dv_epoch *e, unsigned rank, bool parked,
                                  const void *payload, size_t length, uint64_t now_ns)
{
    struct dv_wire_parked head;
    if (length < sizeof head)
        return DV_ERR_PROTOCOL;
    memcpy(&head, payload, sizeof head);
    if (head.epoch != e->number || e->phase == DV_EPOCH_IDLE)
        return DV_OK;
    if (head.count != (length - sizeof head) / sizeof(struct dv_wire_entry) ||
        e->phase != DV_EPOCH_STOPPING || head.version > e->version)
        return DV_ERR_PROTOCOL;
    struct dv_epoch_rank *r = &e->rank[rank];
    bool grew = false;
    enum dv_status status = take_entries(e, r, head.count, (const uint8_t *)payload + sizeof head,
                                         parked && head.count > 0, &grew);
    if (status)
        return status;
    something_moved(e, now_ns);
    /* With a single version 0 all ranks may already stand at the same counters: no targets are
     * needed then. The first answer of each rank only fills in what its maxima are. */
    if (parked && head.version == e->version)
        r->parked = r->has_parked = true;
    else if (!parked)
        r->parked = false;
    if (grew && e->version > 0) {
        send_targets(e);
        return DV_OK;
    }
    proceed_if_cut(e, now_ns);
    if (e->phase != DV_EPOCH_STOPPING || e->version > 0)
        return DV_OK;
    /* Somebody is behind what others have reported, or will be: tell as soon as that is known. */
    for (unsigned i = 0; i < e->ranks; i++) {
        if (rank_is_behind(e, &e->rank[i])) {
            send_targets(e);
            break;
        }
    }
    return DV_OK;
}

static void conclude(struct dv_epoch *e)
{
    enum dv_status status = e->ops->commit(e->arg, e->number);
    if (status) {
        dv_epoch_abort(e, status, -1, dv_why());
        return;
    }
    e->ops->tell(e->arg, DV_WIRE_COMMITTED, e->number);
    e->phase = DV_EPOCH_IDLE;
    e->ops->committed(e->arg, e->number);
}

static void all_are_durable(struct dv_epoch *e)
{
    enum dv_status status = e->ops->protect ? e->ops->protect(e->arg, e->number) : DV_OK;
    if (status == DV_ERR_BUSY)
        e->phase = DV_EPOCH_PROTECTING;
    else if (status)
        dv_epoch_abort(e, status, -1, dv_why());
    else
        conclude(e);
}

void dv_epoch_protected(struct dv_epoch *e, enum dv_status status, const char *reason)
{
    if (e->phase != DV_EPOCH_PROTECTING)
        return;
    if (status)
        dv_epoch_abort(e, status, -1, reason);
    else
        conclude(e);
}

static enum dv_status on_figures(struct dv_epoch *e, unsigned rank, enum dv_wire_type type,
                                 const void *payload, size_t length, uint64_t now_ns)
{
    struct dv_wire_figures figures;
    if (length != sizeof figures)
        return DV_ERR_PROTOCOL;
    memcpy(&figures, payload, sizeof figures);
    if (figures.epoch != e->number || e->phase == DV_EPOCH_IDLE)
        return DV_OK;
    struct dv_epoch_rank *r = &e->rank[rank];
    bool written = type == DV_WIRE_WRITTEN;
    if (e->phase != (written ? DV_EPOCH_WRITING : DV_EPOCH_SYNCING))
        return DV_ERR_PROTOCOL;
    r->figures = figures;
    r->written = true;
    r->durable = !written;
    for (unsigned i = 0; i < e->ranks; i++)
        if (!(written ? e->rank[i].written : e->rank[i].durable))
            return DV_OK;
    e->phase_ns = now_ns;
    if (written) {
        e->phase = DV_EPOCH_SYNCING;
        e->ops->tell(e->arg, DV_WIRE_RESUME, e->number);
        return DV_OK;
    }
    all_are_durable(e);
    return DV_OK;
}

static enum dv_status on_failed(struct dv_epoch *e, unsigned rank, const void *payload,
                                size_t length)
{
    struct dv_wire_failed failed;
    if (length != sizeof failed)
        return DV_ERR_PROTOCOL;
    memcpy(&failed, payload, sizeof failed);
    failed.reason[sizeof failed.reason - 1] = '\0';
    if (failed.epoch != e->number || e->phase == DV_EPOCH_IDLE)
        return DV_OK;
    enum dv_status status = DV_ERR_PROTOCOL;
    if (failed.status > DV_OK && failed.status < DV_STATUS_COUNT)
        status = (enum dv_status)failed.status;
    dv_epoch_abort(e, status, (int)rank, failed.reason);
    return DV_OK;
}

enum dv_status dv_epoch_frame(struct dv_epoch *e, unsigned rank, enum dv_wire_type type,
                              const void *payload, size_t length, uint64_t now_ns)
{
    switch (type) {
    case DV_WIRE_PARKED:
        return on_counters(e, rank, true, payload, length, now_ns);
    case DV_WIRE_RAISE:
        return on_counters(e, rank, false, payload, length, now_ns);
    case DV_WIRE_WRITTEN:
    case DV_WIRE_DURABLE:
        return on_figures(e, rank, type, payload, length, now_ns);
    case DV_WIRE_FAILED:
        return on_failed(e, rank, payload, length);
    default:
        return DV_ERR_PROTOCOL;
    }
}

void dv_epoch_lost(struct dv_epoch *e, unsigned rank, const char *reason)
{
    if (e->phase == DV_EPOCH_PROTECTING || (e->phase == DV_EPOCH_SYNCING && e->rank[rank].durable))
        return;
    dv_epoch_abort(e, DV_ERR_ABORTED, (int)rank, reason);
}

/* "rank 1", "ranks 0, 3, 4 and 2 more" of those for which `wanted` holds; "" if there are none. */
static void name_ranks(const struct dv_epoch *e,
                       bool (*wanted)(const struct dv_epoch *, const struct dv_epoch_rank *),
                       char *text, size_t text_bytes)
{
    unsigned named = 0, more = 0, count = 0;
    size_t used = 0;
    text[0] = '\0';
    for (unsigned r = 0; r < e->ranks; r++)
        count += wanted(e, &e->rank[r]);
    for (unsigned r = 0; r < e->ranks; r++) {
        if (!wanted(e, &e->rank[r]))
            continue;
        if (named == NAMED_RANKS) {
            more++;
            continue;
        }
        int n = snprintf(text + used, text_bytes - used, "%s%u",
                         named       ? ", "
                         : count > 1 ? "ranks "
                                     : "rank ",
                         r);
        if (n > 0 && (size_t)n < text_bytes - used)
            used += (size_t)n;
        named++;
    }
    if (more)
        snprintf(text + used, text_bytes - used, " and %u more", more);
}

static bool is_not_parked(const struct dv_epoch *e, const struct dv_epoch_rank *r)
{
    (void)e;
    return !r->parked;
}

/* Ranks that are being stepped do park, again and again; those that never did are at fault. */
static bool has_never_parked(const struct dv_epoch *e, const struct dv_epoch_rank *r)
{
    (void)e;
    return !r->has_parked;
}

static bool is_not_written(const struct dv_epoch *e, const struct dv_epoch_rank *r)
{
    return e->phase == DV_EPOCH_WRITING ? !r->written : !r->durable;
}

static void give_up_cut(struct dv_epoch *e)
{
    char ranks[160], reason[320];
    double limit = (double)e->quiesce_timeout_ns / 1e9;
    name_ranks(e, has_never_parked, ranks, sizeof ranks);
    if (!ranks[0])
        name_ranks(e, is_not_parked, ranks, sizeof ranks);
    if (ranks[0])
        snprintf(reason, sizeof reason,
                 "%s did not come to a safe point within %g s (--quiesce-timeout)", ranks, limit);
    else {
        name_ranks(e, rank_is_behind, ranks, sizeof ranks);
        snprintf(reason, sizeof reason,
                 "%s did not enter the collectives that others are in within %g s "
                 "(--quiesce-timeout)",
                 ranks, limit);
    }
    dv_epoch_abort(e, DV_ERR_TIMEOUT, -1, reason);
}

static void give_up_write(struct dv_epoch *e)
{
    char ranks[160], reason[320];
    if (e->phase == DV_EPOCH_PROTECTING) {
        dv_epoch_abort(e, DV_ERR_TIMEOUT, -1, "its copies or parity were not made in time");
        return;
    }
    name_ranks(e, is_not_written, ranks, sizeof ranks);
    snprintf(reason, sizeof reason, "%s did not %s within %g s", ranks,
             e->phase == DV_EPOCH_WRITING ? "write its image" : "make its image durable",
             (double)e->write_timeout_ns / 1e9);
    if (e->phase == DV_EPOCH_SYNCING) {
        dv_epoch_abort(e, DV_ERR_TIMEOUT, -1, reason);
        return;
    }
    uint64_t number = e->number;
    dv_epoch_abort(e, DV_ERR_TIMEOUT, -1, reason);
    e->ops->hung(e->arg, number, reason);
}

/* Nothing moves: let all parked ranks run on for one MPI call at least. */
static void step(struct dv_epoch *e, uint64_t now_ns)
{
    e->steps++;
    e->step_wait_ns = e->step_wait_ns * 2 > STEP_LONGEST_NS ? STEP_LONGEST_NS : e->step_wait_ns * 2;
    e->step_ns = now_ns + e->step_wait_ns;
    e->ops->tell(e->arg, DV_WIRE_STEP, e->number);
    send_targets(e);
}

/* Stepping helps only when somebody is parked and somebody (else) is not, or is behind. */
static bool step_may_help(const struct dv_epoch *e)
{
    for (unsigned r = 0; r < e->ranks; r++)
        if (e->rank[r].parked)
            return true;
    return false;
}

void dv_epoch_tick(struct dv_epoch *e, uint64_t now_ns)
{
    switch (e->phase) {
    case DV_EPOCH_IDLE:
        return;
    case DV_EPOCH_STOPPING:
        if (now_ns - e->begin_ns >= e->quiesce_timeout_ns)
            give_up_cut(e);
        else if (now_ns >= e->step_ns && step_may_help(e))
            step(e, now_ns);
        return;
    case DV_EPOCH_WRITING:
    case DV_EPOCH_SYNCING:
    case DV_EPOCH_PROTECTING:
        if (now_ns - e->phase_ns >= e->write_timeout_ns)
            give_up_write(e);
        return;
    }
}

uint64_t dv_epoch_deadline_ns(const struct dv_epoch *e)
{
    if (e->phase == DV_EPOCH_IDLE)
        return UINT64_MAX;
    if (e->phase != DV_EPOCH_STOPPING)
        return e->phase_ns + e->write_timeout_ns;
    uint64_t end = e->begin_ns + e->quiesce_timeout_ns;
    return step_may_help(e) && e->step_ns < end ? e->step_ns : end;
}
