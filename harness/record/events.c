#include "harness/record/events.h"

#include "harness/record/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "key=", or `missing`. */
static int64_t field_number(const char *fields, const char *key, int64_t missing)
{
    size_t length = strlen(key);
    for (const char *at = fields; (at = strstr(at, key)); at += length) {
        if ((at == fields || at[-1] == ' ') && at[length] == '=')
            return strtoll(at + length + 1, NULL, 10);
    }
    return missing;
}

/* Every key=value that is a column of the row; others belong to /events only. */
static void set_columns(const struct dv_table_kind *kind, void *row, const char *fields)
{
    char *copy = strdup(fields), *rest = copy, *word;
    while (copy && (word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        if (!equals)
            continue;
        *equals = '\0';
        if (strcmp(word, "run") != 0 && strcmp(word, "at_s") != 0 &&
            dv_table_set(kind, row, word, equals + 1) != DV_OK)
            continue;
    }
    free(copy);
}

struct reading {
    int64_t run, incarnation;
    struct dv_tables *tables;
    struct dv_events_summary *summary;
    size_t first_epoch_row;
};

static void take_rank(struct reading *r, double at_s, const char *fields)
{
    struct dv_epoch_row *row = DV_ADD(r->tables, DV_TABLE_EPOCHS, dv_epoch_row);
    set_columns(&dv_table_kinds[DV_TABLE_EPOCHS], row, fields);
    row->run = r->run;
    row->at_s = at_s;
}

/* The reason is the rest of the line, in quotes or not. */
static void take_region(struct reading *r, double at_s, const char *fields)
{
    struct dv_decision_row *row = DV_ADD(r->tables, DV_TABLE_DECISIONS, dv_decision_row);
    const char *reason = strstr(fields, "reason=");
    char *figures = strndup(fields, reason ? (size_t)(reason - fields) : strlen(fields));
    if (figures)
        set_columns(&dv_table_kinds[DV_TABLE_DECISIONS], row, figures);
    free(figures);
    row->run = r->run;
    row->at_s = at_s;
    if (!reason)
        return;
    reason += strlen("reason=");
    bool quoted = *reason == '"';
    DV_TEXT_SET(row->reason, reason + quoted);
    size_t length = strlen(row->reason);
    if (quoted && length > 0 && row->reason[length - 1] == '"')
        row->reason[length - 1] = '\0';
}

static void take_restored(struct reading *r, double at_s, const char *fields)
{
    struct dv_restore_row *row = DV_ADD(r->tables, DV_TABLE_RESTORES, dv_restore_row);
    row->incarnation = r->incarnation;
    set_columns(&dv_table_kinds[DV_TABLE_RESTORES], row, fields);
    row->run = r->run;
    row->at_s = at_s;
}

/* The ranks' rows of an epoch come before its commit, since the last restart. */
static void take_committed(struct reading *r, const char *fields)
{
    const struct dv_table *epochs = &r->tables->table[DV_TABLE_EPOCHS];
    int64_t epoch = field_number(fields, "epoch", -1);
    for (size_t i = epochs->count; i > r->first_epoch_row; i--) {
        struct dv_epoch_row *row = dv_table_row(epochs, i - 1);
        if (row->epoch != epoch)
            break;
        if (row->committed)
            continue;
        row->committed = 1;
        row->quiesce_ns = field_number(fields, "quiesce_ns", -1);
        row->capture_ns = field_number(fields, "capture_ns", -1);
        row->commit_ns = field_number(fields, "commit_ns", -1);
    }
    r->summary->epochs++;
}

static void take_running(struct reading *r, double at_s, const char *fields)
{
    r->summary->exiting_s = NAN;
    if (field_number(fields, "incarnation", 0) <= 0)
        return;
    r->summary->restarts++;
    if (field_number(fields, "epoch", 0) <= 0 && r->summary->epochs > 0)
        r->summary->began_anew = true;
    for (size_t i = 0; i < r->tables->table[DV_TABLE_FAULTS].count; i++) {
        struct dv_fault_row *fault = DV_ROW(r->tables, DV_TABLE_FAULTS, dv_fault_row, i);
        if (fault->run != r->run || !fault->injected || !isnan(fault->recovered_s) ||
            fault->at_s > at_s)
            continue;
        fault->recovered_s = at_s - fault->at_s;
        fault->restored_epoch = field_number(fields, "epoch", -1);
    }
}

static void count_epochs_before_faults(const struct reading *r)
{
    for (size_t i = 0; i < r->tables->table[DV_TABLE_FAULTS].count; i++) {
        struct dv_fault_row *fault = DV_ROW(r->tables, DV_TABLE_FAULTS, dv_fault_row, i);
        if (fault->run != r->run || !fault->injected)
            continue;
        fault->epochs_before = 0;
        const struct dv_table *events = &r->tables->table[DV_TABLE_EVENTS];
        for (size_t e = 0; e < events->count; e++) {
            const struct dv_event_row *event = dv_table_row(events, e);
            fault->epochs_before += event->run == r->run && event->at_s <= fault->at_s &&
                                    strcmp(event->event, "committed") == 0;
        }
    }
}

static void take_line(struct reading *r, char *line, double offset_s)
{
    char *end, *fields;
    double seconds = strtod(line, &end);
    if (end == line || *end != ' ' || !end[1]) {
        r->summary->unknown_lines++;
        return;
    }
    char *event = end + 1;
    fields = strchr(event, ' ');
    if (fields)
        *fields++ = '\0';
    else
        fields = event + strlen(event);
    double at_s = seconds + offset_s;
    if (strcmp(event, "region") == 0) {
        take_region(r, at_s, fields);
        return;
    }
    struct dv_event_row *row = DV_ADD(r->tables, DV_TABLE_EVENTS, dv_event_row);
    row->run = r->run;
    row->at_s = at_s;
    DV_TEXT_SET(row->event, event);
    DV_TEXT_SET(row->fields, fields);
    r->incarnation = field_number(fields, "incarnation", r->incarnation);
    if (strcmp(event, "exiting") == 0 && isnan(r->summary->exiting_s))
        r->summary->exiting_s = at_s;
    if (strcmp(event, "rank") == 0)
        take_rank(r, at_s, fields);
    else if (strcmp(event, "restored") == 0)
        take_restored(r, at_s, fields);
    else if (strcmp(event, "committed") == 0)
        take_committed(r, fields);
    else if (strcmp(event, "running") == 0)
        take_running(r, at_s, fields);
}

enum dv_status dv_events_read(const char *path, int64_t run, double offset_s,
                              struct dv_tables *tables, struct dv_events_summary *summary)
{
    char *text, *line;
    size_t length;
    *summary = (struct dv_events_summary){.exiting_s = NAN};
    enum dv_status status = dv_file_read(path, &text, &length);
    if (status == DV_ERR_NOT_FOUND)
        return DV_OK;
    if (status != DV_OK)
        return status;
    struct reading r = {.run = run,
                        .tables = tables,
                        .summary = summary,
                        .first_epoch_row = tables->table[DV_TABLE_EPOCHS].count};
    for (char *rest = text; (line = strsep(&rest, "\n"));) {
        if (*line && rest) /* a line without its end was torn by a kill */
            take_line(&r, line, offset_s);
    }
    count_epochs_before_faults(&r);
    free(text);
    return DV_OK;
}
