/* Memory mapped from image files; see lazy.h. */
#include "capture/lazy.h"

#include "capture/regions.h"
#include "common/fail.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapping costs the kernel and every later capture as much as reading some hundred KiB does. */
#define LEAST_BYTES (1024u * 1024u)
#define MOST_FILES 256
/* Of vm.max_map_count, since the application needs its own; and never more than MOST_PIECES. */
#define SHARE_OF_MAPPINGS 16u
#define MOST_PIECES 1024u
#define USUAL_MAPPINGS 65530u

/* The image files that are mapped, as stat and as /proc/self/maps name them; `count` is read by any thread at any time. */
static struct {
    struct {
        uint64_t device, inode; /* in maps; valid for the first `count` */
        dev_t st_device;
        ino_t st_inode;
        int fd; /* held open, locked */
    } file[MOST_FILES];
    size_t held;
    atomic_size_t count;
} files;

/* Index of the file that `fd` is of, opened and locked anew if need be; MOST_FILES: it cannot be held. */
static size_t hold_file(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return MOST_FILES;
    for (size_t i = 0; i < files.held; i++)
        if (files.file[i].st_device == st.st_dev && files.file[i].st_inode == st.st_ino)
            return i;
    if (files.held == MOST_FILES)
        return MOST_FILES;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, fd);
    if (own < 0)
        return MOST_FILES;
    if (flock(own, LOCK_SH | LOCK_NB) != 0) {
        dv_warn("capture", "cannot lock an image file to map it, reading it instead: %s",
                strerror(errno));
        close(own);
        return MOST_FILES;
    }
    size_t at = files.held++;
    files.file[at].st_device = st.st_dev;
    files.file[at].st_inode = st.st_ino;
    files.file[at].fd = own;
    return at;
}

int dv_lazy_is_image(uint64_t device, uint64_t inode)
{
    size_t count = atomic_load_explicit(&files.count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (files.file[i].device == device && files.file[i].inode == inode)
            return 1;
    return 0;
}

static enum dv_status collect(void *arg, uint64_t address, uint64_t length, int fd, uint64_t offset)
{
    struct dv_lazy *lazy = arg;
    if (fd < 0)
        return DV_OK;
    struct dv_lazy_piece *last = lazy->count > 0 ? &lazy->pieces[lazy->count - 1] : NULL;
    if (last && last->fd == fd && last->address + last->length == address &&
        last->offset + last->length == offset) {
        last->length += length;
        return DV_OK;
    }
    /* The one before is complete now: keep it only if it is worth it. */
    if (last && last->length < LEAST_BYTES)
        lazy->count--;
    if (!lazy->pieces || lazy->count == lazy->capacity) {
        size_t capacity = lazy->capacity ? lazy->capacity * 2 : 256;
        struct dv_lazy_piece *larger = realloc(lazy->pieces, capacity * sizeof *larger);
        if (!larger)
            return dv_fail("capture", DV_ERR_NO_MEMORY, "no memory for a list of %zu pieces",
                           capacity);
        lazy->pieces = larger;
        lazy->capacity = capacity;
    }
    lazy->pieces[lazy->count++] =
        (struct dv_lazy_piece){.address = address, .length = length, .offset = offset, .fd = fd};
    return DV_OK;
}

enum dv_status dv_lazy_plan(struct dv_lazy *lazy, struct dv_image_chain *chain, uint64_t start,
                            uint64_t end)
{
    return dv_image_chain_pieces(chain, start, end, collect, lazy);
}

static int by_length_falling(const void *a, const void *b)
{
    const struct dv_lazy_piece *left = a, *right = b;
    return (left->length < right->length) - (left->length > right->length);
}

static int by_address(const void *a, const void *b)
{
    const struct dv_lazy_piece *left = a, *right = b;
    return (left->address > right->address) - (left->address < right->address);
}

static size_t most_pieces(void)
{
    unsigned long limit = USUAL_MAPPINGS;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%lu", &limit) != 1)
            limit = USUAL_MAPPINGS;
        fclose(file);
    }
    limit /= SHARE_OF_MAPPINGS;
    return limit < MOST_PIECES ? limit : MOST_PIECES;
}

void dv_lazy_choose(struct dv_lazy *lazy)
{
    size_t kept = 0, most = most_pieces();
    qsort(lazy->pieces, lazy->count, sizeof *lazy->pieces, by_length_falling);
    for (size_t i = 0; i < lazy->count && kept < most; i++) {
        struct dv_lazy_piece piece = lazy->pieces[i];
        if (piece.length < LEAST_BYTES)
            break;
        piece.file = hold_file(piece.fd);
        if (piece.file < MOST_FILES)
            lazy->pieces[kept++] = piece;
    }
    lazy->count = kept;
    qsort(lazy->pieces, lazy->count, sizeof *lazy->pieces, by_address);
}

/* The first piece that ends behind `address`. */
static size_t first_behind(const struct dv_lazy *lazy, uint64_t address)
{
    size_t low = 0, high = lazy->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lazy->pieces[middle].address + lazy->pieces[middle].length <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Pieces were planned record by record and joined, so one may reach over the bounds that are asked for here. */
static struct dv_lazy_piece clipped(const struct dv_lazy_piece *piece, uint64_t start, uint64_t end)
{
    struct dv_lazy_piece part = *piece;
    if (part.address < start) {
        part.offset += start - part.address;
        part.length -= start - part.address;
        part.address = start;
    }
    if (part.address + part.length > end)
        part.length = end - part.address;
    return part;
}

uint64_t dv_lazy_planned(const struct dv_lazy *lazy, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    for (size_t i = first_behind(lazy, start); i < lazy->count && lazy->pieces[i].address < end;
         i++)
        bytes += clipped(&lazy->pieces[i], start, end).length;
    return bytes;
}

static enum dv_status load(struct dv_image_chain *chain, uint64_t start, uint64_t end,
                           unsigned threads)
{
    if (start == end)
        return DV_OK;
    return dv_image_chain_load(chain, start, end, (void *)(uintptr_t)start, threads);
}

static enum dv_status map_piece(struct dv_lazy *lazy, struct dv_image_chain *chain,
                                const struct dv_lazy_piece *piece, int protection, unsigned threads)
{
    void *at = (void *)(uintptr_t)piece->address;
    if (mmap(at, piece->length, protection, MAP_PRIVATE | MAP_FIXED, files.file[piece->file].fd,
             (off_t)piece->offset) == at) {
        lazy->bytes += piece->length;
        return DV_OK;
    }
    dv_warn("capture", "cannot map %llu bytes of an image at %#llx, reading them instead: %s",
            (unsigned long long)piece->length, (unsigned long long)piece->address, strerror(errno));
    return load(chain, piece->address, piece->address + piece->length, threads);
}

enum dv_status dv_lazy_fill(struct dv_lazy *lazy, struct dv_image_chain *chain, uint64_t start,
                            uint64_t end, int protection, unsigned threads)
{
    enum dv_status status = DV_OK;
    uint64_t at = start;
    for (size_t i = first_behind(lazy, start);
         status == DV_OK && i < lazy->count && lazy->pieces[i].address < end; i++) {
        struct dv_lazy_piece piece = clipped(&lazy->pieces[i], start, end);
        status = load(chain, at, piece.address, threads);
        if (status == DV_OK)
            status = map_piece(lazy, chain, &piece, protection, threads);
        at = piece.address + piece.length;
    }
    return status == DV_OK ? load(chain, at, end, threads) : status;
}

/* Some file systems give a file another device number in /proc/self/maps than to stat: what counts is what maps says of
 * the pieces. */
enum dv_status dv_lazy_register(const struct dv_lazy *lazy)
{
    struct dv_maps maps;
    size_t at = 0;
    if (lazy->count == 0)
        return DV_OK;
    enum dv_status status = dv_maps_read(&maps);
    if (status != DV_OK)
        return status;
    for (size_t i = 0; i < lazy->count; i++) {
        const struct dv_lazy_piece *piece = &lazy->pieces[i];
        while (at < maps.count && maps.regions[at].end <= piece->address)
            at++;
        if (at == maps.count || maps.regions[at].start > piece->address)
            continue;
        /* Anonymous: could not be mapped. */
        if (maps.regions[at].flags & DV_REGION_FILE) {
            files.file[piece->file].device = maps.regions[at].device;
            files.file[piece->file].inode = maps.regions[at].inode;
        }
    }
    atomic_store_explicit(&files.count, files.held, memory_order_release);
    dv_maps_free(&maps);
    return DV_OK;
}

void dv_lazy_free(struct dv_lazy *lazy)
{
    free(lazy->pieces);
    *lazy = (struct dv_lazy){0};
}
