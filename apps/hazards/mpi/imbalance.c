/* Hazard: ranks that are far apart: one computes without calling MPI while the others wait for it in a blocking receive, a
 * collective, a wait, or poll for it. */
#include "apps/hazards/hazard.h"

#include <mpi.h>

#define WAYS 6
#define COUNT 5000

static int rank, size;
static uint64_t data[COUNT], got[COUNT];

static void poll_for_message(int source, int tag)
{
    MPI_Status status;
    int flag = 0, count;
    while (!flag)
        MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &status);
    CHECK(status.MPI_SOURCE == source && status.MPI_TAG == tag);
    MPI_Get_count(&status, MPI_UINT64_T, &count);
    CHECK(count == COUNT);
    MPI_Recv(got, COUNT, MPI_UINT64_T, status.MPI_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* The others wait for `slow`, each time in another way. */
static void wait_for(int slow, unsigned way, int tag)
{
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Status status;
    int flag = 0, index;
    switch (way) {
    case 0:
        MPI_Recv(got, COUNT, MPI_UINT64_T, slow, tag, MPI_COMM_WORLD, &status);
        break;
    case 1:
        MPI_Irecv(got, COUNT, MPI_UINT64_T, MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &request);
        MPI_Waitany(1, &request, &index, &status);
        CHECK(index == 0 && status.MPI_SOURCE == slow);
        break;
    case 2:
        MPI_Irecv(got, COUNT, MPI_UINT64_T, slow, MPI_ANY_TAG, MPI_COMM_WORLD, &request);
        while (!flag)
            MPI_Test(&request, &flag, &status);
        CHECK(status.MPI_TAG == tag);
        break;
    case 3:
        poll_for_message(slow, tag);
        break;
    default:
        break;
    }
}

static void step(unsigned number)
{
    unsigned way = number % WAYS;
    int slow = (int)(number / 2) % size, tag = (int)number;
    hazard_fill(data, sizeof data, number);
    if (rank == slow) {
        uint64_t until = hazard_now_ns() + 30000000u;
        while (hazard_now_ns() < until)
            ;
        memcpy(got, data, sizeof got);
        for (int other = 0; other < size && way < 4; other++)
            if (other != rank)
                MPI_Send(data, COUNT, MPI_UINT64_T, other, tag, MPI_COMM_WORLD);
    } else {
        wait_for(slow, way, tag);
    }
    if (way == 4) {
        if (rank == slow)
            memcpy(got, data, sizeof got);
        MPI_Bcast(got, COUNT, MPI_UINT64_T, slow, MPI_COMM_WORLD);
    } else if (way == 5) {
        MPI_Request request;
        MPI_Ibcast(got, COUNT, MPI_UINT64_T, slow, MPI_COMM_WORLD, &request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    hazard_verify(got, sizeof got, number, "what the slow rank sent");
    hazard_mix(got[number % COUNT]);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    hazard_begin(argc, argv);
    for (unsigned i = 0; i < hazard_rounds(); i++)
        step(i);
    if (rank == 0)
        hazard_end();
    MPI_Finalize();
    return 0;
}
