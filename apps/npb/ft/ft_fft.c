/*
 * One-dimensional transforms of batches of lines: Stockham's self-sorting algorithm, radix 4 and a
 * last radix-2 pass for odd powers. Lines of a batch are interleaved, with real and imaginary parts
 * apart, so that every inner loop runs over contiguous numbers.
 */
#include "apps/npb/ft/ft.h"

#include <math.h>

/* Split complex numbers. */
struct split {
    double *re, *im;
};

/* One pass: sub-transforms of length n over groups of `group` contiguous numbers. */
struct pass {
    int n, group;
    int root_step; /* in the table of roots, of exp(-2 pi i / n) */
};

void ft_plan_create(int n_max, struct ft_plan *plan)
{
    size_t n = (size_t)n_max;

    plan->n = n_max;
    plan->cosine = npb_alloc(n, sizeof(double));
    plan->sine = npb_alloc(n, sizeof(double));
    plan->room = npb_alloc(4 * FT_BATCH * n, sizeof(double));
    for (int i = 0; i < n_max; i++) {
        plan->cosine[i] = cos(2.0 * M_PI * i / n_max);
        plan->sine[i] = -sin(2.0 * M_PI * i / n_max);
    }
}

void ft_plan_free(struct ft_plan *plan)
{
    size_t n = (size_t)plan->n;
    npb_free(plan->cosine, n, sizeof(double));
    npb_free(plan->sine, n, sizeof(double));
    npb_free(plan->room, 4 * FT_BATCH * n, sizeof(double));
}

static inline struct split split_at(struct split s, ptrdiff_t offset)
{
    return (struct split){s.re + offset, s.im + offset};
}

static void butterflies2(int count, struct split in, ptrdiff_t distance, struct split out)
{
    const double *restrict ar = in.re, *restrict ai = in.im;
    const double *restrict br = in.re + distance, *restrict bi = in.im + distance;
    double *restrict xr = out.re, *restrict xi = out.im;
    double *restrict yr = out.re + count, *restrict yi = out.im + count;

#pragma GCC ivdep
    for (int q = 0; q < count; q++) {
        xr[q] = ar[q] + br[q];
        xi[q] = ai[q] + bi[q];
        yr[q] = ar[q] - br[q];
        yi[q] = ai[q] - bi[q];
    }
}

/* w: the roots 1, 2 and 3 times p. */
static void butterflies4(int count, struct split in, ptrdiff_t distance, const double wr[3],
                         const double wi[3], struct split out)
{
    const double *restrict ar = in.re, *restrict ai = in.im;
    const double *restrict br = ar + distance, *restrict bi = ai + distance;
    const double *restrict cr = br + distance, *restrict ci = bi + distance;
    const double *restrict dr = cr + distance, *restrict di = ci + distance;
    double *restrict xr = out.re, *restrict xi = out.im;
    const double w1r = wr[0], w1i = wi[0], w2r = wr[1], w2i = wi[1], w3r = wr[2], w3i = wi[2];

#pragma GCC ivdep
    for (int q = 0; q < count; q++) {
        double sum_ac_r = ar[q] + cr[q], sum_ac_i = ai[q] + ci[q];
        double dif_ac_r = ar[q] - cr[q], dif_ac_i = ai[q] - ci[q];
        double sum_bd_r = br[q] + dr[q], sum_bd_i = bi[q] + di[q];
        double dif_bd_r = br[q] - dr[q], dif_bd_i = bi[q] - di[q];
        double e1r = dif_ac_r + dif_bd_i, e1i = dif_ac_i - dif_bd_r;
        double e2r = sum_ac_r - sum_bd_r, e2i = sum_ac_i - sum_bd_i;
        double e3r = dif_ac_r - dif_bd_i, e3i = dif_ac_i + dif_bd_r;
        xr[q] = sum_ac_r + sum_bd_r;
        xi[q] = sum_ac_i + sum_bd_i;
        xr[q + count] = w1r * e1r - w1i * e1i;
        xi[q + count] = w1r * e1i + w1i * e1r;
        xr[q + 2 * count] = w2r * e2r - w2i * e2i;
        xi[q + 2 * count] = w2r * e2i + w2i * e2r;
        xr[q + 3 * count] = w3r * e3r - w3i * e3i;
        xi[q + 3 * count] = w3r * e3i + w3i * e3r;
    }
}

static void run_pass4(const struct ft_plan *plan, struct pass pass, struct split in,
                      struct split out)
{
    int quarter = pass.n / 4;
    for (int p = 0; p < quarter; p++) {
        double wr[3], wi[3];
        for (int k = 0; k < 3; k++) {
            wr[k] = plan->cosine[(k + 1) * p * pass.root_step];
            wi[k] = plan->sine[(k + 1) * p * pass.root_step];
        }
        butterflies4(pass.group, split_at(in, (ptrdiff_t)p * pass.group),
                     (ptrdiff_t)quarter * pass.group, wr, wi,
                     split_at(out, (ptrdiff_t)4 * p * pass.group));
    }
}

/* Forward transform of FT_BATCH interleaved lines; returns where the result is: `a` or `b`. */
static struct split transform_batch(const struct ft_plan *plan, int n, struct split a,
                                    struct split b)
{
    struct pass pass = {n, FT_BATCH, plan->n / n};

    for (; pass.n >= 4; pass.n /= 4, pass.group *= 4, pass.root_step *= 4) {
        run_pass4(plan, pass, a, b);
        struct split other = a;
        a = b;
        b = other;
    }
    if (pass.n == 1)
        return a;
    butterflies2(pass.group, a, pass.group, b);
    return b;
}

/* Adjacent lines (pitch 1) and contiguous ones (step 1) each want their own order of loops; the
 * lines that a short batch lacks are not set, and what is made of them is not used. */
static void load(const struct ft_lines *from, int n, int count, struct split to)
{
    for (int i = 0; i < n; i++) {
        const double *restrict in = (const double *)(from->data + i * from->step);
        double *restrict re = to.re + (ptrdiff_t)i * FT_BATCH;
        double *restrict im = to.im + (ptrdiff_t)i * FT_BATCH;
        if (from->pitch == 1 && count == FT_BATCH)
            for (int b = 0; b < FT_BATCH; b++) {
                re[b] = in[2 * b];
                im[b] = in[2 * b + 1];
            }
        else
            for (int b = 0; b < count; b++) {
                re[b] = in[2 * b * from->pitch];
                im[b] = in[2 * b * from->pitch + 1];
            }
    }
}

static void store(struct split from, int n, int count, const struct ft_lines *to)
{
    for (int i = 0; i < n; i++) {
        double *restrict out = (double *)(to->data + i * to->step);
        const double *restrict re = from.re + (ptrdiff_t)i * FT_BATCH;
        const double *restrict im = from.im + (ptrdiff_t)i * FT_BATCH;
        if (to->pitch == 1 && count == FT_BATCH)
            for (int b = 0; b < FT_BATCH; b++) {
                out[2 * b] = re[b];
                out[2 * b + 1] = im[b];
            }
        else
            for (int b = 0; b < count; b++) {
                out[2 * b * to->pitch] = re[b];
                out[2 * b * to->pitch + 1] = im[b];
            }
    }
}

void ft_transform(const struct ft_plan *plan, enum ft_direction direction, int n, int count,
                  struct ft_lines from, struct ft_lines to)
{
    ptrdiff_t size = (ptrdiff_t)n * FT_BATCH;
    struct split a = {plan->room, plan->room + size};
    struct split b = {plan->room + 2 * size, plan->room + 3 * size};

    load(&from, n, count, a);
    if (direction == FT_FORWARD) {
        store(transform_batch(plan, n, a, b), n, count, &to);
        return;
    }
    /* The inverse is the forward transform with real and imaginary parts exchanged. */
    struct split swapped_a = {a.im, a.re}, swapped_b = {b.im, b.re};
    struct split result = transform_batch(plan, n, swapped_a, swapped_b);
    store((struct split){result.im, result.re}, n, count, &to);
}
