/* Tracker "mprotect", as the rest of the rank sees it: who writes to protected memory in ways that cannot fault opens it
 * here first.
 *
 *      armed range:   |rrrrrrrr|rrrrrrrr|WWWWWWWW|rrrrrrrr|     one block (64 KiB) opened by its first write, and dirty
 *
 * One table per process. It is changed by one thread at a time: by the main thread while the upper half is stopped, or
 * inside its SIGSEGV handler; by the placement thread while the main thread waits for the answer to a system call. */
#ifndef DV_CAPTURE_TRACKER_MPROTECT_H
#define DV_CAPTURE_TRACKER_MPROTECT_H

#include <dejavu/status.h>

#include <stdint.h>

/* What the tracker needs of the process it is in. */
struct dv_protect_host {
    /* May memory be protected now? Main thread, at a stop; all signals are blocked, `mask` are those that were before. On success the SIGSEGV handler is in place, and will call
     * dv_protect_fault. Else DV_ERR_UNSUPPORTED, quietly, and nothing is protected until it is asked again. */
    enum dv_status (*ready)(uint64_t mask);
    /* Nothing is protected any more, nor will be until `ready`: put the application's own SIGSEGV disposition back. */
    void (*leave)(void);
    /* Can [start, end) be protected at all? No: a stack that the kernel writes signal frames to, and the like. */
    int (*can_protect)(uint64_t start, uint64_t end);
    /* Ranges have just been protected: open again (dv_protect_open) what operations that are under way will write. */
    void (*reopen)(void);
};
/* Before dv_tracker_mprotect is opened; NULL: it cannot be. */
void dv_protect_attach(const struct dv_protect_host *host);

/* A write to `address` has faulted: if it is in an armed block, open that. 0: it is not the tracker's fault. Async-signal-safe,
 * under any thread pointer. */
int dv_protect_fault(uint64_t address);
/* Open, and so report, the blocks of [start, end); async-signal-safe. Returns at once if nothing is protected. */
void dv_protect_open(uint64_t start, uint64_t end);
/* Open everything; async-signal-safe. What is tracked stays so, and is dirty. */
void dv_protect_open_all(void);
/* The mapping of [start, end) is about to change: open it, and track it no more. Not in a signal handler. */
void dv_protect_forget(uint64_t start, uint64_t end);
/* Is `address` in memory that the application may write to and that is shown as unwritable for the tracker's sake (all or
 * parts of it)? The answer holds up to *until. */
int dv_protect_hides(uint64_t address, uint64_t *until);
/* The size of a block, a power of two; for tests, while nothing is armed. */
void dv_protect_block(uint64_t bytes);

#endif
