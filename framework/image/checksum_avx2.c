/* XXH3 compiled for AVX2. */
#include "image/checksum.h"

#include <string.h>
#ifndef __clang__
#pragma GCC target("avx2")
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>
#if !defined(__clang__) && XXH_VECTOR != XXH_AVX2
#error "XXH3 was not compiled for AVX2"
#endif

uint64_t dv_checksum64_avx2(const void *bytes, size_t length)
{
    uint64_t hash = XXH3_64bits(bytes, length);
    dv_vectors_leave();
    return hash;
}

void dv_checksum128_avx2(const void *bytes, size_t length, uint64_t checksum[2])
{
    XXH128_hash_t hash = XXH3_128bits(bytes, length);
    dv_vectors_leave();
    checksum[0] = hash.low64;
    checksum[1] = hash.high64;
}
