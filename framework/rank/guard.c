/* The guard's own part: when memory may be protected, and the application's system calls; see guard.h. */
#include "rank/guard.h"

#include "capture/tracker_mprotect.h"
#include "common/fail.h"
#include "rank/placement.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SIGSEGV_BIT (1ull << (SIGSEGV - 1))
#define RESIDENT_BYTES 0x100000ull

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static struct {
    uint64_t stack_start, stack_end;     /* the application's signal stack; both 0: it has none */
    const char *volatile never, *reason; /* why nothing is ever / is just now protected */
} guard;

int dv_guard_wanted(void)
{
    const char *options = dv_rank.options.capture_options;
    return options != NULL && strstr(options, "tracker=mprotect") != NULL;
}

int dv_guard_has_stack(void)
{
    return DV_GATE->guard.has_stack != 0;
}

/* ---- on and off ---------------------------------------------------------- */

static void leave(void)
{
    dv_protect_open_all();
    if (!DV_GATE->guard.on)
        return;
    DV_GATE->guard.on = 0;
    dv_signals_guard(0);
}

static enum dv_status not_now(const char *reason)
{
    if (guard.reason == NULL || strcmp(guard.reason, reason) != 0)
        dv_info("tracker", "mprotect: all memory counts as written: %s", reason);
    guard.reason = reason;
    leave();
    return dv_fail_quietly(DV_ERR_UNSUPPORTED, "%s", reason);
}

/* The main thread was stopped on this stack. */
static int on_main_stack(void)
{
    uint64_t sp = DV_GATE->context.rsp; /* 0: nothing has run yet */
    return sp == 0 || (sp >= DV_GATE->stack_start && sp <= DV_GATE->stack_end);
}

/* Does the application go on with SIGSEGV blocked? If it was stopped by the parking signal, only its handler's mask can
 * have it blocked now. (The tracker has blocked all signals while it asks; `mask` is from before.) */
static int is_blocked(uint64_t mask)
{
    return ((DV_GATE->guard.parked ? DV_GATE->guard.parked_mask : mask) & SIGSEGV_BIT) != 0;
}

/* Room for the frame of a signal and, while it is moved, that of a fault. */
static uint64_t stack_bytes_least(void)
{
    uint64_t frame = getauxval(AT_MINSIGSTKSZ); /* 0: a kernel before 5.14 does not say */
    return 2 * (frame ? frame : 12288) + 4096;
}

/* Have a signal stack for the main thread that is never protected. */
static const char *prepare_stack(void)
{
    stack_t stack;
    guard.stack_start = guard.stack_end = 0;
    if (sigaltstack(NULL, &stack) != 0)
        return "the signal stack cannot be read";
    DV_GATE->guard.has_stack =
        (uint64_t)stack.ss_sp == DV_GUARD_STACK && !(stack.ss_flags & SS_DISABLE);
    if (DV_GATE->guard.has_stack)
        return NULL;
    if (stack.ss_flags & SS_DISABLE) {
        stack = (stack_t){.ss_sp = (void *)DV_GUARD_STACK, .ss_size = DV_GUARD_STACK_BYTES};
        DV_GATE->guard.has_stack = sigaltstack(&stack, NULL) == 0;
        return DV_GATE->guard.has_stack ? NULL : "the guard's signal stack is not accepted";
    }
    guard.stack_start = (uint64_t)stack.ss_sp;
    guard.stack_end = guard.stack_start + stack.ss_size;
    dv_protect_forget(guard.stack_start, guard.stack_end);
    return stack.ss_size < stack_bytes_least() || (stack.ss_flags & ~SS_ONSTACK) != 0
               ? "the application's signal stack is too small for two frames, or disarms itself"
               : NULL;
}

static enum dv_status ready(uint64_t mask)
{
    int tid;
    if (guard.never != NULL)
        return not_now(guard.never);
    if (!on_main_stack())
        return not_now("the application was stopped on a stack of its own making");
    if (DV_GATE->guard.on)
        return DV_OK;
    if (is_blocked(mask))
        return not_now("the application blocks SIGSEGV");
    if (dv_threads_upper(&tid, 1) != 0)
        return not_now("the application has threads");
    if (DV_GUARD_STACK_BYTES < stack_bytes_least())
        return not_now("this processor's signal frames are larger than the guard's stack");
    const char *reason = prepare_stack();
    if (reason != NULL)
        return not_now(reason);
    guard.reason = NULL;
    DV_GATE->guard.on = 1;
    dv_signals_guard(1);
    return DV_OK;
}

static int can_protect(uint64_t start, uint64_t end)
{
    if (start < DV_BREAK_BASE && end > DV_GATE_BASE)
        return 0; /* the gate page and the resident */
    if (start < DV_GATE->stack_end && end > DV_GATE->stack_start)
        return 0;
    return start >= guard.stack_end || end <= guard.stack_start;
}

static void open_memory(uint64_t start, uint64_t end)
{
    dv_protect_open(start, end);
}

void dv_guard_fill(void)
{
    DV_GATE->guard.on = 0;
    DV_GATE->guard.has_stack = 0;
    DV_GATE->guard.fault = dv_protect_fault;
    DV_GATE->guard.leave = leave;
    DV_GATE->guard.open = open_memory;
}

static const struct dv_protect_host host = {
    .ready = ready,
    .leave = leave,
    .can_protect = can_protect,
    .reopen = dv_mpi_guard_reopen,
};

void dv_guard_start(void)
{
    dv_guard_watches = dv_guard_wanted();
    if (dv_guard_watches)
        dv_protect_attach(&host);
}

/* ---- the filter ---------------------------------------------------------- */

/* Calls that write no memory of the caller and change no mapping. (Those that placement.c's filter allows or answers for
 * the upper half go through it afterwards.) */
static const short passive[] = {
    SYS_write,
    SYS_close,
    SYS_lseek,
    SYS_pwrite64,
    SYS_writev,
    SYS_pwritev,
    SYS_access,
    SYS_sched_yield,
    SYS_msync,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_pause,
    SYS_getpid,
    SYS_alarm,
    SYS_socket,
    SYS_connect,
    SYS_sendto,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_bind,
    SYS_listen,
    SYS_setsockopt,
    SYS_execve,
    SYS_execveat,
    SYS_exit,
    SYS_exit_group,
    SYS_kill,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync,
    SYS_syncfs,
    SYS_truncate,
    SYS_ftruncate,
    SYS_chdir,
    SYS_fchdir,
    SYS_rename,
    SYS_renameat,
    SYS_renameat2,
    SYS_mkdir,
    SYS_mkdirat,
    SYS_rmdir,
    SYS_open,
    SYS_openat,
    SYS_creat,
    SYS_link,
    SYS_linkat,
    SYS_unlink,
    SYS_unlinkat,
    SYS_symlink,
    SYS_symlinkat,
    SYS_chmod,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_chown,
    SYS_fchown,
    SYS_lchown,
    SYS_fchownat,
    SYS_umask,
    SYS_getuid,
    SYS_getgid,
    SYS_geteuid,
    SYS_getegid,
    SYS_setpgid,
    SYS_getppid,
    SYS_getpgrp,
    SYS_getpgid,
    SYS_setsid,
    SYS_getsid,
    SYS_setpriority,
    SYS_getpriority,
    SYS_mlock,
    SYS_munlock,
    SYS_gettid,
    SYS_tkill,
    SYS_tgkill,
    SYS_fadvise64,
    SYS_fallocate,
    SYS_faccessat,
    439 /* faccessat2 */,
    SYS_utimensat,
    SYS_epoll_create,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_eventfd,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_memfd_create,
    SYS_membarrier,
    SYS_restart_syscall,
    SYS_close_range,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_setrlimit,
    SYS_sched_setaffinity,
    SYS_sched_getscheduler,
    SYS_sched_setparam,
    SYS_sched_setscheduler,
    SYS_timer_delete,
    SYS_setuid,
    SYS_setgid,
};
static const short passive_futex[] = {FUTEX_WAIT,        FUTEX_WAKE,        FUTEX_REQUEUE,
                                      FUTEX_CMP_REQUEUE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET};

struct program {
    struct sock_filter *code;
    size_t count;
};

static void emit(struct program *p, struct sock_filter instruction)
{
    p->code[p->count++] = instruction;
}

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT((code), (uint32_t)(k)))
#define JUMP(op, k, yes, no)                                                                       \
    ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (uint32_t)(k), (yes), (no)))
#define LOAD(field) STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)                                                                           \
    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)

/* Go on behind the filter if the accumulator equals `value`; the distance is filled in at the end. */
static void pass_if_equal(struct program *p, uint32_t value)
{
    emit(p, JUMP(BPF_JEQ, value, 0, 1));
    emit(p, STATEMENT(BPF_JMP | BPF_JA, 0));
}

size_t dv_guard_filter(struct sock_filter *out)
{
    struct program p = {out, 0};
    emit(&p, LOAD(arch)); /* numbers mean something else there */
    emit(&p, JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0));
    emit(&p, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    emit(&p, LOAD(nr));
    for (size_t i = 0; i < sizeof passive / sizeof *passive; i++)
        pass_if_equal(&p, (uint32_t)passive[i]);
    /* the lower half */
    emit(&p, LOAD_HIGH(instruction_pointer));
    emit(&p, JUMP(BPF_JGE, DV_SPLIT >> 32, 0, 1));
    emit(&p, STATEMENT(BPF_JMP | BPF_JA, 0));
    /* futex: by its operation */
    size_t count = sizeof passive_futex / sizeof *passive_futex;
    emit(&p, LOAD(nr));
    emit(&p, JUMP(BPF_JEQ, SYS_futex, 0, (unsigned char)(2 + 2 * count)));
    emit(&p, LOAD(args[1]));
    emit(&p, STATEMENT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK & 0xff));
    for (size_t i = 0; i < count; i++)
        pass_if_equal(&p, (uint32_t)passive_futex[i]);
    /* mmap that replaces nothing */
    emit(&p, LOAD(nr));
    emit(&p, JUMP(BPF_JEQ, SYS_mmap, 0, 3));
    emit(&p, LOAD(args[3]));
    emit(&p, JUMP(BPF_JSET, MAP_FIXED, 1, 0));
    emit(&p, STATEMENT(BPF_JMP | BPF_JA, 0));
    /* the resident's own: from its handlers */
    emit(&p, LOAD(nr));
    emit(&p, JUMP(BPF_JEQ, SYS_rt_sigreturn, 1, 0));
    emit(&p, JUMP(BPF_JEQ, SYS_rt_sigprocmask, 0, 5));
    emit(&p, LOAD_HIGH(instruction_pointer));
    emit(&p, JUMP(BPF_JEQ, DV_RESIDENT_BASE >> 32, 0, 3));
    emit(&p, LOAD(instruction_pointer));
    emit(&p, JUMP(BPF_JGE, (uint32_t)(DV_RESIDENT_BASE + RESIDENT_BYTES), 1, 0));
    emit(&p, STATEMENT(BPF_JMP | BPF_JA, 0));
    emit(&p, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    for (size_t i = 0; i < p.count; i++)
        if (out[i].code == (BPF_JMP | BPF_JA))
            out[i].k = (uint32_t)(p.count - i - 1);
    return p.count;
}

/* ---- calls whose arguments say what they write ---------------------------- */

enum how {
    BYTES = 1, /* n bytes */
    COUNT,     /* argument n, times `unit` */
    LENGTH,    /* as much as the 32-bit word says that argument n points to; and that word */
    VECTOR,    /* a vector of n's argument many struct iovec */
};
struct output {
    unsigned char pointer;     /* which argument; */
    unsigned char how, n16, n; /* n16: in units of 16 bytes, for BYTES */
    unsigned short unit;
};
struct shape {
    short number;
    struct output outputs[4];
};

#define FIXED(pointer, bytes)                                                                      \
    {                                                                                              \
        (pointer), BYTES, (unsigned char)(((bytes) + 15) / 16), 0, 0                               \
    }
#define COUNTED(pointer, n, unit)                                                                  \
    {                                                                                              \
        (pointer), COUNT, 0, (n), (unit)                                                           \
    }
#define SIZED(pointer, n)                                                                          \
    {                                                                                              \
        (pointer), LENGTH, 0, (n), 0                                                               \
    }
#define VECTORED(pointer, n)                                                                       \
    {                                                                                              \
        (pointer), VECTOR, 0, (n), 0                                                               \
    }

static const struct shape shapes[] = {
    {SYS_read, {COUNTED(1, 2, 1)}},
    {SYS_pread64, {COUNTED(1, 2, 1)}},
    {SYS_readv, {VECTORED(1, 2)}},
    {SYS_preadv, {VECTORED(1, 2)}},
    {SYS_preadv2, {VECTORED(1, 2)}},
    {SYS_recvfrom, {COUNTED(1, 2, 1), SIZED(4, 5)}},
    {SYS_accept, {SIZED(1, 2)}},
    {SYS_accept4, {SIZED(1, 2)}},
    {SYS_getsockname, {SIZED(1, 2)}},
    {SYS_getpeername, {SIZED(1, 2)}},
    {SYS_getsockopt, {SIZED(3, 4)}},
    {SYS_socketpair, {FIXED(3, 8)}},
    {SYS_pipe, {FIXED(0, 8)}},
    {SYS_pipe2, {FIXED(0, 8)}},
    {SYS_stat, {FIXED(1, 144)}},
    {SYS_fstat, {FIXED(1, 144)}},
    {SYS_lstat, {FIXED(1, 144)}},
    {SYS_newfstatat, {FIXED(2, 144)}},
    {SYS_statx, {FIXED(4, 256)}},
    {SYS_statfs, {FIXED(1, 120)}},
    {SYS_fstatfs, {FIXED(1, 120)}},
    {SYS_getdents64, {COUNTED(1, 2, 1)}},
    {SYS_getcwd, {COUNTED(0, 1, 1)}},
    {SYS_readlink, {COUNTED(1, 2, 1)}},
    {SYS_readlinkat, {COUNTED(2, 3, 1)}},
    {SYS_getxattr, {COUNTED(2, 3, 1)}},
    {SYS_lgetxattr, {COUNTED(2, 3, 1)}},
    {SYS_fgetxattr, {COUNTED(2, 3, 1)}},
    {SYS_sendfile, {FIXED(2, 8)}},
    {SYS_copy_file_range, {FIXED(1, 8), FIXED(3, 8)}},
    {SYS_splice, {FIXED(1, 8), FIXED(3, 8)}},
    {SYS_poll, {COUNTED(0, 1, 8)}},
    {SYS_epoll_wait, {COUNTED(1, 2, 12)}},
    {SYS_nanosleep, {FIXED(1, 16)}},
    {SYS_clock_nanosleep, {FIXED(3, 16)}},
    {SYS_clock_gettime, {FIXED(1, 16)}},
    {SYS_clock_getres, {FIXED(1, 16)}},
    {SYS_gettimeofday, {FIXED(0, 16), FIXED(1, 8)}},
    {SYS_time, {FIXED(0, 8)}},
    {SYS_times, {FIXED(0, 32)}},
    {SYS_getcpu, {FIXED(0, 4), FIXED(1, 4)}},
    {SYS_getitimer, {FIXED(1, 32)}},
    {SYS_setitimer, {FIXED(2, 32)}},
    {SYS_timer_create, {FIXED(2, 4)}},
    {SYS_timer_settime, {FIXED(3, 32)}},
    {SYS_timer_gettime, {FIXED(1, 32)}},
    {SYS_timerfd_settime, {FIXED(3, 32)}},
    {SYS_timerfd_gettime, {FIXED(1, 32)}},
    {SYS_uname, {FIXED(0, 390)}},
    {SYS_sysinfo, {FIXED(0, 128)}},
    {SYS_getrusage, {FIXED(1, 144)}},
    {SYS_getrlimit, {FIXED(1, 16)}},
    {SYS_prlimit64, {FIXED(3, 16)}},
    {SYS_getrandom, {COUNTED(0, 1, 1)}},
    {SYS_getgroups, {COUNTED(1, 0, 4)}},
    {SYS_getresuid, {FIXED(0, 4), FIXED(1, 4), FIXED(2, 4)}},
    {SYS_getresgid, {FIXED(0, 4), FIXED(1, 4), FIXED(2, 4)}},
    {SYS_sched_getaffinity, {COUNTED(2, 1, 1)}},
    {SYS_sched_getparam, {FIXED(1, 16)}},
    {SYS_wait4, {FIXED(1, 4), FIXED(3, 144)}},
    {SYS_waitid, {FIXED(2, 128), FIXED(4, 144)}},
    {SYS_rt_sigaction, {FIXED(2, 32)}},
    {SYS_rt_sigprocmask, {FIXED(2, 8)}},
    {SYS_rt_sigpending, {FIXED(0, 8)}},
    {SYS_rt_sigtimedwait, {FIXED(1, 128)}},
    {SYS_futex, {FIXED(0, 4), FIXED(4, 4)}},
};

static void open_bytes(uint64_t start, uint64_t bytes)
{
    if (start != 0)
        dv_protect_open(start, start + bytes < start ? UINT64_MAX : start + bytes);
}

static void open_vector(uint64_t vector, uint64_t count)
{
    struct iovec item;
    for (uint64_t i = 0; i < count && i < UIO_MAXIOV; i++)
        if (dv_place_read(&item, vector + i * sizeof item, sizeof item) == 0)
            open_bytes((uint64_t)item.iov_base, item.iov_len);
}

static void open_sized(uint64_t start, uint64_t length_at)
{
    uint32_t length;
    if (length_at == 0 || dv_place_read(&length, length_at, sizeof length) != 0)
        return;
    open_bytes(length_at, sizeof length);
    open_bytes(start, length);
}

static void open_outputs(const struct shape *shape, const __u64 *args)
{
    for (size_t i = 0; i < 4 && shape->outputs[i].how != 0; i++) {
        const struct output *o = &shape->outputs[i];
        switch (o->how) {
        case BYTES:
            open_bytes(args[o->pointer], 16u * o->n16);
            break;
        case COUNT:
            open_bytes(args[o->pointer],
                       args[o->n] > UINT64_MAX / o->unit ? UINT64_MAX : args[o->n] * o->unit);
            break;
        case LENGTH:
            open_sized(args[o->pointer], args[o->n]);
            break;
        default:
            open_vector(args[o->pointer], args[o->n]);
            break;
        }
    }
}

static void open_message(uint64_t at)
{
    struct msghdr message;
    if (dv_place_read(&message, at, sizeof message) != 0)
        return;
    open_bytes(at, sizeof message);
    open_bytes((uint64_t)message.msg_name, message.msg_namelen);
    open_bytes((uint64_t)message.msg_control, message.msg_controllen);
    open_vector((uint64_t)message.msg_iov, message.msg_iovlen);
}

/* ---- calls that are more than that ---------------------------------------- */

/* What it does is not known here, or is too much: whatever it writes or maps, it will be found. */
static void anything(void)
{
    leave();
    dv_protect_forget(0, DV_SPLIT);
}

static void change_mask(const __u64 *args)
{
    uint64_t set;
    if (args[0] == SIG_UNBLOCK || args[1] == 0)
        return;
    if (dv_place_read(&set, args[1], sizeof set) != 0 || (set & SIGSEGV_BIT))
        leave();
}

/* A mask for the time of a call, and of the handlers that run in it. */
static void change_mask_for_call(uint64_t set)
{
    if (set != 0)
        leave();
}

static void select_call(const struct seccomp_data *call)
{
    const __u64 *args = call->args;
    uint64_t mask = 0;
    for (int i = 1; i <= 3; i++)
        open_bytes(args[i], (args[0] & 0x7fffffff) / 8 + 8);
    open_bytes(args[4], 16);
    if (call->nr == SYS_pselect6 && args[5] != 0 && dv_place_read(&mask, args[5], sizeof mask) != 0)
        mask = 1;
    change_mask_for_call(mask);
}

static int is_quiet_fcntl(int command)
{
    static const short quiet[] = {F_DUPFD,     F_DUPFD_CLOEXEC, F_GETFD,      F_SETFD,
                                  F_GETFL,     F_SETFL,         F_SETLK,      F_SETLKW,
                                  F_OFD_SETLK, F_OFD_SETLKW,    F_GETPIPE_SZ, F_SETPIPE_SZ};
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        if (quiet[i] == command)
            return 1;
    return 0;
}

static void control(const struct seccomp_data *call)
{
    const __u64 *args = call->args;
    uint32_t what = (uint32_t)args[1];
    if (call->nr == SYS_fcntl && is_quiet_fcntl((int)what))
        return;
    if (call->nr == SYS_fcntl && (what == F_GETLK || what == F_OFD_GETLK))
        open_bytes(args[2], sizeof(struct flock));
    else if (call->nr == SYS_ioctl &&
             (what == TCGETS || what == TIOCGWINSZ || what == FIONREAD || what == TIOCGPGRP))
        open_bytes(args[2], 64);
    else if (call->nr != SYS_ioctl || (what != FIONBIO && what != FIOCLEX && what != FIONCLEX &&
                                       what != TCSETS && what != TCSETSW && what != TCSETSF))
        anything();
}

static void change_process(const __u64 *args)
{
    if (args[0] == PR_GET_NAME)
        open_bytes(args[1], 16);
    else if (args[0] != PR_SET_NAME && args[0] != 0x53564d41 /* PR_SET_VMA: names */)
        anything();
}

static void change_break(uint64_t to)
{
    uint64_t now = (uint64_t)DV_RAW(SYS_brk, 0);
    if (to != 0 && to < now)
        dv_protect_forget((to + 4095) & ~4095ull, now);
}

static void move_mapping(const __u64 *args)
{
    dv_protect_forget(args[0], args[0] + args[1]);
    if (args[3] & MREMAP_FIXED)
        dv_protect_forget(args[4], args[4] + args[2]);
}

/* The application has no signal stack, and must not see the guard's. A new one replaces that: at the next stop we look. */
static int signal_stack(const __u64 *args, long *ret)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    open_bytes(args[1], sizeof none);
    if (args[0] != 0) {
        leave();
        DV_GATE->guard.has_stack = 0;
        return 0;
    }
    if (!DV_GATE->guard.has_stack || args[1] == 0)
        return 0;
    *ret = dv_place_write(args[1], &none, sizeof none);
    return 1;
}

/* Calls that concern mappings. 0: none of these. */
static int mapping(const struct seccomp_data *call)
{
    const __u64 *args = call->args;
    switch (call->nr) {
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_pkey_mprotect:
    case SYS_mmap: /* MAP_FIXED only, by the filter */
        dv_protect_forget(args[0], args[0] + args[1]);
        return 1;
    case SYS_mremap:
        move_mapping(args);
        return 1;
    case SYS_madvise:
        /* What children do not get must be a region of its own: a forked writer looks at the first page of each. */
        if (args[2] == MADV_DONTFORK || args[2] == MADV_WIPEONFORK)
            dv_protect_forget(args[0], args[0] + args[1]);
        else /* may drop contents */
            open_bytes(args[0], args[1]);
        return 1;
    case SYS_brk:
        change_break(args[0]);
        return 1;
    case SYS_shmat:
        if (args[2] & SHM_REMAP)
            anything();
        return 1;
    default:
        return 0;
    }
}

/* Calls that concern masks, threads, or have arguments of many kinds. 0: none of these. */
static int special(const struct seccomp_data *call)
{
    const __u64 *args = call->args;
    switch (call->nr) {
    case SYS_rt_sigprocmask:
        change_mask(args);
        return 0; /* and it has a shape */
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
    case SYS_rt_sigreturn: /* from a handler that was entered while nothing was protected */
    case SYS_rt_sigsuspend:
        leave();
        return 1;
    case SYS_select:
    case SYS_pselect6:
        select_call(call);
        return 1;
    case SYS_ppoll:
        open_bytes(args[0], args[1] * 8);
        open_bytes(args[2], 16);
        change_mask_for_call(args[3]);
        return 1;
    case SYS_epoll_pwait:
        open_bytes(args[1], args[2] * 12);
        change_mask_for_call(args[4]);
        return 1;
    case SYS_recvmsg:
        open_message(args[1]);
        return 1;
    case SYS_ioctl:
    case SYS_fcntl:
        control(call);
        return 1;
    case SYS_prctl:
        change_process(args);
        return 1;
    case SYS_arch_prctl:
        open_bytes(args[1], 8);
        return 1;
    case SYS_io_setup:
    case SYS_io_uring_setup:
        guard.never = "the application has used asynchronous input and output (aio, io_uring), "
                      "which writes behind our back";
        leave();
        return 1;
    default:
        return 0;
    }
}

int dv_guard_call(const struct seccomp_data *call, long *ret)
{
    if (!dv_guard_watches)
        return 0;
    if (call->arch != AUDIT_ARCH_X86_64) {
        anything();
        *ret = 1; /* let the kernel do it */
        return 1;
    }
    if (call->nr == SYS_sigaltstack)
        return signal_stack(call->args, ret);
    for (size_t i = 0; i < sizeof passive / sizeof *passive; i++)
        if (passive[i] == call->nr)
            return 0;
    if (mapping(call) || special(call))
        return 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].number == call->nr) {
            open_outputs(&shapes[i], call->args);
            return 0;
        }
    anything();
    return 0;
}
