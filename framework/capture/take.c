/* Taking a capture; see capture_engine.h. */
#include "capture/blob.h"
#include "capture/capture_engine.h"
#include "capture/descriptors.h"
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

/* One capture under way. */
struct take {
    const struct dv_capture_request *request;
    struct dv_image_writer *writer;
    struct dv_image_stats *stats;
    struct dv_capture_timings *timings;
    struct dv_maps maps;
    struct dv_region_list list;
    uint64_t *data_end; /* [maps.count] */
    struct dv_page_set pages;
    uint64_t volatile_start, volatile_end; /* main stack near the stack pointer */
    void *bounce;
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
    t->volatile_start = live_from;
    t->volatile_end = dv_page_ceil(pointer);
    /* A stack that grows by itself begins where it has grown to. */
    for (size_t i = 0; i < t->maps.count; i++) {
        const struct dv_region *region = &t->maps.regions[i];
        if (region->start > live_from && region->start < pointer && pointer <= region->end)
            live_from = region->start;
    }
    return dv_maps_mark_stack(&t->maps, request->stack_start, request->stack_end, live_from);
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
    enum dv_status status = dv_maps_read(&t->maps);
    if (status == DV_OK)
        status = dv_maps_check(&t->maps);
    if (status == DV_OK)
        status = mark_stack(t);
    if (status != DV_OK)
        return status;
    mark_growing(&t->maps);
    t->data_end = calloc(t->maps.count ? t->maps.count : 1, sizeof *t->data_end);
    if (!t->data_end)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a list of mappings");
    for (size_t i = 0; i < t->maps.count; i++)
        t->data_end[i] = dv_region_data_end(&t->maps.regions[i]);
    t->list = (struct dv_region_list){t->maps.regions, t->maps.count};
    return DV_OK;
}

static enum dv_status select_pages(struct take *t)
{
    struct dv_capture *strategy = t->request->strategy;
    strategy->regions = &t->list;
    enum dv_status status = strategy->ops->select(strategy, t->request->epoch, &t->pages);
    strategy->regions = NULL;
    if (status != DV_OK)
        return status;
    dv_page_set_normalize(&t->pages);
    return dv_page_set_clip(&t->pages, &t->list, t->data_end, strategy->ops->name);
}

static enum dv_status write_section(struct take *t, enum dv_image_section kind,
                                    struct dv_blob *blob, enum dv_status status)
{
    if (status == DV_OK && blob->failed)
        status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for section %d of the image",
                         (int)kind);
    if (status == DV_OK)
        status = dv_image_write_section(t->writer, kind, blob->bytes, blob->length);
    dv_blob_free(blob);
    return status;
}

static enum dv_status write_sections(struct take *t)
{
    const struct dv_capture_request *request = t->request;
    struct dv_blob blob = {0};
    enum dv_status status = dv_process_capture(&blob);
    status = write_section(t, DV_SECTION_PROCESS, &blob, status);
    if (status != DV_OK)
        return status;
    status = dv_descriptors_capture(request->lower_fd_base, request->stdio, &blob);
    status = write_section(t, DV_SECTION_DESCRIPTORS, &blob, status);
    if (status != DV_OK)
        return status;
    uint64_t heap_start = request->heap_start, heap_end = request->heap_end;
    for (size_t i = 0; heap_end == 0 && i < t->maps.count; i++) {
        if (!(t->maps.regions[i].flags & DV_REGION_HEAP))
            continue;
        if (heap_start == 0)
            heap_start = t->maps.regions[i].start;
        if (i + 1 == t->maps.count || !(t->maps.regions[i + 1].flags & DV_REGION_HEAP))
            heap_end = t->maps.regions[i].end;
    }
    dv_memory_section_write(&blob, &t->maps, t->data_end, heap_start, heap_end);
    return write_section(t, DV_SECTION_REGIONS, &blob, DV_OK);
}

/* Write pages that must not be written from where they are: unreadable, or changing meanwhile (the
 * image's checksum and its bytes must be of the same moment). */
static enum dv_status write_copied(struct take *t, const struct dv_region *region, uint64_t start,
                                   uint64_t end)
{
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        size_t length = end - start < BOUNCE_BYTES ? (size_t)(end - start) : BOUNCE_BYTES, got = 0;
        status = dv_memory_read(start, t->bounce, length, &got);
        if (status == DV_OK && got != length)
            status = dv_fail(
                "capture", DV_ERR_UNSUPPORTED, "cannot read %#llx in the mapping %llx-%llx %s%s",
                /* NOLINTNEXTLINE(bugprone-misplaced-widening-cast): meant so */
                (unsigned long long)(start + got), (unsigned long long)region->start,
                (unsigned long long)region->end, region->path,
                region->flags & DV_REGION_READ
                    ? ""
                    : ", which is not readable; boot without proc_mem.force_override=");
        if (status == DV_OK)
            status = dv_image_write_pages(t->writer, start, length, t->bounce);
        start += length;
    }
    return status;
}

/* Where copying must begin or end inside [start, end): the next such address behind `start`. */
static uint64_t next_boundary(const struct take *t, uint64_t start, uint64_t end)
{
    const uint64_t boundaries[] = {DV_GATE_BASE, DV_GATE_BASE + DV_GATE_BYTES, t->volatile_start,
                                   t->volatile_end};
    for (size_t i = 0; i < sizeof boundaries / sizeof boundaries[0]; i++)
        if (boundaries[i] > start && boundaries[i] < end)
            end = boundaries[i];
    return end;
}

static int must_copy(const struct take *t, const struct dv_region *region, uint64_t address)
{
    return !(region->flags & DV_REGION_READ) || (region->flags & DV_REGION_SHARED) ||
           (address >= DV_GATE_BASE && address < DV_GATE_BASE + DV_GATE_BYTES) ||
           (address >= t->volatile_start && address < t->volatile_end);
}

static enum dv_status write_range(struct take *t, const struct dv_region *region, uint64_t start,
                                  uint64_t end)
{
    enum dv_status status = DV_OK;
    while (start < end && status == DV_OK) {
        uint64_t stop = next_boundary(t, start, end);
        if (must_copy(t, region, start))
            status = write_copied(t, region, start, stop);
        else
            status = dv_image_write_pages(t->writer, start, stop - start,
                                          (const void *)(uintptr_t)start);
        start = stop;
    }
    return status;
}

static enum dv_status write_pages(struct take *t)
{
    enum dv_status status = DV_OK;
    size_t at = 0;
    for (size_t i = 0; i < t->pages.count && status == DV_OK; i++) {
        struct dv_page_range range = t->pages.ranges[i];
        while (range.start < range.end && status == DV_OK) {
            while (t->maps.regions[at].end <= range.start)
                at++;
            const struct dv_region *region = &t->maps.regions[at];
            uint64_t end = range.end < region->end ? range.end : region->end;
            status = write_range(t, region, range.start, end);
            range.start = end;
        }
    }
    return status;
}

static enum dv_status write_image(struct take *t)
{
    const struct dv_capture_request *request = t->request;
    enum dv_status status = dv_image_writer_open(request->directory, request->name,
                                                 request->recycle, request->identity, &t->writer);
    if (status != DV_OK)
        return status;
    status = write_sections(t);
    if (status == DV_OK)
        status = write_pages(t);
    if (status == DV_OK)
        status = dv_image_writer_finish(t->writer, t->stats);
    if (status != DV_OK) {
        dv_image_writer_abort(t->writer);
        t->writer = NULL;
    }
    return status;
}

static enum dv_status take_on_own_stack(void *arg)
{
    struct take *t = arg;
    const struct dv_capture_request *request = t->request;
    int selected = 0;
    uint64_t begin = dv_now_ns();
    t->bounce =
        mmap(NULL, BOUNCE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->bounce == MAP_FAILED)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a buffer of %u bytes",
                       BOUNCE_BYTES);
    enum dv_status status = dv_process_check();
    if (status == DV_OK)
        status = list_regions(t);
    if (status == DV_OK) {
        selected = 1;
        status = select_pages(t);
    }
    uint64_t middle = dv_now_ns();
    if (status == DV_OK)
        status = write_image(t);
    if (status != DV_OK && selected && request->strategy->ops->aborted)
        request->strategy->ops->aborted(request->strategy, request->epoch);
    t->timings->select_ns = middle - begin;
    t->timings->write_ns = dv_now_ns() - middle;
    dv_page_set_free(&t->pages);
    free(t->data_end);
    dv_maps_free(&t->maps);
    munmap(t->bounce, BOUNCE_BYTES);
    return status;
}

enum dv_status dv_capture_take(const struct dv_capture_request *request,
                               struct dv_image_writer **writer, struct dv_image_stats *stats,
                               struct dv_capture_timings *timings)
{
    struct dv_image_stats own_stats = {0};
    struct dv_capture_timings own_timings = {0};
    struct take t = {.request = request, .stats = &own_stats, .timings = &own_timings};
    enum dv_status status = dv_call_on_new_stack(take_on_own_stack, &t);
    if (status != DV_OK)
        return status;
    *writer = t.writer;
    *stats = own_stats;
    *timings = own_timings;
    return DV_OK;
}
