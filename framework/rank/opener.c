/* Opening files for the lower half without ever holding a number that the application could be given.
 *
 * The halves share one descriptor table, and the kernel gives the lowest free number to whoever opens something. If a
 * thread of the lower half opened a file while the application runs, the application could miss that number for a moment
 * (open after close(0), shells' redirections rely on it), and a capture could take the file for the application's. So
 * openat from the lower half is notified to the placement thread, and made by a thread whose descriptor table is its own;
 * the kernel then installs the file under a number above the application's limit (SECCOMP_IOCTL_NOTIF_ADDFD) and answers
 * the call with it, in one step. Source: seccomp_unotify(2), unshare(2).
 *
 * The opener makes system calls from the exempt page only, takes no lock, allocates nothing. */
#include "rank/placement.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

enum { STARTING, IDLE, ASKED, FAILED };
static struct {
    atomic_uint state;
    int listener;
    const struct seccomp_notif *notif;
    uint32_t number;
    long error; /* 0: the call is answered; -EINPROGRESS ...: it is not */
} opener;

static void futex(int op, unsigned value)
{
    DV_RAW(SYS_futex, &opener.state, op, value, 0, 0, 0);
}

static void enter(unsigned state)
{
    atomic_store(&opener.state, state);
    futex(FUTEX_WAKE_PRIVATE, INT32_MAX);
}

static void wait_while(unsigned state)
{
    while (atomic_load(&opener.state) == state)
        futex(FUTEX_WAIT_PRIVATE, state);
}

/* Nothing but the listener in a table of our own. */
static long leave_table(void)
{
    const unsigned listener = (unsigned)opener.listener;
    long ret = DV_RAW(SYS_unshare, CLONE_FILES);
    if (ret == 0 && listener > 0)
        ret = DV_RAW(SYS_close_range, 0u, listener - 1, 0);
    return ret == 0 ? DV_RAW(SYS_close_range, listener + 1, ~0u, 0) : ret;
}

/* The calling thread waits in its call meanwhile, so its path stays where it is. */
static long open_and_install(const struct seccomp_notif *notif)
{
    const __u64 *args = notif->data.args;
    long fd = DV_RAW(SYS_openat, args[0], args[1], args[2] | O_CLOEXEC, args[3]);
    if (fd < 0)
        return fd;
    struct seccomp_notif_addfd add = {.id = notif->id,
                                      .flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
                                      .srcfd = (uint32_t)fd,
                                      .newfd = opener.number,
                                      .newfd_flags = O_CLOEXEC};
    long ret = DV_RAW(SYS_ioctl, opener.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    DV_RAW(SYS_close, fd);
    return ret == -EBADF ? -EMFILE : ret < 0 ? ret : 0; /* EBADF: a number above the limit */
}

static void *opener_thread(void *unused)
{
    (void)unused;
    dv_threads_register();
    opener.error = leave_table();
    if (opener.error != 0) {
        enter(FAILED);
        return NULL;
    }
    enter(IDLE);
    for (;;) {
        wait_while(IDLE);
        opener.error = open_and_install(opener.notif);
        enter(IDLE);
    }
}

/* Only the placement thread takes numbers, so what is free stays free. */
static uint32_t free_number(void)
{
    uint32_t number = (uint32_t)dv_rank.lower_fd_base;
    while (DV_RAW(SYS_fcntl, number, F_GETFD) >= 0)
        number++;
    return number;
}

long dv_opener_open(const struct seccomp_notif *notif)
{
    opener.notif = notif;
    opener.number = free_number();
    enter(ASKED);
    wait_while(ASKED);
    return opener.error;
}

enum dv_status dv_opener_start(int listener)
{
    opener.listener = listener;
    int error = dv_threads_create_bare(opener_thread);
    if (error == 0) {
        wait_while(STARTING);
        error = atomic_load(&opener.state) == FAILED ? (int)-opener.error : 0;
    }
    if (error == 0)
        return DV_OK;
    dv_error("placement", "cannot start the thread that opens files for the lower half: %s",
             strerror(error));
    return DV_ERR_SYSTEM;
}
