/*
 * A = sum over i of w_i x_i x_i^T + (rcond - shift) I, where w_i falls geometrically from 1 to
 * rcond and x_i is sparse: row_entries random values at random places, and 0.5 at place i. A row of
 * A is built from the vectors that touch it, in the order of i, so that the sums are the same on
 * any number of processes.
 */
#include "apps/common/npb_random.h"
#include "apps/npb/cg/cg.h"

#include <math.h>
#include <stdlib.h>

#define CG_RCOND 0.1

/* All generating vectors: vector i has the entries [start[i], start[i + 1]). */
struct vectors {
    int n, entries_max; /* of one vector */
    size_t capacity;
    size_t *start;
    int *place;
    double *value;
    double *weight;
};

/* For each matrix row of this process the entries (indices into the vectors) that lie in it. */
struct row_index {
    size_t *start;
    size_t capacity;
    size_t *entry;
    int *vector;
};

static int find_place(const int *place, int count, int wanted)
{
    for (int i = 0; i < count; i++)
        if (place[i] == wanted)
            return i;
    return count;
}

/* Draws one vector and returns its number of entries. */
static int draw_vector(uint64_t *state, int n, int count, int diagonal, int *place, double *value)
{
    int power = 1, drawn = 0;
    while (power < n)
        power *= 2;
    while (drawn < count) {
        double v = npb_random_next(state);
        int where = (int)(power * npb_random_next(state));
        if (where >= n || find_place(place, drawn, where) < drawn)
            continue;
        place[drawn] = where;
        value[drawn++] = v;
    }
    int at = find_place(place, drawn, diagonal);
    place[at] = diagonal;
    value[at] = 0.5;
    return at == drawn ? drawn + 1 : drawn;
}

static void vectors_create(const struct cg_class *class, struct vectors *v)
{
    uint64_t state = npb_random_jump(NPB_RANDOM_SEED, 1); /* the specification skips one */
    double ratio = pow(CG_RCOND, 1.0 / class->n), weight = 1.0;

    v->n = class->n;
    v->entries_max = class->row_entries + 1;
    v->capacity = (size_t) class->n * (size_t)v->entries_max;
    v->start = npb_alloc((size_t) class->n + 1, sizeof *v->start);
    v->place = npb_alloc(v->capacity, sizeof *v->place);
    v->value = npb_alloc(v->capacity, sizeof *v->value);
    v->weight = npb_alloc((size_t) class->n, sizeof *v->weight);
    for (int i = 0; i < class->n; i++) {
        size_t at = v->start[i];
        int count =
            draw_vector(&state, class->n, class->row_entries, i, v->place + at, v->value + at);
        v->start[i + 1] = at + (size_t)count;
        v->weight[i] = weight;
        weight *= ratio;
    }
}

static void vectors_free(struct vectors *v)
{
    npb_free(v->start, (size_t)v->n + 1, sizeof *v->start);
    npb_free(v->place, v->capacity, sizeof *v->place);
    npb_free(v->value, v->capacity, sizeof *v->value);
    npb_free(v->weight, (size_t)v->n, sizeof *v->weight);
}

static bool span_has(const struct npb_span *span, int i)
{
    return i >= span->first && i < span->first + span->count;
}

/* A counting sort by row: stable, so each row lists its vectors in ascending order. */
static void row_index_create(const struct vectors *v, const struct npb_span *rows,
                             struct row_index *index)
{
    size_t *start = npb_alloc((size_t)rows->count + 1, sizeof *start);

    for (size_t k = 0; k < v->start[v->n]; k++)
        if (span_has(rows, v->place[k]))
            start[v->place[k] - rows->first + 1]++;
    for (int row = 0; row < rows->count; row++)
        start[row + 1] += start[row];
    index->start = start;
    index->capacity = start[rows->count];
    index->entry = npb_alloc(index->capacity, sizeof *index->entry);
    index->vector = npb_alloc(index->capacity, sizeof *index->vector);

    size_t *next = npb_alloc((size_t)rows->count, sizeof *next);
    for (int i = 0; i < v->n; i++)
        for (size_t k = v->start[i]; k < v->start[i + 1]; k++) {
            if (!span_has(rows, v->place[k]))
                continue;
            int row = v->place[k] - rows->first;
            size_t at = start[row] + next[row]++;
            index->entry[at] = k;
            index->vector[at] = i;
        }
    npb_free(next, (size_t)rows->count, sizeof *next);
}

static void row_index_free(struct row_index *index, int rows)
{
    npb_free(index->start, (size_t)rows + 1, sizeof *index->start);
    npb_free(index->entry, index->capacity, sizeof *index->entry);
    npb_free(index->vector, index->capacity, sizeof *index->vector);
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* One row at a time is summed in `sum`, indexed by column; `seen` tells the row that last used it.
 */
struct accumulator {
    double *sum;
    int *seen;
    int *columns; /* used by this row */
    int used;
};

static void add_vector(const struct vectors *v, int vector, double scale,
                       const struct npb_span *span, int row, double diagonal,
                       struct accumulator *acc)
{
    for (size_t k = v->start[vector]; k < v->start[vector + 1]; k++) {
        if (!span_has(span, v->place[k]))
            continue;
        int column = v->place[k] - span->first;
        if (acc->seen[column] != row + 1) {
            acc->seen[column] = row + 1;
            acc->sum[column] = 0;
            acc->columns[acc->used++] = column;
        }
        acc->sum[column] += v->value[k] * scale;
        if (v->place[k] == row && vector == row)
            acc->sum[column] += diagonal;
    }
}

/* Sums one row into the accumulator and sorts its columns. */
static void sum_row(const struct vectors *v, const struct row_index *index,
                    const struct cg_grid *grid, int local, double diagonal, struct accumulator *acc)
{
    acc->used = 0;
    for (size_t k = index->start[local]; k < index->start[local + 1]; k++) {
        int vector = index->vector[k];
        double scale = v->weight[vector] * v->value[index->entry[k]];
        add_vector(v, vector, scale, &grid->column_span, grid->row_span.first + local, diagonal,
                   acc);
    }
    qsort(acc->columns, (size_t)acc->used, sizeof *acc->columns, compare_int);
}

/* How many entries the rows can have at most: places that two vectors share count twice. */
static size_t count_bound(const struct vectors *v, const struct row_index *index,
                          const struct cg_grid *grid)
{
    int *inside = npb_alloc((size_t)v->n, sizeof *inside);
    size_t bound = 0;

    for (int i = 0; i < v->n; i++)
        for (size_t k = v->start[i]; k < v->start[i + 1]; k++)
            inside[i] += span_has(&grid->column_span, v->place[k]);
    for (size_t k = 0; k < index->capacity; k++)
        bound += (size_t)inside[index->vector[k]];
    npb_free(inside, (size_t)v->n, sizeof *inside);
    return bound;
}

static void fill_matrix(const struct cg_class *class, const struct vectors *v,
                        const struct row_index *index, const struct cg_grid *grid,
                        struct cg_matrix *matrix)
{
    size_t columns = (size_t)grid->column_span.count;
    struct accumulator acc = {
        .sum = npb_alloc(columns, sizeof *acc.sum),
        .seen = npb_alloc(columns, sizeof *acc.seen),
        .columns = npb_alloc(columns, sizeof *acc.columns),
    };

    for (int row = 0; row < matrix->rows; row++) {
        sum_row(v, index, grid, row, CG_RCOND - class->shift, &acc);
        size_t at = matrix->start[row];
        for (int i = 0; i < acc.used; i++, at++) {
            matrix->column[at] = acc.columns[i];
            matrix->value[at] = acc.sum[acc.columns[i]];
        }
        matrix->start[row + 1] = at;
    }
    npb_free(acc.sum, columns, sizeof *acc.sum);
    npb_free(acc.seen, columns, sizeof *acc.seen);
    npb_free(acc.columns, columns, sizeof *acc.columns);
}

void cg_matrix_create(const struct cg_class *class, const struct cg_grid *grid,
                      struct cg_matrix *matrix)
{
    struct vectors v;
    struct row_index index;

    vectors_create(class, &v);
    row_index_create(&v, &grid->row_span, &index);
    matrix->rows = grid->row_span.count;
    matrix->capacity = count_bound(&v, &index, grid);
    matrix->start = npb_alloc((size_t)matrix->rows + 1, sizeof *matrix->start);
    matrix->column = npb_alloc(matrix->capacity, sizeof *matrix->column);
    matrix->value = npb_alloc(matrix->capacity, sizeof *matrix->value);
    fill_matrix(class, &v, &index, grid, matrix);
    row_index_free(&index, matrix->rows);
    vectors_free(&v);
}

void cg_matrix_free(struct cg_matrix *matrix)
{
    npb_free(matrix->start, (size_t)matrix->rows + 1, sizeof *matrix->start);
    npb_free(matrix->column, matrix->capacity, sizeof *matrix->column);
    npb_free(matrix->value, matrix->capacity, sizeof *matrix->value);
}
