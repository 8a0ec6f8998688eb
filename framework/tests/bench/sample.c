#include "framework/tests/bench/sample.h"

#include "analysis/stats/stats.h"
#include "harness/config/arena.h"

#include <math.h>

void bench_sample_push(struct bench_sample *s, double value)
{
    s->value = dv_reallocate(s->value, s->count + 1, sizeof *s->value);
    s->value[s->count++] = value;
}

double bench_sample_median(const struct bench_sample *s)
{
    return s->count ? dv_stats_median(s->value, s->count) : (double)NAN;
}
