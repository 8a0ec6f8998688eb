/* The data symbols of libmpich.so.12, with the values that the real library gives them, and the
 * functions that it exports beside MPI's. */
#include "mpi/export.h"
#include "mpi/objects.h"

/* Fortran's special addresses: libmpichfort fills in the first two. */
DV_VISIBLE MPI_Fint *MPI_F_STATUS_IGNORE, *MPI_F_STATUSES_IGNORE;
DV_VISIBLE MPI_F08_status MPIR_F08_MPI_STATUS_IGNORE_OBJ;
DV_VISIBLE MPI_F08_status MPIR_F08_MPI_STATUSES_IGNORE_OBJ[1];
DV_VISIBLE MPI_F08_status *MPI_F08_STATUS_IGNORE = &MPIR_F08_MPI_STATUS_IGNORE_OBJ;
DV_VISIBLE MPI_F08_status *MPI_F08_STATUSES_IGNORE = MPIR_F08_MPI_STATUSES_IGNORE_OBJ;
DV_VISIBLE int MPIR_F08_MPI_IN_PLACE;
DV_VISIBLE int MPIR_F08_MPI_BOTTOM;

/* Addresses that stand for something; the lower half has its own (dv_weights_real, dv_pvar_real).
 */
static int unweighted, weights_empty;
static char all_handles;
DV_VISIBLE int *const MPI_UNWEIGHTED = &unweighted;
DV_VISIBLE int *const MPI_WEIGHTS_EMPTY = &weights_empty;
DV_VISIBLE struct MPIR_T_pvar_handle_s *const MPI_T_PVAR_ALL_HANDLES =
    (struct MPIR_T_pvar_handle_s *)&all_handles;
extern DV_VISIBLE int *MPIR_C_MPI_UNWEIGHTED,
    *MPIR_C_MPI_WEIGHTS_EMPTY; /* for mpi_f08; set at initialization */
int *MPIR_C_MPI_UNWEIGHTED, *MPIR_C_MPI_WEIGHTS_EMPTY;

void dv_data_start(void)
{
    MPIR_C_MPI_UNWEIGHTED = MPI_UNWEIGHTED;
    MPIR_C_MPI_WEIGHTS_EMPTY = MPI_WEIGHTS_EMPTY;
}

int *dv_weights_real(const int *weights)
{
    if (weights == &unweighted)
        return *(int **)DV_GATE->mpi[DV_FN_MPI_UNWEIGHTED];
    if (weights == &weights_empty)
        return *(int **)DV_GATE->mpi[DV_FN_MPI_WEIGHTS_EMPTY];
    return (int *)(uintptr_t)weights;
}

/* ---- tools' interface QMPI: exported by MPICH 4.0 as functions that say "not supported"  */

enum { QMPI_UNSUPPORTED = 44 };

int QMPI_Register_tool_name(const char *tool_name, void (*init_function_ptr)(int tool_id))
{
    (void)tool_name, (void)init_function_ptr;
    return QMPI_UNSUPPORTED;
}

int QMPI_Register_tool_storage(int tool_id, void *tool_storage)
{
    (void)tool_id, (void)tool_storage;
    return QMPI_UNSUPPORTED;
}

int QMPI_Register_function(int tool_id, enum QMPI_Functions_enum function_enum,
                           void (*function_ptr)(void))
{
    (void)tool_id, (void)function_enum, (void)function_ptr;
    return QMPI_UNSUPPORTED;
}

int QMPI_Get_function(int calling_tool_id, enum QMPI_Functions_enum function_enum,
                      void (**function_ptr)(void), int *next_tool_id)
{
    (void)calling_tool_id, (void)function_enum, (void)function_ptr, (void)next_tool_id;
    return QMPI_UNSUPPORTED;
}

int QMPI_Get_tool_storage(QMPI_Context context, int tool_id, void **storage)
{
    (void)context, (void)tool_id, (void)storage;
    return QMPI_UNSUPPORTED;
}

int QMPI_Get_calling_address(QMPI_Context context, void **address)
{
    (void)context, (void)address;
    return QMPI_UNSUPPORTED;
}

/* ---- internals that MPICH exports by accident; nothing outside it can have the pointers that two
 * of them take ---- */

DV_VISIBLE int MPIR_Err_create_code(int lastcode, int fatal, const char function[], int line,
                                    int error_class, const char generic_msg[],
                                    const char specific_msg[], ...);
int MPIR_Err_create_code(int lastcode, int fatal, const char function[], int line, int error_class,
                         const char generic_msg[], const char specific_msg[], ...)
{
    (void)fatal, (void)function, (void)line, (void)generic_msg, (void)specific_msg;
    return lastcode != MPI_SUCCESS ? lastcode : error_class;
}

DV_VISIBLE int MPIR_Err_return_comm(void *comm, const char function[], int rc);
int MPIR_Err_return_comm(void *comm, const char function[], int rc)
{
    (void)comm;
    return dv_error(NULL, rc, function);
}

DV_VISIBLE int MPIR_Err_return_win(void *win, const char function[], int rc);
int MPIR_Err_return_win(void *win, const char function[], int rc)
{
    (void)win;
    return dv_error(NULL, rc, function);
}
