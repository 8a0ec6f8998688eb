#include "apps/npb/ft/ft.h"

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Along x, in place, in the space layout. */
static void transform_x(const struct ft_plan *plan, const struct ft_layout *l,
                        enum ft_direction direction, ft_complex *data)
{
    int lines = l->ny * l->z_count;
    for (int first = 0; first < lines; first += FT_BATCH) {
        struct ft_lines batch = {data + (ptrdiff_t)first * l->nx, 1, l->nx};
        ft_transform(plan, direction, l->nx, smaller(FT_BATCH, lines - first), batch, batch);
    }
}

/* Along z, in place, in the spectrum layout. */
static void transform_z(const struct ft_plan *plan, const struct ft_layout *l,
                        enum ft_direction direction, ft_complex *data)
{
    int lines = l->ny * l->x_count;
    for (int first = 0; first < lines; first += FT_BATCH) {
        struct ft_lines batch = {data + first, lines, 1};
        ft_transform(plan, direction, l->nz, smaller(FT_BATCH, lines - first), batch, batch);
    }
}

/*
 * Along y, between the space layout and the blocks of the exchange, one per process:
 * [P][nz / P][ny][nx / P]. Forward reads space and writes blocks, inverse the other way round.
 */
static void transform_y(const struct ft_plan *plan, const struct ft_layout *l,
                        enum ft_direction direction, ft_complex *space, ft_complex *blocks)
{
    size_t block = (size_t)l->z_count * (size_t)l->ny * (size_t)l->x_count;

    for (int rank = 0; rank < l->nranks; rank++)
        for (int z = 0; z < l->z_count; z++)
            for (int x = 0; x < l->x_count; x += FT_BATCH) {
                ft_complex *in_space =
                    space + (ptrdiff_t)z * l->ny * l->nx + (ptrdiff_t)rank * l->x_count + x;
                ft_complex *in_block =
                    blocks + (size_t)rank * block + (ptrdiff_t)z * l->ny * l->x_count + x;
                struct ft_lines s = {in_space, l->nx, 1}, b = {in_block, l->x_count, 1};
                bool forward = direction == FT_FORWARD;
                ft_transform(plan, direction, l->ny, smaller(FT_BATCH, l->x_count - x),
                             forward ? s : b, forward ? b : s);
            }
}

static void swap_blocks(const struct ft_layout *l, const ft_complex *from, ft_complex *to)
{
    int count = (int)(l->points / (size_t)l->nranks);
    MPI_Alltoall(from, count, MPI_C_DOUBLE_COMPLEX, to, count, MPI_C_DOUBLE_COMPLEX, l->comm);
}

void ft_to_spectrum(const struct ft_plan *plan, const struct ft_layout *l, ft_complex *data,
                    ft_complex *room)
{
    transform_x(plan, l, FT_FORWARD, data);
    if (l->nranks == 1) {
        transform_y(plan, l, FT_FORWARD, data, data);
    } else {
        transform_y(plan, l, FT_FORWARD, data, room);
        swap_blocks(l, room, data);
    }
    transform_z(plan, l, FT_FORWARD, data);
}

void ft_to_space(const struct ft_plan *plan, const struct ft_layout *l, ft_complex *data,
                 ft_complex *room)
{
    transform_z(plan, l, FT_INVERSE, data);
    if (l->nranks == 1) {
        transform_y(plan, l, FT_INVERSE, data, data);
    } else {
        swap_blocks(l, data, room);
        transform_y(plan, l, FT_INVERSE, data, room);
    }
    transform_x(plan, l, FT_INVERSE, data);
}
