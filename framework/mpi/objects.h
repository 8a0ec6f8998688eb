/* The objects side of the MPI library: what its files share with each other and with the generated
 * wrappers.
 *
 * All objects begin with struct dv_object and live in arena memory, so images hold them. The `real`
 * handle of an object is the lower half's and is stale after a restore until dv_objects_rebuild has
 * run. A function here that changes tables or lists takes dv_objects_lock itself unless it says
 * otherwise. */
#ifndef DV_MPI_OBJECTS_H
#define DV_MPI_OBJECTS_H

#include "mpi/core.h"

#include <stdbool.h>

/* ---- text without stdio -------------------------------------------------- */

/* Append to a NUL-terminated text in a buffer; what does not fit is cut. */
void dv_text_add(char *text, size_t bytes, const char *more);
void dv_text_add_hex(char *text, size_t bytes, uint64_t value);
void dv_text_add_number(char *text, size_t bytes, long value);
/* A whole line "dejavu: mpi: TEXT" on stderr, with one write(2). */
void dv_say(const char *text);

/* ---- lists of keys and values (info objects, hints) ---------------------- */

struct dv_pairs {
    int count;
    size_t bytes; /* of text */
    char *text;   /* key NUL value NUL key NUL value NUL ... */
};

/* Read all pairs of a real info object into `pairs`, replacing what it held. Returns an MPI error
 * code. */
int dv_pairs_read(struct dv_pairs *pairs, MPI_Info real);
/* A new real info object with these pairs. */
int dv_pairs_write(const struct dv_pairs *pairs, MPI_Info *real);
void dv_pairs_clear(struct dv_pairs *pairs);

/* ---- objects ------------------------------------------------------------- */

struct dv_group {
    struct dv_object object;
    bool described;
    int size;
    int *world_ranks; /* [size] */
};

struct dv_info {
    struct dv_object object;
    struct dv_pairs pairs;
};

struct dv_datatype {
    struct dv_object object;
    bool committed;
    bool cached; /* the real library's own (MPI_Type_create_f90_*): never freed, found again by its
                    real handle */
    struct dv_attribute *attributes;
    uint64_t *recipe; /* datatype_recipe.c: the tree of constructors; NULL: not described yet */
    size_t recipe_words;
    char *name; /* [MPI_MAX_OBJECT_NAME] if the application has named it, else NULL */
};

struct dv_op {
    struct dv_object object;
    MPI_User_function *function;
    void (*cxx)(void); /* libmpichcxx's caller of `function`, NULL for C and Fortran */
    bool commutes, large;
};

/* The numbers of the first three are what libmpichcxx knows them by. */
enum dv_errhandler_kind {
    DV_ERRHANDLER_COMM,
    DV_ERRHANDLER_FILE,
    DV_ERRHANDLER_WIN,
    DV_ERRHANDLER_SESSION
};

struct dv_errhandler {
    struct dv_object object;
    enum dv_errhandler_kind for_kind;
    void (*function)(void); /* of the type that for_kind says */
    bool cxx;               /* to be called through libmpichcxx */
};

static inline struct dv_datatype *dv_datatype_get(MPI_Datatype type)
{
    return (struct dv_datatype *)dv_object_find(type, DV_KIND_DATATYPE);
}

/* Next live object of a kind at or after *index (which advances), or NULL. */
struct dv_object *dv_object_next(enum dv_kind kind, uint32_t *index);
/* The live object of a kind with this real handle, or NULL. Not O(1). */
struct dv_object *dv_object_find_real(enum dv_kind kind, int real);
/* References: take one; give one up and learn whether it was the last. */
void dv_object_hold(struct dv_object *object);
bool dv_object_release(struct dv_object *object);

/* The real handle when the object of the (first) communicator argument was looked up already. */
static inline MPI_Comm dv_comm_real_of(const struct dv_comm *comm, MPI_Comm handle)
{
    return comm != NULL ? comm->object.real : dv_comm_real(handle);
}

/* ---- communicators ------------------------------------------------------- */

/* What a new communicator is made of, for dv_comm_enter. */
struct dv_comm_origin {
    struct dv_comm *parent; /* error handler and foreignness are inherited; NULL: none */
    uint64_t seed;          /* equal on all members, different for each creation */
    bool outside;     /* may have members outside MPI_COMM_WORLD, who know nothing of DejaVu */
    const char *call; /* for refusals, if it is foreign */
    const void *caller;
};

/* The seed of the next collective creation on the parent: advances its children counter. To be
 * called exactly once per creation, on every member of the parent, also where the result is
 * MPI_COMM_NULL or an error. */
uint64_t dv_comm_next_seed(struct dv_comm *parent);
uint64_t dv_hash(uint64_t seed, const void *bytes, size_t length);
uint64_t dv_hash_text(uint64_t seed, const char *text);
/* Enter a real communicator: asks for its groups, computes its name, sets MPI_ERRORS_RETURN on it.
 */
struct dv_comm *dv_comm_enter(MPI_Comm real, const struct dv_comm_origin *origin);
/* The same for a duplicate, whose groups are its parent's and which may not be complete yet
 * (MPI_Comm_idup). */
struct dv_comm *dv_comm_enter_duplicate(MPI_Comm real, const struct dv_comm_origin *origin);
/* The beginning of a blocking collective creation on `parent`; NULL means a bad handle: the real
 * call will say so and nothing is made. Its end: enter what was made, or call the parent's error
 * handler. */
struct dv_comm_origin dv_comm_make(struct dv_comm *parent, const char *call, const void *caller);
int dv_comm_made(const struct dv_comm_origin *origin, int rc, MPI_Comm real, MPI_Comm *out);
/* The whole of a function whose real one is NAME(parent, ..., out), collective over the parent. */
#define DV_COMM_CREATE(name, parent_handle, out, ...)                                              \
    ({                                                                                             \
        dv_mpi_enter(#name);                                                                       \
        struct dv_comm *parent_ = dv_comm_get(parent_handle);                                      \
        MPI_Comm made_ = MPI_COMM_NULL, real_parent_ = dv_comm_real(parent_handle);                \
        MPI_Comm *result_ = (out) != NULL ? &made_ : NULL;                                         \
        struct dv_comm_origin origin_ = dv_comm_make(parent_, #name, __builtin_return_address(0)); \
        int rc_ = DV_REAL(name, real_parent_, __VA_ARGS__, result_);                               \
        rc_ = dv_comm_made(&origin_, rc_, made_, out);                                             \
        dv_mpi_exit();                                                                             \
        rc_;                                                                                       \
    })
/* MPI_UNWEIGHTED and MPI_WEIGHTS_EMPTY are addresses, different in the two halves: the lower half's
 * for ours. */
int *dv_weights_real(const int *weights);
MPI_T_pvar_handle dv_pvar_real(MPI_T_pvar_handle handle);
void dv_data_start(void);       /* data.c: what the real library sets when it is initialized */
extern int dv_threads_multiple; /* the application has MPI_THREAD_MULTIPLE */
/* MPI_COMM_WORLD and MPI_COMM_SELF at MPI_Init; gone at MPI_Finalize. */
void dv_comm_enter_predefined(void);
void dv_comm_leave_predefined(void);
/* Remove a communicator whose last reference is gone. The real one must be gone already. */
void dv_comm_remove(struct dv_comm *comm);
/* The ranks of a real group in MPI_COMM_WORLD (MPI_UNDEFINED: not a member). Returns an MPI error
 * code. */
int dv_group_world_ranks(MPI_Group real, int size, int *world_ranks);
/* A new real group of these ranks of MPI_COMM_WORLD. */
int dv_group_make(int size, const int *world_ranks, MPI_Group *real);

enum dv_status dv_comms_describe(char *why, size_t why_bytes);
enum dv_status dv_comms_rebuild(char *why, size_t why_bytes);
/* topology.c: ask for the topology, if there is one; make `*real`, a plain communicator with the
 * right group, one with the topology. */
int dv_topology_describe(struct dv_comm *comm);
int dv_topology_rebuild(const struct dv_comm *comm, MPI_Comm *real);
void dv_topology_forget(struct dv_comm *comm);

/* ---- the other kinds: describe for a capture, rebuild after a restore ---- */

enum dv_status dv_groups_describe(char *why, size_t why_bytes);
enum dv_status dv_groups_rebuild(char *why, size_t why_bytes);
enum dv_status dv_infos_describe(char *why, size_t why_bytes);
enum dv_status dv_infos_rebuild(char *why, size_t why_bytes);
enum dv_status dv_datatypes_describe(char *why, size_t why_bytes);
enum dv_status dv_datatypes_rebuild(char *why, size_t why_bytes);
enum dv_status dv_ops_rebuild(char *why, size_t why_bytes);
enum dv_status dv_errcodes_rebuild(char *why, size_t why_bytes);
enum dv_status dv_tools_rebuild(char *why, size_t why_bytes);
void dv_clock_describe(void);
void dv_clock_rebuild(void);

/* datatype_recipe.c. A recipe is a datatype as numbers: its combiner, counts, integers, addresses,
 * and the recipes of its component types, in arena memory. Both return an MPI error code. */
int dv_recipe_read(MPI_Datatype real, uint64_t **recipe, size_t *words);
int dv_recipe_write(const uint64_t *recipe, size_t words, MPI_Datatype *real);

/* Say "what: MPI's error text for rc" in `why`; always DV_ERR_REFUSED. */
enum dv_status dv_refuse_mpi(char *why, size_t why_bytes, const char *what, int rc);

/* The attribute list of a datatype, predefined ones included; NULL: no such type, or (unless
 * `make`) a predefined one that has none. At MPI_Finalize, predefined types lose theirs. */
struct dv_attribute **dv_datatype_attributes(MPI_Datatype type, bool make);
void dv_datatypes_leave_predefined(void);

/* ---- attributes ---------------------------------------------------------- */

/* Copy `from`'s list for a new object (MPI_Comm_dup, MPI_Type_dup) into *to; old_handle is what the
 * copy callbacks see. Returns an MPI error code; on failure *to is NULL. */
int dv_attributes_copy(int old_handle, const struct dv_attribute *from, struct dv_attribute **to);
/* Call the delete callbacks, newest first, and empty the list. Returns the first error of a
 * callback; then attributes that are left stay. */
int dv_attributes_delete(int handle, struct dv_attribute **list);

/* ---- windows, files, sessions: passed through, their error handlers and attributes kept here  */

struct dv_foreign {
    struct dv_foreign *next;
    uint64_t handle;
    enum dv_errhandler_kind kind;
    int errhandler;
    struct dv_attribute *attributes; /* windows */
};

struct dv_foreign *dv_foreign_find(enum dv_errhandler_kind kind, uint64_t handle);
struct dv_foreign *dv_foreign_created(enum dv_errhandler_kind kind, uint64_t handle, int errhandler,
                                      const char *call, const void *caller);
void dv_foreign_freed(enum dv_errhandler_kind kind, uint64_t handle);
void dv_win_created(MPI_Win win, struct dv_comm *comm, const char *call, const void *caller);
void dv_file_created(MPI_File file, struct dv_comm *comm, const char *call, const void *caller);

/* ---- errors -------------------------------------------------------------- */

/* As dv_error, for the error handler of a window, file or session. */
int dv_win_error(MPI_Win win, int rc, const char *call);
int dv_file_error(MPI_File file, int rc, const char *call);
int dv_session_error(MPI_Session session, int rc, const char *call);
/* Take a reference to an error handler that an object will use; give it up. Predefined ones:
 * nothing happens. */
void dv_errhandler_hold(int errhandler);
void dv_errhandler_release(int errhandler);
extern int dv_file_default_errhandler; /* MPI_FILE_NULL's */

#endif
