/* Descriptors that are no files; see descriptors_special.h. */
#include "capture/descriptors_special.h"

#include "capture/descriptors_record.h"
#include "capture/proc.h"
#include "common/fail.h"
#include "common/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* linux/timerfd.h clashes with glibc's header. */
#define TIMERFD_SET_TICKS _IOW('T', 0, uint64_t)

static void describe_address(const struct sockaddr_storage *address, char *text, size_t bytes)
{
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        port = ntohs(in->sin6_port);
    } else {
        snprintf(text, bytes, " that is connected");
        return;
    }
    snprintf(text, bytes, " connected to %s port %u", host, port);
}

enum dv_status dv_fd_refuse_socket(const struct dv_open_fd *open_fd)
{
    int domain = 0, type = 0, listening = 0;
    socklen_t length = sizeof domain;
    getsockopt(open_fd->fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
    length = sizeof type;
    getsockopt(open_fd->fd, SOL_SOCKET, SO_TYPE, &type, &length);
    length = sizeof listening;
    getsockopt(open_fd->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    int internet = domain == AF_INET || domain == AF_INET6;
    const char *family = internet            ? (type == SOCK_STREAM ? "TCP" : "UDP")
                         : domain == AF_UNIX ? "Unix"
                         : domain == 16      ? "netlink" /* AF_NETLINK */
                                             : "network";
    char peer[128] = "", what[256];
    struct sockaddr_storage address = {0};
    length = sizeof address;
    if (listening)
        snprintf(peer, sizeof peer, " that listens");
    else if (getpeername(open_fd->fd, (struct sockaddr *)&address, &length) == 0)
        describe_address(&address, peer, sizeof peer);
    snprintf(what, sizeof what, "a %s socket%s", family, peer);
    return dv_fd_refuse(open_fd, what);
}

static int access_mode(const struct dv_open_fd *open_fd)
{
    return open_fd->flags & O_ACCMODE;
}

/* The unread bytes of the pipe whose read end is `fd`, without taking them out. */
static enum dv_status put_pipe_content(const struct dv_open_fd *reader, int capacity,
                                       struct dv_blob *out)
{
    int unread = 0, copy[2];
    if (ioctl(reader->fd, FIONREAD, &unread) != 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot examine the pipe %s: %s", reader->link,
                       strerror(errno));
    if (unread == 0) {
        dv_blob_put_bytes(out, "", 0);
        return DV_OK;
    }
    if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) != 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    size_t wanted = (size_t)unread, got = 0;
    char *bytes = malloc(wanted);
    enum dv_status status = DV_OK;
    if (!bytes)
        status =
            dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for the contents of %s", reader->link);
    else if (fcntl(copy[1], F_SETPIPE_SZ, capacity) < 0 ||
             tee(reader->fd, copy[1], wanted, SPLICE_F_NONBLOCK) != (ssize_t)wanted ||
             dv_read_full(copy[0], bytes, wanted, &got) != DV_OK || got != wanted)
        status = dv_fail("capture", DV_ERR_SYSTEM, "cannot copy the contents of the pipe %s: %s",
                         reader->link, strerror(errno));
    if (status == DV_OK)
        dv_blob_put_bytes(out, bytes, wanted);
    free(bytes);
    close(copy[0]);
    close(copy[1]);
    return status;
}

enum dv_status dv_fd_put_pipe(const struct dv_open_fd *list, size_t count, size_t at,
                              struct dv_blob *out)
{
    const struct dv_open_fd *self = &list[at], *reader = NULL, *writer = NULL;
    if (strncmp(self->link, "pipe:", 5) != 0)
        return dv_fd_refuse(self, "a named pipe");
    for (size_t i = 0; i < count; i++) {
        if (list[i].info.st_dev != self->info.st_dev || list[i].info.st_ino != self->info.st_ino)
            continue;
        if (access_mode(&list[i]) == O_RDONLY)
            reader = &list[i];
        else if (access_mode(&list[i]) == O_WRONLY)
            writer = &list[i];
    }
    if (!reader || !writer || access_mode(self) == O_RDWR)
        return dv_fd_refuse(self, "a pipe whose other end is in another process");
    if (self->flags & O_DIRECT)
        return dv_fd_refuse(self, "a pipe in packet mode");
    if (!out)
        return DV_OK;
    int capacity = fcntl(self->fd, F_GETPIPE_SZ);
    if (capacity < 0)
        return dv_fail("capture", DV_ERR_SYSTEM, "cannot examine the pipe %s: %s", self->link,
                       strerror(errno));
    dv_blob_put_u32(out, DV_FD_PIPE);
    dv_blob_put_u32(out, (uint32_t)(self->flags & O_NONBLOCK));
    dv_blob_put_u64(out, self->info.st_ino);
    dv_blob_put_u32(out, access_mode(self) == O_WRONLY);
    dv_blob_put_u32(out, (uint32_t)capacity);
    if (self == reader)
        return put_pipe_content(reader, capacity, out);
    dv_blob_put_bytes(out, "", 0);
    return DV_OK;
}

static enum dv_status lacks(const struct dv_open_fd *open_fd, const char *what)
{
    char text[160];
    snprintf(text, sizeof text, "of a kind whose %s this kernel does not show in /proc/self/fdinfo",
             what);
    return dv_fd_refuse(open_fd, text);
}

static void put_head(struct dv_blob *out, enum dv_fd_kind kind, const struct dv_open_fd *open_fd)
{
    dv_blob_put_u32(out, kind);
    dv_blob_put_u32(out, (uint32_t)(open_fd->flags & O_NONBLOCK));
}

static enum dv_status put_eventfd(const struct dv_open_fd *open_fd, const char *info,
                                  struct dv_blob *out)
{
    const char *count = dv_proc_field(info, "eventfd-count");
    const char *semaphore = dv_proc_field(info, "eventfd-semaphore");
    if (!count || !semaphore)
        return lacks(open_fd, "counting mode (Linux 6.5)");
    if (out) {
        put_head(out, DV_FD_EVENTFD, open_fd);
        dv_blob_put_u64(out, strtoull(count, NULL, 16));
        dv_blob_put_u32(out, (uint32_t)strtoul(semaphore, NULL, 10));
    }
    return DV_OK;
}

static int parse_pair(const char *text, uint64_t pair[2])
{
    unsigned long long seconds, nanoseconds;
    if (!text || sscanf(text, "(%llu, %llu)", &seconds, &nanoseconds) != 2)
        return 0;
    pair[0] = seconds;
    pair[1] = nanoseconds;
    return 1;
}

static enum dv_status put_timerfd(const struct dv_open_fd *open_fd, const char *info,
                                  struct dv_blob *out)
{
    const char *clock = dv_proc_field(info, "clockid"), *ticks = dv_proc_field(info, "ticks");
    uint64_t value[2], interval[2];
    if (!clock || !ticks || !parse_pair(dv_proc_field(info, "it_value"), value) ||
        !parse_pair(dv_proc_field(info, "it_interval"), interval))
        return lacks(open_fd, "timer");
    if (out) {
        put_head(out, DV_FD_TIMERFD, open_fd);
        dv_blob_put_u32(out, (uint32_t)strtoul(clock, NULL, 10));
        dv_blob_put_u64(out, strtoull(ticks, NULL, 10));
        dv_blob_put_u64(out, value[0]);
        dv_blob_put_u64(out, value[1]);
        dv_blob_put_u64(out, interval[0]);
        dv_blob_put_u64(out, interval[1]);
    }
    return DV_OK;
}

static enum dv_status put_signalfd(const struct dv_open_fd *open_fd, const char *info,
                                   struct dv_blob *out)
{
    const char *mask = dv_proc_field(info, "sigmask");
    if (!mask)
        return lacks(open_fd, "signal mask");
    if (out) {
        put_head(out, DV_FD_SIGNALFD, open_fd);
        dv_blob_put_u64(out, strtoull(mask, NULL, 16));
    }
    return DV_OK;
}

static int is_listed(const struct dv_open_fd *list, size_t count, uint64_t fd, uint64_t inode)
{
    for (size_t i = 0; i < count; i++)
        if ((uint64_t)list[i].fd == fd)
            return list[i].info.st_ino == inode;
    return 0;
}

/* "tfd:        5 events:       19 data:                5  pos:0 ino:32 sdev:f" per target. */
static enum dv_status put_epoll(const struct dv_open_fd *list, size_t count, size_t at,
                                const char *info, struct dv_blob *out)
{
    const struct dv_open_fd *self = &list[at];
    struct dv_blob targets = {0};
    uint32_t found = 0;
    enum dv_status status = DV_OK;
    for (const char *line = strstr(info, "tfd:"); line; line = strstr(line + 1, "tfd:")) {
        unsigned fd, events;
        unsigned long long data, inode;
        if (sscanf(line, "tfd: %u events: %x data: %llx pos:%*d ino:%llx", &fd, &events, &data,
                   &inode) != 4)
            status = lacks(self, "targets");
        else if (!is_listed(list, count, fd, inode))
            status = dv_fd_refuse(self, "an epoll that watches a closed descriptor");
        if (status != DV_OK)
            break;
        found++;
        dv_blob_put_u32(&targets, fd);
        dv_blob_put_u32(&targets, events);
        dv_blob_put_u64(&targets, data);
    }
    if (status == DV_OK && out) {
        put_head(out, DV_FD_EPOLL, self);
        dv_blob_put_u32(out, found);
        dv_blob_put_bytes(out, targets.bytes, targets.length);
        out->failed |= targets.failed;
    }
    dv_blob_free(&targets);
    return status;
}

enum dv_status dv_fd_put_special(const struct dv_open_fd *list, size_t count, size_t at,
                                 struct dv_blob *out)
{
    const struct dv_open_fd *self = &list[at];
    const char *type = self->link + strlen("anon_inode:");
    char *info;
    enum dv_status status = dv_fd_info_read(self, &info);
    if (status != DV_OK)
        return status;
    if (strcmp(type, "[eventfd]") == 0)
        status = put_eventfd(self, info, out);
    else if (strcmp(type, "[timerfd]") == 0)
        status = put_timerfd(self, info, out);
    else if (strcmp(type, "[signalfd]") == 0)
        status = put_signalfd(self, info, out);
    else if (strcmp(type, "[eventpoll]") == 0)
        status = put_epoll(list, count, at, info, out);
    else
        status = dv_fd_refuse(self, "a kernel object that cannot be captured");
    free(info);
    return status;
}

static enum dv_status not_made(const char *what)
{
    return dv_fail("capture", DV_ERR_SYSTEM, "cannot make the application's %s again: %s", what,
                   strerror(errno));
}

enum dv_status dv_fd_get_eventfd(struct dv_blob_reader *in, uint32_t flags, int *fd)
{
    uint64_t count = dv_blob_get_u64(in);
    uint32_t semaphore = dv_blob_get_u32(in);
    if (in->failed)
        return DV_OK; /* the caller looks at the reader */
    int made = eventfd(0, EFD_CLOEXEC | (flags & O_NONBLOCK ? EFD_NONBLOCK : 0) |
                              (semaphore ? EFD_SEMAPHORE : 0));
    if (made < 0)
        return not_made("eventfd");
    if (count && write(made, &count, sizeof count) != sizeof count) {
        enum dv_status status = not_made("eventfd");
        close(made);
        return status;
    }
    *fd = made;
    return DV_OK;
}

enum dv_status dv_fd_get_timerfd(struct dv_blob_reader *in, uint32_t flags, int *fd)
{
    int clock = (int)dv_blob_get_u32(in);
    uint64_t ticks = dv_blob_get_u64(in);
    struct itimerspec timer;
    timer.it_value.tv_sec = (time_t)dv_blob_get_u64(in);
    timer.it_value.tv_nsec = (long)dv_blob_get_u64(in);
    timer.it_interval.tv_sec = (time_t)dv_blob_get_u64(in);
    timer.it_interval.tv_nsec = (long)dv_blob_get_u64(in);
    if (in->failed)
        return DV_OK;
    int made = timerfd_create(clock, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
    if (made < 0)
        return not_made("timerfd");
    if (timerfd_settime(made, 0, &timer, NULL) != 0 ||
        (ticks && ioctl(made, TIMERFD_SET_TICKS, &ticks) != 0)) {
        enum dv_status status = not_made("timerfd");
        close(made);
        return status;
    }
    *fd = made;
    return DV_OK;
}

enum dv_status dv_fd_get_signalfd(struct dv_blob_reader *in, uint32_t flags, int *fd)
{
    uint64_t mask = dv_blob_get_u64(in);
    if (in->failed)
        return DV_OK;
    long made = syscall(SYS_signalfd4, -1, &mask, sizeof mask,
                        SFD_CLOEXEC | (flags & O_NONBLOCK ? SFD_NONBLOCK : 0));
    if (made < 0)
        return not_made("signalfd");
    *fd = (int)made;
    return DV_OK;
}

enum dv_status dv_fd_fill_epoll(struct dv_blob_reader in, int fd)
{
    uint32_t count = dv_blob_get_u32(&in);
    size_t length;
    const uint8_t *bytes = dv_blob_get_bytes(&in, &length);
    struct dv_blob_reader targets = {.at = bytes, .end = bytes ? bytes + length : NULL};
    for (uint32_t i = 0; i < count && !targets.failed; i++) {
        uint32_t target = dv_blob_get_u32(&targets);
        struct epoll_event event = {.events = dv_blob_get_u32(&targets)};
        event.data.u64 = dv_blob_get_u64(&targets);
        if (!targets.failed && epoll_ctl(fd, EPOLL_CTL_ADD, (int)target, &event) != 0)
            return not_made("epoll");
    }
    if (in.failed || targets.failed)
        return dv_fail("capture", DV_ERR_DAMAGED, "the image's descriptor %d is damaged", fd);
    return DV_OK;
}
