#include "apps/npb/cg/cg.h"

#include <string.h>

enum { TAG_SUM = 11, TAG_SWAP = 12 };

void cg_grid_create(const struct npb_run *run, int n, struct cg_grid *grid)
{
    *grid = (struct cg_grid){.rows = 1, .columns = 1};
    while (grid->rows * grid->columns < run->nranks) {
        if (grid->columns == grid->rows)
            grid->columns *= 2;
        else
            grid->rows *= 2;
    }
    int per_row = grid->columns / grid->rows; /* segments of a process row: 1 or 2 */
    grid->self = run->rank;
    grid->row = run->rank / grid->columns;
    grid->column = run->rank % grid->columns;
    grid->column_span = npb_split(n, grid->columns, grid->column);

    struct npb_span first = npb_split(n, grid->columns, grid->row * per_row);
    struct npb_span last = npb_split(n, grid->columns, (grid->row + 1) * per_row - 1);
    grid->row_span.first = first.first;
    grid->row_span.count = last.first + last.count - first.first;

    /* The transposed process lies in the column that numbers the segment of this row it wants. */
    int half = grid->column % per_row;
    int column = grid->row * per_row + half;
    grid->transposed = grid->column / per_row * grid->columns + column;
    grid->wanted = half == 0 ? first : last;
    grid->wanted.first -= grid->row_span.first;

    MPI_Comm_split(MPI_COMM_WORLD, grid->row, grid->column, &grid->row_comm);
    for (int distance = 1; distance < grid->columns; distance *= 2)
        grid->partner[grid->steps++] = grid->column ^ distance;
}

void cg_grid_free(struct cg_grid *grid)
{
    MPI_Comm_free(&grid->row_comm);
}

static void exchange(double *out, int out_count, double *in, int in_count, int partner,
                     MPI_Comm comm)
{
    MPI_Request request;
    MPI_Irecv(in, in_count, MPI_DOUBLE, partner, TAG_SUM, comm, &request);
    MPI_Send(out, out_count, MPI_DOUBLE, partner, TAG_SUM, comm);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/*
 * Sums the partial results of a process row. Where a row has two segments, the first partner (the
 * neighbour, column ^ 1) wants the other one: the two swap halves, and each goes on with its own.
 */
static void sum_over_row(const struct cg_grid *grid, double *partial, double *incoming)
{
    const struct npb_span mine = grid->wanted;
    const struct npb_span other = {
        .first = mine.first ? 0 : mine.count % grid->row_span.count,
        .count = grid->row_span.count - mine.count,
    };

    for (int step = 0; step < grid->steps; step++) {
        bool halves = step == 0 && other.count > 0;
        const struct npb_span out = halves ? other : mine;
        exchange(partial + out.first, out.count, incoming, mine.count, grid->partner[step],
                 grid->row_comm);
        for (int i = 0; i < mine.count; i++)
            partial[mine.first + i] += incoming[i];
    }
}

static void multiply_block(const struct cg_matrix *matrix, const double *restrict x,
                           double *restrict y)
{
    const double *restrict value = matrix->value;
    const int *restrict column = matrix->column;

    for (int row = 0; row < matrix->rows; row++) {
        size_t k = matrix->start[row], end = matrix->start[row + 1];
        double sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        for (; k + 4 <= end; k += 4) {
            sum0 += value[k] * x[column[k]];
            sum1 += value[k + 1] * x[column[k + 1]];
            sum2 += value[k + 2] * x[column[k + 2]];
            sum3 += value[k + 3] * x[column[k + 3]];
        }
        for (; k < end; k++)
            sum0 += value[k] * x[column[k]];
        y[row] = (sum0 + sum1) + (sum2 + sum3);
    }
}

void cg_multiply(const struct cg_grid *grid, const struct cg_matrix *matrix, const double *x,
                 double *work, double *y)
{
    double *partial = work, *incoming = work + grid->row_span.count;

    multiply_block(matrix, x, partial);
    sum_over_row(grid, partial, incoming);
    if (grid->transposed == grid->self)
        memcpy(y, partial + grid->wanted.first, (size_t)grid->column_span.count * sizeof *y);
    else
        MPI_Sendrecv(partial + grid->wanted.first, grid->wanted.count, MPI_DOUBLE, grid->transposed,
                     TAG_SWAP, y, grid->column_span.count, MPI_DOUBLE, grid->transposed, TAG_SWAP,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

double cg_dot(const struct cg_grid *grid, const double *x, const double *y)
{
    double mine = 0, all = 0;
    for (int i = 0; i < grid->column_span.count; i++)
        mine += x[i] * y[i];
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, grid->row_comm);
    return all;
}
