/* What the MPI test programs share. They are plain MPI programs that know nothing of DejaVu:
 *
 *     PROGRAM [iterations [work in microseconds per step]]
 *
 * Each iteration leaves operations in flight over stretches of computing, so that checkpoints and kills find them there.
 * Everything that is received is checked; the digest of all of it, printed last, does not depend on timing. */
#ifndef DV_TESTS_MPI_TEST_H
#define DV_TESTS_MPI_TEST_H

#include <mpi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int rank, size, left, right;
    int iterations, iteration;
    double work_s;
    uint64_t digest; /* of this rank: a sum, so the order of receipt does not matter */
} test;

__attribute__((format(printf, 2, 3), noreturn, unused)) static void fail(int line,
                                                                         const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "FAIL rank %d iteration %d line %d: %s\n", test.rank, test.iteration, line,
            text);
    fflush(NULL);
    MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__LINE__, __VA_ARGS__);                                                           \
    } while (0)

static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A seed that every rank can work out: who sends what to whom in which iteration. */
static inline uint64_t seed_of(int from, int to, int tag)
{
    return mix((uint64_t)(unsigned)test.iteration << 40 ^ (uint64_t)(unsigned)from << 28 ^
               (uint64_t)(unsigned)to << 16 ^ (uint64_t)(unsigned)tag);
}

__attribute__((unused)) static void fill(int *data, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++)
        data[i] = (int)(uint32_t)mix(seed + (uint64_t)(unsigned)i);
}

__attribute__((unused)) static void verify_at(int line, const int *data, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++)
        if (data[i] != (int)(uint32_t)mix(seed + (uint64_t)(unsigned)i))
            fail(line, "element %d of %d is wrong", i, n);
    test.digest += mix(seed ^ (uint64_t)(unsigned)n);
}
#define VERIFY(data, n, seed) verify_at(__LINE__, data, n, seed)

/* Computing, as far as MPI can tell. */
__attribute__((unused)) static void work(void)
{
    double until = MPI_Wtime() + test.work_s;
    volatile uint64_t x = test.digest;
    while (MPI_Wtime() < until)
        for (int i = 0; i < 200; i++)
            x = mix(x);
}

static void test_start(int *argc, char ***argv, int iterations)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &test.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &test.size);
    test.left = (test.rank + test.size - 1) % test.size;
    test.right = (test.rank + 1) % test.size;
    test.iterations = *argc > 1 ? atoi((*argv)[1]) : iterations;
    test.work_s = *argc > 2 ? atof((*argv)[2]) * 1e-6 : 200e-6;
}

static int test_end(void)
{
    uint64_t all = 0;
    MPI_Reduce(&test.digest, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (test.rank == 0)
        printf("PASS %d iterations, %d ranks\nDIGEST %016llx\n", test.iterations, test.size,
               (unsigned long long)mix(all));
    MPI_Finalize();
    return 0;
}

#endif
