/* The record of what happened to a job. */
#include "control/events.h"

#include "common/fail.h"
#include "common/io.h"
#include "common/keep.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4096

struct dv_events {
    int fd; /* -1: off after an error */
    uint64_t start_ns;
};

enum dv_status dv_events_open(const char *job_directory, struct dv_events **events)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/events", job_directory);
    struct dv_events *e = calloc(1, sizeof *e);
    if (!e)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %s", path);
    e->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (e->fd < 0) {
        free(e);
        return dv_fail("control", DV_ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    }
    e->start_ns = dv_now_ns();
    *events = e;
    return DV_OK;
}

void dv_events_close(struct dv_events *events)
{
    if (!events)
        return;
    if (events->fd >= 0)
        close(events->fd);
    free(events);
}

void dv_events_log(struct dv_events *events, const char *event, const char *format, ...)
{
    if (events->fd < 0)
        return;
    char line[LINE_BYTES];
    uint64_t us = (dv_now_ns() - events->start_ns) / 1000u;
    int used = snprintf(line, sizeof line, "%" PRIu64 ".%06" PRIu64 " %s%s", us / 1000000u,
                        us % 1000000u, event, *format ? " " : "");
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    va_end(args);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof line - 1)
        length = sizeof line - 1;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    line[length++] = '\n';
    if (dv_write_all(events->fd, line, length) == DV_OK)
        return;
    dv_warn("control", "cannot write the job's events: %s; no more events are recorded",
            strerror(errno));
    close(events->fd);
    events->fd = -1;
}

static const char *snapshot_name(uint64_t kept)
{
    const char *name = dv_keep_name((enum dv_keep)kept);
    return name ? name : "unknown";
}

void dv_events_figures(struct dv_events *events, const char *event, unsigned rank,
                       const struct dv_wire_figures *f)
{
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"stop_ns", f->stop_ns},
        {"cut_ns", f->cut_ns},
        {"collectives_ns", f->collectives_ns},
        {"drain_ns", f->drain_ns},
        {"select_ns", f->select_ns},
        {"scan_ns", f->scan_ns},
        {"snapshot_ns", f->snapshot_ns},
        {"stall_ns", f->stall_ns},
        {"write_ns", f->write_ns},
        {"sync_ns", f->sync_ns},
        {"populated_bytes", f->populated_bytes},
        {"examined_bytes", f->examined_bytes},
        {"zero_bytes", f->zero_bytes},
        {"same_bytes", f->same_bytes},
        {"data_bytes", f->data_bytes},
        {"inherited_bytes", f->inherited_bytes},
        {"file_bytes", f->file_bytes},
        {"parent_epoch", f->parent_epoch},
        {"oracle_pages", f->oracle_pages},
        {"drained_messages", f->drained_messages},
        {"drained_bytes", f->drained_bytes},
        {"split_ns", f->split_ns},
        {"mpi_init_ns", f->mpi_init_ns},
        {"read_ns", f->read_ns},
        {"rebuild_ns", f->rebuild_ns},
        {"restore_ns", f->restore_ns},
        {"chain_length", f->chain_length},
        {"loaded_bytes", f->loaded_bytes},
        {"lazy_bytes", f->lazy_bytes},
    };
    char text[LINE_BYTES / 2];
    size_t used = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s=%" PRIu64, fields[i].name,
                                 fields[i].value);
    char digest[33];
    for (size_t i = 0; i < sizeof f->digest; i++)
        snprintf(digest + 2 * i, 3, "%02x", f->digest[i]);
    dv_events_log(events, event, "epoch=%" PRIu64 " rank=%u%s snapshot=%s digest=%s", f->epoch,
                  rank, text, snapshot_name(f->kept), digest);
}

void dv_events_decisions(struct dv_events *events, unsigned rank, const void *payload,
                         size_t length)
{
    struct dv_wire_epoch frame;
    if (length < sizeof frame)
        return;
    memcpy(&frame, payload, sizeof frame);
    const char *text = (const char *)payload + sizeof frame;
    size_t left = strnlen(text, length - sizeof frame);
    while (left > 0) {
        const char *end = memchr(text, '\n', left);
        size_t line = end ? (size_t)(end - text) : left;
        int shown = line < LINE_BYTES ? (int)line : LINE_BYTES;
        const char *event = strncmp(text, "start=", 6) == 0 ? "region" : "decision";
        if (line > 0)
            dv_events_log(events, event, "epoch=%" PRIu64 " rank=%u %.*s", frame.epoch, rank, shown,
                          text);
        line += end != NULL;
        text += line;
        left -= line;
    }
}

const char *dv_events_quote(const char *text, char *buffer, size_t buffer_bytes)
{
    size_t used = 0;
    buffer[used++] = '"';
    for (; *text && used + 4 < buffer_bytes; text++) {
        if (*text == '"' || *text == '\\')
            buffer[used++] = '\\';
        buffer[used++] = *text;
    }
    buffer[used++] = '"';
    buffer[used] = '\0';
    return buffer;
}
