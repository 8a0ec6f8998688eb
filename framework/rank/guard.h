/* The guard: makes tracking by page protection (capture/tracker_mprotect.h) safe in a rank. Only in jobs that ask for it
 * ("tracker=mprotect" among the capture options), because it wants to see most system calls of the application.
 *
 * While memory is protected ("on") the following holds, each point being the reason why the next cannot go wrong:
 *
 * 1. The upper half has one thread, which runs on its main stack whenever it is in the lower half. Calls that make threads
 *    or processes end protection first; crossing the gate from another stack does too.
 * 2. SIGSEGV is not blocked, so that a fault reaches its handler. Every way to block it is seen and ends protection first:
 *    rt_sigprocmask and the calls that take a mask (system calls), a handler's mask and the return from a handler (resident).
 * 3. Signal frames go to the guard's own signal stack, which is never protected, and are moved from there by ordinary code.
 * 4. The kernel writes to memory of the upper half only in system calls of the upper half, of the placement thread on its
 *    behalf, and of the real MPI library. The first are announced by the seccomp filter and open what they will write, or, if
 *    their arguments are not known here, everything; the second open what they write; for the third the wrappers open the
 *    buffers, and what pending receives will write stays open. What writes later than the call (io_uring, aio) ends
 *    tracking for good.
 * 5. Calls that change mappings or their protection are seen too: what they touch is no longer tracked.
 *
 * To end protection ("leave") is always possible, from anywhere: all memory is open, all of it counts as written, and
 * everything is as if there were no tracker, until the next stop. */
#ifndef DV_RANK_GUARD_H
#define DV_RANK_GUARD_H

#include "gate/gate.h"
#include "gate/lower_mpi.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* Does this job want it? From dv_rank.options. */
int dv_guard_wanted(void);
/* Let the tracker know, once the filter is there. */
void dv_guard_start(void);
/* Its part of the gate page: at start and after every restore. */
void dv_guard_fill(void);
/* What is to stand before the filter of placement.c: returns USER_NOTIF for upper-half calls that dv_guard_call must see,
 * else goes on behind its end. Returns the number of instructions (at most DV_GUARD_FILTER_MAX). */
#define DV_GUARD_FILTER_MAX 512
size_t dv_guard_filter(struct sock_filter *out);
/* A system call of the upper half, before it is made; placement thread. 1: *ret is its result, it is not to be made. */
int dv_guard_call(const struct seccomp_data *call, long *ret);

/* signals.c: the kernel's dispositions as they are with protection on or off. Async-signal-safe. */
void dv_signals_guard(int on);
/* Is the guard's signal stack in the place of one that the application does not have? */
int dv_guard_has_stack(void);

/* ---- MPI (mpi_guard.c) ---------------------------------------------------- */

extern int dv_guard_watches; /* dv_guard_wanted() */
/* `count` elements of the (real) type, the first at element `displacement` from the buffer, will be written by the real
 * library. struct dv_lower.written. */
void dv_mpi_guard_written(void *buffer, int64_t displacement, int64_t count, int type);
/* A receive has been posted: its buffer stays open until it is over. */
void dv_mpi_guard_posted(const struct dv_side *side, MPI_Request request);
void dv_mpi_guard_over(MPI_Request request);
/* struct dv_protect_host.reopen */
void dv_mpi_guard_reopen(void);

#endif
