/* Tables of results as HDF5, JSON, CSV and LaTeX: one writer for each format, for all tables. */
#include "analysis/stats/results.h"
#include "harness/config/say.h"
#include "harness/record/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How one kind of file shows values; `missing` stands for what is not there. */
struct format {
    const char *missing;
    void (*text)(const char *text, FILE *out);
    void (*real)(double value, FILE *out);
};

static void print_json_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ')
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

/* RFC 4180 */
static void print_csv_text(const char *text, FILE *out)
{
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_tex_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (strchr("&%$#_{}", *text))
            fprintf(out, "\\%c", *text);
        else if (*text == '\\')
            fputs("\\textbackslash{}", out);
        else if (*text == '~' || *text == '^')
            fprintf(out, "\\%c{}", *text);
        else
            fputc(*text, out);
    }
}

/* 17 digits bring a double back as it was. */
static void print_real(double value, FILE *out)
{
    fprintf(out, "%.17g", value);
}

static void print_tex_real(double value, FILE *out)
{
    char text[32];
    snprintf(text, sizeof text, "%.4g", value);
    char *power = strchr(text, 'e');
    if (!power) {
        fprintf(out, "$%s$", text);
        return;
    }
    *power = '\0';
    fprintf(out, "$%s\\times10^{%ld}$", text, strtol(power + 1, NULL, 10));
}

static const struct format json = {"null", print_json_text, print_real};
static const struct format csv = {"", print_csv_text, print_real};
static const struct format tex = {"--", print_tex_text, print_tex_real};

static void print_value(const struct dv_column *column, const void *row,
                        const struct format *format, FILE *out)
{
    const void *member = (const char *)row + column->offset;
    switch (column->type) {
    case DV_COLUMN_INT:
        if (*(const int64_t *)member < 0)
            fputs(format->missing, out);
        else
            fprintf(out, "%" PRId64, *(const int64_t *)member);
        break;
    case DV_COLUMN_REAL:
        if (isfinite(*(const double *)member))
            format->real(*(const double *)member, out);
        else
            fputs(format->missing, out);
        break;
    case DV_COLUMN_TEXT:
        format->text(member, out);
        break;
    case DV_COLUMN_ENUM:
        format->text(column->words[*(const int32_t *)member], out);
        break;
    }
}

static void print_json_row(const struct dv_table_kind *kind, const void *row, FILE *out)
{
    for (const struct dv_column *c = kind->columns; c->name; c++) {
        fprintf(out, "%s\"%s\": ", c == kind->columns ? "{" : ", ", c->name);
        print_value(c, row, &json, out);
    }
    fputc('}', out);
}

static void print_json_rows(const struct dv_table *table, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; i < table->count; i++) {
        fputs(i ? ",\n    " : "\n    ", out);
        print_json_row(table->kind, dv_table_row(table, i), out);
    }
    fputc(']', out);
}

static void print_json_table(const struct dv_table *table, FILE *out)
{
    fprintf(out, "  \"%s\": {\"title\": ", table->kind->name);
    print_json_text(table->kind->description, out);
    fputs(",\n   \"columns\": [", out);
    for (const struct dv_column *c = table->kind->columns; c->name; c++) {
        fprintf(out, "%s{\"name\": \"%s\", \"unit\": ", c == table->kind->columns ? "" : ", ",
                c->name);
        print_json_text(c->unit, out);
        fputs(", \"description\": ", out);
        print_json_text(c->description, out);
        fputc('}', out);
    }
    fputs("],\n   \"rows\": ", out);
    print_json_rows(table, out);
    fputc('}', out);
}

static void print_json(const struct dv_results *results, FILE *out)
{
    fprintf(out, "{\"schema\": %d,\n \"sources\": ", DV_ANALYSIS_SCHEMA);
    print_json_rows(&results->table[DV_RESULT_SOURCES], out);
    fputs(",\n \"tables\": {\n", out);
    for (size_t i = DV_RESULT_SOURCES + 1; i < DV_RESULTS; i++) {
        print_json_table(&results->table[i], out);
        fputs(i + 1 < DV_RESULTS ? ",\n" : "\n", out);
    }
    fputs(" }\n}\n", out);
}

static void print_csv(const struct dv_table *table, FILE *out)
{
    for (const struct dv_column *c = table->kind->columns; c->name; c++)
        fprintf(out, "%s%s", c == table->kind->columns ? "" : ",", c->name);
    fputs("\n", out);
    for (size_t i = 0; i < table->count; i++) {
        for (const struct dv_column *c = table->kind->columns; c->name; c++) {
            if (c != table->kind->columns)
                fputc(',', out);
            print_value(c, dv_table_row(table, i), &csv, out);
        }
        fputs("\n", out);
    }
}

/* Is `name` one of the blank-separated words? */
static bool is_printed(const char *words, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = words; (at = strstr(at, name)); at += length) {
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

static bool is_number(const struct dv_column *column)
{
    return column->type == DV_COLUMN_INT || column->type == DV_COLUMN_REAL;
}

/* "median_ns" with unit "ns" becomes "median [ns]". */
static void print_tex_heading(const struct dv_column *column, FILE *out)
{
    char name[64];
    size_t length = strlen(column->name), unit = strlen(column->unit);
    snprintf(name, sizeof name, "%s", column->name);
    if (length > unit + 1 && strcmp(name + length - unit, column->unit) == 0 &&
        name[length - unit - 1] == '_')
        name[length - unit - 1] = '\0';
    for (char *c = name; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    print_tex_text(name, out);
    if (column->type == DV_COLUMN_REAL && strcmp(column->unit, "1") != 0 &&
        strncmp(column->unit, "see ", 4) != 0)
        fprintf(out, " [%s]", column->unit);
}

/* One line of the table: headings if `row` is NULL. */
static void print_tex_line(const struct dv_result_kind *kind, const void *row, FILE *out)
{
    const char *between = "";
    for (const struct dv_column *c = kind->table.columns; c->name; c++) {
        if (!is_printed(kind->printed, c->name))
            continue;
        fputs(between, out);
        if (row)
            print_value(c, row, &tex, out);
        else
            print_tex_heading(c, out);
        between = " & ";
    }
    fputs(" \\\\\n", out);
}

static void print_tex(const struct dv_result_kind *kind, const struct dv_table *table, FILE *out)
{
    fputs("\\begin{tabular}{", out);
    for (const struct dv_column *c = kind->table.columns; c->name; c++) {
        if (is_printed(kind->printed, c->name))
            fputc(is_number(c) ? 'r' : 'l', out);
    }
    fputs("}\n\\toprule\n", out);
    print_tex_line(kind, NULL, out);
    fputs("\\midrule\n", out);
    for (size_t i = 0; i < table->count; i++)
        print_tex_line(kind, dv_table_row(table, i), out);
    fputs("\\bottomrule\n\\end{tabular}\n", out);
}

static bool write_hdf5(const struct dv_results *results, const char *path)
{
    int32_t schema = DV_ANALYSIS_SCHEMA;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;
    bool done = file >= 0 && space >= 0 &&
                (attribute = H5Acreate2(file, "schema", H5T_STD_I32LE, space, H5P_DEFAULT,
                                        H5P_DEFAULT)) >= 0 &&
                H5Awrite(attribute, H5T_NATIVE_INT32, &schema) >= 0;
    for (size_t i = 0; done && i < DV_RESULTS; i++)
        done = dv_table_write(&results->table[i], file) == DV_OK;
    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    return file >= 0 && H5Fclose(file) >= 0 && done;
}

enum kind_of_file { FILE_HDF5, FILE_JSON, FILE_CSV, FILE_TEX };
static const char *const endings[] = {"h5", "json", "csv", "tex"};

static bool write_content(const struct dv_results *results, enum kind_of_file kind, size_t table,
                          const char *path)
{
    if (kind == FILE_HDF5)
        return write_hdf5(results, path);
    FILE *out = fopen(path, "w");
    if (!out)
        return false;
    if (kind == FILE_JSON)
        print_json(results, out);
    else if (kind == FILE_CSV)
        print_csv(&results->table[table], out);
    else
        print_tex(&dv_result_kinds[table], &results->table[table], out);
    bool done = !ferror(out);
    return fclose(out) == 0 && done;
}

/* Whole, or not at all: written under another name, then renamed. `table`: of CSV and LaTeX. */
static enum dv_status write_file(const struct dv_results *results, enum kind_of_file kind,
                                 size_t table, const char *directory)
{
    char path[PATH_MAX], temporary[PATH_MAX + 8];
    const char *name = kind <= FILE_JSON ? "analysis" : dv_result_kinds[table].table.name;
    snprintf(path, sizeof path, "%s/%s.%s", directory, name, endings[kind]);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    errno = 0;
    if (!write_content(results, kind, table, temporary) || rename(temporary, path) != 0) {
        int error = errno;
        unlink(temporary);
        return dv_bench_fail(DV_ERR_IO, "cannot write %s: %s; make room or choose another -o", path,
                             error ? strerror(error) : "HDF5 error");
    }
    return DV_OK;
}

enum dv_status dv_results_write(const struct dv_results *results, const char *directory)
{
    enum dv_status status = dv_file_make_directories(directory);
    if (status == DV_OK)
        status = write_file(results, FILE_HDF5, 0, directory);
    if (status == DV_OK)
        status = write_file(results, FILE_JSON, 0, directory);
    for (size_t i = DV_RESULT_SOURCES + 1; status == DV_OK && i < DV_RESULTS; i++) {
        status = write_file(results, FILE_CSV, i, directory);
        if (status == DV_OK)
            status = write_file(results, FILE_TEX, i, directory);
    }
    return status;
}

enum dv_status dv_results_read(struct dv_results *results, const char *directory)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/analysis.h5", directory);
    dv_results_init(results);
    if (!dv_file_exists(path))
        return DV_ERR_NOT_FOUND;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    enum dv_status status = file >= 0 ? DV_OK : DV_ERR_DAMAGED;
    for (size_t i = 0; status == DV_OK && i < DV_RESULTS; i++)
        status = dv_table_read(&results->table[i], file);
    if (file >= 0)
        H5Fclose(file);
    if (status != DV_OK) {
        dv_results_clear(results);
        return dv_bench_fail(DV_ERR_DAMAGED, "%s is damaged; `dejavu-stats analyse` makes it anew",
                             path);
    }
    return DV_OK;
}
