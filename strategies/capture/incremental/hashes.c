#include "hashes.h"

#include <string.h>

#define SLAB_PAGES 1024u
#define SLAB_BYTES ((uint64_t)SLAB_PAGES * DV_PAGE_BYTES)

struct digest {
    uint64_t low, high; /* both 0: unknown */
};

static const struct digest zero_page = {1, 0};

struct place {
    uint64_t key; /* first address of the slab + 1; 0: free */
    uint64_t slab;
};

struct hashes {
    const struct dv_capture_core *core;
    size_t bytes; /* of the shared memory, this structure included */
    uint64_t slabs, used, places;
    /* struct place [places], struct digest [slabs][SLAB_PAGES] follow */
};

static struct place *directory(struct hashes *h)
{
    return (struct place *)(void *)(h + 1);
}

static struct digest *slab(struct hashes *h, uint64_t index)
{
    return (struct digest *)(void *)(directory(h) + h->places) + index * SLAB_PAGES;
}

struct hashes *hashes_new(const struct dv_capture_core *core, uint64_t most_pages)
{
    uint64_t slabs = most_pages / SLAB_PAGES + 1, places = 1024;
    while (places < 2 * slabs)
        places *= 2;
    size_t bytes = sizeof(struct hashes) + places * sizeof(struct place) +
                   slabs * SLAB_PAGES * sizeof(struct digest);
    struct hashes *h = core->shared_alloc(bytes);
    if (h)
        *h = (struct hashes){.core = core, .bytes = bytes, .slabs = slabs, .places = places};
    return h;
}

void hashes_free(struct hashes *h)
{
    if (h)
        h->core->shared_free(h, h->bytes);
}

/* Where the slab is noted, or the free place where it would be. There are always free ones: twice as many as slabs. */
static struct place *find(struct hashes *h, uint64_t base)
{
    uint64_t at = (base / SLAB_BYTES) * 0x9e3779b97f4a7c15ull >> 20;
    for (;; at++) {
        struct place *place = directory(h) + (at & (h->places - 1));
        if (place->key == base + 1 || place->key == 0)
            return place;
    }
}

static struct digest *entry(struct hashes *h, uint64_t address)
{
    uint64_t base = address / SLAB_BYTES * SLAB_BYTES;
    struct place *place = find(h, base);
    if (place->key == 0) {
        if (h->used == h->slabs)
            return NULL;
        /* The key last: a writer that is killed here must not leave a place that names another's slab. */
        place->slab = h->used++;
        __atomic_store_n(&place->key, base + 1, __ATOMIC_RELEASE);
    }
    return slab(h, place->slab) + (address - base) / DV_PAGE_BYTES;
}

int hashes_changed(struct hashes *h, uint64_t address, const void *bytes)
{
    struct digest now = zero_page, *then = entry(h, address);
    if (!then)
        return 1;
    if (bytes) {
        uint64_t digest[2];
        h->core->digest(bytes, DV_PAGE_BYTES, digest);
        now = (struct digest){digest[0], digest[1]};
        if (now.high == 0 && now.low <= zero_page.low) /* what the marks look like */
            now.high = 1;
    }
    int changed = then->low != now.low || then->high != now.high;
    *then = now;
    return changed;
}

void hashes_forget(struct hashes *h, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t base = start / SLAB_BYTES * SLAB_BYTES, stop = base + SLAB_BYTES;
        struct place *place = find(h, base);
        if (stop > end)
            stop = end;
        if (place->key)
            memset(slab(h, place->slab) + (start - base) / DV_PAGE_BYTES, 0,
                   (stop - start) / DV_PAGE_BYTES * sizeof(struct digest));
        start = stop;
    }
}
