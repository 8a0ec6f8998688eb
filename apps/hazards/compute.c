/* Hazard: stopped anywhere in plain computation, with values in registers, flags and memory. */
#include "apps/hazards/hazard.h"

#define WORDS 4096

static uint64_t table[WORDS];

static uint64_t stir(uint64_t state)
{
    uint64_t sum = 0;
    for (int pass = 0; pass < 400; pass++)
        for (size_t i = 0; i < WORDS; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            table[i] += state >> 33;
            sum ^= table[(i * 7 + (state >> 60)) % WORDS] + (sum << 1);
        }
    return sum;
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    do
        hazard_mix(stir(hazard_round() + 1));
    while (hazard_next());
    return hazard_end();
}
