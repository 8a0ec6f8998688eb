#include "capture/stream_copy.h"

#include <dejavu/capture.h>

#include <emmintrin.h>

#define LINE 64u

static void copy_page(char *to, const char *from, const char *next)
{
    for (size_t at = 0; at < DV_PAGE_BYTES; at += LINE) {
        const __m128i *source = (const __m128i *)(const void *)(from + at);
        __m128i *target = (__m128i *)(void *)(to + at);
        _mm_prefetch(next + at, _MM_HINT_NTA);
        __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1),
                c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
        _mm_stream_si128(target, a);
        _mm_stream_si128(target + 1, b);
        _mm_stream_si128(target + 2, c);
        _mm_stream_si128(target + 3, d);
    }
}

void dv_stream_copy(void *to, const void *from, size_t bytes, const void *next)
{
    char *target = to;
    const char *source = from, *last = source + bytes - DV_PAGE_BYTES;
    if (!next)
        next = from;
    for (; source < last; source += DV_PAGE_BYTES, target += DV_PAGE_BYTES)
        copy_page(target, source, source + DV_PAGE_BYTES);
    if (bytes)
        copy_page(target, source, next);
    _mm_sfence(); /* another thread will read it */
}
