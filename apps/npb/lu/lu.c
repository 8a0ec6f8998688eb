/*
 * LU, "lower-upper" (RNR-94-007, chapter 3): the compressible Navier-Stokes equations in a cube, driven to a known steady state
 * by symmetric successive over-relaxation. The sweeps run as a wavefront over pencils of processes.
 */
#include "apps/npb/lu/lu.h"

#define LU_EPSILON 1e-8

static const struct npb_program program = {
    .name = "LU",
    .command = "npb-lu",
    .summary =
        "NPB LU: Navier-Stokes by SSOR, in pipelined wavefronts. The number of ranks must be "
        "a power of two.",
    .rank_rule = NPB_RANKS_POWER_OF_TWO,
    .iterations = {50, 300, 250, 250, 250},
};

static const struct lu_class {
    int points;
    double time_step;
} classes[NPB_CLASS_COUNT] = {{12, 0.5}, {33, 1.5e-3}, {64, 2.0}, {102, 2.0}, {162, 2.0}};

struct lu {
    struct lu_grid grid;
    struct lu_sweeper *sweeper;
    double *u, *residual, *forcing;
    double *planes; /* three, of primitives */
};

static bool lu_create(int points, int nranks, double time_step, struct lu *lu)
{
    if (!lu_grid_create(points, nranks, &lu->grid))
        return false;
    lu->sweeper = lu_sweeper_create(&lu->grid, time_step);
    lu->u = lu_field_create(&lu->grid);
    lu->residual = lu_field_create(&lu->grid);
    lu->forcing = lu_field_create(&lu->grid);
    lu->planes = npb_alloc(3 * (size_t)lu->grid.plane, sizeof *lu->planes);
    return true;
}

static void lu_free(struct lu *lu)
{
    npb_free(lu->planes, 3 * (size_t)lu->grid.plane, sizeof *lu->planes);
    lu_field_free(&lu->grid, lu->forcing);
    lu_field_free(&lu->grid, lu->residual);
    lu_field_free(&lu->grid, lu->u);
    lu_sweeper_free(lu->sweeper);
    lu_grid_free(&lu->grid);
}

static void refresh_residual(struct lu *lu)
{
    lu_residual(&lu->grid, lu->u, lu->forcing, lu->planes, lu->residual);
}

/* forcing = Op(polynomial); until then it is zero, as the residual is afterwards. */
static void force(struct lu *lu)
{
    double *zero = lu->forcing;

    lu_fill_exact(&lu->grid, lu->u);
    refresh_residual(lu);
    lu->forcing = lu->residual;
    lu->residual = zero;
}

static void start_over(struct lu *lu)
{
    lu_fill_start(&lu->grid, lu->u);
    refresh_residual(lu);
}

static void iterate(struct lu *lu)
{
    lu_step(lu->sweeper, lu->u, lu->residual);
    refresh_residual(lu);
}

/* Leaves the norms of the last residual. */
static void run_steps(const struct npb_run *run, struct lu *lu, double norms[LU_COMPONENTS])
{
    for (int i = 1; i <= run->iterations; i++) {
        iterate(lu);
        if (run->progress || i == run->iterations)
            lu_norms(&lu->grid, lu->residual, norms);
        npb_progress(run, i, "residual of density %.13e", norms[LU_DENSITY]);
    }
}

static bool verify(const struct npb_run *run, struct lu *lu, const double residual[LU_COMPONENTS])
{
    const struct lu_reference *reference = lu_reference(run->class_index);
    double error[LU_COMPONENTS];
    bool ok = true;

    /* In the place of the forcing, which is no longer needed. */
    lu_error_norms(&lu->grid, lu->u, lu->forcing, error);
    double integral = lu_surface_integral(&lu->grid, lu->u);
    for (int m = 0; m < LU_COMPONENTS; m++)
        ok &= npb_agrees(run, "Residual", residual[m], reference->residual[m], LU_EPSILON);
    for (int m = 0; m < LU_COMPONENTS; m++)
        ok &= npb_agrees(run, "Error", error[m], reference->error[m], LU_EPSILON);
    ok &= npb_agrees(run, "Integral", integral, reference->integral, LU_EPSILON);
    return ok;
}

static double count_operations(double points, int iterations)
{
    return iterations * (((1984.77 * points - 10923.3) * points + 27770.9) * points - 144010.0);
}

int main(int argc, char **argv)
{
    struct npb_run run;
    struct lu lu;
    double norms[LU_COMPONENTS] = {0};

    if (!npb_begin(&program, argc, argv, &run))
        return run.exit_status;
    const struct lu_class *class = &classes[run.class_index];
    if (!lu_create(class->points, run.nranks, class->time_step, &lu))
        return npb_reject(&run, "class %c is too small for %d ranks", run.class_name, run.nranks);
    npb_say(&run, "NAS Parallel Benchmarks - LU: %d^3 points, %d iterations, %d x %d ranks",
            class->points, run.iterations, lu.grid.axis[LU_X].procs, lu.grid.axis[LU_Y].procs);

    force(&lu);
    start_over(&lu);
    iterate(&lu);
    start_over(&lu);
    double start = npb_timer_start();
    run_steps(&run, &lu, norms);
    double seconds = MPI_Wtime() - start;

    struct npb_result result = {
        .size = {class->points, class->points, class->points},
        .operations = count_operations(class->points, run.iterations),
        .seconds = seconds,
        .op_type = "floating point",
    };
    result.digest = npb_digest(0, lu.u, lu.grid.doubles * sizeof(double));
    result.digest = npb_digest(result.digest, lu.residual, lu.grid.doubles * sizeof(double));
    result.verified = verify(&run, &lu, norms);
    lu_free(&lu);
    return npb_end(&run, &result);
}
