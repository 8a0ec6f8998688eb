/* Rows in memory and as text lines. */
#include "harness/record/table.h"

#include "harness/config/arena.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set_missing(const struct dv_table_kind *kind, char *row)
{
    for (const struct dv_column *c = kind->columns; c->name; c++) {
        if (c->type == DV_COLUMN_INT)
            *(int64_t *)(void *)(row + c->offset) = -1;
        else if (c->type == DV_COLUMN_REAL)
            *(double *)(void *)(row + c->offset) = NAN;
    }
}

void *dv_table_add(struct dv_table *table)
{
    const size_t bytes = table->kind->row_bytes;
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 16;
        table->rows = dv_reallocate(table->rows, table->capacity, bytes);
    }
    char *row = (char *)table->rows + table->count++ * bytes;
    memset(row, 0, bytes);
    set_missing(table->kind, row);
    return row;
}

void dv_table_clear(struct dv_table *table)
{
    free(table->rows);
    *table = (struct dv_table){.kind = table->kind};
}

void *dv_table_row(const struct dv_table *table, size_t index)
{
    return (char *)table->rows + index * table->kind->row_bytes;
}

void dv_text_set(char *field, size_t field_bytes, const char *text)
{
    static const char cut[] = "...";
    size_t length = strlen(text);
    if (length < field_bytes) {
        memcpy(field, text, length + 1);
        return;
    }
    size_t kept = field_bytes - sizeof cut;
    while (kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--; /* not within a character */
    memcpy(field, text, kept);
    memcpy(field + kept, cut, sizeof cut);
}

static void print_escaped(const char *text, FILE *out)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= ' ' || c == '%' || c == '=' || c == 0x7f)
            fprintf(out, "%%%02X", c);
        else
            fputc(c, out);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place. */
static void unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        int high = *text == '%' ? hex_value(text[1]) : -1;
        int low = high >= 0 ? hex_value(text[2]) : -1;
        if (low >= 0) {
            *out++ = (char)(high * 16 + low);
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

void dv_table_print_row(const struct dv_table *table, size_t index, FILE *out)
{
    const char *row = dv_table_row(table, index);
    fputs(table->kind->name, out);
    for (const struct dv_column *c = table->kind->columns; c->name; c++) {
        const void *member = row + c->offset;
        fprintf(out, " %s=", c->name);
        switch (c->type) {
        case DV_COLUMN_INT:
            fprintf(out, "%" PRId64, *(const int64_t *)member);
            break;
        case DV_COLUMN_REAL:
            fprintf(out, "%.17g", *(const double *)member);
            break;
        case DV_COLUMN_TEXT:
            print_escaped(member, out);
            break;
        case DV_COLUMN_ENUM:
            fputs(c->words[*(const int32_t *)member], out);
            break;
        }
    }
    fputc('\n', out);
}

const struct dv_column *dv_table_column(const struct dv_table_kind *kind, const char *name)
{
    for (const struct dv_column *c = kind->columns; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static enum dv_status set_integer(const char *value, int64_t *member)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, strncmp(value, "0x", 2) == 0 ? 16 : 10);
    if (errno || end == value || *end)
        return DV_ERR_USAGE;
    *member = number;
    return DV_OK;
}

static enum dv_status set_real(const char *value, double *member)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end)
        return DV_ERR_USAGE;
    *member = number;
    return DV_OK;
}

static enum dv_status set_word(const struct dv_column *column, const char *value, int32_t *member)
{
    for (int32_t i = 0; column->words[i]; i++) {
        if (strcmp(column->words[i], value) == 0) {
            *member = i;
            return DV_OK;
        }
    }
    return DV_ERR_USAGE;
}

enum dv_status dv_table_set(const struct dv_table_kind *kind, void *row, const char *column,
                            const char *value)
{
    const struct dv_column *c = dv_table_column(kind, column);
    if (!c)
        return DV_ERR_NOT_FOUND;
    void *member = (char *)row + c->offset;
    switch (c->type) {
    case DV_COLUMN_INT:
        return set_integer(value, member);
    case DV_COLUMN_REAL:
        return set_real(value, member);
    case DV_COLUMN_ENUM:
        return set_word(c, value, member);
    case DV_COLUMN_TEXT:
        dv_text_set(member, c->bytes, value);
        break;
    }
    return DV_OK;
}

enum dv_status dv_table_parse_row(struct dv_table *table, const char *line)
{
    char *copy = strdup(line), *rest = copy, *word;
    enum dv_status status = copy ? DV_OK : DV_ERR_NO_MEMORY;
    void *row = dv_table_add(table);
    while (status == DV_OK && (word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        if (!*word)
            continue;
        if (!equals) {
            status = DV_ERR_USAGE;
            break;
        }
        *equals = '\0';
        unescape(equals + 1);
        status = dv_table_set(table->kind, row, word, equals + 1);
    }
    if (status != DV_OK)
        table->count--;
    free(copy);
    return status;
}
