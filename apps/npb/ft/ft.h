/*
 * FT's data: a complex field on nx x ny x nz points, in one of two slab layouts over P processes.
 *
 *     space     [nz / P][ny][nx]   all of x and y, a slab of z     (x contiguous)
 *     spectrum  [nz][ny][nx / P]   all of z and y, a slab of x
 *
 * Between the two, every process sends every other an equal block [nz / P][ny][nx / P]. Seen from
 * the spectrum layout the blocks lie one after another, so only the space side has to be
 * rearranged; the transform along y does that as it reads or writes.
 */
#ifndef FT_H
#define FT_H

#include "apps/common/npb.h"

#include <complex.h>

typedef double complex ft_complex;

enum ft_direction { FT_FORWARD, FT_INVERSE };

struct ft_layout {
    MPI_Comm comm;
    int nranks, rank;
    int nx, ny, nz;
    int x_count, z_count; /* nx / P, nz / P */
    size_t points;        /* of this process, in either layout */
};

/* Roots of unity for all lengths up to n, and room for one batch of lines. */
struct ft_plan {
    int n;
    double *cosine, *sine;
    double *room;
};

/* A batch of lines in memory: element i of line b is data[i * step + b * pitch]. */
struct ft_lines {
    ft_complex *data;
    ptrdiff_t step, pitch;
};

enum { FT_BATCH = 8 };

void ft_plan_create(int n_max, struct ft_plan *plan);
void ft_plan_free(struct ft_plan *plan);

/* Transforms `count` <= FT_BATCH lines of n points each, unscaled; `from` and `to` may be the same.
 */
void ft_transform(const struct ft_plan *plan, enum ft_direction direction, int n, int count,
                  struct ft_lines from, struct ft_lines to);

/* The 3-D transforms, from one layout to the other; `room` is as large as data, unused on one
 * process. */
void ft_to_spectrum(const struct ft_plan *plan, const struct ft_layout *layout, ft_complex *data,
                    ft_complex *room);
void ft_to_space(const struct ft_plan *plan, const struct ft_layout *layout, ft_complex *data,
                 ft_complex *room);

#endif
