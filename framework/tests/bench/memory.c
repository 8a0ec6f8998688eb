/* bench-memory: a process image of known size, beside what memcpy does, for `make bench`.
 *
 *     [mpiexec.mpich -n N] bench-memory MEBIBYTES FILE
 *
 * Every rank fills MEBIBYTES of memory with numbers, no page zero or like another, and then, until
 * FILE exists, copies one half of it over the other and back, both halves warm, all ranks at once,
 * and sleeps. Each copy is printed in the form that bench-record reads:
 *
 *     copies rank=0 at_ns=83921... copied_bytes=536870912 seconds=0.0312
 *
 * at_ns: CLOCK_MONOTONIC at its start. Checkpoints are taken meanwhile, and the program may be
 * killed and restarted: at the end each rank checks that its memory holds what it should. Built
 * with MPI, and without (-DWITHOUT_MPI) as bench-memory-alone. */
#ifndef WITHOUT_MPI
#include <mpi.h>
#endif

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 100000000
#define MOST_MEBIBYTES (1 << 20)

static int rank;

#ifdef WITHOUT_MPI
static void start(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
}
static void wait_for_all(void)
{
}
static int told_by_first(int value)
{
    return value;
}
static void end(void)
{
}
#else
static void start(int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
}
static void wait_for_all(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
}
static int told_by_first(int value)
{
    MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return value;
}
static void end(void)
{
    MPI_Finalize();
}
#endif

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t number(size_t index)
{
    return (index + 1) * 0x9e3779b97f4a7c15u + (uint64_t)rank;
}

static void fill(uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        words[i] = number(i);
}

/* After the first copy both halves hold the first one's numbers. */
static int holds_what_it_should(const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] != number(i % (count / 2)))
            return 0;
    return 1;
}

/* One write per line: lines of several ranks must not mix, and a restart must not repeat half of
 * one. */
static void report(uint64_t at_ns, size_t bytes)
{
    char line[160];
    double seconds = (double)(now_ns() - at_ns) * 1e-9;
    int length = snprintf(line, sizeof line,
                          "copies rank=%d at_ns=%" PRIu64 " copied_bytes=%zu seconds=%.6g\n", rank,
                          at_ns, bytes, seconds);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        _exit(1);
}

static void copy_until(const char *file, char *memory, size_t bytes)
{
    size_t half = bytes / 2;
    for (unsigned round = 0; !told_by_first(access(file, F_OK) == 0); round++) {
        wait_for_all();
        uint64_t before = now_ns();
        if (round % 2 == 0)
            memcpy(memory + half, memory, half);
        else
            memcpy(memory, memory + half, half);
        report(before, half);
        struct timespec pause = {0, PAUSE_NS};
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    start(&argc, &argv);
    long mebibytes = argc == 3 ? atol(argv[1]) : 0;
    if (mebibytes < 1 || mebibytes > MOST_MEBIBYTES) {
        fprintf(stderr, "usage: bench-memory MEBIBYTES FILE\n");
        return 2;
    }
    size_t bytes = (size_t)mebibytes << 20;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("bench-memory: mmap");
        return 1;
    }
    fill((uint64_t *)(void *)memory, bytes / sizeof(uint64_t));
    memcpy(memory + bytes / 2, memory, bytes / 2);
    copy_until(argv[2], memory, bytes);
    int good = holds_what_it_should((const uint64_t *)(void *)memory, bytes / sizeof(uint64_t));
    if (!good)
        fprintf(stderr, "bench-memory: rank %d: the memory is not what it was\n", rank);
    end();
    return good ? 0 : 1;
}
