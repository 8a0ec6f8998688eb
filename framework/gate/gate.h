/* The gate: the ABI between the upper half (the application, its libraries, DejaVu's
 * libmpich.so.12) and the lower half (dejavu-rank with the real MPICH). Both sides include this
 * file; nothing else is shared.
 *
 *      0                DV_GATE_BASE  RESIDENT  BREAK                          DV_SPLIT top |
 * non-PIE program |  gate page | resident | heap ->   ...   <- mmap, stack |  lower half, reserved
 * gaps |
 *      '------------------------------- upper half: saved -----------------------'------- never
 * saved --------'
 *
 * The gate page is upper-half memory (so it is saved with an image); the lower half fills in its
 * own part at start and after every restore. Calls cross the gate by switching the thread pointer
 * (FS base) to the lower half's, calling, and switching back; the stack stays. Code that does so is
 * compiled with -fno-stack-protector (the canary is FS-relative) and must not touch thread-local
 * variables in between. */
#ifndef DV_GATE_GATE_H
#define DV_GATE_GATE_H

#define DV_SPLIT 0x400000000000
#define DV_GATE_BASE 0x100000000000
#define DV_GATE_BYTES 0x10000
#define DV_RESIDENT_BASE 0x100000100000 /* to DV_BREAK_BASE there is nothing else */
#define DV_BREAK_BASE 0x100080000000
#define DV_GATE_ABI 2
#define DV_PARK_SIGNAL 33 /* glibc's SIGSETXID: no program can block it through libc */

/* Offsets for assembly; checked below. */
#define DV_GATE_CONTEXT_OFFSET 64

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

/* Callee-saved state of the System V x86-64 ABI at a gate entry that may be returned to in another
 * process. */
struct dv_gate_context {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip, fs;
    uint32_t mxcsr, x87cw;
};

/* What a capture call returns with. */
enum dv_outcome { DV_OUTCOME_COMMITTED = 0, DV_OUTCOME_ABORTED = 1, DV_OUTCOME_RESTORED = 2 };

/* Collective clocks: how many collectives this rank has initiated on a communicator. MPI_Init and
 * MPI_Finalize count as collectives on the pseudo-communicator DV_CUT_PHASE: 0 before MPI_Init, 1
 * once initiated, 2 once MPI_Finalize is. */
struct dv_cut_entry {
    uint64_t comm, count;
};
#define DV_CUT_PHASE 1ull
enum dv_cut_verdict {
    DV_CUT_RUN, /* others are ahead: return to the application, stop again at the next safe point */
    DV_CUT_REACHED, /* all ranks stand at the cut and none will move: go on with the checkpoint */
    DV_CUT_ABORT,   /* the checkpoint is given up: return to the application */
};

struct dv_lower_mpi;

/* What the lower half offers besides MPI. Call through DV_LOWER(); all run on the caller's thread
 * and stack. */
struct dv_lower {
    /* The epoch that is being asked for; 0 if the request is gone. */
    uint64_t (*stop_epoch)(void);
    /* At a safe point: publish the counters of all live communicators (and DV_CUT_PHASE) and wait.
     * While waiting the real MPI library is kept progressing if it is initialized. */
    enum dv_cut_verdict (*cut_wait)(uint64_t epoch, const struct dv_cut_entry *entries,
                                    size_t count);
    /* Has the epoch been given up meanwhile? For loops after the cut. */
    int (*aborted)(uint64_t epoch);
    /* This rank cannot checkpoint now; `reason` names the call and the object. The epoch is aborted
     * on all ranks. Returns at once; `stop` is cleared by the time this returns. */
    void (*refuse)(uint64_t epoch, const char *reason);
    /* Phases of the stop, for the record: nanoseconds spent until the cut, completing collectives,
     * draining. */
    void (*record)(const char *what, uint64_t value);
    /* Capture the upper half (called by dv_gate_capture only). */
    int (*capture)(uint64_t epoch);
    /* The application ends by itself with this status (MPI_Abort): not a failure to recover from.
     */
    void (*exiting)(int status);
    /* The lower-half thread pointer for the calling upper thread, made at its first MPI call. The
     * only one that is called WITHOUT switching (there is nothing to switch to yet). */
    uint64_t (*thread_pointer)(void);
    void (*log)(int level, const char *text);
    /* Executable thunk number `index` with this C signature that calls `function(index, a, b, c,
     * d)` in the upper half, thread pointer switched; for callbacks that MPI makes (user MPI_Op
     * ...). Same index: same address. */
    void *(*thunk)(uint32_t index, void *function);
    /* Communication that watches the stop flag: gate/lower_mpi.h. */
    const struct dv_lower_mpi *mpi;
    /* Only while guard.on: the real MPI library is about to write `count` elements of a real datatype, from element
     * `displacement` of the buffer on. */
    void (*written)(void *buffer, int64_t displacement, int64_t count, int type);
};

/* What the upper half's MPI library offers; NULL until it is loaded. Called with the upper thread
 * pointer. */
struct dv_upper {
    /* The main thread stands in application code, in the parking signal's handler: come to a safe
     * point here. Returns when the application may go on. */
    void (*safe_point)(void);
    /* Nonzero while the calling (main) thread is inside the MPI library, which will notice `stop`
     * by itself. */
    const volatile uint32_t *in_mpi;
};

#define DV_SIGNALS 65
/* One signal's disposition as the application set it (the kernel has the resident's trampoline). */
struct dv_sigaction {
    uint64_t handler, flags, restorer, mask;
};

#define DV_FORMER_PIDS 15u
struct dv_gate {
    uint64_t magic;
    uint32_t abi, fsgsbase; /* fsgsbase: rdfsbase/wrfsbase may be used, else arch_prctl */
    volatile uint32_t stop; /* nonzero: come to a safe point soon */
    uint32_t restarts;      /* restores this process image has seen */
    /* Lower half's, filled in at start and at every restore. */
    const struct dv_lower *lower;
    void *const *mpi;        /* the real MPI functions, indexed by enum dv_mpi_fn (generated) */
    uint64_t main_lower_fs;  /* thread pointer of the lower half's main thread */
    int64_t upper_fs_offset; /* lower thread pointer + this: where a gate entry leaves the upper
                                thread pointer */
    uint64_t main_upper_fs;
    /* Upper half's. Must be at DV_GATE_CONTEXT_OFFSET. */
    struct dv_gate_context context;
    const struct dv_upper *upper;
    /* The blocking collective that the main thread is in or went through last; read by the agent at
     * any time. */
    volatile uint64_t coll_comm, coll_count;
    volatile uint64_t phase;       /* as DV_CUT_PHASE */
    const char *volatile mpi_call; /* name of the MPI call the main thread is in, NULL if none */
    uint32_t mpi_rank, mpi_size;   /* known from the launcher before MPI_Init */
    int32_t thread_required;       /* what the application asked of MPI_Init_thread */
    int32_t thread_provided;
    char protocol[64], protocol_options[448];
    /* vdso functions of this process, refreshed at every restore; the resident's vdso image jumps
     * through these. */
    void *vdso_clock_gettime, *vdso_gettimeofday, *vdso_time, *vdso_getcpu, *vdso_clock_getres;
    uint64_t stack_start, stack_end; /* the main thread's stack as the loader mapped it */
    uint64_t tid_address; /* what the upper libc gave to set_tid_address: its cached thread id */
    /* The process's id; those it had before its last restores, a ring, by which the application may still call itself. */
    uint32_t pid, former_pids[DV_FORMER_PIDS], former_pid_count;
    uint64_t descriptor_limit; /* RLIMIT_NOFILE as the application set it; 0: never */
    char program[512]; /* absolute path of the application, what /proc/self/exe should say */
    struct dv_sigaction signals[DV_SIGNALS];
    /* Stack pointer of the real vdso's frame that an application's signal handler has interrupted on
     * the main thread; while the stack reaches below it, that frame is still to be returned to. */
    volatile uint64_t vdso_sp;
    /* What the main thread was blocked in when the agent looked just before it signalled; number
     * -1: not blocked. */
    struct {
        int64_t number;
        uint64_t arg0, arg1, sp, ip;
    } blocked;
    /* The interrupted sleep that is being continued (see resident.c). */
    struct timespec sleep_request, sleep_remaining, sleep_timeout;
    uint64_t sleep_ip, sleep_sp;
    uint32_t sleep_mark;
    int64_t
        sleep_deadline_ns; /* CLOCK_MONOTONIC; a restore moves it by the difference of the clocks */
    int64_t captured_ns;   /* CLOCK_MONOTONIC when this state was captured */
    /* Tracking by page protection (rank/guard.h). The functions are the lower half's, async-signal-safe, and may be
     * called under either thread pointer. */
    struct {
        volatile uint32_t on; /* memory may be protected now */
        uint32_t has_stack; /* the main thread's signal stack is DV_GUARD_STACK, in place of none */
        uint32_t
            parked; /* the main thread is at a safe point inside the parking signal's handler, */
        uint64_t parked_mask;           /* and goes back to code that runs with this signal mask */
        int (*fault)(uint64_t address); /* a write faulted; 0: not because of the tracker */
        void (*leave)(void);            /* open everything, and track nothing until the next stop */
        void (*open)(uint64_t start,
                     uint64_t end); /* about to be written by the kernel or from outside */
    } guard;
};

/* Where the kernel puts signal frames while memory is protected: the end of the gate's pages. Never in use at a safe point. */
#define DV_GUARD_STACK (DV_GATE_BASE + 0x4000)
#define DV_GUARD_STACK_BYTES (DV_GATE_BYTES - 0x4000)

#define DV_GATE_MAGIC 0x4547415655464a44ull
#define DV_GATE ((struct dv_gate *)DV_GATE_BASE)

_Static_assert(offsetof(struct dv_gate, context) == DV_GATE_CONTEXT_OFFSET,
               "assembly knows this offset");
_Static_assert(sizeof(struct dv_gate) <= DV_GUARD_STACK - DV_GATE_BASE,
               "the gate page is too small");

static inline uint64_t dv_fs_get(void)
{
    uint64_t fs = 0;
    if (__builtin_expect(DV_GATE->fsgsbase != 0, 1)) {
        __asm__ volatile("rdfsbase %0" : "=r"(fs)::"memory");
        return fs;
    }
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(SYS_arch_prctl), "D"(0x1003), "S"(&fs)
                     : "rcx", "r11", "memory");
    return fs;
}

static inline void dv_fs_set(uint64_t fs)
{
    if (__builtin_expect(DV_GATE->fsgsbase != 0, 1)) {
        __asm__ volatile("wrfsbase %0" ::"r"(fs) : "memory");
        return;
    }
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(SYS_arch_prctl), "D"(0x1002), "S"(fs)
                     : "rcx", "r11", "memory");
}

/* Before the gate is crossed: the lower half's system calls may write to the stack, which may be protected unless it is the
 * main thread's own. */
static inline void dv_gate_check_stack(void)
{
    if (__builtin_expect(DV_GATE->guard.on != 0, 0)) {
        uint64_t sp = (uint64_t)__builtin_frame_address(0);
        if (sp < DV_GATE->stack_start || sp >= DV_GATE->stack_end)
            DV_GATE->guard.leave();
    }
}

/* Switch to the lower half's thread pointer `lower_fs`; returns the upper one, to be given to
 * dv_gate_leave. The upper thread pointer is left where a signal handler or callback finds it. */
static inline uint64_t dv_gate_enter(uint64_t lower_fs)
{
    dv_gate_check_stack();
    uint64_t upper_fs = dv_fs_get();
    *(uint64_t *)(lower_fs + (uint64_t)DV_GATE->upper_fs_offset) = upper_fs;
    dv_fs_set(lower_fs);
    return upper_fs;
}

static inline void dv_gate_leave(uint64_t upper_fs)
{
    dv_fs_set(upper_fs);
}

/* Capture the upper half from here (resident.S-like assembly, linked into each upper-half user):
 * saves the callee-saved state into the gate page, switches, calls lower->capture(epoch). Returns
 * an enum dv_outcome; with DV_OUTCOME_RESTORED in another process, under another lower half. Main
 * thread only. */
int dv_gate_capture(uint64_t epoch);

#endif /* !__ASSEMBLER__ */
#endif
