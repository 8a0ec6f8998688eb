/*
 * CG's data: a random symmetric sparse matrix in blocks on a processor grid.
 *
 * The grid has as many columns as rows, or twice as many. Vectors are cut into one segment per
 * column; a process holds its column's segment, so that processes of one column hold the same.
 * A process row owns the matrix rows of one segment (square grid) or of two adjacent ones. With 8:
 *
 *              seg 0   seg 1   seg 2   seg 3        y = A x on process (r, c):
 *     row 0  (0,0)   (0,1)   (0,2)   (0,3)      1. partial sums of the row's segments from its
 * block row 1  (1,0)   (1,1)   (1,2)   (1,3)      2. sum over the process row (recursive doubling)
 *                                                3. swap with the transposed process: segment c
 */
#ifndef CG_H
#define CG_H

#include "apps/common/npb.h"

enum { CG_STEPS_MAX = 16 };

struct cg_class {
    int n;           /* rows */
    int row_entries; /* nonzeros of each generating vector */
    double shift;
    double zeta; /* reference */
};

struct cg_grid {
    int rows, columns;
    int row, column;
    struct npb_span row_span;    /* matrix rows of this process */
    struct npb_span column_span; /* matrix columns, and the vector segment */
    struct npb_span wanted;      /* within row_span: what the transposed process needs */
    int self, transposed;        /* ranks in MPI_COMM_WORLD */
    int steps;                   /* of the row sum */
    int partner[CG_STEPS_MAX];   /* ranks in row_comm */
    MPI_Comm row_comm;           /* the processes of one row, ordered by column */
};

/* Compressed rows; columns count from the start of the process's column span. */
struct cg_matrix {
    int rows;
    size_t capacity; /* of column and value; start[rows] of it are used */
    size_t *start;   /* rows + 1 */
    int *column;
    double *value;
};

void cg_grid_create(const struct npb_run *run, int n, struct cg_grid *grid);
void cg_grid_free(struct cg_grid *grid);

/* The matrix of RNR-94-007; the same numbers on every process, own block kept. */
void cg_matrix_create(const struct cg_class *class, const struct cg_grid *grid,
                      struct cg_matrix *matrix);
void cg_matrix_free(struct cg_matrix *matrix);

/* y = A x; x and y are segments, work has row_span.count elements twice. */
void cg_multiply(const struct cg_grid *grid, const struct cg_matrix *matrix, const double *x,
                 double *work, double *y);

double cg_dot(const struct cg_grid *grid, const double *x, const double *y);

#endif
