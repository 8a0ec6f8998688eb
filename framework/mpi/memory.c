/* MPI_Alloc_mem: the application's own memory, because the real library's would be lower-half
 * memory, which no image holds. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <stdlib.h>

#define ALIGNMENT_BYTES 64

int PMPI_Alloc_mem(MPI_Aint size, MPI_Info info, void *baseptr)
{
    dv_mpi_enter("MPI_Alloc_mem");
    MPI_Info real_info = dv_info_real(info);
    int rc = MPI_SUCCESS;
    void *memory = NULL;
    if (size < 0 || baseptr == NULL) /* the real library finds the right words */
        rc = DV_REAL(MPI_Alloc_mem, size, real_info, baseptr);
    else if (posix_memalign(&memory, ALIGNMENT_BYTES, (size_t)size) != 0)
        rc = MPI_ERR_NO_MEM;
    else
        *(void **)baseptr = memory;
    rc = dv_error(NULL, rc, "MPI_Alloc_mem");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Alloc_mem);

int PMPI_Free_mem(void *base)
{
    free(base);
    return MPI_SUCCESS;
}
DV_EXPORT(MPI_Free_mem);
