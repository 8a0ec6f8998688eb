/* bench-dirty: memory of which a known part is written between checkpoints, for `make bench-stall`.
 *
 *     mpiexec.mpich -n N bench-dirty [option ...]
 *
 * Every rank fills BYTES of memory (--mebibytes) with numbers that no codec shortens, no page like
 * another, and then writes --percent of its pages in each round, other pages from round to round:
 *
 *     round:  | write, compute, MPI_Allreduce | write, compute, MPI_Allreduce | ...  pause
 *
 * A round is --iterations of these, so that writes are spread over it; every page that is written
 * gets new contents. --pattern scattered: pages in pseudo-random order; block: one behind the other.
 * In the pause the program computes and reduces, too, but writes nothing: it waits until FILE
 * (--go) has one byte more than there were rounds. Whoever appends it when an epoch has resumed
 * makes each epoch's pages those of exactly one round. Without --go there is no pause.
 *
 * Memory is in pages of 4 KiB, with --huge in huge ones. It ends after --rounds, or at the first pause at which --end exists. What is printed at the end of
 * each round is what bench-record reads:
 *
 *     rounds rank=0 round=3 at_ns=8392... iterations=231 pages=26215 longest_ns=31244000 median_ns=...
 *
 * iterations, longest_ns and median_ns: of the time since the line before, the pause included: the
 * stall of a checkpoint shows as the longest iteration, as the application itself sees it. At the
 * end every rank checks all its memory against what it must hold after that many rounds, and rank 0
 * prints a digest of all, which does not depend on when checkpoints were taken or how often the
 * program was killed and restarted. Exit status 1 if the memory is not what it should be. */
#include <getopt.h>
#include <inttypes.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))
#define COMPUTE_BYTES (16u << 10)
#define GOLDEN 0x9e3779b97f4a7c15u
#define MOST_MEBIBYTES (1L << 20)
#define KEPT_TIMES 65536u /* of iterations between two lines; the longest is of all */

static struct {
    long mebibytes, iterations, rounds, compute_us;
    double percent;
    int scattered, huge;
    const char *go, *end;
} options = {.mebibytes = 1024,
             .iterations = 100,
             .rounds = 10,
             .compute_us = 2000,
             .percent = 10,
             .scattered = 1};

static struct {
    int rank, ranks;
    uint64_t *words;
    uint64_t pages, pages_a_round, written; /* written: in all rounds so far */
    unsigned index_bits; /* the least whose power of two is not less than pages */
    double *compute;
} me;

/* Since the last line that was printed. */
static struct {
    uint64_t before_ns, longest_ns, count;
    uint64_t ns[KEPT_TIMES];
} times;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A one-to-one map of 0 .. pages - 1 on itself: a Feistel network over the next even power of two,
 * walked until it comes back below `pages`. */
static uint64_t scatter(uint64_t position)
{
    const unsigned half = (me.index_bits + 1) / 2;
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = position >> half, right = position & mask;
        for (uint64_t round = 1; round <= 4; round++) {
            uint64_t next = left ^ (mix(right + round * GOLDEN) & mask);
            left = right;
            right = next;
        }
        position = left << half | right;
    } while (position >= me.pages);
    return position;
}

/* The page that is written `position`-th in the walk over all pages. */
static uint64_t page_at(uint64_t position)
{
    return options.scattered ? scatter(position) : position;
}

static uint64_t seed_of(uint64_t page, uint64_t version)
{
    return mix(mix(page + 1) + version * GOLDEN + (uint64_t)me.rank);
}

static void fill(uint64_t page, uint64_t version)
{
    uint64_t *word = me.words + page * PAGE_WORDS, seed = seed_of(page, version);
    for (size_t i = 0; i < PAGE_WORDS; i++)
        word[i] = mix(seed += GOLDEN);
}

/* Returns a digest of the page, 0 if it is not what it should be. */
static uint64_t check(uint64_t page, uint64_t version)
{
    const uint64_t *word = me.words + page * PAGE_WORDS;
    uint64_t seed = seed_of(page, version), sum = 1;
    for (size_t i = 0; i < PAGE_WORDS; i++) {
        if (word[i] != mix(seed += GOLDEN))
            return 0;
        sum = mix(sum ^ word[i]);
    }
    return sum ? sum : 1;
}

static void write_pages(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++, me.written++)
        fill(page_at(me.written % me.pages), me.written / me.pages + 1);
}

/* About --compute microseconds on memory that stays in the cache. */
static void compute(void)
{
    uint64_t until = now_ns() + (uint64_t)options.compute_us * 1000u;
    do {
        for (size_t i = 1; i < COMPUTE_BYTES / sizeof *me.compute; i++)
            me.compute[i] = me.compute[i] * 0.5 + me.compute[i - 1] * 0.25;
    } while (now_ns() < until);
}

/* The end of an iteration; the sum over ranks of `value`. */
static long reduce(long value)
{
    long sum = 0;
    compute();
    MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    uint64_t now = now_ns(), took = now - times.before_ns;
    times.before_ns = now;
    times.longest_ns = took > times.longest_ns ? took : times.longest_ns;
    if (times.count < KEPT_TIMES)
        times.ns[times.count] = took;
    times.count++;
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* One write per line: lines of several ranks must not mix. */
static void report(long round)
{
    char line[256];
    size_t kept = times.count < KEPT_TIMES ? times.count : KEPT_TIMES;
    qsort(times.ns, kept, sizeof *times.ns, compare);
    int length = snprintf(line, sizeof line,
                          "rounds rank=%d round=%ld at_ns=%" PRIu64 " iterations=%" PRIu64
                          " pages=%" PRIu64 " longest_ns=%" PRIu64 " median_ns=%" PRIu64 "\n",
                          me.rank, round, now_ns(), times.count, me.pages_a_round, times.longest_ns,
                          kept ? times.ns[kept / 2] : 0);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        MPI_Abort(MPI_COMM_WORLD, 1);
    times.longest_ns = times.count = 0;
}

static void work_a_round(void)
{
    for (long i = 0; i < options.iterations; i++) {
        uint64_t done = me.pages_a_round * (uint64_t)i / (uint64_t)options.iterations;
        uint64_t next = me.pages_a_round * (uint64_t)(i + 1) / (uint64_t)options.iterations;
        write_pages(next - done);
        (void)reduce(0);
    }
}

/* Until rank 0 sees the byte of this round. */
static void pause_until_told(long round)
{
    long told;
    do {
        struct stat go;
        told = me.rank == 0 && stat(options.go, &go) == 0 && go.st_size >= round;
    } while (!reduce(told));
}

static int is_ended(void)
{
    return reduce(options.end && me.rank == 0 && access(options.end, F_OK) == 0) != 0;
}

static void work(void)
{
    long round = 0;
    times.before_ns = now_ns();
    while (round < options.rounds && !is_ended()) {
        work_a_round();
        report(++round);
        if (options.go)
            pause_until_told(round);
    }
}

/* Each page was written as often as the walk has come over it. */
static uint64_t check_all(uint64_t *wrong)
{
    uint64_t digest = 0;
    for (uint64_t position = 0; position < me.pages; position++) {
        uint64_t version = me.written > position ? (me.written - position - 1) / me.pages + 1 : 0;
        uint64_t page = page_at(position), sum = check(page, version);
        *wrong += sum == 0;
        digest += mix(sum + page); /* in any order */
    }
    return mix(digest + (uint64_t)me.rank);
}

static int verify(void)
{
    uint64_t wrong = 0, all_wrong = 0, digest = check_all(&wrong), all = 0;
    if (wrong)
        fprintf(stderr,
                "bench-dirty: rank %d: %" PRIu64 " of %" PRIu64
                " pages are not what they should be\n",
                me.rank, wrong, me.pages);
    MPI_Allreduce(&wrong, &all_wrong, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(&digest, &all, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (me.rank == 0)
        printf("DIGEST %016" PRIx64 "\n", all);
    return all_wrong ? 1 : 0;
}

static int set_up(void)
{
    size_t bytes = (size_t)options.mebibytes << 20;
    me.pages = bytes / PAGE_BYTES;
    me.pages_a_round = (uint64_t)((double)me.pages * options.percent / 100);
    while (UINT64_C(1) << me.index_bits < me.pages)
        me.index_bits++;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    me.compute = calloc(COMPUTE_BYTES, 1);
    if (memory == MAP_FAILED || !me.compute) {
        perror("bench-dirty: memory");
        return 1;
    }
    /* Not as the kernel likes: it would decide what is measured. */
    if (madvise(memory, bytes, options.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) {
        perror("bench-dirty: madvise");
        return 1;
    }
    me.words = memory;
    me.compute[0] = 1;
    for (uint64_t page = 0; page < me.pages; page++)
        fill(page, 0);
    return 0;
}

static int usage(void)
{
    if (me.rank == 0)
        fprintf(stderr,
                "usage: bench-dirty [--mebibytes N] [--percent P] [--pattern scattered|block] "
                "[--iterations N]\n"
                "                   [--compute MICROSECONDS] [--rounds N] [--go FILE] [--end FILE] "
                "[--huge]\n");
    return 2;
}

static int parse(int argc, char **argv)
{
    static const struct option known[] = {{"mebibytes", 1, NULL, 'm'}, {"percent", 1, NULL, 'p'},
                                          {"pattern", 1, NULL, 't'},   {"iterations", 1, NULL, 'i'},
                                          {"compute", 1, NULL, 'c'},   {"rounds", 1, NULL, 'r'},
                                          {"go", 1, NULL, 'g'},        {"end", 1, NULL, 'e'},
                                          {"huge", 0, NULL, 'h'},      {NULL, 0, NULL, 0}};
    int pattern_known = 1;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'm':
            options.mebibytes = atol(optarg);
            break;
        case 'p':
            options.percent = atof(optarg);
            break;
        case 't':
            options.scattered = strcmp(optarg, "scattered") == 0;
            pattern_known = options.scattered || strcmp(optarg, "block") == 0;
            break;
        case 'i':
            options.iterations = atol(optarg);
            break;
        case 'c':
            options.compute_us = atol(optarg);
            break;
        case 'r':
            options.rounds = atol(optarg);
            break;
        case 'g':
            options.go = optarg;
            break;
        case 'h':
            options.huge = 1;
            break;
        case 'e':
            options.end = optarg;
            break;
        default:
            return 0;
        }
    }
    return optind == argc && pattern_known && options.mebibytes >= 1 &&
           options.mebibytes <= MOST_MEBIBYTES && options.percent >= 0 && options.percent <= 100 &&
           options.iterations >= 1 && options.compute_us >= 0 && options.rounds >= 1;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &me.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &me.ranks);
    int status = parse(argc, argv) ? 0 : usage();
    if (status == 0)
        status = set_up();
    if (status == 1)
        MPI_Abort(MPI_COMM_WORLD, 1);
    if (status == 0) {
        work();
        status = verify();
    }
    MPI_Finalize();
    return status;
}
