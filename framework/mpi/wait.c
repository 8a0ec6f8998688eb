/* Completing requests: MPI_Wait and MPI_Test in all their forms. */
#include "mpi/export.h"
#include "mpi/requests.h"

#include <string.h>

#define ON_STACK 32

/* ---- one request --------------------------------------------------------- */

static void advance_pair(struct dv_request *r)
{
    dv_request_advance(r->receive, DV_WAIT_ONCE);
    dv_request_advance(r->send, DV_WAIT_ONCE);
    if (r->receive->state == DV_REQUEST_PENDING || r->send->state == DV_REQUEST_PENDING)
        return;
    int rc = r->receive->error != MPI_SUCCESS ? r->receive->error : r->send->error;
    MPI_Status status = r->receive->status;
    dv_request_delete(r->receive);
    dv_request_delete(r->send);
    r->receive = r->send = NULL;
    dv_request_finish(r, rc, &status);
}

void dv_request_advance(struct dv_request *r, enum dv_wait how)
{
    if (r->state != DV_REQUEST_PENDING)
        return;
    if (r->what == DV_REQUEST_PAIR) {
        advance_pair(r);
        return;
    }
    if (r->what == DV_REQUEST_GENERALIZED) {
        dv_generalized_poll(r);
        return;
    }
    MPI_Request *real = &r->object.real;
    MPI_Status status = dv_status_empty;
    MPI_Status *to = &status;
    int done;
    int rc = DV_DOWN(wait, real, how, to, &done);
    if (done)
        dv_request_finish(r, rc, to);
}

void dv_request_wait(struct dv_request *r)
{
    for (;;) {
        dv_request_advance(r, dv_wait_how());
        if (r->state != DV_REQUEST_PENDING)
            return;
        if (DV_GATE->stop != 0 && dv_may_stop())
            dv_safe_point();
    }
}

int dv_request_settle(struct dv_request *r, MPI_Status *status)
{
    if (DV_GATE->stop != 0 && dv_may_stop())
        dv_safe_point();
    dv_request_wait(r);
    int rc = r->error;
    dv_status_give(status, &r->status);
    dv_request_delete(r);
    return rc;
}

/* Give a finished request's result to the application; its error. */
static int collect(struct dv_request *r, MPI_Request *handle, MPI_Status *status)
{
    int rc = r->error;
    if (r->what == DV_REQUEST_GENERALIZED)
        rc = dv_generalized_query(r);
    dv_status_give(status, &r->status);
    if (r->persistent) {
        r->state = DV_REQUEST_INACTIVE;
        return rc;
    }
    if (r->what == DV_REQUEST_GENERALIZED) {
        int free_rc = dv_generalized_free(r);
        rc = rc != MPI_SUCCESS ? rc : free_rc;
    }
    dv_request_delete(r);
    *handle = MPI_REQUEST_NULL;
    return rc;
}

static inline bool is_active(const struct dv_request *r)
{
    return r != NULL && r->state != DV_REQUEST_INACTIVE;
}

/* A handle that is neither null nor a request's is an error. */
static inline bool is_bad(MPI_Request handle, const struct dv_request *r)
{
    return r == NULL && handle != MPI_REQUEST_NULL;
}

static inline int complete_one(MPI_Request *handle, MPI_Status *status, const char *call, int *flag)
{
    struct dv_request *r = handle != NULL ? dv_request_get(*handle) : NULL;
    if (handle == NULL || is_bad(*handle, r))
        return dv_error(NULL, handle == NULL ? MPI_ERR_ARG : MPI_ERR_REQUEST, call);
    if (!is_active(r)) {
        dv_status_give(status, &dv_status_empty);
        if (flag != NULL)
            *flag = 1;
        return MPI_SUCCESS;
    }
    if (flag == NULL) {
        dv_request_wait(r);
    } else {
        dv_request_advance(r, DV_WAIT_ONCE);
        *flag = r->state == DV_REQUEST_DONE;
        if (!*flag)
            return MPI_SUCCESS;
    }
    struct dv_comm *comm = r->comm;
    int error = r->error;
    if (__builtin_expect(error == MPI_SUCCESS, 1) && r->what != DV_REQUEST_GENERALIZED)
        return collect(r, handle, status);
    if (comm != NULL)
        dv_comm_hold(comm); /* its error handler may be needed after the request is gone */
    int rc = collect(r, handle, status);
    rc = rc != MPI_SUCCESS ? dv_error(comm, rc, call) : rc;
    if (comm != NULL)
        dv_comm_release(comm);
    return rc;
}

int PMPI_Wait(MPI_Request *request, MPI_Status *status)
{
    dv_mpi_enter("MPI_Wait");
    int rc = complete_one(request, status, "MPI_Wait", NULL);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Wait);

int PMPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
    dv_mpi_enter("MPI_Test");
    int rc = flag != NULL ? complete_one(request, status, "MPI_Test", flag)
                          : dv_error(NULL, MPI_ERR_ARG, "MPI_Test");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Test);

int PMPI_Request_get_status(MPI_Request request, int *flag, MPI_Status *status)
{
    dv_mpi_enter("MPI_Request_get_status");
    struct dv_request *r = dv_request_get(request);
    int rc = MPI_SUCCESS;
    if (flag == NULL || is_bad(request, r)) {
        rc = dv_error(NULL, flag == NULL ? MPI_ERR_ARG : MPI_ERR_REQUEST, "MPI_Request_get_status");
    } else if (!is_active(r)) {
        *flag = 1;
        dv_status_give(status, &dv_status_empty);
    } else {
        dv_request_advance(r, DV_WAIT_ONCE);
        *flag = r->state == DV_REQUEST_DONE;
        if (*flag && r->what == DV_REQUEST_GENERALIZED)
            rc = dv_error(r->comm, dv_generalized_query(r), "MPI_Request_get_status");
        if (*flag)
            dv_status_give(status, &r->status);
    }
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Request_get_status);

/* ---- several requests ---------------------------------------------------- */

static int check_handles(int count, const MPI_Request handles[])
{
    if (count < 0)
        return MPI_ERR_COUNT;
    if (count > 0 && handles == NULL)
        return MPI_ERR_ARG;
    for (int i = 0; i < count; i++)
        if (is_bad(handles[i], dv_request_get(handles[i])))
            return MPI_ERR_REQUEST;
    return MPI_SUCCESS;
}

static inline MPI_Status *status_of(MPI_Status *statuses, int i)
{
    return statuses == MPI_STATUSES_IGNORE ? MPI_STATUS_IGNORE : &statuses[i];
}

/* All are over: results in their places. */
static int collect_all(int count, MPI_Request handles[], MPI_Status *statuses)
{
    int result = MPI_SUCCESS;
    for (int i = 0; i < count; i++) {
        struct dv_request *r = dv_request_get(handles[i]);
        MPI_Status *status = status_of(statuses, i);
        int rc = MPI_SUCCESS;
        if (is_active(r))
            rc = collect(r, &handles[i], status);
        else
            dv_status_give(status, &dv_status_empty);
        if (rc != MPI_SUCCESS)
            result = MPI_ERR_IN_STATUS;
        if (status != MPI_STATUS_IGNORE)
            status->MPI_ERROR = rc;
    }
    return result;
}

int PMPI_Waitall(int count, MPI_Request array_of_requests[], MPI_Status array_of_statuses[])
{
    dv_mpi_enter("MPI_Waitall");
    int rc = check_handles(count, array_of_requests);
    if (rc == MPI_SUCCESS) {
        for (int i = 0; i < count; i++) {
            struct dv_request *r = dv_request_get(array_of_requests[i]);
            if (is_active(r))
                dv_request_wait(r);
        }
        rc = collect_all(count, array_of_requests, array_of_statuses);
    }
    if (rc != MPI_SUCCESS)
        rc = dv_error(NULL, rc, "MPI_Waitall");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Waitall);

int PMPI_Testall(int count, MPI_Request array_of_requests[], int *flag,
                 MPI_Status array_of_statuses[])
{
    dv_mpi_enter("MPI_Testall");
    int rc = flag == NULL ? MPI_ERR_ARG : check_handles(count, array_of_requests);
    if (rc == MPI_SUCCESS) {
        *flag = 1; /* one look at the first that is not over moves them all */
        for (int i = 0; i < count && *flag; i++) {
            struct dv_request *r = dv_request_get(array_of_requests[i]);
            if (!is_active(r))
                continue;
            dv_request_advance(r, DV_WAIT_ONCE);
            *flag = r->state == DV_REQUEST_DONE;
        }
        if (*flag)
            rc = collect_all(count, array_of_requests, array_of_statuses);
    }
    if (rc != MPI_SUCCESS)
        rc = dv_error(NULL, rc, "MPI_Testall");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Testall);

/* What MPI_Waitany and its like hand to the lower half: the real requests among the application's,
 * and whose they are. */
struct round {
    MPI_Request *real;
    MPI_Status *statuses;
    int *indices;
    struct dv_request **owner;
    int n;        /* real ones */
    int active;   /* requests that are active at all */
    int done;     /* of these are over */
    bool special; /* some have no real counterpart of their own: look at them again and again */
};

static void look_at(struct round *round, struct dv_request *r)
{
    if (!is_active(r))
        return;
    round->active++;
    if (r->state == DV_REQUEST_PENDING &&
        (r->what == DV_REQUEST_PAIR || r->what == DV_REQUEST_GENERALIZED)) {
        dv_request_advance(r, DV_WAIT_ONCE);
        round->special = true;
    }
    if (r->state == DV_REQUEST_DONE) {
        round->done++;
    } else if (r->what != DV_REQUEST_PAIR && r->what != DV_REQUEST_GENERALIZED) {
        round->real[round->n] = r->object.real;
        round->owner[round->n++] = r;
    }
}

static int finish_round(struct round *round, enum dv_wait how)
{
    int n = round->n, done = 0;
    MPI_Request *real = round->real;
    MPI_Status *statuses = round->statuses;
    int *indices = round->indices, *count = &done;
    if (n == 0)
        return MPI_SUCCESS;
    for (int i = 0; i < n; i++)
        statuses[i] = dv_status_empty;
    int rc = DV_DOWN(wait_some, n, real, how, count, indices, statuses);
    for (int i = 0; i < done; i++)
        dv_request_finish(round->owner[indices[i]], statuses[i].MPI_ERROR, &statuses[i]);
    round->done += done;
    return rc;
}

/* Until at least one of the requests is over, or once if !wait. Out: how many are active, how many
 * of them over. */
static int advance_some(struct round *round, int count, const MPI_Request handles[], bool wait)
{
    for (;;) {
        round->n = round->active = round->done = 0;
        round->special = false;
        for (int i = 0; i < count; i++)
            look_at(round, dv_request_get(handles[i]));
        enum dv_wait how =
            !wait || round->done > 0 || round->special ? DV_WAIT_ONCE : dv_wait_how();
        int rc = finish_round(round, how);
        if (rc != MPI_SUCCESS || !wait || round->done > 0 || round->active == 0)
            return rc;
        if (DV_GATE->stop != 0 && dv_may_stop())
            dv_safe_point();
    }
}

static size_t round_bytes(size_t n)
{
    return n *
           (sizeof(struct dv_request *) + sizeof(MPI_Status) + sizeof(MPI_Request) + sizeof(int));
}

static void place_round(struct round *round, void *memory, size_t n)
{
    round->owner = memory;
    round->statuses = (MPI_Status *)(round->owner + n);
    round->real = (MPI_Request *)(round->statuses + n);
    round->indices = (int *)(round->real + n);
}

/* advance_some with memory for it. */
static int advance_any(int count, const MPI_Request handles[], bool wait, int *active, int *done)
{
    struct dv_request *small[ON_STACK * 5];
    struct round round = {.n = 0};
    size_t n = (size_t)count, bytes = round_bytes(n);
    void *memory = bytes <= sizeof small ? (void *)small : dv_arena_alloc(bytes);
    place_round(&round, memory, n);
    int rc = advance_some(&round, count, handles, wait);
    if (memory != (void *)small)
        dv_arena_free(memory, bytes);
    *active = round.active;
    *done = round.done;
    return rc;
}

static int any(int count, MPI_Request handles[], bool wait, int *index, int *flag,
               MPI_Status *status, const char *call)
{
    int active = 0, done = 0,
        rc = index == NULL || flag == NULL ? MPI_ERR_ARG : check_handles(count, handles);
    if (rc == MPI_SUCCESS)
        rc = advance_any(count, handles, wait, &active, &done);
    if (rc != MPI_SUCCESS)
        return dv_error(NULL, rc, call);
    *flag = done > 0 || active == 0;
    *index = MPI_UNDEFINED;
    if (active == 0)
        dv_status_give(status, &dv_status_empty);
    for (int i = 0; i < count && done > 0; i++) {
        struct dv_request *r = dv_request_get(handles[i]);
        if (!is_active(r) || r->state != DV_REQUEST_DONE)
            continue;
        *index = i;
        return complete_one(&handles[i], status, call, NULL);
    }
    return MPI_SUCCESS;
}

int PMPI_Waitany(int count, MPI_Request array_of_requests[], int *indx, MPI_Status *status)
{
    dv_mpi_enter("MPI_Waitany");
    int flag, rc = any(count, array_of_requests, true, indx, &flag, status, "MPI_Waitany");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Waitany);

int PMPI_Testany(int count, MPI_Request array_of_requests[], int *indx, int *flag,
                 MPI_Status *status)
{
    dv_mpi_enter("MPI_Testany");
    int rc = any(count, array_of_requests, false, indx, flag, status, "MPI_Testany");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Testany);

static int some(int count, MPI_Request handles[], bool wait, int *out, int indices[],
                MPI_Status *statuses, const char *call)
{
    int active = 0, done = 0;
    int rc =
        out == NULL || (count > 0 && indices == NULL) ? MPI_ERR_ARG : check_handles(count, handles);
    if (rc == MPI_SUCCESS)
        rc = advance_any(count, handles, wait, &active, &done);
    if (rc != MPI_SUCCESS)
        return dv_error(NULL, rc, call);
    *out = active == 0 ? MPI_UNDEFINED : 0;
    for (int i = 0; i < count && done > 0; i++) {
        struct dv_request *r = dv_request_get(handles[i]);
        if (!is_active(r) || r->state != DV_REQUEST_DONE)
            continue;
        MPI_Status *status = status_of(statuses, *out);
        indices[(*out)++] = i;
        int error = collect(r, &handles[i], status);
        if (status != MPI_STATUS_IGNORE)
            status->MPI_ERROR = error;
        if (error != MPI_SUCCESS)
            rc = MPI_ERR_IN_STATUS;
    }
    return rc == MPI_SUCCESS ? rc : dv_error(NULL, rc, call);
}

int PMPI_Waitsome(int incount, MPI_Request array_of_requests[], int *outcount,
                  int array_of_indices[], MPI_Status array_of_statuses[])
{
    dv_mpi_enter("MPI_Waitsome");
    int rc = some(incount, array_of_requests, true, outcount, array_of_indices, array_of_statuses,
                  "MPI_Waitsome");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Waitsome);

int PMPI_Testsome(int incount, MPI_Request array_of_requests[], int *outcount,
                  int array_of_indices[], MPI_Status array_of_statuses[])
{
    dv_mpi_enter("MPI_Testsome");
    int rc = some(incount, array_of_requests, false, outcount, array_of_indices, array_of_statuses,
                  "MPI_Testsome");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Testsome);
