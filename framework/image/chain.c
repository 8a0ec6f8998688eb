/* Chains: opened, checked and resolved into pieces. */
#include "image/chain.h"

#include "common/fail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "image"

static enum dv_status no_memory(const char *path)
{
    return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", path);
}

/* Is it the image that was looked for? `child` NULL: it is the head. */
static enum dv_status check_link(const struct dv_image_reader *r,
                                 const struct dv_image_reader *child, uint64_t epoch, uint32_t rank)
{
    const struct dv_image_identity *id = &r->identity;
    if (id->epoch != epoch || id->rank != rank)
        return dv_fail(MODULE, DV_ERR_DAMAGED,
                       "%s is not what its name says: it is of epoch %llu and rank %u", r->path,
                       (unsigned long long)id->epoch, (unsigned)id->rank);
    if (!child)
        return DV_OK;
    const uint8_t *wanted = child->identity.parent_digest;
    if (id->size != child->identity.size)
        return dv_fail(MODULE, DV_ERR_DAMAGED,
                       "%s is not the parent of %s: it is of a job of %u ranks instead of %u",
                       r->path, child->path, (unsigned)id->size, (unsigned)child->identity.size);
    if (memcmp(r->stats.digest, wanted, sizeof r->stats.digest) != 0 &&
        memcmp(r->header.origin_digest, wanted, sizeof r->header.origin_digest) != 0)
        return dv_fail(MODULE, DV_ERR_DAMAGED,
                       "%s is not the parent of %s: its digest is another one", r->path,
                       child->path);
    return DV_OK;
}

static enum dv_status open_one(struct dv_image_chain *c, const char *path, uint64_t epoch,
                               uint32_t rank)
{
    struct dv_chain_image *images = realloc(c->images, (c->image_count + 1) * sizeof *c->images);
    if (!images)
        return no_memory(path);
    c->images = images;
    struct dv_chain_image *image = &images[c->image_count];
    memset(image, 0, sizeof *image);
    enum dv_status status = dv_image_reader_open(path, &image->reader);
    if (status)
        return status;
    c->image_count++;
    const struct dv_image_reader *child = c->image_count > 1 ? image[-1].reader : NULL;
    return check_link(image->reader, child, epoch, rank);
}

static enum dv_status open_all(struct dv_image_chain *c, dv_image_locate *locate, void *arg,
                               uint64_t epoch, uint32_t rank)
{
    /* Ends: a reader takes no image whose parent is not older. */
    do {
        char path[PATH_MAX];
        enum dv_status status = locate(arg, epoch, rank, path, sizeof path);
        if (!status)
            status = open_one(c, path, epoch, rank);
        if (status)
            return status;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
        epoch = c->images[c->image_count - 1].reader->identity.parent_epoch;
    } while (epoch);
    return DV_OK;
}

/* Stretches of pages that are still looked for. */
struct stretches {
    struct dv_disk_span *list;
    size_t count;
};

static int add_piece(struct dv_image_chain *c, const struct dv_chain_piece *piece)
{
    if (c->piece_count == c->piece_capacity) {
        size_t capacity = c->piece_capacity ? 2 * c->piece_capacity : 1024;
        struct dv_chain_piece *pieces = realloc(c->pieces, capacity * sizeof *pieces);
        if (!pieces)
            return -1;
        c->pieces = pieces;
        c->piece_capacity = capacity;
    }
    c->pieces[c->piece_count++] = *piece;
    return 0;
}

/* What an image's blocks have of the wanted pages. */
static int take_pieces(struct dv_image_chain *c, size_t index, const struct stretches *wanted)
{
    struct dv_chain_image *image = &c->images[index];
    const struct dv_image_reader *r = image->reader;
    size_t w = 0;
    image->first = c->piece_count;
    for (uint64_t i = 0; i < r->footer.run_count; i++) {
        uint64_t start = r->runs[i].address, end = start + r->runs[i].length;
        while (w < wanted->count && wanted->list[w].address + wanted->list[w].length <= start)
            w++;
        for (size_t j = w; j < wanted->count && wanted->list[j].address < end; j++) {
            uint64_t from = wanted->list[j].address, to = from + wanted->list[j].length;
            from = from > start ? from : start;
            to = to < end ? to : end;
            struct dv_chain_piece piece = {.address = from,
                                           .run = i,
                                           .length = (uint32_t)(to - from),
                                           .image = (uint32_t)index};
            if (add_piece(c, &piece))
                return -1;
        }
    }
    image->count = c->piece_count - image->first;
    return 0;
}

/* What is wanted of the parent: of the wanted pages, those that the image inherits. `list` has room for them. */
static void narrow(const struct stretches *wanted, const struct dv_image_reader *r,
                   struct stretches *narrowed)
{
    size_t count = 0, w = 0;
    struct dv_disk_span *list = narrowed->list;
    for (uint64_t i = 0; i < r->footer.span_count; i++) {
        uint64_t start = r->spans[i].address, end = start + r->spans[i].length;
        while (w < wanted->count && wanted->list[w].address + wanted->list[w].length <= start)
            w++;
        for (size_t j = w; j < wanted->count && wanted->list[j].address < end; j++) {
            uint64_t from = wanted->list[j].address, to = from + wanted->list[j].length;
            from = from > start ? from : start;
            to = to < end ? to : end;
            list[count++] = (struct dv_disk_span){from, to - from};
        }
    }
    narrowed->count = count;
}

/* Two stretches cut each other into no more parts than there are of both: so much room does the last image's list need. */
static int resolve(struct dv_image_chain *c)
{
    size_t most = 1;
    for (size_t i = 0; i < c->image_count; i++)
        most += c->images[i].reader->footer.span_count;
    struct stretches lists[2] = {{.list = malloc(most * sizeof *lists->list), .count = 1},
                                 {.list = malloc(most * sizeof *lists->list)}};
    int result = lists[0].list && lists[1].list ? 0 : -1;
    if (!result)
        lists[0].list[0] = (struct dv_disk_span){0, UINT64_MAX};
    for (size_t i = 0; i < c->image_count && !result; i++) {
        result = take_pieces(c, i, &lists[i % 2]);
        narrow(&lists[i % 2], c->images[i].reader, &lists[(i + 1) % 2]);
    }
    free(lists[0].list);
    free(lists[1].list);
    return result;
}

/* Of sorted stretches [a, b) and [b, end) one. Which of two comes first is as good as random: no branch depends on it. */
static void merge(const struct dv_chain_piece *pieces, const uint32_t *from, size_t a, size_t b,
                  size_t end, uint32_t *to)
{
    size_t i = a, j = b, k = a;
    while (i < b && j < end) {
        uint32_t x = from[i], y = from[j];
        int first = pieces[x].address < pieces[y].address;
        to[k++] = first ? x : y;
        i += (size_t)first;
        j += (size_t)!first;
    }
    memcpy(to + k, from + i, (b - i) * sizeof *to);
    memcpy(to + k + (b - i), from + j, (end - j) * sizeof *to);
}

/* `bounds`: image_count + 1 places where the sorted stretches of `from` begin and end. Neighbours are merged until one is
 * left, going back and forth between `from` and `to`. Returns the one that has it. */
static uint32_t *merge_all(const struct dv_chain_piece *pieces, uint32_t *from, uint32_t *to,
                           size_t *bounds, size_t count)
{
    while (count > 1) {
        size_t left = 0;
        for (size_t i = 0; i < count; i += 2) {
            size_t middle = bounds[i + 1], end = bounds[i + 2 <= count ? i + 2 : count];
            merge(pieces, from, bounds[i], middle, end, to);
            bounds[left++] = bounds[i];
        }
        bounds[left] = bounds[count];
        count = left;
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static int sort_pieces(struct dv_image_chain *c)
{
    size_t bytes = c->piece_count * sizeof *c->sorted, count = c->image_count;
    uint32_t *a = malloc(bytes + 1), *b = malloc(bytes + 1);
    size_t *bounds = malloc((count + 1) * sizeof *bounds);
    if (a && b && bounds && c->piece_count <= UINT32_MAX) {
        for (size_t i = 0; i < c->piece_count; i++)
            a[i] = (uint32_t)i;
        for (size_t i = 0; i < count; i++)
            bounds[i] = c->images[i].first;
        bounds[count] = c->piece_count;
        c->sorted = merge_all(c->pieces, a, b, bounds, count);
    }
    free(bounds);
    if (c->sorted != a)
        free(a);
    if (c->sorted != b)
        free(b);
    return c->sorted ? 0 : -1;
}

static int join_ranges(struct dv_image_chain *c)
{
    size_t capacity = 0;
    for (size_t i = 0; i < c->piece_count; i++) {
        const struct dv_chain_piece *p = &c->pieces[c->sorted[i]];
        struct dv_disk_span *last = c->range_count ? &c->ranges[c->range_count - 1] : NULL;
        if (last && last->address + last->length == p->address) {
            last->length += p->length;
            continue;
        }
        if (c->range_count == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            struct dv_disk_span *ranges = realloc(c->ranges, capacity * sizeof *ranges);
            if (!ranges)
                return -1;
            c->ranges = ranges;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): cannot be; the analyser loses track */
        c->ranges[c->range_count++] = (struct dv_disk_span){p->address, p->length};
    }
    return 0;
}

enum dv_status dv_image_chain_open(dv_image_locate *locate, void *arg, uint64_t epoch,
                                   uint32_t rank, struct dv_image_chain **chain)
{
    struct dv_image_chain *c = calloc(1, sizeof *c);
    if (!c)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read epoch %llu: out of memory",
                       (unsigned long long)epoch);
    enum dv_status status = open_all(c, locate, arg, epoch, rank);
    if (!status && (resolve(c) || sort_pieces(c) || join_ranges(c)))
        status = no_memory(c->images[0].reader->path);
    if (status) {
        dv_image_chain_close(c);
        return status;
    }
    *chain = c;
    return DV_OK;
}

struct dv_image_reader *dv_image_chain_head(const struct dv_image_chain *c)
{
    return c->images[0].reader;
}

size_t dv_image_chain_length(const struct dv_image_chain *c)
{
    return c->image_count;
}

uint64_t dv_image_chain_file_bytes(const struct dv_image_chain *c)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < c->image_count; i++)
        bytes += c->images[i].reader->stats.file_bytes;
    return bytes;
}

int dv_image_chain_run(const struct dv_image_chain *c, size_t index, uint64_t *address,
                       uint64_t *length)
{
    if (index >= c->range_count)
        return 0;
    *address = c->ranges[index].address;
    *length = c->ranges[index].length;
    return 1;
}

static size_t first_sorted_after(const struct dv_image_chain *c, uint64_t address)
{
    size_t low = 0, high = c->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct dv_chain_piece *p = &c->pieces[c->sorted[middle]];
        if (p->address + p->length <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t dv_chain_first_after(const struct dv_chain_piece *pieces, size_t count, uint64_t address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].address + pieces[middle].length <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A piece as its caller sees it; neighbours that lie in one file one behind the other are joined. */
struct joined {
    uint64_t address, length, offset;
    int fd;
};

static struct joined clip(const struct dv_image_chain *c, const struct dv_chain_piece *p,
                          uint64_t start, uint64_t end)
{
    const struct dv_image_reader *r = c->images[p->image].reader;
    const struct dv_disk_run *run = &r->runs[p->run];
    uint64_t from = p->address > start ? p->address : start;
    uint64_t to = p->address + p->length < end ? p->address + p->length : end;
    struct joined j = {.address = from, .length = to - from, .fd = -1};
    if (run->codec == DV_CODEC_NONE) {
        j.fd = r->fd;
        j.offset = run->offset + (from - run->address);
    }
    return j;
}

enum dv_status dv_image_chain_pieces(struct dv_image_chain *c, uint64_t start, uint64_t end,
                                     enum dv_status (*each)(void *arg, uint64_t address,
                                                            uint64_t length, int fd,
                                                            uint64_t offset),
                                     void *arg)
{
    enum dv_status status = DV_OK;
    struct joined last = {.length = 0};
    size_t i = first_sorted_after(c, start);
    if (end < start || start % DV_DISK_PAGE || end % DV_DISK_PAGE)
        return dv_fail(MODULE, DV_ERR_INTERNAL, "%s: bad range of pieces",
                       c->images[0].reader->path);
    for (; i < c->piece_count && !status; i++) {
        const struct dv_chain_piece *p = &c->pieces[c->sorted[i]];
        if (p->address >= end)
            break;
        struct joined j = clip(c, p, start, end);
        if (last.length && j.fd == last.fd && j.address == last.address + last.length &&
            (j.fd < 0 || j.offset == last.offset + last.length)) {
            last.length += j.length;
            continue;
        }
        if (last.length)
            status = each(arg, last.address, last.length, last.fd, last.offset);
        last = j;
    }
    if (!status && last.length)
        status = each(arg, last.address, last.length, last.fd, last.offset);
    return status;
}

enum dv_status dv_image_chain_verify(struct dv_image_chain *c)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < c->image_count && !status; i++)
        status = dv_image_reader_verify(c->images[i].reader);
    return status;
}

void dv_image_chain_close(struct dv_image_chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->image_count; i++)
        dv_image_reader_close(c->images[i].reader);
    free(c->images);
    free(c->sorted);
    free(c->pieces);
    free(c->ranges);
    free(c);
}
