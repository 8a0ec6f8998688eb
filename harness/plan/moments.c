#include "harness/plan/moments.h"

#include "harness/plan/plan.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTS_MAX 100000 /* whatever an mtbf of a nanosecond asks for */

static void add(struct dv_moments *moments, double at_s)
{
    moments->item = dv_reallocate(moments->item, moments->count + 1, sizeof *moments->item);
    moments->item[moments->count++] = (struct dv_moment){at_s, -1};
}

static double draw_gap(const struct dv_fault *fault, uint64_t *seed)
{
    double unit = dv_random_unit(seed);
    if (fault->timing == DV_FAULT_EXPONENTIAL)
        return gsl_cdf_exponential_Pinv(unit, fault->mtbf_s);
    double scale = fault->mtbf_s / gsl_sf_gamma(1 + 1 / fault->shape);
    return gsl_cdf_weibull_Pinv(unit, scale, fault->shape);
}

static void draw_renewals(const struct dv_fault *fault, uint64_t *seed, double limit_s,
                          struct dv_moments *moments)
{
    size_t most = fault->most ? (size_t)fault->most : MOMENTS_MAX;
    double at_s = draw_gap(fault, seed);
    for (; at_s < limit_s && moments->count < most; at_s += draw_gap(fault, seed))
        add(moments, at_s);
}

struct dv_moments dv_moments_draw(const struct dv_fault *fault, uint64_t seed, int64_t ranks,
                                  double limit_s, struct dv_arena *memory)
{
    struct dv_moments drawn = {NULL, 0};
    if (fault->kind == DV_FAULT_NONE)
        return drawn;
    switch (fault->timing) {
    case DV_FAULT_AFTER_EPOCH:
        add(&drawn, NAN);
        break;
    case DV_FAULT_AT:
        add(&drawn, fault->at_low_s + (fault->at_high_s - fault->at_low_s) * dv_random_unit(&seed));
        break;
    case DV_FAULT_SCHEDULE:
        for (size_t i = 0; i < fault->schedule.count; i++)
            add(&drawn, fault->schedule.item[i]);
        break;
    case DV_FAULT_EXPONENTIAL:
    case DV_FAULT_WEIBULL:
        draw_renewals(fault, &seed, limit_s, &drawn);
        break;
    }
    struct dv_moments kept = {dv_arena_alloc(memory, drawn.count + 1, sizeof *kept.item),
                              drawn.count};
    for (size_t i = 0; i < drawn.count; i++) {
        kept.item[i] = drawn.item[i];
        if (fault->kind == DV_FAULT_RANK)
            kept.item[i].rank = fault->rank;
        else if (fault->kind == DV_FAULT_ANY_RANK)
            kept.item[i].rank = (int64_t)dv_random_below(&seed, (uint64_t)ranks);
    }
    free(drawn.item);
    return kept;
}
