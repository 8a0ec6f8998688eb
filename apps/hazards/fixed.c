/* Hazard: a program that is not position-independent (linked at 0x400000): data, zero data, tables
 * of functions, break. */
#include "apps/hazards/hazard.h"

#include <unistd.h>

#define WORDS 60000

static uint64_t zeroed[WORDS], filled[WORDS] = {1, 2, 3};

static uint64_t twice(uint64_t x)
{
    return 2 * x;
}

static uint64_t plus(uint64_t x)
{
    return x + 17;
}

static uint64_t swap(uint64_t x)
{
    return __builtin_bswap64(x);
}

static uint64_t (*const table[])(uint64_t) = {twice, plus, swap};

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    CHECK((uintptr_t)&main < 0x10000000u && (uintptr_t)zeroed < 0x10000000u);
    do {
        uint64_t value = hazard_round() + 1;
        for (size_t i = 0; i < WORDS; i++) {
            value = table[(value >> 7) % 3](value + filled[i]);
            zeroed[i] ^= value;
            filled[i] += zeroed[i];
        }
        hazard_mix(value);
        free(malloc(100000 + hazard_round() * 1000));
    } while (hazard_next());
    return hazard_end();
}
