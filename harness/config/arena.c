#include "harness/config/arena.h"

#include "harness/config/say.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dv_arena_block {
    struct dv_arena_block *before;
    max_align_t memory[];
};

static _Noreturn void die_without_memory(size_t bytes)
{
    exit((int)dv_status_exit(dv_bench_fail(DV_ERR_NO_MEMORY, "out of memory (%zu bytes)", bytes)));
}

void *dv_reallocate(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die_without_memory(SIZE_MAX);
    void *grown = realloc(memory, bytes ? bytes : 1);
    if (!grown)
        die_without_memory(bytes);
    return grown;
}

void *dv_arena_alloc(struct dv_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct dv_arena_block), &bytes))
        die_without_memory(SIZE_MAX);
    struct dv_arena_block *block = calloc(1, bytes);
    if (!block)
        die_without_memory(bytes);
    block->before = arena->last;
    arena->last = block;
    return block->memory;
}

char *dv_arena_copy(struct dv_arena *arena, const char *bytes, size_t length)
{
    char *copy = dv_arena_alloc(arena, length + 1, 1);
    memcpy(copy, bytes, length);
    return copy;
}

char *dv_arena_text(struct dv_arena *arena, const char *text)
{
    return dv_arena_copy(arena, text, strlen(text));
}

char *dv_arena_printf(struct dv_arena *arena, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        die_without_memory(0);
    char *copy = dv_arena_copy(arena, text, (size_t)length);
    free(text);
    return copy;
}

char *dv_arena_replace(struct dv_arena *arena, const char *text, const char *from, const char *to)
{
    char *result = dv_arena_text(arena, text), *at;
    for (size_t behind = 0; (at = strstr(result + behind, from));) {
        size_t before = (size_t)(at - result);
        result = dv_arena_printf(arena, "%.*s%s%s", (int)before, result, to, at + strlen(from));
        behind = before + strlen(to);
    }
    return result;
}

void dv_arena_free(struct dv_arena *arena)
{
    for (struct dv_arena_block *block = arena->last, *before; block; block = before) {
        before = block->before;
        free(block);
    }
    arena->last = NULL;
}
