/* Checksums and zero pages at memory speed: the widest vectors that the processor has, chosen at
 * the first call. Any thread; no state. */
#ifndef DV_IMAGE_CHECKSUM_H
#define DV_IMAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64, seed 0. */
uint64_t dv_checksum64(const void *bytes, size_t length);
/* XXH3-128, seed 0: low and high half. */
void dv_checksum128(const void *bytes, size_t length, uint64_t checksum[2]);
/* Does the 4 KiB page hold zeros only? */
int dv_page_is_zero(const void *page);
/* Which variant is in use: "avx512", "avx2", "sse2" (for records). */
const char *dv_checksum_variant(void);

/* To be called by what uses wide vectors because a pragma says so, before it returns: GCC (12, at least) leaves vzeroupper out
 * there. With the upper halves in use, all SSE code that the thread runs next, the application's too, waits for registers that
 * it does not read, and takes up to three times as long, until something clears them (Intel 64 and IA-32 Architectures
 * Optimization Reference Manual, "Mixing AVX code with SSE code"; System V AMD64 ABI, 3.2.1). */
static inline void dv_vectors_leave(void)
{
    __asm__ volatile("vzeroupper");
}

/* The variants, for tests; call only what the processor has. */
uint64_t dv_checksum64_avx512(const void *bytes, size_t length);
uint64_t dv_checksum64_avx2(const void *bytes, size_t length);
uint64_t dv_checksum64_sse2(const void *bytes, size_t length);
void dv_checksum128_avx512(const void *bytes, size_t length, uint64_t checksum[2]);
void dv_checksum128_avx2(const void *bytes, size_t length, uint64_t checksum[2]);
void dv_checksum128_sse2(const void *bytes, size_t length, uint64_t checksum[2]);

#endif
