/* Communication services of the lower half that watch the stop flag: what a blocking call goes down
 * with, once.
 *
 * All handles are the real library's. Functions return an MPI error code. They run on the caller's
 * thread and stack with the lower thread pointer, may block as `how` says, and write only through
 * their arguments. */
#ifndef DV_GATE_LOWER_MPI_H
#define DV_GATE_LOWER_MPI_H

#include <mpi.h>

/* How long to wait. */
enum dv_wait {
    DV_WAIT_ONCE,    /* look once */
    DV_WAIT_STOP,    /* until it is done or the rank is asked to stop (but long enough for a step
                        onwards) */
    DV_WAIT_FOREVER, /* until it is done: threads and places that cannot come to a safe point */
};

enum dv_send_mode { DV_SEND_STANDARD, DV_SEND_SYNCHRONOUS, DV_SEND_READY };

/* One side of a message: memory and envelope. */
struct dv_side {
    void *buffer;
    MPI_Count count;
    MPI_Datatype type;
    int peer, tag;
};

struct dv_lower_mpi {
    /* Send or receive. *pending is MPI_REQUEST_NULL if the operation is over, else the request that
     * is not. `status` is written only when a receive is over. */
    int (*send)(const struct dv_side *side, MPI_Comm comm, enum dv_send_mode mode, enum dv_wait how,
                MPI_Request *pending);
    int (*recv)(const struct dv_side *side, MPI_Comm comm, enum dv_wait how, MPI_Status *status,
                MPI_Request *pending);
    /* Both at once: pending[0] the receive, pending[1] the send. An error of either is returned;
     * `status` as in recv. *posted says whether the operations were begun. */
    int (*sendrecv)(const struct dv_side *send, const struct dv_side *receive, MPI_Comm comm,
                    enum dv_wait how, MPI_Status *status, MPI_Request pending[2], int *posted);
    /* Post without waiting. A send that is over at once gives MPI_REQUEST_NULL. */
    int (*isend)(const struct dv_side *side, MPI_Comm comm, enum dv_send_mode mode,
                 MPI_Request *request);
    int (*irecv)(const struct dv_side *side, MPI_Comm comm, MPI_Request *request);
    int (*imrecv)(const struct dv_side *side, MPI_Message *message, MPI_Request *request);
    /* Complete one request; *done says whether it is. */
    int (*wait)(MPI_Request *request, enum dv_wait how, MPI_Status *status, int *done);
    /* Complete at least one of n requests (none if how says so): *done of them, their indices and
     * statuses. The MPI_ERROR field of each of these statuses is set. An error returned is none of
     * a request's. */
    int (*wait_some)(int n, MPI_Request *requests, enum dv_wait how, int *done, int *indices,
                     MPI_Status *statuses);
    /* Look for a message; with `message` take it out of matching. */
    int (*probe)(int source, int tag, MPI_Comm comm, enum dv_wait how, int *found,
                 MPI_Message *message, MPI_Status *status);
    /* A packed message of `bytes` bytes, received earlier, delivered as the real library would:
     * sent to this rank itself
     * (`self` in `comm`) and received there with what the receiver says. The status's source and
     * tag are the caller's business. */
    int (*deliver)(const void *packed, MPI_Count bytes, const struct dv_side *side, MPI_Comm comm,
                   int self, MPI_Status *status);
    /* Let the real library move messages. */
    int (*progress)(void);
};

extern const struct dv_lower_mpi dv_lower_mpi; /* rank/mpi_calls.c */

#endif
