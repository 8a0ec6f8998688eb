/* What the hazard programs share. Each of them does one thing that a checkpoint could break, over
 * and over, checks itself all the while, and ends with a line `DIGEST <hex>` that is the same
 * however often it was checkpointed, killed and restarted. They know nothing of DejaVu.
 *
 *   usage of all: hazard-NAME [ROUNDS]   a round takes 10 ms; default 100
 *
 * Functions return only on success: what fails is named on stderr, and the program ends with
 * status 1. */
#ifndef HAZARD_H
#define HAZARD_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAZARD_ROUND_MS 10

/* Takes the rounds from the arguments. */
void hazard_begin(int argc, char **argv);
/* One round is over: sleep what a round takes, which no checkpoint may interrupt. Returns 0 after
 * the last. */
int hazard_next(void);
/* The same without the pause. */
int hazard_step(void);
/* The number of the round, from 0. */
unsigned hazard_round(void);
unsigned hazard_rounds(void);
/* A value belongs to the digest. */
void hazard_mix(uint64_t value);
/* The digest so far. */
uint64_t hazard_digest(void);
/* Print the digest; the value for main to return. */
int hazard_end(void);

/* A sequence of numbers that depends on `state` alone. */
uint64_t hazard_random(uint64_t *state);
/* Fill and check a pattern that depends on the seed. */
void hazard_fill(void *memory, size_t bytes, uint64_t seed);
void hazard_verify(const void *memory, size_t bytes, uint64_t seed, const char *what);

/* Sleep as long as told, by nanosleep. */
void hazard_sleep_ms(unsigned ms);
uint64_t hazard_now_ns(void);

/* Say `word` on stdout and wait until the file `name` is there (in the working directory); for
 * tests that act on the program from outside at a certain moment. Without the environment variable
 * HAZARD_WAIT it only says the word. */
void hazard_wait_for(const char *word, const char *name);

void hazard_fail(const char *file, int line, const char *text) __attribute__((noreturn));
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            hazard_fail(__FILE__, __LINE__, #condition);                                           \
    } while (0)

#endif
