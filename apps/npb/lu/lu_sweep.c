/*
 * One step of SSOR: the lower and the upper sweep over all points, in the order and with the messages that lu.h draws.
 * The blocks (RNR-94-007, chapter 3) are never formed. With w = momentum / density, a vector v at a point enters them only by
 * q = v - w v1, which is the density times the change of w that v stands for.
 */
#include "apps/npb/lu/lu.h"

#include <string.h>

enum { TAG_LOWER_X = 41, TAG_LOWER_Y, TAG_UPPER_X, TAG_UPPER_Y };

#define OMEGA 1.2

/* A coupling block is convect J + diffuse I + viscous N, with J and N the Jacobians of the convective and viscous
 * fluxes along the axis. */
struct coupling {
    double convect, diffuse, viscous;
};

/* Of a row of x; the arrays are `count` long. D is lower triangular: the pivots are its diagonal's inverse. */
struct row_state {
    double *inverse; /* 1 / density */
    double *w[LU_DIMS];
    double *energy;  /* per density */
    double *kinetic; /* |w|^2 / 2 */
    double *pivot[LU_DIMS], *energy_pivot;
};

enum { ROW_ARRAYS = 1 + LU_DIMS + 2 + LU_DIMS + 1 };

/* D: `mass` on the diagonal, plus what the viscous fluxes add, in multiples of 1 / density. */
struct diagonal {
    double mass, friction[LU_DIMS], conduction;
};

struct lu_sweeper {
    const struct lu_grid *grid;
    double time_step;
    struct coupling lower[LU_DIMS], upper[LU_DIMS];
    struct diagonal diagonal;
    /* Contributions: along x, of the last point of each row of a plane; along y, of a row; along z, of a plane. Dense. */
    double *from_x, *from_y, *from_z;
    size_t from_z_doubles;
    double *v; /* the row's right-hand side and solution, dense */
    struct row_state row;
    double *row_memory;
};

/* One point of a row_state. */
struct point {
    double inverse, w[LU_DIMS], energy, kinetic;
};

static inline struct point point_of(const struct row_state *s, int i)
{
    return (struct point){
        s->inverse[i], {s->w[0][i], s->w[1][i], s->w[2][i]}, s->energy[i], s->kinetic[i]};
}

/* What a vector v does at a point, the same for all axes. */
struct change {
    double q[LU_DIMS], energy;
    double work; /* w . q */
    double pressure;
};

static inline struct change change_of(const struct point *p, const double v[LU_COMPONENTS])
{
    struct change c;

    c.work = 0;
    for (int m = 0; m < LU_DIMS; m++) {
        c.q[m] = v[LU_MOMENTUM + m] - p->w[m] * v[LU_DENSITY];
        c.work += p->w[m] * c.q[m];
    }
    c.energy = v[LU_ENERGY] - p->energy * v[LU_DENSITY];
    c.pressure = LU_K2 * (v[LU_ENERGY] - c.work - p->kinetic * v[LU_DENSITY]);
    return c;
}

/* The coupling block of axis d at the point, times v. */
static inline __attribute__((always_inline)) void
couple(const struct coupling *a, int d, const struct point *p, const struct change *c,
       const double v[LU_COMPONENTS], double out[LU_COMPONENTS])
{
    const double flux = v[LU_MOMENTUM + d], viscous = a->viscous * p->inverse;
    const double enthalpy = LU_K1 * p->energy - LU_K2 * p->kinetic;

    out[LU_DENSITY] = a->convect * flux + a->diffuse * v[LU_DENSITY];
    for (int m = 0; m < LU_DIMS; m++) {
        double convected = p->w[d] * c->q[m] + p->w[m] * flux;
        double friction = m == d ? 4.0 / 3.0 * c->q[m] : c->q[m];
        if (m == d)
            convected += c->pressure;
        out[LU_MOMENTUM + m] =
            a->convect * convected + viscous * friction + a->diffuse * v[LU_MOMENTUM + m];
    }
    out[LU_ENERGY] = a->convect * (p->w[d] * (v[LU_ENERGY] + c->pressure) + enthalpy * c->q[d]) +
                     viscous * ((1 - LU_K1 * LU_K5) * c->work + 1.0 / 3.0 * p->w[d] * c->q[d] +
                                LU_K1 * LU_K5 * c->energy) +
                     a->diffuse * v[LU_ENERGY];
}

/* v = D^-1 b at point i of the row, by forward substitution. */
static inline void solve_diagonal(const struct diagonal *d, const struct row_state *row, int i,
                                  const struct point *p, const double b[LU_COMPONENTS],
                                  double v[LU_COMPONENTS])
{
    v[LU_DENSITY] = b[LU_DENSITY] * (1 / d->mass);
    double work = -d->conduction * p->energy * v[LU_DENSITY];
    for (int m = 0; m < LU_DIMS; m++) {
        double old = p->w[m] * v[LU_DENSITY];
        v[LU_MOMENTUM + m] =
            (b[LU_MOMENTUM + m] + d->friction[m] * p->inverse * old) * row->pivot[m][i];
        work += (d->friction[m] - d->conduction) * p->w[m] * (v[LU_MOMENTUM + m] - old);
    }
    v[LU_ENERGY] = (b[LU_ENERGY] - p->inverse * work) * row->energy_pivot[i];
}

/* The state of a row, from u at its first interior point. */
static void prepare_state(const struct lu_sweeper *s, const double *u, int count)
{
    const ptrdiff_t line = s->grid->line;
    const struct row_state row = s->row;
    const struct diagonal d = s->diagonal;

#pragma GCC ivdep
    for (int i = 0; i < count; i++) {
        double inverse = 1 / u[i];
        double x = u[line + i] * inverse, y = u[2 * line + i] * inverse;
        double z = u[3 * line + i] * inverse;
        row.inverse[i] = inverse;
        row.w[0][i] = x;
        row.w[1][i] = y;
        row.w[2][i] = z;
        row.energy[i] = u[4 * line + i] * inverse;
        row.kinetic[i] = 0.5 * (x * x + y * y + z * z);
        row.pivot[0][i] = 1 / (d.mass + d.friction[0] * inverse);
        row.pivot[1][i] = 1 / (d.mass + d.friction[1] * inverse);
        row.pivot[2][i] = 1 / (d.mass + d.friction[2] * inverse);
        row.energy_pivot[i] = 1 / (d.mass + d.conduction * inverse);
    }
}

/* The row's right-hand side, but for what comes along x: dt r (lower sweep only), less y's and z's contributions. */
static void prepare_right(const struct lu_sweeper *s, bool upper, const double *residual,
                          const double *from_z, int count)
{
    const double scale = upper ? 0 : s->time_step;

    for (int m = 0; m < LU_COMPONENTS; m++) {
        const double *restrict y = s->from_y + m * count, *restrict z = from_z + m * count;
        const double *restrict r = residual + m * s->grid->line;
        double *restrict v = s->v + m * count;
        for (int i = 0; i < count; i++)
            v[i] = scale * r[i] - (y[i] + z[i]);
    }
}

/* Solves point after point; `x` are the contributions along x to the first, then those of the last. The upper sweep
 * corrects what the lower one left. */
static inline __attribute__((always_inline)) void
solve_row(const struct lu_sweeper *s, bool upper, const double *lower_result, int count, double *x)
{
    /* Copies, which no store to an array can change. */
    const struct coupling along_x = upper ? s->upper[LU_X] : s->lower[LU_X];
    const struct diagonal diagonal = s->diagonal;
    double carry[LU_COMPONENTS], b[LU_COMPONENTS], v[LU_COMPONENTS];

    memcpy(carry, x, sizeof carry);
    for (int n = 0; n < count; n++) {
        int i = upper ? count - 1 - n : n;
        struct point p = point_of(&s->row, i);
        for (int m = 0; m < LU_COMPONENTS; m++)
            b[m] = s->v[m * count + i] - carry[m];
        solve_diagonal(&diagonal, &s->row, i, &p, b, v);
        for (int m = 0; m < LU_COMPONENTS; m++) {
            if (upper)
                v[m] += lower_result[m * s->grid->line + i];
            s->v[m * count + i] = v[m];
        }
        struct change c = change_of(&p, v);
        couple(&along_x, LU_X, &p, &c, v, carry);
    }
    memcpy(x, carry, sizeof carry);
}

/* What the solved row contributes to the next row and the next plane. */
static void push_row(const struct lu_sweeper *s, const struct coupling axes[LU_DIMS],
                     double *from_z, int count)
{
    const struct coupling along_y = axes[LU_Y], along_z = axes[LU_Z];
    const struct row_state row = s->row;
    double *from_y = s->from_y;
    const double *solved = s->v;

#pragma GCC ivdep
    for (int i = 0; i < count; i++) {
        struct point p = point_of(&row, i);
        double v[LU_COMPONENTS], y[LU_COMPONENTS], z[LU_COMPONENTS];
        for (int m = 0; m < LU_COMPONENTS; m++)
            v[m] = solved[m * count + i];
        struct change c = change_of(&p, v);
        couple(&along_y, LU_Y, &p, &c, v, y);
        couple(&along_z, LU_Z, &p, &c, v, z);
        for (int m = 0; m < LU_COMPONENTS; m++) {
            from_y[m * count + i] = y[m];
            from_z[m * count + i] = z[m];
        }
    }
}

/* The lower sweep's result takes the residual's place; the upper sweep's is the step of u, up to a factor. */
static void finish_row(const struct lu_sweeper *s, bool upper, double *u, double *residual,
                       int count)
{
    const double factor = 1 / (OMEGA * (2 - OMEGA));

    for (int m = 0; m < LU_COMPONENTS; m++) {
        const double *restrict v = s->v + m * count;
        double *restrict to = (upper ? u : residual) + m * s->grid->line;
        if (upper)
            for (int i = 0; i < count; i++)
                to[i] += factor * v[i];
        else
            memcpy(to, v, (size_t)count * sizeof *v);
    }
}

static void sweep_row(const struct lu_sweeper *s, bool upper, double *u, double *residual,
                      double *from_z, double *x)
{
    const struct lu_axis *axis = &s->grid->axis[LU_X];
    const int count = axis->end - axis->begin;

    prepare_state(s, u, count);
    prepare_right(s, upper, residual, from_z, count);
    if (upper)
        solve_row(s, true, residual, count, x);
    else
        solve_row(s, false, NULL, count, x);
    push_row(s, upper ? s->upper : s->lower, from_z, count);
    finish_row(s, upper, u, residual, count);
}

/* One stage of the pipeline. */
static void sweep_plane(const struct lu_sweeper *s, bool upper, int k, double *u, double *residual)
{
    const struct lu_grid *grid = s->grid;
    const struct lu_axis *x = &grid->axis[LU_X], *y = &grid->axis[LU_Y];
    const int count = x->end - x->begin, rows = y->end - y->begin;
    const int x_from = upper ? x->after : x->before, x_to = upper ? x->before : x->after;
    const int y_from = upper ? y->after : y->before, y_to = upper ? y->before : y->after;
    const int x_tag = upper ? TAG_UPPER_X : TAG_LOWER_X, y_tag = upper ? TAG_UPPER_Y : TAG_LOWER_Y;

    /* At the surface nothing arrives, and nothing is what its points contribute. */
    memset(s->from_x, 0, (size_t)(LU_COMPONENTS * rows) * sizeof *s->from_x);
    memset(s->from_y, 0, (size_t)(LU_COMPONENTS * count) * sizeof *s->from_y);
    MPI_Recv(s->from_x, LU_COMPONENTS * rows, MPI_DOUBLE, x_from, x_tag, grid->cart,
             MPI_STATUS_IGNORE);
    MPI_Recv(s->from_y, LU_COMPONENTS * count, MPI_DOUBLE, y_from, y_tag, grid->cart,
             MPI_STATUS_IGNORE);
    for (int n = 0; n < rows; n++) {
        int row = upper ? rows - 1 - n : n;
        ptrdiff_t at = lu_at(grid, x->begin, y->begin + row, k);
        sweep_row(s, upper, u + at, residual + at, s->from_z + row * LU_COMPONENTS * count,
                  s->from_x + row * LU_COMPONENTS);
    }
    MPI_Send(s->from_x, LU_COMPONENTS * rows, MPI_DOUBLE, x_to, x_tag, grid->cart);
    MPI_Send(s->from_y, LU_COMPONENTS * count, MPI_DOUBLE, y_to, y_tag, grid->cart);
}

void lu_step(struct lu_sweeper *s, double *u, double *residual)
{
    const struct lu_axis *z = &s->grid->axis[LU_Z];

    memset(s->from_z, 0, s->from_z_doubles * sizeof *s->from_z);
    for (int k = z->begin; k < z->end; k++)
        sweep_plane(s, false, k, u, residual);
    memset(s->from_z, 0, s->from_z_doubles * sizeof *s->from_z);
    for (int k = z->end - 1; k >= z->begin; k--)
        sweep_plane(s, true, k, u, residual);
}

static void coefficients_set(struct lu_sweeper *s)
{
    const double dt = s->time_step;
    struct diagonal *diagonal = &s->diagonal;

    diagonal->mass = 1;
    for (int d = 0; d < LU_DIMS; d++) {
        const struct lu_axis *axis = &s->grid->axis[d];
        double viscous = dt * LU_K34 * axis->laplacian;
        double diffuse = dt * axis->diffusion * axis->laplacian;
        diagonal->mass += 2 * diffuse;
        diagonal->conduction += 2 * LU_K1 * LU_K5 * viscous;
        for (int m = 0; m < LU_DIMS; m++)
            diagonal->friction[m] += 2 * (m == d ? 4.0 / 3.0 : 1) * viscous;
        s->lower[d] = (struct coupling){
            .convect = -OMEGA * dt * axis->gradient,
            .diffuse = -OMEGA * diffuse,
            .viscous = -OMEGA * viscous,
        };
        s->upper[d] = s->lower[d];
        s->upper[d].convect = -s->lower[d].convect;
    }
}

struct lu_sweeper *lu_sweeper_create(const struct lu_grid *grid, double time_step)
{
    struct lu_sweeper *s = npb_alloc(1, sizeof *s);
    size_t nx = (size_t)grid->axis[LU_X].count, ny = (size_t)grid->axis[LU_Y].count;

    s->grid = grid;
    s->time_step = time_step;
    coefficients_set(s);
    s->from_z_doubles = LU_COMPONENTS * nx * ny;
    s->from_x = npb_alloc(LU_COMPONENTS * ny, sizeof *s->from_x);
    s->from_y = npb_alloc(LU_COMPONENTS * nx, sizeof *s->from_y);
    s->from_z = npb_alloc(s->from_z_doubles, sizeof *s->from_z);
    s->v = npb_alloc(LU_COMPONENTS * nx, sizeof *s->v);
    s->row_memory = npb_alloc(ROW_ARRAYS * nx, sizeof *s->row_memory);
    double **arrays[ROW_ARRAYS] = {
        &s->row.inverse, &s->row.w[0],     &s->row.w[1],     &s->row.w[2],     &s->row.energy,
        &s->row.kinetic, &s->row.pivot[0], &s->row.pivot[1], &s->row.pivot[2], &s->row.energy_pivot,
    };
    for (size_t n = 0; n < ROW_ARRAYS; n++)
        *arrays[n] = s->row_memory + n * nx;
    return s;
}

void lu_sweeper_free(struct lu_sweeper *s)
{
    size_t nx = (size_t)s->grid->axis[LU_X].count, ny = (size_t)s->grid->axis[LU_Y].count;

    npb_free(s->from_x, LU_COMPONENTS * ny, sizeof *s->from_x);
    npb_free(s->from_y, LU_COMPONENTS * nx, sizeof *s->from_y);
    npb_free(s->from_z, s->from_z_doubles, sizeof *s->from_z);
    npb_free(s->v, LU_COMPONENTS * nx, sizeof *s->v);
    npb_free(s->row_memory, ROW_ARRAYS * nx, sizeof *s->row_memory);
    npb_free(s, 1, sizeof *s);
}
