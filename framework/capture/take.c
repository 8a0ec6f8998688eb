/* Taking a capture; see capture_engine.h. */
#include "capture/blob.h"
#include "capture/capture_engine.h"
#include "capture/descriptors.h"
#include "capture/held.h"
#include "capture/job.h"
#include "capture/memory_section.h"
#include "capture/page_set.h"
#include "capture/process.h"
#include "capture/regions.h"
#include "capture/stack.h"
#include "common/fail.h"
#include "common/io.h"
#include "gate/gate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOUNCE_BYTES (1024u * 1024u)
/* Pages less than this below the stack pointer are kept although nothing of the main stack's own is
 * there: a program that runs coroutines on buffers inside its main stack has live frames below. */
#define STACK_SLACK_BYTES (1024u * 1024u)

/* What is asked for, and what comes of it. */
struct take {
    const struct dv_capture_request *request;
    struct dv_capture_job *job;
    struct dv_capture_figures *figures;
};

/* What dv_capture_check is asked. */
struct check {
    int lower_fd_base;
    const struct dv_fd_identity *stdio;
};

static enum dv_status check_on_own_stack(void *arg)
{
    const struct check *check = arg;
    struct dv_maps maps = {0};
    enum dv_status status = dv_process_check();
    if (status == DV_OK)
        status = dv_descriptors_capture(check->lower_fd_base, check->stdio, NULL);
    if (status == DV_OK)
        status = dv_maps_read(&maps);
    if (status == DV_OK)
        status = dv_maps_check(&maps);
    dv_maps_free(&maps);
    return status;
}

enum dv_status dv_capture_check(int lower_fd_base, const struct dv_fd_identity *stdio, char *why,
                                size_t why_bytes)
{
    struct check check = {lower_fd_base, stdio};
    enum dv_status status = dv_call_on_new_stack(check_on_own_stack, &check);
    if (why_bytes > 0)
        snprintf(why, why_bytes, "%s", status == DV_OK ? "" : dv_why());
    return status;
}

/* mprotect with PROT_GROWSDOWN is EINVAL on a region that does not grow, and otherwise changes
 * nothing when the protection is the region's own. /proc/self/smaps would say it too, at the cost
 * of a walk over all page tables. */
static int grows_down(const struct dv_region *region)
{
    int protection = (region->flags & DV_REGION_READ ? PROT_READ : 0) |
                     (region->flags & DV_REGION_WRITE ? PROT_WRITE : 0) |
                     (region->flags & DV_REGION_EXEC ? PROT_EXEC : 0);
    return syscall(SYS_mprotect, region->end - DV_PAGE_BYTES, (size_t)DV_PAGE_BYTES,
                   protection | PROT_GROWSDOWN) == 0;
}

/* Inside the alternate signal stack the stack pointer says nothing about the main stack. */
static int on_signal_stack(uint64_t stack_pointer)
{
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE))
        return 0;
    uint64_t start = (uint64_t)(uintptr_t)stack.ss_sp;
    return stack_pointer > start && stack_pointer <= start + stack.ss_size;
}

static enum dv_status mark_stack(struct take *t)
{
    const struct dv_capture_request *request = t->request;
    uint64_t pointer = request->stack_pointer;
    if (pointer <= request->stack_start || pointer > request->stack_end || on_signal_stack(pointer))
        return DV_OK;
    uint64_t room = pointer - request->stack_start;
    uint64_t live_from =
        room > STACK_SLACK_BYTES ? pointer - STACK_SLACK_BYTES : request->stack_start;
    live_from = dv_page_floor(live_from);
    t->job->volatile_start = live_from;
    t->job->volatile_end = dv_page_ceil(pointer);
    /* A stack that grows by itself begins where it has grown to. */
    for (size_t i = 0; i < t->job->maps.count; i++) {
        const struct dv_region *region = &t->job->maps.regions[i];
        if (region->start > live_from && region->start < pointer && pointer <= region->end)
            live_from = region->start;
    }
    return dv_maps_mark_stack(&t->job->maps, request->stack_start, request->stack_end, live_from);
}

static void mark_growing(struct dv_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        struct dv_region *region = &maps->regions[i];
        if ((region->flags & DV_REGION_WRITE) && maps->kinds[i] == DV_MAP_PRIVATE &&
            !(region->flags & (DV_REGION_FILE | DV_REGION_HEAP)) && grows_down(region))
            region->flags |= DV_REGION_GROWSDOWN;
    }
}

static enum dv_status list_regions(struct take *t)
{
    struct dv_capture_job *job = t->job;
    enum dv_status status = dv_maps_read(&job->maps);
    if (status == DV_OK)
        status = dv_maps_check(&job->maps);
    if (status == DV_OK)
        status = mark_stack(t);
    if (status != DV_OK)
        return status;
    mark_growing(&job->maps);
    job->data_end = calloc(job->maps.count ? job->maps.count : 1, sizeof *job->data_end);
    if (!job->data_end)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a list of mappings");
    for (size_t i = 0; i < job->maps.count; i++) {
        struct dv_region *region = &job->maps.regions[i];
        job->data_end[i] = dv_region_data_end(region);
        if (job->maps.kinds[i] == DV_MAP_PRIVATE && (region->flags & DV_REGION_FILE))
            region->kept = dv_held_find(&job->maps, region);
    }
    job->list = (struct dv_region_list){job->maps.regions, job->maps.count};
    return DV_OK;
}

static enum dv_status add_populated(void *set, uint64_t start, uint64_t end)
{
    return dv_page_set_add(set, start, end);
}

static enum dv_status list_populated(struct dv_capture_job *job)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < job->maps.count && status == DV_OK; i++)
        status = dv_region_populated(&job->maps.regions[i], add_populated, &job->populated);
    return status;
}

/* What is populated and not selected is as in the parent. */
static enum dv_status list_inherited(struct dv_capture_job *job)
{
    enum dv_status status = DV_OK;
    size_t p = 0;
    for (size_t i = 0; i < job->populated.count && status == DV_OK; i++) {
        struct dv_page_run left = job->populated.ranges[i];
        while (p < job->pages.count && job->pages.ranges[p].end <= left.start)
            p++;
        for (size_t k = p;
             status == DV_OK && k < job->pages.count && job->pages.ranges[k].start < left.end;
             k++) {
            const struct dv_page_run *taken = &job->pages.ranges[k];
            if (taken->start > left.start)
                status = dv_page_set_add(&job->inherit, left.start, taken->start);
            if (taken->end > left.start)
                left.start = taken->end;
        }
        if (status == DV_OK && left.start < left.end)
            status = dv_page_set_add(&job->inherit, left.start, left.end);
    }
    return status;
}

static enum dv_status ask_strategy(struct take *t)
{
    struct dv_capture_job *job = t->job;
    struct dv_capture *strategy = job->strategy;
    const struct dv_page_runs runs = {job->populated.ranges, job->populated.count};
    strategy->regions = &job->list;
    strategy->populated = &runs;
    strategy->parent_epoch = t->request->identity->parent_epoch;
    dv_strategy_populated(&job->populated);
    enum dv_status status = strategy->ops->select(strategy, job->epoch, &job->pages);
    dv_strategy_populated(NULL);
    strategy->regions = NULL;
    strategy->populated = NULL;
    return status;
}

/* A file that is not kept, any more perhaps: the parent may have relied on it, so that nothing can be inherited. */
static enum dv_status add_files(struct dv_capture_job *job)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < job->maps.count && status == DV_OK; i++) {
        const struct dv_region *region = &job->maps.regions[i];
        if (job->maps.kinds[i] == DV_MAP_PRIVATE && (region->flags & DV_REGION_FILE) &&
            !region->kept)
            status = dv_region_populated(region, add_populated, &job->pages);
    }
    return status;
}

static enum dv_status select_pages(struct take *t)
{
    struct dv_capture_job *job = t->job;
    uint64_t before = dv_now_ns();
    enum dv_status status = list_populated(job);
    if (status == DV_OK)
        status = ask_strategy(t);
    t->figures->scan_ns = dv_now_ns() - before;
    if (status == DV_OK)
        status = add_files(job);
    if (status != DV_OK)
        return status;
    dv_page_set_normalize(&job->pages);
    status = dv_page_set_clip(&job->pages, &job->list, job->data_end, job->strategy->ops->name);
    if (status == DV_OK && job->inherits)
        status = list_inherited(job);
    return status;
}

static enum dv_status write_section(struct dv_capture_job *job, enum dv_image_section kind,
                                    struct dv_blob *blob, enum dv_status status)
{
    if (status == DV_OK && blob->failed)
        status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for section %d of the image",
                         (int)kind);
    if (status == DV_OK)
        status = dv_image_write_section(job->writer, kind, blob->bytes, blob->length);
    dv_blob_free(blob);
    return status;
}

/* Each once: the mappings of one file follow each other. */
static enum dv_status write_file_names(struct dv_capture_job *job)
{
    struct dv_blob blob = {0};
    const char *last = NULL;
    for (size_t i = 0; i < job->maps.count; i++) {
        const char *kept = job->maps.regions[i].kept;
        if (!kept || kept == last)
            continue;
        dv_blob_put_text(&blob, kept);
        dv_blob_put_text(&blob, " ");
        dv_blob_put_text(&blob, job->maps.regions[i].path);
        dv_blob_put_text(&blob, "\n");
        last = kept;
    }
    return write_section(job, DV_SECTION_FILES, &blob, DV_OK);
}

static enum dv_status write_sections(struct dv_capture_job *job,
                                     const struct dv_capture_request *request)
{
    struct dv_blob blob = {0};
    enum dv_status status = dv_process_capture(&blob);
    status = write_section(job, DV_SECTION_PROCESS, &blob, status);
    if (status != DV_OK)
        return status;
    status = dv_descriptors_capture(request->lower_fd_base, request->stdio, &blob);
    status = write_section(job, DV_SECTION_DESCRIPTORS, &blob, status);
    if (status != DV_OK)
        return status;
    uint64_t heap_start = request->heap_start, heap_end = request->heap_end;
    for (size_t i = 0; heap_end == 0 && i < job->maps.count; i++) {
        if (!(job->maps.regions[i].flags & DV_REGION_HEAP))
            continue;
        if (heap_start == 0)
            heap_start = job->maps.regions[i].start;
        if (i + 1 == job->maps.count || !(job->maps.regions[i + 1].flags & DV_REGION_HEAP))
            heap_end = job->maps.regions[i].end;
    }
    status = write_file_names(job);
    if (status != DV_OK)
        return status;
    status = dv_memory_section_write(&blob, &job->maps, job->data_end, heap_start, heap_end);
    return write_section(job, DV_SECTION_REGIONS, &blob, status);
}

static uint64_t pages_of(const struct dv_page_set *set)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < set->count; i++)
        bytes += set->ranges[i].end - set->ranges[i].start;
    return bytes / DV_PAGE_BYTES;
}

static enum dv_status new_writer(struct dv_capture_job *job,
                                 const struct dv_capture_request *request,
                                 struct dv_image_writer **writer)
{
    const struct dv_image_spec spec = {
        .directory = request->directory,
        .name = request->name,
        .recycle = request->recycle,
        .identity = request->identity,
        .most_pages = pages_of(&job->pages) + pages_of(&job->inherit),
        .codec = request->codec,
        .forked = job->keep == DV_KEEP_FORK,
    };
    return dv_image_writer_new(&spec, writer);
}

/* All that must be done before the application goes on. */
static enum dv_status keep(struct take *t)
{
    struct dv_capture_job *job = t->job;
    dv_snapshot_choose(job, t->request);
    enum dv_status status = new_writer(job, t->request, &job->writer);
    if (status == DV_OK)
        status = write_sections(job, t->request);
    if (status == DV_OK)
        status = dv_snapshot_keep(job);
    if (status == DV_OK && job->oracle)
        status = dv_oracle_write(job, t->request);
    if (status != DV_OK || job->keep != DV_KEEP_STOP)
        return status;
    job->bounce = malloc(BOUNCE_BYTES);
    if (!job->bounce)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a buffer of %u bytes",
                       BOUNCE_BYTES);
    uint64_t before = dv_now_ns();
    status = dv_job_write_pages(job, &t->figures->image);
    t->figures->write_ns = dv_now_ns() - before;
    job->written = 1;
    return status;
}

static struct dv_capture_job *new_job(const struct dv_capture_request *request)
{
    struct dv_capture_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->strategy = request->strategy;
    job->epoch = request->epoch;
    job->oracle = request->oracle;
    job->rank = request->identity->rank;
    job->inherits = request->identity->parent_epoch != 0 &&
                    !(request->strategy->ops->caps & DV_CAPTURE_COMPLETE);
    snprintf(job->image_directory, sizeof job->image_directory, "%s", request->directory);
    snprintf(job->image_name, sizeof job->image_name, "%s", request->name);
    snprintf(job->job_directory, sizeof job->job_directory, "%s", request->job ? request->job : "");
    return job;
}

static enum dv_status take_on_own_stack(void *arg)
{
    struct take *t = arg;
    const struct dv_capture_request *request = t->request;
    int selected = 0;
    uint64_t begin = dv_now_ns();
    t->job = new_job(request);
    if (!t->job)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a checkpoint");
    enum dv_status status = dv_process_check();
    if (status == DV_OK)
        status = list_regions(t);
    if (status == DV_OK) {
        selected = 1;
        status = select_pages(t);
    }
    uint64_t middle = dv_now_ns();
    if (status == DV_OK)
        status = keep(t);
    t->figures->select_ns = middle - begin;
    t->figures->snapshot_ns = dv_now_ns() - middle;
    t->figures->kept = t->job->keep;
    t->figures->populated_bytes = pages_of(&t->job->populated) * DV_PAGE_BYTES;
    if (status == DV_OK)
        return DV_OK;
    if (selected && request->strategy->ops->aborted)
        request->strategy->ops->aborted(request->strategy, request->epoch);
    dv_capture_discard(t->job);
    t->job = NULL;
    return status;
}

enum dv_status dv_capture_take(const struct dv_capture_request *request,
                               struct dv_capture_job **job, struct dv_capture_figures *figures)
{
    struct dv_capture_figures own = {0};
    struct take t = {.request = request, .figures = &own};
    enum dv_status status = dv_call_on_new_stack(take_on_own_stack, &t);
    *figures = own;
    *job = t.job;
    return status;
}
