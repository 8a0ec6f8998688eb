/*
 * Solving along lines that pass through the cells of several processes. Elimination goes up through
 * the slabs of cells, substitution comes down; at each stage every process works on its cell of the
 * slab, and hands the state at the boundary on. In the uppermost slab substitution follows
 * elimination at once, a bundle of lines at a time: with one process nothing is stored but one
 * bundle, which stays in the cache.
 */
#include "apps/npb/adi/adi.h"

#include <string.h>

enum { TAG_UP = 51, TAG_DOWN = 52 };

struct adi_sweep {
    const struct adi_grid *grid;
    const struct adi_solver *solver;
    size_t head, tail;      /* vectors of a bundle's state at the boundary, going up and down */
    size_t stored, message; /* vectors in `records`, in each buffer */
    adi_lanes *records;     /* the bundles of all slabs but the uppermost; then one bundle */
    adi_lanes *incoming, *outgoing;
    MPI_Request sending;
};

/* The bundles of a cell: rows of them, each ADI_LANES lines side by side. */
struct bundles {
    int across, up; /* directions: of the lines side by side, of the rows */
    int per_row, rows;
    int points;    /* unknown points of a line in this cell */
    size_t length; /* vectors of one bundle's records, with those of the points before */
};

static struct bundles bundles_of(const struct adi_sweep *s, const struct adi_cell *cell, int d)
{
    struct bundles b = {
        .across = d == ADI_X ? ADI_Y : ADI_X,
        .up = d == ADI_Z ? ADI_Y : ADI_Z,
        .points = cell->high[d] - cell->low[d],
    };
    b.per_row = (cell->high[b.across] - cell->low[b.across] + ADI_LANES - 1) / ADI_LANES;
    b.rows = cell->high[b.up] - cell->low[b.up];
    b.length = (size_t)(b.points + s->solver->depth) * (size_t)s->solver->record;
    return b;
}

static size_t bundle_count(const struct bundles *b)
{
    return (size_t)b->per_row * (size_t)b->rows;
}

static struct adi_lines lines_at(const struct adi_grid *grid, const struct adi_cell *cell, int d,
                                 const struct bundles *b, int number)
{
    struct adi_lines lines = {
        .grid = grid,
        .cell = cell,
        .direction = d,
        .count = b->points,
        .place = cell->first[d] + cell->low[d],
        .along = cell->stride[d],
    };
    const int line = cell->low[b->across] + number % b->per_row * ADI_LANES;
    const int row = cell->low[b->up] + number / b->per_row;

    lines.start =
        cell->low[d] * cell->stride[d] + line * cell->stride[b->across] + row * cell->stride[b->up];
    for (int l = 0; l < ADI_LANES; l++) {
        int last = cell->high[b->across] - 1 - line;
        lines.lane[l] = (l < last ? l : last) * cell->stride[b->across];
    }
    return lines;
}

/* The most that any direction needs. */
static void measure(struct adi_sweep *s)
{
    for (int d = 0; d < ADI_DIMS; d++) {
        size_t stored = 0;
        for (int slab = 0; slab < s->grid->parts; slab++) {
            struct bundles b = bundles_of(s, adi_grid_cell(s->grid, d, slab), d);
            size_t boundary = bundle_count(&b) * (s->head > s->tail ? s->head : s->tail);
            stored += (slab == s->grid->parts - 1 ? 1 : bundle_count(&b)) * b.length;
            if (s->message < boundary)
                s->message = boundary;
        }
        if (s->stored < stored)
            s->stored = stored;
    }
    if (s->grid->parts == 1)
        s->message = 0;
}

struct adi_sweep *adi_sweep_create(const struct adi_grid *grid, const struct adi_solver *solver)
{
    struct adi_sweep *s = npb_alloc(1, sizeof *s);

    *s = (struct adi_sweep){
        .grid = grid,
        .solver = solver,
        .head = (size_t)solver->depth * (size_t)solver->record,
        .tail = (size_t)solver->depth * ADI_VARS,
        .sending = MPI_REQUEST_NULL,
    };
    measure(s);
    s->records = npb_alloc(s->stored, sizeof *s->records);
    s->incoming = npb_alloc(s->message, sizeof *s->incoming);
    s->outgoing = npb_alloc(s->message, sizeof *s->outgoing);
    return s;
}

void adi_sweep_free(struct adi_sweep *s)
{
    npb_free(s->records, s->stored, sizeof *s->records);
    npb_free(s->incoming, s->message, sizeof *s->incoming);
    npb_free(s->outgoing, s->message, sizeof *s->outgoing);
    npb_free(s, 1, sizeof *s);
}

static void receive(const struct adi_sweep *s, size_t vectors, int from, int tag)
{
    MPI_Recv(s->incoming, (int)(vectors * ADI_LANES), MPI_DOUBLE, from, tag, s->grid->cart,
             MPI_STATUS_IGNORE);
}

/* The outgoing buffer may be filled again after finish_send. */
static void start_send(struct adi_sweep *s, size_t vectors, int to, int tag)
{
    MPI_Isend(s->outgoing, (int)(vectors * ADI_LANES), MPI_DOUBLE, to, tag, s->grid->cart,
              &s->sending);
}

static void finish_send(struct adi_sweep *s)
{
    MPI_Wait(&s->sending, MPI_STATUS_IGNORE);
}

static void eliminate(struct adi_sweep *s, const struct adi_lines *lines, size_t number, bool first,
                      adi_lanes *records)
{
    if (first)
        memset(records, 0, s->head * sizeof *records);
    else
        memcpy(records, s->incoming + number * s->head, s->head * sizeof *records);
    s->solver->eliminate(lines, records + s->head);
}

static void substitute(struct adi_sweep *s, const struct adi_lines *lines, size_t number, bool last,
                       const adi_lanes *records)
{
    adi_lanes ahead[s->solver->depth][ADI_VARS];

    if (last)
        memset(ahead, 0, sizeof ahead);
    else
        memcpy(ahead, s->incoming + number * s->tail, sizeof ahead);
    s->solver->substitute(lines, records + s->head, ahead);
    if (s->grid->parts > 1)
        memcpy(s->outgoing + number * s->tail, ahead, sizeof ahead);
}

/* Elimination in a slab; in the uppermost one substitution too. */
static void go_up(struct adi_sweep *s, int d, int slab, adi_lanes *records)
{
    const struct adi_grid *grid = s->grid;
    const struct adi_cell *cell = adi_grid_cell(grid, d, slab);
    const struct bundles b = bundles_of(s, cell, d);
    const bool first = slab == 0, last = slab == grid->parts - 1;
    const size_t count = bundle_count(&b);

    if (!first)
        receive(s, count * s->head, grid->below[d], TAG_UP);
    finish_send(s);
    for (size_t i = 0; i < count; i++) {
        struct adi_lines lines = lines_at(grid, cell, d, &b, (int)i);
        eliminate(s, &lines, i, first, records);
        if (last) {
            substitute(s, &lines, i, true, records);
            continue;
        }
        records += b.length;
        memcpy(s->outgoing + i * s->head, records - s->head, s->head * sizeof *records);
    }
    if (!last)
        start_send(s, count * s->head, grid->above[d], TAG_UP);
    else if (!first)
        start_send(s, count * s->tail, grid->below[d], TAG_DOWN);
}

static void go_down(struct adi_sweep *s, int d, int slab, const adi_lanes *records)
{
    const struct adi_grid *grid = s->grid;
    const struct adi_cell *cell = adi_grid_cell(grid, d, slab);
    const struct bundles b = bundles_of(s, cell, d);
    const size_t count = bundle_count(&b);

    receive(s, count * s->tail, grid->above[d], TAG_DOWN);
    finish_send(s);
    for (size_t i = 0; i < count; i++, records += b.length) {
        struct adi_lines lines = lines_at(grid, cell, d, &b, (int)i);
        substitute(s, &lines, i, false, records);
    }
    if (slab > 0)
        start_send(s, count * s->tail, grid->below[d], TAG_DOWN);
}

void adi_sweep_run(struct adi_sweep *s, int direction)
{
    const int parts = s->grid->parts;
    size_t start[parts + 1];

    start[0] = 0;
    for (int slab = 0; slab < parts; slab++) {
        struct bundles b = bundles_of(s, adi_grid_cell(s->grid, direction, slab), direction);
        start[slab + 1] = start[slab] + bundle_count(&b) * b.length;
        go_up(s, direction, slab, s->records + start[slab]);
    }
    for (int slab = parts - 2; slab >= 0; slab--)
        go_down(s, direction, slab, s->records + start[slab]);
    finish_send(s);
}
