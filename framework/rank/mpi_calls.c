/* What the upper half's blocking calls go down with: loops around the real library that watch the
 * stop flag. */
#include "gate/gate.h"
#include "gate/lower_mpi.h"
#include "rank/guard.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* A rank that is told to run on must get somewhere before it looks at the flag again. */
#define LOOKS_BEFORE_STOP 256u

static inline int goes_on(enum dv_wait how, unsigned *looks)
{
    if (__builtin_expect(how == DV_WAIT_STOP, 1))
        return DV_GATE->stop == 0 || ++*looks < LOOKS_BEFORE_STOP;
    return how == DV_WAIT_FOREVER;
}

static inline int fits(MPI_Count count)
{
    return count >= INT_MIN && count <= INT_MAX;
}

/* ---- posting ------------------------------------------------------------- */

static int isend_large(const struct dv_side *s, MPI_Comm comm, enum dv_send_mode mode,
                       MPI_Request *request)
{
    switch (mode) {
    case DV_SEND_SYNCHRONOUS:
        return PMPI_Issend_c(s->buffer, s->count, s->type, s->peer, s->tag, comm, request);
    case DV_SEND_READY:
        return PMPI_Irsend_c(s->buffer, s->count, s->type, s->peer, s->tag, comm, request);
    case DV_SEND_STANDARD:
    default:
        return PMPI_Isend_c(s->buffer, s->count, s->type, s->peer, s->tag, comm, request);
    }
}

static inline int isend(const struct dv_side *s, MPI_Comm comm, enum dv_send_mode mode,
                        MPI_Request *request)
{
    if (__builtin_expect(!fits(s->count), 0))
        return isend_large(s, comm, mode, request);
    int count = (int)s->count;
    switch (mode) {
    case DV_SEND_SYNCHRONOUS:
        return PMPI_Issend(s->buffer, count, s->type, s->peer, s->tag, comm, request);
    case DV_SEND_READY:
        return PMPI_Irsend(s->buffer, count, s->type, s->peer, s->tag, comm, request);
    case DV_SEND_STANDARD:
    default:
        return PMPI_Isend(s->buffer, count, s->type, s->peer, s->tag, comm, request);
    }
}

/* All sends that are over when they return share one built-in request. Completing that through PMPI_Wait does not look at
 * the network first, as PMPI_Test does; so it is learnt, once, by asking PMPI_Test whether it is over. */
static MPI_Request over_at_once = MPI_REQUEST_NULL;

static inline int is_built_in(MPI_Request request)
{
    return (unsigned)request >> 30 == 1;
}

/* Leaves MPI_REQUEST_NULL if the send is over. */
static inline int finish_if_over(MPI_Request *request)
{
    if (*request == over_at_once)
        return PMPI_Wait(request, MPI_STATUS_IGNORE);
    if (over_at_once != MPI_REQUEST_NULL || !is_built_in(*request))
        return MPI_SUCCESS;
    MPI_Request candidate = *request;
    int flag = 0, rc = PMPI_Test(request, &flag, MPI_STATUS_IGNORE);
    if (rc == MPI_SUCCESS && flag)
        over_at_once = candidate;
    return rc;
}

static int lower_isend(const struct dv_side *s, MPI_Comm comm, enum dv_send_mode mode,
                       MPI_Request *request)
{
    int rc = isend(s, comm, mode, request);
    return rc == MPI_SUCCESS ? finish_if_over(request) : rc;
}

static inline int post_recv(const struct dv_side *s, MPI_Comm comm, MPI_Request *request)
{
    if (__builtin_expect(!fits(s->count), 0))
        return PMPI_Irecv_c(s->buffer, s->count, s->type, s->peer, s->tag, comm, request);
    return PMPI_Irecv(s->buffer, (int)s->count, s->type, s->peer, s->tag, comm, request);
}

/* The kernel may write to the buffer until the receive is over. */
static int guarded_recv(const struct dv_side *s, MPI_Comm comm, MPI_Message *message,
                        MPI_Request *request)
{
    dv_mpi_guard_written(s->buffer, 0, s->count, s->type);
    int rc = message == NULL ? post_recv(s, comm, request)
                             : PMPI_Imrecv_c(s->buffer, s->count, s->type, message, request);
    if (rc == MPI_SUCCESS)
        dv_mpi_guard_posted(s, *request);
    return rc;
}

static inline int lower_irecv(const struct dv_side *s, MPI_Comm comm, MPI_Request *request)
{
    if (__builtin_expect(dv_guard_watches, 0))
        return guarded_recv(s, comm, NULL, request);
    return post_recv(s, comm, request);
}

static int lower_imrecv(const struct dv_side *s, MPI_Message *message, MPI_Request *request)
{
    if (__builtin_expect(dv_guard_watches, 0))
        return guarded_recv(s, MPI_COMM_NULL, message, request);
    if (__builtin_expect(!fits(s->count), 0))
        return PMPI_Imrecv_c(s->buffer, s->count, s->type, message, request);
    return PMPI_Imrecv(s->buffer, (int)s->count, s->type, message, request);
}

/* ---- waiting ------------------------------------------------------------- */

static inline int lower_wait(MPI_Request *request, enum dv_wait how, MPI_Status *status, int *done)
{
    unsigned looks = 0;
    MPI_Request waited = *request;
    int rc, flag = 0;
    do
        rc = PMPI_Test(request, &flag, status);
    while (rc == MPI_SUCCESS && !flag && goes_on(how, &looks));
    *done = flag || rc != MPI_SUCCESS;
    if (__builtin_expect(dv_guard_watches, 0) && *done)
        dv_mpi_guard_over(waited);
    return rc;
}

static int lower_send(const struct dv_side *side, MPI_Comm comm, enum dv_send_mode mode,
                      enum dv_wait how, MPI_Request *pending)
{
    int done, rc = isend(side, comm, mode, pending);
    if (rc != MPI_SUCCESS) {
        *pending = MPI_REQUEST_NULL;
        return rc;
    }
    rc = finish_if_over(pending);
    if (rc != MPI_SUCCESS || *pending == MPI_REQUEST_NULL)
        return rc;
    return lower_wait(pending, how, MPI_STATUS_IGNORE, &done);
}

static int lower_recv(const struct dv_side *side, MPI_Comm comm, enum dv_wait how,
                      MPI_Status *status, MPI_Request *pending)
{
    int done, rc = lower_irecv(side, comm, pending);
    if (rc == MPI_SUCCESS)
        return lower_wait(pending, how, status, &done);
    *pending = MPI_REQUEST_NULL;
    return rc;
}

static int lower_sendrecv(const struct dv_side *send, const struct dv_side *receive, MPI_Comm comm,
                          enum dv_wait how, MPI_Status *status, MPI_Request pending[2], int *posted)
{
    int done;
    *posted = 0;
    pending[1] = MPI_REQUEST_NULL;
    int rc = lower_irecv(receive, comm, &pending[0]);
    if (rc != MPI_SUCCESS) {
        pending[0] = MPI_REQUEST_NULL;
        return rc;
    }
    rc = lower_isend(send, comm, DV_SEND_STANDARD, &pending[1]);
    if (rc != MPI_SUCCESS) { /* as if nothing had been called: the receive must not stay behind */
        pending[1] = MPI_REQUEST_NULL;
        PMPI_Cancel(&pending[0]);
        PMPI_Wait(&pending[0], MPI_STATUS_IGNORE);
        return rc;
    }
    *posted = 1;
    rc = lower_wait(&pending[0], how, status, &done);
    int send_rc = MPI_SUCCESS;
    if (pending[1] != MPI_REQUEST_NULL)
        send_rc = lower_wait(&pending[1], how, MPI_STATUS_IGNORE, &done);
    return rc != MPI_SUCCESS ? rc : send_rc;
}

static int wait_some(int n, MPI_Request *requests, enum dv_wait how, int *done, int *indices,
                     MPI_Status *statuses)
{
    unsigned looks = 0;
    int rc;
    do
        rc = PMPI_Testsome(n, requests, done, indices, statuses);
    while (rc == MPI_SUCCESS && *done == 0 && goes_on(how, &looks));
    int class = MPI_SUCCESS;
    if (rc != MPI_SUCCESS)
        PMPI_Error_class(rc, &class);
    if (class == MPI_ERR_IN_STATUS)
        return MPI_SUCCESS;
    if (rc != MPI_SUCCESS || *done == MPI_UNDEFINED)
        *done = 0;
    for (int i = 0; i < *done; i++)
        statuses[i].MPI_ERROR = MPI_SUCCESS;
    return rc;
}

static int lower_wait_some(int n, MPI_Request *requests, enum dv_wait how, int *done, int *indices,
                           MPI_Status *statuses)
{
    if (__builtin_expect(!dv_guard_watches, 1))
        return wait_some(n, requests, how, done, indices, statuses);
    MPI_Request waited[n > 0 ? n : 1];
    memcpy(waited, requests, (size_t)(n > 0 ? n : 0) * sizeof *waited);
    int rc = wait_some(n, requests, how, done, indices, statuses);
    for (int i = 0; i < n; i++)
        if (requests[i] != waited[i])
            dv_mpi_guard_over(waited[i]);
    return rc;
}

static int lower_probe(int source, int tag, MPI_Comm comm, enum dv_wait how, int *found,
                       MPI_Message *message, MPI_Status *status)
{
    unsigned looks = 0;
    int rc;
    do
        rc = message != NULL ? PMPI_Improbe(source, tag, comm, found, message, status)
                             : PMPI_Iprobe(source, tag, comm, found, status);
    while (rc == MPI_SUCCESS && !*found && goes_on(how, &looks));
    return rc;
}

static int lower_deliver(const void *packed, MPI_Count bytes, const struct dv_side *side,
                         MPI_Comm comm, int self, MPI_Status *status)
{
    struct dv_side from = {(void *)(size_t)packed, bytes, MPI_BYTE, self, 0};
    struct dv_side to = {side->buffer, side->count, side->type, self, 0};
    MPI_Request sending, receiving;
    int rc = lower_irecv(&to, comm, &receiving);
    if (rc != MPI_SUCCESS)
        return rc;
    int send_rc = isend(&from, comm, DV_SEND_STANDARD, &sending);
    if (send_rc != MPI_SUCCESS) {
        PMPI_Cancel(&receiving);
        PMPI_Wait(&receiving, MPI_STATUS_IGNORE);
        return send_rc;
    }
    MPI_Request waited = receiving;
    rc = PMPI_Wait(&receiving, status);
    if (__builtin_expect(dv_guard_watches, 0))
        dv_mpi_guard_over(waited);
    send_rc = PMPI_Wait(&sending, MPI_STATUS_IGNORE);
    return rc != MPI_SUCCESS ? rc : send_rc;
}

static int lower_progress(void)
{
    int flag;
    return PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE);
}

const struct dv_lower_mpi dv_lower_mpi = {
    .send = lower_send,
    .recv = lower_recv,
    .sendrecv = lower_sendrecv,
    .isend = lower_isend,
    .irecv = lower_irecv,
    .imrecv = lower_imrecv,
    .wait = lower_wait,
    .wait_some = lower_wait_some,
    .probe = lower_probe,
    .deliver = lower_deliver,
    .progress = lower_progress,
};
