/* Codecs: names, packing, unpacking, and the choice among them. */
#include "image/codec.h"

#include "common/fail.h"
#include "image/format.h"

#include <dejavu/option.h>

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#define ZSTD_LEVEL 1
#define LINE 64u

/* `pack_ps`: what packing a byte takes on one core of 2024, from measurements on doubles and indices (shuffle-lz4 360 to 510,
 * shuffle-zstd 480 to 760, lz4 600 to 710 where it finds anything, zstd 870 to 2600). Constants rather than measured each
 * time, so that the same memory gives the same image. */
static const struct {
    const char *name;
    int shuffled, zstd;
    double pack_ps;
} codecs[DV_CODEC_COUNT] = {
    [DV_CODEC_NONE] = {.name = "none"},
    [DV_CODEC_LZ4] = {.name = "lz4", .pack_ps = 600},
    [DV_CODEC_ZSTD] = {.name = "zstd", .zstd = 1, .pack_ps = 1500},
    [DV_CODEC_SHUFFLE_LZ4] = {.name = "shuffle-lz4", .shuffled = 1, .pack_ps = 380},
    [DV_CODEC_SHUFFLE_ZSTD] = {.name = "shuffle-zstd", .shuffled = 1, .zstd = 1, .pack_ps = 650},
};

const char *dv_codec_name(enum dv_codec codec)
{
    if (codec == DV_CODEC_AUTO)
        return "auto";
    return (unsigned)codec < DV_CODEC_COUNT ? codecs[codec].name : NULL;
}

enum dv_status dv_codec_parse(const char *name, enum dv_codec *codec)
{
    const char *names[DV_CODEC_COUNT + 2] = {NULL};
    for (int i = 0; i <= DV_CODEC_AUTO; i++) {
        names[i] = dv_codec_name((enum dv_codec)i);
        if (strcmp(name, names[i]) == 0) {
            *codec = (enum dv_codec)i;
            return DV_OK;
        }
    }
    const char *near = dv_did_you_mean(name, names);
    if (near)
        return dv_fail("image", DV_ERR_USAGE, "there is no codec \"%.40s\"; did you mean \"%s\"?",
                       name, near);
    return dv_fail("image", DV_ERR_USAGE,
                   "there is no codec \"%.40s\"; there are none, lz4, zstd, shuffle-lz4, "
                   "shuffle-zstd and auto",
                   name);
}

struct dv_packer {
    size_t mapped_bytes;
    char *shuffled, *packed; /* DV_IMAGE_BLOCK_BYTES each */
    void *lz4;               /* NULL: not needed */
    ZSTD_CCtx *zstd;         /* in this mapping, too */
};

enum dv_status dv_packer_new(enum dv_codec codec, struct dv_packer **packer)
{
    int all = codec == DV_CODEC_AUTO;
    size_t lz4_bytes = 0, zstd_bytes = 0;
    if (all || !codecs[codec].zstd)
        lz4_bytes = ((size_t)LZ4_sizeofState() + LINE - 1) & ~(size_t)(LINE - 1);
    if (all || codecs[codec].zstd)
        zstd_bytes = ZSTD_estimateCCtxSize(ZSTD_LEVEL);
    size_t head = (sizeof(struct dv_packer) + LINE - 1) & ~(size_t)(LINE - 1);
    size_t bytes = head + 2 * DV_IMAGE_BLOCK_BYTES + lz4_bytes + zstd_bytes;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return DV_ERR_NO_MEMORY;
    struct dv_packer *p = (struct dv_packer *)(void *)memory;
    p->mapped_bytes = bytes;
    p->shuffled = memory + head;
    p->packed = p->shuffled + DV_IMAGE_BLOCK_BYTES;
    char *states = p->packed + DV_IMAGE_BLOCK_BYTES;
    if (lz4_bytes)
        p->lz4 = states;
    if (zstd_bytes)
        p->zstd = ZSTD_initStaticCCtx(states + lz4_bytes, zstd_bytes);
    if (zstd_bytes && !p->zstd) {
        munmap(memory, bytes);
        return DV_ERR_NO_MEMORY;
    }
    *packer = p;
    return DV_OK;
}

void dv_packer_free(struct dv_packer *p)
{
    if (p)
        munmap(p, p->mapped_bytes);
}

size_t dv_pack(struct dv_packer *p, enum dv_codec codec, const void *bytes, size_t length,
               const void **packed)
{
    if (codec == DV_CODEC_NONE || length > DV_IMAGE_BLOCK_BYTES)
        return 0;
    size_t most = length - length / 16, got;
    if (codecs[codec].shuffled) {
        dv_shuffle(bytes, p->shuffled, length);
        bytes = p->shuffled;
    }
    if (codecs[codec].zstd) {
        got = ZSTD_compressCCtx(p->zstd, p->packed, most, bytes, length, ZSTD_LEVEL);
        if (ZSTD_isError(got))
            return 0;
    } else {
        int n = LZ4_compress_fast_extState(p->lz4, bytes, p->packed, (int)length, (int)most, 1);
        got = n > 0 ? (size_t)n : 0;
    }
    if (got)
        *packed = p->packed;
    return got;
}

double dv_codec_cost_ps(enum dv_codec codec, double ratio, double store_ps)
{
    return codecs[codec].pack_ps + ratio * store_ps;
}

enum dv_codec dv_codec_choose(struct dv_packer *p, const void *sample, size_t length,
                              double store_ps)
{
    enum dv_codec best = DV_CODEC_NONE;
    double least = dv_codec_cost_ps(DV_CODEC_NONE, 1, store_ps);
    for (int i = 1; i < DV_CODEC_COUNT; i++) {
        const void *packed;
        enum dv_codec codec = (enum dv_codec)i;
        if (dv_codec_cost_ps(codec, 0, store_ps) >= least)
            continue;
        size_t got = dv_pack(p, codec, sample, length, &packed);
        double cost = dv_codec_cost_ps(codec, (double)got / (double)length, store_ps);
        if (got && cost < least) {
            least = cost;
            best = codec;
        }
    }
    return best;
}

struct dv_unpacker {
    ZSTD_DCtx *zstd;
    char shuffled[DV_IMAGE_BLOCK_BYTES];
};

struct dv_unpacker *dv_unpacker_new(void)
{
    struct dv_unpacker *u = malloc(sizeof *u);
    if (u)
        u->zstd = NULL;
    return u;
}

void dv_unpacker_free(struct dv_unpacker *u)
{
    if (!u)
        return;
    ZSTD_freeDCtx(u->zstd);
    free(u);
}

enum dv_status dv_unpack(struct dv_unpacker *u, uint32_t codec, const void *stored,
                         size_t stored_length, void *bytes, size_t length)
{
    if (codec == DV_CODEC_NONE || codec >= DV_CODEC_COUNT)
        return DV_ERR_UNSUPPORTED;
    if (length > DV_IMAGE_BLOCK_BYTES || stored_length >= length || length % DV_DISK_PAGE)
        return DV_ERR_DAMAGED;
    void *plain = codecs[codec].shuffled ? u->shuffled : bytes;
    if (codecs[codec].zstd) {
        if (!u->zstd && !(u->zstd = ZSTD_createDCtx()))
            return DV_ERR_NO_MEMORY;
        if (ZSTD_decompressDCtx(u->zstd, plain, length, stored, stored_length) != length)
            return DV_ERR_DAMAGED;
    } else {
        if (LZ4_decompress_safe(stored, plain, (int)stored_length, (int)length) != (int)length)
            return DV_ERR_DAMAGED;
    }
    if (codecs[codec].shuffled)
        dv_unshuffle(plain, bytes, length);
    return DV_OK;
}
