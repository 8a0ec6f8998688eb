/* Fuzz target: whatever an image's file holds, opening, walking and loading it ends with an answer; and if all its blocks are
 * found to be sound, then what is loaded is what its pieces say. */
#include "common/io.h"
#include "fuzz_image.h"
#include "image/format.h"
#include "image/image.h"

#include <dejavu/log.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOAD_BYTES (1u << 20)
#define MAX_RUNS 24u

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is wrong (%s)\n", __FILE__, __LINE__, #condition,           \
                    dv_image_why());                                                               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static struct {
    char directory[64], first[80], second[80];
    uint64_t epoch;
    uint32_t rank;
    unsigned mode;
    char loaded[LOAD_BYTES], again[LOAD_BYTES];
} fuzz;

struct fuzz_input fuzz_parse(uint8_t *data, size_t size)
{
    struct fuzz_input in = {.first = data};
    uint32_t first = 0;
    if (size < FUZZ_PREFIX)
        return in;
    memcpy(&first, data, sizeof first);
    in.mode = data[4];
    in.first = data + FUZZ_PREFIX;
    in.first_bytes = first < size - FUZZ_PREFIX ? first : size - FUZZ_PREFIX;
    in.second = in.first + in.first_bytes;
    in.second_bytes = size - FUZZ_PREFIX - in.first_bytes;
    return in;
}

static void clean_up(void)
{
    if (dv_remove_tree(fuzz.directory))
        fprintf(stderr, "%s is left\n", fuzz.directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(fuzz.directory, sizeof fuzz.directory, "%s/dejavu-fuzz.XXXXXX", parent);
    REQUIRE(mkdtemp(fuzz.directory));
    atexit(clean_up);
    snprintf(fuzz.first, sizeof fuzz.first, "%s/first", fuzz.directory);
    snprintf(fuzz.second, sizeof fuzz.second, "%s/second", fuzz.directory);
    dv_log_setup(-1, -1, DV_LOG_ERROR);
    return 0;
}

static void put_file(const char *path, const uint8_t *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)length) == 0 &&
            dv_pwrite_all(fd, bytes, length, 0) == DV_OK);
    close(fd);
}

static void read_alone(const char *path)
{
    struct dv_image_reader *r = NULL;
    if (dv_image_reader_open(path, &r)) {
        REQUIRE(r == NULL && strstr(dv_image_why(), path));
        return;
    }
    const struct dv_image_identity *id = dv_image_reader_identity(r);
    REQUIRE(strlen(id->program) < sizeof id->program && strlen(id->strategy) < sizeof id->strategy);
    REQUIRE(dv_image_reader_stats(r)->parent_epoch == id->parent_epoch);
    volatile uint8_t sum = 0;
    for (int kind = 0; kind < 8; kind++) {
        const void *bytes;
        size_t length;
        if (dv_image_reader_section(r, (enum dv_image_section)kind, &bytes, &length))
            continue;
        for (size_t i = 0; i < length; i++)
            sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    }
    const uint8_t *origin = dv_image_reader_origin(r);
    if (origin)
        sum = (uint8_t)(sum + origin[15]);
    if (dv_image_reader_verify(r))
        REQUIRE(strstr(dv_image_why(), path));
    dv_image_reader_close(r);
}

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    (void)arg;
    (void)rank;
    const char *found =
        epoch == fuzz.epoch || fuzz.mode & FUZZ_PARENT_SELF ? fuzz.first : fuzz.second;
    snprintf(path, path_bytes, "%s", found);
    return DV_OK;
}

/* Builds [start, ...) in fuzz.again out of the pieces. */
struct rebuild {
    struct dv_image_chain *chain;
    uint64_t start, next;
};

static enum dv_status each_piece(void *arg, uint64_t address, uint64_t length, int fd,
                                 uint64_t offset)
{
    struct rebuild *b = arg;
    char *to = fuzz.again + (address - b->start);
    size_t got = 0;
    REQUIRE(length && length % DV_DISK_PAGE == 0 && address >= b->next);
    b->next = address + length;
    if (fd < 0)
        return dv_image_chain_load(b->chain, address, address + length, to, 1);
    REQUIRE(offset % DV_DISK_PAGE == 0);
    REQUIRE(dv_pread_full(fd, to, length, offset, &got) == DV_OK && got == length);
    return DV_OK;
}

static void load_range(struct dv_image_chain *c, uint64_t start, uint64_t end, int sound)
{
    struct rebuild b = {.chain = c, .start = start, .next = start};
    unsigned threads = fuzz.mode & FUZZ_THREADS ? 2 : 1;
    memset(fuzz.loaded, 0x55, end - start);
    enum dv_status status = dv_image_chain_load(c, start, end, fuzz.loaded, threads);
    REQUIRE(status == DV_OK || !sound);
    if (status)
        return;
    memset(fuzz.again, 0x55, end - start);
    REQUIRE(dv_image_chain_pieces(c, start, end, each_piece, &b) == DV_OK);
    REQUIRE(memcmp(fuzz.loaded, fuzz.again, end - start) == 0);
}

static void read_chain(void)
{
    struct dv_image_chain *c = NULL;
    if (dv_image_chain_open(locate, NULL, fuzz.epoch, fuzz.rank, &c)) {
        REQUIRE(c == NULL);
        return;
    }
    REQUIRE(dv_image_chain_length(c) >= 1 && dv_image_chain_length(c) <= 2);
    REQUIRE(dv_image_chain_file_bytes(c) >= 2 * DV_DISK_PAGE && dv_image_chain_head(c));
    int sound = dv_image_chain_verify(c) == DV_OK;
    uint64_t address, length, last = 0;
    for (size_t i = 0; i < MAX_RUNS && dv_image_chain_run(c, i, &address, &length); i++) {
        REQUIRE(length && address % DV_DISK_PAGE == 0 && length % DV_DISK_PAGE == 0);
        REQUIRE(i == 0 || address > last);
        last = address + length;
        REQUIRE(last > address);
        if (length > LOAD_BYTES)
            length = LOAD_BYTES;
        load_range(c, address, address + length, sound);
        /* A part of it, and what lies around it. */
        if (length > DV_DISK_PAGE)
            load_range(c, address + DV_DISK_PAGE, address + length, sound);
        uint64_t before = address < 3 * DV_DISK_PAGE ? address : 3 * DV_DISK_PAGE;
        if (length > DV_DISK_PAGE)
            length -= DV_DISK_PAGE;
        if (before + length <= LOAD_BYTES)
            load_range(c, address - before, address + length, sound);
    }
    dv_image_chain_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_parse((uint8_t *)(uintptr_t)data, size);
    fuzz.mode = in.mode;
    fuzz.epoch = 0;
    fuzz.rank = 0;
    if (in.first_bytes >= sizeof(struct dv_disk_header)) {
        struct dv_disk_header h;
        memcpy(&h, in.first, sizeof h);
        fuzz.epoch = h.epoch;
        fuzz.rank = h.rank;
    }
    put_file(fuzz.first, in.first, in.first_bytes);
    put_file(fuzz.second, in.second, in.second_bytes);
    read_alone(fuzz.first);
    read_chain();
    return 0;
}
