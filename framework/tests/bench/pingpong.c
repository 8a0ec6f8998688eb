/* bench-pingpong: what a message costs, for `make bench`. A plain MPI program; two ranks.
 *
 *     mpiexec.mpich -n 2 bench-pingpong [--batches N]
 *
 * Three operations: a ping-pong of MPI_Send and MPI_Recv, one of MPI_Isend, MPI_Irecv and MPI_Wait,
 * each with 8 bytes and 1 MiB, and MPI_Allreduce of one double. Each rank stays on a processor of
 * its own. A batch is so many messages that the clock's resolution does not matter; what is printed
 * is every batch, in the form that bench-record reads:
 *
 *     batches operation=send bytes=8 batch=17 messages=2000 seconds=3.51e-07
 *
 * seconds: per message, half a round trip (for allreduce: per call). The operations take turns, so
 * that a disturbance of the machine hits all of them. Exit status 1 if a payload arrives wrong. */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG 7
#define LARGE_BYTES (1 << 20)
#define WARMUP_BATCHES 10
#define CHECKED_BYTES 64 /* at both ends of a payload */

static char *out_buffer, *in_buffer;
static int rank;

static void send_round(int bytes)
{
    if (rank == 0) {
        MPI_Send(out_buffer, bytes, MPI_CHAR, 1, TAG, MPI_COMM_WORLD);
        MPI_Recv(in_buffer, bytes, MPI_CHAR, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(in_buffer, bytes, MPI_CHAR, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(out_buffer, bytes, MPI_CHAR, 0, TAG, MPI_COMM_WORLD);
    }
}

static void isend_round(int bytes)
{
    MPI_Request receive, send;
    int peer = 1 - rank;
    MPI_Irecv(in_buffer, bytes, MPI_CHAR, peer, TAG, MPI_COMM_WORLD, &receive);
    if (rank == 0) {
        MPI_Isend(out_buffer, bytes, MPI_CHAR, peer, TAG, MPI_COMM_WORLD, &send);
        MPI_Wait(&send, MPI_STATUS_IGNORE);
        MPI_Wait(&receive, MPI_STATUS_IGNORE);
    } else {
        MPI_Wait(&receive, MPI_STATUS_IGNORE);
        MPI_Isend(out_buffer, bytes, MPI_CHAR, peer, TAG, MPI_COMM_WORLD, &send);
        MPI_Wait(&send, MPI_STATUS_IGNORE);
    }
}

static void allreduce_round(int bytes)
{
    double mine = rank, sum;
    (void)bytes;
    MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

static const struct series {
    const char *operation;
    void (*round)(int bytes);
    int bytes, rounds, messages_per_round;
} series[] = {
    {"send", send_round, 8, 1000, 2},           {"isend", isend_round, 8, 1000, 2},
    {"allreduce", allreduce_round, 8, 1000, 1}, {"send", send_round, LARGE_BYTES, 4, 2},
    {"isend", isend_round, LARGE_BYTES, 4, 2},
};
#define SERIES ((int)(sizeof series / sizeof *series))

static void fill(char *buffer, int from)
{
    for (int i = 0; i < LARGE_BYTES; i++)
        buffer[i] = (char)(i * 31 + from);
}

/* What rank `from` has filled in must be at both ends of what arrived. */
static int arrived_well(int bytes, int from)
{
    for (int i = 0; i < bytes; i++) {
        if (i == CHECKED_BYTES && bytes > 2 * CHECKED_BYTES)
            i = bytes - CHECKED_BYTES;
        if (in_buffer[i] != (char)(i * 31 + from))
            return 0;
    }
    return 1;
}

static double run_batch(const struct series *s)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    for (int i = 0; i < s->rounds; i++)
        s->round(s->bytes);
    return (MPI_Wtime() - start) / ((double)s->rounds * s->messages_per_round);
}

/* The rank-th of the processors that this process may use, if there are enough. */
static void stay_on_a_processor(void)
{
    cpu_set_t allowed, mine;
    int wanted = rank;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && wanted-- == 0)
            CPU_SET(cpu, &mine);
    if (CPU_COUNT(&mine) == 1 && sched_setaffinity(0, sizeof mine, &mine) != 0)
        perror("bench-pingpong: sched_setaffinity");
}

static int measure(int batches)
{
    for (int batch = -WARMUP_BATCHES; batch < batches; batch++) {
        for (int i = 0; i < SERIES; i++) {
            const struct series *s = &series[i];
            memset(in_buffer, 0, CHECKED_BYTES);
            double seconds = run_batch(s);
            if (s->round != allreduce_round && !arrived_well(s->bytes, 1 - rank)) {
                fprintf(stderr, "bench-pingpong: rank %d: %d bytes by %s arrived wrong\n", rank,
                        s->bytes, s->operation);
                return 1;
            }
            if (batch >= 0 && rank == 0)
                printf("batches operation=%s bytes=%d batch=%d messages=%d seconds=%.6g\n",
                       s->operation, s->bytes, batch, s->rounds * s->messages_per_round, seconds);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    int size, batches = 100;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc == 3 && strcmp(argv[1], "--batches") == 0)
        batches = atoi(argv[2]);
    else if (argc != 1)
        batches = 0;
    if (size != 2 || batches < 1) {
        fprintf(stderr, "usage: mpiexec.mpich -n 2 bench-pingpong [--batches N]\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
        return 2;
    }
    out_buffer = malloc(LARGE_BYTES);
    in_buffer = malloc(LARGE_BYTES);
    if (!out_buffer || !in_buffer) {
        fprintf(stderr, "bench-pingpong: out of memory\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
        return 1;
    }
    fill(out_buffer, rank);
    fill(in_buffer, rank);
    stay_on_a_processor();
    int failed = measure(batches);
    free(out_buffer);
    free(in_buffer);
    MPI_Finalize();
    return failed;
}
