#include "analysis/stats/failures.h"

#include "harness/config/arena.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <stdlib.h>

static double shape_of(const struct dv_machine *machine)
{
    return machine->law == DV_LAW_WEIBULL ? machine->shape : 1;
}

/* The first failure among the nodes that have not failed yet. */
static void draw_first(struct dv_failures *f)
{
    if (f->unfailed == 0) {
        f->next_first_s = INFINITY;
        return;
    }
    f->hazard += gsl_ran_exponential(f->rng, 1.0 / (double)f->unfailed);
    f->next_first_s = f->scale_s * pow(f->hazard, 1 / shape_of(&f->machine)) - f->machine.age_s;
}

void dv_failures_begin(struct dv_failures *f, const struct dv_machine *machine, gsl_rng *rng)
{
    double shape = shape_of(machine);
    *f = (struct dv_failures){.machine = *machine, .unfailed = machine->nodes, .rng = rng};
    f->scale_s = machine->node_mtbf_s / gsl_sf_gamma(1 + 1 / shape);
    f->hazard = pow(machine->age_s / f->scale_s, shape);
    draw_first(f);
}

void dv_failures_replay(struct dv_failures *f, const double *moments, size_t count)
{
    *f = (struct dv_failures){.moments = moments, .moment_count = count, .next_first_s = INFINITY};
}

void dv_failures_end(struct dv_failures *f)
{
    free(f->replaced);
    f->replaced = NULL;
}

static void heap_push(struct dv_failures *f, double at_s)
{
    if (f->replaced_count == f->replaced_room) {
        f->replaced_room = f->replaced_room ? 2 * f->replaced_room : 64;
        f->replaced = dv_reallocate(f->replaced, f->replaced_room, sizeof *f->replaced);
    }
    size_t i = f->replaced_count++;
    for (; i > 0 && f->replaced[(i - 1) / 2] > at_s; i = (i - 1) / 2)
        f->replaced[i] = f->replaced[(i - 1) / 2];
    f->replaced[i] = at_s;
}

static double heap_pop(struct dv_failures *f)
{
    double top = f->replaced[0], last = f->replaced[--f->replaced_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < f->replaced_count; i = child) {
        if (child + 1 < f->replaced_count && f->replaced[child + 1] < f->replaced[child])
            child++;
        if (f->replaced[child] >= last)
            break;
        f->replaced[i] = f->replaced[child];
    }
    f->replaced[i] = last;
    return top;
}

double dv_failures_next(struct dv_failures *f)
{
    double at_s;
    if (f->moments)
        return f->moment_next < f->moment_count ? f->moments[f->moment_next++] : INFINITY;
    if (f->replaced_count && f->replaced[0] < f->next_first_s) {
        at_s = heap_pop(f);
    } else {
        at_s = f->next_first_s;
        if (isinf(at_s))
            return at_s;
        f->unfailed--;
        draw_first(f);
    }
    heap_push(f, at_s + gsl_ran_weibull(f->rng, f->scale_s, shape_of(&f->machine)));
    return at_s;
}
