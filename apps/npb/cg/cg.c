/*
 * CG, "conjugate gradient" (RNR-94-007): the smallest eigenvalue of a random sparse
 * matrix by inverse power iteration; each step solves A z = x with 25 conjugate-gradient steps.
 */
#include "apps/npb/cg/cg.h"

#include <math.h>
#include <string.h>

enum { INNER_STEPS = 25 };

#define CG_EPSILON 1e-10

static const struct npb_program program = {
    .name = "CG",
    .command = "npb-cg",
    .summary = "NPB CG: smallest eigenvalue of a sparse matrix by conjugate gradients. The number "
               "of ranks must be a power of two.",
    .rank_rule = NPB_RANKS_POWER_OF_TWO,
    .iterations = {15, 15, 15, 75, 75},
};

static const struct cg_class classes[NPB_CLASS_COUNT] = {
    {1400, 7, 10, 8.5971775078648},     {7000, 8, 12, 10.362595087124},
    {14000, 11, 20, 17.130235054029},   {75000, 13, 60, 22.712745482631},
    {150000, 15, 110, 28.973605592845},
};

struct vectors {
    int count; /* of the segment */
    double *x, *z, *p, *q, *r;
    double *work; /* of the product */
    size_t work_count;
};

static void vectors_create(const struct cg_grid *grid, struct vectors *v)
{
    size_t n = (size_t)grid->column_span.count;
    double **all[] = {&v->x, &v->z, &v->p, &v->q, &v->r};

    v->count = (int)n;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = npb_alloc(n, sizeof(double));
    v->work_count = 2 * (size_t)grid->row_span.count;
    v->work = npb_alloc(v->work_count, sizeof(double));
}

static void vectors_free(struct vectors *v)
{
    double *all[] = {v->x, v->z, v->p, v->q, v->r};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        npb_free(all[i], (size_t)v->count, sizeof(double));
    npb_free(v->work, v->work_count, sizeof(double));
}

static void start_guess(struct vectors *v)
{
    for (int i = 0; i < v->count; i++)
        v->x[i] = 1.0;
}

static void step_solution(struct vectors *v, double alpha)
{
    double *restrict z = v->z, *restrict r = v->r;
    const double *restrict p = v->p, *restrict q = v->q;
    for (int i = 0; i < v->count; i++) {
        z[i] += alpha * p[i];
        r[i] -= alpha * q[i];
    }
}

static void step_direction(struct vectors *v, double beta)
{
    double *restrict p = v->p;
    const double *restrict r = v->r;
    for (int i = 0; i < v->count; i++)
        p[i] = r[i] + beta * p[i];
}

/* z = A^-1 x, nearly; returns |x - A z|. */
static double solve(const struct cg_grid *grid, const struct cg_matrix *a, struct vectors *v)
{
    size_t bytes = (size_t)v->count * sizeof(double);

    memset(v->z, 0, bytes);
    memcpy(v->r, v->x, bytes);
    memcpy(v->p, v->x, bytes);
    double rho = cg_dot(grid, v->r, v->r);
    for (int step = 0; step < INNER_STEPS; step++) {
        cg_multiply(grid, a, v->p, v->work, v->q);
        step_solution(v, rho / cg_dot(grid, v->p, v->q));
        double before = rho;
        rho = cg_dot(grid, v->r, v->r);
        step_direction(v, rho / before);
    }
    cg_multiply(grid, a, v->z, v->work, v->q);
    for (int i = 0; i < v->count; i++)
        v->q[i] = v->x[i] - v->q[i];
    return sqrt(cg_dot(grid, v->q, v->q));
}

/* One step of the inverse power method; returns the estimate of the eigenvalue. */
static double iterate(const struct cg_class *class, const struct cg_grid *grid,
                      const struct cg_matrix *a, struct vectors *v, double *residual)
{
    *residual = solve(grid, a, v);
    double xz = cg_dot(grid, v->x, v->z);
    double scale = 1.0 / sqrt(cg_dot(grid, v->z, v->z));
    for (int i = 0; i < v->count; i++)
        v->x[i] = scale * v->z[i];
    return class->shift + 1.0 / xz;
}

static double count_operations(const struct cg_class *class, int iterations)
{
    double entries = class->row_entries * (class->row_entries + 1.0);
    return 2.0 * iterations * class->n * (3.0 + entries + INNER_STEPS * (5.0 + entries) + 3.0);
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct cg_grid grid;
    struct cg_matrix matrix;
    struct vectors v;
    double zeta = 0, residual = 0;

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    const struct cg_class *class = &classes[run.class_index];
    cg_grid_create(&run, class->n, &grid);
    npb_say(&run, "NAS Parallel Benchmarks - CG: %d rows, %d iterations, %d x %d ranks", class->n,
            run.iterations, grid.rows, grid.columns);
    cg_matrix_create(class, &grid, &matrix);
    vectors_create(&grid, &v);

    start_guess(&v);
    iterate(class, &grid, &matrix, &v, &residual);
    start_guess(&v);
    double start = npb_timer_start();
    for (int i = 1; i <= run.iterations; i++) {
        zeta = iterate(class, &grid, &matrix, &v, &residual);
        npb_progress(&run, i, "zeta %.13f residual %.6e", zeta, residual);
    }
    double seconds = MPI_Wtime() - start;

    struct npb_result result = {
        .size = {class->n},
        .operations = count_operations(class, run.iterations),
        .seconds = seconds,
        .op_type = "floating point",
        .verified = npb_agrees(&run, "Zeta", zeta, class->zeta, CG_EPSILON),
    };
    result.digest = npb_digest(0, v.x, (size_t)v.count * sizeof(double));
    result.digest = npb_digest(result.digest, v.z, (size_t)v.count * sizeof(double));
    result.digest = npb_digest(result.digest, &zeta, sizeof zeta);
    vectors_free(&v);
    cg_matrix_free(&matrix);
    cg_grid_free(&grid);
    return npb_end(&run, &result);
}
