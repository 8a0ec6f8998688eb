/* Both halves share one descriptor table; the lower half's descriptors live at high numbers, so
 * that those of an image always find theirs free. The functions here stand before libc's for
 * everything in the lower half. What they return is high already if the system call was openat and the application runs
 * (opener.c); otherwise it is moved. */
#include "rank/rank.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOWER_FDS ((rlim_t)1024)
#define INTERPOSE __attribute__((visibility("default")))
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* The next definition of `name`, looked up once. */
#define REAL(name)                                                                                 \
    ({                                                                                             \
        static __typeof__(&name) next_;                                                            \
        if (next_ == NULL)                                                                         \
            next_ = NEXT(name);                                                                    \
        next_;                                                                                     \
    })

int dv_lower_fd(int fd)
{
    if (fd < 0 || dv_rank.lower_fd_base == 0 || fd >= dv_rank.lower_fd_base)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, dv_rank.lower_fd_base);
    if (up < 0)
        return fd;
    close(fd);
    return up;
}

/* Descriptors that the launcher left open for its own protocol (hydra's PMI socket). */
static void move_inherited(const char *variable)
{
    const char *text = getenv(variable);
    if (text == NULL)
        return;
    int fd = atoi(text), up = fd > 2 ? fcntl(fd, F_DUPFD_CLOEXEC, dv_rank.lower_fd_base) : -1;
    if (up < 0)
        return;
    close(fd);
    char number[16];
    snprintf(number, sizeof number, "%d", up);
    setenv(variable, number, 1);
}

void dv_lower_fds_start(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t base = limit.rlim_cur;
    if (limit.rlim_max >= base + LOWER_FDS) { /* room above what the application may use */
        limit.rlim_cur = base + LOWER_FDS;
        setrlimit(RLIMIT_NOFILE, &limit);
    } else
        base = base > 512 ? base - 256 : base / 2;
    dv_rank.lower_fd_base = (int)base;
    move_inherited("PMI_FD");
    for (int fd = 0; fd < DV_INHERITED_COUNT && fd < dv_rank.lower_fd_base; fd++) {
        dv_fd_identity_read(fd, &dv_rank.stdio[fd]);
        if (fd > 2 && S_ISREG(dv_rank.stdio[fd].mode)) /* has a name */
            dv_rank.stdio[fd].present = 0;
    }
}

INTERPOSE int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return dv_lower_fd(REAL(open)(path, flags, mode));
}

INTERPOSE int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return dv_lower_fd(REAL(open64)(path, flags, mode));
}

INTERPOSE int openat(int directory, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return dv_lower_fd(REAL(openat)(directory, path, flags, mode));
}

INTERPOSE int shm_open(const char *name, int flags, mode_t mode)
{
    return dv_lower_fd(REAL(shm_open)(name, flags, mode));
}

INTERPOSE int socket(int domain, int type, int protocol)
{
    return dv_lower_fd(REAL(socket)(domain, type, protocol));
}

INTERPOSE int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return dv_lower_fd(REAL(accept)(fd, address, length));
}

INTERPOSE int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return dv_lower_fd(REAL(accept4)(fd, address, length, flags));
}

INTERPOSE int epoll_create(int size)
{
    return dv_lower_fd(REAL(epoll_create)(size));
}

INTERPOSE int epoll_create1(int flags)
{
    return dv_lower_fd(REAL(epoll_create1)(flags));
}

INTERPOSE int eventfd(unsigned int value, int flags)
{
    return dv_lower_fd(REAL(eventfd)(value, flags));
}

INTERPOSE int timerfd_create(clockid_t clock, int flags)
{
    return dv_lower_fd(REAL(timerfd_create)(clock, flags));
}

INTERPOSE int signalfd(int fd, const sigset_t *mask, int flags)
{
    return dv_lower_fd(REAL(signalfd)(fd, mask, flags));
}

INTERPOSE int memfd_create(const char *name, unsigned int flags)
{
    return dv_lower_fd(REAL(memfd_create)(name, flags));
}

INTERPOSE int inotify_init1(int flags)
{
    return dv_lower_fd(REAL(inotify_init1)(flags));
}

static int move_pair(int result, int *fds)
{
    if (result == 0) {
        fds[0] = dv_lower_fd(fds[0]);
        fds[1] = dv_lower_fd(fds[1]);
    }
    return result;
}

INTERPOSE int pipe(int fds[2])
{
    return move_pair(REAL(pipe)(fds), fds);
}

INTERPOSE int pipe2(int fds[2], int flags)
{
    return move_pair(REAL(pipe2)(fds, flags), fds);
}

INTERPOSE int socketpair(int domain, int type, int protocol, int fds[2])
{
    return move_pair(REAL(socketpair)(domain, type, protocol, fds), fds);
}
