/* Messages that were received before the application asked for them, and how they reach it.
 *
 * Each communicator has a queue in order of arrival. Every new receive and probe looks there first:
 * what is in it was sent before anything that is still in the network on the same channel, and
 * receives that were posted before it was drained had their chance in the real library. Delivery
 * goes through the real library, as a message of this rank to itself, so that datatypes, truncation
 * and statuses are what they would have been. */
#include "mpi/requests.h"

MPI_Comm dv_internal = MPI_COMM_NULL;

int dv_internal_start(void)
{
    MPI_Comm *comm = &dv_internal;
    int rc = DV_REAL(MPI_Comm_dup, MPI_COMM_WORLD, comm);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Comm_set_errhandler, dv_internal, MPI_ERRORS_RETURN);
    return rc;
}

void dv_internal_stop(void)
{
    if (dv_internal != MPI_COMM_NULL)
        DV_REAL(MPI_Comm_free, &dv_internal);
    dv_internal = MPI_COMM_NULL;
}

static inline bool matches(const struct dv_drained *message, int source, int tag)
{
    return (source == MPI_ANY_SOURCE || source == message->source) &&
           (tag == MPI_ANY_TAG || tag == message->tag);
}

struct dv_drained *dv_drained_find(const struct dv_comm *comm, int source, int tag)
{
    struct dv_drained *message = comm->drained;
    while (message != NULL && !matches(message, source, tag))
        message = message->next;
    return message;
}

void dv_drained_take(struct dv_comm *comm, struct dv_drained *message)
{
    struct dv_drained **link = &comm->drained, *before = NULL;
    while (*link != message) {
        before = *link;
        link = &before->next;
    }
    *link = message->next;
    if (comm->drained_last == message)
        comm->drained_last = before;
    message->next = NULL;
}

void dv_drained_add(struct dv_comm *comm, struct dv_drained *message)
{
    message->next = NULL;
    if (comm->drained_last != NULL)
        comm->drained_last->next = message;
    else
        comm->drained = message;
    comm->drained_last = message;
}

void dv_drained_free(struct dv_drained *message)
{
    if (message->bytes > 0)
        dv_arena_free(message->data, message->bytes);
    dv_arena_free(message, sizeof *message);
}

int dv_drained_deliver(const struct dv_drained *message, const struct dv_side *side,
                       MPI_Status *status)
{
    struct dv_side real = *side;
    real.type = dv_datatype_real(side->type);
    const void *data = message->data;
    MPI_Count bytes = (MPI_Count)message->bytes;
    MPI_Comm comm = dv_internal;
    int self = dv_world->rank;
    MPI_Status own = dv_status_empty;
    MPI_Status *to = &own;
    int rc = DV_DOWN(deliver, data, bytes, &real, comm, self, to);
    if (own.MPI_SOURCE >= 0) { /* it has got there, whole or truncated */
        own.MPI_SOURCE = message->source;
        own.MPI_TAG = message->tag;
    }
    dv_status_give(status, &own);
    return rc;
}

bool dv_drained_receive(struct dv_comm *comm, const struct dv_side *side, int *rc,
                        MPI_Status *status)
{
    struct dv_drained *message =
        side->peer == MPI_PROC_NULL ? NULL : dv_drained_find(comm, side->peer, side->tag);
    if (message == NULL)
        return false;
    *rc = dv_drained_deliver(message, side, status);
    if (status->MPI_SOURCE ==
        message->source) { /* else the receive itself was wrong, and has taken nothing */
        dv_drained_take(comm, message);
        dv_drained_free(message);
    }
    return true;
}

void dv_comm_drop_drained(struct dv_comm *comm)
{
    while (comm->drained != NULL) {
        struct dv_drained *message = comm->drained;
        dv_drained_take(comm, message);
        dv_drained_free(message);
    }
}
