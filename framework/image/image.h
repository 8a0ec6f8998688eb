/* Images: one file per rank and epoch, self-describing, checksummed, committed by rename.
 *
 *      +--------+---------+----- ... -----+--------+-------+--------+
 *      | header | data    | data block    | section| run   | footer |
 *      | 4 KiB  | block 0 | n             | bytes  | table | 4 KiB  |
 *      +--------+---------+----- ... -----+--------+-------+--------+
 *
 * Data blocks hold page contents (up to 256 KiB of consecutive pages each); sections hold what the capture layer says
 * of the process (regions, descriptors, context ...), opaque here; the run table says which pages each block holds, with
 * its codec, length and XXH3-64. All tables are themselves checksummed; the footer, written last, holds their offsets
 * and the digest of the whole (XXH3-128 over header, tables and block checksums). Integers are little-endian, and
 * addresses are bytes. A reader trusts nothing: every offset and length is bounded by the file's size and checked.
 *
 * Writers and readers own their descriptors; none of this is thread-safe per object; runs in the lower half or in
 * commands. Errors are reported once, here, naming file, offset and cause; `dv_image_why()` has the last text. */
#ifndef DV_IMAGE_IMAGE_H
#define DV_IMAGE_IMAGE_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

#define DV_IMAGE_FORMAT 1u
#define DV_IMAGE_BLOCK_BYTES (256u * 1024u)

/* What identifies an image and must fit on restore. Filled by the capture layer, checked by dv_image_reader_open's
 * callers. Strings are NUL-terminated. */
struct dv_image_identity {
    uint64_t epoch, parent_epoch; /* parent_epoch == 0: complete by itself */
    uint8_t parent_digest[16];
    uint32_t rank, size;
    uint32_t gate_abi, page_bytes;
    uint64_t cpu_features; /* bits of AT_HWCAP2 and XCR0 that the captured state may depend on */
    uint8_t program_digest[16]; /* XXH3-128 of the program file */
    char program[512];
    char strategy[128]; /* "full+coordinated" */
};

enum dv_image_section {
    DV_SECTION_REGIONS = 1,
    DV_SECTION_DESCRIPTORS = 2,
    DV_SECTION_SIGNALS = 3,
    DV_SECTION_PROCESS = 4, /* cwd, umask, timers, break ... */
    DV_SECTION_CONTEXT = 5,
};

struct dv_image_stats {
    uint64_t examined_bytes; /* given to dv_image_write_pages */
    uint64_t zero_bytes;     /* of these, zero pages, not written */
    uint64_t data_bytes;     /* page bytes in the file */
    uint64_t file_bytes;
    uint8_t digest[16];
};

struct dv_image_writer;
struct dv_image_reader;

/* Begin `<directory>/<name>.tmp`, mode 0600. `recycle`: path of an old image file whose blocks may be overwritten (it is
 * renamed to the temporary name; allocated pages make the write cheaper), or NULL. */
enum dv_status dv_image_writer_open(const char *directory, const char *name, const char *recycle,
                                    const struct dv_image_identity *identity,
                                    struct dv_image_writer **writer) DV_CHECKED;
/* Add one section; a kind at most once. */
enum dv_status dv_image_write_section(struct dv_image_writer *writer, enum dv_image_section kind,
                                      const void *bytes, size_t length) DV_CHECKED;
/* Add the pages [address, address + length) whose contents are at `source` (usually the same number; another place when
 * the pages are not readable directly). Zero pages are left out. Page aligned, ascending, not overlapping. */
enum dv_status dv_image_write_pages(struct dv_image_writer *writer, uint64_t address,
                                    uint64_t length, const void *source) DV_CHECKED;
/* Tables and footer. After this the contents are complete but neither durable nor visible under the final name. */
enum dv_status dv_image_writer_finish(struct dv_image_writer *writer,
                                      struct dv_image_stats *stats) DV_CHECKED;
/* fsync, rename to `<directory>/<name>`, fsync the directory; frees the writer in any case. */
enum dv_status dv_image_writer_commit(struct dv_image_writer *writer) DV_CHECKED;
/* Give up at any point: the temporary file is removed, the writer freed. NULL is allowed. */
void dv_image_writer_abort(struct dv_image_writer *writer);

/* Open and check header, footer and tables (not the data blocks). */
enum dv_status dv_image_reader_open(const char *path, struct dv_image_reader **reader) DV_CHECKED;
const struct dv_image_identity *dv_image_reader_identity(const struct dv_image_reader *reader);
const struct dv_image_stats *dv_image_reader_stats(const struct dv_image_reader *reader);
/* The bytes of a section; owned by the reader. DV_ERR_NOT_FOUND if absent. */
enum dv_status dv_image_reader_section(const struct dv_image_reader *reader,
                                       enum dv_image_section kind, const void **bytes,
                                       size_t *length) DV_CHECKED;
/* Runs of stored pages, ascending. Returns 0 past the end. */
int dv_image_reader_run(const struct dv_image_reader *reader, size_t index, uint64_t *address,
                        uint64_t *length);
/* Read every stored page of [start, end) to `destination + (address - start)`, checking each block; pages not stored are
 * left as they are. `threads`: how many threads of the caller's process may be used (1: none but the caller). */
enum dv_status dv_image_reader_load(struct dv_image_reader *reader, uint64_t start, uint64_t end,
                                    void *destination, unsigned threads) DV_CHECKED;
/* Check every data block. */
enum dv_status dv_image_reader_verify(struct dv_image_reader *reader) DV_CHECKED;
void dv_image_reader_close(struct dv_image_reader *reader);

/* On tmpfs a committed image stays mapped in the process that wrote it, so that recycling it is fast. Give up such
 * mappings of files that were removed meanwhile (they would keep their memory). Writers do so by themselves when they
 * open and abort; call it, from any thread, when old epochs may have been pruned. */
void dv_image_trim(void);

/* On tmpfs, make the spare image `<directory>/<name>` ready for dv_image_writer_open to recycle: at least `bytes` long and
 * mapped; the directory's parent must exist. Blocks for as long as that takes, so call it from a thread of its own. A
 * writer that is opened meanwhile halts it and uses what is there. Elsewhere, without room, and on failure: no effect. */
void dv_image_prepare(const char *directory, const char *name, uint64_t bytes);
/* Wait until nothing is being prepared (what is gives up soon), and nothing will be until dv_image_prepare_go_on.
 * Writers do so by themselves while they open. */
void dv_image_prepare_halt(void);
void dv_image_prepare_go_on(void);

/* Text of the last error on this thread, for messages to other processes. */
const char *dv_image_why(void);

#endif
