/* The bytes of an image file, format 1. All integers little-endian (the hosts we run on are), no
 * padding.
 *
 *      offset 0                                  struct dv_disk_header, 4096 bytes
 *      4096                                      data blocks, back to back, in the order of the run
 * table 4096 + sum of stored bytes                sections, back to back, in the order of the
 * footer footer.runs_offset                        struct dv_disk_run [run_count] file size - 4096
 * struct dv_disk_footer, 4096 bytes
 *
 * Nothing overlaps and nothing lies between: a reader checks each offset for equality with what
 * precedes it. `magic` and `format` at the start and `checksum` at the end of header and footer
 * stay where they are in every later format. */
#ifndef DV_IMAGE_FORMAT_H
#define DV_IMAGE_FORMAT_H

#include "image/image.h"

#define DV_DISK_PAGE 4096u
#define DV_DISK_MAX_SECTIONS 32u
#define DV_DISK_MAX_SECTION_BYTES (1u << 30)
#define DV_DISK_HEADER_MAGIC 0x0a4547414d495644ull /* "DVIMAGE\n" */
#define DV_DISK_FOOTER_MAGIC 0x0a444e4547495644ull /* "DVIGEND\n" */

enum dv_disk_codec { DV_CODEC_NONE = 0 };

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
    uint8_t zero[3360];
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

struct dv_disk_section {
    uint32_t kind, reserved;
    uint64_t offset, length;
    uint64_t checksum; /* XXH3-64 of its bytes */
};

struct dv_disk_footer {
    uint64_t magic;
    uint32_t format, section_count;
    uint64_t runs_offset, run_count, runs_checksum;
    uint64_t examined_bytes, zero_bytes, data_bytes, file_bytes;
    struct dv_disk_section sections[DV_DISK_MAX_SECTIONS];
    uint8_t zero[2976];
    uint8_t digest[16]; /* XXH3-128 of header, run table, and the footer before this field */
    uint64_t checksum;  /* XXH3-64 of all that precedes it */
};

_Static_assert(sizeof(struct dv_disk_header) == DV_DISK_PAGE, "header is one page");
_Static_assert(sizeof(struct dv_disk_footer) == DV_DISK_PAGE, "footer is one page");
_Static_assert(sizeof(struct dv_disk_run) == 40 && sizeof(struct dv_disk_section) == 32,
               "no padding");

/* The digest of an image. */
void dv_disk_digest(const struct dv_disk_header *header, const struct dv_disk_run *runs,
                    size_t run_count, const struct dv_disk_footer *footer, uint8_t digest[16]);

#endif
