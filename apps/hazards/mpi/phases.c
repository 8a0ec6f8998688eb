/* Hazard: a program that is long outside MPI: before MPI_Init, after MPI_Finalize, and with ranks that reach either at
 * different times. */
#include "apps/hazards/hazard.h"

#include <mpi.h>

static void rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        hazard_mix(i);
        hazard_sleep_ms(HAZARD_ROUND_MS);
    }
}

int main(int argc, char **argv)
{
    int rank, size, sum = 0, flag = 0;
    hazard_begin(argc, argv);
    rounds(hazard_rounds() / 3);
    CHECK(MPI_Initialized(&flag) == MPI_SUCCESS && !flag);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    hazard_sleep_ms((unsigned)rank * 100);
    for (unsigned i = 0; i < hazard_rounds() / 3; i++) {
        int value = rank + (int)i;
        MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        CHECK(sum == size * (size - 1) / 2 + size * (int)i);
        hazard_mix((uint64_t)sum);
        hazard_sleep_ms(HAZARD_ROUND_MS);
    }
    hazard_sleep_ms((unsigned)(size - rank) * 100);
    MPI_Finalize();
    CHECK(MPI_Finalized(&flag) == MPI_SUCCESS && flag);
    rounds(hazard_rounds() / 3);
    if (rank == 0)
        hazard_end();
    return 0;
}
