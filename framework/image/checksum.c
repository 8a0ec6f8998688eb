/* Dispatch of the checksum, the zero check, and the digest. */
#include "image/checksum.h"

#include "image/format.h"

#include <emmintrin.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct variant {
    const char *name;
    uint64_t (*checksum64)(const void *bytes, size_t length);
    void (*checksum128)(const void *bytes, size_t length, uint64_t checksum[2]);
};

uint64_t dv_checksum64_sse2(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

void dv_checksum128_sse2(const void *bytes, size_t length, uint64_t checksum[2])
{
    XXH128_hash_t hash = XXH3_128bits(bytes, length);
    checksum[0] = hash.low64;
    checksum[1] = hash.high64;
}

static const struct variant *choose(void)
{
    static const struct variant avx512 = {"avx512", dv_checksum64_avx512, dv_checksum128_avx512},
                                avx2 = {"avx2", dv_checksum64_avx2, dv_checksum128_avx2},
                                sse2 = {"sse2", dv_checksum64_sse2, dv_checksum128_sse2};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return &avx512;
    return __builtin_cpu_supports("avx2") ? &avx2 : &sse2;
}

static const struct variant *chosen(void)
{
    /* Threads may race here; all of them store the same value. */
    static const struct variant *cached;
    const struct variant *v = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (!v) {
        v = choose();
        __atomic_store_n(&cached, v, __ATOMIC_RELAXED);
    }
    return v;
}

uint64_t dv_checksum64(const void *bytes, size_t length)
{
    return chosen()->checksum64(bytes, length);
}

void dv_checksum128(const void *bytes, size_t length, uint64_t checksum[2])
{
    chosen()->checksum128(bytes, length, checksum);
}

const char *dv_checksum_variant(void)
{
    return chosen()->name;
}

int dv_page_is_zero(const void *page)
{
    const __m128i *p = page;
    const __m128i *end = p + DV_DISK_PAGE / sizeof *p;
    for (; p < end; p += 4) {
        __m128i a = _mm_or_si128(_mm_loadu_si128(p), _mm_loadu_si128(p + 1));
        __m128i b = _mm_or_si128(_mm_loadu_si128(p + 2), _mm_loadu_si128(p + 3));
        __m128i equal = _mm_cmpeq_epi8(_mm_or_si128(a, b), _mm_setzero_si128());
        if (_mm_movemask_epi8(equal) != 0xffff)
            return 0;
    }
    return 1;
}

void dv_disk_digest(const struct dv_disk_header *header, const struct dv_disk_run *runs,
                    size_t run_count, const struct dv_disk_span *spans, size_t span_count,
                    const struct dv_disk_footer *footer, uint8_t digest[16])
{
    /* The state is over-aligned, so it lives on the stack rather than in a malloc'ed object. */
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, header, sizeof *header);
    if (run_count)
        XXH3_128bits_update(&state, runs, run_count * sizeof *runs);
    if (span_count)
        XXH3_128bits_update(&state, spans, span_count * sizeof *spans);
    XXH3_128bits_update(&state, footer, offsetof(struct dv_disk_footer, digest));
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(digest, canonical.digest, sizeof canonical.digest);
}
