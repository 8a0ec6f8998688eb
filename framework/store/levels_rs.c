/* Reed-Solomon: the nodes' streams, and making parity. */
#include "store/levels_rs.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"

#include <dejavu/log.h>

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
#define TABLE_BYTES 32u /* of ISA-L for each coefficient */
#define ALIGNMENT 64u

/* ---- streams -------------------------------------------------------------- */

static uint32_t first_rank(const struct dv_manifest *m, uint32_t node)
{
    uint32_t r = (uint32_t)((uint64_t)node * m->ranks / m->place.node_count);
    while (r < m->ranks && dv_place_node(&m->place, r, m->ranks) < node)
        r++;
    return r;
}

enum dv_status dv_rs_open(const struct dv_manifest *m, struct dv_rs *rs)
{
    uint64_t longest = 0;
    *rs = (struct dv_rs){.m = m, .n = m->place.node_count, .parity = m->place.parity};
    if (rs->n <= rs->parity || rs->n > DV_MOST_NODES)
        return dv_fail(MODULE, DV_ERR_INTERNAL, "epoch %" PRIu64 ": more parity than nodes",
                       m->epoch);
    rs->k = rs->n - rs->parity;
    for (uint32_t i = 0; i < rs->n; i++)
        rs->stream[i].fd = -1;
    rs->start = calloc(m->ranks + 1, sizeof *rs->start);
    rs->matrix = malloc((size_t)rs->n * rs->k);
    rs->buffer = aligned_alloc(ALIGNMENT, (size_t)rs->n * DV_RS_CHUNK);
    if (!rs->start || !rs->matrix || !rs->buffer) {
        dv_rs_close(rs);
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "epoch %" PRIu64 ": no memory for parity",
                       m->epoch);
    }
    for (uint32_t i = 0; i < rs->n; i++) {
        uint64_t at = 0;
        for (uint32_t r = first_rank(m, i);
             r < m->ranks && dv_place_node(&m->place, r, m->ranks) == i; r++) {
            rs->start[r] = at;
            at += m->rank[r].file_bytes;
        }
        longest = at > longest ? at : longest;
    }
    rs->width = (longest + rs->k - 1) / rs->k;
    rs->width = (rs->width + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    gf_gen_cauchy1_matrix(rs->matrix, (int)rs->n, (int)rs->k);
    return DV_OK;
}

static void close_stream(struct dv_rs_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

void dv_rs_close(struct dv_rs *rs)
{
    for (uint32_t i = 0; i < rs->n; i++)
        close_stream(&rs->stream[i]);
    free(rs->start);
    free(rs->matrix);
    free(rs->buffer);
    *rs = (struct dv_rs){.n = 0};
}

/* The file that holds a rank's part of the stream; the one that is open already if it is that. */
static enum dv_status open_rank(struct dv_rs *rs, uint32_t node, uint32_t rank, bool write, int *fd)
{
    char image[PATH_MAX], path[PATH_MAX + 8];
    struct dv_rs_stream *stream = &rs->stream[node];
    if (stream->fd < 0 || stream->rank != rank) {
        close_stream(stream);
        dv_level_image_path(rs->m, rank, image, sizeof image);
        snprintf(path, sizeof path, "%s%s", image, write ? ".tmp" : "");
        stream->fd =
            open(path, (write ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW, 0600);
        stream->rank = rank;
        if (stream->fd < 0)
            return dv_fail(MODULE, dv_status_from_errno(errno), "cannot open %s: %s", path,
                           dv_errno_text(errno));
    }
    *fd = stream->fd;
    return DV_OK;
}

/* The part of [offset, offset + length) that lies in the rank's image; 0: none. */
static size_t overlap(const struct dv_rs *rs, uint32_t rank, uint64_t offset, size_t length,
                      uint64_t *in_file, size_t *in_bytes)
{
    uint64_t from = rs->start[rank], to = from + rs->m->rank[rank].file_bytes;
    uint64_t a = from > offset ? from : offset;
    uint64_t b = to < offset + length ? to : offset + length;
    if (a >= b)
        return 0;
    *in_file = a - from;
    *in_bytes = (size_t)(a - offset);
    return (size_t)(b - a);
}

enum dv_status dv_rs_read(struct dv_rs *rs, uint32_t node, uint64_t offset, uint8_t *bytes,
                          size_t length)
{
    const struct dv_manifest *m = rs->m;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there are as many shards as nodes */
    memset(bytes, 0, length);
    for (uint32_t r = first_rank(m, node);
         r < m->ranks && dv_place_node(&m->place, r, m->ranks) == node; r++) {
        uint64_t at = 0;
        size_t to = 0, got = 0, want = overlap(rs, r, offset, length, &at, &to);
        int fd = -1;
        if (!want)
            continue;
        enum dv_status status = open_rank(rs, node, r, false, &fd);
        if (status)
            return status;
        status = dv_pread_full(fd, bytes + to, want, at, &got);
        if (status || got != want)
            return dv_fail(MODULE, status ? status : DV_ERR_DAMAGED,
                           "cannot read the image of rank %" PRIu32 " on %s: %s", r,
                           m->place.node[node], status ? dv_errno_text(errno) : "it is too short");
    }
    return DV_OK;
}

enum dv_status dv_rs_write(struct dv_rs *rs, uint32_t node, uint64_t offset, const uint8_t *bytes,
                           size_t length, const bool *good)
{
    const struct dv_manifest *m = rs->m;
    for (uint32_t r = first_rank(m, node);
         r < m->ranks && dv_place_node(&m->place, r, m->ranks) == node; r++) {
        uint64_t at = 0;
        size_t from = 0, want = good[r] ? 0 : overlap(rs, r, offset, length, &at, &from);
        int fd = -1;
        if (!want)
            continue;
        enum dv_status status = open_rank(rs, node, r, true, &fd);
        if (status)
            return status;
        if ((status = dv_pwrite_all(fd, bytes + from, want, at)))
            return dv_fail(MODULE, status, "cannot write the image of rank %" PRIu32 " to %s: %s",
                           r, m->place.node[node], dv_errno_text(errno));
    }
    return DV_OK;
}

/* ---- parity files --------------------------------------------------------- */

void dv_rs_parity_name(const struct dv_manifest *m, char *name, size_t name_bytes)
{
    if (m->generation)
        snprintf(name, name_bytes, "parity.g%" PRIu32 ".dvp", m->generation);
    else
        snprintf(name, name_bytes, "parity.dvp");
}

uint64_t dv_rs_sum(uint64_t sum, const uint8_t *bytes, size_t length)
{
    const uint64_t both[2] = {sum, dv_checksum64(bytes, length)};
    return dv_checksum64(both, sizeof both);
}

void dv_rs_header(const struct dv_rs *rs, uint32_t node, struct dv_rs_parity_header *header)
{
    const struct dv_manifest *m = rs->m;
    memset(header, 0, sizeof *header);
    header->magic = DV_RS_MAGIC;
    header->format = DV_RS_FORMAT;
    header->nodes = rs->n;
    header->parity = rs->parity;
    header->node = node;
    header->ranks = m->ranks;
    header->generation = m->generation;
    header->epoch = m->epoch;
    header->width = rs->width;
    for (uint32_t r = 0; r < m->ranks; r++)
        header->images = dv_rs_sum(header->images, m->rank[r].digest, sizeof m->rank[r].digest);
}

/* Does its header say what it must say of these images? The sums are taken over. */
static bool header_fits(const struct dv_rs *rs, uint32_t node,
                        const struct dv_rs_parity_header *header)
{
    struct dv_rs_parity_header expected;
    dv_rs_header(rs, node, &expected);
    memcpy(expected.sum, header->sum, rs->parity * sizeof *expected.sum);
    expected.checksum = dv_checksum64(&expected, offsetof(struct dv_rs_parity_header, checksum));
    return memcmp(&expected, header, sizeof expected) == 0;
}

static bool shards_fit(const struct dv_rs *rs, int fd, const struct dv_rs_parity_header *header)
{
    for (uint32_t p = 0; p < rs->parity; p++) {
        uint64_t sum = 0;
        for (uint64_t at = 0; at < rs->width; at += DV_RS_CHUNK) {
            size_t got = 0,
                   want = rs->width - at < DV_RS_CHUNK ? (size_t)(rs->width - at) : DV_RS_CHUNK;
            if (dv_pread_full(fd, rs->buffer, want, DV_RS_HEADER + p * rs->width + at, &got) ||
                got != want)
                return false;
            sum = dv_rs_sum(sum, rs->buffer, want);
        }
        if (sum != header->sum[p])
            return false;
    }
    return true;
}

bool dv_rs_parity_is_good(const struct dv_rs *rs, uint32_t node, bool deep)
{
    static struct dv_rs_parity_header header;
    char name[64], path[PATH_MAX];
    size_t got = 0;
    dv_rs_parity_name(rs->m, name, sizeof name);
    dv_level_path(rs->m, node, name, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        dv_info(MODULE, "%s is lost: %s", path, dv_errno_text(errno));
        return false;
    }
    bool good = dv_pread_full(fd, &header, sizeof header, 0, &got) == DV_OK &&
                got == sizeof header && header_fits(rs, node, &header) &&
                lseek(fd, 0, SEEK_END) == (off_t)(DV_RS_HEADER + rs->parity * rs->width) &&
                (!deep || shards_fit(rs, fd, &header));
    close(fd);
    if (!good)
        dv_info(MODULE, "%s is damaged, or is the parity of other images", path);
    return good;
}

/* ---- making parity -------------------------------------------------------- */

struct encoder {
    struct dv_rs *rs;
    int fd[DV_MOST_NODES];              /* of `<parity file>.tmp` */
    struct dv_rs_parity_header *header; /* [n] */
    uint8_t *tables;
};

static enum dv_status create_parity(struct encoder *e, uint32_t node)
{
    char name[64], path[PATH_MAX], temporary[PATH_MAX + 8];
    dv_rs_parity_name(e->rs->m, name, sizeof name);
    dv_level_path(e->rs->m, node, name, path, sizeof path);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    (void)unlink(temporary);
    e->fd[node] = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (e->fd[node] < 0)
        return dv_fail(MODULE, dv_status_from_errno(errno), "cannot create %s: %s", temporary,
                       dv_errno_text(errno));
    dv_rs_header(e->rs, node, &e->header[node]);
    return DV_OK;
}

static enum dv_status write_parity(struct encoder *e, uint32_t node, uint64_t offset,
                                   const void *bytes, size_t length)
{
    enum dv_status status = dv_pwrite_all(e->fd[node], bytes, length, offset);
    if (status)
        return dv_fail(MODULE, status, "cannot write parity of epoch %" PRIu64 " to %s: %s",
                       e->rs->m->epoch, e->rs->m->place.node[node], dv_errno_text(errno));
    return DV_OK;
}

static enum dv_status encode_chunk(struct encoder *e, uint32_t stripe, uint64_t at, size_t length)
{
    struct dv_rs *rs = e->rs;
    uint8_t *shard[DV_MOST_NODES] = {NULL};
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < rs->n; i++)
        shard[i] = rs->buffer + (size_t)i * DV_RS_CHUNK;
    for (uint32_t s = 0; s < rs->k && !status; s++)
        status =
            dv_rs_read(rs, dv_rs_data_node(rs, stripe, s), s * rs->width + at, shard[s], length);
    if (status)
        return status;
    ec_encode_data((int)length, (int)rs->k, (int)rs->parity, e->tables, shard, shard + rs->k);
    for (uint32_t p = 0; p < rs->parity && !status; p++) {
        uint32_t node = dv_rs_parity_node(rs, stripe, p);
        uint8_t *bytes = shard[rs->k + p];
        e->header[node].sum[p] = dv_rs_sum(e->header[node].sum[p], bytes, length);
        status = write_parity(e, node, DV_RS_HEADER + p * rs->width + at, bytes, length);
    }
    return status;
}

static enum dv_status finish_parity(struct encoder *e, uint32_t node)
{
    char name[64], path[PATH_MAX];
    struct dv_rs_parity_header *header = &e->header[node];
    header->checksum = dv_checksum64(header, offsetof(struct dv_rs_parity_header, checksum));
    enum dv_status status = write_parity(e, node, 0, header, sizeof *header);
    if (status)
        return status;
    dv_rs_parity_name(e->rs->m, name, sizeof name);
    dv_level_path(e->rs->m, node, name, path, sizeof path);
    int fd = e->fd[node];
    e->fd[node] = -1;
    return dv_level_finish_file(fd, path);
}

static enum dv_status encode(struct encoder *e)
{
    struct dv_rs *rs = e->rs;
    enum dv_status status = DV_OK;
    ec_init_tables((int)rs->k, (int)rs->parity, rs->matrix + (size_t)rs->k * rs->k, e->tables);
    for (uint32_t i = 0; i < rs->n && !status; i++)
        status = create_parity(e, i);
    for (uint32_t stripe = 0; stripe < rs->n; stripe++) {
        for (uint64_t at = 0; at < rs->width && !status; at += DV_RS_CHUNK) {
            uint64_t left = rs->width - at;
            status = encode_chunk(e, stripe, at, left < DV_RS_CHUNK ? (size_t)left : DV_RS_CHUNK);
        }
    }
    for (uint32_t i = 0; i < rs->n && !status; i++)
        status = finish_parity(e, i);
    return status ? status : dv_level_sync(rs->m);
}

/* What an encoder that failed has left. */
static void drop_temporaries(struct encoder *e)
{
    char name[64], path[PATH_MAX], temporary[PATH_MAX + 8];
    dv_rs_parity_name(e->rs->m, name, sizeof name);
    for (uint32_t i = 0; i < e->rs->n; i++) {
        if (e->fd[i] < 0)
            continue;
        close(e->fd[i]);
        dv_level_path(e->rs->m, i, name, path, sizeof path);
        snprintf(temporary, sizeof temporary, "%s.tmp", path);
        (void)unlink(temporary);
    }
}

enum dv_status dv_rs_protect(const struct dv_manifest *m)
{
    struct dv_rs rs;
    struct encoder e = {.rs = &rs};
    enum dv_status status = dv_rs_open(m, &rs);
    if (status)
        return status;
    for (uint32_t i = 0; i < rs.n; i++)
        e.fd[i] = -1;
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): dv_rs_open has seen to it that there are nodes */
    e.header = calloc(rs.n, sizeof *e.header);
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): dv_rs_open has seen to it that there are nodes */
    e.tables = malloc((size_t)TABLE_BYTES * rs.k * rs.parity);
    if (e.header && e.tables)
        status = encode(&e);
    else
        status =
            dv_fail(MODULE, DV_ERR_NO_MEMORY, "epoch %" PRIu64 ": no memory for parity", m->epoch);
    drop_temporaries(&e);
    free(e.header);
    free(e.tables);
    dv_rs_close(&rs);
    return status;
}
