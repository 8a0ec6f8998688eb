/* Collective clocks: counting collectives, bringing all ranks to one cut of them, completing the
 * non-blocking ones. */
#include "mpi/requests.h"

#include <time.h>

uint64_t dv_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The agent may read the gate's pair at any time, between any two of these stores: while the count
 * is 0 it looks at nothing, and it reads the communicator again after the count. */
static void show_to_agent(const struct dv_comm *comm)
{
    DV_GATE->coll_count = 0;
    DV_GATE->coll_comm = comm->name;
    DV_GATE->coll_count = comm->collectives;
}

void dv_collective_begin(struct dv_comm *comm, const char *call, int blocking)
{
    if (__builtin_expect(dv_hooks.on_collective != NULL, 0)) {
        struct dv_coll collective = {comm->name, comm->collectives, call, blocking};
        if (dv_hooks.on_collective(dv_protocol, &collective) != DV_OK)
            dv_explain("the protocol failed at %s", call);
    }
    dv_ledger_add(&comm->collectives, 1);
    if (blocking && __builtin_expect(dv_is_main, 1))
        show_to_agent(comm);
}

/* What this rank has initiated, for all its communicators and the phase. */
static struct dv_cut_entry *counters(size_t *count)
{
    struct dv_comm *comm;
    size_t n = 0;
    while (dv_comm_sorted(n) != NULL)
        n++;
    struct dv_cut_entry *entries = dv_arena_alloc((n + 1) * sizeof *entries);
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++)
        entries[i] = (struct dv_cut_entry){comm->name, comm->collectives};
    entries[n] = (struct dv_cut_entry){DV_CUT_PHASE, DV_GATE->phase};
    *count = n + 1;
    return entries;
}

enum dv_status dv_cut_reach(struct dv_protocol *p, uint64_t epoch)
{
    size_t count;
    struct dv_cut_entry *entries = counters(&count);
    (void)p;
    enum dv_cut_verdict verdict = DV_LOWER(cut_wait, epoch, entries, count);
    dv_arena_free(entries, count * sizeof *entries);
    switch (verdict) {
    case DV_CUT_REACHED:
        return DV_OK;
    case DV_CUT_RUN:
        return DV_ERR_BEHIND;
    case DV_CUT_ABORT:
    default:
        return DV_ERR_ABORTED;
    }
}

/* All ranks have initiated the same ones, and all come here: so they complete. */
enum dv_status dv_collectives_complete(struct dv_protocol *p, uint64_t epoch)
{
    uint64_t began_ns = dv_clock_ns();
    size_t left;
    (void)p;
    do {
        struct dv_request *r;
        left = 0;
        for (uint32_t index = 0; (r = dv_request_next(&index)) != NULL;) {
            if (r->what != DV_REQUEST_COLLECTIVE || r->state != DV_REQUEST_PENDING)
                continue;
            dv_request_advance(r, DV_WAIT_ONCE);
            left += r->state == DV_REQUEST_PENDING;
        }
        if (left > 0 && DV_LOWER(aborted, epoch))
            return DV_ERR_ABORTED;
    } while (left > 0);
    DV_LOWER_VOID(record, "collectives_ns", dv_clock_ns() - began_ns);
    return DV_OK;
}
