/* Tables of results: one description of columns drives the text record of a run, the HDF5 file, its
 * reader and the attributes with units and descriptions.
 *
 * A table's rows are plain structs; a column says where its value lies. As text, a row is one line:
 *
 *     epochs run=12 epoch=3 rank=1 stall_ns=4120000 ...        blanks, '%', '=' and control
 * characters as %XX
 *
 * In HDF5, a table is a group with one 1-D dataset per column, all of one length. */
#ifndef DV_HARNESS_TABLE_H
#define DV_HARNESS_TABLE_H

#include <dejavu/status.h>

#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum dv_column_type { DV_COLUMN_INT, DV_COLUMN_REAL, DV_COLUMN_TEXT, DV_COLUMN_ENUM };

/* Member types: int64_t, double (NaN: missing), char[] of `bytes` with its NUL, int32_t (enum:
 * `words`, NULL at the end, say what 0, 1, 2 ... mean). A negative int64_t in a column that counts
 * or measures: missing. */
struct dv_column {
    const char *name;
    enum dv_column_type type;
    size_t offset, bytes;
    const char *unit, *description;
    const char *const *words;
};

struct dv_table_kind {
    const char *name, *description;
    size_t row_bytes;
    const struct dv_column *columns; /* ends with a NULL name */
};

/* Owns its rows. {kind} is an empty table. */
struct dv_table {
    const struct dv_table_kind *kind;
    void *rows;
    size_t count, capacity;
};

/* A new zeroed row at the end, its reals NaN and integers -1; valid until the next one is added. */
void *dv_table_add(struct dv_table *table);
void dv_table_clear(struct dv_table *table);
void *dv_table_row(const struct dv_table *table, size_t index);

/* Put text into a fixed member; longer text ends with "...". */
void dv_text_set(char *field, size_t field_bytes, const char *text);
#define DV_TEXT_SET(field, text) dv_text_set(field, sizeof(field), text)

/* NULL: there is none of this name. */
const struct dv_column *dv_table_column(const struct dv_table_kind *kind, const char *name);

void dv_table_print_row(const struct dv_table *table, size_t index, FILE *out);
/* Parse what dv_table_print_row wrote behind the table's name into a new row; unknown keys are an
 * error. */
enum dv_status dv_table_parse_row(struct dv_table *table, const char *line) DV_CHECKED;
/* Set one column of a row by name. DV_ERR_NOT_FOUND: no such column; DV_ERR_USAGE: not such a
 * value. */
enum dv_status dv_table_set(const struct dv_table_kind *kind, void *row, const char *column,
                            const char *value) DV_CHECKED;

/* Into and from the group `kind->name` of an HDF5 file. They report nothing; HDF5's own error stack
 * says why. A column that the file does not have reads as missing. */
enum dv_status dv_table_write(const struct dv_table *table, hid_t file) DV_CHECKED;
enum dv_status dv_table_read(struct dv_table *table, hid_t file) DV_CHECKED;

#endif
