#include "apps/common/npb.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const char *const verdict_text[] = {
    [NPB_FAILED] = "UNSUCCESSFUL",
    [NPB_VERIFIED] = "SUCCESSFUL",
    [NPB_NOT_PERFORMED] = "NOT PERFORMED",
};

void npb_say(const struct npb_run *run, const char *format, ...)
{
    if (run->rank != 0)
        return;
    va_list args;
    va_start(args, format);
    fputc(' ', stdout);
    vfprintf(stdout, format, args);
    fputc('\n', stdout);
    fflush(stdout);
    va_end(args);
}

void npb_progress(const struct npb_run *run, int iteration, const char *format, ...)
{
    if (run->rank != 0 || !run->progress)
        return;
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* One call, so that the line reaches the terminal in one piece. */
    fprintf(stderr, "%s: iteration %d/%d at %lld.%09ld s: %s\n", run->program->command, iteration,
            run->iterations, (long long)now.tv_sec, now.tv_nsec, text);
}

bool npb_agrees(const struct npb_run *run, const char *what, double computed, double reference,
                double epsilon)
{
    double error = fabs((computed - reference) / reference);
    bool ok = error <= epsilon; /* false for a NaN */
    if (run->official)
        npb_say(run, "%-15s = %24.16e  reference %24.16e  error %9.2e%s", what, computed, reference,
                error, ok ? "" : "  FAILED");
    else
        npb_say(run, "%-15s = %24.16e", what, computed);
    return ok;
}

double npb_timer_start(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
    return MPI_Wtime();
}

struct npb_span npb_split(int total, int parts, int part)
{
    int each = total / parts, rest = total % parts;
    return (struct npb_span){
        .first = part * each + (part < rest ? part : rest),
        .count = each + (part < rest ? 1 : 0),
    };
}

struct totals {
    double seconds, array_bytes, resident_bytes; /* the largest of any rank */
};

static struct totals collect_totals(const struct npb_result *result)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct totals mine = {result->seconds, (double)npb_alloc_peak(),
                          (double)usage.ru_maxrss * 1024.0};
    struct totals all = {0};
    MPI_Reduce(&mine, &all, (int)(sizeof mine / sizeof(double)), MPI_DOUBLE, MPI_MAX, 0,
               MPI_COMM_WORLD);
    return all;
}

/* The ranks' digests, digested in rank order. */
static uint64_t combine_digests(const struct npb_run *run, uint64_t mine)
{
    size_t count = run->rank == 0 ? (size_t)run->nranks : 0;
    uint64_t *all = npb_alloc(count, sizeof *all);
    MPI_Gather(&mine, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    uint64_t digest = npb_digest(0, all, count * sizeof *all);
    npb_free(all, count, sizeof *all);
    return digest;
}

static void print_report(const struct npb_run *run, const struct npb_result *result,
                         const struct totals *totals, enum npb_verdict verdict, uint64_t digest)
{
    double mops = totals->seconds > 0 ? result->operations / totals->seconds * 1e-6 : 0;
    char size[64];

    if (result->size[1])
        snprintf(size, sizeof size, "%" PRId64 "x%" PRId64 "x%" PRId64, result->size[0],
                 result->size[1], result->size[2]);
    else
        snprintf(size, sizeof size, "%" PRId64, result->size[0]);
    printf("\n\n %s Benchmark Completed.\n", run->program->name);
    printf(" Class           = %24c\n", run->class_name);
    printf(" Size            = %24s\n", size);
    printf(" Iterations      = %24d\n", run->iterations);
    printf(" Time in seconds = %24.3f\n", totals->seconds);
    printf(" Total processes = %24d\n", run->nranks);
    printf(" Mop/s total     = %24.2f\n", mops);
    printf(" Mop/s/process   = %24.2f\n", mops / run->nranks);
    printf(" Operation type  = %24s\n", result->op_type);
    printf(" Array MiB/rank  = %24.1f\n", totals->array_bytes / 0x1p20);
    printf(" Peak RSS MiB    = %24.1f\n", totals->resident_bytes / 0x1p20);
    printf(" Verification    = %24s\n", verdict_text[verdict]);
    printf("DIGEST %016" PRIx64 "\n", digest);
    fflush(stdout);
}

int npb_end(const struct npb_run *run, const struct npb_result *result)
{
    enum npb_verdict verdict = NPB_NOT_PERFORMED;

    if (run->official)
        verdict = result->verified ? NPB_VERIFIED : NPB_FAILED;
    struct totals totals = collect_totals(result);
    uint64_t digest = combine_digests(run, result->digest);
    if (run->rank == 0)
        print_report(run, result, &totals, verdict, digest);
    int failed = verdict == NPB_FAILED;
    MPI_Bcast(&failed, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
