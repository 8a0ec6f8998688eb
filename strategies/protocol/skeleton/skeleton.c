/* skeleton: a protocol strategy to copy. It is compiled and passes the conformance suite.
 *
 * To make a new one: copy this folder, rename `skeleton`, fill in what you need and delete the
 * rest, add one line to strategies/protocol/table.c. An op that is not set costs nothing. As it
 * stands it is `coordinated` that also counts.
 *
 * Everything here may run inside a signal handler that interrupted the application anywhere: no
 * allocation, no locks, no streams; state lives in p->state, which is part of the image. */
#include <dejavu/protocol.h>

/* Zeroed, then filled from the options table, then yours. */
struct skeleton {
    int64_t patience; /* option: epochs given up in a row before it says so */
    uint64_t committed, aborted, aborted_in_a_row, recoveries;
};

static const struct dv_option options[] = {
    {"patience", "3", "say so after this many epochs in a row were given up",
     offsetof(struct skeleton, patience), DV_OPTION_INT},
    {NULL, NULL, NULL, 0, DV_OPTION_BOOL},
};

/* Once, in MPI_Init; all ranks. */
static enum dv_status init(struct dv_protocol *p)
{
    struct skeleton *s = p->state;
    if (s->patience >= 1)
        return DV_OK;
    p->core->explain("patience=%lld: must be 1 or more", (long long)s->patience);
    return DV_ERR_USAGE;
}

/* A checkpoint is asked for: bring this rank to a state that may be captured. Whatever a service
 * returns but DV_OK is to be returned unchanged. */
static enum dv_status quiesce(struct dv_protocol *p, uint64_t epoch)
{
    enum dv_status status = p->core->reach_collective_cut(p, epoch);
    if (status != DV_OK)
        return status;
    status = p->core->complete_collectives(p, epoch);
    if (status != DV_OK)
        return status;
    return p->core->drain_messages(p, epoch);
}

/* The epoch is captured on all ranks, and this process goes on. */
static enum dv_status commit(struct dv_protocol *p, uint64_t epoch)
{
    struct skeleton *s = p->state;
    (void)epoch;
    s->committed++;
    s->aborted_in_a_row = 0;
    return DV_OK;
}

/* The epoch is given up: by quiesce, or later. */
static void aborted(struct dv_protocol *p, uint64_t epoch)
{
    struct skeleton *s = p->state;
    s->aborted++;
    if (++s->aborted_in_a_row == (uint64_t)s->patience)
        p->core->explain("epoch %llu is the last of %lld in a row that were given up",
                         (unsigned long long)epoch, (long long)s->patience);
}

/* This is another process, made from the image of f->epoch: state is as it was when that was
 * captured. */
static enum dv_status recover(struct dv_protocol *p, const struct dv_failure *f)
{
    struct skeleton *s = p->state;
    (void)f;
    s->recoveries++;
    s->aborted_in_a_row = 0;
    return DV_OK;
}

/* In MPI_Finalize. */
static void fini(struct dv_protocol *p)
{
    (void)p;
}

extern const struct dv_protocol_ops dv_protocol_skeleton;
const struct dv_protocol_ops dv_protocol_skeleton = {
    .api = DV_PROTOCOL_API,
    .name = "skeleton",
    .summary = "an example to copy: coordinated, and counts its epochs",
    .caps = DV_PROTOCOL_GLOBAL,
    .options = options,
    .state_size = sizeof(struct skeleton),
    .init = init,
    .on_send = NULL,       /* each message, before it is posted */
    .on_recv = NULL,       /* each message, when it is matched */
    .on_collective = NULL, /* each collective, before it is begun */
    .quiesce = quiesce,
    .commit = commit,
    .aborted = aborted,
    .recover = recover,
    .fini = fini,
};
