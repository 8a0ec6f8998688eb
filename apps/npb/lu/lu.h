/*
 * LU's data: five components of a compressible flow at the points of a cube, in pencils: x and y are cut up over a 2-D
 * processor grid, z is not. The problem is Op(u) = forcing, where forcing is Op of a known polynomial.
 *
 * A field has two halo layers on every side, and keeps the five components of a row of x side by side:
 *
 *     plane k | row j | component m | .. i = 0 ... count-1 .. |   strides: plane, row, line, 1
 *                                   halo                 halo
 *
 * so that every kernel runs along contiguous x. Halos between pencils are copies of the neighbour's points; halos beyond
 * the cube are zero and carry no weight.
 *
 * The matrix-free sweeps. A step of SSOR solves (D + wL) D^-1 (D + wU) du = dt r, in which D, L and U hold 5x5 blocks:
 * those of L couple a point to its neighbours before it in x, y and z, those of U to the ones behind it. A block depends
 * on the flow at the neighbour only. So a point, once solved, computes what it contributes to its three followers (their
 * right-hand sides need nothing else of it), and messages carry contributions. A plane is a stage of the pipeline:
 *
 *     lower sweep, k up:     from west and north  ->  solve the plane  ->  to east and south
 *     upper sweep, k down:   from east and south  ->  solve the plane  ->  to west and north
 */
#ifndef LU_H
#define LU_H

#include "apps/common/npb.h"

enum { LU_X, LU_Y, LU_Z, LU_DIMS };
/* Components: density, momentum along x, y and z, energy. */
enum { LU_DENSITY, LU_MOMENTUM, LU_ENERGY = LU_MOMENTUM + LU_DIMS, LU_COMPONENTS };
enum { LU_HALO = 2 };

/* The constants of the equations (RNR-94-007, chapter 3). */
#define LU_K1 1.4 /* ratio of specific heats */
#define LU_K2 0.4
#define LU_K34 0.1 /* k3 k4: viscosity */
#define LU_K5 1.4
#define LU_DISSIPATION 0.25 /* epsilon: a quarter of the largest diffusion coefficient */

struct lu_axis {
    int points;        /* of the cube */
    int first, count;  /* this process's */
    int begin, end;    /* local indices of its interior points: those not on the cube's surface */
    int before, after; /* neighbours' ranks, or MPI_PROC_NULL */
    int procs;
    double gradient;   /* 1 / 2h */
    double laplacian;  /* 1 / h^2 */
    double diffusion;  /* d of all components */
    MPI_Datatype face; /* the outermost LU_HALO layers (x and y) */
};

struct lu_grid {
    MPI_Comm cart;
    struct lu_axis axis[LU_DIMS];
    ptrdiff_t line, row, plane;
    size_t doubles; /* of a field */
};

/* False when pencils would be thinner than a halo. */
bool lu_grid_create(int points, int nranks, struct lu_grid *grid);
void lu_grid_free(struct lu_grid *grid);
double *lu_field_create(const struct lu_grid *grid);
void lu_field_free(const struct lu_grid *grid, double *field);

/* The first component of local point (i, j, k); the others follow at distances of grid->line. */
static inline ptrdiff_t lu_at(const struct lu_grid *grid, int i, int j, int k)
{
    return (k + LU_HALO) * grid->plane + (j + LU_HALO) * grid->row + i + LU_HALO;
}

/* Brings the halos between pencils up to date; not the corners, which no stencil reads. */
void lu_exchange(const struct lu_grid *grid, double *field);

/* Root mean squares over all interior points, of each component, on every rank. */
void lu_norms(const struct lu_grid *grid, const double *field, double norms[LU_COMPONENTS]);

/* Sets every point, halos between pencils included, to the polynomial. */
void lu_fill_exact(const struct lu_grid *grid, double *u);
/* Sets the surface to the polynomial, and interpolates the interior from it. */
void lu_fill_start(const struct lu_grid *grid, double *u);
/* Norms of polynomial minus u. `work` is a field that is overwritten. */
void lu_error_norms(const struct lu_grid *grid, const double *u, double *work,
                    double norms[LU_COMPONENTS]);
/* The integral of the pressure over the faces of a box inside the cube. */
double lu_surface_integral(const struct lu_grid *grid, const double *u);

static inline double lu_pressure(double density, double x, double y, double z, double energy)
{
    return LU_K2 * (energy - 0.5 * (x * x + y * y + z * z) / density);
}

/* residual = Op(u) - forcing at interior points. `planes` holds three planes of a field. */
void lu_residual(const struct lu_grid *grid, double *u, const double *forcing, double *planes,
                 double *residual);

struct lu_sweeper;
struct lu_sweeper *lu_sweeper_create(const struct lu_grid *grid, double time_step);
void lu_sweeper_free(struct lu_sweeper *sweeper);
/* One step: u += du. `residual` holds Op(u) - forcing, and is overwritten. */
void lu_step(struct lu_sweeper *sweeper, double *u, double *residual);

/* What NPB publishes for a class. */
struct lu_reference {
    double residual[LU_COMPONENTS], error[LU_COMPONENTS], integral;
};
const struct lu_reference *lu_reference(int class_index);

#endif
