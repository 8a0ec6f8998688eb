/* Keyvals and attributes of communicators, datatypes and windows, all in the upper half: their
 * values are the application's pointers, their callbacks its functions, and no real object needs to
 * know.
 *
 * The libraries for Fortran and C++ set "proxies" that know how to call a callback in their
 * language, and tell how a value was given (pointer, address-sized or default integer), because a
 * value read in another language than it was written in is given as an address (MPI 4.0, 19.3.7).
 */
#include "mpi/attributes.h"

static uint64_t raw_handle(int handle)
{
    return (uint32_t)handle;
}

/* ---- keyvals ------------------------------------------------------------- */

/* For values given as integers, C callbacks get the address of the value. */
static int c_copy_proxy(MPI_Comm_copy_attr_function *function, int handle, int keyval,
                        void *extra_state, enum dv_attribute_type type, void *value, void **copy,
                        int *flag)
{
    return function(handle, keyval, extra_state,
                    type == DV_ATTRIBUTE_POINTER ? value : (void *)&value, copy, flag);
}

static int c_delete_proxy(MPI_Comm_delete_attr_function *function, int handle, int keyval,
                          enum dv_attribute_type type, void *value, void *extra_state)
{
    return function(handle, keyval, type == DV_ATTRIBUTE_POINTER ? value : (void *)&value,
                    extra_state);
}

struct dv_keyval *dv_keyval_find(int keyval, enum dv_kind kind)
{
    struct dv_keyval *object = (struct dv_keyval *)dv_object_find(keyval, DV_KIND_KEYVAL);
    return object != NULL && object->of == kind ? object : NULL;
}

int dv_keyval_create(void *copy, void *delete, enum dv_kind kind, void *extra_state, int *keyval)
{
    if (keyval == NULL)
        return MPI_ERR_ARG;
    struct dv_keyval *object = dv_object_new(DV_KIND_KEYVAL, sizeof *object);
    object->of = kind;
    object->copy = (MPI_Comm_copy_attr_function *)copy;
    object->delete = (MPI_Comm_delete_attr_function *)delete;
    object->copy_proxy = c_copy_proxy;
    object->delete_proxy = c_delete_proxy;
    object->extra_state = extra_state;
    *keyval = object->object.handle;
    return MPI_SUCCESS;
}

static void keyval_release(struct dv_keyval *keyval)
{
    if (dv_object_release(&keyval->object))
        dv_object_delete(&keyval->object, sizeof *keyval);
}

int dv_keyval_free(int *keyval, enum dv_kind kind)
{
    struct dv_keyval *object = keyval != NULL ? dv_keyval_find(*keyval, kind) : NULL;
    if (object == NULL || object->object.freed)
        return MPI_ERR_KEYVAL;
    object->object.freed = 1;
    keyval_release(object);
    *keyval = MPI_KEYVAL_INVALID;
    return MPI_SUCCESS;
}

DV_VISIBLE void MPII_Keyval_set_proxy(int keyval, dv_copy_proxy *copy_proxy,
                                      dv_delete_proxy *delete_proxy);
void MPII_Keyval_set_proxy(int keyval, dv_copy_proxy *copy_proxy, dv_delete_proxy *delete_proxy)
{
    struct dv_keyval *object = (struct dv_keyval *)dv_object_find(keyval, DV_KIND_KEYVAL);
    if (object == NULL)
        return;
    object->copy_proxy = copy_proxy;
    object->delete_proxy = delete_proxy;
}

/* MPI_DUP_FN, MPI_COMM_DUP_FN ...: the C macro names this function. */
DV_VISIBLE int MPIR_Dup_fn(MPI_Comm comm, int keyval, void *extra_state, void *value, void *copy,
                           int *flag);
int MPIR_Dup_fn(MPI_Comm comm, int keyval, void *extra_state, void *value, void *copy, int *flag)
{
    (void)comm, (void)keyval, (void)extra_state;
    *(void **)copy = value;
    *flag = 1;
    return MPI_SUCCESS;
}

/* ---- lists --------------------------------------------------------------- */

static int call_delete(int handle, const struct dv_attribute *attribute)
{
    const struct dv_keyval *keyval = attribute->keyval;
    if (keyval->delete == NULL)
        return MPI_SUCCESS;
    return keyval->delete_proxy(keyval->delete, handle, keyval->object.handle, attribute->type,
                                attribute->value, keyval->extra_state);
}

static struct dv_attribute **find(struct dv_attribute **list, int keyval)
{
    while (*list != NULL && (*list)->keyval->object.handle != keyval)
        list = &(*list)->next;
    return list;
}

static void unlink_attribute(struct dv_attribute **link)
{
    struct dv_attribute *attribute = *link;
    *link = attribute->next;
    keyval_release(attribute->keyval);
    dv_arena_free(attribute, sizeof *attribute);
}

static struct dv_attribute *insert(struct dv_attribute **link, struct dv_keyval *keyval)
{
    struct dv_attribute *attribute = dv_arena_alloc(sizeof *attribute);
    attribute->keyval = keyval;
    dv_object_hold(&keyval->object);
    attribute->next = *link;
    *link = attribute;
    return attribute;
}

/* Newest first, and in that order attributes are copied and deleted, as in MPICH. */
int dv_attributes_copy(int old_handle, const struct dv_attribute *from, struct dv_attribute **to)
{
    struct dv_attribute **end = to;
    for (*to = NULL; from != NULL; from = from->next) {
        struct dv_keyval *keyval = from->keyval;
        void *value = NULL;
        int flag = 0;
        if (keyval->copy == NULL)
            continue;
        int rc = keyval->copy_proxy(keyval->copy, old_handle, keyval->object.handle,
                                    keyval->extra_state, from->type, from->value, &value, &flag);
        if (rc != MPI_SUCCESS) {
            (void)dv_attributes_delete(old_handle, to);
            return rc;
        }
        if (!flag)
            continue;
        struct dv_attribute *copy = insert(end, keyval);
        copy->type = from->type;
        copy->value = value;
        end = &copy->next;
    }
    return MPI_SUCCESS;
}

int dv_attributes_delete(int handle, struct dv_attribute **list)
{
    while (*list != NULL) {
        int rc = call_delete(handle, *list);
        if (rc != MPI_SUCCESS)
            return rc;
        unlink_attribute(list);
    }
    return MPI_SUCCESS;
}

int dv_attribute_set(int handle, struct dv_attribute **list, enum dv_kind kind, int keyval,
                     void *value, enum dv_attribute_type type)
{
    struct dv_keyval *key = dv_keyval_find(keyval, kind);
    if (list == NULL)
        return MPI_ERR_ARG;
    if (key == NULL)
        return MPI_ERR_KEYVAL;
    struct dv_attribute *attribute = *find(list, keyval);
    if (attribute != NULL) {
        int rc = call_delete(handle, attribute);
        if (rc != MPI_SUCCESS)
            return rc;
    } else {
        attribute = insert(list, key);
    }
    attribute->value = value;
    attribute->type = type;
    return MPI_SUCCESS;
}

int dv_attribute_get(struct dv_attribute **list, enum dv_kind kind, int keyval, void *value,
                     int *flag, enum dv_attribute_type type)
{
    if (value == NULL || flag == NULL)
        return MPI_ERR_ARG;
    if (dv_keyval_find(keyval, kind) == NULL)
        return MPI_ERR_KEYVAL;
    struct dv_attribute *attribute = list != NULL ? *find(list, keyval) : NULL;
    *flag = attribute != NULL;
    if (attribute == NULL)
        return MPI_SUCCESS;
    /* A pointer is asked for (C) and an integer was given (Fortran): its address. */
    if (type == DV_ATTRIBUTE_POINTER && attribute->type != DV_ATTRIBUTE_POINTER)
        *(void **)value = &attribute->value;
    else
        *(void **)value = attribute->value;
    return MPI_SUCCESS;
}

int dv_attribute_delete(int handle, struct dv_attribute **list, enum dv_kind kind, int keyval)
{
    if (list == NULL)
        return MPI_ERR_ARG;
    if (dv_keyval_find(keyval, kind) == NULL)
        return MPI_ERR_KEYVAL;
    if (*find(list, keyval) == NULL)
        return MPI_SUCCESS;
    int rc = call_delete(handle, *find(list, keyval));
    if (rc == MPI_SUCCESS) {
        struct dv_attribute **link =
            find(list, keyval); /* the callback may have changed the list */
        if (*link != NULL)
            unlink_attribute(link);
    }
    return rc;
}

/* ---- predefined attributes: asked from the real library, given from upper-half memory  */

/* Communicators': an odd keyval is C's, the next even one Fortran's. */
#define IS_BUILTIN(keyval) (((unsigned)(keyval) >> 30) == 1)
static int builtin_copies[16];

int dv_builtin_comm_attribute(MPI_Comm comm, int keyval, void *value, int *flag,
                              enum dv_attribute_type type)
{
    int *real_value = NULL, slot = keyval & 0xf;
    int c_keyval = (slot & 1) != 0 ? keyval : keyval - 1;
    MPI_Comm real = dv_comm_real(comm);
    int rc = DV_REAL(MPI_Comm_get_attr, real, c_keyval, value != NULL ? (void *)&real_value : NULL,
                     flag);
    if (rc != MPI_SUCCESS || !*flag || real_value == NULL)
        return rc;
    builtin_copies[slot] = *real_value;
    if (type == DV_ATTRIBUTE_POINTER)
        *(int **)value = &builtin_copies[slot];
    else
        *(intptr_t *)value = builtin_copies[slot];
    return MPI_SUCCESS;
}

bool dv_keyval_is_builtin(int keyval)
{
    return IS_BUILTIN(keyval);
}

/* Windows': the base is the value itself, the others are addresses of numbers of two sizes. */
int dv_builtin_win_attribute(MPI_Win win, int keyval, void *value, int *flag,
                             enum dv_attribute_type type)
{
    int c_keyval = (keyval & 1) != 0 ? keyval : keyval - 1;
    void *real_value = NULL;
    int rc =
        DV_REAL(MPI_Win_get_attr, win, c_keyval, value != NULL ? (void *)&real_value : NULL, flag);
    if (rc != MPI_SUCCESS || !*flag)
        return rc;
    if (c_keyval == MPI_WIN_BASE || type == DV_ATTRIBUTE_POINTER || real_value == NULL)
        *(void **)value = real_value;
    else if (c_keyval == MPI_WIN_SIZE)
        *(MPI_Aint *)value = *(MPI_Aint *)real_value;
    else
        *(MPI_Aint *)value = *(int *)real_value;
    return MPI_SUCCESS;
}

struct dv_attribute **dv_win_attributes(MPI_Win win)
{
    struct dv_foreign *foreign = dv_foreign_find(DV_ERRHANDLER_WIN, raw_handle(win));
    return foreign != NULL ? &foreign->attributes : NULL;
}
