#include "apps/npb/sp/sp.h"

struct sp_record {
    struct {
        adi_lanes near, far;
    } wave[SP_WAVES];
    adi_lanes r[ADI_VARS];
};
_Static_assert(sizeof(struct sp_record) == SP_RECORD * sizeof(adi_lanes), "SP_RECORD");

static const int wave_of[ADI_VARS] = {0, 0, 0, 1, 2};

/* What a point contributes to its neighbours' equations, times dt/2h and dt/h^2. */
struct point {
    adi_lanes velocity, sound, diffusion;
};

/* Off the diagonal stands the largest diffusion of the five equations: the energy's, as the d are
 * equal and k1 k3 k4 k5 exceeds 4/3 k3 k4. */
static inline struct point point_at(const struct adi_lines *lines, ptrdiff_t at)
{
    const struct adi_grid *grid = lines->grid;
    const struct adi_cell *cell = lines->cell;
    const double t2 = grid->dt / (2 * grid->h), t1 = grid->dt / (grid->h * grid->h);

    return (struct point){
        .velocity = t2 * adi_load(lines, cell->velocity[lines->direction], at),
        .sound = t2 * adi_load(lines, cell->sound, at),
        .diffusion = t1 * (adi_diffusion[lines->direction] +
                           ADI_CONDUCTION * adi_load(lines, cell->inverse, at)),
    };
}

/* The coefficients of the equations of velocity v; the other waves differ in b and d. */
struct row {
    adi_lanes a, b, c, d, e;
};

static inline struct row row_at(const struct adi_lines *lines, int i, const struct point *before,
                                const struct point *here, const struct point *after)
{
    const double *w = adi_rhs_damping(lines->grid->side, lines->place + i);
    const double damping = lines->grid->dt * ADI_DAMPING;
    const adi_lanes zero = {0};

    return (struct row){
        .a = zero + damping * w[0],
        .b = damping * w[1] - before->velocity - before->diffusion,
        .c = 1 + damping * w[2] + 2 * here->diffusion,
        .d = damping * w[3] + after->velocity - after->diffusion,
        .e = zero + damping * w[4],
    };
}

static inline void eliminate_point(const struct row waves[SP_WAVES], const struct sp_record *last2,
                                   const struct sp_record *last1, struct sp_record *record)
{
    adi_lanes b[SP_WAVES] = {{0}}, inverse[SP_WAVES] = {{0}};

    for (int w = 0; w < SP_WAVES; w++) {
        const struct row *row = &waves[w];
        b[w] = row->b - row->a * last2->wave[w].near;
        adi_lanes c = row->c - row->a * last2->wave[w].far - b[w] * last1->wave[w].near;
        inverse[w] = 1.0 / c;
        record->wave[w].near = (row->d - b[w] * last1->wave[w].far) * inverse[w];
        record->wave[w].far = row->e * inverse[w];
    }
    for (int m = 0; m < ADI_VARS; m++) {
        int w = wave_of[m];
        record->r[m] = (record->r[m] - waves[w].a * last2->r[m] - b[w] * last1->r[m]) * inverse[w];
    }
}

void sp_eliminate(const struct adi_lines *lines, adi_lanes *records)
{
    struct sp_record *record = (struct sp_record *)records;
    ptrdiff_t at = lines->start;
    struct point before = point_at(lines, at - lines->along), here = point_at(lines, at);

    for (int i = 0; i < lines->count; i++, record++, at += lines->along) {
        struct point after = point_at(lines, at + lines->along);
        struct row waves[SP_WAVES];

        waves[0] = waves[1] = waves[2] = row_at(lines, i, &before, &here, &after);
        waves[1].b -= before.sound;
        waves[1].d += after.sound;
        waves[2].b += before.sound;
        waves[2].d -= after.sound;
        for (int m = 0; m < ADI_VARS; m++)
            record->r[m] = adi_load(lines, lines->cell->rhs[m], at);
        if (lines->direction == ADI_X)
            sp_enter(lines, at, record->r);
        eliminate_point(waves, record - 2, record - 1, record);
        before = here;
        here = after;
    }
}

void sp_substitute(const struct adi_lines *lines, const adi_lanes *records,
                   adi_lanes (*ahead)[ADI_VARS])
{
    const struct sp_record *record = (const struct sp_record *)records + lines->count - 1;
    ptrdiff_t at = lines->start + (lines->count - 1) * lines->along;

    for (int i = lines->count - 1; i >= 0; i--, record--, at -= lines->along) {
        adi_lanes x[ADI_VARS];
        for (int m = 0; m < ADI_VARS; m++) {
            int w = wave_of[m];
            x[m] = record->r[m] - record->wave[w].near * ahead[0][m] -
                   record->wave[w].far * ahead[1][m];
            ahead[1][m] = ahead[0][m];
            ahead[0][m] = x[m];
        }
        sp_turn(lines, at, x);
        for (int m = 0; m < ADI_VARS; m++)
            adi_store(lines, lines->cell->rhs[m], at, x[m]);
    }
}
