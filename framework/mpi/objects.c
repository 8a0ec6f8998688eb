/* Tables of virtual objects, references, and the order of describing and rebuilding. */
#include "mpi/objects.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dv_table dv_tables[DV_KINDS];
static uint64_t next_serial = 1;
static volatile int lock;

int dv_threads_multiple;

void dv_objects_lock(void)
{
    if (!dv_threads_multiple)
        return;
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

void dv_objects_unlock(void)
{
    if (dv_threads_multiple)
        __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* Double a table. The old array of items stays mapped: another thread may be looking things up in
 * it. */
static void table_grow(struct dv_table *table)
{
    uint32_t old = table->capacity, capacity = old == 0 ? 64 : old * 2;
    struct dv_object **items = dv_arena_alloc(capacity * sizeof(struct dv_object *));
    if (old != 0)
        memcpy(items, table->items, old * sizeof(struct dv_object *));
    __atomic_store_n(&table->items, items, __ATOMIC_RELEASE);
    table->recycled =
        dv_arena_grow(table->recycled, old * sizeof(uint32_t), capacity * sizeof(uint32_t));
    __atomic_store_n(&table->capacity, capacity, __ATOMIC_RELEASE);
}

void *dv_object_new(enum dv_kind kind, size_t bytes)
{
    struct dv_object *object = dv_arena_alloc(bytes);
    struct dv_table *table = &dv_tables[kind];

    dv_objects_lock();
    uint32_t index;
    if (table->recycled_count > 0) {
        index = table->recycled[--table->recycled_count];
    } else {
        if (table->used == table->capacity)
            table_grow(table);
        if (table->used == DV_HANDLE_INDICES) {
            dv_say("more than a million MPI objects of one kind are alive; the program seems to "
                   "lose handles");
            abort();
        }
        index = table->used++;
    }
    object->handle = DV_HANDLE(kind, index);
    object->kind = kind;
    object->references = 1;
    object->serial = next_serial++;
    __atomic_store_n(&table->items[index], object, __ATOMIC_RELEASE);
    dv_objects_unlock();
    return object;
}

void dv_object_delete(struct dv_object *object, size_t bytes)
{
    struct dv_table *table = &dv_tables[object->kind];
    uint32_t index = DV_HANDLE_INDEX(object->handle);

    dv_objects_lock();
    table->items[index] = NULL;
    table->recycled[table->recycled_count++] = index;
    dv_objects_unlock();
    dv_arena_free(object, bytes);
}

struct dv_object *dv_object_next(enum dv_kind kind, uint32_t *index)
{
    const struct dv_table *table = &dv_tables[kind];
    while (*index < table->used) {
        struct dv_object *object = table->items[(*index)++];
        if (object != NULL)
            return object;
    }
    return NULL;
}

struct dv_object *dv_object_find_real(enum dv_kind kind, int real)
{
    uint32_t index = 0;
    struct dv_object *object;
    while ((object = dv_object_next(kind, &index)) != NULL) {
        if (object->real == real)
            return object;
    }
    return NULL;
}

void dv_object_hold(struct dv_object *object)
{
    dv_objects_lock();
    object->references++;
    dv_objects_unlock();
}

bool dv_object_release(struct dv_object *object)
{
    dv_objects_lock();
    bool last = --object->references == 0;
    dv_objects_unlock();
    return last;
}

/* ---- text ---------------------------------------------------------------- */

void dv_text_add(char *text, size_t bytes, const char *more)
{
    size_t length = strnlen(text, bytes);
    while (length + 1 < bytes && *more != '\0')
        text[length++] = *more++;
    if (length < bytes)
        text[length] = '\0';
}

static void add_digits(char *text, size_t bytes, uint64_t value, unsigned base)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    dv_text_add(text, bytes, digits + i);
}

void dv_text_add_hex(char *text, size_t bytes, uint64_t value)
{
    dv_text_add(text, bytes, "0x");
    add_digits(text, bytes, value, 16);
}

void dv_text_add_number(char *text, size_t bytes, long value)
{
    if (value < 0)
        dv_text_add(text, bytes, "-");
    add_digits(text, bytes, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void dv_say(const char *text)
{
    char line[1024] = "dejavu: mpi: ";
    dv_text_add(line, sizeof line - 1, text);
    dv_text_add(line, sizeof line, "\n");
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* nowhere else to say it */
}

enum dv_status dv_refuse_mpi(char *why, size_t why_bytes, const char *what, int rc)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (DV_REAL(MPI_Error_string, rc, text, &length) != MPI_SUCCESS)
        text[0] = '\0';
    if (why_bytes > 0)
        why[0] = '\0';
    dv_text_add(why, why_bytes, what);
    dv_text_add(why, why_bytes, ": ");
    dv_text_add(why, why_bytes, text);
    return DV_ERR_REFUSED;
}

/* ---- describe and rebuild ------------------------------------------------ */

typedef enum dv_status step(char *why, size_t why_bytes);

static enum dv_status run(step *const *steps, char *why, size_t why_bytes)
{
    for (; *steps != NULL; steps++) {
        enum dv_status status = (*steps)(why, why_bytes);
        if (status != DV_OK)
            return status;
    }
    return DV_OK;
}

enum dv_status dv_objects_describe(char *why, size_t why_bytes)
{
    static step *const steps[] = {dv_comms_describe, dv_groups_describe, dv_infos_describe,
                                  dv_datatypes_describe, NULL};
    dv_clock_describe();
    return run(steps, why, why_bytes);
}

enum dv_status dv_objects_rebuild(char *why, size_t why_bytes)
{
    static step *const steps[] = {
        dv_tools_rebuild, dv_errcodes_rebuild,  dv_comms_rebuild, dv_groups_rebuild,
        dv_infos_rebuild, dv_datatypes_rebuild, dv_ops_rebuild,   NULL};
    dv_clock_rebuild();
    return run(steps, why, why_bytes);
}
