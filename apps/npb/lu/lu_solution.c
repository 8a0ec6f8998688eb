/* Where the iteration starts, and the checks of where it ends. */
#include "apps/common/npb_flow.h"
#include "apps/npb/lu/lu.h"

static bool on_surface(const struct lu_axis *axis, int local)
{
    return axis->first + local == 0 || axis->first + local == axis->points - 1;
}

typedef double function_of_place(int m, const double at[LU_DIMS]);

/* Sets the points of the block and of `halo` layers around it in x and y, as far as they are in the cube. */
static void fill(const struct lu_grid *grid, int halo, function_of_place *inside, double *field)
{
    const struct lu_axis *a = grid->axis;
    int at[LU_DIMS], low[LU_DIMS] = {-halo, -halo, 0};
    int high[LU_DIMS] = {a[LU_X].count + halo, a[LU_Y].count + halo, a[LU_Z].count};

    for (int d = 0; d < LU_DIMS; d++) {
        if (a[d].first + low[d] < 0)
            low[d] = 0;
        if (a[d].first + high[d] > a[d].points)
            high[d] = a[d].count;
    }
    for (at[LU_Z] = low[LU_Z]; at[LU_Z] < high[LU_Z]; at[LU_Z]++)
        for (at[LU_Y] = low[LU_Y]; at[LU_Y] < high[LU_Y]; at[LU_Y]++)
            for (at[LU_X] = low[LU_X]; at[LU_X] < high[LU_X]; at[LU_X]++) {
                double place[LU_DIMS];
                bool surface = false;
                for (int d = 0; d < LU_DIMS; d++) {
                    place[d] = (double)(a[d].first + at[d]) / (a[d].points - 1);
                    surface = surface || on_surface(&a[d], at[d]);
                }
                double *point = field + lu_at(grid, at[LU_X], at[LU_Y], at[LU_Z]);
                for (int m = 0; m < LU_COMPONENTS; m++)
                    point[m * grid->line] = surface ? npb_flow_exact(m, place) : inside(m, place);
            }
}

void lu_fill_exact(const struct lu_grid *grid, double *u)
{
    fill(grid, LU_HALO, npb_flow_exact, u);
}

void lu_fill_start(const struct lu_grid *grid, double *u)
{
    fill(grid, 0, npb_flow_interpolated, u);
}

void lu_error_norms(const struct lu_grid *grid, const double *u, double *work,
                    double norms[LU_COMPONENTS])
{
    fill(grid, 0, npb_flow_exact, work);
    for (size_t i = 0; i < grid->doubles; i++)
        work[i] -= u[i];
    lu_norms(grid, work, norms);
}

/* The box: global indices of its first and last points along x, y, z (RNR-94-007, chapter 3; counted from 0). */
struct box {
    int first[LU_DIMS], last[LU_DIMS];
};

/* The weight of a point along one axis in a trapezoidal sum over the box: 0, 1 or 2. */
static int weight(const struct lu_grid *grid, const struct box *box, int d, int local)
{
    int at = grid->axis[d].first + local;

    if (at < box->first[d] || at > box->last[d])
        return 0;
    return at == box->first[d] || at == box->last[d] ? 1 : 2;
}

/* The sum over the points of this process on the two faces of the box across axis d. */
static double sum_faces(const struct lu_grid *grid, const struct box *box, int d, const double *u)
{
    int along[LU_DIMS] = {0}, other[2] = {(d + 1) % LU_DIMS, (d + 2) % LU_DIMS};
    const int faces[2] = {box->first[d], box->last[d]};
    const ptrdiff_t line = grid->line;
    double sum = 0;

    for (int face = 0; face < 2; face++) {
        along[d] = faces[face] - grid->axis[d].first;
        if (along[d] < 0 || along[d] >= grid->axis[d].count)
            continue;
        for (along[other[0]] = 0; along[other[0]] < grid->axis[other[0]].count; along[other[0]]++)
            for (along[other[1]] = 0; along[other[1]] < grid->axis[other[1]].count;
                 along[other[1]]++) {
                const double *p = u + lu_at(grid, along[LU_X], along[LU_Y], along[LU_Z]);
                int w = weight(grid, box, other[0], along[other[0]]) *
                        weight(grid, box, other[1], along[other[1]]);
                sum += w * lu_pressure(p[0], p[line], p[2 * line], p[3 * line], p[4 * line]);
            }
    }
    return sum;
}

double lu_surface_integral(const struct lu_grid *grid, const double *u)
{
    const struct lu_axis *a = grid->axis;
    const struct box box = {
        .first = {1, 1, 2},
        .last = {a[LU_X].points - 2, a[LU_Y].points - 3, a[LU_Z].points - 2},
    };
    double mine = 0, all = 0;

    for (int d = 0; d < LU_DIMS; d++) {
        double across = (a[(d + 1) % LU_DIMS].points - 1.0) * (a[(d + 2) % LU_DIMS].points - 1.0);
        mine += sum_faces(grid, &box, d, u) / across;
    }
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, grid->cart);
    return 0.25 * all;
}
