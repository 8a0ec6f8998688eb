/*
 * MG's data: a hierarchy of periodic cubic grids, each half as fine as the next, in blocks on a 3-D
 * processor grid. Level 1 has 2 points along a side, level `top` the problem's.
 *
 * A block has one halo layer on every side:   index 0 | 1 ... n | n+1, the halos being copies of
 * the neighbours' outermost points, or of the block's own other side where one process spans the
 * domain. Coarse point J lies on fine point 2 J.
 *
 * Where a block would have a single point along a side, the level is not cut up: every process
 * holds all of it and computes the same ("whole"). Going down, the pieces are gathered by all;
 * going up, each process interpolates from its part of the whole.
 */
#ifndef MG_H
#define MG_H

#include "apps/common/npb.h"

enum { MG_LEVELS_MAX = 12, MG_DIMS = 3, MG_X = 0, MG_Y = 1, MG_Z = 2 };

/* The shape of a block: interior points, and the strides of y and z in elements (x is contiguous).
 */
struct mg_shape {
    int n[MG_DIMS];
    ptrdiff_t row, plane;
    size_t points; /* with halos */
};

struct mg_topology {
    MPI_Comm cart; /* dimension 0 is z, so that x is cut last */
    int procs[MG_DIMS], place[MG_DIMS];
    int below[MG_DIMS], above[MG_DIMS]; /* neighbours' ranks in cart */
    int nranks;
};

struct mg_level {
    struct mg_shape shape;
    bool whole;
    double *u, *r; /* solution (or correction) and residual */
    /* A layer of points one thick: rows of a y face, and packed x faces. */
    MPI_Datatype y_face, z_face;
    double *x_faces; /* four: out below, out above, in below, in above */
};

struct mg_hierarchy {
    struct mg_topology topology;
    int top;
    struct mg_level level[MG_LEVELS_MAX]; /* 1 .. top */
    double *v;                            /* right-hand side, on the top level */
    double *gathered;                     /* pieces of the finest whole level */
    struct mg_shape piece;                /* this process's piece of it */
};

/* False when the grid is too small for so many processes. */
bool mg_hierarchy_create(int points, int nranks, struct mg_hierarchy *h);
void mg_hierarchy_free(struct mg_hierarchy *h);

/* Brings the halos of `data`, an array of that level, up to date: edges and corners too. */
void mg_exchange(const struct mg_hierarchy *h, int level, double *data);

/* The whole level's array from every process's piece (shape h->piece), with halos. */
void mg_gather(const struct mg_hierarchy *h, int level, const double *piece, double *whole);

/* Kernels: interior points from arrays with valid halos; none of them exchanges. */
void mg_residual(const struct mg_shape *s, const double *u, const double *v, double *r);
void mg_smooth(const struct mg_shape *s, const double c[3], const double *r, double *u);
void mg_restrict(const struct mg_shape *fine, const double *r, const struct mg_shape *coarse,
                 double *out);
/* Also fills the halos of u, which must have been valid. */
void mg_interpolate(const struct mg_shape *coarse, const double *z, const struct mg_shape *fine,
                    double *u);
double mg_sum_squares(const struct mg_shape *s, const double *r);

/* +1 at the ten largest and -1 at the ten smallest of a random field, 0 elsewhere. */
void mg_fill_charges(const struct mg_hierarchy *h, double *v);

#endif
