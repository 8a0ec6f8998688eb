/* The writer's object, shared by writer.c (life cycle, tables), writer_file.c (the temporary file) and writer_pages.c
 * (blocks and spans). */
#ifndef DV_IMAGE_WRITER_H
#define DV_IMAGE_WRITER_H

#include "image/codec.h"
#include "image/format.h"
#include "image/image.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/types.h>

#define DV_WRITER_OUT_BYTES (1u << 20)
#define DV_WRITER_SAMPLE_BYTES (64u << 10)

/* What the process that made the writer and a forked child that uses it tell each other. */
struct dv_writer_shared {
    atomic_int cancelled;
    atomic_int began; /* there may be a temporary file of ours */
};

struct dv_image_writer {
    char path[PATH_MAX], temporary[PATH_MAX], directory[PATH_MAX], recycle[PATH_MAX];
    struct dv_writer_shared *shared;
    pid_t owner; /* the process that made it; in another one there is a copy */
    int forked;
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

    char *memory; /* one mapping that holds what follows; untouched pages of it cost nothing */
    size_t memory_bytes;
    char *out; /* the last `out_used` bytes before `offset`, not written yet */
    size_t out_used;
    char *sample; /* for choosing a codec */
    struct dv_disk_run *runs;
    struct dv_disk_span *spans;
    size_t run_count, span_count, most_pages;

    dv_image_filter *filter;
    void *filter_arg;
    enum dv_codec wanted, codec; /* AUTO in `codec`: not chosen yet */
    struct dv_packer *packer;
    double store_ps;
    void *section_bytes[DV_DISK_MAX_SECTIONS];
    struct dv_disk_header header;
    struct dv_disk_footer footer;
};

/* writer_file.c. All report, and set `status`. */
enum dv_status dv_writer_open(struct dv_image_writer *w) DV_CHECKED;
/* Remove a temporary file that nobody is writing. */
enum dv_status dv_writer_clear(struct dv_image_writer *w) DV_CHECKED;
/* DV_ERR_ABORTED if the writer was cancelled. */
enum dv_status dv_writer_check(struct dv_image_writer *w) DV_CHECKED;
enum dv_status dv_writer_put(struct dv_image_writer *w, const void *bytes,
                             size_t length) DV_CHECKED;
enum dv_status dv_writer_put_at(struct dv_image_writer *w, const void *bytes, size_t length,
                                uint64_t offset) DV_CHECKED;
/* Zeros up to `offset`, less than a page. */
enum dv_status dv_writer_pad(struct dv_image_writer *w, uint64_t offset) DV_CHECKED;
enum dv_status dv_writer_flush(struct dv_image_writer *w) DV_CHECKED;
enum dv_status dv_writer_failed(struct dv_image_writer *w, uint64_t offset) DV_CHECKED;
/* Picoseconds that the file system takes to store a byte. */
double dv_writer_store_ps(int fd);

#endif
