#include "apps/npb/adi/adi.h"

#include <math.h>
#include <stdio.h>

#define ADI_EPSILON 1e-8

struct state {
    const struct adi_benchmark *benchmark;
    struct adi_grid grid;
    struct adi_sweep *sweep;
};

static void add_change(const struct adi_cell *cell)
{
    const int count = cell->high[ADI_X] - cell->low[ADI_X];

    for (int k = cell->low[ADI_Z]; k < cell->high[ADI_Z]; k++)
        for (int j = cell->low[ADI_Y]; j < cell->high[ADI_Y]; j++)
            for (int m = 0; m < ADI_VARS; m++) {
                ptrdiff_t at = adi_offset(cell, j, k) + cell->low[ADI_X];
                double *restrict u = cell->u[m] + at;
                const double *restrict change = cell->rhs[m] + at;
                for (int i = 0; i < count; i++)
                    u[i] += change[i];
            }
}

static void step(struct state *s)
{
    adi_grid_exchange(&s->grid);
    adi_rhs_compute(&s->grid);
    for (int d = 0; d < ADI_DIMS; d++)
        adi_sweep_run(s->sweep, d);
    for (int c = 0; c < s->grid.parts; c++)
        add_change(&s->grid.cells[c]);
}

static void report_step(const struct npb_run *run, const struct state *s, int iteration)
{
    double norm[ADI_VARS], sum = 0;

    if (!run->progress)
        return;
    adi_field_change(&s->grid, norm);
    for (int m = 0; m < ADI_VARS; m++)
        sum += norm[m] * norm[m];
    npb_progress(run, iteration, "change %.13e", sqrt(sum));
}

static bool norms_agree(const struct npb_run *run, const char *what,
                        const double computed[ADI_VARS], const double reference[ADI_VARS])
{
    bool ok = true;

    for (int m = 0; m < ADI_VARS; m++) {
        char name[32];
        snprintf(name, sizeof name, "%s %d", what, m + 1);
        ok &= npb_agrees(run, name, computed[m], reference[m], ADI_EPSILON);
    }
    return ok;
}

/* The residual is what a step of unit length would begin with. */
static bool verify(const struct npb_run *run, const struct state *s)
{
    const struct adi_class *class = &s->benchmark->classes[run->class_index];
    double error[ADI_VARS], residual[ADI_VARS];

    adi_field_error(&s->grid, error);
    adi_grid_exchange(&s->grid);
    adi_rhs_compute(&s->grid);
    adi_field_change(&s->grid, residual);
    for (int m = 0; m < ADI_VARS; m++)
        residual[m] /= s->grid.dt;
    bool ok = norms_agree(run, "Residual", residual, class->residual);
    return norms_agree(run, "Error", error, class->error) && ok;
}

static double count_operations(const struct adi_benchmark *benchmark, double side, int iterations)
{
    const double *c = benchmark->operations;
    return iterations * (((c[0] * side + c[1]) * side + c[2]) * side + c[3]);
}

int adi_main(const struct adi_benchmark *benchmark, int argc, char **argv)
{
    struct npb_run run;
    struct state s = {.benchmark = benchmark};

    if (!npb_begin(&benchmark->program, argc, argv, &run))
        return run.exit_status;
    const struct adi_class *class = &benchmark->classes[run.class_index];
    const int side = class->side;
    if (!adi_grid_create(side, class->dt, run.nranks, benchmark->solver.needs_sound, &s.grid))
        return npb_reject(&run, "class %c is too small for %d ranks", run.class_name, run.nranks);
    npb_say(&run, "NAS Parallel Benchmarks - %s: %d^3 points, dt %g, %d iterations, %d x %d ranks",
            benchmark->program.name, side, class->dt, run.iterations, s.grid.parts, s.grid.parts);
    s.sweep = adi_sweep_create(&s.grid, &benchmark->solver);
    adi_field_force(&s.grid);

    adi_field_start(&s.grid);
    step(&s);
    adi_field_start(&s.grid);
    double start = npb_timer_start();
    for (int i = 1; i <= run.iterations; i++) {
        step(&s);
        report_step(&run, &s, i);
    }
    double seconds = MPI_Wtime() - start;

    struct npb_result result = {
        .size = {side, side, side},
        .operations = count_operations(benchmark, side, run.iterations),
        .seconds = seconds,
        .op_type = "floating point",
        .verified = verify(&run, &s),
        .digest = adi_field_digest(&s.grid),
    };
    adi_sweep_free(s.sweep);
    adi_grid_free(&s.grid);
    return npb_end(&run, &result);
}
