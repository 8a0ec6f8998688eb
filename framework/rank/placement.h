/* What the placement thread's calls share. */
#ifndef DV_RANK_PLACEMENT_H
#define DV_RANK_PLACEMENT_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct seccomp_notif;

/* Advice that gives memory back, newer than some systems' headers (Linux 5.18, 6.13). */
#define DV_ADVICE_DONTNEED_LOCKED 24
#define DV_ADVICE_GUARD_INSTALL 102

/* Memory of this process, read and written by the placement thread without faulting on bad
 * addresses. Return 0 or -errno. */
long dv_place_read(void *to, uint64_t from, size_t bytes);
long dv_place_write(uint64_t to, const void *from, size_t bytes);
/* Answer a call of exit_group that was held (lazy_calls.c): the application ends by itself. Any thread. */
void dv_placement_let_exit(uint64_t id, int status);

/* ---- filter.c ------------------------------------------------------------ */
/* From here on the system calls that placement.c answers are notified. Returns the listener, or -errno. */
long dv_filter_install(void);

/* ---- opener.c ------------------------------------------------------------ */
enum dv_status dv_opener_start(int listener) DV_CHECKED; /* before the application runs */
/* Make the call of openat that is notified, and answer it. Placement thread only. 0: answered; else -errno, not answered. */
long dv_opener_open(const struct seccomp_notif *notif);

#endif
