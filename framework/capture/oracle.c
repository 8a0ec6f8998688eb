/* The oracle: a full image of the same instant, taken by the plainest means there are (no tracker, no digest, no parent, the
 * application stopped), and compared with what the epoch's chain says. */
#include "capture/job.h"
#include "common/fail.h"
#include "common/io.h"
#include "store/files.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES (4u << 20)

static void oracle_name(const struct dv_capture_job *job, char *name, size_t name_bytes)
{
    snprintf(name, name_bytes, "%s.oracle", job->image_name);
}

static enum dv_status write_region(struct dv_image_writer *writer, const struct dv_region *region,
                                   uint64_t start, uint64_t end, char *buffer)
{
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        size_t length = end - start < WINDOW_BYTES ? (size_t)(end - start) : WINDOW_BYTES, got = 0;
        status = dv_memory_read(start, buffer, length, &got);
        uint64_t stop = start + got;
        if (status == DV_OK && got != length)
            status = dv_fail("capture", DV_ERR_UNSUPPORTED, "oracle: cannot read %#llx in %s",
                             (unsigned long long)stop, region->path);
        if (status == DV_OK)
            status = dv_image_write_pages(writer, start, length, buffer);
        start += length;
    }
    return status;
}

/* All that a restore would have to bring back; of files that are kept elsewhere all pages. */
static enum dv_status write_populated(const struct dv_capture_job *job,
                                      struct dv_image_writer *writer, char *buffer)
{
    enum dv_status status = DV_OK;
    size_t at = 0;
    for (size_t i = 0; i < job->maps.count && status == DV_OK; i++) {
        const struct dv_region *region = &job->maps.regions[i];
        if (region->kept)
            status = write_region(writer, region, region->start, job->data_end[i], buffer);
        while (at < job->populated.count && job->populated.ranges[at].end <= region->start)
            at++;
        for (size_t k = at; !region->kept && status == DV_OK && k < job->populated.count &&
                            job->populated.ranges[k].start < region->end;
             k++) {
            const struct dv_page_run *run = &job->populated.ranges[k];
            status = write_region(writer, region,
                                  run->start > region->start ? run->start : region->start,
                                  run->end < region->end ? run->end : region->end, buffer);
        }
    }
    return status;
}

enum dv_status dv_oracle_write(const struct dv_capture_job *job,
                               const struct dv_capture_request *request)
{
    char name[80];
    uint64_t pages = 0;
    struct dv_image_identity identity = *request->identity;
    struct dv_image_writer *writer = NULL;
    identity.parent_epoch = 0;
    oracle_name(job, name, sizeof name);
    for (size_t i = 0; i < job->populated.count; i++)
        pages += (job->populated.ranges[i].end - job->populated.ranges[i].start) / DV_PAGE_BYTES;
    for (size_t i = 0; i < job->maps.count; i++)
        if (job->maps.regions[i].kept)
            pages += (job->maps.regions[i].end - job->maps.regions[i].start) / DV_PAGE_BYTES;
    const struct dv_image_spec spec = {.directory = request->directory,
                                       .name = name,
                                       .identity = &identity,
                                       .most_pages = pages,
                                       .codec = DV_CODEC_NONE};
    char *buffer = malloc(WINDOW_BYTES);
    if (!buffer)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for the oracle");
    enum dv_status status = dv_image_writer_new(&spec, &writer);
    if (status == DV_OK)
        status = dv_image_writer_begin(writer);
    if (status == DV_OK)
        status = write_populated(job, writer, buffer);
    if (status == DV_OK)
        status = dv_image_writer_finish(writer, NULL);
    free(buffer);
    if (status == DV_OK)
        return dv_image_writer_commit(writer);
    dv_image_writer_abort(writer);
    return status;
}

/* ---- comparing ----------------------------------------------------------- */

static enum dv_status locate_oracle(void *arg, uint64_t epoch, uint32_t rank, char *path,
                                    size_t path_bytes)
{
    const struct dv_capture_job *job = arg;
    (void)epoch;
    (void)rank;
    snprintf(path, path_bytes, "%s/%s.oracle", job->image_directory, job->image_name);
    return DV_OK;
}

static enum dv_status locate_image(void *arg, uint64_t epoch, uint32_t rank, char *path,
                                   size_t path_bytes)
{
    struct dv_capture_job *job = arg;
    if (epoch != job->epoch)
        return dv_store_locate(job->job_directory, epoch, rank, path, path_bytes);
    snprintf(path, path_bytes, "%s/%s", job->image_directory, job->image_name);
    return DV_OK;
}

struct comparison {
    const struct dv_capture_job *job;
    struct dv_image_chain *image, *oracle;
    char *a, *b; /* WINDOW_BYTES each */
    uint64_t pages, differing, first;
};

/* What a restore would find where the image says nothing: the kept file. */
static enum dv_status read_kept(const struct comparison *c, uint64_t start, uint64_t end)
{
    const struct dv_capture_job *job = c->job;
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < job->maps.count && status == DV_OK; i++) {
        const struct dv_region *region = &job->maps.regions[i];
        uint64_t from = region->start > start ? region->start : start,
                 to = region->end < end ? region->end : end;
        int fd = -1;
        size_t got = 0;
        if (!region->kept || from >= to)
            continue;
        status = dv_files_open(job->job_directory, region->kept, region->path, &fd);
        if (status == DV_OK)
            status = dv_pread_full(fd, c->a + (from - start), to - from,
                                   region->file_offset + (from - region->start), &got);
        if (fd >= 0)
            close(fd);
    }
    return status;
}

static enum dv_status compare_window(struct comparison *c, uint64_t start, uint64_t end)
{
    size_t length = end - start;
    /* NOLINTBEGIN(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
    memset(c->a, 0, length);
    memset(c->b, 0, length);
    /* NOLINTEND(clang-analyzer-core.NonNullParamChecker) */
    enum dv_status status = read_kept(c, start, end);
    if (status == DV_OK)
        status = dv_image_chain_load(c->image, start, end, c->a, 1);
    if (status == DV_OK)
        status = dv_image_chain_load(c->oracle, start, end, c->b, 1);
    for (size_t at = 0; at < length && status == DV_OK; at += DV_PAGE_BYTES) {
        c->pages++;
        if (memcmp(c->a + at, c->b + at, DV_PAGE_BYTES) == 0)
            continue;
        if (c->differing++ == 0)
            c->first = start + at;
    }
    return status;
}

/* All pages that either of the two holds: each set in turn, in windows. */
static enum dv_status compare_runs(struct comparison *c, const struct dv_image_chain *of)
{
    uint64_t address, length;
    enum dv_status status = DV_OK;
    for (size_t i = 0; status == DV_OK && dv_image_chain_run(of, i, &address, &length); i++)
        for (uint64_t at = address, end = address + length; at < end && status == DV_OK;) {
            uint64_t stop = end - at < WINDOW_BYTES ? end : at + WINDOW_BYTES;
            status = compare_window(c, at, stop);
            at = stop;
        }
    return status;
}

static enum dv_status judge(const struct dv_capture_job *job, const struct comparison *c)
{
    if (c->differing == 0)
        return DV_OK;
    return dv_fail("capture", DV_ERR_INTERNAL,
                   "oracle: %llu pages of epoch %llu differ from a full image of the same instant; "
                   "the first is %#llx",
                   (unsigned long long)c->differing, (unsigned long long)job->epoch,
                   (unsigned long long)c->first);
}

enum dv_status dv_oracle_compare(const struct dv_capture_job *job, uint64_t *pages)
{
    struct comparison c = {.job = job};
    void *self = (void *)(uintptr_t)job;
    enum dv_status status =
        dv_image_chain_open(locate_image, self, job->epoch, job->rank, &c.image);
    if (status == DV_OK)
        status = dv_image_chain_open(locate_oracle, self, job->epoch, job->rank, &c.oracle);
    c.a = malloc(WINDOW_BYTES);
    c.b = malloc(WINDOW_BYTES);
    if (status == DV_OK && (!c.a || !c.b))
        status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for the oracle");
    if (status == DV_OK)
        status = compare_runs(&c, c.oracle);
    uint64_t oracle_pages = c.pages;
    if (status == DV_OK)
        status = compare_runs(&c, c.image);
    if (status == DV_OK)
        status = judge(job, &c);
    *pages = oracle_pages;
    free(c.a);
    free(c.b);
    dv_image_chain_close(c.image);
    dv_image_chain_close(c.oracle);
    return status;
}
