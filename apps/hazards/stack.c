/* Hazard: deep stacks: recursion with large arrays, stopped at any depth, deeper after the restart
 * than before. */
#include "apps/hazards/hazard.h"

#include <alloca.h>

#define FRAME 8192
#define DEEPEST 700

static uint64_t descend(unsigned depth, unsigned deepest) __attribute__((noinline));
static uint64_t descend(unsigned depth, unsigned deepest)
{
    unsigned char frame[FRAME];
    uint64_t seed = (uint64_t)depth << 32 | deepest, sum = depth;
    hazard_fill(frame, sizeof frame, seed);
    if (depth < deepest)
        sum += descend(depth + 1, deepest);
    else
        hazard_sleep_ms(5);
    hazard_verify(frame, sizeof frame, seed, "an array on the stack");
    return sum * 3 + frame[depth % FRAME];
}

static uint64_t variable(unsigned bytes)
{
    /* cppcheck-suppress allocaCalled ; what this is about */
    unsigned char *memory = alloca(bytes);
    hazard_fill(memory, bytes, bytes);
    hazard_sleep_ms(1);
    hazard_verify(memory, bytes, bytes, "alloca");
    return memory[bytes / 2];
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    do {
        unsigned round = hazard_round();
        /* Now deep, now shallow, deepest near the end. */
        unsigned deepest = round % 3 == 0 ? 5 : 10 + DEEPEST * (round + 1) / hazard_rounds();
        hazard_mix(descend(0, deepest));
        hazard_mix(variable(1000 + round * 100));
    } while (hazard_next());
    return hazard_end();
}
