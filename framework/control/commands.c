/* What the other verbs ask of a running supervisor. */
#include "common/fail.h"
#include "common/io.h"
#include "control/supervisor_state.h"

#include <dejavu/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dv_status dv_sup_client_add(struct dv_sup *s, struct dv_conn *conn)
{
    struct dv_client *larger = realloc(s->clients, (s->client_count + 1) * sizeof *larger);
    if (!larger)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for a connection");
    s->clients = larger;
    larger[s->client_count++] = (struct dv_client){.conn = conn};
    return DV_OK;
}

/* Answers longer than one frame's text come as several; the connection's end is the answer's end.
 */
static void answer(struct dv_client *c, enum dv_status status, uint64_t epoch, const char *text)
{
    do {
        struct dv_wire_answer frame = {.status = (int32_t)status, .epoch = epoch};
        size_t length = strnlen(text, sizeof frame.text - 1);
        memcpy(frame.text, text, length);
        text += length;
        if (dv_conn_send(c->conn, DV_WIRE_ANSWER, 0, &frame, sizeof frame, NULL, 0) != DV_OK)
            break;
    } while (*text);
    c->waits_checkpoint = c->waits_stop = false;
}

/* After its answer the connection is closed once everything is sent. */
static void drop(struct dv_client *c)
{
    dv_conn_close(c->conn);
    c->conn = NULL;
}

void dv_sup_clients_clean(struct dv_sup *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->client_count; i++)
        if (s->clients[i].conn)
            s->clients[kept++] = s->clients[i];
    s->client_count = kept;
}

static void finish_answer(struct dv_client *c, enum dv_status status, uint64_t epoch,
                          const char *text)
{
    answer(c, status, epoch, text);
    if (!dv_conn_wants_write(c->conn))
        drop(c);
}

static const char *state_text(const struct dv_sup *s)
{
    static const char *const phases[] = {"running", "checkpoint: coming to a cut",
                                         "checkpoint: capturing", "running, checkpoint: syncing",
                                         "running, checkpoint: making copies or parity"};
    switch (s->state) {
    case DV_SUP_LAUNCHING:
        return s->restore_epoch ? "restoring" : "starting";
    case DV_SUP_RUNNING:
        return phases[s->epoch.phase];
    case DV_SUP_ENDING:
        return "ending";
    default:
        return "restarting";
    }
}

static char *status_text(const struct dv_sup *s)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    fprintf(out, "state: %s\n", state_text(s));
    fprintf(out, "program: %s\n", s->job->program);
    fprintf(out, "strategy: %s\n", s->strategy);
    fprintf(out, "ranks: %u\n", s->size);
    fprintf(out, "restarts: %u of at most %u\n", s->restarts, s->job->max_restarts);
    if (s->committed_epoch)
        fprintf(out, "last epoch: %" PRIu64 "\n", s->committed_epoch);
    else
        fprintf(out, "last epoch: none\n");
    fprintf(out, "last failure: %s\n", s->last_failure[0] ? s->last_failure : "none");
    if (s->last_refusal[0])
        fprintf(out, "last checkpoint: %s\n", s->last_refusal);
    for (unsigned r = 0; r < s->size; r++) {
        const struct dv_sup_rank *rank = &s->ranks[r];
        const char *what = rank->exiting     ? "ending"
                           : rank->lost      ? "lost"
                           : rank->restored  ? "running"
                           : rank->connected ? "restoring"
                                             : "not connected";
        fprintf(out, "rank %u: %s, process %d, host %s\n", r, what, rank->pid,
                rank->host[0] ? rank->host : "?");
    }
    int failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

static void on_status(struct dv_sup *s, struct dv_client *c)
{
    char *text = status_text(s);
    if (text)
        finish_answer(c, DV_OK, s->committed_epoch, text);
    else
        finish_answer(c, DV_ERR_NO_MEMORY, 0, "no memory for the status");
    free(text);
}

static void on_checkpoint(struct dv_sup *s, struct dv_client *c, bool stop)
{
    const char *why = dv_sup_not_now(s);
    char text[300];
    if (why) {
        snprintf(text, sizeof text, "cannot checkpoint now: %s", why);
        finish_answer(c, DV_ERR_REFUSED, 0, text);
        return;
    }
    c->waits_checkpoint = !stop;
    c->waits_stop = stop;
    switch (s->epoch.phase) {
    case DV_EPOCH_STOPPING:
        /* Not captured yet: the one that is under way will do. */
        c->at_least = s->epoch.number;
        return;
    case DV_EPOCH_WRITING:
    case DV_EPOCH_SYNCING:
    case DV_EPOCH_PROTECTING:
        c->at_least = s->next_epoch;
        s->checkpoint_wanted = true;
        return;
    case DV_EPOCH_IDLE:
        break;
    }
    c->at_least = s->next_epoch;
    if (!dv_sup_checkpoint(s, stop ? DV_CAUSE_STOP : DV_CAUSE_COMMAND, &why))
        finish_answer(c, DV_ERR_REFUSED, 0, why);
}

static void begin_stopping(struct dv_sup *s)
{
    s->stopping = true;
    dv_sup_kill(s);
}

static void on_command(struct dv_sup *s, struct dv_client *c, const struct dv_wire_header *header,
                       const void *payload)
{
    struct dv_wire_command command;
    if (header->length != sizeof command) {
        drop(c);
        return;
    }
    memcpy(&command, payload, sizeof command);
    command.verb[sizeof command.verb - 1] = '\0';
    if (!dv_token_equal(command.token, s->token)) {
        dv_warn("control", "a command was turned away: it does not know the job's token");
        drop(c);
        return;
    }
    if (strcmp(command.verb, "status") == 0) {
        on_status(s, c);
    } else if (strcmp(command.verb, "checkpoint") == 0) {
        on_checkpoint(s, c, false);
    } else if (strcmp(command.verb, "stop") == 0) {
        on_checkpoint(s, c, true);
    } else if (strcmp(command.verb, "stop-now") == 0) {
        c->waits_stop = true;
        c->at_least = UINT64_MAX;
        begin_stopping(s);
    } else {
        finish_answer(c, DV_ERR_USAGE, 0, "the supervisor does not know this command");
    }
}

void dv_sup_client_readable(struct dv_sup *s, struct dv_client *c)
{
    enum dv_status filled = dv_conn_fill(c->conn), status;
    struct dv_wire_header header;
    const void *payload;
    status = dv_conn_next(c->conn, &header, &payload);
    if (status == DV_OK && header.type == DV_WIRE_HELLO) {
        struct dv_conn *conn = c->conn;
        c->conn = NULL;
        if (!dv_sup_hello(s, conn, &header, payload))
            dv_conn_close(conn);
        return;
    }
    if (status == DV_OK && header.type == DV_WIRE_COMMAND) {
        on_command(s, c, &header, payload);
        if (filled && c->conn)
            drop(c);
        return;
    }
    if (status != DV_ERR_NOTHING)
        dv_warn("control", "a connection was turned away: it does not speak DejaVu's protocol");
    if (status != DV_ERR_NOTHING || filled)
        drop(c);
}

void dv_sup_clients_epoch(struct dv_sup *s, uint64_t epoch, enum dv_status status, const char *text)
{
    bool stop = false;
    for (size_t i = 0; i < s->client_count; i++) {
        struct dv_client *c = &s->clients[i];
        if (!c->conn || !(c->waits_checkpoint || c->waits_stop) || epoch < c->at_least)
            continue;
        if (c->waits_stop && status == DV_OK)
            stop = true; /* answered when the job is over */
        else
            finish_answer(c, status, epoch, text);
    }
    if (stop)
        begin_stopping(s);
}

bool dv_sup_stop_is_wanted(const struct dv_sup *s)
{
    for (size_t i = 0; i < s->client_count; i++)
        if (s->clients[i].conn && s->clients[i].waits_stop)
            return true;
    return false;
}

void dv_sup_clients_end(struct dv_sup *s, const char *text)
{
    for (size_t i = 0; i < s->client_count; i++) {
        struct dv_client *c = &s->clients[i];
        if (!c->conn)
            continue;
        if (c->waits_stop && s->stopping)
            answer(c, DV_OK, s->committed_epoch, text);
        else if (c->waits_checkpoint || c->waits_stop)
            answer(c, DV_ERR_REFUSED, s->committed_epoch, text);
        drop(c);
    }
    s->client_count = 0;
}
