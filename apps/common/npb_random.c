#include "apps/common/npb_random.h"

uint64_t npb_random_jump(uint64_t state, uint64_t steps)
{
    uint64_t power = NPB_RANDOM_A;
    for (; steps != 0; steps >>= 1) {
        if (steps & 1)
            state = (state * power) & NPB_RANDOM_MASK;
        power = (power * power) & NPB_RANDOM_MASK;
    }
    return state;
}

void npb_random_fill(uint64_t *state, size_t count, double *out)
{
    uint64_t x = *state;
    for (size_t i = 0; i < count; i++)
        out[i] = npb_random_next(&x);
    *state = x;
}
