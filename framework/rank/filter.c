/* Which system calls the placement thread is told of: the seccomp filter. It looks at the call's number first, so that the
 * calls of neither kind stay in the kernel's always-allow bitmap; then at where the call comes from. Source: seccomp(2). */
#include "rank/guard.h"
#include "rank/placement.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define FILTER_MAX 96

/* Where a jump leads, in place of its distance; 0: to the next instruction. Distances are put in at the end. */
enum { NEXT, EITHER = 200, DUPLICATE, LOWER, ASK, CLOSE, ADVICE, UPPER, ALLOW, NOTIFY, LABELS };
#define MARK 0xffff
#define AT(label) ((struct sock_filter){.code = MARK, .k = (label)})

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)                                                                           \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define IF_AT_LEAST(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (yes), (no))
#define IF_SET(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (value), (yes), (no))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))

static const struct {
    uint32_t number;
    unsigned char label;
} calls[] = {
    {SYS_openat, LOWER},
    {SYS_mmap, LOWER},
    {SYS_munmap, LOWER},
    {SYS_mremap, EITHER},
    {SYS_brk, LOWER},
    {SYS_shmat, LOWER},
    {SYS_shmdt, LOWER},
    {SYS_rt_sigaction, UPPER},
    {SYS_readlink, UPPER},
    {SYS_readlinkat, UPPER},
    {SYS_set_tid_address, UPPER},
    {SYS_exit_group, UPPER},
    {SYS_close_range, UPPER},
    {SYS_prlimit64, UPPER},
    {SYS_sched_setaffinity, UPPER},
    {SYS_sched_getaffinity, UPPER},
    {SYS_sched_setparam, UPPER},
    {SYS_sched_getparam, UPPER},
    {SYS_sched_setscheduler, UPPER},
    {SYS_sched_getscheduler, UPPER},
    {SYS_kill, UPPER},
    {SYS_tgkill, UPPER},
    {SYS_rt_sigqueueinfo, UPPER},
    {SYS_rt_tgsigqueueinfo, UPPER},
    {SYS_close, CLOSE},
    {SYS_fcntl, DUPLICATE},
    {SYS_madvise, ADVICE}, /* only where memory is mapped from images */
};

struct program {
    struct sock_filter code[FILTER_MAX];
    size_t count;
};

static void append(struct program *p, const struct sock_filter *code, size_t count)
{
    memcpy(p->code + p->count, code, count * sizeof *code);
    p->count += count;
}

static void append_calls(struct program *p, int lazily)
{
    p->code[p->count++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].label != ADVICE || lazily)
            p->code[p->count++] =
                (struct sock_filter)IF_EQUAL(calls[i].number, calls[i].label, NEXT);
    p->code[p->count++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
}

static void append_labels(struct program *p, int lazily)
{
    const uint64_t exempt = (uint64_t)dv_raw_start, exempt_end = (uint64_t)dv_raw_end;
    const uint32_t split = DV_SPLIT >> 32, base = (uint32_t)dv_rank.lower_fd_base;
    const struct sock_filter code[] = {
        AT(EITHER), /* mremap from below the split matters where memory is mapped from images */
        LOAD_HIGH(instruction_pointer),
        IF_AT_LEAST(split, LOWER, lazily ? NOTIFY : ALLOW),
        AT(DUPLICATE),
        LOAD(args[1]),
        IF_EQUAL(F_DUPFD, LOWER, NEXT),
        IF_EQUAL(F_DUPFD_CLOEXEC, LOWER, ALLOW),
        AT(LOWER), /* from above the split and not exempt; mmap only if no address is asked for */
        LOAD_HIGH(instruction_pointer),
        IF_AT_LEAST(split, NEXT, ALLOW),
        IF_EQUAL((uint32_t)(exempt >> 32), NEXT, ASK),
        LOAD(instruction_pointer),
        IF_AT_LEAST((uint32_t)exempt, NEXT, ASK),
        IF_AT_LEAST((uint32_t)exempt_end + 1, ASK, ALLOW),
        AT(ASK),
        LOAD(nr),
        IF_EQUAL(SYS_mmap, NEXT, NOTIFY),
        LOAD(args[3]),
        IF_SET(MAP_FIXED | MAP_FIXED_NOREPLACE, ALLOW, NOTIFY),
        AT(CLOSE), /* the lower half's descriptors are not there for the upper half */
        LOAD(args[0]),
        IF_AT_LEAST(base, NEXT, ALLOW),
        LOAD_HIGH(instruction_pointer),
        IF_AT_LEAST(split, ALLOW, NEXT),
        ANSWER(SECCOMP_RET_ERRNO | EBADF),
        AT(ADVICE), /* what gives memory back, or is for anonymous memory only */
        LOAD(args[2]),
        IF_EQUAL(MADV_DONTNEED, UPPER, NEXT),
        IF_EQUAL(MADV_FREE, UPPER, NEXT),
        IF_EQUAL(MADV_REMOVE, UPPER, NEXT),
        IF_EQUAL(MADV_WIPEONFORK, UPPER, NEXT),
        IF_EQUAL(DV_ADVICE_DONTNEED_LOCKED, UPPER, NEXT),
        IF_EQUAL(DV_ADVICE_GUARD_INSTALL, UPPER, ALLOW),
        AT(UPPER), /* from below the split */
        LOAD_HIGH(instruction_pointer),
        IF_AT_LEAST(split, ALLOW, NOTIFY),
        AT(ALLOW),
        ANSWER(SECCOMP_RET_ALLOW),
        AT(NOTIFY),
        ANSWER(SECCOMP_RET_USER_NOTIF),
    };
    append(p, code, sizeof code / sizeof *code);
}

/* Without the marks, and with distances for labels. Returns how many instructions. */
static size_t assemble(const struct program *p, struct sock_filter *out)
{
    size_t at[LABELS] = {0}, count = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->code[i].code == MARK)
            at[p->code[i].k] = count;
        else
            out[count++] = p->code[i];
    for (size_t i = 0; i < count; i++) {
        if (BPF_CLASS(out[i].code) != BPF_JMP)
            continue;
        out[i].jt = out[i].jt == NEXT ? 0 : (unsigned char)(at[out[i].jt] - i - 1);
        out[i].jf = out[i].jf == NEXT ? 0 : (unsigned char)(at[out[i].jf] - i - 1);
    }
    return count;
}

long dv_filter_install(void)
{
    static struct sock_filter all[DV_GUARD_FILTER_MAX + FILTER_MAX];
    const int lazily = dv_rank.options.restore_epoch != 0 && dv_rank.options.lazy;
    struct program program = {.count = 0};
    append_calls(&program, lazily);
    append_labels(&program, lazily);
    size_t count = dv_guard_wanted() ? dv_guard_filter(all) : 0;
    count += assemble(&program, all + count);
    struct sock_fprog filter = {(unsigned short)count, all};
    unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER |
                          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter);
    if (fd < 0 && errno == EINVAL) /* before Linux 5.19 */
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    return fd < 0 ? -errno : fd;
}
