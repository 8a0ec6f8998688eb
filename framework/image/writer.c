/* Image writer: blocks go out as they come, tables at the end. */
#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "image/format.h"
#include "image/image.h"
#include "image/mapping.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "image"

struct dv_image_writer {
    char path[PATH_MAX], temporary[PATH_MAX], directory[PATH_MAX];
    int fd;
    int created; /* the temporary file is there and ours */
    int finished;
    enum dv_status status; /* of the first failure; nothing is written after it */
    uint64_t offset;       /* where the next bytes go */
    uint64_t
        size_limit; /* RLIMIT_FSIZE: beyond it a write would raise SIGXFSZ in the application */
    char *mapped;   /* the file's beginning, if it is kept mapped */
    size_t mapped_bytes;
    uint64_t next_address;
    struct dv_disk_run *runs;
    size_t run_count, run_capacity;
    void *section_bytes[DV_DISK_MAX_SECTIONS];
    struct dv_disk_header header;
    struct dv_disk_footer footer;
};

static enum dv_status write_failed(struct dv_image_writer *w, uint64_t offset)
{
    int error = errno;
    enum dv_status status = dv_status_from_errno(error);
    if (status == DV_ERR_SYSTEM)
        status = DV_ERR_IO;
    const char *remedy = "";
    if (error == EFBIG)
        remedy = "; raise the limit on file sizes (ulimit -f)";
    else if (status == DV_ERR_NO_SPACE)
        remedy = "; free some space or use another job directory";
    return w->status = dv_fail(MODULE, status, "cannot write %s at offset %llu: %s%s", w->temporary,
                               (unsigned long long)offset, strerror(error), remedy);
}

static enum dv_status out_of_memory(struct dv_image_writer *w, const char *what)
{
    return w->status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot write %s: no memory for %s",
                               w->temporary, what);
}

static enum dv_status put_at(struct dv_image_writer *w, const void *bytes, size_t length,
                             uint64_t offset)
{
    if (length == 0)
        return DV_OK;
    if (offset + length <= w->mapped_bytes) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
        memcpy(w->mapped + offset, bytes, length);
        return DV_OK;
    }
    if (offset + length > w->size_limit) {
        errno = EFBIG;
        return write_failed(w, offset);
    }
    if (dv_pwrite_all(w->fd, bytes, length, offset))
        return write_failed(w, offset);
    return DV_OK;
}

static enum dv_status put(struct dv_image_writer *w, const void *bytes, size_t length)
{
    enum dv_status status = put_at(w, bytes, length, w->offset);
    if (!status)
        w->offset += length;
    return status;
}

/* A file that another process is writing must be left alone: it would be renamed under our feet. */
static enum dv_status take_lock(int fd, const char *path)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return DV_OK;
    int error = errno;
    if (error == EWOULDBLOCK)
        return dv_fail(MODULE, DV_ERR_BUSY, "%s is being written by another process", path);
    /* ENOLCK, EOPNOTSUPP: a file system without locks. The job directory has its own lock. */
    dv_debug(MODULE, "%s cannot be locked: %s", path, strerror(error));
    return DV_OK;
}

/* Remove what an earlier attempt that was killed has left under the temporary name. */
static enum dv_status clear_temporary(struct dv_image_writer *w)
{
    int fd = open(w->temporary, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        enum dv_status status = take_lock(fd, w->temporary);
        close(fd);
        if (status)
            return status;
    }
    if (unlink(w->temporary) < 0 && errno != ENOENT) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", w->temporary,
                       strerror(error));
    }
    return DV_OK;
}

/* Take an old image over as the new temporary file. That it cannot be had is no error: a new file
 * costs more time. */
static int recycle(struct dv_image_writer *w, const char *old)
{
    struct stat st;
    int fd = open(old, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        dv_debug(MODULE, "%s is not there to be recycled: %s", old, strerror(errno));
        return -1;
    }
    const char *reason = NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
        reason = "not a file of yours";
    else if (st.st_nlink != 1)
        reason = "it has other names";
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        reason = "in use by another process";
    else if (fchmod(fd, 0600) < 0 || rename(old, w->temporary) < 0)
        reason = strerror(errno);
    if (!reason)
        return fd;
    dv_warn(MODULE, "cannot recycle %s (%s); writing a new file", old, reason);
    close(fd);
    return -1;
}

static enum dv_status open_temporary(struct dv_image_writer *w, const char *old)
{
    enum dv_status status = clear_temporary(w);
    if (status)
        return status;
    if (old && *old)
        w->fd = recycle(w, old);
    if (w->fd >= 0) {
        w->created = 1;
        w->mapped = dv_mapping_take(w->fd, &w->mapped_bytes);
        if (!w->mapped)
            w->mapped_bytes = 0;
        return DV_OK;
    }
    w->fd = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->fd < 0 || fchmod(w->fd, 0600) < 0) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot create %s: %s", w->temporary,
                       strerror(error));
    }
    w->created = 1;
    return take_lock(w->fd, w->temporary);
}

static enum dv_status fill_header(struct dv_disk_header *h, const struct dv_image_identity *id)
{
    if (!memchr(id->program, 0, sizeof id->program) ||
        !memchr(id->strategy, 0, sizeof id->strategy))
        return dv_fail(MODULE, DV_ERR_INTERNAL, "an image's identity has a string without end");
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
    h->checksum = dv_checksum64(h, offsetof(struct dv_disk_header, checksum));
    return DV_OK;
}

static enum dv_status set_paths(struct dv_image_writer *w, const char *directory, const char *name)
{
    int n = snprintf(w->path, sizeof w->path, "%s/%s", directory, name);
    int m = snprintf(w->temporary, sizeof w->temporary, "%s/%s.tmp", directory, name);
    int d = snprintf(w->directory, sizeof w->directory, "%s", directory);
    if (n < 0 || m < 0 || d < 0 || (size_t)m >= sizeof w->temporary || strchr(name, '/') || !*name)
        return dv_fail(MODULE, DV_ERR_USAGE, "bad path of an image: %.200s/%.200s", directory,
                       name);
    return DV_OK;
}

enum dv_status dv_image_writer_open(const char *directory, const char *name,
                                    const char *recycle_path,
                                    const struct dv_image_identity *identity,
                                    struct dv_image_writer **writer)
{
    dv_mapping_trim();
    struct dv_image_writer *w = calloc(1, sizeof *w);
    if (!w)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot write %s/%s: out of memory", directory,
                       name);
    w->fd = -1;
    w->offset = DV_DISK_PAGE;
    struct rlimit limit;
    w->size_limit = INT64_MAX;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < w->size_limit)
        w->size_limit = limit.rlim_cur;
    enum dv_status status = set_paths(w, directory, name);
    if (!status)
        status = fill_header(&w->header, identity);
    dv_image_prepare_halt();
    if (!status)
        status = open_temporary(w, recycle_path);
    dv_image_prepare_go_on();
    if (status) {
        dv_image_writer_abort(w);
        return status;
    }
    *writer = w;
    return DV_OK;
}

enum dv_status dv_image_write_section(struct dv_image_writer *w, enum dv_image_section kind,
                                      const void *bytes, size_t length)
{
    if (w->status)
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
        return out_of_memory(w, "a section");
    if (length)
        memcpy(copy, bytes, length);
    w->section_bytes[n] = copy;
    w->footer.sections[n] = (struct dv_disk_section){
        .kind = (uint32_t)kind, .length = length, .checksum = dv_checksum64(copy, length)};
    w->footer.section_count = n + 1;
    return DV_OK;
}

static enum dv_status grow_runs(struct dv_image_writer *w)
{
    size_t capacity = w->run_capacity ? w->run_capacity * 2 : 4096;
    struct dv_disk_run *runs = realloc(w->runs, capacity * sizeof *runs);
    if (!runs)
        return out_of_memory(w, "the run table");
    w->runs = runs;
    w->run_capacity = capacity;
    return DV_OK;
}

/* Pages without a zero page among them, one block at most. The checksum comes first: it brings the
 * block into the cache, from where it is copied. */
static enum dv_status write_block(struct dv_image_writer *w, uint64_t address, size_t length,
                                  const char *source)
{
    if (w->run_count == w->run_capacity && grow_runs(w))
        return w->status;
    struct dv_disk_run *run = &w->runs[w->run_count];
    *run = (struct dv_disk_run){.address = address,
                                .offset = w->offset,
                                .length = (uint32_t)length,
                                .stored = (uint32_t)length,
                                .codec = DV_CODEC_NONE,
                                .checksum = dv_checksum64(source, length)};
    enum dv_status status = put(w, source, length);
    if (status)
        return status;
    w->run_count++;
    w->footer.data_bytes += length;
    return DV_OK;
}

/* Bytes from `at` on that belong to one block: up to a zero page, the end, or a full block. */
static size_t block_length(const char *source, size_t left)
{
    size_t limit = left < DV_IMAGE_BLOCK_BYTES ? left : DV_IMAGE_BLOCK_BYTES;
    size_t length = DV_DISK_PAGE;
    while (length < limit && !dv_page_is_zero(source + length))
        length += DV_DISK_PAGE;
    return length;
}

enum dv_status dv_image_write_pages(struct dv_image_writer *w, uint64_t address, uint64_t length,
                                    const void *source)
{
    if (w->status)
        return w->status;
    if (w->finished || address % DV_DISK_PAGE || length % DV_DISK_PAGE ||
        address < w->next_address || address + length < address)
        return w->status = dv_fail(
                   MODULE, DV_ERR_INTERNAL, "%s: pages [%#llx, +%#llx) out of order or unaligned",
                   w->temporary, (unsigned long long)address, (unsigned long long)length);
    w->next_address = address + length;
    w->footer.examined_bytes += length;
    const char *bytes = source;
    for (uint64_t done = 0; done < length;) {
        if (dv_page_is_zero(bytes + done)) {
            w->footer.zero_bytes += DV_DISK_PAGE;
            done += DV_DISK_PAGE;
            continue;
        }
        size_t block = block_length(bytes + done, length - done);
        enum dv_status status = write_block(w, address + done, block, bytes + done);
        if (status)
            return status;
        done += block;
    }
    return DV_OK;
}

static enum dv_status write_tables(struct dv_image_writer *w)
{
    struct dv_disk_footer *f = &w->footer;
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; i < f->section_count && !status; i++) {
        f->sections[i].offset = w->offset;
        status = put(w, w->section_bytes[i], f->sections[i].length);
    }
    if (status)
        return status;
    size_t table_bytes = w->run_count * sizeof *w->runs;
    f->magic = DV_DISK_FOOTER_MAGIC;
    f->format = DV_IMAGE_FORMAT;
    f->runs_offset = w->offset;
    f->run_count = w->run_count;
    f->runs_checksum = dv_checksum64(w->runs ? (const void *)w->runs : "", table_bytes);
    f->file_bytes = w->offset + table_bytes + sizeof *f;
    dv_disk_digest(&w->header, w->runs, w->run_count, f, f->digest);
    f->checksum = dv_checksum64(f, offsetof(struct dv_disk_footer, checksum));
    status = put(w, w->runs, table_bytes);
    if (!status)
        status = put_at(w, &w->header, sizeof w->header, 0);
    if (!status)
        status = put(w, f, sizeof *f);
    return status;
}

enum dv_status dv_image_writer_finish(struct dv_image_writer *w, struct dv_image_stats *stats)
{
    if (w->status)
        return w->status;
    if (w->finished)
        return w->status = dv_fail(MODULE, DV_ERR_INTERNAL, "%s: finished twice", w->temporary);
    enum dv_status status = write_tables(w);
    if (status)
        return status;
    /* A recycled file may have been longer. */
    if (ftruncate(w->fd, (off_t)w->offset) < 0)
        return write_failed(w, w->offset);
    w->finished = 1;
    if (stats) {
        *stats = (struct dv_image_stats){.examined_bytes = w->footer.examined_bytes,
                                         .zero_bytes = w->footer.zero_bytes,
                                         .data_bytes = w->footer.data_bytes,
                                         .file_bytes = w->footer.file_bytes};
        memcpy(stats->digest, w->footer.digest, sizeof stats->digest);
    }
    return DV_OK;
}

static void free_writer(struct dv_image_writer *w)
{
    if (w->mapped)
        dv_mapping_release(w->mapped);
    if (w->fd >= 0) {
        if (w->created && !w->status)
            dv_mapping_keep(w->fd);
        /* A descriptor that a fork has copied would keep the lock. */
        flock(w->fd, LOCK_UN);
        close(w->fd);
    }
    for (uint32_t i = 0; i < w->footer.section_count; i++)
        free(w->section_bytes[i]);
    free(w->runs);
    free(w);
}

enum dv_status dv_image_writer_commit(struct dv_image_writer *w)
{
    if (!w->status && !w->finished)
        w->status =
            dv_fail(MODULE, DV_ERR_INTERNAL, "%s: committed before it was finished", w->temporary);
    enum dv_status status = w->status;
    if (status) {
        dv_image_writer_abort(w);
        return status;
    }
    if (fsync(w->fd) < 0) {
        int error = errno;
        status = dv_fail(MODULE, error == ENOSPC || error == EDQUOT ? DV_ERR_NO_SPACE : DV_ERR_IO,
                         "cannot sync %s: %s", w->temporary, strerror(error));
        dv_image_writer_abort(w);
        return status;
    }
    if (rename(w->temporary, w->path) < 0) {
        int error = errno;
        status = dv_fail(MODULE, dv_status_from_errno(error), "cannot rename %s to %s: %s",
                         w->temporary, w->path, strerror(error));
        dv_image_writer_abort(w);
        return status;
    }
    w->status = status = dv_sync_directory(w->directory);
    if (status)
        unlink(w->path);
    free_writer(w);
    return status;
}

void dv_image_writer_abort(struct dv_image_writer *w)
{
    if (!w)
        return;
    if (w->created)
        unlink(w->temporary);
    w->created = 0;
    free_writer(w);
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
