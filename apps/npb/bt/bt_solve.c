/*
 * In every direction the momentum along it comes first, then the others in cyclic order: so ordered
 * the Jacobian matrices have one form.
 */
#include "apps/npb/bt/bt.h"

typedef adi_lanes vector[ADI_VARS];
typedef adi_lanes block[ADI_VARS][ADI_VARS];

/* dt/2h times the Jacobian of the fluxes; dt/h^2 times that of the viscous terms and diffusion. */
struct jacobians {
    block flux, viscous;
};

static inline int variable(int direction, int m)
{
    return m == 0 || m == ADI_VARS - 1 ? m : 1 + (direction + m - 1) % ADI_DIMS;
}

static inline void load(const struct adi_lines *lines, double *const array[ADI_VARS], ptrdiff_t at,
                        vector v)
{
    for (int m = 0; m < ADI_VARS; m++)
        v[m] = adi_load(lines, array[variable(lines->direction, m)], at);
}

/* Only what is not always zero is set. */
static void set_jacobians(const struct adi_lines *lines, ptrdiff_t at, struct jacobians *out)
{
    const struct adi_grid *grid = lines->grid;
    const double t2 = grid->dt / (2 * grid->h), t1 = grid->dt / (grid->h * grid->h);
    const double k = t1 * ADI_VISCOSITY, kn = 4.0 / 3.0 * k, ke = t1 * ADI_CONDUCTION;
    vector u;

    load(lines, lines->cell->u, at, u);
    const adi_lanes r = 1.0 / u[0], v = u[1] * r, a = u[2] * r, b = u[3] * r, e = u[4] * r;
    const adi_lanes tv = t2 * v, ta = t2 * a, tb = t2 * b;
    const adi_lanes across = a * a + b * b, q = 0.5 * (v * v + across);
    adi_lanes(*f)[ADI_VARS] = out->flux, (*n)[ADI_VARS] = out->viscous;

    f[0][1] = (adi_lanes){0} + t2;
    f[1][0] = t2 * (ADI_K2 * q - v * v);
    f[1][1] = (2 - ADI_K2) * tv;
    f[1][2] = -ADI_K2 * ta;
    f[1][3] = -ADI_K2 * tb;
    f[1][4] = (adi_lanes){0} + t2 * ADI_K2;
    f[2][0] = -v * ta;
    f[2][1] = ta;
    f[3][0] = -v * tb;
    f[3][1] = tb;
    f[2][2] = f[3][3] = tv;
    f[4][0] = tv * (2 * ADI_K2 * q - ADI_K1 * e);
    f[4][1] = t2 * (ADI_K1 * e - ADI_K2 * (v * v + q));
    f[4][2] = -ADI_K2 * v * ta;
    f[4][3] = -ADI_K2 * v * tb;
    f[4][4] = ADI_K1 * tv;

    const double d = t1 * adi_diffusion[lines->direction];
    n[0][0] = (adi_lanes){0} + d;
    n[1][0] = -kn * v * r;
    n[1][1] = kn * r + d;
    n[2][0] = -k * a * r;
    n[3][0] = -k * b * r;
    n[2][2] = n[3][3] = k * r + d;
    n[4][0] = -r * ((kn - ke) * v * v + (k - ke) * across + ke * e);
    n[4][1] = (kn - ke) * v * r;
    n[4][2] = (k - ke) * a * r;
    n[4][3] = (k - ke) * b * r;
    n[4][4] = ke * r + d;
}

/* y -= a x */
static inline void subtract_product(const block a, const vector x, vector y)
{
    for (int i = 0; i < ADI_VARS; i++)
        for (int k = 0; k < ADI_VARS; k++)
            y[i] -= a[i][k] * x[k];
}

/* L U with the diagonal of U inverted, in place; the blocks need no pivoting. */
static inline void factorise(block a)
{
    for (int p = 0; p < ADI_VARS; p++) {
        a[p][p] = 1.0 / a[p][p];
        for (int i = p + 1; i < ADI_VARS; i++) {
            a[i][p] *= a[p][p];
            for (int j = p + 1; j < ADI_VARS; j++)
                a[i][j] -= a[i][p] * a[p][j];
        }
    }
}

static inline void solve(const block lu, vector x)
{
    for (int i = 1; i < ADI_VARS; i++)
        for (int k = 0; k < i; k++)
            x[i] -= lu[i][k] * x[k];
    for (int i = ADI_VARS - 1; i >= 0; i--) {
        for (int k = i + 1; k < ADI_VARS; k++)
            x[i] -= lu[i][k] * x[k];
        x[i] *= lu[i][i];
    }
}

/*
 * The record of a point from that of the point before. Columns 0 to 4 are those of the blocks: the
 * product of `lower` and the last record's goes from the diagonal, and `upper` is solved for.
 */
static void eliminate_point(const struct jacobians *before, const struct jacobians *here,
                            const struct jacobians *after, const vector last[BT_COLUMNS],
                            vector record[BT_COLUMNS])
{
    block lower, diagonal;

    for (int i = 0; i < ADI_VARS; i++)
        for (int k = 0; k < ADI_VARS; k++)
            lower[i][k] = -(before->flux[i][k] + before->viscous[i][k]);
    for (int j = 0; j < ADI_VARS; j++) {
        vector column;
        for (int i = 0; i < ADI_VARS; i++)
            column[i] = 2 * here->viscous[i][j] + (i == j ? 1.0 : 0.0);
        subtract_product(lower, last[j], column);
        for (int i = 0; i < ADI_VARS; i++)
            diagonal[i][j] = column[i];
    }
    subtract_product(lower, last[ADI_VARS], record[ADI_VARS]);
    factorise(diagonal);
    for (int j = 0; j < ADI_VARS; j++) {
        for (int i = 0; i < ADI_VARS; i++)
            record[j][i] = after->flux[i][j] - after->viscous[i][j];
        solve(diagonal, record[j]);
    }
    solve(diagonal, record[ADI_VARS]);
}

void bt_eliminate(const struct adi_lines *lines, adi_lanes *records)
{
    struct jacobians ring[3] = {0}; /* of points i-1, i, i+1, in turns */
    ptrdiff_t at = lines->start;

    set_jacobians(lines, at - lines->along, &ring[0]);
    set_jacobians(lines, at, &ring[1]);
    for (int i = 0; i < lines->count; i++, at += lines->along) {
        vector *record = (vector *)(records + i * BT_RECORD);
        set_jacobians(lines, at + lines->along, &ring[(i + 2) % 3]);
        load(lines, lines->cell->rhs, at, record[ADI_VARS]);
        eliminate_point(&ring[i % 3], &ring[(i + 1) % 3], &ring[(i + 2) % 3],
                        (const vector *)(record - BT_COLUMNS), record);
    }
}

void bt_substitute(const struct adi_lines *lines, const adi_lanes *records,
                   adi_lanes (*ahead)[ADI_VARS])
{
    adi_lanes *next = ahead[0];
    ptrdiff_t at = lines->start + (lines->count - 1) * lines->along;

    for (int i = lines->count - 1; i >= 0; i--, at -= lines->along) {
        const vector *record = (const vector *)(records + i * BT_RECORD);
        vector x;
        for (int m = 0; m < ADI_VARS; m++)
            x[m] = record[ADI_VARS][m];
        for (int j = 0; j < ADI_VARS; j++)
            for (int m = 0; m < ADI_VARS; m++)
                x[m] -= record[j][m] * next[j];
        for (int m = 0; m < ADI_VARS; m++) {
            next[m] = x[m];
            adi_store(lines, lines->cell->rhs[variable(lines->direction, m)], at, x[m]);
        }
    }
}
