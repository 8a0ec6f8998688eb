/* Generalized requests: known to the upper half only, so a checkpoint carries them as they are.
 * MPICH's extensions with a polling function are driven from the wait loops. */
#include "mpi/export.h"
#include "mpi/objects.h"
#include "mpi/requests.h"

/* How libmpichfort's requests are called: see MPII_Grequest_set_lang_f77 in MPICH. */
typedef void f77_query(void *extra_state, MPI_Fint *status, MPI_Fint *error);
typedef void f77_free(void *extra_state, MPI_Fint *error);
typedef void f77_cancel(void *extra_state, MPI_Fint *complete, MPI_Fint *error);

struct functions {
    MPI_Grequest_query_function *query;
    MPI_Grequest_free_function *free;
    MPI_Grequest_cancel_function *cancel;
    MPIX_Grequest_poll_function *poll;
    MPIX_Grequest_wait_function *wait;
};

struct dv_generalized {
    struct functions functions;
    void *extra_state;
    volatile int complete;
    int fortran;
};

static struct functions *classes;
static int class_count;

static int make(const struct functions *functions, void *extra_state, MPI_Request *request)
{
    if (request == NULL || functions->query == NULL || functions->free == NULL ||
        functions->cancel == NULL)
        return MPI_ERR_ARG;
    struct dv_request *r = dv_request_new(DV_REQUEST_GENERALIZED, NULL, "MPI_Grequest_start");
    r->generalized = dv_arena_alloc(sizeof *r->generalized);
    r->generalized->functions = *functions;
    r->generalized->extra_state = extra_state;
    r->state = DV_REQUEST_PENDING;
    *request = r->object.handle;
    return MPI_SUCCESS;
}

void dv_generalized_poll(struct dv_request *r)
{
    struct dv_generalized *g = r->generalized;
    MPI_Status status = dv_status_empty;
    int rc = MPI_SUCCESS;
    if (!g->complete && g->functions.poll != NULL)
        rc = g->functions.poll(g->extra_state, &status);
    if (g->complete || rc != MPI_SUCCESS)
        dv_request_finish(r, rc, &dv_status_empty);
    else
        DV_DOWN(progress);
}

int dv_generalized_query(struct dv_request *r)
{
    struct dv_generalized *g = r->generalized;
    int rc = r->error;
    r->status = dv_status_empty;
    if (g->fortran) {
        MPI_Fint error = MPI_SUCCESS;
        ((f77_query *)(uintptr_t)g->functions.query)(g->extra_state, (MPI_Fint *)&r->status,
                                                     &error);
        rc = rc != MPI_SUCCESS ? rc : (int)error;
    } else {
        int query_rc = g->functions.query(g->extra_state, &r->status);
        rc = rc != MPI_SUCCESS ? rc : query_rc;
    }
    return rc;
}

int dv_generalized_free(struct dv_request *r)
{
    struct dv_generalized *g = r->generalized;
    int rc;
    r->generalized = NULL;
    if (g->fortran) {
        MPI_Fint error = MPI_SUCCESS;
        ((f77_free *)(uintptr_t)g->functions.free)(g->extra_state, &error);
        rc = (int)error;
    } else {
        rc = g->functions.free(g->extra_state);
    }
    dv_arena_free(g, sizeof *g);
    return rc;
}

int dv_generalized_cancel(struct dv_request *r)
{
    struct dv_generalized *g = r->generalized;
    if (g->fortran) {
        MPI_Fint complete = g->complete, error = MPI_SUCCESS;
        ((f77_cancel *)(uintptr_t)g->functions.cancel)(g->extra_state, &complete, &error);
        return (int)error;
    }
    return g->functions.cancel(g->extra_state, g->complete);
}

int PMPI_Grequest_start(MPI_Grequest_query_function *query_fn, MPI_Grequest_free_function *free_fn,
                        MPI_Grequest_cancel_function *cancel_fn, void *extra_state,
                        MPI_Request *request)
{
    const struct functions functions = {query_fn, free_fn, cancel_fn, NULL, NULL};
    dv_mpi_enter("MPI_Grequest_start");
    int rc = dv_error(NULL, make(&functions, extra_state, request), "MPI_Grequest_start");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Grequest_start);

/* Also after MPI_Request_free: the request is the application's until it is complete. */
int PMPI_Grequest_complete(MPI_Request request)
{
    dv_mpi_enter("MPI_Grequest_complete");
    struct dv_request *r = (struct dv_request *)dv_object_find(request, DV_KIND_REQUEST);
    int rc = MPI_SUCCESS;
    if (r != NULL && r->state == DV_REQUEST_PENDING && r->what == DV_REQUEST_GENERALIZED)
        r->generalized->complete = 1;
    else
        rc = dv_error(NULL, MPI_ERR_REQUEST, "MPI_Grequest_complete");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Grequest_complete);

DV_VISIBLE void MPII_Grequest_set_lang_f77(MPI_Request request);
void MPII_Grequest_set_lang_f77(MPI_Request request)
{
    struct dv_request *r = dv_request_get(request);
    if (r != NULL && r->what == DV_REQUEST_GENERALIZED)
        r->generalized->fortran = 1;
}

/* ---- MPICH's extensions -------------------------------------------------- */

int PMPIX_Grequest_start(MPI_Grequest_query_function *query_fn, MPI_Grequest_free_function *free_fn,
                         MPI_Grequest_cancel_function *cancel_fn,
                         MPIX_Grequest_poll_function *poll_fn, MPIX_Grequest_wait_function *wait_fn,
                         void *extra_state, MPI_Request *request)
{
    const struct functions functions = {query_fn, free_fn, cancel_fn, poll_fn, wait_fn};
    dv_mpi_enter("MPIX_Grequest_start");
    int rc = dv_error(NULL, make(&functions, extra_state, request), "MPIX_Grequest_start");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPIX_Grequest_start);

int PMPIX_Grequest_class_create(MPI_Grequest_query_function *query_fn,
                                MPI_Grequest_free_function *free_fn,
                                MPI_Grequest_cancel_function *cancel_fn,
                                MPIX_Grequest_poll_function *poll_fn,
                                MPIX_Grequest_wait_function *wait_fn,
                                MPIX_Grequest_class *greq_class)
{
    const struct functions functions = {query_fn, free_fn, cancel_fn, poll_fn, wait_fn};
    dv_mpi_enter("MPIX_Grequest_class_create");
    dv_objects_lock();
    size_t bytes = (size_t)class_count * sizeof *classes;
    classes = dv_arena_grow(classes, bytes, bytes + sizeof *classes);
    classes[class_count] = functions;
    *greq_class = class_count++;
    dv_objects_unlock();
    dv_mpi_exit();
    return MPI_SUCCESS;
}
DV_EXPORT(MPIX_Grequest_class_create);

int PMPIX_Grequest_class_allocate(MPIX_Grequest_class greq_class, void *extra_state,
                                  MPI_Request *request)
{
    dv_mpi_enter("MPIX_Grequest_class_allocate");
    int rc = MPI_ERR_ARG;
    if (greq_class >= 0 && greq_class < class_count)
        rc = make(&classes[greq_class], extra_state, request);
    rc = dv_error(NULL, rc, "MPIX_Grequest_class_allocate");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPIX_Grequest_class_allocate);
