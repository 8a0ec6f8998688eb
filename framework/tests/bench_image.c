/* bench-image: how fast images are written and read, beside memcpy in the same run.
 *
 *     bench-image [DIRECTORY [REPETITIONS [MEBIBYTES]]]        (defaults /dev/shm, 7, 1024)
 *
 * Each repetition, interleaved: memcpy between two warm buffers; an image written to a new file;
 * one written to a recycled file by a process that has not written it before (pwrite), and one by a
 * process that has (kept mapping); loading it into warm memory, and into fresh huge-page memory
 * with 1 and 2 threads, beside the first touch of such memory alone. Prints the medians in GB/s
 * (10^9) and their ratios to memcpy. Single process; the wall clock (CLOCK_MONOTONIC). */
#include "common/io.h"
#include "image/checksum.h"
#include "image/image.h"
#include "image/mapping.h"

#include <dejavu/log.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES (2u << 20)
#define MAX_REPETITIONS 101

enum measure {
    MEMCPY,
    WRITE_FRESH,
    WRITE_RECYCLED,
    WRITE_MAPPED,
    COMMIT_FIRST,
    COMMIT_MAPPED,
    LOAD_WARM,
    TOUCH_FRESH,
    LOAD_FRESH_1,
    LOAD_FRESH_2,
    MEASURES
};

static const char *const names[MEASURES] = {
    [MEMCPY] = "memcpy, warm to warm",
    [WRITE_FRESH] = "write, new file",
    [WRITE_RECYCLED] = "write, recycled, first by this process",
    [WRITE_MAPPED] = "write, recycled, steady state",
    [COMMIT_FIRST] = "commit, first by this process (no stall)",
    [COMMIT_MAPPED] = "commit, steady state (no stall)",
    [LOAD_WARM] = "load, warm memory, 1 thread",
    [TOUCH_FRESH] = "first touch of fresh huge-page memory",
    [LOAD_FRESH_1] = "load, fresh memory, 1 thread",
    [LOAD_FRESH_2] = "load, fresh memory, 2 threads",
};

static struct {
    char directory[PATH_MAX];
    size_t bytes;
    char *source, *copy;
    double seconds[MEASURES][MAX_REPETITIONS];
    int repetition;
} bench;

static void must(enum dv_status status, const char *what)
{
    if (!status)
        return;
    dv_error("bench", "%s: %s", what, dv_status_text(status));
    if (dv_remove_tree(bench.directory))
        dv_warn("bench", "%s is left", bench.directory);
    exit(DV_EXIT_FAILED);
}

static void *map_memory(size_t bytes, void **base)
{
    char *p =
        mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        must(DV_ERR_NO_MEMORY, "mmap");
    *base = p;
    return (void *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
}

static void record(enum measure m, uint64_t from_ns)
{
    bench.seconds[m][bench.repetition] = (double)(dv_now_ns() - from_ns) * 1e-9;
}

/* Write an image named `name`, over `old` if given; the stall is new to finish. */
static void write_image(const char *name, const char *old, enum measure stall, int commit_measure)
{
    struct dv_image_identity id = {
        .epoch = 1, .size = 1, .page_bytes = 4096, .strategy = "full+coordinated"};
    struct dv_image_spec spec = {.directory = bench.directory,
                                 .name = name,
                                 .recycle = old,
                                 .identity = &id,
                                 .most_pages = bench.bytes / 4096};
    struct dv_image_writer *w;
    uint64_t start = dv_now_ns();
    must(dv_image_writer_new(&spec, &w), "new");
    must(dv_image_writer_begin(w), "begin");
    must(dv_image_write_pages(w, 1ull << 40, bench.bytes, bench.source), "write");
    must(dv_image_writer_finish(w, NULL), "finish");
    record(stall, start);
    start = dv_now_ns();
    must(dv_image_writer_commit(w), "commit");
    if (commit_measure >= 0)
        record((enum measure)commit_measure, start);
}

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    (void)epoch;
    (void)rank;
    snprintf(path, path_bytes, "%s", (const char *)arg);
    return DV_OK;
}

static void load_image(const char *path, void *destination, unsigned threads, enum measure m)
{
    struct dv_image_chain *c;
    uint64_t start = dv_now_ns();
    must(dv_image_chain_open(locate, (void *)(uintptr_t)path, 1, 0, &c), "open");
    must(dv_image_chain_load(c, 1ull << 40, (1ull << 40) + bench.bytes, destination, threads),
         "load");
    record(m, start);
    dv_image_chain_close(c);
    if (memcmp(destination, bench.source, bench.bytes) != 0)
        must(DV_ERR_INTERNAL, "the memory loaded differs");
}

static void load_fresh(const char *path, unsigned threads, enum measure m)
{
    void *base, *memory = map_memory(bench.bytes, &base);
    madvise(memory, bench.bytes, MADV_HUGEPAGE);
    load_image(path, memory, threads, m);
    munmap(base, bench.bytes + HUGE_BYTES);
}

static void touch_fresh(void)
{
    void *base;
    volatile char *memory = map_memory(bench.bytes, &base);
    madvise((void *)memory, bench.bytes, MADV_HUGEPAGE);
    uint64_t start = dv_now_ns();
    for (size_t i = 0; i < bench.bytes; i += 4096)
        memory[i] = 1;
    record(TOUCH_FRESH, start);
    munmap(base, bench.bytes + HUGE_BYTES);
}

static void repeat(void)
{
    char a[PATH_MAX + 8], b[PATH_MAX + 8];
    snprintf(a, sizeof a, "%s/a", bench.directory);
    snprintf(b, sizeof b, "%s/b", bench.directory);
    uint64_t start = dv_now_ns();
    memcpy(bench.copy, bench.source, bench.bytes);
    record(MEMCPY, start);
    write_image("a", NULL, WRITE_FRESH, -1);
    dv_mapping_drop_all();
    write_image("b", a, WRITE_RECYCLED, COMMIT_FIRST);
    write_image("a", b, WRITE_MAPPED, COMMIT_MAPPED);
    load_image(a, bench.copy, 1, LOAD_WARM);
    touch_fresh();
    load_fresh(a, 1, LOAD_FRESH_1);
    load_fresh(a, 2, LOAD_FRESH_2);
    if (unlink(a) < 0)
        must(DV_ERR_IO, "unlink");
    dv_image_trim();
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_gbs(enum measure m, int n)
{
    double *s = bench.seconds[m];
    qsort(s, (size_t)n, sizeof *s, compare);
    double median = n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
    return (double)bench.bytes / median * 1e-9;
}

static void print_results(int n)
{
    double base = median_gbs(MEMCPY, n);
    printf("%zu MiB in %s, %d repetitions, checksum %s\n", bench.bytes >> 20, bench.directory, n,
           dv_checksum_variant());
    printf("%-42s %11s %9s %9s %7s\n", "", "median", "slowest", "fastest", "memcpy");
    for (int m = 0; m < MEASURES; m++) {
        double median = median_gbs((enum measure)m, n), *t = bench.seconds[m];
        double bytes = (double)bench.bytes;
        if (m == COMMIT_FIRST || m == COMMIT_MAPPED)
            printf("%-42s %6.2f ms   %9.2f %9.2f\n", names[m], bytes / median * 1e-6,
                   t[n - 1] * 1e3, t[0] * 1e3);
        else
            printf("%-42s %6.2f GB/s %9.2f %9.2f %6.0f%%\n", names[m], median,
                   bytes / t[n - 1] * 1e-9, bytes / t[0] * 1e-9, 100 * median / base);
    }
}

int main(int argc, char **argv)
{
    const char *parent = argc > 1 ? argv[1] : "/dev/shm";
    int repetitions = argc > 2 ? atoi(argv[2]) : 7;
    long mebibytes = argc > 3 ? atol(argv[3]) : 1024;
    dv_log_setup(2, -1, DV_LOG_INFO);
    if (repetitions < 1 || repetitions > MAX_REPETITIONS || mebibytes < 1 || mebibytes > 1 << 20) {
        dv_error("bench", "usage: bench-image [DIRECTORY [REPETITIONS 1-%d [MEBIBYTES]]]",
                 MAX_REPETITIONS);
        return DV_EXIT_USAGE;
    }
    snprintf(bench.directory, sizeof bench.directory, "%s/bench-image.XXXXXX", parent);
    if (!mkdtemp(bench.directory))
        must(DV_ERR_SYSTEM, bench.directory);
    bench.bytes = (size_t)mebibytes << 20;
    void *base;
    bench.source = map_memory(bench.bytes, &base);
    bench.copy = map_memory(bench.bytes, &base);
    uint64_t value = 1;
    for (size_t i = 0; i < bench.bytes / 8; i++)
        ((uint64_t *)bench.source)[i] = value =
            value * 6364136223846793005ull + 1442695040888963407ull;
    memset(bench.copy, 1, bench.bytes);
    for (bench.repetition = 0; bench.repetition < repetitions; bench.repetition++)
        repeat();
    print_results(repetitions);
    must(dv_remove_tree(bench.directory), "remove");
    return 0;
}
