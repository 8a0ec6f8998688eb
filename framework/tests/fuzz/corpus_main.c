/* fuzz-image-corpus: the fuzz target without libFuzzer.
 *
 *     fuzz-image-corpus replay FILE-OR-DIRECTORY...     run the target on each file; ends by itself if all is well
 *     fuzz-image-corpus make DIRECTORY                  write the seeds, from which framework/tests/fuzz/corpus began */
#include "common/io.h"
#include "fuzz_image.h"
#include "image/image.h"

#include <dejavu/log.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
#define BASE 0x10000000ull
#define PAGES 20u

static void must(enum dv_status status, const char *what)
{
    if (!status)
        return;
    fprintf(stderr, "fuzz-image-corpus: %s: %s (%s)\n", what, dv_status_text(status),
            dv_image_why());
    exit(1);
}

/* What a seed is made of: pages of a codec, written as the letters say: s stored, z zero, i inherited, f the same by filter,
 * . not there; and the parent, likewise. */
struct seed {
    const char *name, *pages, *parent;
    enum dv_codec codec;
    unsigned mode;
    int origin, sections;
};

static const struct seed seeds[] = {
    {.name = "empty", .pages = ""},
    {.name = "sections", .pages = "", .sections = 5},
    {.name = "raw", .pages = "sszzs.s", .sections = 2},
    {.name = "raw-large", .pages = "ssssssssssssssss", .mode = FUZZ_THREADS},
    {.name = "lz4", .pages = "ssssss.ss", .codec = DV_CODEC_LZ4, .sections = 1},
    {.name = "zstd", .pages = "ssssss.ss", .codec = DV_CODEC_ZSTD},
    {.name = "shuffle-lz4", .pages = "ssssss.ss", .codec = DV_CODEC_SHUFFLE_LZ4},
    {.name = "shuffle-zstd",
     .pages = "ssssss.ss",
     .codec = DV_CODEC_SHUFFLE_ZSTD,
     .mode = FUZZ_THREADS},
    {.name = "child-raw", .pages = "isiz", .parent = "ss.s", .sections = 1},
    {.name = "child-packed",
     .pages = "iisi.siiz",
     .parent = "ssssssssz",
     .codec = DV_CODEC_SHUFFLE_LZ4},
    {.name = "child-zstd",
     .pages = "sisisi.sf",
     .parent = "sssssssss",
     .codec = DV_CODEC_ZSTD,
     .mode = FUZZ_THREADS},
    {.name = "child-of-synthesis",
     .pages = "fisf",
     .parent = "s.ss",
     .codec = DV_CODEC_LZ4,
     .origin = 1},
    {.name = "child-of-itself", .pages = "is", .parent = "ss", .mode = FUZZ_PARENT_SELF},
    {.name = "all-inherited", .pages = "iiii", .parent = "ssss", .codec = DV_CODEC_ZSTD},
};

static int is_changed(void *arg, uint64_t address, const void *bytes)
{
    const char *pages = arg;
    (void)bytes;
    return pages[(address - BASE) / PAGE] != 'f';
}

static void fill(char *page, char letter, unsigned place, unsigned epoch)
{
    memset(page, 0, PAGE);
    for (unsigned i = 0; letter != 'z' && i < PAGE / 8; i++) {
        double value = 1.0 / (1 + (i + place) % 37 + epoch);
        memcpy(page + 8 * i, &value, sizeof value);
    }
}

static void write_image(const char *directory, const struct seed *s, unsigned epoch,
                        const uint8_t *parent_digest, struct dv_image_stats *stats)
{
    static char page[PAGE] __attribute__((aligned(PAGE)));
    static const uint8_t origin[16] = {1, 2, 3, 4};
    const char *pages = epoch == 7 ? s->pages : s->parent;
    struct dv_image_identity id = {.epoch = epoch, .rank = 1, .size = 2, .page_bytes = PAGE};
    struct dv_image_spec spec = {.directory = directory,
                                 .name = epoch == 7 ? "first" : "second",
                                 .identity = &id,
                                 .most_pages = PAGES,
                                 .codec = s->codec};
    struct dv_image_writer *w;
    snprintf(id.program, sizeof id.program, "/bin/app");
    snprintf(id.strategy, sizeof id.strategy, "incremental+coordinated");
    if (parent_digest) {
        id.parent_epoch = 6;
        memcpy(id.parent_digest, s->origin ? origin : parent_digest, sizeof id.parent_digest);
    }
    if (s->origin && epoch == 6)
        spec.origin_digest = origin;
    must(dv_image_writer_new(&spec, &w), "new");
    for (int i = 0; i < s->sections; i++)
        must(dv_image_write_section(w, (enum dv_image_section)(i + 1), "what it is about",
                                    4 * (size_t)i),
             "section");
    must(dv_image_writer_begin(w), "begin");
    dv_image_writer_filter(w, is_changed, (void *)(uintptr_t)pages);
    for (unsigned i = 0; pages[i]; i++) {
        unsigned stretch = 1;
        if (pages[i] == '.')
            continue;
        if (pages[i] == 'i') {
            must(dv_image_write_inherited(w, BASE + i * (uint64_t)PAGE, PAGE), "inherit");
            continue;
        }
        static char block[PAGES * PAGE] __attribute__((aligned(PAGE)));
        fill(page, pages[i], i, epoch);
        memcpy(block, page, PAGE);
        for (; pages[i + stretch] == 's'; stretch++)
            fill(block + (size_t)stretch * PAGE, 's', i + stretch, epoch);
        must(dv_image_write_pages(w, BASE + i * (uint64_t)PAGE, stretch * (uint64_t)PAGE, block),
             "pages");
        i += stretch - 1;
    }
    must(dv_image_writer_finish(w, stats), "finish");
    must(dv_image_writer_commit(w), "commit");
}

static void make_seed(const char *directory, const char *scratch, const struct seed *s)
{
    char path[PATH_MAX], *first = NULL, *second = NULL, *input;
    size_t first_bytes = 0, second_bytes = 0;
    struct dv_image_stats stats;
    if (s->parent)
        write_image(scratch, s, 6, NULL, &stats);
    write_image(scratch, s, 7, s->parent ? stats.digest : NULL, &stats);
    snprintf(path, sizeof path, "%s/first", scratch);
    must(dv_read_file(path, FUZZ_MAX_BYTES, &first, &first_bytes), path);
    snprintf(path, sizeof path, "%s/second", scratch);
    if (s->parent)
        must(dv_read_file(path, FUZZ_MAX_BYTES, &second, &second_bytes), path);
    input = calloc(1, FUZZ_PREFIX + first_bytes + second_bytes);
    if (!input) {
        must(DV_ERR_NO_MEMORY, s->name);
        return;
    }
    uint32_t length = (uint32_t)first_bytes;
    memcpy(input, &length, sizeof length);
    input[4] = (char)s->mode;
    memcpy(input + FUZZ_PREFIX, first, first_bytes);
    if (second)
        memcpy(input + FUZZ_PREFIX + first_bytes, second, second_bytes);
    must(dv_write_file_durably(directory, s->name, input, FUZZ_PREFIX + first_bytes + second_bytes,
                               0644),
         s->name);
    free(first);
    free(second);
    free(input);
}

static int make(const char *directory)
{
    char scratch[] = "/tmp/dejavu-seeds.XXXXXX";
    if (!mkdtemp(scratch))
        must(DV_ERR_SYSTEM, scratch);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        make_seed(directory, scratch, &seeds[i]);
    must(dv_remove_tree(scratch), scratch);
    return 0;
}

static int replay(const char *path)
{
    struct stat st;
    int count = 0;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        DIR *directory = opendir(path);
        struct dirent *entry;
        while (directory && (entry = readdir(directory)) != NULL) {
            char inner[PATH_MAX];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            count += replay(inner);
        }
        if (directory)
            closedir(directory);
        return count;
    }
    char *bytes = NULL;
    size_t length = 0;
    must(dv_read_file(path, 1u << 20, &bytes, &length), path);
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, length);
    free(bytes);
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    if (argc < 3 || strcmp(argv[1], "replay") != 0) {
        fprintf(stderr, "usage: fuzz-image-corpus make DIRECTORY | replay FILE-OR-DIRECTORY...\n");
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 2; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count == 0;
}
