/* Where images live. */
#include "store/store.h"

#include "common/fail.h"
#include "image/checksum.h"
#include "store/manifest.h"

#include <dejavu/option.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "store"

static const char *const level_names[] = {"shared", "memory", "disk", "partner", "rs", NULL};

const char *dv_level_name(enum dv_level level)
{
    return (unsigned)level <= DV_LEVEL_RS ? level_names[level] : NULL;
}

enum dv_status dv_level_parse(const char *name, enum dv_level *level)
{
    for (unsigned i = 0; level_names[i]; i++) {
        if (strcmp(level_names[i], name) == 0) {
            *level = (enum dv_level)i;
            return DV_OK;
        }
    }
    const char *near = dv_did_you_mean(name, level_names);
    return dv_fail(MODULE, DV_ERR_USAGE,
                   "there is no level \"%s\" (shared, memory, disk, partner, rs)%s%s%s", name,
                   near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

void dv_place_free(struct dv_place *place)
{
    for (uint32_t i = 0; place->node && i < place->node_count; i++)
        free(place->node[i]);
    free(place->node);
    memset(place, 0, sizeof *place);
}

enum dv_status dv_place_copy(const struct dv_place *place, struct dv_place *copy)
{
    *copy = (struct dv_place){.level = place->level, .parity = place->parity};
    if (!place->node_count)
        return DV_OK;
    copy->node = calloc(place->node_count, sizeof *copy->node);
    copy->node_count = copy->node ? place->node_count : 0;
    for (uint32_t i = 0; copy->node && i < place->node_count; i++) {
        copy->node[i] = strdup(place->node[i]);
        if (copy->node[i])
            continue;
        dv_place_free(copy);
    }
    return copy->node ? DV_OK : dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the nodes");
}

uint32_t dv_place_survives(const struct dv_place *place)
{
    switch (place->level) {
    case DV_LEVEL_SHARED:
        return DV_SURVIVES_ANY;
    case DV_LEVEL_PARTNER:
        return 1;
    case DV_LEVEL_RS:
        return place->parity;
    default:
        return 0;
    }
}

uint32_t dv_place_node(const struct dv_place *place, uint32_t rank, uint32_t ranks)
{
    return (uint32_t)((uint64_t)rank * place->node_count / ranks);
}

const char *dv_place_base(const struct dv_place *place, const char *job, uint32_t rank,
                          uint32_t ranks)
{
    return place->node_count ? place->node[dv_place_node(place, rank, ranks)] : job;
}

enum dv_status dv_place_root(const char *node, const char *job, char *path, size_t path_bytes)
{
    int n =
        snprintf(path, path_bytes, "%s/dejavu-%016" PRIx64, node, dv_checksum64(job, strlen(job)));
    if (n < 0 || (size_t)n >= path_bytes)
        return dv_fail(MODULE, DV_ERR_USAGE, "the path of the node's directory is too long: %s",
                       node);
    return DV_OK;
}

void dv_store_image_name(uint32_t rank, uint32_t generation, char *name, size_t name_bytes)
{
    if (generation)
        snprintf(name, name_bytes, "rank-%" PRIu32 ".g%" PRIu32 ".dvi", rank, generation);
    else
        snprintf(name, name_bytes, "rank-%" PRIu32 ".dvi", rank);
}

int dv_store_parse_name(const char *name, uint32_t *rank, uint32_t *generation)
{
    char canonical[64];
    *generation = 0;
    if (sscanf(name, "rank-%9" SCNu32 ".g%9" SCNu32 ".dvi", rank, generation) < 1)
        return 0;
    dv_store_image_name(*rank, *generation, canonical, sizeof canonical);
    return strcmp(canonical, name) == 0;
}

/* Of an epoch whose manifest has been read. */
static enum dv_status image_path(const char *job, const struct dv_manifest *m, uint32_t rank,
                                 char *path, size_t path_bytes)
{
    char directory[PATH_MAX], name[64];
    dv_epoch_directory(dv_place_base(&m->place, job, rank, m->ranks), m->epoch, directory,
                       sizeof directory);
    dv_store_image_name(rank, m->generation, name, sizeof name);
    int n = snprintf(path, path_bytes, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= path_bytes)
        return dv_fail(MODULE, DV_ERR_USAGE, "the path of %s is too long: %s", name, directory);
    return DV_OK;
}

enum dv_status dv_store_locate(void *job, uint64_t epoch, uint32_t rank, char *path,
                               size_t path_bytes)
{
    struct dv_manifest m;
    enum dv_status status = dv_manifest_read(job, epoch, &m);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail(MODULE, status,
                       "epoch %" PRIu64 " of %s is not there, or was never committed", epoch,
                       (const char *)job);
    if (status)
        return status;
    if (rank < m.ranks)
        status = image_path(job, &m, rank, path, path_bytes);
    else
        status = dv_fail(MODULE, DV_ERR_NOT_FOUND,
                         "epoch %" PRIu64 " of %s has %" PRIu32 " ranks, there is no rank %" PRIu32,
                         epoch, (const char *)job, m.ranks, rank);
    dv_manifest_free(&m);
    return status;
}

/* Call `each` for the epoch and its ancestors, newest first. */
static enum dv_status for_chain(const char *job, uint64_t epoch,
                                enum dv_status (*each)(const char *job, const struct dv_manifest *m,
                                                       void *arg),
                                void *arg)
{
    enum dv_status status = DV_OK;
    for (uint64_t parent = 0; !status && epoch; epoch = parent) {
        struct dv_manifest m;
        status = dv_manifest_read(job, epoch, &m);
        if (status == DV_ERR_NOT_FOUND)
            return dv_fail(MODULE, DV_ERR_DAMAGED,
                           "epoch %" PRIu64 " of %s, which later ones need, is not there", epoch,
                           job);
        if (status)
            return status;
        parent = m.parent_epoch;
        status = each(job, &m, arg);
        dv_manifest_free(&m);
    }
    return status;
}

static enum dv_status count(const char *job, const struct dv_manifest *m, void *length)
{
    (void)job;
    (void)m;
    ++*(uint32_t *)length;
    return DV_OK;
}

enum dv_status dv_store_chain_length(const char *job, uint64_t epoch, uint32_t *length)
{
    *length = 0;
    return for_chain(job, epoch, count, length);
}

static enum dv_status look(const char *job, const struct dv_manifest *m, void *unused)
{
    (void)unused;
    for (uint32_t r = 0; r < m->ranks; r++) {
        char path[PATH_MAX];
        struct stat st;
        enum dv_status status = image_path(job, m, r, path, sizeof path);
        if (status)
            return status;
        if (lstat(path, &st) != 0)
            return dv_fail(MODULE, DV_ERR_DAMAGED, "%s is lost: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->rank[r].file_bytes)
            return dv_fail(MODULE, DV_ERR_DAMAGED, "%s has not the size that its manifest says",
                           path);
    }
    return DV_OK;
}

enum dv_status dv_store_present(const char *job, uint64_t epoch)
{
    return for_chain(job, epoch, look, NULL);
}
