/* Tables in HDF5: a group with a dataset for each column. */
#include "harness/config/arena.h"
#include "harness/record/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COMPRESSION_LEVEL 4
#define CHUNK_ROWS_MAX 16384

static bool write_text_attribute(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;
    bool done =
        type >= 0 && space >= 0 && H5Tset_size(type, strlen(text) + 1) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
        (attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) >= 0 &&
        H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return done;
}

/* How a column's values lie in memory and in the file. */
static hid_t column_type(const struct dv_column *column, size_t text_bytes)
{
    hid_t type = H5I_INVALID_HID;
    switch (column->type) {
    case DV_COLUMN_INT:
        return H5Tcopy(H5T_STD_I64LE);
    case DV_COLUMN_REAL:
        return H5Tcopy(H5T_IEEE_F64LE);
    case DV_COLUMN_TEXT:
        type = H5Tcopy(H5T_C_S1);
        if (type >= 0) {
            H5Tset_size(type, text_bytes);
            H5Tset_cset(type, H5T_CSET_UTF8);
        }
        return type;
    case DV_COLUMN_ENUM:
        type = H5Tenum_create(H5T_STD_I32LE);
        for (int32_t i = 0; type >= 0 && column->words[i]; i++)
            H5Tenum_insert(type, column->words[i], &i);
        return type;
    }
    return type;
}

static size_t value_bytes(const struct dv_column *column)
{
    switch (column->type) {
    case DV_COLUMN_INT:
        return sizeof(int64_t);
    case DV_COLUMN_REAL:
        return sizeof(double);
    case DV_COLUMN_ENUM:
        return sizeof(int32_t);
    case DV_COLUMN_TEXT:
        break;
    }
    return column->bytes;
}

/* The longest text of the column, so that files do not grow with the room in our structs. */
static size_t longest_text(const struct dv_table *table, const struct dv_column *column)
{
    size_t longest = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t length = strlen((const char *)dv_table_row(table, i) + column->offset);
        longest = length > longest ? length : longest;
    }
    return longest + 1;
}

/* All values of a column, one behind the other. */
static char *gather(const struct dv_table *table, const struct dv_column *column, size_t bytes)
{
    char *values = dv_reallocate(NULL, table->count + 1, bytes);
    for (size_t i = 0; i < table->count; i++)
        memcpy(values + i * bytes, (const char *)dv_table_row(table, i) + column->offset, bytes);
    return values;
}

static hid_t creation_properties(size_t rows)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk = rows < CHUNK_ROWS_MAX ? rows : CHUNK_ROWS_MAX;
    if (properties >= 0 && rows > 0) {
        H5Pset_chunk(properties, 1, &chunk);
        H5Pset_shuffle(properties);
        H5Pset_deflate(properties, COMPRESSION_LEVEL);
    }
    return properties;
}

static bool write_column(const struct dv_table *table, const struct dv_column *column, hid_t group)
{
    size_t bytes =
        column->type == DV_COLUMN_TEXT ? longest_text(table, column) : value_bytes(column);
    char *values = gather(table, column, bytes);
    hsize_t rows = table->count;
    hid_t dataset = H5I_INVALID_HID, type = column_type(column, bytes);
    hid_t space = H5Screate_simple(1, &rows, NULL), properties = creation_properties(table->count);
    bool done = type >= 0 && space >= 0 && properties >= 0 &&
                (dataset = H5Dcreate2(group, column->name, type, space, H5P_DEFAULT, properties,
                                      H5P_DEFAULT)) >= 0 &&
                H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0 &&
                write_text_attribute(dataset, "unit", column->unit) &&
                write_text_attribute(dataset, "description", column->description);
    if (dataset >= 0)
        H5Dclose(dataset);
    if (properties >= 0)
        H5Pclose(properties);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    free(values);
    return done;
}

enum dv_status dv_table_write(const struct dv_table *table, hid_t file)
{
    hid_t group = H5Gcreate2(file, table->kind->name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return DV_ERR_IO;
    bool done = write_text_attribute(group, "description", table->kind->description);
    for (const struct dv_column *c = table->kind->columns; done && c->name; c++)
        done = write_column(table, c, group);
    return H5Gclose(group) >= 0 && done ? DV_OK : DV_ERR_IO;
}

/* The number of rows in a 1-D dataset, or -1. */
static int64_t dataset_rows(hid_t dataset)
{
    hsize_t rows = 0;
    hid_t space = H5Dget_space(dataset);
    if (space < 0)
        return -1;
    bool is_list = H5Sget_simple_extent_ndims(space) == 1 &&
                   H5Sget_simple_extent_dims(space, &rows, NULL) == 1;
    H5Sclose(space);
    return is_list && rows < INT64_MAX ? (int64_t)rows : -1;
}

static void scatter(struct dv_table *table, const struct dv_column *column, const char *values)
{
    size_t bytes = value_bytes(column);
    for (size_t i = 0; i < table->count; i++) {
        char *member = (char *)dv_table_row(table, i) + column->offset;
        memcpy(member, values + i * bytes, bytes);
        if (column->type == DV_COLUMN_TEXT)
            member[bytes - 1] = '\0';
    }
}

/* An enum's values must be within its words, whatever the file says. */
static bool values_are_known(const struct dv_table *table, const struct dv_column *column)
{
    int32_t words = 0;
    if (column->type != DV_COLUMN_ENUM)
        return true;
    while (column->words[words])
        words++;
    for (size_t i = 0; i < table->count; i++) {
        int32_t value;
        memcpy(&value, (const char *)dv_table_row(table, i) + column->offset, sizeof value);
        if (value < 0 || value >= words)
            return false;
    }
    return true;
}

/* The first column that the file has makes the rows: `*sized`. */
static bool read_column(struct dv_table *table, const struct dv_column *column, hid_t group,
                        bool *sized)
{
    if (H5Lexists(group, column->name, H5P_DEFAULT) <= 0)
        return true;
    hid_t dataset = H5Dopen2(group, column->name, H5P_DEFAULT);
    if (dataset < 0)
        return false;
    bool done = false;
    int64_t rows = dataset_rows(dataset);
    hid_t type = column_type(column, column->bytes);
    for (int64_t i = 0; !*sized && i < rows; i++)
        dv_table_add(table);
    *sized = true;
    if (rows >= 0 && (size_t)rows == table->count && type >= 0) {
        char *values = dv_reallocate(NULL, table->count + 1, value_bytes(column));
        done = H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
        if (done)
            scatter(table, column, values);
        done = done && values_are_known(table, column);
        free(values);
    }
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(dataset);
    return done;
}

enum dv_status dv_table_read(struct dv_table *table, hid_t file)
{
    dv_table_clear(table);
    if (H5Lexists(file, table->kind->name, H5P_DEFAULT) <= 0)
        return DV_ERR_NOT_FOUND;
    hid_t group = H5Gopen2(file, table->kind->name, H5P_DEFAULT);
    if (group < 0)
        return DV_ERR_DAMAGED;
    bool done = true, sized = false;
    for (const struct dv_column *c = table->kind->columns; done && c->name; c++)
        done = read_column(table, c, group, &sized);
    H5Gclose(group);
    return done ? DV_OK : DV_ERR_DAMAGED;
}
