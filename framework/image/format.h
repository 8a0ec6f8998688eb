/* The bytes of an image file, format 2. All integers little-endian (the hosts we run on are), no
 * padding inside structures. */
/* clang-format off */
/*
 *      offset 0                struct dv_disk_header, 4096 bytes
 *      4096                    data blocks in the order of the run table; one that is stored as it is
 *                              (DV_CODEC_NONE) begins at the next multiple of 4096, a packed one
 *                              where the one before it ends
 *      end of the last block   sections, back to back, in the order of the footer
 *      footer.runs_offset      struct dv_disk_run [run_count]
 *      right behind            struct dv_disk_span [span_count]: pages inherited from the parent
 *      file size - 4096        struct dv_disk_footer, 4096 bytes
 */
/* clang-format on */
/* Where everything begins is said twice, and a reader checks that both agree. Runs and spans ascend
 * and do not overlap, neither among themselves nor with each other; a page in neither is zero.
 * `magic` and `format` at the start and `checksum` at the end of header and footer stay where they
 * are in every later format. */
#ifndef DV_IMAGE_FORMAT_H
#define DV_IMAGE_FORMAT_H

#include "image/image.h"

#define DV_DISK_PAGE 4096u
#define DV_DISK_MAX_SECTIONS 32u
#define DV_DISK_MAX_SECTION_BYTES (1u << 30)
#define DV_DISK_HEADER_MAGIC 0x0a4547414d495644ull /* "DVIMAGE\n" */
#define DV_DISK_FOOTER_MAGIC 0x0a444e4547495644ull /* "DVIGEND\n" */

struct dv_disk_header {
    uint64_t magic;
    uint32_t format, reserved;
    uint64_t epoch, parent_epoch;
    uint8_t parent_digest[16];
    uint32_t rank, size;
    uint32_t gate_abi, page_bytes;
    uint64_t cpu_features;
    uint8_t program_digest[16];
    char program[512];
    char strategy[128];
    uint8_t origin_digest[16]; /* of the image that this one was synthesised from; 0: captured */
    uint8_t zero[3344];
    uint64_t checksum; /* XXH3-64 of all that precedes it */
};

/* One data block: `length` bytes of consecutive pages at `address`, stored in `stored` bytes at
 * `offset`. */
struct dv_disk_run {
    uint64_t address, offset;
    uint32_t length, stored;
    uint32_t codec, reserved;
    uint64_t checksum; /* XXH3-64 of the stored bytes */
};

/* Pages [address, address + length) are as in the parent. */
struct dv_disk_span {
    uint64_t address, length;
};

struct dv_disk_section {
    uint32_t kind, reserved;
    uint64_t offset, length;
    uint64_t checksum; /* XXH3-64 of its bytes */
};

struct dv_disk_footer {
    uint64_t magic;
    uint32_t format, section_count;
    uint64_t runs_offset, run_count, runs_checksum;
    uint64_t span_count, spans_checksum;
    uint64_t examined_bytes, zero_bytes, same_bytes, inherited_bytes, data_bytes, file_bytes;
    struct dv_disk_section sections[DV_DISK_MAX_SECTIONS];
    uint8_t zero[2944];
    uint8_t digest[16]; /* XXH3-128 of header, run table, spans, and the footer before this field */
    uint64_t checksum;  /* XXH3-64 of all that precedes it */
};

_Static_assert(sizeof(struct dv_disk_header) == DV_DISK_PAGE, "header is one page");
_Static_assert(sizeof(struct dv_disk_footer) == DV_DISK_PAGE, "footer is one page");
_Static_assert(sizeof(struct dv_disk_run) == 40 && sizeof(struct dv_disk_section) == 32,
               "no padding");

/* The digest of an image. */
void dv_disk_digest(const struct dv_disk_header *header, const struct dv_disk_run *runs,
                    size_t run_count, const struct dv_disk_span *spans, size_t span_count,
                    const struct dv_disk_footer *footer, uint8_t digest[16]);

/* Where a block begins whose predecessor ends at `end`. */
static inline uint64_t dv_disk_block_offset(uint64_t end, uint32_t codec)
{
    if (codec != DV_CODEC_NONE)
        return end;
    return (end + DV_DISK_PAGE - 1) & ~(uint64_t)(DV_DISK_PAGE - 1);
}

#endif
