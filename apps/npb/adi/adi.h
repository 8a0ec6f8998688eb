/*
 * What BT and SP share: the discrete Navier-Stokes equations of RNR-94-007, chapter 3, on a cube of
 * side^3 points, marched in time with alternating directions, in the multipartition decomposition
 * of the NPB 2 report (NAS-95-020).
 *
 * p^2 processes cut the cube into p^3 cells. Process (i, j) owns the p cells with
 *
 *     x = (i + z) mod p,  y = (j + z) mod p,  z = 0 ... p-1
 *
 * so that every slab of cells, in whatever direction, has one cell of each process: when a sweep
 * goes through the slabs one after the other, everybody works at every stage, and all cells above a
 * process's own belong to one and the same process. With p = 2, (i,j) named by letters
 * A=(0,0) B=(1,0) C=(0,1) D=(1,1):
 *
 *        z = 0    y              z = 1    y
 *                 1 | C  D                1 | B  A
 *                 0 | A  B                0 | D  C
 *                   +------ x               +------ x
 *
 * A step computes the right-hand side, and solves for the change of the solution along the lines of
 * x, then y, then z. How lines are solved is what BT and SP differ in: a struct adi_solver.
 */
#ifndef ADI_H
#define ADI_H

#include "apps/common/npb.h"

enum { ADI_X, ADI_Y, ADI_Z, ADI_DIMS };
enum { ADI_VARS = 5 }; /* density, three momenta, energy */
enum { ADI_HALO = 2 }; /* layers: the fourth differences reach so far */

/* The equations' constants, in the names of RNR-94-007: k1 = 1.4, k2 = 0.4, k3 = 0.1, k4 = 1,
 * k5 = 1.4; its d_1 ... d_5 are equal in each direction. */
#define ADI_K1 1.4
#define ADI_K2 0.4
#define ADI_VISCOSITY 0.1    /* k3 k4 */
#define ADI_CONDUCTION 0.196 /* k1 k3 k4 k5 */
#define ADI_DAMPING 0.25     /* of the fourth differences: a quarter of the largest diffusion */
static const double adi_diffusion[ADI_DIMS] = {0.75, 0.75, 1.0};

/*
 * One cell. Arrays point at its point (0,0,0); point (i,j,k) is at offset i + j stride[1] +
 * k stride[2], and the halo has negative coordinates and those from n on.
 */
struct adi_cell {
    int place[ADI_DIMS]; /* among the cells */
    int first[ADI_DIMS]; /* its point (0,0,0) in the cube */
    int n[ADI_DIMS];
    int low[ADI_DIMS], high[ADI_DIMS]; /* unknown are [low, high): all but the cube's faces */
    ptrdiff_t stride[ADI_DIMS];
    size_t points, arrays; /* points with halos; arrays of so many, all in one block of memory */
    double *memory;
    double *u[ADI_VARS];
    double *rhs[ADI_VARS]; /* right-hand side; then the change of u, sweep after sweep */
    double *forcing[ADI_VARS];
    /* Derived from u, up to one layer around the unknowns: */
    double *velocity[ADI_DIMS], *kinetic, *inverse, *pressure; /* kinetic: |velocity|^2 / 2 */
    double *sound;                                             /* speed of sound, or NULL */
};

struct adi_grid {
    int side, parts; /* points and cells along an edge of the cube */
    double dt, h;
    MPI_Comm cart;
    int place[2];                         /* (i, j) */
    int below[ADI_DIMS], above[ADI_DIMS]; /* ranks in cart that own the cells below and above */
    struct adi_cell *cells;               /* `parts` of them, by z */
    MPI_Datatype send[ADI_DIMS][2], receive[ADI_DIMS][2]; /* faces below [0] and above [1] */
};

/*
 * Lines are solved side by side, one in each lane of a vector of the processor: two with SSE2, which
 * every x86-64 has, four where the compiler may use AVX. (Eight, with AVX-512, are slower in SP.)
 */
#ifdef __AVX__
enum { ADI_LANES = 4 };
#else
enum { ADI_LANES = 2 };
#endif
typedef double adi_lanes __attribute__((vector_size(ADI_LANES * sizeof(double))));

struct adi_lines {
    const struct adi_grid *grid;
    const struct adi_cell *cell;
    int direction;
    int count;              /* unknown points along each line, in this cell */
    int place;              /* of the first of them, along the whole line */
    ptrdiff_t start, along; /* offset of the first of them, and from one to the next */
    /* Offset of each line; the last line again where there are no more, twice the same work. */
    ptrdiff_t lane[ADI_LANES];
};

/*
 * How the linear systems along lines are solved. For every point, elimination leaves a record of
 * `record` vectors; it looks back at the records of `depth` points and substitution ahead at as
 * many solutions. What lies beyond the line's ends is zero: the cube's faces do not change.
 */
struct adi_solver {
    int record, depth;
    bool needs_sound;
    /* Right-hand side in, records out; those of the `depth` points before precede them. */
    void (*eliminate)(const struct adi_lines *lines, adi_lanes *record);
    /* Records in, solution out. ahead: that of the next points, the nearest first; afterwards that
     * of this cell's first points. */
    void (*substitute)(const struct adi_lines *lines, const adi_lanes *record,
                       adi_lanes (*ahead)[ADI_VARS]);
};

struct adi_class {
    int side;
    double dt;
    double residual[ADI_VARS], error[ADI_VARS]; /* reference norms */
};

struct adi_benchmark {
    struct npb_program program;
    struct adi_class classes[NPB_CLASS_COUNT];
    struct adi_solver solver;
    double operations[4]; /* of a step: a polynomial in `side`, the cube's coefficient first */
};

/* The benchmark's main function. */
int adi_main(const struct adi_benchmark *benchmark, int argc, char **argv);

/* False when the cells would be too small. nranks is a square. All ranks call what takes a grid,
 * adi_grid_cell and adi_field_digest excepted; the cells belong to the grid. */
bool adi_grid_create(int side, double dt, int nranks, bool sound, struct adi_grid *grid);
void adi_grid_free(struct adi_grid *grid);
/* The cell of this process in a slab. */
const struct adi_cell *adi_grid_cell(const struct adi_grid *grid, int direction, int slab);
/* Brings the halos of u up to date; not the edges, at which no difference looks. */
void adi_grid_exchange(const struct adi_grid *grid);

static inline ptrdiff_t adi_offset(const struct adi_cell *cell, int j, int k)
{
    return j * cell->stride[ADI_Y] + k * cell->stride[ADI_Z];
}

/* The initial field: interpolated between the exact solution on the faces. */
void adi_field_start(const struct adi_grid *grid);
/* The forcing that makes the exact solution a steady one. */
void adi_field_force(const struct adi_grid *grid);
/* Root mean squares, over all processes, of the error of u, and of rhs. */
void adi_field_error(const struct adi_grid *grid, double norm[ADI_VARS]);
void adi_field_change(const struct adi_grid *grid, double norm[ADI_VARS]);
uint64_t adi_field_digest(const struct adi_grid *grid);

/* rhs = dt (forcing + fluxes + viscous terms + damping); the halos of u must be up to date. */
void adi_rhs_compute(const struct adi_grid *grid);
/* The weights of the damping's fourth difference at a point of a line: one-sided near its ends. */
const double *adi_rhs_damping(int side, int place);

/* Solves along all lines of a direction, rhs in and out. */
struct adi_sweep *adi_sweep_create(const struct adi_grid *grid, const struct adi_solver *solver);
void adi_sweep_free(struct adi_sweep *sweep);
void adi_sweep_run(struct adi_sweep *sweep, int direction);

static inline adi_lanes adi_load(const struct adi_lines *lines, const double *array, ptrdiff_t at)
{
    adi_lanes value = {0};
    for (int l = 0; l < ADI_LANES; l++)
        value[l] = array[at + lines->lane[l]];
    return value;
}

static inline void adi_store(const struct adi_lines *lines, double *array, ptrdiff_t at,
                             adi_lanes value)
{
    for (int l = 0; l < ADI_LANES; l++)
        array[at + lines->lane[l]] = value[l];
}

#endif
