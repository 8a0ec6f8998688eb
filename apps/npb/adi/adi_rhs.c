/*
 * The right-hand side. In each direction, with v the velocity in it, p the pressure and e the
 * energy (all per RNR-94-007, chapter 3; differences are central, second order):
 *
 *     density     -(rho v)'                          momentum, own   -(rho v v + p)' + 4/3 k v''
 *     energy      -((e + p) v)' + heat''             momentum, other -(rho w v)' + k w''
 *
 * and for all five d u'' and the fourth-order damping. The three directions differ in the order of
 * the momenta only. Rows of x are computed one at a time, so that they stay in the first cache.
 */
#include "apps/npb/adi/adi.h"

#include <math.h>

enum { REACH = 2 * ADI_HALO + 1 };

/* Factors of differences, times dt. */
struct factors {
    double centred;       /* 1 / 2h */
    double second;        /* 1 / h^2 */
    double linear[REACH]; /* all terms that are linear in u */
};

const double *adi_rhs_damping(int side, int place)
{
    static const double weights[][REACH] = {
        {0, 0, 5, -4, 1}, {0, -4, 6, -4, 1}, {1, -4, 6, -4, 1}, {1, -4, 6, -4, 0}, {1, -4, 5, 0, 0},
    };
    const int middle = 2, from_end = side - 1 - place;

    if (place <= middle)
        return weights[place - 1];
    return from_end <= middle ? weights[2 * middle + 1 - from_end] : weights[middle];
}

static struct factors factors_at(const struct adi_grid *grid, int direction, int place, double dt)
{
    const double *damping = adi_rhs_damping(grid->side, place);
    struct factors f = {.centred = dt / (2 * grid->h), .second = dt / (grid->h * grid->h)};
    const double diffusion = f.second * adi_diffusion[direction];
    const double second[REACH] = {0, diffusion, -2 * diffusion, diffusion, 0};

    for (int i = 0; i < REACH; i++)
        f.linear[i] = second[i] - dt * ADI_DAMPING * damping[i];
    return f;
}

/* The row kernels: `count` points from the pointers on, neighbours at distance s. */

static void add_linear(int count, ptrdiff_t s, const double factor[REACH], const double *u,
                       double *restrict rhs)
{
    const double f0 = factor[0], f1 = factor[1], f2 = factor[2], f3 = factor[3], f4 = factor[4];
    for (int i = 0; i < count; i++)
        rhs[i] += f0 * u[i - 2 * s] + f1 * u[i - s] + f2 * u[i] + f3 * u[i + s] + f4 * u[i + 2 * s];
}

static void add_density(int count, ptrdiff_t s, double centred, const double *momentum,
                        double *restrict rhs)
{
    for (int i = 0; i < count; i++)
        rhs[i] -= centred * (momentum[i + s] - momentum[i - s]);
}

/* w: the momentum's own velocity, v that of the direction. */
static void add_momentum(int count, ptrdiff_t s, double centred, double viscous,
                         const double *momentum, const double *w, const double *v,
                         double *restrict rhs)
{
    for (int i = 0; i < count; i++)
        rhs[i] += viscous * (w[i + s] - 2 * w[i] + w[i - s]) -
                  centred * (momentum[i + s] * v[i + s] - momentum[i - s] * v[i - s]);
}

static void add_pressure(int count, ptrdiff_t s, double centred, const double *pressure,
                         double *restrict rhs)
{
    for (int i = 0; i < count; i++)
        rhs[i] -= centred * (pressure[i + s] - pressure[i - s]);
}

static void add_energy(const struct adi_cell *cell, int direction, int count, ptrdiff_t at,
                       const struct factors *f)
{
    const ptrdiff_t s = cell->stride[direction];
    const double *e = cell->u[ADI_VARS - 1] + at, *v = cell->velocity[direction] + at;
    const double *p = cell->pressure + at, *q = cell->kinetic + at, *r = cell->inverse + at;
    double *restrict rhs = cell->rhs[ADI_VARS - 1] + at;
    const double centred = f->centred, conduction = f->second * ADI_CONDUCTION;
    const double shear = f->second * (ADI_VISCOSITY - ADI_CONDUCTION);
    const double bulk = f->second * ADI_VISCOSITY / 6;

    for (int i = 0; i < count; i++)
        rhs[i] += shear * (q[i + s] - 2 * q[i] + q[i - s]) +
                  bulk * (v[i + s] * v[i + s] - 2 * v[i] * v[i] + v[i - s] * v[i - s]) +
                  conduction * (e[i + s] * r[i + s] - 2 * e[i] * r[i] + e[i - s] * r[i - s]) -
                  centred * ((e[i + s] + p[i + s]) * v[i + s] - (e[i - s] + p[i - s]) * v[i - s]);
}

/* The terms of one direction, in `count` points of a row whose factors are the same. */
static void add_direction(const struct adi_cell *cell, int direction, int count, ptrdiff_t at,
                          const struct factors *f)
{
    const ptrdiff_t s = cell->stride[direction];

    for (int m = 0; m < ADI_VARS; m++)
        add_linear(count, s, f->linear, cell->u[m] + at, cell->rhs[m] + at);
    add_density(count, s, f->centred, cell->u[1 + direction] + at, cell->rhs[0] + at);
    for (int d = 0; d < ADI_DIMS; d++)
        add_momentum(count, s, f->centred,
                     f->second * ADI_VISCOSITY * (d == direction ? 4.0 / 3.0 : 1.0),
                     cell->u[1 + d] + at, cell->velocity[d] + at, cell->velocity[direction] + at,
                     cell->rhs[1 + d] + at);
    add_pressure(count, s, f->centred, cell->pressure + at, cell->rhs[1 + direction] + at);
    add_energy(cell, direction, count, at, f);
}

/* Along x the damping changes within the row: piece by piece, the middle in one. */
static void add_along_row(const struct adi_grid *grid, const struct adi_cell *cell, ptrdiff_t row,
                          double dt)
{
    const int middle_end = grid->side - 3;

    for (int i = cell->low[ADI_X], count; i < cell->high[ADI_X]; i += count) {
        int place = cell->first[ADI_X] + i, rest = cell->high[ADI_X] - i;
        count = place > 2 && place < middle_end ? middle_end - place : 1;
        if (count > rest)
            count = rest;
        struct factors f = factors_at(grid, ADI_X, place, dt);
        add_direction(cell, ADI_X, count, row + i, &f);
    }
}

static void compute_row(const struct adi_grid *grid, const struct adi_cell *cell, int j, int k)
{
    const ptrdiff_t row = adi_offset(cell, j, k), at = row + cell->low[ADI_X];
    const int count = cell->high[ADI_X] - cell->low[ADI_X];
    const double dt = grid->dt;

    for (int m = 0; m < ADI_VARS; m++) {
        double *restrict rhs = cell->rhs[m] + at;
        const double *restrict forcing = cell->forcing[m] + at;
        for (int i = 0; i < count; i++)
            rhs[i] = dt * forcing[i];
    }
    add_along_row(grid, cell, row, dt);
    struct factors y = factors_at(grid, ADI_Y, cell->first[ADI_Y] + j, dt);
    add_direction(cell, ADI_Y, count, at, &y);
    struct factors z = factors_at(grid, ADI_Z, cell->first[ADI_Z] + k, dt);
    add_direction(cell, ADI_Z, count, at, &z);
}

static void derive_row(const struct adi_cell *cell, int count, ptrdiff_t at)
{
    const double *u0 = cell->u[0] + at, *u1 = cell->u[1] + at, *u2 = cell->u[2] + at;
    const double *u3 = cell->u[3] + at, *u4 = cell->u[4] + at;
    double *restrict vx = cell->velocity[ADI_X] + at, *restrict vy = cell->velocity[ADI_Y] + at;
    double *restrict vz = cell->velocity[ADI_Z] + at, *restrict q = cell->kinetic + at;
    double *restrict r = cell->inverse + at, *restrict p = cell->pressure + at;

    for (int i = 0; i < count; i++) {
        double inverse = 1.0 / u0[i], x = u1[i] * inverse, y = u2[i] * inverse, z = u3[i] * inverse;
        r[i] = inverse;
        vx[i] = x;
        vy[i] = y;
        vz[i] = z;
        q[i] = 0.5 * (x * x + y * y + z * z);
        p[i] = ADI_K2 * (u4[i] - q[i] * u0[i]);
    }
    if (!cell->sound)
        return;
    double *restrict sound = cell->sound + at;
    for (int i = 0; i < count; i++)
        sound[i] = sqrt(ADI_K1 * p[i] * r[i]);
}

/* One layer beyond the unknowns: a neighbour's points, or the cube's face. */
static void derive(const struct adi_cell *cell)
{
    const int from = cell->low[ADI_X] - 1, count = cell->high[ADI_X] + 1 - from;

    for (int k = cell->low[ADI_Z] - 1; k <= cell->high[ADI_Z]; k++)
        for (int j = cell->low[ADI_Y] - 1; j <= cell->high[ADI_Y]; j++)
            derive_row(cell, count, adi_offset(cell, j, k) + from);
}

void adi_rhs_compute(const struct adi_grid *grid)
{
    for (int c = 0; c < grid->parts; c++) {
        const struct adi_cell *cell = &grid->cells[c];
        derive(cell);
        for (int k = cell->low[ADI_Z]; k < cell->high[ADI_Z]; k++)
            for (int j = cell->low[ADI_Y]; j < cell->high[ADI_Y]; j++)
                compute_row(grid, cell, j, k);
    }
}
