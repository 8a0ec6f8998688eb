/*
 * Op(u): the divergence of the convective and viscous fluxes by central differences, and the
 * fourth-difference dissipation (RNR-94-007, chapter 3).
 */
#include "apps/npb/lu/lu.h"

/* What the fluxes need besides u, kept in the shape of a field: velocities, pressure, and the part of the energy that
 * diffuses the same way along all axes. */
enum { VELOCITY, PRESSURE = VELOCITY + LU_DIMS, HEAT, PRIMITIVES };
_Static_assert((int)PRIMITIVES == (int)LU_COMPONENTS, "primitives have the shape of a field");

static void primitives_of_row(ptrdiff_t line, int count, const double *u, double *restrict p)
{
    const double *x = u + LU_MOMENTUM * line, *y = x + line, *z = y + line;
    const double *energy = u + LU_ENERGY * line;

    for (int i = 0; i < count; i++) {
        double inverse = 1 / u[i];
        double a = x[i] * inverse, b = y[i] * inverse, c = z[i] * inverse;
        double kinetic = 0.5 * (x[i] * a + y[i] * b + z[i] * c);
        p[i] = a;
        p[i + line] = b;
        p[i + 2 * line] = c;
        p[i + PRESSURE * line] = LU_K2 * (energy[i] - kinetic);
        p[i + HEAT * line] = inverse * ((1 - LU_K1 * LU_K5) * kinetic + LU_K1 * LU_K5 * energy[i]);
    }
}

/* Of the interior and one layer around it. */
static void primitives_of_plane(const struct lu_grid *grid, int k, const double *u, double *plane)
{
    const struct lu_axis *x = &grid->axis[LU_X], *y = &grid->axis[LU_Y];

    for (int j = y->begin - 1; j < y->end + 1; j++) {
        ptrdiff_t in_plane = lu_at(grid, x->begin - 1, j, -LU_HALO);
        primitives_of_row(grid->line, x->end - x->begin + 2,
                          u + in_plane + (k + LU_HALO) * grid->plane, plane + in_plane);
    }
}

/* A row, and the rows on its two sides along some axis. */
struct three {
    const double *before, *here, *after;
};

static inline struct three component(const struct three *rows, ptrdiff_t offset)
{
    return (struct three){rows->before + offset, rows->here + offset, rows->after + offset};
}

static inline double second(const struct three *f, int i)
{
    return f->before[i] - 2 * f->here[i] + f->after[i];
}

/* Subtracts the fluxes' divergence along axis d. Inlined for each d, so that the loops have no branches. */
static inline __attribute__((always_inline)) void
add_fluxes(const struct lu_axis *axis, int d, ptrdiff_t line, int count, const struct three *u,
           const struct three *p, double *restrict r)
{
    const double convect = axis->gradient, diffuse = axis->diffusion * axis->laplacian;
    const double viscous = LU_K34 * axis->laplacian;
    const struct three density = *u, energy = component(u, LU_ENERGY * line);
    const struct three normal = component(u, (LU_MOMENTUM + d) * line);
    const struct three w = component(p, (VELOCITY + d) * line);
    const struct three pressure = component(p, PRESSURE * line), heat = component(p, HEAT * line);

    for (int i = 0; i < count; i++)
        r[i] += diffuse * second(&density, i) - convect * (normal.after[i] - normal.before[i]);
    for (int m = 0; m < LU_DIMS; m++) {
        const struct three momentum = component(u, (LU_MOMENTUM + m) * line);
        const struct three v = component(p, (VELOCITY + m) * line);
        const double friction = m == d ? 4.0 / 3.0 * viscous : viscous;
        double *restrict rm = r + (LU_MOMENTUM + m) * line;
        for (int i = 0; i < count; i++) {
            double flux = momentum.after[i] * w.after[i] - momentum.before[i] * w.before[i];
            if (m == d)
                flux += pressure.after[i] - pressure.before[i];
            rm[i] += diffuse * second(&momentum, i) + friction * second(&v, i) - convect * flux;
        }
    }
    double *restrict re = r + LU_ENERGY * line;
    for (int i = 0; i < count; i++) {
        double flux = (energy.after[i] + pressure.after[i]) * w.after[i] -
                      (energy.before[i] + pressure.before[i]) * w.before[i];
        double squares =
            w.before[i] * w.before[i] - 2 * w.here[i] * w.here[i] + w.after[i] * w.after[i];
        re[i] += diffuse * second(&energy, i) + viscous * (second(&heat, i) + squares / 6) -
                 convect * flux;
    }
}

/* The weights of the dissipation at a point: the fourth difference, less whatever it would need from the surface's
 * neighbourhood. */
static void dissipation_weights(const struct lu_axis *axis, int local, double weights[5])
{
    int from_start = axis->first + local, from_end = axis->points - 1 - from_start;
    double full[5] = {1, -4, 6, -4, 1};

    if (from_start <= 2)
        full[0] = 0;
    if (from_end <= 2)
        full[4] = 0;
    if (from_start == 1)
        full[1] = 0;
    if (from_end == 1)
        full[3] = 0;
    if (from_start == 1 || from_end == 1)
        full[2] = 5;
    for (int n = 0; n < 5; n++)
        weights[n] = LU_DISSIPATION * full[n];
}

static void dissipate(ptrdiff_t line, int count, ptrdiff_t step, const double weights[5],
                      const double *u, double *restrict r)
{
    const double a = weights[0], b = weights[1], c = weights[2], d = weights[3], e = weights[4];

    for (int m = 0; m < LU_COMPONENTS; m++, u += line, r += line)
        for (int i = 0; i < count; i++)
            r[i] -= a * u[i - 2 * step] + b * u[i - step] + c * u[i] + d * u[i + step] +
                    e * u[i + 2 * step];
}

/* Along x the weights differ from point to point next to the surface. u and r are at i = 0. */
static void dissipate_x(const struct lu_grid *grid, const double *u, double *restrict r)
{
    const struct lu_axis *x = &grid->axis[LU_X];
    double weights[5];

    for (int i = x->begin, run; i < x->end; i += run) {
        int from_start = x->first + i, full_until = x->points - 3 - x->first;
        run = 1;
        if (from_start > 2 && i < full_until)
            run = (x->end < full_until ? x->end : full_until) - i;
        dissipation_weights(x, i, weights);
        dissipate(grid->line, run, 1, weights, u + i, r + i);
    }
}

/* `planes` holds the primitives of planes k - 1, k and k + 1. */
static void residual_of_row(const struct lu_grid *grid, int j, int k, const double *field,
                            const double *const planes[3], const double *forcing, double *residual)
{
    const struct lu_axis *axis = grid->axis;
    const ptrdiff_t line = grid->line, row = grid->row, plane = grid->plane;
    const int begin = axis[LU_X].begin, count = axis[LU_X].end - begin;
    const ptrdiff_t at = lu_at(grid, begin, j, k), in_plane = lu_at(grid, begin, j, -LU_HALO);
    const double *u = field + at, *p = planes[1] + in_plane;
    double *r = residual + at, weights[5];

    for (int m = 0; m < LU_COMPONENTS; m++)
        for (int i = 0; i < count; i++)
            r[m * line + i] = -forcing[at + m * line + i];
    const struct three u_x = {u - 1, u, u + 1}, p_x = {p - 1, p, p + 1};
    const struct three u_y = {u - row, u, u + row}, p_y = {p - row, p, p + row};
    const struct three u_z = {u - plane, u, u + plane};
    const struct three p_z = {planes[0] + in_plane, p, planes[2] + in_plane};
    add_fluxes(&axis[LU_X], LU_X, line, count, &u_x, &p_x, r);
    add_fluxes(&axis[LU_Y], LU_Y, line, count, &u_y, &p_y, r);
    add_fluxes(&axis[LU_Z], LU_Z, line, count, &u_z, &p_z, r);
    dissipate_x(grid, u - begin, r - begin);
    dissipation_weights(&axis[LU_Y], j, weights);
    dissipate(line, count, row, weights, u, r);
    dissipation_weights(&axis[LU_Z], k, weights);
    dissipate(line, count, plane, weights, u, r);
}

void lu_residual(const struct lu_grid *grid, double *u, const double *forcing, double *planes,
                 double *residual)
{
    const struct lu_axis *y = &grid->axis[LU_Y], *z = &grid->axis[LU_Z];
    double *kept[3]; /* the primitives of plane k are in kept[k % 3] */

    lu_exchange(grid, u);
    for (int k = 0; k < z->count; k++) {
        kept[k % 3] = planes + k % 3 * grid->plane;
        primitives_of_plane(grid, k, u, kept[k % 3]);
        if (k < 2)
            continue;
        const double *const around[3] = {kept[(k - 2) % 3], kept[(k - 1) % 3], kept[k % 3]};
        for (int j = y->begin; j < y->end; j++)
            residual_of_row(grid, j, k - 1, u, around, forcing, residual);
    }
}
