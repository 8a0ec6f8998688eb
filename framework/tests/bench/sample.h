/* A list of numbers that grows, for the summaries of bench-record. Free .value, or leave it to the end of the process. */
#ifndef DV_BENCH_SAMPLE_H
#define DV_BENCH_SAMPLE_H

#include <stddef.h>

struct bench_sample {
    double *value;
    size_t count;
};

void bench_sample_push(struct bench_sample *s, double value);
/* NaN of an empty sample. */
double bench_sample_median(const struct bench_sample *s);

#endif
