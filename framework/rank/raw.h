/* System calls from exempt code: one page whose calls the seccomp filter lets through
 * (placement.c), for the placement thread, and for the main thread where it must place memory
 * exactly. Return -errno; use no thread-local storage, so they may be called under either thread
 * pointer. */
#ifndef DV_RANK_RAW_H
#define DV_RANK_RAW_H

#include <stdint.h>

long dv_raw_syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f);
extern const char dv_raw_start[], dv_raw_end[]; /* the exempt code's extent */

#define DV_RAW_(n, a, b, c, d, e, f, ...)                                                          \
    dv_raw_syscall((n), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), \
                   (uint64_t)(f))
/* DV_RAW(SYS_x, args...): up to six arguments. */
#define DV_RAW(...) DV_RAW_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
