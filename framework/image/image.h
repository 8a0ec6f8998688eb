/* Images: one file per rank and epoch, self-describing, checksummed, committed by rename.
 *
 *      +--------+---------+----- ... -----+--------+-------+--------+--------+
 *      | header | data    | data block    | section| run   | spans  | footer |
 *      | 4 KiB  | block 0 | n             | bytes  | table |        | 4 KiB  |
 *      +--------+---------+----- ... -----+--------+-------+--------+--------+
 *
 * Data blocks hold page contents (up to 256 KiB of consecutive pages each), as they are or packed; sections hold what the
 * capture layer says of the process (regions, descriptors, context ...), opaque here; the run table says which pages each
 * block holds, with its codec, length and XXH3-64. Spans name the pages that are as in the parent, the image of an earlier
 * epoch that the header names by epoch and digest. A page in no block and no span is zero. An image that inherits nothing
 * is complete and names no parent. An image and the ancestors it needs are a chain:
 *
 *      epoch 7  A B C D E F      complete            what the chain says of epoch 9:
 *      epoch 8  = b = = e 0      parent 7                A b C d 0 0
 *      epoch 9  = = = d 0 0      parent 8            (= span, 0 neither: zero)
 *
 * All tables are themselves checksummed; the footer, written last, holds their offsets and the digest of the whole
 * (XXH3-128 over header, tables and block checksums). A reader trusts nothing: every offset and length is bounded by the
 * file's size and checked.
 *
 * Writers and readers own their descriptors; none of this is thread-safe per object; runs in the lower half or in
 * commands. Errors are reported once, here, naming file, offset and cause; `dv_image_why()` has the last text. */
#ifndef DV_IMAGE_IMAGE_H
#define DV_IMAGE_IMAGE_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

#define DV_IMAGE_FORMAT 2u
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
    DV_SECTION_FILES =
        6, /* kept files (files.h) that a restore needs, a line each: name, a space, the original's path */
};

struct dv_image_stats {
    uint64_t examined_bytes;  /* given to dv_image_write_pages */
    uint64_t zero_bytes;      /* of these, zero pages, not written */
    uint64_t same_bytes;      /* of these, found to be as in the parent, and inherited */
    uint64_t data_bytes;      /* of these, in the file; before packing */
    uint64_t inherited_bytes; /* in spans, `same_bytes` included */
    uint64_t file_bytes;
    uint64_t parent_epoch; /* 0: complete */
    uint8_t digest[16];
};

/* How blocks are packed. "shuffle": the bytes of 8-byte words are sorted by their place in the word first, which makes
 * doubles compressible. */
enum dv_codec {
    DV_CODEC_NONE = 0,
    DV_CODEC_LZ4,
    DV_CODEC_ZSTD,
    DV_CODEC_SHUFFLE_LZ4,
    DV_CODEC_SHUFFLE_ZSTD,
    DV_CODEC_COUNT,
    DV_CODEC_AUTO = DV_CODEC_COUNT, /* a writer's choice, by a sample of each region */
};
/* "none", "lz4", "zstd", "shuffle-lz4", "shuffle-zstd", "auto"; NULL for another number. */
const char *dv_codec_name(enum dv_codec codec);
/* DV_ERR_USAGE, reported with a "did you mean". */
enum dv_status dv_codec_parse(const char *name, enum dv_codec *codec) DV_CHECKED;

struct dv_image_writer;
struct dv_image_reader;

/* What is to be written. Strings and identity are copied. */
struct dv_image_spec {
    const char *directory,
        *name; /* the image will be `<directory>/<name>`, written as `<name>.tmp`, mode 0600 */
    /* Path of an old image file whose blocks may be overwritten (it is renamed to the temporary name; allocated pages make
     * the write cheaper), or NULL. */
    const char *recycle;
    /* parent_epoch and parent_digest: what pages may be inherited from; if none are, the image names no parent. */
    const struct dv_image_identity *identity;
    uint64_t most_pages; /* upper bound of pages written and inherited together */
    enum dv_codec codec;
    int forked; /* will be written by a forked child: no use of mappings that fork does not copy */
    const uint8_t *
        origin_digest; /* 16 bytes: of the image that this one takes the place of (synthesis); or NULL */
};

/* Make a writer: all memory it will ever need, and no input or output yet. What follows, up to commit or abort, allocates
 * nothing and takes no lock, so that a forked child of a process with threads can do it. */
enum dv_status dv_image_writer_new(const struct dv_image_spec *spec,
                                   struct dv_image_writer **writer) DV_CHECKED;
/* Begin the temporary file. After this and before finish: pages. */
enum dv_status dv_image_writer_begin(struct dv_image_writer *writer) DV_CHECKED;
/* Asked for each page that dv_image_write_pages is given, in order; `bytes` NULL: the page is zero. Returns 0 if the page
 * is as in the parent; then it is inherited instead of stored (a zero page is left out all the same). */
typedef int dv_image_filter(void *arg, uint64_t address, const void *bytes);
void dv_image_writer_filter(struct dv_image_writer *writer, dv_image_filter *filter, void *arg);
/* What follows belongs to another region: DV_CODEC_AUTO chooses anew at the next page that is stored. No effect otherwise. */
void dv_image_writer_next_region(struct dv_image_writer *writer);
/* Add one section; a kind at most once. Copied (this allocates: before any fork); allowed before begin. */
enum dv_status dv_image_write_section(struct dv_image_writer *writer, enum dv_image_section kind,
                                      const void *bytes, size_t length) DV_CHECKED;
/* Add the pages [address, address + length) whose contents are at `source` (usually the same number; another place when
 * the pages are not readable directly); they must not change during the call. Zero pages are left out. Page aligned, ascending,
 * not overlapping. */
enum dv_status dv_image_write_pages(struct dv_image_writer *writer, uint64_t address,
                                    uint64_t length, const void *source) DV_CHECKED;
/* The pages [address, address + length) are as in the parent. In one ascending order with dv_image_write_pages. */
enum dv_status dv_image_write_inherited(struct dv_image_writer *writer, uint64_t address,
                                        uint64_t length) DV_CHECKED;
/* From any thread, also while a forked child is writing: whatever the writer does next, up to the rename, fails soon with
 * DV_ERR_ABORTED. Frees nothing; commit or abort is still to be called. */
void dv_image_writer_cancel(struct dv_image_writer *writer);
/* Tables and footer. After this the contents are complete but neither durable nor visible under the final name. */
enum dv_status dv_image_writer_finish(struct dv_image_writer *writer,
                                      struct dv_image_stats *stats) DV_CHECKED;
/* fsync, rename to `<directory>/<name>`, fsync the directory; frees the writer in any case (in a forked child only what is
 * the child's: the memory, a copy, goes when it exits). If nothing but the directory's fsync fails, the image, which is
 * whole, stays under its name: it may have taken the place of another. */
enum dv_status dv_image_writer_commit(struct dv_image_writer *writer) DV_CHECKED;
/* Give up at any point: the temporary file is removed, the writer freed. NULL is allowed. In the parent of a forked writer:
 * once the child has exited, whether it committed (which stands) or died (what it left behind is removed). */
void dv_image_writer_abort(struct dv_image_writer *writer);

/* One image file by itself: open and check header, footer and tables (not the data blocks). What it inherits is not here:
 * for that, open a chain. */
enum dv_status dv_image_reader_open(const char *path, struct dv_image_reader **reader) DV_CHECKED;
const struct dv_image_identity *dv_image_reader_identity(const struct dv_image_reader *reader);
const struct dv_image_stats *dv_image_reader_stats(const struct dv_image_reader *reader);
/* The digest of the image that this one was synthesised from; NULL: it was captured. */
const uint8_t *dv_image_reader_origin(const struct dv_image_reader *reader);
/* The bytes of a section; owned by the reader. DV_ERR_NOT_FOUND if absent. */
enum dv_status dv_image_reader_section(const struct dv_image_reader *reader,
                                       enum dv_image_section kind, const void **bytes,
                                       size_t *length) DV_CHECKED;
/* Check every data block. */
enum dv_status dv_image_reader_verify(struct dv_image_reader *reader) DV_CHECKED;
void dv_image_reader_close(struct dv_image_reader *reader);

/* An image and all ancestors that it inherits pages from: the whole contents of an epoch of one rank. */
struct dv_image_chain;
/* Where the image of (epoch, rank) is; DV_ERR_NOT_FOUND reported if nowhere. */
typedef enum dv_status dv_image_locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                                       size_t path_bytes);
/* Open the image of (epoch, rank) and its ancestors and check that they belong together: each is the one whose digest (or,
 * synthesised, whose origin's digest) its child names, of the same rank, and older. */
enum dv_status dv_image_chain_open(dv_image_locate *locate, void *arg, uint64_t epoch,
                                   uint32_t rank, struct dv_image_chain **chain) DV_CHECKED;
/* The newest image: its identity, its sections. Owned by the chain. */
struct dv_image_reader *dv_image_chain_head(const struct dv_image_chain *chain);
/* How many images: 1 for a complete one; their file bytes together. */
size_t dv_image_chain_length(const struct dv_image_chain *chain);
uint64_t dv_image_chain_file_bytes(const struct dv_image_chain *chain);
/* Runs of pages that hold information, ascending, joined. Returns 0 past the end. */
int dv_image_chain_run(const struct dv_image_chain *chain, size_t index, uint64_t *address,
                       uint64_t *length);
/* Read every stored page of [start, end) to `destination + (address - start)`, checking each block; other pages are left as
 * they are. `threads`: how many threads of the caller's process may be used (1: none but the caller). */
enum dv_status dv_image_chain_load(struct dv_image_chain *chain, uint64_t start, uint64_t end,
                                   void *destination, unsigned threads) DV_CHECKED;
/* For mapping instead of reading: pieces of [start, end), ascending, each from one file and stored as it is. `each` gets the
 * pages, the open descriptor (the chain's) and the file offset (a multiple of 4096); pieces that are packed have fd -1 and
 * must be loaded. Stops at the first status that is not DV_OK and returns it. */
enum dv_status dv_image_chain_pieces(struct dv_image_chain *chain, uint64_t start, uint64_t end,
                                     enum dv_status (*each)(void *arg, uint64_t address,
                                                            uint64_t length, int fd,
                                                            uint64_t offset),
                                     void *arg) DV_CHECKED;
/* Check every data block of every image of the chain. */
enum dv_status dv_image_chain_verify(struct dv_image_chain *chain) DV_CHECKED;
void dv_image_chain_close(struct dv_image_chain *chain);

/* On tmpfs a committed image stays mapped in the process that wrote it, so that recycling it is fast. Give up such
 * mappings of files that were removed meanwhile (they would keep their memory). Writers do so by themselves when they
 * open and abort; call it, from any thread, when old epochs may have been pruned. */
void dv_image_trim(void);

/* On tmpfs, make the spare image `<directory>/<name>` ready for a writer to recycle: at least `bytes` long and
 * mapped; the directory's parent must exist. Blocks for as long as that takes, so call it from a thread of its own. A
 * writer that is opened meanwhile halts it and uses what is there, as does a stop of the application
 * (common/background.h). Elsewhere, without room, and on failure: no effect. */
void dv_image_prepare(const char *directory, const char *name, uint64_t bytes);
/* Wait until nothing is being prepared (what is gives up soon), and nothing will be until dv_image_prepare_go_on.
 * Writers do so by themselves while they open. */
void dv_image_prepare_halt(void);
void dv_image_prepare_go_on(void);

/* Text of the last error on this thread, for messages to other processes. */
const char *dv_image_why(void);

#endif
