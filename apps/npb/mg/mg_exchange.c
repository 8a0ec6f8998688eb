#include "apps/npb/mg/mg.h"

#include <string.h>

enum { TAG_BELOW = 21, TAG_ABOVE = 22 };

static void shape_set(struct mg_shape *s, int nx, int ny, int nz)
{
    *s = (struct mg_shape){
        .n = {nx, ny, nz}, .row = nx + 2, .plane = (ptrdiff_t)(nx + 2) * (ny + 2)};
    s->points = (size_t)s->plane * ((size_t)nz + 2);
}

static void topology_create(int nranks, struct mg_topology *t)
{
    int dims[MG_DIMS] = {0}, periodic[MG_DIMS] = {1, 1, 1}, coords[MG_DIMS], rank;

    t->nranks = nranks;
    MPI_Dims_create(nranks, MG_DIMS, dims);
    MPI_Cart_create(MPI_COMM_WORLD, MG_DIMS, dims, periodic, 0, &t->cart);
    MPI_Comm_rank(t->cart, &rank);
    MPI_Cart_coords(t->cart, rank, MG_DIMS, coords);
    for (int d = 0; d < MG_DIMS; d++) {
        int dimension = MG_DIMS - 1 - d;
        t->procs[d] = dims[dimension];
        t->place[d] = coords[dimension];
        MPI_Cart_shift(t->cart, dimension, 1, &t->below[d], &t->above[d]);
    }
}

/* The halo layers of x and y are included in the faces of later dimensions: corners travel along.
 */
static void level_create(const struct mg_topology *t, int side, bool whole, struct mg_level *level)
{
    int n[MG_DIMS];
    for (int d = 0; d < MG_DIMS; d++)
        n[d] = whole ? side : side / t->procs[d];
    shape_set(&level->shape, n[MG_X], n[MG_Y], n[MG_Z]);
    level->whole = whole;
    level->u = npb_alloc(level->shape.points, sizeof(double));
    level->r = npb_alloc(level->shape.points, sizeof(double));
    level->x_faces = npb_alloc(4 * (size_t)n[MG_Y] * (size_t)n[MG_Z], sizeof(double));
    MPI_Type_vector(n[MG_Z], n[MG_X] + 2, (int)level->shape.plane, MPI_DOUBLE, &level->y_face);
    MPI_Type_contiguous((int)level->shape.plane, MPI_DOUBLE, &level->z_face);
    MPI_Type_commit(&level->y_face);
    MPI_Type_commit(&level->z_face);
}

bool mg_hierarchy_create(int points, int nranks, struct mg_hierarchy *h)
{
    bool whole = false;

    *h = (struct mg_hierarchy){0};
    topology_create(nranks, &h->topology);
    const int *procs = h->topology.procs;
    for (int side = points; side > 1; side /= 2)
        h->top++;
    for (int side = points, k = h->top; k >= 1; side /= 2, k--) {
        bool single = side / procs[MG_X] < 2 || side / procs[MG_Y] < 2 || side / procs[MG_Z] < 2;
        if (single && k == h->top)
            return false;
        if (single && !whole) {
            shape_set(&h->piece, side / procs[MG_X], side / procs[MG_Y], side / procs[MG_Z]);
            h->gathered = npb_alloc((size_t)side * (size_t)side * (size_t)side, sizeof(double));
        }
        whole = whole || single;
        level_create(&h->topology, side, whole, &h->level[k]);
    }
    h->v = npb_alloc(h->level[h->top].shape.points, sizeof(double));
    return true;
}

void mg_hierarchy_free(struct mg_hierarchy *h)
{
    npb_free(h->v, h->level[h->top].shape.points, sizeof(double));
    for (int k = 1; k <= h->top; k++) {
        struct mg_level *level = &h->level[k];
        const int *n = level->shape.n;
        npb_free(level->u, level->shape.points, sizeof(double));
        npb_free(level->r, level->shape.points, sizeof(double));
        npb_free(level->x_faces, 4 * (size_t)n[MG_Y] * (size_t)n[MG_Z], sizeof(double));
        MPI_Type_free(&level->y_face);
        MPI_Type_free(&level->z_face);
    }
    if (h->gathered)
        npb_free(h->gathered,
                 (size_t)h->topology.nranks * (size_t)h->piece.n[MG_X] * (size_t)h->piece.n[MG_Y] *
                     (size_t)h->piece.n[MG_Z],
                 sizeof(double));
    MPI_Comm_free(&h->topology.cart);
}

/* Where one process spans the dimension, its own points are the neighbours. */
static void wrap_x(const struct mg_shape *s, double *data)
{
    for (int k = 1; k <= s->n[MG_Z]; k++)
        for (int j = 1; j <= s->n[MG_Y]; j++) {
            double *row = data + k * s->plane + j * s->row;
            row[0] = row[s->n[MG_X]];
            row[s->n[MG_X] + 1] = row[1];
        }
}

static void wrap_y(const struct mg_shape *s, double *data)
{
    size_t bytes = (size_t)s->row * sizeof *data;
    for (int k = 1; k <= s->n[MG_Z]; k++) {
        double *plane = data + k * s->plane;
        memcpy(plane, plane + s->n[MG_Y] * s->row, bytes);
        memcpy(plane + (s->n[MG_Y] + 1) * s->row, plane + s->row, bytes);
    }
}

static void wrap_z(const struct mg_shape *s, double *data)
{
    size_t bytes = (size_t)s->plane * sizeof *data;
    memcpy(data, data + s->n[MG_Z] * s->plane, bytes);
    memcpy(data + (s->n[MG_Z] + 1) * s->plane, data + s->plane, bytes);
}

/* The four messages of one dimension; `count` elements of `type` each. */
static void swap_faces(const struct mg_topology *t, int dimension, int count, MPI_Datatype type,
                       double *const out[2], double *const in[2])
{
    int below = t->below[dimension], above = t->above[dimension];
    MPI_Request requests[4];
    MPI_Status statuses[4]; /* not MPI_STATUSES_IGNORE: gcc 12 warns of its size */

    MPI_Irecv(in[0], count, type, below, TAG_ABOVE, t->cart, &requests[0]);
    MPI_Irecv(in[1], count, type, above, TAG_BELOW, t->cart, &requests[1]);
    MPI_Isend(out[0], count, type, below, TAG_BELOW, t->cart, &requests[2]);
    MPI_Isend(out[1], count, type, above, TAG_ABOVE, t->cart, &requests[3]);
    MPI_Waitall(4, requests, statuses);
}

/* Points one apart in x lie far apart in memory: packed by hand. */
static void copy_x_face(const struct mg_shape *s, double *data, int i, double *face, bool pack)
{
    for (int k = 1; k <= s->n[MG_Z]; k++)
        for (int j = 1; j <= s->n[MG_Y]; j++, face++) {
            double *point = data + k * s->plane + j * s->row + i;
            if (pack)
                *face = *point;
            else
                *point = *face;
        }
}

static void exchange_x(const struct mg_topology *t, const struct mg_level *level, double *data)
{
    const struct mg_shape *s = &level->shape;
    int count = s->n[MG_Y] * s->n[MG_Z], last = s->n[MG_X];
    double *out[2] = {level->x_faces, level->x_faces + count};
    double *in[2] = {level->x_faces + 2 * count, level->x_faces + 3 * count};

    copy_x_face(s, data, 1, out[0], true);
    copy_x_face(s, data, last, out[1], true);
    swap_faces(t, MG_X, count, MPI_DOUBLE, out, in);
    copy_x_face(s, data, 0, in[0], false);
    copy_x_face(s, data, last + 1, in[1], false);
}

static void exchange_y(const struct mg_topology *t, const struct mg_level *level, double *data)
{
    const struct mg_shape *s = &level->shape;
    double *base = data + s->plane;
    double *out[2] = {base + s->row, base + s->n[MG_Y] * s->row};
    double *in[2] = {base, base + (s->n[MG_Y] + 1) * s->row};
    swap_faces(t, MG_Y, 1, level->y_face, out, in);
}

static void exchange_z(const struct mg_topology *t, const struct mg_level *level, double *data)
{
    const struct mg_shape *s = &level->shape;
    double *out[2] = {data + s->plane, data + s->n[MG_Z] * s->plane};
    double *in[2] = {data, data + (s->n[MG_Z] + 1) * s->plane};
    swap_faces(t, MG_Z, 1, level->z_face, out, in);
}

void mg_exchange(const struct mg_hierarchy *h, int level_number, double *data)
{
    const struct mg_level *level = &h->level[level_number];
    const struct mg_topology *t = &h->topology;

    if (level->whole || t->procs[MG_X] == 1)
        wrap_x(&level->shape, data);
    else
        exchange_x(t, level, data);
    if (level->whole || t->procs[MG_Y] == 1)
        wrap_y(&level->shape, data);
    else
        exchange_y(t, level, data);
    if (level->whole || t->procs[MG_Z] == 1)
        wrap_z(&level->shape, data);
    else
        exchange_z(t, level, data);
}

/* Copies the interior of a piece to or from a dense array of its points. */
static void place_piece(const struct mg_shape *piece, const double *dense, const struct mg_shape *s,
                        const int first[MG_DIMS], double *data)
{
    for (int k = 0; k < piece->n[MG_Z]; k++)
        for (int j = 0; j < piece->n[MG_Y]; j++, dense += piece->n[MG_X])
            memcpy(data + (first[MG_Z] + k) * s->plane + (first[MG_Y] + j) * s->row + first[MG_X],
                   dense, (size_t)piece->n[MG_X] * sizeof *data);
}

void mg_gather(const struct mg_hierarchy *h, int level, const double *piece, double *whole)
{
    const struct mg_topology *t = &h->topology;
    const int *n = h->piece.n;
    int count = n[MG_X] * n[MG_Y] * n[MG_Z], coords[MG_DIMS];
    double dense[count], *to = dense;

    for (int k = 1; k <= n[MG_Z]; k++)
        for (int j = 1; j <= n[MG_Y]; j++, to += n[MG_X])
            memcpy(to, piece + k * h->piece.plane + j * h->piece.row + 1,
                   (size_t)n[MG_X] * sizeof *to);
    MPI_Allgather(dense, count, MPI_DOUBLE, h->gathered, count, MPI_DOUBLE, t->cart);
    for (int rank = 0; rank < t->nranks; rank++) {
        MPI_Cart_coords(t->cart, rank, MG_DIMS, coords);
        int first[MG_DIMS] = {coords[2] * n[MG_X] + 1, coords[1] * n[MG_Y] + 1,
                              coords[0] * n[MG_Z] + 1};
        place_piece(&h->piece, h->gathered + (size_t)rank * (size_t)count, &h->level[level].shape,
                    first, whole);
    }
    mg_exchange(h, level, whole);
}
