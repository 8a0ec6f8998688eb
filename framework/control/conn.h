/* One connection of the supervisor: frames in and out of a non-blocking socket, buffered, so that a
 * peer that does not read never blocks the supervisor.
 *
 * Owned by who opened it; one thread. A frame returned by dv_conn_next stays valid until the next
 * dv_conn_next or dv_conn_fill on the same connection. */
#ifndef DV_CONTROL_CONN_H
#define DV_CONTROL_CONN_H

#include "control/wire.h"

#include <dejavu/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dv_conn {
    int fd;
    size_t max_payload; /* a longer frame is an error: small before the peer has shown the token */
    uint8_t *in, *out;
    size_t in_start, in_end, in_bytes;
    size_t out_start, out_end, out_bytes;
};

/* Takes over `fd` (also when it fails: then it is closed). */
enum dv_status dv_conn_open(int fd, size_t max_payload, struct dv_conn **conn) DV_CHECKED;
/* Closes the descriptor. NULL is allowed. */
void dv_conn_close(struct dv_conn *conn);

/* Queue one frame and send what the socket takes. DV_ERR_ABORTED: the peer is gone. */
enum dv_status dv_conn_send(struct dv_conn *conn, enum dv_wire_type type, unsigned rank,
                            const void *payload, size_t length, const void *payload2,
                            size_t length2) DV_CHECKED;
enum dv_status dv_conn_flush(struct dv_conn *conn) DV_CHECKED;
bool dv_conn_wants_write(const struct dv_conn *conn);
/* Take in what has arrived. DV_ERR_ABORTED: the peer has closed; frames that came before can still
 * be read. */
enum dv_status dv_conn_fill(struct dv_conn *conn) DV_CHECKED;
/* The next whole frame: DV_OK; DV_ERR_NOTHING: not there yet; DV_ERR_PROTOCOL: this is not our
 * protocol. */
enum dv_status dv_conn_next(struct dv_conn *conn, struct dv_wire_header *header,
                            const void **payload) DV_CHECKED;

#endif
