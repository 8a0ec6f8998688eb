/* Synthesis of complete epochs. */
#include "store/compact.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/format.h"
#include "store/levels.h"
#include "store/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "compact"
#define BUFFER_BYTES (8u << 20)

struct work {
    char job[PATH_MAX];
    const struct dv_manifest *old;
    struct dv_manifest new;
    enum dv_codec codec;
    void *buffer;
};

static enum dv_status copy_sections(struct dv_image_chain *chain, struct dv_image_writer *writer)
{
    enum dv_status status = DV_OK;
    for (unsigned kind = 1; kind <= DV_DISK_MAX_SECTIONS && !status; kind++) {
        const void *bytes;
        size_t length;
        status = dv_image_reader_section(dv_image_chain_head(chain), (enum dv_image_section)kind,
                                         &bytes, &length);
        if (status == DV_OK)
            status = dv_image_write_section(writer, (enum dv_image_section)kind, bytes, length);
        else if (status == DV_ERR_NOT_FOUND)
            status = DV_OK;
    }
    return status;
}

static enum dv_status copy_pages(const struct work *w, struct dv_image_chain *chain,
                                 struct dv_image_writer *writer)
{
    uint64_t address, length;
    for (size_t i = 0; dv_image_chain_run(chain, i, &address, &length); i++) {
        dv_image_writer_next_region(writer);
        for (uint64_t at = 0; at < length; at += BUFFER_BYTES) {
            uint64_t bytes = length - at < BUFFER_BYTES ? length - at : BUFFER_BYTES;
            enum dv_status status =
                dv_image_chain_load(chain, address + at, address + at + bytes, w->buffer, 1);
            if (!status)
                status = dv_image_write_pages(writer, address + at, bytes, w->buffer);
            if (status)
                return status;
        }
    }
    return DV_OK;
}

static uint64_t count_pages(const struct dv_image_chain *chain)
{
    uint64_t address, length, bytes = 0;
    for (size_t i = 0; dv_image_chain_run(chain, i, &address, &length); i++)
        bytes += length;
    return bytes / DV_DISK_PAGE;
}

static enum dv_status write_image(const struct work *w, uint32_t rank, struct dv_image_chain *chain,
                                  const char *directory, const char *name)
{
    struct dv_image_identity identity = *dv_image_reader_identity(dv_image_chain_head(chain));
    identity.parent_epoch = 0;
    memset(identity.parent_digest, 0, sizeof identity.parent_digest);
    const struct dv_image_spec spec = {.directory = directory,
                                       .name = name,
                                       .identity = &identity,
                                       .most_pages = count_pages(chain),
                                       .codec = w->codec,
                                       .forked =
                                           1, /* mappings for recycling would be of no use here */
                                       .origin_digest = w->old->rank[rank].digest};
    struct dv_image_writer *writer = NULL;
    struct dv_image_stats stats;
    enum dv_status status = dv_image_writer_new(&spec, &writer);
    if (status)
        return status;
    if ((status = copy_sections(chain, writer)) || (status = dv_image_writer_begin(writer)) ||
        (status = copy_pages(w, chain, writer)) ||
        (status = dv_image_writer_finish(writer, &stats))) {
        dv_image_writer_abort(writer);
        return status;
    }
    return dv_image_writer_commit(writer);
}

/* The image under its new name: is it the one that is wanted, whole? Its figures for the manifest. */
static enum dv_status take_figures(struct work *w, uint32_t rank, const char *path)
{
    struct dv_image_reader *reader = NULL;
    enum dv_status status = dv_image_reader_open(path, &reader);
    if (status)
        return status;
    struct dv_manifest_rank *r = &w->new.rank[rank];
    const struct dv_image_stats *stats = dv_image_reader_stats(reader);
    status = dv_manifest_fits(w->old, rank, path, reader);
    if (!status && stats->parent_epoch)
        status = dv_fail(MODULE, DV_ERR_DAMAGED, "%s is not complete", path);
    if (!status)
        status = dv_image_reader_verify(reader);
    if (!status) {
        *r = (struct dv_manifest_rank){.file_bytes = stats->file_bytes,
                                       .data_bytes = stats->data_bytes};
        memcpy(r->digest, stats->digest, sizeof r->digest);
    }
    dv_image_reader_close(reader);
    return status;
}

static enum dv_status rewrite_rank(struct work *w, uint32_t rank, struct dv_compacted *result)
{
    char directory[PATH_MAX], name[64], path[PATH_MAX + 80];
    struct dv_image_chain *chain = NULL;
    dv_epoch_directory(dv_place_base(&w->old->place, w->job, rank, w->old->ranks), w->old->epoch,
                       directory, sizeof directory);
    dv_store_image_name(rank, w->new.generation, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    /* An earlier attempt may have come this far. */
    if (access(path, F_OK) == 0 && take_figures(w, rank, path) == DV_OK) {
        result->written_bytes += w->new.rank[rank].file_bytes;
        return DV_OK;
    }
    enum dv_status status =
        dv_image_chain_open(dv_store_locate, w->job, w->old->epoch, rank, &chain);
    if (status)
        return status == DV_ERR_NOT_FOUND ? DV_ERR_DAMAGED : status;
    uint32_t images = (uint32_t)dv_image_chain_length(chain);
    result->images = images > result->images ? images : result->images;
    status = write_image(w, rank, chain, directory, name);
    dv_image_chain_close(chain);
    if (!status)
        status = take_figures(w, rank, path);
    if (!status)
        result->written_bytes += w->new.rank[rank].file_bytes;
    return status;
}

static enum dv_status rewrite(struct work *w, struct dv_compacted *result)
{
    enum dv_status status = DV_OK;
    for (uint32_t r = 0; r < w->old->ranks && !status; r++)
        status = rewrite_rank(w, r, result);
    if (!status)
        status = dv_level_protect(&w->new);
    return status ? status : dv_manifest_write(w->job, &w->new);
}

static enum dv_status compact(const char *job, const struct dv_manifest *old, enum dv_codec codec,
                              struct dv_compacted *result)
{
    struct work w = {.old = old, .new = *old, .codec = codec};
    int n = snprintf(w.job, sizeof w.job, "%s", job);
    if (n < 0 || (size_t)n >= sizeof w.job)
        return dv_fail(MODULE, DV_ERR_USAGE, "the path of the job directory is too long: %s", job);
    w.new.parent_epoch = 0;
    w.new.generation = old->generation + 1;
    w.new.rank = calloc(old->ranks, sizeof *w.new.rank);
    w.buffer = aligned_alloc(DV_DISK_PAGE, BUFFER_BYTES);
    enum dv_status status = DV_OK;
    if (w.new.rank && w.buffer)
        status = rewrite(&w, result);
    else
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "epoch %" PRIu64 ": no memory to compact it",
                         old->epoch);
    free(w.new.rank);
    free(w.buffer);
    return status;
}

enum dv_status dv_compact_epoch(const char *job, uint64_t epoch, enum dv_codec codec,
                                struct dv_compacted *result)
{
    struct dv_compacted unused;
    struct dv_manifest m;
    if (!result)
        result = &unused;
    *result = (struct dv_compacted){.images = 1};
    enum dv_status status = dv_manifest_read(job, epoch, &m);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail(MODULE, status, "%s has no committed epoch %" PRIu64 "; see dejavu ls", job,
                       epoch);
    if (status)
        return status;
    if (m.parent_epoch)
        status = compact(job, &m, codec, result);
    else
        status = dv_fail_quietly(DV_ERR_NOTHING, "epoch %" PRIu64 " is complete already", epoch);
    dv_manifest_free(&m);
    return status;
}
