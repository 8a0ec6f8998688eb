/* Reed-Solomon: lost images from what is left. */
#include "common/fail.h"
#include "common/io.h"
#include "image/image.h"
#include "store/levels_rs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <isa-l/erasure_code.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "store"
#define TABLE_BYTES 32u

struct decoder {
    struct dv_rs *rs;
    const bool *good;                /* [ranks] images */
    bool data_lost[DV_MOST_NODES];   /* some image of the node is not good */
    bool parity_lost[DV_MOST_NODES]; /* the node's parity file is not good */
    int parity_fd[DV_MOST_NODES];    /* of those that are */
    uint8_t *rows, *inverse, *tables;
    uint32_t source[DV_MOST_NODES], target[DV_MOST_NODES]; /* shards of the stripe at hand */
    uint32_t target_count;
};

/* Shard i of a stripe: data segment i, or parity i - k. */
static bool shard_is_lost(const struct decoder *d, uint32_t stripe, uint32_t shard)
{
    const struct dv_rs *rs = d->rs;
    return shard < rs->k ? d->data_lost[dv_rs_data_node(rs, stripe, shard)]
                         : d->parity_lost[dv_rs_parity_node(rs, stripe, shard - rs->k)];
}

/* More than M shards of a stripe gone? Then the nodes are named. */
static enum dv_status check_enough(const struct decoder *d)
{
    const struct dv_rs *rs = d->rs;
    uint32_t worst = 0;
    bool lost[DV_MOST_NODES];
    char text[2000];
    for (uint32_t stripe = 0; stripe < rs->n; stripe++) {
        uint32_t gone = 0;
        for (uint32_t i = 0; i < rs->n; i++)
            gone += shard_is_lost(d, stripe, i);
        worst = gone > worst ? gone : worst;
    }
    if (worst <= rs->parity)
        return DV_OK;
    for (uint32_t i = 0; i < rs->n; i++)
        lost[i] = d->data_lost[i] || d->parity_lost[i];
    dv_level_name_nodes(rs->m, lost, text, sizeof text);
    return dv_fail(MODULE, DV_ERR_DAMAGED,
                   "epoch %" PRIu64 " cannot be rebuilt: images or parity are lost or damaged on "
                   "%s; level rs with --parity %" PRIu32 " survives the loss of %" PRIu32 " node%s",
                   rs->m->epoch, text, rs->parity, rs->parity, rs->parity == 1 ? "" : "s");
}

/* Which shards to read and to make, and the tables for it. */
static enum dv_status prepare_stripe(struct decoder *d, uint32_t stripe)
{
    const struct dv_rs *rs = d->rs;
    uint32_t sources = 0;
    d->target_count = 0;
    for (uint32_t i = 0; i < rs->n; i++) {
        bool lost = shard_is_lost(d, stripe, i);
        if (!lost && sources < rs->k)
            d->source[sources++] = i;
        if (lost && i < rs->k)
            d->target[d->target_count++] = i;
    }
    if (!d->target_count)
        return DV_OK;
    for (uint32_t i = 0; i < rs->k; i++)
        memcpy(d->rows + (size_t)i * rs->k, rs->matrix + (size_t)d->source[i] * rs->k, rs->k);
    if (gf_invert_matrix(d->rows, d->inverse, (int)rs->k) != 0)
        return dv_fail(MODULE, DV_ERR_INTERNAL, "a Cauchy matrix cannot be inverted");
    for (uint32_t i = 0; i < d->target_count; i++)
        memcpy(d->rows + (size_t)i * rs->k, d->inverse + (size_t)d->target[i] * rs->k, rs->k);
    ec_init_tables((int)rs->k, (int)d->target_count, d->rows, d->tables);
    return DV_OK;
}

static enum dv_status read_shard(struct decoder *d, uint32_t stripe, uint32_t shard, uint64_t at,
                                 uint8_t *bytes, size_t length)
{
    struct dv_rs *rs = d->rs;
    if (shard < rs->k)
        return dv_rs_read(rs, dv_rs_data_node(rs, stripe, shard), shard * rs->width + at, bytes,
                          length);
    uint32_t p = shard - rs->k, node = dv_rs_parity_node(rs, stripe, p);
    size_t got = 0;
    enum dv_status status =
        dv_pread_full(d->parity_fd[node], bytes, length, DV_RS_HEADER + p * rs->width + at, &got);
    if (status || got != length)
        return dv_fail(MODULE, status ? status : DV_ERR_DAMAGED, "cannot read parity on %s: %s",
                       rs->m->place.node[node], status ? dv_errno_text(errno) : "it is too short");
    return DV_OK;
}

static enum dv_status decode_chunk(struct decoder *d, uint32_t stripe, uint64_t at, size_t length)
{
    struct dv_rs *rs = d->rs;
    uint8_t *shard[DV_MOST_NODES] = {NULL};
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < rs->n; i++)
        shard[i] = rs->buffer + (size_t)i * DV_RS_CHUNK;
    for (uint32_t i = 0; i < rs->k && !status; i++)
        status = read_shard(d, stripe, d->source[i], at, shard[i], length);
    if (status)
        return status;
    ec_encode_data((int)length, (int)rs->k, (int)d->target_count, d->tables, shard, shard + rs->k);
    for (uint32_t i = 0; i < d->target_count && !status; i++)
        status = dv_rs_write(rs, dv_rs_data_node(rs, stripe, d->target[i]),
                             d->target[i] * rs->width + at, shard[rs->k + i], length, d->good);
    return status;
}

static enum dv_status decode(struct decoder *d)
{
    struct dv_rs *rs = d->rs;
    enum dv_status status = DV_OK;
    for (uint32_t stripe = 0; stripe < rs->n && !status; stripe++) {
        status = prepare_stripe(d, stripe);
        for (uint64_t at = 0; at < rs->width && d->target_count && !status; at += DV_RS_CHUNK) {
            uint64_t left = rs->width - at;
            status = decode_chunk(d, stripe, at, left < DV_RS_CHUNK ? (size_t)left : DV_RS_CHUNK);
        }
    }
    return status;
}

static void temporary_path(const struct dv_manifest *m, uint32_t rank, char *path,
                           size_t path_bytes)
{
    char image[PATH_MAX];
    dv_level_image_path(m, rank, image, sizeof image);
    snprintf(path, path_bytes, "%s.tmp", image);
}

/* Checked to the last byte, synced, renamed. */
static enum dv_status take_over(const struct dv_manifest *m, uint32_t rank)
{
    char image[PATH_MAX], path[PATH_MAX + 8];
    dv_level_image_path(m, rank, image, sizeof image);
    temporary_path(m, rank, path, sizeof path);
    if (!dv_level_image_is_good(m, rank, path, true)) {
        (void)unlink(path);
        return dv_fail(MODULE, DV_ERR_DAMAGED,
                       "epoch %" PRIu64 ": the image of rank %" PRIu32
                       " that was rebuilt is not the one that was lost",
                       m->epoch, rank);
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dv_fail(MODULE, dv_status_from_errno(errno), "cannot open %s: %s", path,
                       dv_errno_text(errno));
    return dv_level_finish_file(fd, image);
}

static enum dv_status rebuild_images(struct decoder *d, bool *good, unsigned *rebuilt)
{
    struct dv_rs *rs = d->rs;
    char path[PATH_MAX + 8];
    enum dv_status status = check_enough(d);
    for (uint32_t r = 0; r < rs->m->ranks && !status; r++) {
        temporary_path(rs->m, r, path, sizeof path);
        if (!good[r])
            (void)unlink(path);
    }
    if (!status)
        status = decode(d);
    for (uint32_t r = 0; r < rs->m->ranks && !status; r++) {
        if (good[r])
            continue;
        status = take_over(rs->m, r);
        good[r] = !status;
        *rebuilt += !status;
    }
    return status;
}

/* What of data and parity is lost. When there is something to rebuild, all of the rest must be sound to the last byte. */
static bool look(struct decoder *d, bool *good, bool deep)
{
    const struct dv_manifest *m = d->rs->m;
    char path[PATH_MAX];
    bool any = false;
    for (uint32_t r = 0; r < m->ranks; r++)
        any |= !good[r];
    for (uint32_t r = 0; r < m->ranks; r++) {
        dv_level_image_path(m, r, path, sizeof path);
        if (any && !deep && good[r])
            good[r] = dv_level_image_is_good(m, r, path, true);
        d->data_lost[dv_place_node(&m->place, r, m->ranks)] |= !good[r];
    }
    for (uint32_t i = 0; i < d->rs->n; i++)
        d->parity_lost[i] = !dv_rs_parity_is_good(d->rs, i, deep || any);
    return any;
}

static enum dv_status open_parity(struct decoder *d)
{
    char name[64], path[PATH_MAX];
    dv_rs_parity_name(d->rs->m, name, sizeof name);
    for (uint32_t i = 0; i < d->rs->n; i++) {
        dv_level_path(d->rs->m, i, name, path, sizeof path);
        d->parity_fd[i] = d->parity_lost[i] ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (!d->parity_lost[i] && d->parity_fd[i] < 0)
            return dv_fail(MODULE, dv_status_from_errno(errno), "cannot open %s: %s", path,
                           dv_errno_text(errno));
    }
    return DV_OK;
}

static enum dv_status run(struct decoder *d, bool *good, bool deep, unsigned *rebuilt)
{
    struct dv_rs *rs = d->rs;
    enum dv_status status = DV_OK;
    /* dv_rs_open has seen to it that there are nodes. NOLINTBEGIN(clang-analyzer-optin.portability.UnixAPI) */
    d->rows = malloc((size_t)rs->n * rs->k);
    d->inverse = malloc((size_t)rs->k * rs->k);
    d->tables = malloc((size_t)TABLE_BYTES * rs->k * rs->n);
    /* NOLINTEND(clang-analyzer-optin.portability.UnixAPI) */
    if (!d->rows || !d->inverse || !d->tables)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "epoch %" PRIu64 ": no memory to rebuild it",
                       rs->m->epoch);
    if (look(d, good, deep)) {
        status = open_parity(d);
        if (!status)
            status = rebuild_images(d, good, rebuilt);
    }
    bool parity = false;
    for (uint32_t i = 0; i < rs->n; i++) {
        parity |= d->parity_lost[i];
        *rebuilt += !status && d->parity_lost[i];
    }
    if (!status)
        status = dv_level_sync(rs->m);
    return !status && parity ? dv_rs_protect(rs->m) : status;
}

enum dv_status dv_rs_rebuild(const struct dv_manifest *m, bool *good, bool deep, unsigned *rebuilt)
{
    struct dv_rs rs;
    struct decoder d = {.rs = &rs, .good = good};
    enum dv_status status = dv_rs_open(m, &rs);
    if (status)
        return status;
    for (uint32_t i = 0; i < rs.n; i++)
        d.parity_fd[i] = -1;
    status = run(&d, good, deep, rebuilt);
    for (uint32_t i = 0; i < rs.n; i++)
        if (d.parity_fd[i] >= 0)
            close(d.parity_fd[i]);
    free(d.rows);
    free(d.inverse);
    free(d.tables);
    dv_rs_close(&rs);
    return status;
}
