/* The fields that are made from the exact solution or measured by it. */
#include "apps/common/npb_flow.h"
#include "apps/npb/adi/adi.h"

#include <math.h>

static bool on_face(const struct adi_cell *cell, const int at[ADI_DIMS])
{
    for (int d = 0; d < ADI_DIMS; d++)
        if (at[d] < cell->low[d] || at[d] >= cell->high[d])
            return true;
    return false;
}

static void coordinates(const struct adi_grid *grid, const struct adi_cell *cell,
                        const int at[ADI_DIMS], double x[ADI_DIMS])
{
    for (int d = 0; d < ADI_DIMS; d++)
        x[d] = (cell->first[d] + at[d]) * grid->h;
}

typedef void visit_fn(const struct adi_grid *grid, const struct adi_cell *cell,
                      const int at[ADI_DIMS], ptrdiff_t offset, void *context);

/* All points of all cells, with `halo` layers around them. */
static void visit(const struct adi_grid *grid, int halo, visit_fn *function, void *context)
{
    for (int c = 0; c < grid->parts; c++) {
        const struct adi_cell *cell = &grid->cells[c];
        for (int k = -halo; k < cell->n[ADI_Z] + halo; k++)
            for (int j = -halo; j < cell->n[ADI_Y] + halo; j++)
                for (int i = -halo; i < cell->n[ADI_X] + halo; i++)
                    function(grid, cell, (const int[]){i, j, k}, adi_offset(cell, j, k) + i,
                             context);
    }
}

static void set_start(const struct adi_grid *grid, const struct adi_cell *cell,
                      const int at[ADI_DIMS], ptrdiff_t offset, void *context)
{
    double x[ADI_DIMS];

    (void)context;
    coordinates(grid, cell, at, x);
    for (int m = 0; m < ADI_VARS; m++)
        cell->u[m][offset] = on_face(cell, at) ? npb_flow_exact(m, x) : npb_flow_interpolated(m, x);
}

void adi_field_start(const struct adi_grid *grid)
{
    visit(grid, 0, set_start, NULL);
}

static void set_exact(const struct adi_grid *grid, const struct adi_cell *cell,
                      const int at[ADI_DIMS], ptrdiff_t offset, void *context)
{
    double x[ADI_DIMS];

    (void)context;
    coordinates(grid, cell, at, x);
    for (int m = 0; m < ADI_VARS; m++) {
        cell->u[m][offset] = npb_flow_exact(m, x);
        cell->forcing[m][offset] = 0;
    }
}

static void set_forcing(const struct adi_grid *grid, const struct adi_cell *cell,
                        const int at[ADI_DIMS], ptrdiff_t offset, void *context)
{
    (void)context;
    (void)at;
    for (int m = 0; m < ADI_VARS; m++)
        cell->forcing[m][offset] = -cell->rhs[m][offset] / grid->dt;
}

void adi_field_force(const struct adi_grid *grid)
{
    visit(grid, ADI_HALO, set_exact, NULL);
    adi_rhs_compute(grid);
    visit(grid, 0, set_forcing, NULL);
}

static void add_error(const struct adi_grid *grid, const struct adi_cell *cell,
                      const int at[ADI_DIMS], ptrdiff_t offset, void *sums)
{
    double x[ADI_DIMS];

    coordinates(grid, cell, at, x);
    for (int m = 0; m < ADI_VARS; m++) {
        double error = cell->u[m][offset] - npb_flow_exact(m, x);
        ((double *)sums)[m] += error * error;
    }
}

static void add_change(const struct adi_grid *grid, const struct adi_cell *cell,
                       const int at[ADI_DIMS], ptrdiff_t offset, void *sums)
{
    (void)grid;
    (void)at;
    for (int m = 0; m < ADI_VARS; m++)
        ((double *)sums)[m] += cell->rhs[m][offset] * cell->rhs[m][offset];
}

/* Faces add nothing to either sum. */
static void norms(const struct adi_grid *grid, visit_fn *add, double norm[ADI_VARS])
{
    const double unknowns = pow(grid->side - 2, ADI_DIMS);
    double sums[ADI_VARS] = {0};

    visit(grid, 0, add, sums);
    MPI_Allreduce(MPI_IN_PLACE, sums, ADI_VARS, MPI_DOUBLE, MPI_SUM, grid->cart);
    for (int m = 0; m < ADI_VARS; m++)
        norm[m] = sqrt(sums[m] / unknowns);
}

void adi_field_error(const struct adi_grid *grid, double norm[ADI_VARS])
{
    norms(grid, add_error, norm);
}

void adi_field_change(const struct adi_grid *grid, double norm[ADI_VARS])
{
    norms(grid, add_change, norm);
}

uint64_t adi_field_digest(const struct adi_grid *grid)
{
    uint64_t digest = 0;

    for (int c = 0; c < grid->parts; c++) {
        const struct adi_cell *cell = &grid->cells[c];
        for (int m = 0; m < ADI_VARS; m++)
            for (int k = 0; k < cell->n[ADI_Z]; k++)
                for (int j = 0; j < cell->n[ADI_Y]; j++)
                    digest = npb_digest(digest, cell->u[m] + adi_offset(cell, j, k),
                                        (size_t)cell->n[ADI_X] * sizeof(double));
    }
    return digest;
}
