/* Where memory may be placed: above the split for the lower half, below it for the upper half.
 *
 * The kernel places every mapping of the upper half just below the split by itself, because all
 * gaps above are reserved. The lower half's own mmap, mremap, munmap, brk, shmat and shmdt are
 * answered by the placement thread through a seccomp user notification: it places them inside the
 * reservation and turns what is released back into reservation. The filter looks at the system
 * call's number first, so that all other calls stay in the kernel's always-allow bitmap, and then
 * at the instruction pointer. Calls from the exempt page (raw.S) go through.
 *
 * Some calls of the upper half are answered here too, because they must not have their plain
 * effect: rt_sigaction (the resident stands before every handler), readlink of /proc/self/exe (it
 * would name dejavu-rank); two are only looked at: set_tid_address (where libc caches the thread
 * id), exit_group (the application ends by itself). In a process that was restored lazily so are
 * madvise and mremap (lazy_calls.c).
 *
 * The lower half's descriptors are out of its reach (close, close_range), and RLIMIT_NOFILE is the application's own.
 * Calls by which the application names itself (kill, tgkill, sched_setaffinity ...) are made with its present id: after a
 * restore it may still go by an earlier one, as libc does.
 *
 * The placement thread makes system calls from the exempt page only, takes no lock, allocates
 * nothing. A forked child is told apart by its process id and left alone. Sources: seccomp(2),
 * seccomp_unotify(2). */
#include "rank/placement.h"

#include "rank/guard.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096ul
#define ATTACHMENTS 256

static struct {
    uint64_t next, end; /* the part of the reservation not handed out yet */
    uint64_t lower_break;
    pid_t pid;
    int listener;
    atomic_int ready;
    struct {
        uint64_t address, bytes;
    } attachment[ATTACHMENTS]; /* System V segments of the lower half */
} place;

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE - 1) & ~(PAGE - 1);
}

static uint64_t hand_out(uint64_t bytes)
{
    /* Whole 2 MiB steps, so that big buffers of the lower half can have huge pages. */
    uint64_t step = bytes >= (2u << 20) ? (2u << 20) : PAGE;
    uint64_t start = (place.next + step - 1) & ~(step - 1);
    if (start + bytes > place.end)
        return 0;
    place.next = start + page_up(bytes);
    return start;
}

static long reserve(uint64_t start, uint64_t bytes)
{
    return DV_RAW(SYS_mmap, start, page_up(bytes), PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* ---- the lower half's calls ---------------------------------------------- */

static long lower_mmap(const __u64 *args)
{
    if (args[1] == 0)
        return -EINVAL;
    uint64_t at = hand_out(args[1]);
    if (at == 0)
        return -ENOMEM;
    return DV_RAW(SYS_mmap, at, args[1], args[2], args[3] | MAP_FIXED, args[4], args[5]);
}

static long lower_munmap(const __u64 *args)
{
    if (args[0] < DV_SPLIT)
        return DV_RAW(SYS_munmap, args[0], args[1]);
    if ((args[0] & (PAGE - 1)) != 0 || args[1] == 0)
        return -EINVAL;
    long at = reserve(args[0], args[1]);
    return at < 0 ? at : 0;
}

static long lower_mremap(const __u64 *args)
{
    uint64_t old = page_up(args[1]), new = page_up(args[2]);
    if ((args[3] & MREMAP_FIXED) != 0 || new <= old) {
        long at = DV_RAW(SYS_mremap, args[0], args[1], args[2], args[3], args[4]);
        if (at == (long)args[0] && new < old)
            reserve(args[0] + new, old - new);
        return at;
    }
    if ((args[3] & MREMAP_MAYMOVE) == 0)
        return -ENOMEM;
    uint64_t to = hand_out(new);
    if (to == 0)
        return -ENOMEM;
    long at = DV_RAW(SYS_mremap, args[0], old, new, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (at >= 0)
        reserve(args[0], old);
    return at;
}

static long lower_shmat(const __u64 *args)
{
    if (args[1] != 0)
        return DV_RAW(SYS_shmat, args[0], args[1], args[2]);
    struct shmid_ds info;
    long ret = DV_RAW(SYS_shmctl, args[0], IPC_STAT, &info);
    if (ret < 0)
        return ret;
    size_t slot = 0;
    while (slot < ATTACHMENTS && place.attachment[slot].address != 0)
        slot++;
    uint64_t at = slot < ATTACHMENTS ? hand_out(info.shm_segsz) : 0;
    if (at == 0)
        return -ENOMEM;
    ret = DV_RAW(SYS_shmat, args[0], at, args[2] | SHM_REMAP);
    if (ret >= 0) {
        place.attachment[slot].address = at;
        place.attachment[slot].bytes = info.shm_segsz;
    }
    return ret;
}

static long lower_shmdt(const __u64 *args)
{
    long ret = DV_RAW(SYS_shmdt, args[0]);
    for (size_t i = 0; ret == 0 && i < ATTACHMENTS; i++)
        if (place.attachment[i].address == args[0]) {
            reserve(args[0], place.attachment[i].bytes);
            place.attachment[i].address = 0;
        }
    return ret;
}

/* A number of ours for every copy of a descriptor, and one that no openat is being given just now. */
static long lower_duplicate(const __u64 *args)
{
    const uint64_t base = (uint64_t)dv_rank.lower_fd_base;
    return DV_RAW(SYS_fcntl, args[0], args[1], args[2] > base ? args[2] : base);
}

static long lower_call(const struct seccomp_data *call)
{
    switch (call->nr) {
    case SYS_fcntl:
        return lower_duplicate(call->args);
    case SYS_mmap:
        return lower_mmap(call->args);
    case SYS_munmap:
        return lower_munmap(call->args);
    case SYS_mremap:
        return lower_mremap(call->args);
    case SYS_shmat:
        return lower_shmat(call->args);
    case SYS_shmdt:
        return lower_shmdt(call->args);
    default: /* brk: the lower half must never move it; its malloc then takes mmap */
        return (long)place.lower_break;
    }
}

/* ---- the upper half's calls ---------------------------------------------- */

#define CONTINUE 1 /* let the kernel do the call itself */
#define LATER 2    /* answered later */

long dv_place_read(void *to, uint64_t from, size_t bytes)
{
    struct iovec local = {to, bytes}, remote = {(void *)from, bytes};
    long got = DV_RAW(SYS_process_vm_readv, place.pid, &local, 1, &remote, 1, 0);
    return got < 0 ? got : got == (long)bytes ? 0 : -EFAULT;
}

long dv_place_write(uint64_t to, const void *from, size_t bytes)
{
    struct iovec local = {(void *)from, bytes}, remote = {(void *)to, bytes};
    long put = DV_RAW(SYS_process_vm_writev, place.pid, &local, 1, &remote, 1, 0);
    return put < 0 ? put : put == (long)bytes ? 0 : -EFAULT;
}

/* readlink(/proc/self/exe) answers the application's own path. `skip`: arguments before the path.
 */
static long upper_readlink(const __u64 *args, int skip, int64_t *value)
{
    static const char self[] = "/proc/self/exe";
    char path[sizeof self];
    if (dv_place_read(path, args[skip], sizeof path) != 0 || memcmp(path, self, sizeof self) != 0)
        return CONTINUE;
    size_t length = strlen(DV_GATE->program), room = args[skip + 2];
    if ((int64_t)room <= 0)
        return -EINVAL;
    length = length < room ? length : room;
    long ret = dv_place_write(args[skip + 1], DV_GATE->program, length);
    *value = (int64_t)length;
    return ret;
}

/* Programs that close everything must not close the lower half's descriptors. */
static long upper_close_range(const __u64 *args)
{
    const uint64_t base = (uint64_t)dv_rank.lower_fd_base;
    if ((uint32_t)args[1] < base || (uint32_t)args[0] > (uint32_t)args[1])
        return CONTINUE;
    if ((uint32_t)args[0] >= base)
        return 0;
    return DV_RAW(SYS_close_range, args[0], base - 1, args[2]);
}

/* getrlimit and setrlimit of RLIMIT_NOFILE: what lies above the application's own limit is the lower half's room. */
static long upper_descriptor_limit(const __u64 *args)
{
    struct rlimit limit, wanted;
    if ((int)args[1] != RLIMIT_NOFILE || ((pid_t)args[0] != 0 && (pid_t)args[0] != place.pid))
        return CONTINUE;
    long ret = DV_RAW(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
    limit.rlim_cur =
        DV_GATE->descriptor_limit != 0 ? DV_GATE->descriptor_limit : (rlim_t)dv_rank.lower_fd_base;
    if (ret == 0 && args[2] != 0) {
        ret = dv_place_read(&wanted, args[2], sizeof wanted);
        if (ret == 0 && (wanted.rlim_cur > wanted.rlim_max || wanted.rlim_max > limit.rlim_max))
            ret = wanted.rlim_cur > wanted.rlim_max ? -EINVAL : -EPERM;
        if (ret == 0)
            DV_GATE->descriptor_limit = wanted.rlim_cur;
    }
    if (ret == 0 && args[3] != 0)
        ret = dv_place_write(args[3], &limit, sizeof limit);
    return ret;
}

/* Does the application mean itself, by an id that it had before a restore? One of them is the thread id that libc has
 * cached when the process was first started: it marks locks with it, so it must stay. */
static int is_former_id(pid_t id)
{
    const struct dv_gate *gate = DV_GATE;
    int former = gate->tid_address != 0 && id == *(const pid_t *)gate->tid_address;
    for (uint32_t i = 0; i < DV_FORMER_PIDS && i < gate->former_pid_count; i++)
        former |= id == (pid_t)gate->former_pids[i];
    return former && id != place.pid;
}

/* A call whose first `ids` arguments are ids of a process or thread: those that were ours are ours now. */
static long upper_by_id(const struct seccomp_data *call, int ids, int64_t *value)
{
    uint64_t arg[6];
    int changed = 0;
    memcpy(arg, call->args, sizeof arg);
    for (int i = 0; i < ids; i++)
        if (is_former_id((pid_t)arg[i])) {
            arg[i] = (uint64_t)place.pid;
            changed = 1;
        }
    if (!changed)
        return CONTINUE;
    *value = dv_raw_syscall(call->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    return *value < 0 ? *value : 0;
}

static long upper_call(const struct seccomp_notif *notif, int64_t *value)
{
    const __u64 *args = notif->data.args;
    switch (notif->data.nr) {
    case SYS_rt_sigaction:
        return dv_signals_action(args[0], args[1], args[2], args[3]);
    case SYS_readlink:
        return upper_readlink(args, 0, value);
    case SYS_readlinkat:
        return upper_readlink(args, 1, value);
    case SYS_set_tid_address:
        if ((pid_t)notif->pid == place.pid)
            DV_GATE->tid_address = args[0];
        return CONTINUE;
    case SYS_exit_group:
        if (dv_lazy_hold_exit(notif->id, (int)args[0]))
            return LATER;
        dv_agent_exiting((int)args[0]);
        return CONTINUE;
    case SYS_madvise:
        dv_lazy_before_madvise(args[0], args[1], (int)args[2]);
        return CONTINUE;
    case SYS_mremap:
        dv_lazy_before_mremap(args[0], args[1]);
        return CONTINUE;
    case SYS_close_range:
        return upper_close_range(args);
    case SYS_prlimit64:
        return upper_descriptor_limit(args);
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
        return upper_by_id(&notif->data, 2, value);
    case SYS_kill:
    case SYS_rt_sigqueueinfo:
    case SYS_sched_setaffinity:
    case SYS_sched_getaffinity:
    case SYS_sched_setparam:
    case SYS_sched_getparam:
    case SYS_sched_setscheduler:
    case SYS_sched_getscheduler:
        return upper_by_id(&notif->data, 1, value);
    default:
        return CONTINUE;
    }
}

/* The opener does not have the directories of the lower half; nobody opens relative to one so far. */
static long lower_open(const struct seccomp_notif *notif)
{
    if ((int)notif->data.args[0] != AT_FDCWD && *(const char *)notif->data.args[1] != '/')
        return CONTINUE;
    long ret = dv_opener_open(notif);
    return ret == 0 ? LATER : ret;
}

/* ---- the thread ---------------------------------------------------------- */

/* The notification's pid is a thread id of the caller; is it one of this process? */
static int is_ours(pid_t tid)
{
    return tid == place.pid || DV_RAW(SYS_tgkill, place.pid, tid, 0) == 0;
}

static void answer(const struct seccomp_notif *notif)
{
    struct seccomp_notif_resp response = {.id = notif->id};
    int64_t value = 0;
    long ret;
    if (!is_ours((pid_t)notif->pid))
        ret = CONTINUE;
    else if (notif->data.nr == SYS_openat && notif->data.instruction_pointer >= DV_SPLIT)
        ret = lower_open(notif);
    else if (notif->data.instruction_pointer >= DV_SPLIT) {
        ret = lower_call(&notif->data);
        value = ret;
        ret = ret < 0 && ret > -4096 ? ret : 0;
    } else if (!dv_guard_call(&notif->data, &ret))
        ret = upper_call(notif, &value);
    if (ret == LATER)
        return;
    if (ret == CONTINUE)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (ret < 0)
        response.error = (int)ret;
    else
        response.val = value;
    DV_RAW(SYS_ioctl, place.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void dv_placement_let_exit(uint64_t id, int status)
{
    struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    dv_agent_exiting(status);
    DV_RAW(SYS_ioctl, place.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void *placement_thread(void *unused)
{
    (void)unused;
    dv_threads_register();
    while (atomic_load(&place.ready) == 0)
        DV_RAW(SYS_sched_yield);
    for (;;) {
        struct seccomp_notif notif;
        memset(&notif, 0, sizeof notif);
        long ret = DV_RAW(SYS_ioctl, place.listener, SECCOMP_IOCTL_NOTIF_RECV, &notif);
        if (ret == 0)
            answer(&notif);
        else if (ret != -EINTR && ret != -ENOENT)
            return NULL;
    }
}

enum dv_status dv_placement_start(uint64_t start, uint64_t end)
{
    place.next = start;
    place.end = end;
    place.pid = getpid();
    place.lower_break = (uint64_t)syscall(SYS_brk, 0);
    int error = dv_threads_create_bare(placement_thread);
    if (error != 0) {
        dv_error("placement", "cannot start the placement thread: %s", strerror(error));
        return DV_ERR_SYSTEM;
    }
    long fd = dv_filter_install();
    if (fd < 0) {
        dv_error("placement", "cannot install the seccomp filter: %s (run `dejavu doctor`)",
                 strerror((int)-fd));
        return DV_ERR_SYSTEM;
    }
    place.listener = (int)DV_RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, dv_rank.lower_fd_base);
    close((int)fd);
    if (place.listener < 0) {
        dv_error("placement", "no room for a descriptor from %d on: %s", dv_rank.lower_fd_base,
                 strerror(-place.listener));
        return DV_ERR_SYSTEM;
    }
    atomic_store(&place.ready, 1);
    if (dv_opener_start(place.listener) != DV_OK)
        return DV_ERR_SYSTEM;
    dv_guard_start();
    return DV_OK;
}
