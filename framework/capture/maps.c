/* The upper half's mappings, from /proc/self/maps; see regions.h. */
#include "capture/lazy.h"
#include "capture/proc.h"
#include "capture/regions.h"
#include "capture/tracker_mprotect.h"
#include "common/fail.h"
#include "gate/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), wanted = strlen(suffix);
    return length >= wanted && strcmp(text + length - wanted, suffix) == 0;
}

/* The kernel writes a newline in a path as \012, and nothing else so. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; to++) {
        if (has_prefix(from, "\\012")) {
            *to = '\n';
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

static int parse_number(char **at, int base, char behind, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(*at, &end, base);
    if (errno || end == *at || *end != behind)
        return -1;
    *at = end + 1;
    return 0;
}

/* "start-end perms offset major:minor inode      path" */
static int parse_line(char *line, struct dv_region *region, int *shared)
{
    uint64_t device_major, device_minor;
    char *at = line;
    if (parse_number(&at, 16, '-', &region->start) || parse_number(&at, 16, ' ', &region->end))
        return -1;
    const char *permissions = at;
    if (strnlen(at, 5) < 5 || at[4] != ' ')
        return -1;
    at += 5;
    if (parse_number(&at, 16, ' ', &region->file_offset) ||
        parse_number(&at, 16, ':', &device_major) || parse_number(&at, 16, ' ', &device_minor))
        return -1;
    char *behind;
    region->inode = strtoull(at, &behind, 10);
    if (behind == at || (*behind != 0 && *behind != ' '))
        return -1;
    region->device = device_major << 32 | device_minor;
    at = behind + strspn(behind, " ");
    unescape(at);
    region->path = at;
    *shared = permissions[3] == 's';
    region->flags = (permissions[0] == 'r' ? DV_REGION_READ : 0u) |
                    (permissions[1] == 'w' ? DV_REGION_WRITE : 0u) |
                    (permissions[2] == 'x' ? DV_REGION_EXEC : 0u) |
                    (*shared ? DV_REGION_SHARED : 0u);
    return 0;
}

static int is_anonymous_shared(const char *path)
{
    return strcmp(path, "/dev/zero (deleted)") == 0 || has_prefix(path, "[anon_shmem:");
}

/* Private mappings of these are anonymous memory for all purposes. */
static int is_anonymous_private(const char *path)
{
    return path[0] == 0 || path[0] == '[' || strcmp(path, "/dev/zero") == 0 ||
           strcmp(path, "/anon_hugepage (deleted)") == 0;
}

static enum dv_map_kind classify(struct dv_region *region, int shared)
{
    if (strcmp(region->path, "[heap]") == 0)
        region->flags |= DV_REGION_HEAP;
    if (!shared) {
        if (region->inode != 0 && dv_lazy_is_image(region->device, region->inode)) {
            region->flags |= DV_REGION_LAZY;
            region->path = "";
            region->file_offset = region->device = region->inode = 0;
        } else if (!is_anonymous_private(region->path)) {
            region->flags |= DV_REGION_FILE;
        }
        return DV_MAP_PRIVATE;
    }
    if (is_anonymous_shared(region->path))
        return DV_MAP_SHARED_ANON;
    region->flags |= DV_REGION_FILE;
    return DV_MAP_SHARED_FILE;
}

static enum dv_status reserve(struct dv_maps *maps, size_t count)
{
    if (count <= maps->capacity)
        return DV_OK;
    size_t capacity = count < 128 ? 128 : count * 2;
    struct dv_region *regions = realloc(maps->regions, capacity * sizeof *regions);
    if (regions)
        maps->regions = regions;
    uint8_t *kinds = realloc(maps->kinds, capacity);
    if (kinds)
        maps->kinds = kinds;
    if (!regions || !kinds)
        return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a list of %zu mappings",
                       capacity);
    maps->capacity = capacity;
    return DV_OK;
}

static enum dv_status insert(struct dv_maps *maps, size_t at, const struct dv_region *region,
                             enum dv_map_kind kind)
{
    enum dv_status status = reserve(maps, maps->count + 1);
    if (status != DV_OK)
        return status;
    memmove(maps->regions + at + 1, maps->regions + at, (maps->count - at) * sizeof *maps->regions);
    memmove(maps->kinds + at + 1, maps->kinds + at, maps->count - at);
    maps->regions[at] = *region;
    maps->kinds[at] = (uint8_t)kind;
    maps->count++;
    return DV_OK;
}

enum dv_status dv_maps_parse(char *text, struct dv_maps *maps)
{
    *maps = (struct dv_maps){.text = text};
    enum dv_status status = DV_OK;
    for (char *line = text; *line && status == DV_OK;) {
        char *end = strchrnul(line, '\n');
        char *next = *end ? end + 1 : end;
        *end = 0;
        struct dv_region region = {0};
        int shared;
        if (parse_line(line, &region, &shared) != 0 || region.start >= region.end) {
            status = dv_fail("capture", DV_ERR_INTERNAL,
                             "cannot understand this line of /proc/self/maps: %s", line);
            break;
        }
        if (region.start >= DV_SPLIT)
            break; /* ascending: the rest is the lower half */
        if (region.end > DV_SPLIT)
            region.end = DV_SPLIT;
        region.live_from = region.start;
        enum dv_map_kind kind = classify(&region, shared);
        status = insert(maps, maps->count, &region, kind);
        line = next;
    }
    if (status != DV_OK)
        dv_maps_free(maps);
    return status;
}

/* The kernel calls only anonymous memory the heap. */
static void mark_lazy_heap(struct dv_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        struct dv_region *region = &maps->regions[i];
        const struct dv_region *before = i > 0 ? region - 1 : NULL;
        if ((region->flags & DV_REGION_LAZY) &&
            (region->start == DV_BREAK_BASE ||
             (before && (before->flags & DV_REGION_HEAP) && before->end == region->start))) {
            region->flags |= DV_REGION_HEAP;
            region->path = "[heap]";
        }
    }
}

/* Cut the region at index `at` in two at `address` (strictly inside). */
static enum dv_status split(struct dv_maps *maps, size_t at, uint64_t address)
{
    struct dv_region upper = maps->regions[at];
    enum dv_status status = insert(maps, at + 1, &upper, maps->kinds[at]);
    if (status != DV_OK)
        return status;
    maps->regions[at].end = address;
    struct dv_region *second = &maps->regions[at + 1];
    if (second->flags & DV_REGION_FILE)
        second->file_offset += address - second->start;
    second->start = address;
    second->live_from = address;
    return DV_OK;
}

/* Neighbours that a tracker has made of one mapping? */
static int is_one(const struct dv_region *a, const struct dv_region *b)
{
    uint64_t until;
    return a->end == b->start && dv_protect_hides(b->start - 1, &until) && until > b->start &&
           a->flags == b->flags && a->inode == b->inode && a->device == b->device &&
           (!(a->flags & DV_REGION_FILE) || a->file_offset + (a->end - a->start) == b->file_offset);
}

/* Show memory that a tracker protects as the application knows it: writable, and in one piece. */
static enum dv_status unveil(struct dv_maps *maps)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < maps->count && status == DV_OK; i++) {
        uint64_t until;
        int hidden = dv_protect_hides(maps->regions[i].start, &until);
        if (until < maps->regions[i].end)
            status = split(maps, i, until);
        if (hidden)
            maps->regions[i].flags |= DV_REGION_WRITE;
    }
    size_t last = 0;
    for (size_t i = 1; i < maps->count && status == DV_OK; i++) {
        if (is_one(&maps->regions[last], &maps->regions[i])) {
            maps->regions[last].end = maps->regions[i].end;
        } else {
            maps->regions[++last] = maps->regions[i];
            maps->kinds[last] = maps->kinds[i];
        }
    }
    if (status == DV_OK && maps->count > 0)
        maps->count = last + 1;
    else if (status != DV_OK)
        dv_maps_free(maps);
    return status;
}

enum dv_status dv_maps_read(struct dv_maps *maps)
{
    char *text;
    enum dv_status status = dv_proc_read("/proc/self/maps", &text, NULL);
    if (status != DV_OK)
        return status;
    status = dv_maps_parse(text, maps);
    if (status != DV_OK)
        return status;
    mark_lazy_heap(maps);
    return unveil(maps);
}

void dv_maps_free(struct dv_maps *maps)
{
    free(maps->regions);
    free(maps->kinds);
    free(maps->text);
    *maps = (struct dv_maps){0};
}

enum dv_status dv_maps_mark_stack(struct dv_maps *maps, uint64_t start, uint64_t end,
                                  uint64_t live_from)
{
    size_t at = 0;
    while (at < maps->count && maps->regions[at].end <= live_from)
        at++;
    if (at == maps->count || maps->regions[at].start > live_from || live_from < start ||
        live_from >= end)
        return dv_fail(
            "capture", DV_ERR_INTERNAL, "the main stack %#llx-%#llx is not mapped at %#llx",
            (unsigned long long)start, (unsigned long long)end, (unsigned long long)live_from);
    enum dv_status status = DV_OK;
    if (maps->regions[at].start < start)
        status = split(maps, at++, start);
    if (status == DV_OK && maps->regions[at].end > end)
        status = split(maps, at, end);
    if (status != DV_OK)
        return status;
    maps->regions[at].flags |= DV_REGION_STACK;
    maps->regions[at].live_from = dv_page_floor(live_from);
    return DV_OK;
}

static enum dv_status refuse(const struct dv_region *region, const char *what)
{
    return dv_fail_quietly(DV_ERR_REFUSED, "mapping %llx-%llx of %s is %s",
                           (unsigned long long)region->start, (unsigned long long)region->end,
                           region->path, what);
}

static enum dv_status check_file(const struct dv_region *region, enum dv_map_kind kind)
{
    const char *path = region->path;
    struct stat info;
    if (path[0] != '/')
        return refuse(region, "a kernel object that cannot be captured");
    int found = stat(path, &info) == 0;
    if (found && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
        return refuse(region, "a device");
    if (kind == DV_MAP_PRIVATE)
        return DV_OK; /* the image holds the contents; the file is not needed again */
    if (has_prefix(path, "/SYSV"))
        return refuse(region, "a System V shared memory segment");
    if (has_prefix(path, "/memfd:"))
        return refuse(region, "a shared memory file without a name (memfd)");
    if (!found && has_suffix(path, " (deleted)"))
        return refuse(region, "a shared mapping of a deleted file");
    if (!found)
        return refuse(region, "a shared mapping of a file that cannot be found");
    if (!S_ISREG(info.st_mode))
        return refuse(region, "not of a regular file");
    return DV_OK;
}

static enum dv_status check_shared_anonymous(const struct dv_maps *maps, size_t at)
{
    const struct dv_region *region = &maps->regions[at];
    for (size_t i = 0; i < at; i++) {
        const struct dv_region *other = &maps->regions[i];
        if (maps->kinds[i] == DV_MAP_SHARED_ANON && other->inode == region->inode &&
            other->device == region->device &&
            other->file_offset < region->file_offset + (region->end - region->start) &&
            region->file_offset < other->file_offset + (other->end - other->start))
            return refuse(region, "shared memory that is mapped twice");
    }
    return DV_OK;
}

static int is_known_special(const char *path)
{
    return strcmp(path, "[heap]") == 0 || strcmp(path, "[stack]") == 0 ||
           has_prefix(path, "[anon:") || has_prefix(path, "[anon_shmem:");
}

enum dv_status dv_maps_check(const struct dv_maps *maps)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < maps->count && status == DV_OK; i++) {
        const struct dv_region *region = &maps->regions[i];
        if (region->path[0] == '[' && !is_known_special(region->path))
            status = refuse(region, "made by the kernel and cannot be captured");
        else if (region->flags & DV_REGION_FILE)
            status = check_file(region, maps->kinds[i]);
        else if (maps->kinds[i] == DV_MAP_SHARED_ANON)
            status = check_shared_anonymous(maps, i);
    }
    return status;
}
