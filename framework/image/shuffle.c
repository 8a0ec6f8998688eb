/* The byte shuffle: a transposition of an n x 8 matrix of bytes.
 *
 *      A0 A1 .. A7  B0 B1 .. B7  C0 ..      words A, B, C ...
 *      A0 B0 C0 ..  A1 B1 C1 ..  A7 B7 ..   their first bytes, their second bytes ...
 *
 * Sixteen words at a time. With S_k the 16 bytes at place k of all words, unpacking low and high halves of a pair of vectors
 * against each other moves one bit of the byte's index from "which vector" to "where in it": four rounds turn the 16 x 8
 * matrix round. */
#include "image/codec.h"

#include <emmintrin.h>

#define WORDS 16u
#define STEP (WORDS * 8u)

void dv_shuffle(const void *from, void *to, size_t length)
{
    const char *source = from;
    char *target = to;
    size_t words = length / 8;
    for (size_t at = 0; at + STEP <= length; at += STEP) {
        __m128i a[8], b[8];
        for (int i = 0; i < 8; i++)
            a[i] = _mm_loadu_si128((const __m128i *)(const void *)(source + at + 16 * i));
        /* Each round interleaves vector i with vector i + 4: the index's highest bit becomes its lowest. */
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 4]);
                b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 4]);
            }
            for (int i = 0; i < 8; i++)
                a[i] = b[i];
        }
        for (size_t k = 0; k < 8; k++)
            _mm_storeu_si128((__m128i *)(void *)(target + k * words + at / 8), a[k]);
    }
}

void dv_unshuffle(const void *from, void *to, size_t length)
{
    const char *source = from;
    char *target = to;
    size_t words = length / 8;
    for (size_t at = 0; at + STEP <= length; at += STEP) {
        __m128i a[8], b[8];
        for (size_t k = 0; k < 8; k++)
            a[k] = _mm_loadu_si128((const __m128i *)(const void *)(source + k * words + at / 8));
        /* Three more of the same rounds: seven of them are one full turn of the seven index bits. */
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 4]);
                b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 4]);
            }
            for (int i = 0; i < 8; i++)
                a[i] = b[i];
        }
        for (size_t i = 0; i < 8; i++)
            _mm_storeu_si128((__m128i *)(void *)(target + at + 16 * i), a[i]);
    }
}
