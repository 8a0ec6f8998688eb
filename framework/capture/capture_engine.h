/* The capture engine: takes the upper half of this process into an image, and puts it back.
 *
 * Upper half = every mapping below DV_SPLIT, every descriptor below `lower_fd_base`, and what the
 * kernel keeps for the main thread (signal mask, timers, working directory ...). Signal
 * dispositions, the thread id, the break and the gate's own fields are the caller's
 * (framework/rank).
 *
 *      capture                                        restore, in a new process
 *        dv_capture_check         main thread,          dv_image_chain_open
 *        dv_capture_take -> job   upper half stopped    dv_restore_memory
 *                                                       ... the caller refreshes the gate page and
 *        dv_capture_write         any thread,            sets the break ...
 *                                 application running   dv_restore_process
 *        dv_capture_discard       any thread            dv_capture_arm, then resume
 *        strategy->ops->committed | aborted
 *
 * A take keeps what has to be written in one of three ways (enum dv_keep): it copies the pages
 * to memory that was made ready before; or forks a child, which has the memory as it was; or writes
 * them at once. dv_capture_write then writes from the copy, waits for the child that writes, or has
 * nothing left to write, and makes the image durable.
 *
 * Everything here runs in the lower half, with the lower thread pointer, and allocates from the
 * lower half's heap only. The upper half's contents are not changed by a capture, whether it
 * succeeds or fails. Failures are reported once, here (common/fail.h); the text is in dv_why().
 * DV_ERR_REFUSED is not logged: it is an answer ("cannot checkpoint now: ..."), which the caller
 * hands on.
 *
 * dv_capture_take works on a stack of its own: the application's may be a small signal stack. */
#ifndef DV_CAPTURE_ENGINE_H
#define DV_CAPTURE_ENGINE_H

#include "common/keep.h"
#include "image/image.h"

#include <dejavu/capture.h>
#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

/* Which open file a descriptor refers to, for telling inherited descriptors apart. */
struct dv_fd_identity {
    uint64_t dev, ino, rdev;
    uint32_t mode;    /* st_mode */
    uint32_t present; /* 0: the descriptor was closed */
};
/* Descriptors below this may have come from the launcher: 0, 1, 2, and whatever else it left open
 * that has no name to be opened by again (a shell's or a job server's pipes). */
#define DV_INHERITED_COUNT 256

/* Read the identity of one descriptor; `present` is 0 if it is closed. For 0, 1, 2 at launch,
 * before the application runs. */
void dv_fd_identity_read(int fd, struct dv_fd_identity *identity);

/* Remember the soft resource limits as the launcher (and the lower half) left them, so that a
 * capture can tell which the application has changed. Once, before the application runs; in a
 * process that will restore, before dv_restore_process. */
void dv_capture_launched(void);

struct dv_capture_request {
    uint64_t epoch;
    const char *job;       /* job directory, for the oracle */
    const char *directory; /* exists, absolute */
    const char *name;      /* "rank-3.dvi" */
    const char *recycle;   /* path of an old image whose blocks may be overwritten, or NULL */
    /* parent_epoch and parent_digest: of the newest committed epoch; 0: take everything. */
    const struct dv_image_identity *identity;
    struct dv_capture *strategy;
    enum dv_keep keep;
    enum dv_codec codec;
    uint64_t stall_target_ns; /* DV_KEEP_AUTO: copy rather than fork if that takes no longer */
    int oracle;               /* also write all of memory, now; dv_capture_write compares */
    int lower_fd_base;
    const struct dv_fd_identity *stdio; /* [DV_INHERITED_COUNT], at launch */
    /* The main thread's stack as the loader mapped it; pages far below `stack_pointer` in it are
     * dead and left out. All 0: nothing is known to be dead. */
    uint64_t stack_start, stack_end, stack_pointer;
    /* The break, exact bytes; 0: as /proc/self/maps shows it (whole pages). */
    uint64_t heap_start, heap_end;
};

struct dv_capture_figures {
    uint64_t select_ns;   /* listing regions and the strategy's select */
    uint64_t scan_ns;     /* of this, asking which pages exist and which were written */
    uint64_t snapshot_ns; /* process state; copying, forking or writing */
    uint64_t write_ns;    /* writing pages into the image */
    uint64_t sync_ns;     /* making it durable */
    enum dv_keep kept;
    uint64_t populated_bytes;
    struct dv_image_stats image; /* after dv_capture_write */
    uint64_t oracle_pages;       /* compared by the oracle */
};

struct dv_capture_job;

/* Can this process be captured now? DV_ERR_REFUSED: `why` names the object ("descriptor 5 is a TCP
 * socket ..."). Only looks. */
enum dv_status dv_capture_check(int lower_fd_base, const struct dv_fd_identity *stdio, char *why,
                                size_t why_bytes) DV_CHECKED;

/* Capture. On success the upper half may go on, and `*job` is to be given to dv_capture_write and then
 * dv_capture_discard; the strategy must hear of committed or aborted afterwards. On failure nothing is
 * left behind and the strategy's aborted() has been called if its select() was. Includes what
 * dv_capture_check checks. Only one job at a time. */
enum dv_status dv_capture_take(const struct dv_capture_request *request,
                               struct dv_capture_job **job,
                               struct dv_capture_figures *figures) DV_CHECKED;
/* Write what was kept and make it durable under its name. Any thread, once; blocks. Adds to `figures`.
 * A failure leaves no image. */
enum dv_status dv_capture_write(struct dv_capture_job *job,
                                struct dv_capture_figures *figures) DV_CHECKED;
/* Let a dv_capture_write that is under way, or will be, end soon with DV_ERR_ABORTED. Any thread. */
void dv_capture_cancel(struct dv_capture_job *job);
/* Free the job; what was not made durable is removed. Not while dv_capture_write runs. NULL is allowed. */
void dv_capture_discard(struct dv_capture_job *job);
/* Make memory ready for the next epoch's copy, as large as the last. Blocks; from a thread of the caller's
 * that has the time, when no job is alive; a take may begin meanwhile. */
void dv_capture_make_ready(void);
/* The strategy's decisions since the last call, lines of text; "" if none. Main thread, after a take. */
const char *dv_capture_decisions(void);

/* Bring a strategy to life: state allocated and filled from the options text ("key=value,...", may
 * be NULL), init() called. Unknown name: DV_ERR_NOT_FOUND with a "did you mean". */
enum dv_status dv_capture_open(const char *name, const char *options,
                               struct dv_capture **strategy) DV_CHECKED;
/* Tell the strategy to track the upper half as it is now: after open (`restored_epoch` 0), and after a restore of that
 * epoch. */
enum dv_status dv_capture_arm(struct dv_capture *strategy, uint64_t restored_epoch) DV_CHECKED;
void dv_capture_close(struct dv_capture *strategy); /* NULL is allowed */

struct dv_restored {
    uint64_t heap_start, heap_end; /* the break, exact bytes; both 0 if there was none */
    int copied_files; /* files that could not be mapped were read: the next epoch can inherit nothing */
    uint64_t mapped_bytes, loaded_bytes;
    uint64_t lazy_bytes; /* mapped from images instead of being loaded */
};

/* Replace everything below DV_SPLIT by what the chain holds. `threads`: how many threads may read. `lazy`: empty, to map
 * from the images what can be mapped (lazy.h); belongs to the caller, who has what is in it checked; NULL: load everything.
 * After a failure the upper half is in pieces and the process can only exit. Any thread of the lower half. */
struct dv_lazy;
enum dv_status dv_restore_memory(const char *job, struct dv_image_chain *chain, unsigned threads,
                                 struct dv_lazy *lazy, struct dv_restored *out) DV_CHECKED;

/* Descriptors, working directory, umask, signal stack, blocked and pending signals, robust list,
 * name, limits, timers (last). `stdio`: the identities at this process's launch; its descriptors
 * 0, 1 and 2 take the places of those that the captured process inherited. The signal mask becomes
 * the captured one: the caller blocks what he cannot take yet afterwards, or restores the mask
 * himself from `*mask` (64 bits, kernel layout) if that is not NULL; then it is left alone. */
enum dv_status dv_restore_process(struct dv_image_reader *image, int lower_fd_base,
                                  const struct dv_fd_identity *stdio, uint64_t *mask) DV_CHECKED;

#endif
