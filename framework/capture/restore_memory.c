/* Putting the upper half's memory back; see capture_engine.h. */
#include "capture/capture_engine.h"
#include "capture/held.h"
#include "capture/lazy.h"
#include "capture/memory_section.h"
#include "capture/regions.h"
#include "common/fail.h"
#include "common/io.h"
#include "gate/gate.h"
#include "store/files.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES (2u * 1024u * 1024u)
#define COMPARE_BYTES (1024u * 1024u)

/* One restoration under way. */
struct restore {
    const char *job;
    struct dv_image_chain *chain;
    unsigned threads;
    struct dv_lazy *lazy;
    size_t run; /* first run of the chain that may still matter: records and runs both ascend */
    const char *kept; /* the kept file that is open at kept_fd */
    int kept_fd;      /* -1: none */
    struct dv_restored result;
};

static void *address_of(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static int protection_of(const struct dv_memory_record *record)
{
    return (record->flags & DV_REGION_READ ? PROT_READ : 0) |
           (record->flags & DV_REGION_WRITE ? PROT_WRITE : 0) |
           (record->flags & DV_REGION_EXEC ? PROT_EXEC : 0);
}

static enum dv_status failed(const struct dv_memory_record *record, const char *what, int error)
{
    return dv_fail("capture", dv_status_from_errno(error), "cannot %s the mapping %llx-%llx %s: %s",
                   what, (unsigned long long)record->start, (unsigned long long)record->end,
                   record->path, strerror(error));
}

/* What the new process has below the boundary: at most what its loader prepared. */
static enum dv_status clear_upper_half(void)
{
    struct dv_maps maps;
    enum dv_status status = dv_maps_read(&maps);
    if (status != DV_OK)
        return status;
    for (size_t i = 0; i < maps.count && status == DV_OK; i++) {
        const struct dv_region *region = &maps.regions[i];
        if (munmap(address_of(region->start), region->end - region->start) != 0)
            status = dv_fail("capture", DV_ERR_SYSTEM, "cannot unmap %llx-%llx %s: %s",
                             (unsigned long long)region->start, (unsigned long long)region->end,
                             region->path, strerror(errno));
    }
    dv_maps_free(&maps);
    return status;
}

/* Bytes of [start, end) that the chain holds. Leaves r->run at the first run that ends behind
 * `start`. */
static uint64_t stored_bytes(struct restore *r, uint64_t start, uint64_t end)
{
    uint64_t address, length, stored = 0;
    while (dv_image_chain_run(r->chain, r->run, &address, &length) && address + length <= start)
        r->run++;
    for (size_t i = r->run; dv_image_chain_run(r->chain, i, &address, &length); i++) {
        if (address >= end)
            break;
        uint64_t from = address > start ? address : start;
        uint64_t to = address + length < end ? address + length : end;
        stored += to - from;
    }
    return stored;
}

/* Pages that the chain does not hold are zero. */
static void zero_gaps(const struct restore *r, uint64_t start, uint64_t end)
{
    uint64_t address, length;
    for (size_t i = r->run; dv_image_chain_run(r->chain, i, &address, &length); i++) {
        if (address >= end)
            break;
        if (address > start)
            memset(address_of(start), 0, address - start);
        if (address + length > start)
            start = address + length;
    }
    if (start < end)
        memset(address_of(start), 0, end - start);
}

/* MAP_FAILED with errno, or the mapping. */
static void *try_map(const struct dv_memory_record *record, int protection, int flags, int fd,
                     uint64_t offset)
{
    size_t length = record->end - record->start;
    /* MAP_FIXED, which NOREPLACE implies, is what the lower half's placement filter looks for. */
    flags |= MAP_FIXED | MAP_FIXED_NOREPLACE;
    return mmap(address_of(record->start), length, protection, flags, fd, (off_t)offset);
}

static enum dv_status map_at(const struct dv_memory_record *record, int protection, int flags,
                             int fd, uint64_t offset)
{
    void *got = try_map(record, protection, flags, fd, offset);
    /* Larger than what the kernel would ever commit: the application reserved it without. That this
     * mapping was one of those is not to be read from /proc/self/maps. */
    if (got == MAP_FAILED && errno == ENOMEM && (flags & MAP_ANONYMOUS))
        got = try_map(record, protection, flags | MAP_NORESERVE, fd, offset);
    if (got == MAP_FAILED)
        return failed(record, "make", errno);
    if (got != address_of(record->start)) {
        munmap(got, record->end - record->start);
        return failed(record, "make", EEXIST);
    }
    return DV_OK;
}

/* Large and mostly full: huge pages make filling it several times faster. Whole mappings only: a
 * mapping in two pieces would behave differently under mremap. So not the main stack either, which
 * may be a part of one. */
static void advise_huge(const struct dv_memory_record *record, uint64_t stored)
{
    uint64_t length = record->end - record->start;
    if (length >= 2 * HUGE_PAGE_BYTES && stored >= length / 2 &&
        !(record->flags & (DV_REGION_GROWSDOWN | DV_REGION_STACK)) &&
        madvise(address_of(record->start), length, MADV_HUGEPAGE) != 0)
        dv_debug("capture", "no huge pages for %llx-%llx: %s", (unsigned long long)record->start,
                 (unsigned long long)record->end, strerror(errno));
}

static enum dv_status load(struct restore *r, const struct dv_memory_record *record,
                           uint64_t stored)
{
    if (stored == 0)
        return DV_OK;
    r->result.loaded_bytes += stored;
    return dv_image_chain_load(r->chain, record->start, record->end, address_of(record->start),
                               r->threads);
}

static enum dv_status protect(const struct dv_memory_record *record, int present)
{
    int wanted = protection_of(record);
    if (wanted != present &&
        mprotect(address_of(record->start), record->end - record->start, wanted) != 0)
        return failed(record, "protect", errno);
    return DV_OK;
}

/* Can two records be one mapping whose parts got different protections? Neighbours in shared memory are taken for the same
 * memory if their offsets say so. */
static int may_be_one(const struct dv_memory_record *a, const struct dv_memory_record *b)
{
    const uint32_t alone = DV_REGION_FILE | DV_REGION_GROWSDOWN | DV_REGION_STACK;
    if (a->kind != b->kind || a->end != b->start || strcmp(a->path, b->path) != 0 ||
        ((a->flags | b->flags) & alone))
        return 0;
    return a->kind == DV_MAP_PRIVATE || (a->kind == DV_MAP_SHARED_ANON &&
                                         b->file_offset == a->file_offset + (a->end - a->start));
}

/* How many records from this one on may have been one mapping whose pages got different
 * protections. They are made as one, and protected afterwards: pieces that were mapped one by one
 * would not become one again when the application makes their protections equal, and mremap works
 * on whole mappings. */
static size_t group_of(const struct dv_memory_record *records, size_t count)
{
    size_t n = 1;
    while (n < count && may_be_one(&records[n - 1], &records[n]))
        n++;
    return n;
}

static struct dv_memory_record whole_of(const struct dv_memory_record *records, size_t count)
{
    struct dv_memory_record whole = records[0];
    whole.end = records[count - 1].end;
    for (size_t i = 1; i < count; i++)
        whole.flags |= records[i].flags;
    return whole;
}

static enum dv_status protect_all(const struct dv_memory_record *records, size_t count, int present)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < count && status == DV_OK; i++)
        status = protect(&records[i], present);
    return status;
}

static enum dv_status restore_private(struct restore *r, const struct dv_memory_record *records,
                                      size_t count)
{
    const struct dv_memory_record whole = whole_of(records, count);
    uint64_t stored = stored_bytes(r, whole.start, whole.end);
    int present = stored || count > 1 ? PROT_READ | PROT_WRITE : protection_of(&whole);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (whole.flags & DV_REGION_GROWSDOWN)
        flags |= MAP_GROWSDOWN;
    /* Reservations, and memory that is written here once, must not count as committed. */
    if (!(whole.flags & DV_REGION_WRITE))
        flags |= MAP_NORESERVE;
    enum dv_status status = map_at(&whole, present, flags, -1, 0);
    if (status != DV_OK)
        return status;
    uint64_t planned = dv_lazy_planned(r->lazy, whole.start, whole.end);
    if (planned > 0) {
        r->result.loaded_bytes += stored;
        status = dv_lazy_fill(r->lazy, r->chain, whole.start, whole.end, present, r->threads);
    } else {
        advise_huge(&whole, stored);
        status = load(r, &whole, stored);
    }
    return status == DV_OK ? protect_all(records, count, present) : status;
}

/* The kept file of a record; the mappings of one file follow each other. */
static enum dv_status open_kept(struct restore *r, const struct dv_memory_record *record, int *fd)
{
    const char *name = record->kept;
    if (r->kept_fd >= 0 && strcmp(r->kept, name) == 0) {
        *fd = r->kept_fd;
        return DV_OK;
    }
    if (r->kept_fd >= 0)
        close(r->kept_fd);
    r->kept_fd = -1;
    enum dv_status status = dv_files_open(r->job, name, record->path, &r->kept_fd);
    if (status == DV_OK)
        dv_held_note(r->kept_fd, name);
    r->kept = name;
    *fd = r->kept_fd;
    return status;
}

/* A file system that forbids to run what is on it (noexec): the bytes, in memory of our own. */
static enum dv_status copy_kept(struct restore *r, const struct dv_memory_record *record, int fd)
{
    size_t got = 0;
    enum dv_status status =
        map_at(record, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (status == DV_OK && dv_pread_full(fd, address_of(record->start), record->end - record->start,
                                         record->file_offset, &got) != DV_OK)
        status = failed(record, "read the file of", errno);
    r->result.copied_files = 1;
    return status;
}

/* Pages that were not the file's any more and are in no image are zero. */
static void zero_own(const struct restore *r, const struct dv_memory_record *record)
{
    for (size_t i = 0; i < record->own_count; i++) {
        struct dv_page_run run;
        memcpy(&run, (const char *)record->own + i * sizeof run, sizeof run);
        zero_gaps(r, run.start, run.end);
    }
}

static enum dv_status restore_kept(struct restore *r, const struct dv_memory_record *record)
{
    int fd = -1, present = protection_of(record);
    uint64_t stored = stored_bytes(r, record->start, record->end);
    enum dv_status status = open_kept(r, record, &fd);
    if (status != DV_OK)
        return status;
    if (stored || record->own_count)
        present |= PROT_READ | PROT_WRITE;
    void *got = try_map(record, present, MAP_PRIVATE, fd, record->file_offset);
    if (got == MAP_FAILED && errno == EPERM && (present & PROT_EXEC)) {
        present = PROT_READ | PROT_WRITE;
        status = copy_kept(r, record, fd);
    } else if (got == MAP_FAILED) {
        status = failed(record, "make", errno);
    }
    if (status == DV_OK)
        zero_own(r, record);
    if (status == DV_OK)
        status = load(r, record, stored);
    return status == DV_OK ? protect(record, present) : status;
}

static enum dv_status restore_shared_anonymous(struct restore *r,
                                               const struct dv_memory_record *records, size_t count)
{
    const struct dv_memory_record whole = whole_of(records, count);
    int present = PROT_READ | PROT_WRITE;
    enum dv_status status = map_at(&whole, present, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (status == DV_OK)
        status = load(r, &whole, stored_bytes(r, whole.start, whole.end));
    return status == DV_OK ? protect_all(records, count, present) : status;
}

/* Does the file, mapped now, hold what it held then? */
static enum dv_status compare(struct restore *r, const struct dv_memory_record *record, int *same)
{
    *same = 1;
    char *then = malloc(COMPARE_BYTES), *now = malloc(COMPARE_BYTES);
    enum dv_status status = DV_OK;
    if (!then || !now)
        status = dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to compare %s", record->path);
    for (uint64_t at = record->start; status == DV_OK && *same && at < record->data_end;) {
        size_t left = record->data_end - at, length = left < COMPARE_BYTES ? left : COMPARE_BYTES;
        size_t got = 0;
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
        memset(then, 0, length);
        status = dv_image_chain_load(r->chain, at, at + length, then, 1);
        if (status == DV_OK)
            status = dv_memory_read(at, now, length, &got);
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): cannot be; the analyser loses track */
        *same = got == length && memcmp(then, now, length) == 0;
        at += length;
    }
    free(then);
    free(now);
    return status;
}

/* A private copy of what was in a file that this process could only read: the file is gone or has
 * other contents now, and is not ours to change. */
static enum dv_status restore_copy(struct restore *r, const struct dv_memory_record *record,
                                   const char *reason)
{
    dv_warn("capture", "%s, mapped shared for reading, %s; using a private copy from the image",
            record->path, reason);
    return restore_private(r, record, 1);
}

static enum dv_status restore_read_only_file(struct restore *r,
                                             const struct dv_memory_record *record)
{
    int fd = open(record->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return restore_copy(r, record, "cannot be opened");
    enum dv_status status = map_at(record, PROT_READ, MAP_SHARED, fd, record->file_offset);
    close(fd);
    if (status != DV_OK)
        return status;
    int same;
    status = compare(r, record, &same);
    if (status == DV_OK && same)
        return protect(record, PROT_READ);
    if (status == DV_OK && munmap(address_of(record->start), record->end - record->start) != 0)
        status = failed(record, "unmap", errno);
    if (status == DV_OK)
        status = restore_copy(r, record, "has changed");
    return status;
}

/* The file must reach as far as it did: a mapping behind its end cannot be written. */
static enum dv_status extend_file(const struct dv_memory_record *record, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return failed(record, "examine the file of", errno);
    if (!S_ISREG(info.st_mode))
        return dv_fail("capture", DV_ERR_MISMATCH, "%s is not a regular file any more",
                       record->path);
    uint64_t last = record->file_offset + (record->data_end - record->start);
    if ((uint64_t)info.st_size + DV_PAGE_BYTES > last)
        return DV_OK; /* reaches into the last page */
    if (ftruncate(fd, (off_t)last) != 0)
        return failed(record, "lengthen the file of", errno);
    dv_warn("capture", "%s had become shorter than what was mapped; lengthened to %llu bytes",
            record->path, (unsigned long long)last);
    return DV_OK;
}

static enum dv_status restore_written_file(struct restore *r, const struct dv_memory_record *record)
{
    int fd = open(record->path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return dv_fail("capture", dv_status_from_errno(errno),
                       "cannot open %s, which the application had mapped for writing: %s",
                       record->path, strerror(errno));
    enum dv_status status = extend_file(record, fd);
    int present = PROT_READ | PROT_WRITE;
    if (status == DV_OK)
        status = map_at(record, present, MAP_SHARED, fd, record->file_offset);
    close(fd);
    if (status != DV_OK)
        return status;
    uint64_t stored = stored_bytes(r, record->start, record->end);
    zero_gaps(r, record->start, record->data_end);
    status = load(r, record, stored);
    if (status == DV_OK)
        status = protect(record, present);
    return status;
}

static enum dv_status restore_records(struct restore *r, const struct dv_memory_record *records,
                                      size_t count)
{
    r->result.mapped_bytes += records[count - 1].end - records[0].start;
    switch (records[0].kind) {
    case DV_MAP_SHARED_ANON:
        return restore_shared_anonymous(r, records, count);
    case DV_MAP_SHARED_FILE:
        return records[0].flags & DV_REGION_WRITE ? restore_written_file(r, records)
                                                  : restore_read_only_file(r, records);
    default:
        return records[0].kept[0] ? restore_kept(r, records) : restore_private(r, records, count);
    }
}

/* Every run must belong to a mapping, or something of the image would be lost. */
static enum dv_status check_runs(struct restore *r, const struct dv_memory_section *section)
{
    uint64_t address, length;
    size_t at = 0;
    for (size_t i = 0; dv_image_chain_run(r->chain, i, &address, &length); i++) {
        uint64_t end = address + length;
        while (address < end) {
            while (at < section->count && section->records[at].end <= address)
                at++;
            if (at == section->count || section->records[at].start > address)
                return dv_fail("capture", DV_ERR_DAMAGED,
                               "the image holds the page %#llx, which is in no mapping",
                               (unsigned long long)address);
            address = section->records[at].end < end ? section->records[at].end : end;
        }
    }
    return DV_OK;
}

/* Code, stacks and shared memory stay what they are: a private mapping of a file is none of these in all respects. */
static enum dv_status plan_lazy(struct restore *r, const struct dv_memory_section *section)
{
    const uint32_t never = DV_REGION_EXEC | DV_REGION_STACK | DV_REGION_GROWSDOWN;
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < section->count && status == DV_OK; i++) {
        const struct dv_memory_record *record = &section->records[i];
        if (record->kind == DV_MAP_PRIVATE && !(record->flags & never) && !record->kept[0])
            status = dv_lazy_plan(r->lazy, r->chain, record->start, record->end);
    }
    dv_lazy_choose(r->lazy);
    return status;
}

static enum dv_status restore_all(struct restore *r, const struct dv_memory_section *section,
                                  int lazily)
{
    enum dv_status status = check_runs(r, section);
    if (status == DV_OK && lazily)
        status = plan_lazy(r, section);
    if (status == DV_OK)
        status = clear_upper_half();
    for (size_t i = 0, n; i < section->count && status == DV_OK; i += n) {
        n = group_of(section->records + i, section->count - i);
        status = restore_records(r, section->records + i, n);
    }
    return status == DV_OK ? dv_lazy_register(r->lazy) : status;
}

enum dv_status dv_restore_memory(const char *job, struct dv_image_chain *chain, unsigned threads,
                                 struct dv_lazy *lazy, struct dv_restored *out)
{
    struct dv_lazy none = {0};
    struct restore r = {
        .job = job, .chain = chain, .threads = threads, .lazy = lazy ? lazy : &none, .kept_fd = -1};
    struct dv_memory_section section = {0};
    const void *bytes;
    size_t length;
    enum dv_status status =
        dv_image_reader_section(dv_image_chain_head(chain), DV_SECTION_REGIONS, &bytes, &length);
    if (status == DV_OK)
        status = dv_memory_section_read(bytes, length, &section);
    if (status == DV_OK)
        status = restore_all(&r, &section, lazy != NULL);
    if (status == DV_OK) {
        r.result.heap_start = section.heap_start;
        r.result.heap_end = section.heap_end;
        r.result.lazy_bytes = r.lazy->bytes;
        r.result.loaded_bytes -= r.lazy->bytes;
        *out = r.result;
    }
    if (r.kept_fd >= 0)
        close(r.kept_fd);
    dv_memory_section_free(&section);
    return status;
}
