#include "apps/npb/mg/mg.h"

#include <stdlib.h>

/* The nine rows of x around row (j, k), named by their place in (y, z): c centre, b below, a above.
 */
struct rows {
    const double *cc, *bc, *ac, *cb, *ca, *bb, *ab, *ba, *aa;
};

static struct rows rows_at(const struct mg_shape *s, const double *data, ptrdiff_t j, ptrdiff_t k)
{
    const double *c = data + k * s->plane + j * s->row;
    return (struct rows){
        .cc = c,
        .bc = c - s->row,
        .ac = c + s->row,
        .cb = c - s->plane,
        .ca = c + s->plane,
        .bb = c - s->row - s->plane,
        .ab = c + s->row - s->plane,
        .ba = c - s->row + s->plane,
        .aa = c + s->row + s->plane,
    };
}

/* For x from first to last: the sums of the four rows that share a face with the centre row, and of
 * the four that share an edge. */
static inline void sum_rows(const struct rows *rows, int first, int last, double *restrict faces,
                            double *restrict edges)
{
    const struct rows w = *rows;
    for (int i = first; i <= last; i++) {
        faces[i] = w.bc[i] + w.ac[i] + w.cb[i] + w.ca[i];
        edges[i] = w.bb[i] + w.ab[i] + w.ba[i] + w.aa[i];
    }
}

void mg_residual(const struct mg_shape *s, const double *u, const double *v, double *r)
{
    const double a0 = -8.0 / 3.0, a2 = 1.0 / 6.0, a3 = 1.0 / 12.0; /* a1 is 0 */
    const int n = s->n[MG_X];
    double faces[n + 2], edges[n + 2];

    for (int k = 1; k <= s->n[MG_Z]; k++)
        for (int j = 1; j <= s->n[MG_Y]; j++) {
            struct rows w = rows_at(s, u, j, k);
            const double *c = w.cc;
            const double *vc = v + k * s->plane + j * s->row;
            double *rc = r + k * s->plane + j * s->row;
            sum_rows(&w, 0, n + 1, faces, edges);
            for (int i = 1; i <= n; i++)
                rc[i] = vc[i] - a0 * c[i] - a2 * (edges[i] + faces[i - 1] + faces[i + 1]) -
                        a3 * (edges[i - 1] + edges[i + 1]);
        }
}

void mg_smooth(const struct mg_shape *s, const double c[3], const double *r, double *u)
{
    const double c0 = c[0], c1 = c[1], c2 = c[2]; /* c3 is 0 */
    const int n = s->n[MG_X];
    double faces[n + 2], edges[n + 2];

    for (int k = 1; k <= s->n[MG_Z]; k++)
        for (int j = 1; j <= s->n[MG_Y]; j++) {
            struct rows w = rows_at(s, r, j, k);
            const double *restrict rc = w.cc;
            double *restrict uc = u + k * s->plane + j * s->row;
            sum_rows(&w, 0, n + 1, faces, edges);
            for (int i = 1; i <= n; i++)
                uc[i] += c0 * rc[i] + c1 * (rc[i - 1] + rc[i + 1] + faces[i]) +
                         c2 * (edges[i] + faces[i - 1] + faces[i + 1]);
        }
}

void mg_restrict(const struct mg_shape *fine, const double *r, const struct mg_shape *coarse,
                 double *out)
{
    const int n = coarse->n[MG_X];
    double faces[2 * n + 2], edges[2 * n + 2];

    for (int k = 1; k <= coarse->n[MG_Z]; k++)
        for (int j = 1; j <= coarse->n[MG_Y]; j++) {
            struct rows w = rows_at(fine, r, 2 * j, 2 * k);
            double *restrict row = out + k * coarse->plane + j * coarse->row;
            sum_rows(&w, 1, 2 * n + 1, faces, edges);
            /* NOLINTBEGIN(clang-analyzer-core.UndefinedBinaryOperatorResult): sum_rows has filled them */
            for (int i = 1; i <= n; i++) {
                int f = 2 * i;
                row[i] = 0.5 * w.cc[f] + 0.25 * (w.cc[f - 1] + w.cc[f + 1] + faces[f]) +
                         0.125 * (faces[f - 1] + faces[f + 1] + edges[f]) +
                         0.0625 * (edges[f - 1] + edges[f + 1]);
            }
            /* NOLINTEND(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        }
}

/* Adds the mean of `count` coarse rows to fine row u: coarse points on even ones, means between. */
static void interpolate_row(const double *const *rows, int count, int n, double *restrict sum,
                            double *restrict u)
{
    const double weight = 1.0 / count;

    for (int i = 0; i <= n + 1; i++)
        sum[i] = rows[0][i];
    for (int row = 1; row < count; row++)
        for (int i = 0; i <= n + 1; i++)
            sum[i] += rows[row][i];
    for (int i = 0; i <= n; i++) {
        u[2 * i] += weight * sum[i];
        u[2 * i + 1] += 0.5 * weight * (sum[i] + sum[i + 1]);
    }
}

void mg_interpolate(const struct mg_shape *coarse, const double *z, const struct mg_shape *fine,
                    double *u)
{
    const int n = coarse->n[MG_X];
    double sum[n + 2];

    for (int k = 0; k <= coarse->n[MG_Z]; k++)
        for (int j = 0; j <= coarse->n[MG_Y]; j++) {
            const double *c = z + k * coarse->plane + j * coarse->row;
            const double *a = c + coarse->row;
            double *f = u + 2 * k * fine->plane + 2 * j * fine->row;
            interpolate_row((const double *[]){c}, 1, n, sum, f);
            interpolate_row((const double *[]){c, a}, 2, n, sum, f + fine->row);
            interpolate_row((const double *[]){c, c + coarse->plane}, 2, n, sum, f + fine->plane);
            interpolate_row((const double *[]){c, a, c + coarse->plane, a + coarse->plane}, 4, n,
                            sum, f + fine->row + fine->plane);
        }
}

double mg_sum_squares(const struct mg_shape *s, const double *r)
{
    double sum = 0;
    for (int k = 1; k <= s->n[MG_Z]; k++)
        for (int j = 1; j <= s->n[MG_Y]; j++) {
            const double *row = r + k * s->plane + j * s->row;
            double part = 0;
            for (int i = 1; i <= s->n[MG_X]; i++)
                part += row[i] * row[i];
            sum += part;
        }
    return sum;
}
