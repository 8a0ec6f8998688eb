/* Error classes, codes and texts that the application adds: the real library numbers them in the
 * order in which they are added, so what was done is remembered and done again after a restore. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <string.h>

enum step_kind { ADD_CLASS, ADD_CODE, ADD_STRING, DELETE_CLASS, DELETE_CODE, DELETE_STRING };

struct step {
    struct step *next;
    enum step_kind kind;
    int argument, result; /* class or code */
    char text[MPI_MAX_ERROR_STRING];
};
static struct step *first, **end = &first;

static int perform(struct step *step, int *result)
{
    switch (step->kind) {
    case ADD_CLASS:
        return DV_REAL(MPI_Add_error_class, result);
    case ADD_CODE:
        return DV_REAL(MPI_Add_error_code, step->argument, result);
    case ADD_STRING:
        return DV_REAL(MPI_Add_error_string, step->argument, step->text);
    case DELETE_CLASS:
        return DV_REAL(MPIX_Delete_error_class, step->argument);
    case DELETE_CODE:
        return DV_REAL(MPIX_Delete_error_code, step->argument);
    case DELETE_STRING:
        return DV_REAL(MPIX_Delete_error_string, step->argument);
    }
    return MPI_ERR_INTERN;
}

static int take(enum step_kind kind, int argument, const char *text, int *result, const char *call)
{
    dv_mpi_enter(call);
    struct step *step = dv_arena_alloc(sizeof *step);
    step->kind = kind;
    step->argument = argument;
    if (text != NULL)
        dv_text_add(step->text, sizeof step->text, text);
    int rc = perform(step, &step->result);
    if (rc == MPI_SUCCESS) {
        if (result != NULL)
            *result = step->result;
        dv_objects_lock();
        *end = step;
        end = &step->next;
        dv_objects_unlock();
    } else {
        dv_arena_free(step, sizeof *step);
        rc = dv_error(NULL, rc, call);
    }
    dv_mpi_exit();
    return rc;
}

/* A call that the real library is to reject: a null pointer. */
static int reject(const char *call)
{
    dv_mpi_enter(call);
    int rc = dv_error(NULL, MPI_ERR_ARG, call);
    dv_mpi_exit();
    return rc;
}

int PMPI_Add_error_class(int *errorclass)
{
    if (errorclass == NULL)
        return reject("MPI_Add_error_class");
    return take(ADD_CLASS, 0, NULL, errorclass, "MPI_Add_error_class");
}
DV_EXPORT(MPI_Add_error_class);

int PMPI_Add_error_code(int errorclass, int *errorcode)
{
    if (errorcode == NULL)
        return reject("MPI_Add_error_code");
    return take(ADD_CODE, errorclass, NULL, errorcode, "MPI_Add_error_code");
}
DV_EXPORT(MPI_Add_error_code);

int PMPI_Add_error_string(int errorcode, const char *string)
{
    if (string == NULL)
        return reject("MPI_Add_error_string");
    return take(ADD_STRING, errorcode, string, NULL, "MPI_Add_error_string");
}
DV_EXPORT(MPI_Add_error_string);

int PMPIX_Delete_error_class(int errorclass)
{
    return take(DELETE_CLASS, errorclass, NULL, NULL, "MPIX_Delete_error_class");
}
DV_EXPORT(MPIX_Delete_error_class);

int PMPIX_Delete_error_code(int errorcode)
{
    return take(DELETE_CODE, errorcode, NULL, NULL, "MPIX_Delete_error_code");
}
DV_EXPORT(MPIX_Delete_error_code);

int PMPIX_Delete_error_string(int errorcode)
{
    return take(DELETE_STRING, errorcode, NULL, NULL, "MPIX_Delete_error_string");
}
DV_EXPORT(MPIX_Delete_error_string);

enum dv_status dv_errcodes_rebuild(char *why, size_t why_bytes)
{
    for (struct step *step = first; step != NULL; step = step->next) {
        int result = step->result, rc = perform(step, &result);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "adding an error code again", rc);
        if (result != step->result) {
            dv_text_add(why, why_bytes,
                        "the MPI library of this restart numbers added error codes differently");
            return DV_ERR_REFUSED;
        }
    }
    return DV_OK;
}
