/*
 * MG, "multigrid" (RNR-94-007): V-cycles for Poisson's equation on a periodic cube
 * with twenty point charges.
 */
#include "apps/npb/mg/mg.h"

#include <math.h>
#include <string.h>

#define MG_EPSILON 1e-8

static const struct npb_program program = {
    .name = "MG",
    .command = "npb-mg",
    .summary = "NPB MG: multigrid V-cycles on a periodic cube. The number of ranks must be a power "
               "of two.",
    .rank_rule = NPB_RANKS_POWER_OF_TWO,
    .iterations = {4, 4, 4, 20, 20},
};

static const double smoother_small[3] = {-3.0 / 8.0, 1.0 / 32.0, -1.0 / 64.0};
static const double smoother_large[3] = {-3.0 / 17.0, 1.0 / 33.0, -1.0 / 61.0};

static const struct mg_class {
    int side;
    const double *smoother;
    double norm;
} classes[NPB_CLASS_COUNT] = {
    {32, smoother_small, 0.5307707005734e-04},  {128, smoother_small, 0.6467329375339e-05},
    {256, smoother_small, 0.2433365309069e-05}, {256, smoother_large, 0.1800564401355e-05},
    {512, smoother_large, 0.5706732285740e-06},
};

static void residual(const struct mg_hierarchy *h, int k, const double *v)
{
    const struct mg_level *level = &h->level[k];
    mg_residual(&level->shape, level->u, v, level->r);
    mg_exchange(h, k, level->r);
}

static void smooth(const struct mg_hierarchy *h, int k, const double *c)
{
    const struct mg_level *level = &h->level[k];
    mg_smooth(&level->shape, c, level->r, level->u);
    mg_exchange(h, k, level->u);
}

/* Level k - 1 is the finest whole one and k is not: the step where processes gather or part. */
static bool crosses(const struct mg_hierarchy *h, int k)
{
    return h->level[k - 1].whole && !h->level[k].whole;
}

/* The residual of level k goes to level k - 1. */
static void go_down(const struct mg_hierarchy *h, int k)
{
    const struct mg_level *fine = &h->level[k], *coarse = &h->level[k - 1];

    if (crosses(h, k)) {
        double piece[h->piece.points];
        mg_restrict(&fine->shape, fine->r, &h->piece, piece);
        mg_gather(h, k - 1, piece, coarse->r);
    } else {
        mg_restrict(&fine->shape, fine->r, &coarse->shape, coarse->r);
        mg_exchange(h, k - 1, coarse->r);
    }
}

/* The correction of level k - 1 is added to level k. */
static void go_up(const struct mg_hierarchy *h, int k)
{
    const struct mg_level *fine = &h->level[k], *coarse = &h->level[k - 1];
    struct mg_shape part = coarse->shape;
    const double *from = coarse->u;

    if (crosses(h, k)) {
        const int *place = h->topology.place, *n = h->piece.n;
        memcpy(part.n, n, sizeof part.n);
        from += place[MG_Z] * n[MG_Z] * part.plane + place[MG_Y] * n[MG_Y] * part.row +
                place[MG_X] * n[MG_X];
    }
    mg_interpolate(&part, from, &fine->shape, fine->u);
}

static void clear(const struct mg_level *level)
{
    memset(level->u, 0, level->shape.points * sizeof *level->u);
}

static void cycle(const struct mg_hierarchy *h, const double *smoother)
{
    for (int k = h->top; k > 1; k--)
        go_down(h, k);
    clear(&h->level[1]);
    smooth(h, 1, smoother);
    for (int k = 2; k < h->top; k++) {
        clear(&h->level[k]);
        go_up(h, k);
        residual(h, k, h->level[k].r);
        smooth(h, k, smoother);
    }
    go_up(h, h->top);
    residual(h, h->top, h->v);
    smooth(h, h->top, smoother);
}

/* The root mean square of the top level's residual. */
static double norm(const struct mg_hierarchy *h, int side)
{
    const struct mg_level *top = &h->level[h->top];
    double mine = mg_sum_squares(&top->shape, top->r), all = 0;
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, h->topology.cart);
    return sqrt(all / ((double)side * side * side));
}

static void start_over(const struct mg_hierarchy *h)
{
    clear(&h->level[h->top]);
    mg_fill_charges(h, h->v);
}

static double run_cycles(const struct npb_run *run, const struct mg_hierarchy *h,
                         const struct mg_class *class)
{
    residual(h, h->top, h->v);
    double rms = norm(h, class->side);
    for (int i = 1; i <= run->iterations; i++) {
        cycle(h, class->smoother);
        residual(h, h->top, h->v);
        if (run->progress || i == run->iterations)
            rms = norm(h, class->side);
        npb_progress(run, i, "residual %.13e", rms);
    }
    return rms;
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct mg_hierarchy h;

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    const struct mg_class *class = &classes[run.class_index];
    if (!mg_hierarchy_create(class->side, run.nranks, &h))
        return npb_reject(&run, "class %c is too small for %d ranks", run.class_name, run.nranks);
    npb_say(&run, "NAS Parallel Benchmarks - MG: %d^3 points, %d iterations, %d x %d x %d ranks",
            class->side, run.iterations, h.topology.procs[MG_X], h.topology.procs[MG_Y],
            h.topology.procs[MG_Z]);
    const struct mg_level *top = &h.level[h.top];

    start_over(&h);
    residual(&h, h.top, h.v);
    cycle(&h, class->smoother);
    residual(&h, h.top, h.v);
    start_over(&h);
    double start = npb_timer_start();
    double rms = run_cycles(&run, &h, class);
    double seconds = MPI_Wtime() - start;

    struct npb_result result = {
        .size = {class->side, class->side, class->side},
        .operations = 58.0 * run.iterations * class->side * class->side * class->side,
        .seconds = seconds,
        .op_type = "floating point",
        .verified = npb_agrees(&run, "L2 norm", rms, class->norm, MG_EPSILON),
    };
    result.digest = npb_digest(0, top->u, top->shape.points * sizeof(double));
    result.digest = npb_digest(result.digest, top->r, top->shape.points * sizeof(double));
    mg_hierarchy_free(&h);
    return npb_end(&run, &result);
}
