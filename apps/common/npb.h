/*
 * What the NAS Parallel Benchmarks in apps/npb share: start-up and arguments, the random numbers of
 * the specification, memory, the digest of the final state, the report. apps/synthetic uses all but
 * the start-up.
 *
 * A benchmark is
 *
 *     struct npb_run run;
 *     if (!npb_begin(&program, argc, argv, &run))
 *         return run.exit_status;
 *     ... set up, run, fill a struct npb_result ...
 *     return npb_end(&run, &result);
 *
 * npb_begin initialises MPI, npb_end finalises it. All ranks call both, and all return the same
 * status: 0 verified (or not to be verified), 1 verification failed, 2 usage. These are plain MPI
 * programs; nothing here knows of checkpointing.
 */
#ifndef NPB_H
#define NPB_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NPB_CLASSES "SWABC"
#define NPB_CLASS_COUNT 5

/* The rank counts that a benchmark can use whatever its class; limits of one class: npb_reject. */
enum npb_rank_rule { NPB_RANKS_ANY, NPB_RANKS_POWER_OF_TWO, NPB_RANKS_SQUARE };

enum npb_verdict { NPB_FAILED, NPB_VERIFIED, NPB_NOT_PERFORMED };

struct npb_program {
    const char *name;    /* in the report: "CG" */
    const char *command; /* in messages: "npb-cg" */
    const char *summary; /* one line for --help */
    enum npb_rank_rule rank_rule;
    int iterations[NPB_CLASS_COUNT]; /* of each class, in the order of NPB_CLASSES */
};

struct npb_run {
    const struct npb_program *program;
    int rank, nranks; /* in MPI_COMM_WORLD */
    char class_name;
    int class_index; /* position in NPB_CLASSES */
    int iterations;  /* of the class, unless --iterations says otherwise */
    bool official;   /* the iterations are those of the class: the result can be verified */
    bool progress;
    int exit_status; /* when npb_begin returned false */
};

/* Filled by every rank; what is marked (rank 0) need only be right there. */
struct npb_result {
    int64_t size[3];     /* the problem's extents; unused ones 0 */
    double operations;   /* (rank 0) of the timed part, by NPB's formula */
    double seconds;      /* this rank's time; the report takes the largest */
    uint64_t digest;     /* of this rank's final state, npb_digest */
    const char *op_type; /* (rank 0) "floating point" */
    bool verified;       /* (rank 0) ignored when the run is not official */
};

bool npb_begin(const struct npb_program *program, int argc, char **argv, struct npb_run *run);
int npb_end(const struct npb_run *run, const struct npb_result *result);

/* Ends the run before it started: rank 0 prints one line, every rank gets the status to return (2).
 */
int npb_reject(const struct npb_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line on rank 0: npb_say on stdout; npb_progress on stderr, with the time, and only with --progress. */
void npb_say(const struct npb_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void npb_progress(const struct npb_run *run, int iteration, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints computed against reference and says whether they agree to within epsilon, relatively. */
bool npb_agrees(const struct npb_run *run, const char *what, double computed, double reference,
                double epsilon);

/* Zeroed, aligned to a cache line; counted for the report; ends the whole run when there is none.
 */
void *npb_alloc(size_t count, size_t size);
void npb_free(void *memory, size_t count, size_t size);
size_t npb_alloc_peak(void);

/* Start a timed part: all ranks leave together. The end is MPI_Wtime() minus what this returned. */
double npb_timer_start(void);

/* Chains: start with 0, hand the last value in. */
uint64_t npb_digest(uint64_t digest, const void *data, size_t bytes);

/* [first, first + count) of total things that part number `part` of `parts` equal ones gets. */
struct npb_span {
    int first, count;
};
struct npb_span npb_split(int total, int parts, int part);

static inline bool npb_is_power_of_two(int n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

#endif
