/* Manifests: written, read and listed.
 *
 *      dejavu-manifest 2
 *      epoch = 7
 *      parent = 6
 *      generation = 0
 *      ranks = 2
 *      committed_unix_ns = 1712345678901234567
 *      strategy = incremental+coordinated
 *      level = partner
 *      parity = 0
 *      survives = 1                       (lost nodes; "all" for level shared)
 *      nodes = 2
 *      node 0 = /local/a/dejavu-0123456789abcdef
 *      node 1 = /local/b/dejavu-0123456789abcdef
 *      rank 0 = <file bytes> <data bytes> <digest, 32 hex digits> <parent>
 *      rank 1 = ...
 *      checksum = <XXH3-64 of all lines above, 16 hex digits>
 *
 * Order, spelling and spaces are fixed: whatever cannot have been written here is damaged. */
#include "store/manifest.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "store/epochs.h"

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
#define HEADER_BYTES 1024u
#define RANK_LINE_BYTES 160u
#define NODE_LINE_BYTES (PATH_MAX + 32u)
#define MAX_RANKS (1u << 20)
#define MAX_BYTES                                                                                  \
    (HEADER_BYTES + (size_t)MAX_RANKS * RANK_LINE_BYTES + DV_MOST_NODES * NODE_LINE_BYTES)

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

static void append_place(struct text *t, const struct dv_place *place)
{
    uint32_t survives = dv_place_survives(place);
    append(t, "level = %s\nparity = %" PRIu32 "\n", dv_level_name(place->level), place->parity);
    if (survives == DV_SURVIVES_ANY)
        append(t, "survives = all\n");
    else
        append(t, "survives = %" PRIu32 "\n", survives);
    append(t, "nodes = %" PRIu32 "\n", place->node_count);
    for (uint32_t i = 0; i < place->node_count; i++)
        append(t, "node %" PRIu32 " = %s\n", i, place->node[i]);
}

static void append_manifest(struct text *t, const struct dv_manifest *m)
{
    append(t, "dejavu-manifest 2\nepoch = %" PRIu64 "\nparent = %" PRIu64 "\n", m->epoch,
           m->parent_epoch);
    append(t, "generation = %" PRIu32 "\nranks = %" PRIu32 "\n", m->generation, m->ranks);
    append(t, "committed_unix_ns = %" PRId64 "\nstrategy = %s\n", m->committed_unix_ns,
           m->strategy);
    append_place(t, &m->place);
    for (uint32_t i = 0; i < m->ranks; i++) {
        const struct dv_manifest_rank *r = &m->rank[i];
        append(t, "rank %" PRIu32 " = %" PRIu64 " %" PRIu64 " ", i, r->file_bytes, r->data_bytes);
        for (size_t j = 0; j < sizeof r->digest; j++)
            append(t, "%02x", r->digest[j]);
        append(t, " %" PRIu64 "\n", r->parent_epoch);
    }
    append(t, "checksum = %016" PRIx64 "\n", dv_checksum64(t->bytes, t->length));
}

/* Do the parts fit together? The same is asked of what is written and of what is read. */
static int place_is_sound(const struct dv_place *p)
{
    if (p->level == DV_LEVEL_SHARED)
        return p->node_count == 0 && p->parity == 0;
    if (p->node_count == 0 || p->node_count > DV_MOST_NODES || !p->node)
        return 0;
    if (p->level == DV_LEVEL_RS ? p->parity == 0 || p->parity >= p->node_count : p->parity != 0)
        return 0;
    if (p->level == DV_LEVEL_PARTNER && p->node_count < 2)
        return 0;
    for (uint32_t i = 0; i < p->node_count; i++)
        if (!p->node[i] || p->node[i][0] != '/' || strlen(p->node[i]) >= PATH_MAX ||
            strpbrk(p->node[i], "\n\r"))
            return 0;
    return 1;
}

static int ranks_are_sound(const struct dv_manifest *m)
{
    int inherits = 0;
    for (uint32_t i = 0; i < m->ranks; i++) {
        if (m->rank[i].parent_epoch != 0 && m->rank[i].parent_epoch != m->parent_epoch)
            return 0;
        inherits |= m->rank[i].parent_epoch != 0;
    }
    return m->parent_epoch < m->epoch && inherits == (m->parent_epoch != 0);
}

enum dv_status dv_manifest_write(const char *job, const struct dv_manifest *m)
{
    char directory[PATH_MAX];
    if (m->ranks == 0 || m->ranks > MAX_RANKS || !memchr(m->strategy, 0, sizeof m->strategy) ||
        strpbrk(m->strategy, "\n\r") || !place_is_sound(&m->place) || !ranks_are_sound(m))
        return dv_fail(MODULE, DV_ERR_INTERNAL,
                       "epoch %" PRIu64 ": a manifest that cannot be written", m->epoch);
    dv_epoch_directory(job, m->epoch, directory, sizeof directory);
    struct text t = {.capacity = HEADER_BYTES + (size_t)m->ranks * RANK_LINE_BYTES +
                                 (size_t)m->place.node_count * NODE_LINE_BYTES};
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
    expect(c, "dejavu-manifest 2\nepoch = ");
    m->epoch = number(c);
    expect(c, "\nparent = ");
    m->parent_epoch = number(c);
    expect(c, "\ngeneration = ");
    uint64_t generation = number(c);
    expect(c, "\nranks = ");
    uint64_t ranks = number(c);
    expect(c, "\ncommitted_unix_ns = ");
    uint64_t committed = number(c);
    expect(c, "\nstrategy = ");
    line_text(c, m->strategy, sizeof m->strategy);
    expect(c, "\n");
    c->wrong |=
        ranks == 0 || ranks > MAX_RANKS || committed > INT64_MAX || generation > UINT32_MAX / 2;
    m->ranks = c->wrong ? 0 : (uint32_t)ranks;
    m->generation = (uint32_t)generation;
    m->committed_unix_ns = (int64_t)committed;
}

static void parse_level(struct cursor *c, struct dv_place *place)
{
    char name[16] = "";
    expect(c, "level = ");
    line_text(c, name, sizeof name);
    for (int i = DV_LEVEL_SHARED; i <= DV_LEVEL_RS; i++) {
        if (strcmp(dv_level_name((enum dv_level)i), name) == 0) {
            place->level = (enum dv_level)i;
            return;
        }
    }
    c->wrong = 1;
}

static enum dv_status parse_place(struct cursor *c, struct dv_place *place)
{
    char path[PATH_MAX];
    parse_level(c, place);
    expect(c, "\nparity = ");
    uint64_t parity = number(c);
    expect(c, "\nsurvives = ");
    line_text(c, path, sizeof path); /* follows from level and parity; here for people */
    expect(c, "\nnodes = ");
    uint64_t nodes = number(c);
    expect(c, "\n");
    c->wrong |= parity > DV_MOST_NODES || nodes > DV_MOST_NODES;
    if (c->wrong)
        return DV_OK;
    place->parity = (uint32_t)parity;
    place->node = calloc(nodes + 1, sizeof *place->node);
    if (!place->node)
        return DV_ERR_NO_MEMORY;
    for (; !c->wrong && place->node_count < nodes; place->node_count++) {
        expect(c, "node ");
        c->wrong |= number(c) != place->node_count;
        expect(c, " = ");
        line_text(c, path, sizeof path);
        expect(c, "\n");
        place->node[place->node_count] = strdup(c->wrong ? "" : path);
        if (!place->node[place->node_count])
            return DV_ERR_NO_MEMORY;
    }
    c->wrong |= !c->wrong && !place_is_sound(place);
    return DV_OK;
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
    expect(c, " ");
    r->parent_epoch = number(c);
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
    if (strncmp(text, "dejavu-manifest 2\n", 18) != 0)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s was written by another version of DejaVu", path);
    struct cursor c = {.at = text};
    parse_head(&c, m);
    if (c.wrong)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: its head cannot be read", path);
    if (m->epoch != epoch)
        return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is damaged: it is of epoch %" PRIu64, path,
                       m->epoch);
    enum dv_status status = parse_place(&c, &m->place);
    if (!status && !c.wrong && !(m->rank = calloc(m->ranks, sizeof *m->rank)))
        status = DV_ERR_NO_MEMORY;
    if (status)
        return dv_fail(MODULE, status, "cannot read %s: out of memory", path);
    for (uint32_t i = 0; i < m->ranks && !c.wrong; i++)
        parse_rank(&c, i, &m->rank[i]);
    expect(&c, "checksum = ");
    if (c.wrong || !ranks_are_sound(m))
        return dv_fail(MODULE, DV_ERR_DAMAGED,
                       "%s is damaged: its list of nodes or ranks cannot be read", path);
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
    if (status)
        dv_manifest_free(manifest);
    return status;
}

void dv_manifest_free(struct dv_manifest *manifest)
{
    dv_place_free(&manifest->place);
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
