/* Frames over a connected stream socket. */
#include "control/wire.h"

#include "common/fail.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

const char *dv_wire_type_name(unsigned type)
{
    static const char *const names[] = {
        [DV_WIRE_HELLO] = "HELLO",       [DV_WIRE_WELCOME] = "WELCOME",
        [DV_WIRE_STOP] = "STOP",         [DV_WIRE_PARKED] = "PARKED",
        [DV_WIRE_RAISE] = "RAISE",       [DV_WIRE_TARGET] = "TARGET",
        [DV_WIRE_STEP] = "STEP",         [DV_WIRE_PROCEED] = "PROCEED",
        [DV_WIRE_WRITTEN] = "WRITTEN",   [DV_WIRE_RESUME] = "RESUME",
        [DV_WIRE_DURABLE] = "DURABLE",   [DV_WIRE_COMMITTED] = "COMMITTED",
        [DV_WIRE_FAILED] = "FAILED",     [DV_WIRE_DECISIONS] = "DECISIONS",
        [DV_WIRE_ABORT] = "ABORT",       [DV_WIRE_EXITING] = "EXITING",
        [DV_WIRE_RESTORED] = "RESTORED", [DV_WIRE_COMMAND] = "COMMAND",
        [DV_WIRE_ANSWER] = "ANSWER",
    };
    if (type >= sizeof names / sizeof names[0] || !names[type])
        return "unknown";
    return names[type];
}

static int peer_is_gone(int error)
{
    return error == ECONNRESET || error == EPIPE || error == ENOTCONN;
}

/* A blocking call on a descriptor that was made non-blocking waits here. */
static void wait_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    (void)poll(&p, 1, -1);
}

static enum dv_status send_failure(enum dv_wire_type type)
{
    if (peer_is_gone(errno))
        return dv_fail_quietly(DV_ERR_ABORTED, "cannot send %s: the peer is gone",
                               dv_wire_type_name(type));
    return dv_fail("wire", DV_ERR_SYSTEM, "cannot send %s: %s", dv_wire_type_name(type),
                   strerror(errno));
}

enum dv_status dv_wire_send(int fd, enum dv_wire_type type, unsigned rank, const void *payload,
                            size_t length, const void *payload2, size_t length2)
{
    if (length > DV_WIRE_MAX_PAYLOAD || length2 > DV_WIRE_MAX_PAYLOAD - length)
        return dv_fail("wire", DV_ERR_PROTOCOL, "a %s frame of %zu bytes is over the limit of %u",
                       dv_wire_type_name(type), length + length2, DV_WIRE_MAX_PAYLOAD);
    struct dv_wire_header header = {
        .magic = DV_WIRE_MAGIC,
        .type = (uint16_t)type,
        .rank = (uint16_t)rank,
        .length = (uint32_t)(length + length2),
    };
    struct iovec parts[3] = {{&header, sizeof header},
                             {(void *)(uintptr_t)payload, length},
                             {(void *)(uintptr_t)payload2, length2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    size_t left = sizeof header + length + length2;
    while (left) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            wait_ready(fd, POLLOUT);
            continue;
        }
        if (n < 0)
            return send_failure(type);
        left -= (size_t)n;
        for (size_t done = (size_t)n; done;) {
            size_t step = done < message.msg_iov->iov_len ? done : message.msg_iov->iov_len;
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + step;
            message.msg_iov->iov_len -= step;
            done -= step;
            if (message.msg_iov->iov_len == 0 && message.msg_iovlen > 1) {
                message.msg_iov++;
                message.msg_iovlen--;
            }
        }
    }
    return DV_OK;
}

static enum dv_status receive_all(int fd, void *buffer, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t n = recv(fd, (char *)buffer + got, length - got, 0);
        if (n > 0) {
            got += (size_t)n;
            continue;
        }
        if (n == 0 || peer_is_gone(errno))
            return dv_fail_quietly(DV_ERR_ABORTED, "the peer has closed the connection");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return dv_fail("wire", DV_ERR_SYSTEM, "cannot receive: %s", strerror(errno));
        /* Either the descriptor is non-blocking or a receive timeout was set and has passed. */
        struct timeval limit = {0, 0};
        socklen_t limit_bytes = sizeof limit;
        if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &limit_bytes) == 0 &&
            (limit.tv_sec || limit.tv_usec))
            return dv_fail_quietly(DV_ERR_TIMEOUT, "no answer within %ld s", (long)limit.tv_sec);
        wait_ready(fd, POLLIN);
    }
    return DV_OK;
}

enum dv_status dv_wire_receive(int fd, struct dv_wire_header *header, void *buffer,
                               size_t buffer_bytes)
{
    enum dv_status status = receive_all(fd, header, sizeof *header);
    if (status)
        return status;
    if (header->magic != DV_WIRE_MAGIC)
        return dv_fail("wire", DV_ERR_PROTOCOL, "not a DejaVu frame (magic %#x)", header->magic);
    if (header->length > buffer_bytes)
        return dv_fail("wire", DV_ERR_PROTOCOL, "a %s frame of %u bytes; at most %zu expected",
                       dv_wire_type_name(header->type), header->length, buffer_bytes);
    return receive_all(fd, buffer, header->length);
}
