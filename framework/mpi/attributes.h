/* Attributes: what attributes.c (lists and callbacks) offers to attribute_calls.c (the MPI
 * functions). Return values are MPI error codes; `type` says how a value is given or asked for. */
#ifndef DV_MPI_ATTRIBUTES_H
#define DV_MPI_ATTRIBUTES_H

#include "mpi/export.h"
#include "mpi/objects.h"

/* MPICH's MPIR_Attr_type. */
enum dv_attribute_type { DV_ATTRIBUTE_POINTER = 0, DV_ATTRIBUTE_AINT = 1, DV_ATTRIBUTE_INT = 3 };

/* MPICH's MPII_Attr_copy_proxy and MPII_Attr_delete_proxy. */
typedef int dv_copy_proxy(MPI_Comm_copy_attr_function *, int handle, int keyval, void *extra_state,
                          enum dv_attribute_type, void *value, void **copy, int *flag);
typedef int dv_delete_proxy(MPI_Comm_delete_attr_function *, int handle, int keyval,
                            enum dv_attribute_type, void *value, void *extra_state);

#define DV_KIND_OF_WIN                                                                             \
    ((enum dv_kind)0x0) /* windows have no table: keyvals for them are of this kind */

struct dv_keyval {
    struct dv_object object;
    enum dv_kind of; /* DV_KIND_COMM, DV_KIND_DATATYPE, DV_KIND_OF_WIN */
    MPI_Comm_copy_attr_function
        *copy; /* all kinds of objects have int handles and so one signature */
    MPI_Comm_delete_attr_function *delete;
    dv_copy_proxy *copy_proxy;
    dv_delete_proxy *delete_proxy;
    void *extra_state;
};

struct dv_attribute {
    struct dv_attribute *next;
    struct dv_keyval *keyval;
    void *value;
    enum dv_attribute_type type;
};

struct dv_keyval *dv_keyval_find(int keyval, enum dv_kind kind);
int dv_keyval_create(void *copy, void *delete, enum dv_kind kind, void *extra_state, int *keyval);
int dv_keyval_free(int *keyval, enum dv_kind kind);
bool dv_keyval_is_builtin(int keyval);

/* list NULL: the object does not exist (set, delete) or has no attributes (get). */
int dv_attribute_set(int handle, struct dv_attribute **list, enum dv_kind kind, int keyval,
                     void *value, enum dv_attribute_type type);
int dv_attribute_get(struct dv_attribute **list, enum dv_kind kind, int keyval, void *value,
                     int *flag, enum dv_attribute_type type);
int dv_attribute_delete(int handle, struct dv_attribute **list, enum dv_kind kind, int keyval);
struct dv_attribute **dv_win_attributes(MPI_Win win);

int dv_builtin_comm_attribute(MPI_Comm comm, int keyval, void *value, int *flag,
                              enum dv_attribute_type type);
int dv_builtin_win_attribute(MPI_Win win, int keyval, void *value, int *flag,
                             enum dv_attribute_type type);

#endif
