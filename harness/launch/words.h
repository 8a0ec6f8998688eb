/* A command line that grows. */
#ifndef DV_HARNESS_WORDS_H
#define DV_HARNESS_WORDS_H

#include "harness/config/arena.h"

/* {.memory = arena} is empty. The words lie in the arena. */
struct dv_words {
    char **item; /* NULL at the end; dv_words_add moves it */
    size_t count, room;
    struct dv_arena *memory;
};

void dv_words_add(struct dv_words *words, const char *word);
void dv_words_add_number(struct dv_words *words, long long number);

#endif
