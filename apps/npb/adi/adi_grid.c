#include "apps/npb/adi/adi.h"

enum { TAG_FACE = 41, INNER_DIMS = ADI_DIMS + 1 };

/* Cells are numbered by z; see adi.h for which ones a process has. */
const struct adi_cell *adi_grid_cell(const struct adi_grid *grid, int direction, int slab)
{
    int shift = direction == ADI_Z ? 0 : grid->place[direction];
    return &grid->cells[(slab - shift + grid->parts) % grid->parts];
}

static double *take(struct adi_cell *cell, double **next)
{
    double *array = *next + ADI_HALO * (cell->stride[0] + cell->stride[1] + cell->stride[2]);
    *next += cell->points;
    return array;
}

static void cell_allocate(struct adi_cell *cell, bool sound)
{
    cell->arrays = 3 * ADI_VARS + ADI_DIMS + 3 + (sound ? 1 : 0);
    cell->memory = npb_alloc(cell->arrays * cell->points, sizeof(double));
    double *next = cell->memory; /* u comes first: the faces' datatypes count on it */
    for (int m = 0; m < ADI_VARS; m++)
        cell->u[m] = take(cell, &next);
    for (int m = 0; m < ADI_VARS; m++)
        cell->rhs[m] = take(cell, &next);
    for (int m = 0; m < ADI_VARS; m++)
        cell->forcing[m] = take(cell, &next);
    for (int d = 0; d < ADI_DIMS; d++)
        cell->velocity[d] = take(cell, &next);
    cell->kinetic = take(cell, &next);
    cell->inverse = take(cell, &next);
    cell->pressure = take(cell, &next);
    if (sound)
        cell->sound = take(cell, &next);
}

static void cell_create(const struct adi_grid *grid, int z, bool sound, struct adi_cell *cell)
{
    const int parts = grid->parts;

    *cell = (struct adi_cell){
        .place = {(grid->place[0] + z) % parts, (grid->place[1] + z) % parts, z},
        .points = 1,
    };
    for (int d = 0; d < ADI_DIMS; d++) {
        struct npb_span span = npb_split(grid->side, parts, cell->place[d]);
        cell->first[d] = span.first;
        cell->n[d] = span.count;
        cell->low[d] = cell->place[d] == 0 ? 1 : 0;
        cell->high[d] = span.count - (cell->place[d] == parts - 1 ? 1 : 0);
        cell->stride[d] = (ptrdiff_t)cell->points;
        cell->points *= (size_t)span.count + 2 * ADI_HALO;
    }
    cell_allocate(cell, sound);
}

/*
 * The layers of u at the lower (above = 0) or upper side in a direction, of all cells with a
 * neighbour there: inside the cell, to be sent, or outside, to be received.
 */
static MPI_Datatype face_type(const struct adi_grid *grid, int direction, int above, bool inside)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.VLASize): there is at least one part */
    MPI_Datatype types[grid->parts], all;
    MPI_Aint places[grid->parts], base;
    int ones[grid->parts], count = 0;

    MPI_Get_address(grid->cells, &base);
    for (int c = 0; c < grid->parts; c++) {
        const struct adi_cell *cell = &grid->cells[c];
        int sizes[INNER_DIMS] = {ADI_VARS}, part[INNER_DIMS] = {ADI_VARS}, from[INNER_DIMS] = {0};
        if (cell->place[direction] == (above ? grid->parts - 1 : 0))
            continue;
        for (int d = 0; d < ADI_DIMS; d++) {
            int layers = above ? cell->n[d] - (inside ? ADI_HALO : 0) : inside ? 0 : -ADI_HALO;
            int i = INNER_DIMS - 1 - d;
            sizes[i] = cell->n[d] + 2 * ADI_HALO;
            part[i] = d == direction ? ADI_HALO : cell->n[d];
            from[i] = ADI_HALO + (d == direction ? layers : 0);
        }
        MPI_Type_create_subarray(INNER_DIMS, sizes, part, from, MPI_ORDER_C, MPI_DOUBLE,
                                 &types[count]);
        MPI_Get_address(cell->memory, &places[count]);
        places[count] = MPI_Aint_diff(places[count], base);
        ones[count++] = 1;
    }
    MPI_Type_create_struct(count, ones, places, types, &all);
    MPI_Type_commit(&all);
    for (int c = 0; c < count; c++)
        MPI_Type_free(&types[c]);
    return all;
}

static void topology_create(struct adi_grid *grid)
{
    int dims[2] = {grid->parts, grid->parts}, periodic[2] = {1, 1}, rank;

    MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periodic, 0, &grid->cart);
    MPI_Comm_rank(grid->cart, &rank);
    MPI_Cart_coords(grid->cart, rank, 2, grid->place);
    MPI_Cart_shift(grid->cart, 0, 1, &grid->below[ADI_X], &grid->above[ADI_X]);
    MPI_Cart_shift(grid->cart, 1, 1, &grid->below[ADI_Y], &grid->above[ADI_Y]);
    int below[2] = {grid->place[0] + 1, grid->place[1] + 1};
    int above[2] = {grid->place[0] - 1, grid->place[1] - 1};
    MPI_Cart_rank(grid->cart, below, &grid->below[ADI_Z]);
    MPI_Cart_rank(grid->cart, above, &grid->above[ADI_Z]);
}

bool adi_grid_create(int side, double dt, int nranks, bool sound, struct adi_grid *grid)
{
    *grid = (struct adi_grid){.side = side, .parts = 1, .dt = dt, .h = 1.0 / (side - 1)};
    while (grid->parts * grid->parts < nranks)
        grid->parts++;
    if (side / grid->parts < ADI_HALO + 1) /* an outermost cell has one layer less of unknowns */
        return false;
    topology_create(grid);
    grid->cells = npb_alloc((size_t)grid->parts, sizeof *grid->cells);
    for (int z = 0; z < grid->parts; z++)
        cell_create(grid, z, sound, &grid->cells[z]);
    for (int d = 0; d < ADI_DIMS; d++)
        for (int above = 0; above <= 1; above++) {
            grid->send[d][above] = face_type(grid, d, above, true);
            grid->receive[d][above] = face_type(grid, d, above, false);
        }
    return true;
}

void adi_grid_free(struct adi_grid *grid)
{
    for (int d = 0; d < ADI_DIMS; d++)
        for (int above = 0; above <= 1; above++) {
            MPI_Type_free(&grid->send[d][above]);
            MPI_Type_free(&grid->receive[d][above]);
        }
    for (int z = 0; z < grid->parts; z++)
        npb_free(grid->cells[z].memory, grid->cells[z].arrays * grid->cells[z].points,
                 sizeof(double));
    npb_free(grid->cells, (size_t)grid->parts, sizeof *grid->cells);
    MPI_Comm_free(&grid->cart);
}

void adi_grid_exchange(const struct adi_grid *grid)
{
    MPI_Request requests[4 * ADI_DIMS];
    MPI_Status statuses[4 * ADI_DIMS];
    int n = 0;

    if (grid->parts == 1)
        return;
    /* A tag says in which direction a face travels: with two cells a side, both neighbours are the
     * same process. */
    for (int d = 0; d < ADI_DIMS; d++) {
        int down = TAG_FACE + 2 * d, up = down + 1;
        MPI_Irecv(grid->cells, 1, grid->receive[d][0], grid->below[d], up, grid->cart,
                  &requests[n++]);
        MPI_Irecv(grid->cells, 1, grid->receive[d][1], grid->above[d], down, grid->cart,
                  &requests[n++]);
    }
    for (int d = 0; d < ADI_DIMS; d++) {
        int down = TAG_FACE + 2 * d, up = down + 1;
        MPI_Isend(grid->cells, 1, grid->send[d][0], grid->below[d], down, grid->cart,
                  &requests[n++]);
        MPI_Isend(grid->cells, 1, grid->send[d][1], grid->above[d], up, grid->cart, &requests[n++]);
    }
    MPI_Waitall(n, requests, statuses);
}
