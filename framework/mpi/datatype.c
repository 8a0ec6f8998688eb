/* Datatypes as objects. Constructors are generated wrappers (dv_datatype_adopt); what a type is
 * made of is asked from the real library when a capture needs it (datatype_recipe.c). The real type
 * lives as long as the object, so a pending operation can still be posted again with a type that
 * the application has freed. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <string.h>

/* MPICH's own types: builtin ones, and the pair types, which are the first "direct" ones. */
static bool is_predefined(MPI_Datatype type)
{
    return type == MPI_DATATYPE_NULL || ((unsigned)type >> 30) == 1 ||
           ((unsigned)type >= (unsigned)MPI_FLOAT_INT &&
            (unsigned)type <= (unsigned)MPI_LONG_DOUBLE_INT);
}

static struct dv_datatype *enter(MPI_Datatype real)
{
    struct dv_datatype *type = dv_object_new(DV_KIND_DATATYPE, sizeof *type);
    type->object.real = real;
    return type;
}

MPI_Datatype dv_datatype_adopt(MPI_Datatype real)
{
    return is_predefined(real) ? real : enter(real)->object.handle;
}

MPI_Datatype dv_datatype_virtual(MPI_Datatype real)
{
    static struct dv_datatype
        *last; /* callbacks of one reduction ask for one type again and again */
    if (is_predefined(real))
        return real;
    struct dv_datatype *type = last;
    if (type == NULL || type != dv_datatype_get(type->object.handle) || type->object.real != real)
        type = (struct dv_datatype *)dv_object_find_real(DV_KIND_DATATYPE, real);
    last = type;
    return type != NULL ? type->object.handle
                        : real; /* the library's own: a real handle passes unchanged */
}

MPI_Datatype *dv_datatypes_real(const MPI_Datatype *types, size_t n)
{
    if (types == NULL || n == 0)
        return NULL;
    MPI_Datatype *real = dv_arena_alloc(n * sizeof *real);
    for (size_t i = 0; i < n; i++)
        real[i] = dv_datatype_real(types[i]);
    return real;
}

void dv_datatypes_done(MPI_Datatype *real, size_t n)
{
    dv_arena_free(real, n * sizeof *real);
}

/* ---- life ---------------------------------------------------------------- */

void dv_datatype_hold(MPI_Datatype type)
{
    struct dv_datatype *object = dv_datatype_get(type);
    if (object != NULL)
        dv_object_hold(&object->object);
}

static void release(struct dv_datatype *type)
{
    if (type->cached || !dv_object_release(&type->object))
        return;
    DV_REAL(MPI_Type_free, &type->object.real);
    dv_arena_free(type->recipe, type->recipe_words * sizeof(uint64_t));
    dv_arena_free(type->name, MPI_MAX_OBJECT_NAME);
    dv_object_delete(&type->object, sizeof *type);
}

void dv_datatype_release(MPI_Datatype type)
{
    struct dv_datatype *object = dv_datatype_get(type);
    if (object != NULL)
        release(object);
}

static int free_type(MPI_Datatype *handle)
{
    struct dv_datatype *type = handle != NULL ? dv_datatype_get(*handle) : NULL;
    if (type == NULL || type->object.freed || type->cached) {
        /* Null, predefined or dead: the real library finds the right words. */
        MPI_Datatype real = handle != NULL ? dv_datatype_real(*handle) : MPI_DATATYPE_NULL;
        if (type != NULL)
            real = type->cached ? MPI_INT : DV_HANDLE_INVALID;
        return DV_REAL(MPI_Type_free, handle != NULL ? &real : NULL);
    }
    int rc = dv_attributes_delete(*handle, &type->attributes);
    if (rc != MPI_SUCCESS)
        return rc;
    type->object.freed = 1;
    release(type);
    *handle = MPI_DATATYPE_NULL;
    return MPI_SUCCESS;
}

int PMPI_Type_free(MPI_Datatype *datatype)
{
    dv_mpi_enter("MPI_Type_free");
    int rc = dv_error(NULL, free_type(datatype), "MPI_Type_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_free);

int PMPI_Type_commit(MPI_Datatype *datatype)
{
    dv_mpi_enter("MPI_Type_commit");
    MPI_Datatype real = datatype != NULL ? dv_datatype_real(*datatype) : MPI_DATATYPE_NULL;
    int rc = DV_REAL(MPI_Type_commit, datatype != NULL ? &real : NULL);
    if (rc == MPI_SUCCESS && datatype != NULL) {
        struct dv_datatype *type = dv_datatype_get(*datatype);
        if (type != NULL)
            type->committed = true;
    }
    rc = dv_error(NULL, rc, "MPI_Type_commit");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_commit);

static int duplicate(MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    MPI_Datatype real_old = dv_datatype_real(oldtype), real = MPI_DATATYPE_NULL;
    struct dv_attribute **old_list = dv_datatype_attributes(oldtype, false), *attributes = NULL;
    if (newtype == NULL)
        return DV_REAL(MPI_Type_dup, real_old, NULL);
    int rc = old_list != NULL ? dv_attributes_copy(oldtype, *old_list, &attributes) : MPI_SUCCESS;
    if (rc != MPI_SUCCESS)
        return rc;
    rc = DV_REAL(MPI_Type_dup, real_old, &real);
    if (rc != MPI_SUCCESS) {
        (void)dv_attributes_delete(oldtype, &attributes);
        return rc;
    }
    const struct dv_datatype *old = dv_datatype_get(oldtype);
    struct dv_datatype *type = enter(real);
    type->committed = old == NULL || old->committed;
    type->attributes = attributes;
    *newtype = type->object.handle;
    return MPI_SUCCESS;
}

int PMPI_Type_dup(MPI_Datatype oldtype, MPI_Datatype *newtype)
{
    dv_mpi_enter("MPI_Type_dup");
    int rc = dv_error(NULL, duplicate(oldtype, newtype), "MPI_Type_dup");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_dup);

/* ---- types that the library keeps: one virtual handle for each ----------- */

static MPI_Datatype adopt_cached(MPI_Datatype real)
{
    if (is_predefined(real))
        return real;
    struct dv_datatype *type = (struct dv_datatype *)dv_object_find_real(DV_KIND_DATATYPE, real);
    if (type == NULL) {
        type = enter(real);
        type->cached = type->committed = true;
    }
    return type->object.handle;
}

int PMPI_Type_create_f90_real(int p, int r, MPI_Datatype *newtype)
{
    dv_mpi_enter("MPI_Type_create_f90_real");
    int rc = DV_REAL(MPI_Type_create_f90_real, p, r, newtype);
    if (rc == MPI_SUCCESS)
        *newtype = adopt_cached(*newtype);
    rc = dv_error(NULL, rc, "MPI_Type_create_f90_real");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_create_f90_real);

int PMPI_Type_create_f90_complex(int p, int r, MPI_Datatype *newtype)
{
    dv_mpi_enter("MPI_Type_create_f90_complex");
    int rc = DV_REAL(MPI_Type_create_f90_complex, p, r, newtype);
    if (rc == MPI_SUCCESS)
        *newtype = adopt_cached(*newtype);
    rc = dv_error(NULL, rc, "MPI_Type_create_f90_complex");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_create_f90_complex);

int PMPI_Type_create_f90_integer(int r, MPI_Datatype *newtype)
{
    dv_mpi_enter("MPI_Type_create_f90_integer");
    int rc = DV_REAL(MPI_Type_create_f90_integer, r, newtype);
    if (rc == MPI_SUCCESS)
        *newtype = adopt_cached(*newtype);
    rc = dv_error(NULL, rc, "MPI_Type_create_f90_integer");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_create_f90_integer);

/* ---- contents: the component types that the library hands out become objects  */

static MPI_Datatype adopt_component(MPI_Datatype real)
{
    MPI_Count integers, addresses, counts, types;
    int combiner = MPI_COMBINER_NAMED;
    if (is_predefined(real))
        return real;
    DV_REAL(MPI_Type_get_envelope_c, real, &integers, &addresses, &counts, &types, &combiner);
    if (combiner == MPI_COMBINER_F90_REAL || combiner == MPI_COMBINER_F90_COMPLEX ||
        combiner == MPI_COMBINER_F90_INTEGER)
        return adopt_cached(real);
    struct dv_datatype *type = enter(real);
    type->committed = true; /* nobody can tell: a type that is committed too much does no harm */
    return type->object.handle;
}

static void adopt_components(MPI_Datatype real, MPI_Datatype types[])
{
    MPI_Count integers, addresses, counts, n = 0;
    int combiner;
    DV_REAL(MPI_Type_get_envelope_c, real, &integers, &addresses, &counts, &n, &combiner);
    for (MPI_Count i = 0; i < n; i++)
        types[i] = adopt_component(types[i]);
}

int PMPI_Type_get_contents(MPI_Datatype datatype, int max_integers, int max_addresses,
                           int max_datatypes, int array_of_integers[],
                           MPI_Aint array_of_addresses[], MPI_Datatype array_of_datatypes[])
{
    dv_mpi_enter("MPI_Type_get_contents");
    MPI_Datatype real = dv_datatype_real(datatype);
    int rc = DV_REAL(MPI_Type_get_contents, real, max_integers, max_addresses, max_datatypes,
                     array_of_integers, array_of_addresses, array_of_datatypes);
    if (rc == MPI_SUCCESS)
        adopt_components(real, array_of_datatypes);
    rc = dv_error(NULL, rc, "MPI_Type_get_contents");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_get_contents);

int PMPI_Type_get_contents_c(MPI_Datatype datatype, MPI_Count max_integers, MPI_Count max_addresses,
                             MPI_Count max_large_counts, MPI_Count max_datatypes,
                             int array_of_integers[], MPI_Aint array_of_addresses[],
                             MPI_Count array_of_large_counts[], MPI_Datatype array_of_datatypes[])
{
    dv_mpi_enter("MPI_Type_get_contents_c");
    MPI_Datatype real = dv_datatype_real(datatype);
    int rc = DV_REAL(MPI_Type_get_contents_c, real, max_integers, max_addresses, max_large_counts,
                     max_datatypes, array_of_integers, array_of_addresses, array_of_large_counts,
                     array_of_datatypes);
    if (rc == MPI_SUCCESS)
        adopt_components(real, array_of_datatypes);
    rc = dv_error(NULL, rc, "MPI_Type_get_contents_c");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_get_contents_c);

/* ---- what the application put on predefined types: names and attributes -- */

struct predefined {
    struct predefined *next;
    MPI_Datatype type;
    struct dv_attribute *attributes;
    char name[MPI_MAX_OBJECT_NAME]; /* "": not renamed */
};
static struct predefined *predefined_types;

static struct predefined *predefined_find(MPI_Datatype type, bool make)
{
    struct predefined *p = predefined_types;
    while (p != NULL && p->type != type)
        p = p->next;
    if (p == NULL && make) {
        p = dv_arena_alloc(sizeof *p);
        p->type = type;
        p->next = predefined_types;
        predefined_types = p;
    }
    return p;
}

struct dv_attribute **dv_datatype_attributes(MPI_Datatype type, bool make)
{
    struct dv_datatype *object = dv_datatype_get(type);
    if (object != NULL)
        return object->object.freed ? NULL : &object->attributes;
    if (type == MPI_DATATYPE_NULL || !is_predefined(type))
        return NULL;
    struct predefined *p = predefined_find(type, make);
    return p != NULL ? &p->attributes : NULL;
}

void dv_datatypes_leave_predefined(void)
{
    for (struct predefined *p = predefined_types; p != NULL; p = p->next)
        (void)dv_attributes_delete(p->type, &p->attributes);
}

int PMPI_Type_set_name(MPI_Datatype datatype, const char *type_name)
{
    dv_mpi_enter("MPI_Type_set_name");
    MPI_Datatype real = dv_datatype_real(datatype);
    int rc = DV_REAL(MPI_Type_set_name, real, type_name);
    if (rc == MPI_SUCCESS) {
        struct dv_datatype *type = dv_datatype_get(datatype);
        if (type != NULL && type->name == NULL)
            type->name = dv_arena_alloc(MPI_MAX_OBJECT_NAME);
        char *name = type != NULL ? type->name : predefined_find(datatype, true)->name;
        name[0] = '\0';
        dv_text_add(name, MPI_MAX_OBJECT_NAME, type_name);
    }
    rc = dv_error(NULL, rc, "MPI_Type_set_name");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Type_set_name);

/* ---- describe and rebuild ------------------------------------------------ */

enum dv_status dv_datatypes_describe(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_datatype *type;
    while ((type = (struct dv_datatype *)dv_object_next(DV_KIND_DATATYPE, &index)) != NULL) {
        int rc = type->recipe != NULL
                     ? MPI_SUCCESS
                     : dv_recipe_read(type->object.real, &type->recipe, &type->recipe_words);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "describing a datatype", rc);
    }
    return DV_OK;
}

static int make_again(struct dv_datatype *type)
{
    MPI_Datatype real = MPI_DATATYPE_NULL;
    int rc = dv_recipe_write(type->recipe, type->recipe_words, &real);
    if (rc == MPI_SUCCESS && type->committed && !type->cached)
        rc = DV_REAL(MPI_Type_commit, &real);
    if (rc == MPI_SUCCESS && type->name != NULL)
        rc = DV_REAL(MPI_Type_set_name, real, type->name);
    type->object.real = real;
    return rc;
}

enum dv_status dv_datatypes_rebuild(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_datatype *type;
    int rc = MPI_SUCCESS;
    while (rc == MPI_SUCCESS &&
           (type = (struct dv_datatype *)dv_object_next(DV_KIND_DATATYPE, &index)) != NULL)
        rc = make_again(type);
    for (struct predefined *p = predefined_types; p != NULL && rc == MPI_SUCCESS; p = p->next) {
        if (p->name[0] != '\0')
            rc = DV_REAL(MPI_Type_set_name, p->type, p->name);
    }
    return rc == MPI_SUCCESS ? DV_OK : dv_refuse_mpi(why, why_bytes, "making a datatype again", rc);
}
