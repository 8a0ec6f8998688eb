/* dejavu-rank: the lower half. What its parts share.
 *
 *      main.c            options; first start or restore
 *      split.c           the address-space split
 *      placement.c       where memory of both halves may be placed
 *      filter.c          which system calls it is told of
 *      guard.c, mpi_guard.c   what makes tracking by page protection safe (guard.h)
 *      loader.c          maps the application
 *      resident.c        maps the resident, fills the gate page
 *      elf.c             symbols of mapped ELF images
 *      signals.c         dispositions, the parking signal
 *      threads.c         lower threads; thread pointers for upper ones
 *      lower_fds.c       keeps our descriptors high
 *      opener.c          opens files without a low number even for a moment
 *      agent.c           talks to the supervisor, stops the main thread
 *      lower.c, thunk.c  struct dv_lower; callbacks into the application
 *      mpi_calls.c       bounded blocking MPI calls
 *      identity.c        what an image says of where it came from
 *      writer.c          writes images while the application runs
 *      restore.c         from an image back into the application
 *      lazy_calls.c      calls that must not find out that memory is mapped from an image
 *      doctor.c          does all this work on this host?
 */
#ifndef DV_RANK_RANK_H
#define DV_RANK_RANK_H

#include "capture/capture_engine.h"
#include "control/engine.h"
#include "gate/gate.h"

#include <dejavu/capture.h>
#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

struct dv_rank_options {
    const char *job; /* NULL: attached without a supervisor */
    const char *host;
    unsigned port, incarnation;
    uint64_t restore_epoch;  /* 0: first start */
    const char *restore_how; /* "auto", "eager", "lazy" */
    int lazy; /* decided by dv_restore_open: memory is mapped from the images instead of being read */
    const char *engine, *capture, *capture_options, *protocol, *protocol_options;
    const char *argv0;
    char **program; /* program, arguments, NULL */
};

struct dv_rank {
    struct dv_rank_options options;
    int rank, size; /* from the launcher */
    int lower_fd_base;
    uint64_t stack_start, stack_end; /* of the upper half's main thread */
    uint64_t stack_limit;            /* RLIMIT_STACK as the application should have it */
    struct dv_fd_identity stdio[DV_INHERITED_COUNT];
    struct dv_capture *capture;
    struct dv_engine engine;
    char program[512];
    uint8_t program_digest[16];
    uint64_t image_bytes; /* of the image that was restored; 0: first start */
    /* Restore phases, reported once the upper half runs again. */
    uint64_t started_ns, split_ns, mpi_init_ns, read_ns, rebuild_ns;
    int inherits; /* memory is as in the image that was restored, so that the next may inherit from it */
    uint64_t chain_length, loaded_bytes, lazy_bytes; /* images; bytes read; bytes mapped */
};
extern struct dv_rank dv_rank;

/* ---- main.c -------------------------------------------------------------- */
/* What the real library shall find in its environment in MPI_Init. */
void dv_lower_environment(void);

/* ---- split.c ------------------------------------------------------------- */
/* Restart under a sane stack limit if the kernel would lay the process out below the split (ulimit
 * -s unlimited). */
void dv_split_prepare(char **argv);
/* Reserve all gaps above the split, move the break below it, start steering the lower half's
 * placements. */
enum dv_status dv_split_enter(void) DV_CHECKED;
/* Set the upper half's break to [DV_BREAK_BASE, end). */
enum dv_status dv_break_set(uint64_t end) DV_CHECKED;

/* ---- placement.c --------------------------------------------------------- */
/* Install the filter and start the placement thread; [start, end) is reserved and may be handed
 * out. */
enum dv_status dv_placement_start(uint64_t start, uint64_t end) DV_CHECKED;

/* ---- elf.c --------------------------------------------------------------- */
/* Address of a dynamic symbol of the ELF image mapped at `base`; 0 if absent. */
uint64_t dv_elf_symbol(uint64_t base, const char *name);

/* ---- resident.c ---------------------------------------------------------- */
enum dv_status dv_resident_map(void) DV_CHECKED;
/* The lower half's part of the gate page: at start and after every restore. */
void dv_gate_fill(void);
extern uint64_t dv_resident_park_address, dv_resident_deliver_address, dv_resident_restorer_address,
    dv_resident_fault_address, dv_resident_park_guarded_address,
    dv_resident_deliver_guarded_address;

/* ---- signals.c ----------------------------------------------------------- */
void dv_signals_start(void); /* first start: note what was inherited, install the parking signal */
void dv_signals_restore(void); /* from the gate page's table */
/* rt_sigaction of the upper half, on its behalf, in the placement thread. Returns 0 or -errno. */
long dv_signals_action(uint64_t sig, uint64_t act, uint64_t oact, uint64_t set_bytes);

/* ---- loader.c ------------------------------------------------------------ */
struct dv_loaded {
    uint64_t entry, stack_pointer;
};
enum dv_status dv_loader_load(struct dv_loaded *loaded) DV_CHECKED;

/* ---- threads.c ----------------------------------------------------------- */
enum dv_status dv_threads_start(void) DV_CHECKED;
/* A thread whose start allocates nothing (the placement thread, on which allocation depends); it
 * registers itself. */
int dv_threads_create_bare(void *(*routine)(void *));
void dv_threads_register(void);
uint64_t dv_threads_pointer(void); /* dv_lower.thread_pointer */
/* Kernel ids of threads that are neither the main thread nor the lower half's. */
size_t dv_threads_upper(int *tids, size_t max);

/* ---- lower_fds.c --------------------------------------------------------- */
void dv_lower_fds_start(void);
/* Move a descriptor of ours up; returns its new number (or the old one if that fails). */
int dv_lower_fd(int fd);

/* ---- lower.c, thunk.c ---------------------------------------------------- */
extern const struct dv_lower dv_lower;
void *dv_thunk(uint32_t index, void *function);

/* ---- agent.c ------------------------------------------------------------- */
enum dv_status dv_agent_connect(void) DV_CHECKED; /* no threads yet */
enum dv_status dv_agent_start(void) DV_CHECKED;   /* the gate page must be there */
uint64_t dv_agent_stop_epoch(void);
enum dv_cut_verdict dv_agent_cut_wait(uint64_t epoch, const struct dv_cut_entry *entries,
                                      size_t count);
int dv_agent_aborted(uint64_t epoch);
void dv_agent_refuse(uint64_t epoch, enum dv_status status, const char *reason);
void dv_agent_record(const char *what, uint64_t value);
int dv_agent_capture(uint64_t epoch);
void dv_agent_exiting(int status);
/* The restore cannot be done: tell the supervisor why. */
void dv_agent_restore_failed(uint64_t epoch, enum dv_status status, const char *reason);

/* Called by the writer when an epoch's image is durable, or (`why`) cannot be. */
void dv_agent_written(uint64_t epoch, enum dv_status status, const char *why,
                      const struct dv_capture_figures *figures);

/* ---- writer.c ------------------------------------------------------------ */
int dv_writer_thread_start(void); /* 0 or an errno */
/* Write the job while the application runs; the writer owns it from now on. One at a time. */
void dv_writer_start(uint64_t epoch, struct dv_capture_job *job,
                     const struct dv_capture_figures *figures);
/* Give up the epoch if it is being written. Does not wait. */
void dv_writer_cancel(uint64_t epoch);
/* Wait until nothing is being written, or the time is over: 0. */
int dv_writer_wait(uint64_t limit_ns);

/* ---- prepare.c ----------------------------------------------------------- */
/* Start the thread that makes files for images ready, in the directory `spare`, which is borrowed for good. `image_bytes`:
 * of the image this process was restored from; 0: estimated before the first checkpoint, if there is an interval. */
void dv_prepare_start(const char *spare, uint64_t interval_ns, uint64_t image_bytes);
/* An image of this size has been committed: get ready for the next. Does not block. */
void dv_prepare_want(uint64_t image_bytes);

/* ---- restore.c ----------------------------------------------------------- */
/* Before the split: open the image and its ancestors, decide how to read them. */
enum dv_status dv_restore_open(void) DV_CHECKED;
/* Rebuild the upper half from its image and go on there. Returns only on failure. */
enum dv_status dv_restore_run(void) DV_CHECKED;

/* ---- lazy_calls.c -------------------------------------------------------- */
/* In a process whose memory was restored lazily: before a call of the application that would have another effect on a
 * mapping of an image than on the anonymous memory that it stands for. Placement thread only. */
void dv_lazy_before_madvise(uint64_t start, uint64_t length, int advice);
void dv_lazy_before_mremap(uint64_t start, uint64_t length);
/* What the application ends with counts only once its memory is known to have been right: an exit that comes earlier is
 * held. 1: held, the notification `id` will be answered later. Placement thread only. */
int dv_lazy_hold_exit(uint64_t id, int status);
void dv_lazy_calls_verifying(void); /* from now on exits are held ... */
void dv_lazy_calls_verified(void);  /* ... until here; any thread */

/* ---- identity.c ---------------------------------------------------------- */
struct dv_image_identity;
void dv_identity_fill(struct dv_image_identity *identity, uint64_t epoch);
/* Digest of the program file, into dv_rank; before the first identity is filled. */
enum dv_status dv_identity_program(void) DV_CHECKED;
enum dv_status dv_identity_check(const struct dv_image_identity *identity, char *why,
                                 size_t why_bytes) DV_CHECKED;

int dv_doctor(void);

/* Jump into a freshly loaded upper half; start.S. */
void dv_start_upper(uint64_t entry, uint64_t stack_pointer) __attribute__((noreturn));

#endif
