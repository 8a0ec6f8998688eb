/* A datatype as numbers, and back.
 *
 *      recipe     = predefined | made
 *      predefined = { MPI_COMBINER_NAMED, handle }
 *      made       = { combiner, ni, na, nc, nd,  ni ints (padded), na addresses, nc counts,  nd
 * recipes }
 *
 * ni, na, nc and nd are what MPI_Type_get_envelope_c says: the numbers of integers, addresses,
 * large counts and component types; nc is 0 unless the type was made by a large-count constructor,
 * and then it is made by one again. */
#include "mpi/objects.h"

#include <string.h>

struct shape {
    MPI_Count integers, addresses, counts, types;
    int combiner;
};
enum { HEAD_WORDS = 5, NAMED_WORDS = 2 };

static size_t int_words(MPI_Count integers)
{
    return ((size_t)integers * sizeof(int) + 7) / 8;
}

static size_t own_words(const struct shape *s)
{
    return HEAD_WORDS + int_words(s->integers) + (size_t)s->addresses + (size_t)s->counts;
}

static bool is_kept_by_library(int combiner)
{
    return combiner == MPI_COMBINER_NAMED || combiner == MPI_COMBINER_F90_REAL ||
           combiner == MPI_COMBINER_F90_COMPLEX || combiner == MPI_COMBINER_F90_INTEGER;
}

/* Append `words` zeroed words; returns their index. */
static size_t extend(uint64_t **recipe, size_t *words, size_t more)
{
    size_t at = *words;
    *recipe = dv_arena_grow(*recipe, *words * sizeof(uint64_t), (*words + more) * sizeof(uint64_t));
    *words += more;
    return at;
}

static int read_named(MPI_Datatype real, uint64_t **recipe, size_t *words)
{
    size_t at = extend(recipe, words, NAMED_WORDS);
    (*recipe)[at] = (uint64_t)MPI_COMBINER_NAMED;
    (*recipe)[at + 1] = (uint32_t)real;
    return MPI_SUCCESS;
}

static int read_any(MPI_Datatype real, uint64_t **recipe, size_t *words);

static int read_components(const MPI_Datatype *types, MPI_Count n, uint64_t **recipe, size_t *words)
{
    int rc = MPI_SUCCESS;
    for (MPI_Count i = 0; i < n; i++) {
        struct shape s;
        MPI_Datatype type = types[i];
        if (rc == MPI_SUCCESS)
            rc = read_any(type, recipe, words);
        /* MPI_Type_get_contents gave references to derived types. */
        DV_REAL(MPI_Type_get_envelope_c, type, &s.integers, &s.addresses, &s.counts, &s.types,
                &s.combiner);
        if (!is_kept_by_library(s.combiner))
            DV_REAL(MPI_Type_free, &type);
    }
    return rc;
}

static int read_made(MPI_Datatype real, const struct shape *s, uint64_t **recipe, size_t *words)
{
    size_t at = extend(recipe, words, own_words(s));
    uint64_t *head = *recipe + at;
    head[0] = (uint64_t)s->combiner;
    head[1] = (uint64_t)s->integers;
    head[2] = (uint64_t)s->addresses;
    head[3] = (uint64_t)s->counts;
    head[4] = (uint64_t)s->types;
    int *integers = (int *)(head + HEAD_WORDS);
    MPI_Aint *addresses = (MPI_Aint *)(head + HEAD_WORDS + int_words(s->integers));
    MPI_Count *counts = (MPI_Count *)(addresses + s->addresses);
    size_t bytes = (size_t)s->types * sizeof(MPI_Datatype);
    MPI_Datatype *types = dv_arena_alloc(bytes);
    int rc = DV_REAL(MPI_Type_get_contents_c, real, s->integers, s->addresses, s->counts, s->types,
                     integers, addresses, counts, types);
    if (rc == MPI_SUCCESS)
        rc = read_components(types, s->types, recipe, words);
    dv_arena_free(types, bytes);
    return rc;
}

static int read_any(MPI_Datatype real, uint64_t **recipe, size_t *words)
{
    struct shape s;
    int rc = DV_REAL(MPI_Type_get_envelope_c, real, &s.integers, &s.addresses, &s.counts, &s.types,
                     &s.combiner);
    if (rc != MPI_SUCCESS)
        return rc;
    return s.combiner == MPI_COMBINER_NAMED ? read_named(real, recipe, words)
                                            : read_made(real, &s, recipe, words);
}

int dv_recipe_read(MPI_Datatype real, uint64_t **recipe, size_t *words)
{
    uint64_t *made = NULL;
    size_t made_words = 0;
    int rc = read_any(real, &made, &made_words);
    if (rc != MPI_SUCCESS) {
        dv_arena_free(made, made_words * sizeof(uint64_t));
        return rc;
    }
    *recipe = made;
    *words = made_words;
    return MPI_SUCCESS;
}

/* ---- and back ------------------------------------------------------------ */

struct contents {
    struct shape shape;
    const int *i;
    const MPI_Aint *a;
    const MPI_Count *c;
    MPI_Datatype *types;
};

static int make_small(const struct contents *x, MPI_Datatype *out)
{
    const int *i = x->i;
    const MPI_Aint *a = x->a;
    int n = x->shape.integers > 0 ? i[0] : 0;
    ptrdiff_t d = n; /* as an offset */
    MPI_Datatype t = x->shape.types > 0 ? x->types[0] : MPI_DATATYPE_NULL;

    switch (x->shape.combiner) {
    case MPI_COMBINER_DUP:
        return DV_REAL(MPI_Type_dup, t, out);
    case MPI_COMBINER_CONTIGUOUS:
        return DV_REAL(MPI_Type_contiguous, n, t, out);
    case MPI_COMBINER_VECTOR:
        return DV_REAL(MPI_Type_vector, n, i[1], i[2], t, out);
    case MPI_COMBINER_HVECTOR:
    case MPI_COMBINER_HVECTOR_INTEGER:
        return DV_REAL(MPI_Type_create_hvector, n, i[1], x->shape.addresses > 0 ? a[0] : i[2], t,
                       out);
    case MPI_COMBINER_INDEXED:
        return DV_REAL(MPI_Type_indexed, n, i + 1, i + 1 + n, t, out);
    case MPI_COMBINER_HINDEXED:
        return DV_REAL(MPI_Type_create_hindexed, n, i + 1, a, t, out);
    case MPI_COMBINER_INDEXED_BLOCK:
        return DV_REAL(MPI_Type_create_indexed_block, n, i[1], i + 2, t, out);
    case MPI_COMBINER_HINDEXED_BLOCK:
        return DV_REAL(MPI_Type_create_hindexed_block, n, i[1], a, t, out);
    case MPI_COMBINER_STRUCT:
        return DV_REAL(MPI_Type_create_struct, n, i + 1, a, x->types, out);
    case MPI_COMBINER_SUBARRAY:
        return DV_REAL(MPI_Type_create_subarray, n, i + 1, i + 1 + n, i + 1 + 2 * d, i[1 + 3 * d],
                       t, out);
    case MPI_COMBINER_DARRAY:
        n = i[2];
        d = n;
        return DV_REAL(MPI_Type_create_darray, i[0], i[1], n, i + 3, i + 3 + n, i + 3 + 2 * d,
                       i + 3 + 3 * d, i[3 + 4 * d], t, out);
    case MPI_COMBINER_RESIZED:
        return DV_REAL(MPI_Type_create_resized, t, a[0], a[1], out);
    case MPI_COMBINER_F90_REAL:
        return DV_REAL(MPI_Type_create_f90_real, n, i[1], out);
    case MPI_COMBINER_F90_COMPLEX:
        return DV_REAL(MPI_Type_create_f90_complex, n, i[1], out);
    case MPI_COMBINER_F90_INTEGER:
        return DV_REAL(MPI_Type_create_f90_integer, n, out);
    default:
        return MPI_ERR_TYPE;
    }
}

static int make_large(const struct contents *x, MPI_Datatype *out)
{
    const int *i = x->i;
    const MPI_Count *c = x->c, n = c[0];
    MPI_Datatype t = x->types[0];
    int dims;
    ptrdiff_t d;

    switch (x->shape.combiner) {
    case MPI_COMBINER_CONTIGUOUS:
        return DV_REAL(MPI_Type_contiguous_c, n, t, out);
    case MPI_COMBINER_VECTOR:
        return DV_REAL(MPI_Type_vector_c, n, c[1], c[2], t, out);
    case MPI_COMBINER_HVECTOR:
        return DV_REAL(MPI_Type_create_hvector_c, n, c[1], c[2], t, out);
    case MPI_COMBINER_INDEXED:
        return DV_REAL(MPI_Type_indexed_c, n, c + 1, c + 1 + n, t, out);
    case MPI_COMBINER_HINDEXED:
        return DV_REAL(MPI_Type_create_hindexed_c, n, c + 1, c + 1 + n, t, out);
    case MPI_COMBINER_INDEXED_BLOCK:
        return DV_REAL(MPI_Type_create_indexed_block_c, n, c[1], c + 2, t, out);
    case MPI_COMBINER_HINDEXED_BLOCK:
        return DV_REAL(MPI_Type_create_hindexed_block_c, n, c[1], c + 2, t, out);
    case MPI_COMBINER_STRUCT:
        return DV_REAL(MPI_Type_create_struct_c, n, c + 1, c + 1 + n, x->types, out);
    case MPI_COMBINER_SUBARRAY:
        d = dims = i[0];
        return DV_REAL(MPI_Type_create_subarray_c, dims, c, c + dims, c + 2 * d, i[1], t, out);
    case MPI_COMBINER_DARRAY:
        d = dims = i[2];
        return DV_REAL(MPI_Type_create_darray_c, i[0], i[1], dims, c, i + 3, i + 3 + dims,
                       i + 3 + 2 * d, i[3 + 3 * d], t, out);
    case MPI_COMBINER_RESIZED:
        return DV_REAL(MPI_Type_create_resized_c, t, c[0], c[1], out);
    default:
        return MPI_ERR_TYPE;
    }
}

/* Make the type at `recipe`; *rest is where the next one begins. */
static int write_any(const uint64_t *recipe, const uint64_t **rest, int *combiner,
                     MPI_Datatype *out)
{
    *combiner = (int)recipe[0];
    if (*combiner == MPI_COMBINER_NAMED) {
        *out = (MPI_Datatype)recipe[1];
        *rest = recipe + NAMED_WORDS;
        return MPI_SUCCESS;
    }
    struct contents x = {.shape = {.combiner = *combiner,
                                   .integers = (MPI_Count)recipe[1],
                                   .addresses = (MPI_Count)recipe[2],
                                   .counts = (MPI_Count)recipe[3],
                                   .types = (MPI_Count)recipe[4]}};
    x.i = (const int *)(recipe + HEAD_WORDS);
    x.a = (const MPI_Aint *)(recipe + HEAD_WORDS + int_words(x.shape.integers));
    x.c = (const MPI_Count *)(x.a + x.shape.addresses);
    *rest = recipe + own_words(&x.shape);

    size_t n = (size_t)x.shape.types, made = 0;
    int *combiners = dv_arena_alloc(n * sizeof(int)), rc = MPI_SUCCESS;
    x.types = dv_arena_alloc(n * sizeof(MPI_Datatype));
    for (; made < n && rc == MPI_SUCCESS; made++)
        rc = write_any(*rest, rest, &combiners[made], &x.types[made]);
    if (rc == MPI_SUCCESS)
        rc = x.shape.counts > 0 ? make_large(&x, out) : make_small(&x, out);
    for (size_t k = 0; k < made; k++) {
        if (rc == MPI_SUCCESS && !is_kept_by_library(combiners[k]))
            DV_REAL(MPI_Type_free, &x.types[k]);
    }
    dv_arena_free(x.types, n * sizeof(MPI_Datatype));
    dv_arena_free(combiners, n * sizeof(int));
    return rc;
}

int dv_recipe_write(const uint64_t *recipe, size_t words, MPI_Datatype *real)
{
    const uint64_t *rest = recipe;
    int combiner, rc = write_any(recipe, &rest, &combiner, real);
    if (rc == MPI_SUCCESS && rest != recipe + words)
        return MPI_ERR_INTERN;
    return rc;
}
