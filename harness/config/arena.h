/* Memory that is freed all at once. Blocks are zeroed and stay where they are. Out of memory ends
 * the program with a message and exit status 3: the harness keeps nothing unsaved that could be
 * rescued. One thread. */
#ifndef DV_HARNESS_ARENA_H
#define DV_HARNESS_ARENA_H

#include <stddef.h>

struct dv_arena_block;

/* {NULL} is an empty arena. */
struct dv_arena {
    struct dv_arena_block *last;
};

void *dv_arena_alloc(struct dv_arena *arena, size_t count, size_t size);
char *dv_arena_copy(struct dv_arena *arena, const char *bytes, size_t length); /* NUL behind it */
char *dv_arena_text(struct dv_arena *arena, const char *text);
char *dv_arena_printf(struct dv_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `text` with every occurrence of `from` as `to`. */
char *dv_arena_replace(struct dv_arena *arena, const char *text, const char *from, const char *to);
void dv_arena_free(struct dv_arena *arena);

/* malloc'ed memory, or the end of the program. */
void *dv_reallocate(void *memory, size_t count, size_t size);

#endif
