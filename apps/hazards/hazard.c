/* What the hazard programs share; see hazard.h. */
#include "apps/hazards/hazard.h"

#include <time.h>
#include <unistd.h>

#define WAIT_STEP_MS 5

static struct {
    unsigned round, rounds;
    uint64_t digest;
} hazard = {0, 100, 0xcbf29ce484222325u};

void hazard_fail(const char *file, int line, const char *text)
{
    int error = errno;
    fprintf(stderr, "%s:%d: round %u: failed: %s (errno %d, %s)\n", file, line, hazard.round, text,
            error, strerror(error));
    exit(1);
}

void hazard_begin(int argc, char **argv)
{
    if (argc > 1)
        hazard.rounds = (unsigned)strtoul(argv[1], NULL, 10);
    CHECK(hazard.rounds > 0);
}

unsigned hazard_round(void)
{
    return hazard.round;
}

unsigned hazard_rounds(void)
{
    return hazard.rounds;
}

void hazard_sleep_ms(unsigned ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    CHECK(nanosleep(&time, NULL) == 0);
}

int hazard_next(void)
{
    hazard_sleep_ms(HAZARD_ROUND_MS);
    return hazard_step();
}

int hazard_step(void)
{
    return ++hazard.round < hazard.rounds;
}

void hazard_mix(uint64_t value)
{
    for (int i = 0; i < 8; i++)
        hazard.digest = (hazard.digest ^ ((value >> (8 * i)) & 0xff)) * 0x100000001b3u;
}

uint64_t hazard_digest(void)
{
    return hazard.digest;
}

int hazard_end(void)
{
    printf("DIGEST %016llx\n", (unsigned long long)hazard.digest);
    CHECK(fflush(stdout) == 0);
    return 0;
}

uint64_t hazard_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void hazard_fill(void *memory, size_t bytes, uint64_t seed)
{
    unsigned char *to = memory;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t value = hazard_random(&seed);
        memcpy(to + i, &value, bytes - i < 8 ? bytes - i : 8);
    }
}

void hazard_verify(const void *memory, size_t bytes, uint64_t seed, const char *what)
{
    const unsigned char *from = memory;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t value = hazard_random(&seed);
        if (memcmp(from + i, &value, bytes - i < 8 ? bytes - i : 8) != 0) {
            fprintf(stderr, "round %u: %s: wrong contents at byte %zu of %zu\n", hazard.round, what,
                    i, bytes);
            exit(1);
        }
    }
}

uint64_t hazard_now_ns(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void hazard_wait_for(const char *word, const char *name)
{
    printf("%s\n", word);
    CHECK(fflush(stdout) == 0);
    while (getenv("HAZARD_WAIT") && access(name, F_OK) != 0)
        hazard_sleep_ms(WAIT_STEP_MS);
}
