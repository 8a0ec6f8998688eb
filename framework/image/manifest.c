/* Manifests: written, read, listed, and checked against their images.
 *
 *      dejavu-manifest 1
 *      epoch = 7
 *      parent = 0
 *      ranks = 2
 *      committed_unix_ns = 1712345678901234567
 *      strategy = full+coordinated
 *      rank 0 = <file bytes> <data bytes> <digest, 32 hex digits>
 *      rank 1 = ...
 *      checksum = <XXH3-64 of all lines above, 16 hex digits>
 *
 * Order, spelling and spaces are fixed: whatever cannot have been written here is damaged. */
#include "image/manifest.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "image/epochs.h"
#include "image/image.h"

#include <dejavu/log.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "manifest"
#define HEADER_BYTES 512u
#define RANK_LINE_BYTES 128u
#define MAX_RANKS (1u << 20)
#define MAX_BYTES (HEADER_BYTES + (size_t)MAX_RANKS * RANK_LINE_BYTES)

void dv_epoch_directory(const char *job, uint64_t epoch, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/epochs/%06" PRIu64, job, epoch);
}

/* Text that grows towards a bound known beforehand. */
struct text {
    char *bytes;
    size_t length, capacity;
};

static void __attribute__((format(printf, 2, 3))) append(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->bytes + t->length, t->capacity - t->length, format, args);
    va_end(args);
    if (n > 0)
        t->length += (size_t)n < t->capacity - t->length ? (size_t)n : t->capacity - t->length;
}

static void append_manifest(struct text *t, const struct dv_manifest *m)
{
    append(t, "dejavu-manifest 1\nepoch = %" PRIu64 "\nparent = %" PRIu64 "\nranks = %" PRIu32 "\n",
           m->epoch, m->parent_epoch, m->ranks);
    append(t, "committed_unix_ns = %" PRId64 "\nstrategy = %s\n", m->committed_unix_ns,
           m->strategy);
    for (uint32_t i = 0; i < m->ranks; i++) {
        const struct dv_manifest_rank *r = &m->rank[i];
        append(t, "rank %" PRIu32 " = %" PRIu64 " %" PRIu64 " ", i, r->file_bytes, r->data_bytes);
        for (size_t j = 0; j < sizeof r->digest; j++)
            append(t, "%02x", r->digest[j]);
        append(t, "\n");
    }
    append(t, "checksum = %016" PRIx64 "\n", dv_checksum64(t->bytes, t->length));
}

enum dv_status dv_manifest_write(const char *job, const struct dv_manifest *m)
{
    char directory[PATH_MAX];
    if (m->ranks == 0 || m->ranks > MAX_RANKS || !memchr(m->strategy, 0, sizeof m->strategy) ||
        strpbrk(m->strategy, "\n\r"))
        return dv_fail(MODULE, DV_ERR_INTERNAL,
                       "epoch %" PRIu64 ": a manifest that cannot be written", m->epoch);
    dv_epoch_directory(job, m->epoch, directory, sizeof directory);
    struct text t = {.capacity = HEADER_BYTES + (size_t)m->ranks * RANK_LINE_BYTES};
    t.bytes = malloc(t.capacity);
    if (!t.bytes)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY,
                       "cannot write the manifest of epoch %" PRIu64 ": out of memory", m->epoch);
    append_manifest(&t, m);
    enum dv_status status = dv_write_file_durably(directory, "manifest", t.bytes, t.length, 0600);
    free(t.bytes);
    return status;
}

/* Reading: a cursor over the file's text. */
struct cursor {
    const char *at;
    int wrong;
};

static void expect(struct cursor *c, const char *words)
{
    size_t length = strlen(words);
    if (c->wrong || strncmp(c->at, words, length) != 0)
        c->wrong = 1;
    else
        c->at += length;
}

static uint64_t number(struct cursor *c)
{
    char *end;
    if (c->wrong || *c->at < '0' || *c->at > '9') {
        c->wrong = 1;
        return 0;
    }
    errno = 0;
    uint64_t value = strtoull(c->at, &end, 10);
    c->wrong |= errno != 0;
    c->at = end;
    return value;
}

static void hex_bytes(struct cursor *c, uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 2 * count && !c->wrong; i++, c->at++) {
        const char *digit = *c->at ? strchr(digits, *c->at) : NULL;
        if (!digit) {
            c->wrong = 1;
            return;
        }
        unsigned value = (unsigned)(digit - digits);
        bytes[i / 2] = (uint8_t)(i % 2 ? bytes[i / 2] | value : value << 4);
    }
}

static void line_text(struct cursor *c, char *text, size_t text_bytes)
{
    size_t length = c->wrong ? 0 : strcspn(c->at, "\n");
    if (length >= text_bytes)
        c->wrong = 1;
    if (c->wrong)
        return;
    memcpy(text, c->at, length);
    text[length] = '\0';
    c->at += length;
}

static void parse_head(struct cursor *c, struct dv_manifest *m)
{
    expect(c, "dejavu-manifest 1\nepoch = ");
    m->epoch = number(c);
    expect(c, "\nparent = ");
    m->parent_epoch = number(c);
    expect(c, "\nranks = ");
    uint64_t ranks = number(c);
    expect(c, "\ncommitted_unix_ns = ");
    uint64_t committed = number(c);
    expect(c, "\nstrategy = ");
    line_text(c, m->strategy, sizeof m->strategy);
    expect(c, "\n");
    c->wrong |= ranks == 0 || ranks > MAX_RANKS || committed > INT64_MAX;
    m->ranks = c->wrong ? 0 : (uint32_t)ranks;
    m->committed_unix_ns = (int64_t)committed;
}

static void parse_rank(struct cursor *c, uint32_t index, struct dv_manifest_rank *r)
{
    expect(c, "rank ");
    c->wrong |= number(c) != index;
    expect(c, " = ");
    r->file_bytes = number(c);
    expect(c, " ");
    r->data_bytes = number(c);
    expect(c, " ");
    hex_bytes(c, r->digest, sizeof r->digest);
    expect(c, "\n");
}

/* The text's own checksum, over everything before its last line. */
static int checksum_is_right(const char *text, size_t length)
{
    static const char key[] = "checksum = ";
    const size_t line = sizeof key - 1 + 16 + 1;
    if (length <= line || strlen(text) != length)
        return 0;
    char expected[64];
    snprintf(expected, sizeof expected, "%s%016" PRIx64 "\n", key,
             dv_checksum64(text, length - line));
    return strcmp(text + length - line, expected) == 0;
}

static enum dv_status parse(const char *path, const char *text, size_t length, uint64_t epoch,
                            struct dv_manifest *m)
{
    if (!checksum_is_right(text, length))
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: its checksum is wrong", path);
    struct cursor c = {.at = text};
    parse_head(&c, m);
    if (c.wrong)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: its head cannot be read", path);
    if (m->epoch != epoch)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: it is of epoch %" PRIu64, path,
                       m->epoch);
    m->rank = calloc(m->ranks, sizeof *m->rank);
    if (!m->rank)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", path);
    for (uint32_t i = 0; i < m->ranks && !c.wrong; i++)
        parse_rank(&c, i, &m->rank[i]);
    expect(&c, "checksum = ");
    if (c.wrong) {
        dv_manifest_free(m);
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: its list of ranks cannot be read",
                       path);
    }
    return DV_OK;
}

enum dv_status dv_manifest_read(const char *job, uint64_t epoch, struct dv_manifest *manifest)
{
    char directory[PATH_MAX], path[PATH_MAX + 16];
    char *text = NULL;
    size_t length = 0;
    dv_epoch_directory(job, epoch, directory, sizeof directory);
    snprintf(path, sizeof path, "%s/manifest", directory);
    memset(manifest, 0, sizeof *manifest);
    enum dv_status status = dv_read_file(path, MAX_BYTES, &text, &length);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail_quietly(status, "epoch %" PRIu64 " is not committed: there is no %s", epoch,
                               path);
    if (status)
        return status;
    status = parse(path, text, length, epoch, manifest);
    free(text);
    return status;
}

void dv_manifest_free(struct dv_manifest *manifest)
{
    free(manifest->rank);
    manifest->rank = NULL;
}

/* The epoch that a name in epochs/ stands for; 0: none (epochs count from 1). */
static uint64_t epoch_of_name(const char *name)
{
    char canonical[32];
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 19 || name[digits])
        return 0;
    uint64_t epoch = strtoull(name, NULL, 10);
    snprintf(canonical, sizeof canonical, "%06" PRIu64, epoch);
    return strcmp(canonical, name) == 0 ? epoch : 0;
}

static int compare_epochs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static enum dv_status collect(DIR *directory, const char *path, uint64_t **epochs, size_t *count)
{
    size_t capacity = 0, n = 0;
    uint64_t *list = NULL;
    struct dirent *entry;
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        uint64_t epoch = epoch_of_name(entry->d_name);
        if (!epoch)
            continue;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            uint64_t *grown = realloc(list, capacity * sizeof *list);
            if (!grown) {
                free(list);
                return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot list %s: out of memory", path);
            }
            list = grown;
        }
        list[n++] = epoch;
    }
    if (errno) {
        int error = errno;
        free(list);
        return dv_fail(MODULE, DV_ERR_IO, "cannot list %s: %s", path, strerror(error));
    }
    if (n)
        qsort(list, n, sizeof *list, compare_epochs);
    *epochs = list;
    *count = n;
    return DV_OK;
}

enum dv_status dv_epochs_scan(const char *job, uint64_t **epochs, size_t *count)
{
    char path[PATH_MAX];
    *epochs = NULL;
    *count = 0;
    snprintf(path, sizeof path, "%s/epochs", job);
    DIR *directory = opendir(path);
    if (!directory) {
        int error = errno;
        if (error == ENOENT && access(job, F_OK) == 0)
            return DV_OK; /* a job that has not begun yet */
        if (error == ENOENT)
            return dv_fail(MODULE, DV_ERR_NOT_FOUND, "there is no job directory %s", job);
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot list %s: %s", path,
                       strerror(error));
    }
    enum dv_status status = collect(directory, path, epochs, count);
    closedir(directory);
    return status;
}

enum dv_status dv_manifest_list(const char *job, uint64_t **epochs, size_t *count)
{
    uint64_t *all = NULL;
    size_t n = 0, kept = 0;
    enum dv_status status = dv_epochs_scan(job, &all, &n);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        struct dv_manifest m;
        status = dv_manifest_read(job, all[i], &m);
        if (status == DV_OK) {
            dv_manifest_free(&m);
            all[kept++] = all[i];
        } else if (status != DV_ERR_NOT_FOUND && status != DV_ERR_DAMAGED) {
            /* A damaged one has been reported and does not count; what could not be read may be
             * good. */
            free(all);
            return status;
        }
    }
    *epochs = all;
    *count = kept;
    return DV_OK;
}

static enum dv_status fits_not(const char *path, const char *what)
{
    return dv_fail(MODULE, DV_ERR_DAMAGED, "%s does not fit its manifest: %s", path, what);
}

static enum dv_status verify_rank(const char *path, const struct dv_manifest *m, uint32_t rank,
                                  int deep)
{
    struct dv_image_reader *reader = NULL;
    enum dv_status status = dv_image_reader_open(path, &reader);
    if (status)
        return status == DV_ERR_NOT_FOUND ? DV_ERR_DAMAGED : status;
    const struct dv_image_identity *id = dv_image_reader_identity(reader);
    const struct dv_image_stats *stats = dv_image_reader_stats(reader);
    const struct dv_manifest_rank *expected = &m->rank[rank];
    if (id->epoch != m->epoch || id->parent_epoch != m->parent_epoch)
        status = fits_not(path, "another epoch");
    else if (id->rank != rank || id->size != m->ranks)
        status = fits_not(path, "another rank or number of ranks");
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
    else if (memcmp(stats->digest, expected->digest, sizeof stats->digest) != 0 ||
             stats->file_bytes != expected->file_bytes || stats->data_bytes != expected->data_bytes)
        status = fits_not(path, "another digest or size");
    else if (deep)
        status = dv_image_reader_verify(reader);
    dv_image_reader_close(reader);
    return status;
}

enum dv_status dv_manifest_verify(const char *job, uint64_t epoch, int deep)
{
    struct dv_manifest m;
    char directory[PATH_MAX], path[PATH_MAX + 32];
    enum dv_status status = dv_manifest_read(job, epoch, &m);
    if (status)
        return status;
    dv_epoch_directory(job, epoch, directory, sizeof directory);
    /* All ranks, so that every damage is named. */
    for (uint32_t i = 0; i < m.ranks; i++) {
        snprintf(path, sizeof path, "%s/rank-%" PRIu32 ".dvi", directory, i);
        enum dv_status one = verify_rank(path, &m, i, deep);
        if (!status)
            status = one;
    }
    dv_manifest_free(&m);
    return status;
}
