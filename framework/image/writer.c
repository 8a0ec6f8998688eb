/* Image writer: its life from new to commit or abort, sections and tables. Blocks go out as they come, tables at the end. */
#include "image/writer.h"

#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "image/mapping.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MODULE "image"

static enum dv_status fill_header(struct dv_disk_header *h, const struct dv_image_spec *spec)
{
    const struct dv_image_identity *id = spec->identity;
    if (!memchr(id->program, 0, sizeof id->program) ||
        !memchr(id->strategy, 0, sizeof id->strategy))
        return dv_fail(MODULE, DV_ERR_INTERNAL, "an image's identity has a string without end");
    if (id->parent_epoch && id->parent_epoch >= id->epoch)
        return dv_fail(MODULE, DV_ERR_INTERNAL,
                       "an image of epoch %llu cannot inherit from epoch %llu",
                       (unsigned long long)id->epoch, (unsigned long long)id->parent_epoch);
    h->magic = DV_DISK_HEADER_MAGIC;
    h->format = DV_IMAGE_FORMAT;
    h->epoch = id->epoch;
    h->parent_epoch = id->parent_epoch;
    memcpy(h->parent_digest, id->parent_digest, sizeof h->parent_digest);
    h->rank = id->rank;
    h->size = id->size;
    h->gate_abi = id->gate_abi;
    h->page_bytes = id->page_bytes;
    h->cpu_features = id->cpu_features;
    memcpy(h->program_digest, id->program_digest, sizeof h->program_digest);
    /* Up to the NUL only: what lies behind it is the caller's stack. */
    memcpy(h->program, id->program, strlen(id->program));
    memcpy(h->strategy, id->strategy, strlen(id->strategy));
    if (spec->origin_digest)
        memcpy(h->origin_digest, spec->origin_digest, sizeof h->origin_digest);
    return DV_OK;
}

static enum dv_status set_paths(struct dv_image_writer *w, const struct dv_image_spec *spec)
{
    const char *recycle = spec->recycle ? spec->recycle : "";
    int n = snprintf(w->path, sizeof w->path, "%s/%s", spec->directory, spec->name);
    int m = snprintf(w->temporary, sizeof w->temporary, "%s/%s.tmp", spec->directory, spec->name);
    int d = snprintf(w->directory, sizeof w->directory, "%s", spec->directory);
    int r = snprintf(w->recycle, sizeof w->recycle, "%s", recycle);
    if (n < 0 || m < 0 || d < 0 || r < 0 || (size_t)m >= sizeof w->temporary ||
        (size_t)r >= sizeof w->recycle || strchr(spec->name, '/') || !*spec->name)
        return dv_fail(MODULE, DV_ERR_USAGE, "bad path of an image: %.200s/%.200s", spec->directory,
                       spec->name);
    return DV_OK;
}

static void *map_anonymous(size_t bytes, int flags)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Buffers, and tables for the worst case: each page a run or a span of its own. */
static enum dv_status take_memory(struct dv_image_writer *w, const struct dv_image_spec *spec)
{
    const size_t page_bytes = sizeof *w->runs + sizeof *w->spans;
    const size_t fixed = DV_WRITER_OUT_BYTES + DV_WRITER_SAMPLE_BYTES;
    w->most_pages = (size_t)spec->most_pages;
    w->shared = map_anonymous(sizeof *w->shared, MAP_SHARED);
    if (w->most_pages <= (SIZE_MAX / 2 - fixed) / page_bytes) {
        w->memory_bytes = fixed + w->most_pages * page_bytes;
        w->memory = map_anonymous(w->memory_bytes, MAP_PRIVATE | MAP_NORESERVE);
    }
    enum dv_status status = w->shared && w->memory ? DV_OK : DV_ERR_NO_MEMORY;
    if (!status && w->wanted != DV_CODEC_NONE)
        status = dv_packer_new(w->wanted, &w->packer);
    if (status)
        return dv_fail(MODULE, status, "cannot write %s: no memory for the tables of %llu pages",
                       w->path, (unsigned long long)spec->most_pages);
    w->out = w->memory;
    w->sample = w->out + DV_WRITER_OUT_BYTES;
    w->runs = (struct dv_disk_run *)(void *)(w->sample + DV_WRITER_SAMPLE_BYTES);
    w->spans = (struct dv_disk_span *)(void *)(w->runs + w->most_pages);
    return DV_OK;
}

static void free_writer(struct dv_image_writer *w);

enum dv_status dv_image_writer_new(const struct dv_image_spec *spec,
                                   struct dv_image_writer **writer)
{
    dv_mapping_trim();
    struct dv_image_writer *w = calloc(1, sizeof *w);
    if (!w)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot write %s/%s: out of memory",
                       spec->directory, spec->name);
    w->fd = -1;
    w->owner = getpid();
    w->forked = spec->forked;
    w->wanted = w->codec = spec->codec;
    w->offset = DV_DISK_PAGE;
    /* The child cannot halt what this process prepares, nor go on. */
    if (w->forked)
        dv_image_prepare_halt();
    enum dv_status status = DV_OK;
    if ((unsigned)spec->codec > DV_CODEC_AUTO)
        status = dv_fail(MODULE, DV_ERR_INTERNAL, "there is no codec %d", (int)spec->codec);
    if (!status)
        status = set_paths(w, spec);
    if (!status)
        status = fill_header(&w->header, spec);
    if (!status)
        status = take_memory(w, spec);
    if (status) {
        free_writer(w);
        return status;
    }
    *writer = w;
    return DV_OK;
}

enum dv_status dv_image_writer_begin(struct dv_image_writer *w)
{
    enum dv_status status = dv_writer_check(w);
    if (status)
        return status;
    if (w->fd >= 0 || w->finished)
        return w->status = dv_fail(MODULE, DV_ERR_INTERNAL, "%s: begun twice", w->temporary);
    struct rlimit limit;
    w->size_limit = INT64_MAX;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < w->size_limit)
        w->size_limit = limit.rlim_cur;
    atomic_store(&w->shared->began, 1);
    if (!w->forked)
        dv_image_prepare_halt();
    status = dv_writer_open(w);
    if (!w->forked)
        dv_image_prepare_go_on();
    if (!status && w->wanted == DV_CODEC_AUTO)
        w->store_ps = dv_writer_store_ps(w->fd);
    return status;
}

enum dv_status dv_image_write_section(struct dv_image_writer *w, enum dv_image_section kind,
                                      const void *bytes, size_t length)
{
    if (dv_writer_check(w))
        return w->status;
    uint32_t n = w->footer.section_count;
    for (uint32_t i = 0; i < n; i++)
        if (w->footer.sections[i].kind == (uint32_t)kind)
            return w->status = dv_fail(MODULE, DV_ERR_INTERNAL, "%s: section %d given twice",
                                       w->temporary, kind);
    if (w->finished || n == DV_DISK_MAX_SECTIONS || length > DV_DISK_MAX_SECTION_BYTES)
        return w->status = dv_fail(MODULE, DV_ERR_INTERNAL, "%s: one section too many or too long",
                                   w->temporary);
    void *copy = malloc(length ? length : 1);
    if (!copy)
        return w->status = dv_fail(MODULE, DV_ERR_NO_MEMORY,
                                   "cannot write %s: no memory for a section", w->temporary);
    if (length)
        memcpy(copy, bytes, length);
    w->section_bytes[n] = copy;
    w->footer.sections[n] = (struct dv_disk_section){
        .kind = (uint32_t)kind, .length = length, .checksum = dv_checksum64(copy, length)};
    w->footer.section_count = n + 1;
    return DV_OK;
}

/* Which parent the image has is known only now. */
static void complete_header(struct dv_image_writer *w)
{
    struct dv_disk_header *h = &w->header;
    if (w->span_count == 0) {
        h->parent_epoch = 0;
        memset(h->parent_digest, 0, sizeof h->parent_digest);
    }
    h->checksum = dv_checksum64(h, offsetof(struct dv_disk_header, checksum));
}

static void complete_footer(struct dv_image_writer *w, size_t runs_bytes, size_t spans_bytes)
{
    struct dv_disk_footer *f = &w->footer;
    f->magic = DV_DISK_FOOTER_MAGIC;
    f->format = DV_IMAGE_FORMAT;
    f->runs_offset = w->offset;
    f->run_count = w->run_count;
    f->runs_checksum = dv_checksum64(w->runs, runs_bytes);
    f->span_count = w->span_count;
    f->spans_checksum = dv_checksum64(w->spans, spans_bytes);
    f->file_bytes = w->offset + runs_bytes + spans_bytes + sizeof *f;
    dv_disk_digest(&w->header, w->runs, w->run_count, w->spans, w->span_count, f, f->digest);
    f->checksum = dv_checksum64(f, offsetof(struct dv_disk_footer, checksum));
}

static enum dv_status write_tables(struct dv_image_writer *w)
{
    struct dv_disk_footer *f = &w->footer;
    size_t runs_bytes = w->run_count * sizeof *w->runs;
    size_t spans_bytes = w->span_count * sizeof *w->spans;
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < f->section_count && !status; i++) {
        f->sections[i].offset = w->offset;
        status = dv_writer_put(w, w->section_bytes[i], f->sections[i].length);
    }
    if (status)
        return status;
    complete_header(w);
    complete_footer(w, runs_bytes, spans_bytes);
    status = dv_writer_put(w, w->runs, runs_bytes);
    if (!status)
        status = dv_writer_put(w, w->spans, spans_bytes);
    if (!status)
        status = dv_writer_put_at(w, &w->header, sizeof w->header, 0);
    if (!status)
        status = dv_writer_put(w, f, sizeof *f);
    if (!status)
        status = dv_writer_flush(w);
    return status;
}

enum dv_status dv_image_writer_finish(struct dv_image_writer *w, struct dv_image_stats *stats)
{
    if (dv_writer_check(w))
        return w->status;
    if (w->finished || w->fd < 0)
        return w->status = dv_fail(MODULE, DV_ERR_INTERNAL, "%s: finished %s", w->temporary,
                                   w->finished ? "twice" : "before it was begun");
    enum dv_status status = write_tables(w);
    if (status)
        return status;
    /* A recycled file may have been longer. */
    if (ftruncate(w->fd, (off_t)w->offset) < 0)
        return dv_writer_failed(w, w->offset);
    w->finished = 1;
    if (stats) {
        *stats = (struct dv_image_stats){.examined_bytes = w->footer.examined_bytes,
                                         .zero_bytes = w->footer.zero_bytes,
                                         .same_bytes = w->footer.same_bytes,
                                         .data_bytes = w->footer.data_bytes,
                                         .inherited_bytes = w->footer.inherited_bytes,
                                         .file_bytes = w->footer.file_bytes,
                                         .parent_epoch = w->header.parent_epoch};
        memcpy(stats->digest, w->footer.digest, sizeof stats->digest);
    }
    return DV_OK;
}

static void close_file(struct dv_image_writer *w)
{
    if (w->fd < 0)
        return;
    /* A descriptor that a fork has copied would keep the lock. */
    flock(w->fd, LOCK_UN);
    close(w->fd);
    w->fd = -1;
}

static void free_writer(struct dv_image_writer *w)
{
    /* In a forked child, libc's memory may be locked for ever, and all of this is a copy. */
    if (getpid() != w->owner) {
        close_file(w);
        return;
    }
    if (w->mapped)
        dv_mapping_release(w->mapped);
    if (w->fd >= 0 && w->created && !w->status && !w->forked)
        dv_mapping_keep(w->fd);
    close_file(w);
    if (w->forked)
        dv_image_prepare_go_on();
    for (uint32_t i = 0; i < w->footer.section_count; i++)
        free(w->section_bytes[i]);
    dv_packer_free(w->packer);
    if (w->memory)
        munmap(w->memory, w->memory_bytes);
    if (w->shared)
        munmap(w->shared, sizeof *w->shared);
    free(w);
}

static enum dv_status sync_and_rename(struct dv_image_writer *w)
{
    int result;
    do
        result = fsync(w->fd);
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        int error = errno;
        return dv_fail(MODULE, error == ENOSPC || error == EDQUOT ? DV_ERR_NO_SPACE : DV_ERR_IO,
                       "cannot sync %s: %s", w->temporary, dv_errno_text(error));
    }
    if (dv_writer_check(w))
        return w->status;
    if (rename(w->temporary, w->path) < 0) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot rename %s to %s: %s",
                       w->temporary, w->path, dv_errno_text(error));
    }
    return DV_OK;
}

enum dv_status dv_image_writer_commit(struct dv_image_writer *w)
{
    if (!dv_writer_check(w) && !w->finished)
        w->status =
            dv_fail(MODULE, DV_ERR_INTERNAL, "%s: committed before it was finished", w->temporary);
    enum dv_status status = w->status;
    if (!status)
        status = sync_and_rename(w);
    if (status) {
        w->status = status;
        dv_image_writer_abort(w);
        return status;
    }
    /* If this fails, the image stays: it is whole, and may have taken the place of another one. */
    w->status = status = dv_sync_directory(w->directory);
    free_writer(w);
    return status;
}

void dv_image_writer_cancel(struct dv_image_writer *w)
{
    atomic_store(&w->shared->cancelled, 1);
}

void dv_image_writer_abort(struct dv_image_writer *w)
{
    if (!w)
        return;
    int owner = getpid() == w->owner;
    if (w->created)
        unlink(w->temporary);
    else if (owner && w->forked && atomic_load(&w->shared->began))
        /* By a child, which may have died at any point. Reported if it cannot be; the next writer tries again. */
        (void)!dv_writer_clear(w);
    w->created = 0;
    free_writer(w);
    if (owner)
        dv_mapping_trim();
}

void dv_image_trim(void)
{
    dv_mapping_trim();
}

const char *dv_image_why(void)
{
    return dv_why();
}
