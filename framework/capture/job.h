/* A capture under way: what take.c collects, snapshot.c keeps, write.c writes. */
#ifndef DV_CAPTURE_JOB_H
#define DV_CAPTURE_JOB_H

#include "capture/capture_engine.h"
#include "capture/page_set.h"
#include "capture/regions.h"
#include "image/image.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct dv_shared_result;

struct dv_capture_job {
    struct dv_capture *strategy;
    uint64_t epoch;
    enum dv_keep keep;
    struct dv_image_writer *writer;
    struct dv_maps maps;
    struct dv_region_list list;
    uint64_t *data_end;         /* [maps.count] */
    struct dv_page_set pages;   /* to be written */
    struct dv_page_set inherit; /* populated and not to be written */
    struct dv_page_set populated;
    uint64_t volatile_start,
        volatile_end;                /* main stack near the stack pointer; DV_KEEP_STOP only */
    char *bounce;                    /* DV_KEEP_STOP only */
    char *kept;                      /* pages that were copied, in the order of `pages` */
    size_t kept_bytes;               /* mapped at `kept` */
    int kept_is_own;                 /* not the shadow that is kept for the next epoch */
    pid_t child;                     /* DV_KEEP_FORK: the writer; 0: none (any more) */
    struct dv_shared_result *result; /* what the child says */
    int cancelled;                   /* atomic */
    int written;                     /* DV_KEEP_STOP: pages and tables are in the file */
    char image_directory[4096], image_name[64], job_directory[4096]; /* for the oracle */
    uint32_t rank;
    int inherits; /* there is a parent that pages may be inherited from */
    int oracle;
};

/* ---- snapshot.c ---------------------------------------------------------- */
/* Must the pages of this region be copied before the application goes on, whatever the way? */
int dv_snapshot_must_copy(const struct dv_region *region);
/* A child does not have all of the memory (MADV_DONTFORK ...): from now on none is forked unless that was asked for. Any
 * thread. */
void dv_snapshot_fork_failed(void);
/* Choose a way, into job->keep. */
void dv_snapshot_choose(struct dv_capture_job *job, const struct dv_capture_request *request);
/* Keep the pages, unless the way is DV_KEEP_STOP. The writer is complete but for pages. Where the chosen way cannot be gone,
 * job->keep becomes DV_KEEP_STOP. */
enum dv_status dv_snapshot_keep(struct dv_capture_job *job) DV_CHECKED;
/* Measure what copying and forking cost here; once, while the process is small. */
void dv_snapshot_measure(void);
/* As a strategy is told. */
void dv_snapshot_cost(struct dv_keep_cost *cost);

/* ---- write.c ------------------------------------------------------------- */
/* Begin the file, write all pages, finish. In the process or in its forked child; allocates nothing. */
enum dv_status dv_job_write_pages(struct dv_capture_job *job,
                                  struct dv_image_stats *stats) DV_CHECKED;
/* In the forked child: write, make durable, leave the result, end. */
void dv_job_child(struct dv_capture_job *job, pid_t parent) __attribute__((noreturn));
enum dv_status dv_job_result_new(struct dv_capture_job *job) DV_CHECKED;

/* ---- oracle.c ------------------------------------------------------------ */
/* With the upper half stopped: write everything that is populated into `<name>.oracle` beside the image. */
enum dv_status dv_oracle_write(const struct dv_capture_job *job,
                               const struct dv_capture_request *request) DV_CHECKED;
/* After the image is durable: does its chain say the same as the oracle? DV_ERR_INTERNAL names the first page. */
enum dv_status dv_oracle_compare(const struct dv_capture_job *job, uint64_t *pages) DV_CHECKED;

/* ---- strategy.c ---------------------------------------------------------- */
/* What dv_capture_core.populated answers from, until NULL. */
void dv_strategy_populated(const struct dv_page_set *populated);

/* ---- shared.c ------------------------------------------------------------ */
/* dv_capture_core.shared_alloc, shared_free. */
void *dv_shared_alloc(size_t bytes);
void dv_shared_free(void *memory, size_t bytes);

#endif
