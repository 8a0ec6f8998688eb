/* Hazard: stopped in loops that keep their state in vector registers: SSE, AVX2 with FMA, AVX-512
 * where there is; the x87 stack and its rounding mode; MXCSR. The digest is of the results' bits.
 */
#include "apps/hazards/hazard.h"

#include <fenv.h>
#include <immintrin.h>

#define STEPS 200000

static void mix_doubles(const double *values, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hazard_mix(bits);
    }
}

static void run_sse(double seed)
{
    double out[4];
    __m128d x = _mm_set_pd(seed, seed * 0.5), y = _mm_set_pd(0.3, 0.7);
    const __m128d a = _mm_set1_pd(3.7), one = _mm_set1_pd(1.0), half = _mm_set1_pd(0.5);
    for (int i = 0; i < STEPS; i++) {
        x = _mm_mul_pd(_mm_mul_pd(a, x), _mm_sub_pd(one, x));
        y = _mm_mul_pd(_mm_add_pd(y, x), half);
    }
    _mm_storeu_pd(out, x);
    _mm_storeu_pd(out + 2, y);
    mix_doubles(out, 4);
}

__attribute__((target("avx2,fma"))) static void run_avx2(double seed)
{
    double out[16];
    __m256d v[4];
    const __m256d a = _mm256_set1_pd(-3.8), b = _mm256_set1_pd(3.8);
    for (int k = 0; k < 4; k++)
        v[k] = _mm256_set_pd(seed, seed * 0.9, seed * 0.8, seed * 0.7 - 0.01 * k);
    for (int i = 0; i < STEPS; i++)
        for (int k = 0; k < 4; k++)
            v[k] = _mm256_mul_pd(v[k], _mm256_fmadd_pd(a, v[k], b));
    for (int k = 0; k < 4; k++)
        _mm256_storeu_pd(out + 4 * k, v[k]);
    mix_doubles(out, 16);
}

__attribute__((target("avx512f"))) static void run_avx512(double seed)
{
    double out[8];
    __m512d v = _mm512_set1_pd(seed);
    __mmask8 mask = 0x5a;
    const __m512d a = _mm512_set1_pd(-3.9), b = _mm512_set1_pd(3.9), less = _mm512_set1_pd(0.999);
    for (int i = 0; i < STEPS; i++) {
        v = _mm512_mul_pd(v, _mm512_fmadd_pd(a, v, b));
        v = _mm512_mask_mul_pd(v, mask, v, less);
        mask = (__mmask8)(mask << 1 | mask >> 7);
    }
    _mm512_storeu_pd(out, v);
    mix_doubles(out, 8);
}

static void run_x87(double seed)
{
    long double x = (long double)seed;
    CHECK(fegetround() == FE_UPWARD);
    for (int i = 0; i < STEPS / 4; i++)
        x = 3.6L * x * (1.0L - x);
    double result = (double)x;
    mix_doubles(&result, 1);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    CHECK(fesetround(FE_UPWARD) == 0);
    _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
    do {
        double seed = 0.1 + 0.8 * (hazard_round() % 97) / 97;
        run_sse(seed);
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            run_avx2(seed);
        if (__builtin_cpu_supports("avx512f"))
            run_avx512(seed);
        run_x87(seed);
        CHECK(_MM_GET_FLUSH_ZERO_MODE() == _MM_FLUSH_ZERO_ON);
    } while (hazard_next());
    return hazard_end();
}
