/*
 * The right-hand side. Every process finds the extremes of its block; a reduction with an operation
 * of our own merges the lists, so that all know the twenty places.
 */
#include "apps/common/npb_random.h"
#include "apps/npb/mg/mg.h"

#include <string.h>

enum { CHARGES = 10 };

struct extreme {
    double value;
    double index; /* of the point in the domain, x fastest; below 2^53 */
};

struct extremes {
    struct extreme largest[CHARGES];  /* descending */
    struct extreme smallest[CHARGES]; /* ascending */
};

/* Inserts into a list kept in order; `sign` 1 puts the largest first, -1 the smallest. */
static void insert(struct extreme list[CHARGES], struct extreme item, double sign)
{
    int at = CHARGES - 1;
    if (sign * item.value <= sign * list[at].value)
        return;
    for (; at > 0 && sign * item.value > sign * list[at - 1].value; at--)
        list[at] = list[at - 1];
    list[at] = item;
}

static void merge(void *in, void *inout, int *count, MPI_Datatype *type)
{
    const struct extremes *from = in;
    struct extremes *to = inout;

    (void)type;
    for (int e = 0; e < *count; e++)
        for (int i = 0; i < CHARGES; i++) {
            insert(to[e].largest, from[e].largest[i], 1.0);
            insert(to[e].smallest, from[e].smallest[i], -1.0);
        }
}

static void merge_over_ranks(MPI_Comm comm, struct extremes *extremes)
{
    struct extremes mine = *extremes;
    MPI_Datatype type;
    MPI_Op op;

    MPI_Type_contiguous((int)(sizeof mine / sizeof(double)), MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(merge, 1, &op);
    MPI_Allreduce(&mine, extremes, 1, type, op, comm);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

static void find_extremes(const struct mg_hierarchy *h, struct extremes *extremes)
{
    const struct mg_shape *s = &h->level[h->top].shape;
    const int *n = s->n, *place = h->topology.place, *procs = h->topology.procs;
    int64_t nx = n[MG_X] * procs[MG_X], ny = n[MG_Y] * procs[MG_Y];
    double row[n[MG_X]];

    for (int i = 0; i < CHARGES; i++) {
        extremes->largest[i].value = -1.0; /* random values lie between 0 and 1 */
        extremes->smallest[i].value = 2.0;
    }
    for (int k = 0; k < n[MG_Z]; k++)
        for (int j = 0; j < n[MG_Y]; j++) {
            int64_t y = place[MG_Y] * n[MG_Y] + j, z = place[MG_Z] * n[MG_Z] + k;
            int64_t first = place[MG_X] * n[MG_X] + nx * (y + ny * z);
            uint64_t state = npb_random_jump(NPB_RANDOM_SEED, (uint64_t)first);
            npb_random_fill(&state, (size_t)n[MG_X], row);
            for (int i = 0; i < n[MG_X]; i++) {
                struct extreme item = {row[i], (double)(first + i)};
                insert(extremes->largest, item, 1.0);
                insert(extremes->smallest, item, -1.0);
            }
        }
}

static void set_point(const struct mg_hierarchy *h, double index, double value, double *v)
{
    const struct mg_shape *s = &h->level[h->top].shape;
    int64_t rest = (int64_t)index, at[MG_DIMS] = {0};

    for (int d = 0; d < MG_DIMS; d++) {
        int64_t side = s->n[d] * h->topology.procs[d];
        at[d] = rest % side - h->topology.place[d] * s->n[d];
        rest /= side;
        if (at[d] < 0 || at[d] >= s->n[d])
            return;
    }
    v[(at[MG_Z] + 1) * s->plane + (at[MG_Y] + 1) * s->row + at[MG_X] + 1] = value;
}

void mg_fill_charges(const struct mg_hierarchy *h, double *v)
{
    struct extremes extremes;

    find_extremes(h, &extremes);
    merge_over_ranks(h->topology.cart, &extremes);
    memset(v, 0, h->level[h->top].shape.points * sizeof *v);
    for (int i = 0; i < CHARGES; i++) {
        set_point(h, extremes.largest[i].index, 1.0, v);
        set_point(h, extremes.smallest[i].index, -1.0, v);
    }
    mg_exchange(h, h->top, v);
}
