/* Buffered frames over a non-blocking socket. */
#include "control/conn.h"

#include "common/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_BUFFER_BYTES 4096u
/* A peer that leaves this much unread is stuck or hostile. */
#define OUT_LIMIT_BYTES (64u << 20)

enum dv_status dv_conn_open(int fd, size_t max_payload, struct dv_conn **conn)
{
    struct dv_conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for a connection");
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        enum dv_status status = dv_fail(
            "control", DV_ERR_SYSTEM, "cannot make a connection non-blocking: %s", strerror(errno));
        close(fd);
        free(c);
        return status;
    }
    c->fd = fd;
    c->max_payload = max_payload;
    *conn = c;
    return DV_OK;
}

void dv_conn_close(struct dv_conn *conn)
{
    if (!conn)
        return;
    close(conn->fd);
    free(conn->in);
    free(conn->out);
    free(conn);
}

/* Room for `more` bytes behind *end, moving the contents to the front or growing the buffer. */
static enum dv_status make_room(uint8_t **buffer, size_t *bytes, size_t *start, size_t *end,
                                size_t more)
{
    if (*bytes - *end >= more)
        return DV_OK;
    size_t used = *end - *start;
    if (used && *start)
        memmove(*buffer, *buffer + *start, used);
    *start = 0;
    *end = used;
    if (*bytes - used >= more)
        return DV_OK;
    size_t wanted = *bytes ? *bytes : FIRST_BUFFER_BYTES;
    while (wanted - used < more)
        wanted *= 2;
    uint8_t *grown = realloc(*buffer, wanted);
    if (!grown)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %zu bytes of messages", wanted);
    *buffer = grown;
    *bytes = wanted;
    return DV_OK;
}

static void append_out(struct dv_conn *c, const void *bytes, size_t length)
{
    if (length)
        memcpy(c->out + c->out_end, bytes, length);
    c->out_end += length;
}

enum dv_status dv_conn_send(struct dv_conn *conn, enum dv_wire_type type, unsigned rank,
                            const void *payload, size_t length, const void *payload2,
                            size_t length2)
{
    struct dv_wire_header header = {
        .magic = DV_WIRE_MAGIC,
        .type = (uint16_t)type,
        .rank = (uint16_t)rank,
        .length = (uint32_t)(length + length2),
    };
    if (conn->out_end - conn->out_start > OUT_LIMIT_BYTES)
        return dv_fail("control", DV_ERR_ABORTED, "rank %u does not read its messages", rank);
    enum dv_status status = make_room(&conn->out, &conn->out_bytes, &conn->out_start,
                                      &conn->out_end, sizeof header + length + length2);
    if (status)
        return status;
    append_out(conn, &header, sizeof header);
    append_out(conn, payload, length);
    append_out(conn, payload2, length2);
    return dv_conn_flush(conn);
}

enum dv_status dv_conn_flush(struct dv_conn *conn)
{
    while (conn->out_start < conn->out_end) {
        ssize_t n = send(conn->fd, conn->out + conn->out_start, conn->out_end - conn->out_start,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            conn->out_start += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return DV_OK;
        return dv_fail_quietly(DV_ERR_ABORTED, "cannot send: %s", strerror(errno));
    }
    conn->out_start = conn->out_end = 0;
    return DV_OK;
}

bool dv_conn_wants_write(const struct dv_conn *conn)
{
    return conn->out_start < conn->out_end;
}

enum dv_status dv_conn_fill(struct dv_conn *conn)
{
    for (;;) {
        enum dv_status status = make_room(&conn->in, &conn->in_bytes, &conn->in_start,
                                          &conn->in_end, FIRST_BUFFER_BYTES);
        if (status)
            return status;
        size_t room = conn->in_bytes - conn->in_end;
        ssize_t n = recv(conn->fd, conn->in + conn->in_end, room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return DV_OK;
        if (n < 0)
            return dv_fail_quietly(DV_ERR_ABORTED, "cannot receive: %s", strerror(errno));
        if (n == 0)
            return dv_fail_quietly(DV_ERR_ABORTED, "the peer has closed the connection");
        conn->in_end += (size_t)n;
        /* A short read has emptied the socket; and no more is taken in than one frame may hold,
         * so that a peer cannot make the buffer grow at will. */
        if ((size_t)n < room || conn->in_end - conn->in_start > conn->max_payload)
            return DV_OK;
    }
}

enum dv_status dv_conn_next(struct dv_conn *conn, struct dv_wire_header *header,
                            const void **payload)
{
    size_t there = conn->in_end - conn->in_start;
    if (there < sizeof *header)
        return DV_ERR_NOTHING;
    memcpy(header, conn->in + conn->in_start, sizeof *header);
    if (header->magic != DV_WIRE_MAGIC)
        return dv_fail_quietly(DV_ERR_PROTOCOL, "not a DejaVu frame (magic %#x)", header->magic);
    if (header->length > conn->max_payload)
        return dv_fail_quietly(DV_ERR_PROTOCOL, "a %s frame of %u bytes; at most %zu expected",
                               dv_wire_type_name(header->type), header->length, conn->max_payload);
    if (there - sizeof *header < header->length)
        return DV_ERR_NOTHING;
    *payload = conn->in + conn->in_start + sizeof *header;
    conn->in_start += sizeof *header + header->length;
    return DV_OK;
}
