/*
 * The random numbers of the specification (RNR-94-007): x' = a x mod 2^46 with a =
 * 5^13, and x' 2^-46 is the number. The state is an integer below 2^46; products wrap at 2^64,
 * which 2^46 divides, so that integer arithmetic is exact and no splitting into halves is needed.
 */
#ifndef NPB_RANDOM_H
#define NPB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define NPB_RANDOM_A UINT64_C(1220703125)
#define NPB_RANDOM_SEED UINT64_C(314159265) /* of all benchmarks but EP */
#define NPB_RANDOM_MASK ((UINT64_C(1) << 46) - 1)

static inline double npb_random_next(uint64_t *state)
{
    *state = (*state * NPB_RANDOM_A) & NPB_RANDOM_MASK;
    return (double)(int64_t)*state * 0x1p-46;
}

/* The state after `steps` numbers from `state`. */
uint64_t npb_random_jump(uint64_t state, uint64_t steps);

void npb_random_fill(uint64_t *state, size_t count, double *out);

#endif
