/* How a handwritten MPI function gets its symbols: define PMPI_Name, then say DV_EXPORT(MPI_Name).
 *
 *     int PMPI_Send(const void *buf, ...)
 *     {
 *         ...
 *     }
 *     DV_EXPORT(MPI_Send);
 *
 * As in MPICH, PMPI_Name is the strong symbol and MPI_Name its weak alias, so that a tool may
 * define MPI_Name and call PMPI_Name. The library is compiled with -fvisibility=hidden and
 * -DHAVE_VISIBILITY=1, which makes mpi.h declare its functions (and so PMPI_Name) visible. Code of
 * the library never calls PMPI_Name or MPI_Name itself. */
#ifndef DV_MPI_EXPORT_H
#define DV_MPI_EXPORT_H

#include <mpi.h>

#define DV_VISIBLE __attribute__((visibility("default")))
#define DV_EXPORT(name)                                                                            \
    extern __typeof__(P##name) name DV_VISIBLE __attribute__((weak, alias("P" #name)))

#endif
