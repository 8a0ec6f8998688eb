/* The ranks' agents: their connections and what they say. */
#include "common/fail.h"
#include "common/io.h"
#include "control/launch.h"
#include "control/supervisor_state.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void refuse_hello(const struct dv_wire_hello *hello, const char *why)
{
    dv_warn("control", "a connection from process %u, as rank %u, was turned away: %s", hello->pid,
            hello->rank, why);
}

static bool hello_is_good(struct dv_sup *s, const struct dv_wire_hello *hello)
{
    char why[160];
    if (!dv_token_equal(hello->token, s->token)) {
        refuse_hello(hello, "it does not know the job's token");
        return false;
    }
    if (hello->version != DV_WIRE_VERSION) {
        snprintf(why, sizeof why, "it speaks version %u of the protocol, not %u; rebuild DejaVu",
                 hello->version, DV_WIRE_VERSION);
        refuse_hello(hello, why);
        return false;
    }
    if (hello->incarnation != s->incarnation) {
        /* Left over from before a restart. */
        dv_debug("control", "rank %u of incarnation %u has come too late", hello->rank,
                 hello->incarnation);
        return false;
    }
    if (hello->rank >= s->size || hello->size != s->size) {
        snprintf(why, sizeof why,
                 "it says it is one of %u ranks, but the job has %u; is the MPI library another "
                 "one than that of %s?",
                 hello->size, s->size, s->job->mpiexec);
        refuse_hello(hello, why);
        return false;
    }
    if (s->ranks[hello->rank].connected) {
        refuse_hello(hello, "that rank is connected already");
        return false;
    }
    return s->state == DV_SUP_LAUNCHING;
}

static void rank_runs(struct dv_sup *s, unsigned rank)
{
    struct dv_sup_rank *r = &s->ranks[rank];
    r->restored = r->end.begun = true;
    for (unsigned i = 0; i < s->size; i++)
        if (!s->ranks[i].restored)
            return;
    if (s->state != DV_SUP_LAUNCHING)
        return;
    s->state = DV_SUP_RUNNING;
    s->failed_starts = 0;
    uint64_t now = dv_now_ns();
    dv_events_log(s->events, "running", "incarnation=%u epoch=%" PRIu64 " start_ns=%" PRIu64,
                  s->incarnation, s->restore_epoch, now - s->launched_ns);
    dv_sup_interval_begin(s, now);
}

bool dv_sup_hello(struct dv_sup *s, struct dv_conn *conn, const struct dv_wire_header *header,
                  const void *payload)
{
    struct dv_wire_hello hello;
    if (header->length != sizeof hello) {
        dv_warn("control", "a connection was turned away: its HELLO has %u bytes, not %zu",
                header->length, sizeof hello);
        return false;
    }
    memcpy(&hello, payload, sizeof hello);
    hello.host[sizeof hello.host - 1] = '\0';
    if (!hello_is_good(s, &hello))
        return false;
    struct dv_sup_rank *r = &s->ranks[hello.rank];
    r->conn = conn;
    r->connected = true;
    r->pid = (int)hello.pid;
    memcpy(r->host, hello.host, sizeof r->host);
    for (char *p = r->host; *p; p++)
        if (*p <= ' ' || *p > '~')
            *p = '?';
    char here[64] = "";
    (void)gethostname(here, sizeof here - 1);
    r->pidfd = strcmp(here, r->host) == 0 ? dv_pidfd_open(r->pid) : -1;
    conn->max_payload = DV_WIRE_MAX_PAYLOAD;
    dv_events_log(s->events, "connected", "rank=%u pid=%d host=%s incarnation=%u", hello.rank,
                  r->pid, r->host, s->incarnation);
    struct dv_wire_welcome welcome = {
        .interval_ns = s->job->interval_s > 0 ? (uint64_t)(s->job->interval_s * 1e9) : 0};
    snprintf(welcome.spare, sizeof welcome.spare, "%s/spare",
             dv_place_base(&s->place, s->directory, hello.rank, s->size));
    if (dv_conn_send(conn, DV_WIRE_WELCOME, hello.rank, &welcome, sizeof welcome, NULL, 0) != DV_OK)
        return true; /* its end is seen as that of the connection */
    if (!s->restore_epoch)
        rank_runs(s, hello.rank);
    return true;
}

static void on_exiting(struct dv_sup *s, unsigned rank, const void *payload, size_t length)
{
    struct dv_wire_exiting exiting;
    if (length != sizeof exiting)
        return;
    memcpy(&exiting, payload, sizeof exiting);
    struct dv_sup_rank *r = &s->ranks[rank];
    if (r->exiting)
        return;
    r->exiting = true;
    r->end.exiting_order = ++s->order;
    r->end.exiting_status = exiting.status;
    dv_events_log(s->events, "exiting", "rank=%u status=%d", rank, exiting.status);
    char reason[64];
    snprintf(reason, sizeof reason, "rank %u is ending", rank);
    if (s->epoch_ready && s->epoch.phase != DV_EPOCH_SYNCING)
        dv_epoch_abort(&s->epoch, DV_ERR_REFUSED, (int)rank, reason);
}

/* A rank that was restored lazily finds out afterwards that its image was damaged. */
static bool is_about_restore(const struct dv_sup *s, const void *payload, size_t length)
{
    struct dv_wire_failed failed;
    if (length != sizeof failed)
        return false;
    memcpy(&failed, payload, sizeof failed);
    return s->restore_epoch != 0 && failed.epoch == s->restore_epoch &&
           failed.status != DV_ERR_REFUSED;
}

/* A failure that comes before the rank runs again, or that names the epoch it was restored from, is about the restore. */
static void on_start_failed(struct dv_sup *s, unsigned rank, const void *payload, size_t length)
{
    struct dv_wire_failed failed;
    if (length != sizeof failed)
        return;
    memcpy(&failed, payload, sizeof failed);
    failed.reason[sizeof failed.reason - 1] = '\0';
    dv_events_log(s->events, "start_failed", "rank=%u epoch=%" PRIu64 " status=%d", rank,
                  failed.epoch, failed.status);
    if (s->start_failure != DV_OK)
        return;
    s->start_failure = failed.status > DV_OK && failed.status < DV_STATUS_COUNT
                           ? (enum dv_status)failed.status
                           : DV_ERR_PROTOCOL;
    snprintf(s->start_reason, sizeof s->start_reason, "rank %u: %s", rank, failed.reason);
}

static void on_restored(struct dv_sup *s, unsigned rank, const void *payload, size_t length)
{
    struct dv_wire_figures figures;
    if (length != sizeof figures || s->ranks[rank].restored)
        return;
    memcpy(&figures, payload, sizeof figures);
    dv_events_figures(s->events, "restored", rank, &figures);
    rank_runs(s, rank);
}

static void mark_gone(struct dv_sup *s, unsigned rank)
{
    struct dv_sup_rank *r = &s->ranks[rank];
    dv_conn_close(r->conn);
    r->conn = NULL;
    char reason[64];
    if (!r->exiting) {
        r->lost = true;
        r->end.lost_order = ++s->order;
        r->end.lost_round = s->round;
        dv_events_log(s->events, "lost", "rank=%u pid=%d", rank, r->pid);
        snprintf(reason, sizeof reason, "rank %u was lost", rank);
    } else {
        snprintf(reason, sizeof reason, "rank %u has ended", rank);
    }
    if (s->epoch_ready)
        dv_epoch_lost(&s->epoch, rank, reason);
    if (r->lost)
        dv_sup_ending(s);
}

static bool peer_hung_up(const struct dv_sup_rank *r)
{
    struct pollfd p = {.fd = r->conn->fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* A rank that announces a failure may do so because a peer was lost an instant before: what the
 * others' connections already know comes first. */
static void look_at_others(struct dv_sup *s, unsigned rank)
{
    for (unsigned i = 0; i < s->size; i++)
        if (i != rank && s->ranks[i].conn && peer_hung_up(&s->ranks[i]))
            dv_sup_agent_readable(s, i);
}

static enum dv_status dispatch(struct dv_sup *s, unsigned rank, const struct dv_wire_header *h,
                               const void *payload)
{
    int32_t status = 0;
    switch (h->type) {
    case DV_WIRE_EXITING:
        if (h->length == sizeof status)
            memcpy(&status, payload, sizeof status);
        if (status)
            look_at_others(s, rank);
        on_exiting(s, rank, payload, h->length);
        return DV_OK;
    case DV_WIRE_RESTORED:
        on_restored(s, rank, payload, h->length);
        return DV_OK;
    case DV_WIRE_DECISIONS:
        dv_events_decisions(s->events, rank, payload, h->length);
        return DV_OK;
    case DV_WIRE_FAILED:
        if (!s->ranks[rank].restored || is_about_restore(s, payload, h->length)) {
            on_start_failed(s, rank, payload, h->length);
            return DV_OK;
        }
        break;
    default:
        break;
    }
    if (!s->epoch_ready)
        return DV_OK;
    return dv_epoch_frame(&s->epoch, rank, (enum dv_wire_type)h->type, payload, h->length,
                          dv_now_ns());
}

void dv_sup_agent_readable(struct dv_sup *s, unsigned rank)
{
    struct dv_sup_rank *r = &s->ranks[rank];
    if (!r->conn)
        return;
    enum dv_status filled = dv_conn_fill(r->conn), status;
    struct dv_wire_header header;
    const void *payload;
    while (r->conn && (status = dv_conn_next(r->conn, &header, &payload)) != DV_ERR_NOTHING) {
        if (status == DV_OK)
            status = dispatch(s, rank, &header, payload);
        if (status) {
            dv_error("control", "rank %u (process %d) sent %s that makes no sense now (%s)", rank,
                     r->pid, dv_wire_type_name(header.type), dv_status_text(status));
            filled = DV_ERR_PROTOCOL;
            break;
        }
    }
    if (filled && r->conn)
        mark_gone(s, rank);
}

void dv_sup_agent_died(struct dv_sup *s, unsigned rank)
{
    dv_sup_agent_readable(s, rank);
    if (s->ranks[rank].conn)
        mark_gone(s, rank);
}

void dv_sup_send_all(struct dv_sup *s, enum dv_wire_type type, const void *payload, size_t length,
                     const void *payload2, size_t length2)
{
    for (unsigned i = 0; i < s->size; i++) {
        /* A connection that fails now is found to be closed by the poll loop. */
        if (s->ranks[i].conn &&
            dv_conn_send(s->ranks[i].conn, type, i, payload, length, payload2, length2) != DV_OK)
            dv_debug("control", "cannot send %s to rank %u", dv_wire_type_name(type), i);
    }
}

void dv_sup_agents_drain(struct dv_sup *s)
{
    for (unsigned i = 0; i < s->size; i++)
        dv_sup_agent_readable(s, i);
}

void dv_sup_agents_forget(struct dv_sup *s)
{
    for (unsigned i = 0; i < s->size; i++) {
        dv_conn_close(s->ranks[i].conn);
        if (s->ranks[i].pidfd >= 0)
            close(s->ranks[i].pidfd);
        memset(&s->ranks[i], 0, sizeof s->ranks[i]);
        s->ranks[i].pidfd = -1;
    }
    s->order = 0;
}
