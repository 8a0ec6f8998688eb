/* Hazard: an interval timer and its handler under MPI calls, blocking and not; the handler uses the application's
 * thread-local storage and errno. */
#include "apps/hazards/hazard.h"

#include <mpi.h>
#include <signal.h>
#include <sys/time.h>

#define COUNT 20000

static volatile sig_atomic_t ticks;
static __thread volatile uint64_t local = 42;

static void on_tick(int signal)
{
    (void)signal;
    int saved = errno;
    ticks++;
    if (local != 42)
        hazard_fail(__FILE__, __LINE__, "thread-local storage in a handler");
    errno = EDOM;
    errno = saved;
}

int main(int argc, char **argv)
{
    static uint64_t out[COUNT], in[COUNT];
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    int rank, size, total;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    hazard_begin(argc, argv);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (unsigned round = 0; round < hazard_rounds(); round++) {
        int left = (rank + size - 1) % size, start = ticks;
        hazard_fill(out, sizeof out, round * 1000u + (unsigned)rank);
        MPI_Sendrecv(out, COUNT, MPI_UINT64_T, (rank + 1) % size, 1, in, COUNT, MPI_UINT64_T, left,
                     1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        hazard_verify(in, sizeof in, round * 1000u + (unsigned)left, "a message");
        while (ticks < start + 3 + rank)
            ;
        MPI_Allreduce(&rank, &total, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        CHECK(total == size * (size - 1) / 2);
        hazard_mix(in[round % COUNT]);
    }
    timer = (struct itimerval){{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    if (rank == 0)
        hazard_end();
    MPI_Finalize();
    return 0;
}
