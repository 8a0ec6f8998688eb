#include "apps/npb/lu/lu.h"

#include <math.h>

enum { TAG_BEFORE = 31, TAG_AFTER = 32 };

/* Diffusion coefficients along x, y, z (RNR-94-007, chapter 3): the same for all components. */
static const double diffusion[LU_DIMS] = {0.75, 0.75, 1.0};

static void axis_set(struct lu_axis *axis, int points, int procs, int place, double d)
{
    struct npb_span span = npb_split(points, procs, place);
    double intervals = points - 1;

    *axis = (struct lu_axis){
        .points = points,
        .first = span.first,
        .count = span.count,
        .begin = place == 0 ? 1 : 0,
        .end = place == procs - 1 ? span.count - 1 : span.count,
        .before = MPI_PROC_NULL,
        .after = MPI_PROC_NULL,
        .procs = procs,
        .gradient = intervals / 2,
        .laplacian = intervals * intervals,
        .diffusion = d,
        .face = MPI_DATATYPE_NULL,
    };
}

/* In every plane, `lines` lines of `width` points. */
static MPI_Datatype face_create(const struct lu_grid *grid, int lines, int width)
{
    MPI_Datatype slice, face;
    MPI_Type_vector(lines, width, (int)grid->line, MPI_DOUBLE, &slice);
    MPI_Type_create_hvector(grid->axis[LU_Z].count, 1,
                            (MPI_Aint)grid->plane * (MPI_Aint)sizeof(double), slice, &face);
    MPI_Type_commit(&face);
    MPI_Type_free(&slice);
    return face;
}

bool lu_grid_create(int points, int nranks, struct lu_grid *grid)
{
    int dims[2] = {0}, periodic[2] = {0}, place[2], rank;
    struct lu_axis *x = &grid->axis[LU_X], *y = &grid->axis[LU_Y], *z = &grid->axis[LU_Z];

    MPI_Dims_create(nranks, 2, dims);
    if (points / dims[0] < LU_HALO)
        return false;
    /* Dimension 0 is y, so that x is cut last. */
    MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periodic, 0, &grid->cart);
    MPI_Comm_rank(grid->cart, &rank);
    MPI_Cart_coords(grid->cart, rank, 2, place);
    axis_set(x, points, dims[1], place[1], diffusion[LU_X]);
    axis_set(y, points, dims[0], place[0], diffusion[LU_Y]);
    axis_set(z, points, 1, 0, diffusion[LU_Z]);
    MPI_Cart_shift(grid->cart, 1, 1, &x->before, &x->after);
    MPI_Cart_shift(grid->cart, 0, 1, &y->before, &y->after);

    grid->line = x->count + 2 * LU_HALO;
    grid->row = LU_COMPONENTS * grid->line;
    grid->plane = grid->row * (y->count + 2 * LU_HALO);
    grid->doubles = (size_t)grid->plane * (size_t)(z->count + 2 * LU_HALO);
    x->face = face_create(grid, y->count * LU_COMPONENTS, LU_HALO);
    y->face = face_create(grid, LU_HALO * LU_COMPONENTS, x->count);
    return true;
}

void lu_grid_free(struct lu_grid *grid)
{
    MPI_Type_free(&grid->axis[LU_X].face);
    MPI_Type_free(&grid->axis[LU_Y].face);
    MPI_Comm_free(&grid->cart);
}

double *lu_field_create(const struct lu_grid *grid)
{
    return npb_alloc(grid->doubles, sizeof(double));
}

void lu_field_free(const struct lu_grid *grid, double *field)
{
    npb_free(field, grid->doubles, sizeof(double));
}

/* Starts the four messages of one axis, along which points are `step` apart. */
static void swap_faces(const struct lu_grid *grid, const struct lu_axis *axis, ptrdiff_t step,
                       double *field, MPI_Request requests[4])
{
    double *first = field + lu_at(grid, 0, 0, 0), *end = first + axis->count * step;

    MPI_Irecv(first - LU_HALO * step, 1, axis->face, axis->before, TAG_AFTER, grid->cart,
              &requests[0]);
    MPI_Irecv(end, 1, axis->face, axis->after, TAG_BEFORE, grid->cart, &requests[1]);
    MPI_Isend(first, 1, axis->face, axis->before, TAG_BEFORE, grid->cart, &requests[2]);
    MPI_Isend(end - LU_HALO * step, 1, axis->face, axis->after, TAG_AFTER, grid->cart,
              &requests[3]);
}

void lu_exchange(const struct lu_grid *grid, double *field)
{
    MPI_Request requests[8];
    MPI_Status statuses[8]; /* not MPI_STATUSES_IGNORE: gcc 12 warns of its size */

    swap_faces(grid, &grid->axis[LU_X], 1, field, requests);
    swap_faces(grid, &grid->axis[LU_Y], grid->row, field, requests + 4);
    MPI_Waitall(8, requests, statuses);
}

void lu_norms(const struct lu_grid *grid, const double *field, double norms[LU_COMPONENTS])
{
    const struct lu_axis *x = &grid->axis[LU_X], *y = &grid->axis[LU_Y], *z = &grid->axis[LU_Z];
    double sums[LU_COMPONENTS] = {0};

    for (int k = z->begin; k < z->end; k++)
        for (int j = y->begin; j < y->end; j++)
            for (int m = 0; m < LU_COMPONENTS; m++) {
                const double *line = field + lu_at(grid, 0, j, k) + m * grid->line;
                for (int i = x->begin; i < x->end; i++)
                    sums[m] += line[i] * line[i];
            }
    MPI_Allreduce(sums, norms, LU_COMPONENTS, MPI_DOUBLE, MPI_SUM, grid->cart);
    double interior = (x->points - 2.0) * (y->points - 2.0) * (z->points - 2.0);
    for (int m = 0; m < LU_COMPONENTS; m++)
        norms[m] = sqrt(norms[m] / interior);
}
