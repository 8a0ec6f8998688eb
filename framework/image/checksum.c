/* Dispatch of the checksum, the zero check, and the digest. */
#include "image/checksum.h"

#include "image/format.h"

#include <emmintrin.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef uint64_t (*checksum_fn)(const void *bytes, size_t length);

uint64_t dv_checksum64_sse2(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

static checksum_fn choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return dv_checksum64_avx512;
    if (__builtin_cpu_supports("avx2"))
        return dv_checksum64_avx2;
    return dv_checksum64_sse2;
}

static checksum_fn chosen(void)
{
    /* Threads may race here; all of them store the same value. */
    static checksum_fn cached;
    checksum_fn f = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (!f) {
        f = choose();
        __atomic_store_n(&cached, f, __ATOMIC_RELAXED);
    }
    return f;
}

uint64_t dv_checksum64(const void *bytes, size_t length)
{
    return chosen()(bytes, length);
}

const char *dv_checksum_variant(void)
{
    checksum_fn f = chosen();
    if (f == dv_checksum64_avx512)
        return "avx512";
    return f == dv_checksum64_avx2 ? "avx2" : "sse2";
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
