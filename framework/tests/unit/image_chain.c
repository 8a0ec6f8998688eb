/* Unit test: images that inherit, and the chains that they make. */
#include "image/checksum.h"
#include "image_support.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGES 400u
#define EPOCHS 12u

/* A job of one rank: what its memory was at each epoch, and where the images are. */
struct job {
    const char *directory;
    uint64_t seed;
    char *memory[EPOCHS + 1]; /* [0]: zeros */
    uint8_t digest[EPOCHS + 1][16];
    uint64_t parent[EPOCHS + 1];
    enum { AS_IT_IS, LOST, SWAPPED } trouble;
    uint64_t trouble_epoch;
};

static enum dv_status locate(void *arg, uint64_t epoch, uint32_t rank, char *path,
                             size_t path_bytes)
{
    const struct job *job = arg;
    assert_int_equal(rank, 3);
    assert_true(epoch >= 1 && epoch <= EPOCHS);
    if (epoch == job->trouble_epoch && job->trouble == LOST)
        return dv_fail("test", DV_ERR_NOT_FOUND, "epoch %d is nowhere", (int)epoch);
    if (epoch == job->trouble_epoch && job->trouble == SWAPPED)
        epoch = epoch > 1 ? epoch - 1 : 2;
    snprintf(path, path_bytes, "%s/%d", job->directory, (int)epoch);
    return DV_OK;
}

static uint64_t start_seed(void)
{
    const char *given = getenv("DEJAVU_SEED");
    unsigned long seed = given ? strtoul(given, NULL, 10) : (unsigned long)getpid();
    print_message("seed %lu (DEJAVU_SEED)\n", seed);
    return seed * 2 + 1;
}

static void fill_page(char *page, uint64_t *seed)
{
    uint64_t kind = next_random(seed) % 4, value = next_random(seed);
    for (size_t i = 0; i < PAGE / 8; i++) {
        value = kind == 0 ? next_random(seed) : value + (kind == 1);
        memcpy(page + 8 * i, &value, 8);
    }
    page[0] = 1; /* never a zero page */
}

/* The next epoch's memory: stretches are rewritten, zeroed or left alone. */
static void change_memory(struct job *job, unsigned epoch)
{
    char *now = job->memory[epoch] = malloc(PAGES * PAGE);
    memcpy(now, job->memory[epoch - 1], PAGES * PAGE);
    unsigned changes = epoch == 1 ? 30 : 1 + (unsigned)(next_random(&job->seed) % 25);
    for (unsigned i = 0; i < changes; i++) {
        size_t from = next_random(&job->seed) % PAGES, count = 1 + next_random(&job->seed) % 30;
        int zero = next_random(&job->seed) % 4 == 0;
        for (size_t p = from; p < PAGES && p < from + count; p++) {
            if (zero)
                memset(now + p * PAGE, 0, PAGE);
            else
                fill_page(now + p * PAGE, &job->seed);
        }
    }
}

struct comparison {
    const char *before;
    uint64_t expected; /* the next address to be asked for */
};

static int differs(void *arg, uint64_t address, const void *bytes)
{
    static const char zeros[DV_DISK_PAGE];
    struct comparison *c = arg;
    const char *before = c->before + (address - BASE);
    assert_true(address >= c->expected);
    c->expected = address + PAGE;
    return memcmp(before, bytes ? bytes : zeros, PAGE) != 0;
}

/* Pages that did not change are inherited or, now and then, given to the filter; zero pages are given or left out. */
static void write_changes(struct job *job, struct dv_image_writer *w, unsigned epoch,
                          int has_parent)
{
    const char *now = job->memory[epoch], *before = job->memory[epoch - 1];
    for (size_t p = 0; p < PAGES;) {
        const char *page = now + p * PAGE;
        size_t count = 1 + next_random(&job->seed) % 40, given = 0;
        uint64_t way = next_random(&job->seed) % 4;
        if (count > PAGES - p)
            count = PAGES - p;
        if (next_random(&job->seed) % 4 == 0)
            dv_image_writer_next_region(w);
        for (size_t i = 0; i < count && has_parent && way; i++)
            given += memcmp(page + i * PAGE, before + (p + i) * PAGE, PAGE) == 0;
        /* All of them are as before: inherited. */
        if (given == count && has_parent && way)
            assert_int_equal(dv_image_write_inherited(w, BASE + p * PAGE, count * PAGE), DV_OK);
        else
            assert_int_equal(dv_image_write_pages(w, BASE + p * PAGE, count * PAGE, page), DV_OK);
        p += count;
    }
}

static void write_epoch(struct job *job, unsigned epoch, int forked)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_stats stats;
    struct dv_image_writer *w;
    struct comparison c = {.before = job->memory[epoch - 1]};
    char name[16];
    int has_parent = epoch > 1 && next_random(&job->seed) % 6;
    snprintf(name, sizeof name, "%u", epoch);
    id.epoch = epoch;
    if (has_parent) {
        id.parent_epoch = epoch - 1;
        memcpy(id.parent_digest, job->digest[epoch - 1], 16);
    }
    struct dv_image_spec spec = {
        .directory = job->directory,
        .name = name,
        .identity = &id,
        .most_pages = PAGES,
        .forked = forked,
        .codec = (enum dv_codec)(next_random(&job->seed) % (DV_CODEC_AUTO + 1))};
    assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
    assert_int_equal(dv_image_writer_begin(w), DV_OK);
    if (has_parent)
        dv_image_writer_filter(w, differs, &c);
    write_changes(job, w, epoch, has_parent);
    assert_int_equal(dv_image_writer_finish(w, &stats), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    assert_int_equal(stats.examined_bytes, stats.zero_bytes + stats.same_bytes + stats.data_bytes);
    assert_true(stats.same_bytes <= stats.inherited_bytes);
    assert_int_equal(stats.parent_epoch, stats.inherited_bytes ? epoch - 1 : 0);
    memcpy(job->digest[epoch], stats.digest, 16);
    job->parent[epoch] = stats.parent_epoch;
}

static void make_job(struct job *job, const char *directory)
{
    *job = (struct job){.directory = directory, .seed = start_seed()};
    job->memory[0] = calloc(PAGES, PAGE);
    for (unsigned epoch = 1; epoch <= EPOCHS; epoch++) {
        change_memory(job, epoch);
        write_epoch(job, epoch, epoch % 2);
    }
}

static void free_job(struct job *job)
{
    for (unsigned epoch = 0; epoch <= EPOCHS; epoch++)
        free(job->memory[epoch]);
}

/* Loading [from, to) pages into memory full of 0x55 gives what was there; only zero pages stay as they are. */
static void expect_pages(struct dv_image_chain *c, const char *memory, size_t from, size_t to,
                         unsigned threads)
{
    char *loaded = malloc(PAGES * PAGE), *expected = malloc(PAGES * PAGE);
    memset(loaded, 0x55, PAGES * PAGE);
    memset(expected, 0x55, PAGES * PAGE);
    for (size_t p = from; p < to; p++)
        if (!dv_page_is_zero(memory + p * PAGE))
            memcpy(expected + p * PAGE, memory + p * PAGE, PAGE);
    assert_int_equal(
        dv_image_chain_load(c, BASE + from * PAGE, BASE + to * PAGE, loaded + from * PAGE, threads),
        DV_OK);
    assert_memory_equal(loaded, expected, PAGES * PAGE);
    free(loaded);
    free(expected);
}

static void expect_runs(const struct dv_image_chain *c, const char *memory)
{
    uint64_t address, length;
    size_t index = 0;
    for (size_t p = 0; p < PAGES;) {
        size_t end = p;
        while (end < PAGES && !dv_page_is_zero(memory + end * PAGE))
            end++;
        if (end > p) {
            assert_true(dv_image_chain_run(c, index++, &address, &length));
            assert_true(address == BASE + p * PAGE && length == (end - p) * PAGE);
        }
        p = end + 1;
    }
    assert_false(dv_image_chain_run(c, index, &address, &length));
}

struct assembly {
    struct dv_image_chain *chain;
    char *memory;
    uint64_t next;
    unsigned calls, stop_after;
};

static enum dv_status assemble(void *arg, uint64_t address, uint64_t length, int fd,
                               uint64_t offset)
{
    struct assembly *a = arg;
    assert_true(address >= a->next && length);
    a->next = address + length;
    if (++a->calls == a->stop_after)
        return DV_ERR_BUSY;
    char *to = a->memory + (address - BASE);
    if (fd < 0)
        return dv_image_chain_load(a->chain, address, address + length, to, 1);
    assert_int_equal(offset % PAGE, 0);
    void *mapped = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
    assert_true(mapped != MAP_FAILED);
    memcpy(to, mapped, length);
    munmap(mapped, length);
    return DV_OK;
}

static void expect_pieces(struct dv_image_chain *c, const char *memory, size_t from, size_t to)
{
    struct assembly a = {.chain = c, .memory = calloc(PAGES, PAGE)};
    assert_int_equal(dv_image_chain_pieces(c, BASE + from * PAGE, BASE + to * PAGE, assemble, &a),
                     DV_OK);
    assert_memory_equal(a.memory + from * PAGE, memory + from * PAGE, (to - from) * PAGE);
    for (size_t p = 0; p < PAGES; p++)
        assert_true((p >= from && p < to) || dv_page_is_zero(a.memory + p * PAGE));
    struct assembly stopped = {.chain = c, .memory = a.memory, .stop_after = 1};
    if (a.calls)
        assert_int_equal(
            dv_image_chain_pieces(c, BASE + from * PAGE, BASE + to * PAGE, assemble, &stopped),
            DV_ERR_BUSY);
    free(a.memory);
}

static void every_epoch_is_there(void **state)
{
    for (int round = 0; round < 6; round++) {
        struct job job;
        make_job(&job, *state);
        for (unsigned epoch = 1; epoch <= EPOCHS; epoch++) {
            struct dv_image_chain *c;
            size_t length = 1;
            assert_int_equal(dv_image_chain_open(locate, &job, epoch, 3, &c), DV_OK);
            for (uint64_t e = epoch; job.parent[e]; e = job.parent[e])
                length++;
            assert_int_equal(dv_image_chain_length(c), length);
            assert_int_equal(dv_image_reader_identity(dv_image_chain_head(c))->epoch, epoch);
            expect_runs(c, job.memory[epoch]);
            expect_pages(c, job.memory[epoch], 0, PAGES, 1 + epoch % 3);
            expect_pieces(c, job.memory[epoch], 0, PAGES);
            for (int i = 0; i < 20; i++) {
                size_t from = next_random(&job.seed) % PAGES;
                size_t to = from + next_random(&job.seed) % (PAGES - from + 1);
                expect_pages(c, job.memory[epoch], from, to, 1 + (unsigned)i % 3);
                expect_pieces(c, job.memory[epoch], from, to);
            }
            assert_int_equal(dv_image_chain_verify(c), DV_OK);
            dv_image_chain_close(c);
        }
        free_job(&job);
    }
}

/* Enough pieces for several chunks, of blocks large and small, and blocks cut over and over. */
static void large_chains(void **state)
{
    const size_t pages = 24576; /* 96 MiB */
    struct dv_image_identity id = test_identity();
    struct dv_image_stats stats;
    struct job job = {.directory = *state};
    uint64_t seed = start_seed();
    char *memory = test_pages(pages, 0, seed | 1), *loaded = malloc(pages * PAGE);
    for (unsigned epoch = 1; epoch <= 4; epoch++) {
        struct dv_image_writer *w;
        char name[16];
        snprintf(name, sizeof name, "%u", epoch);
        id.epoch = epoch;
        struct dv_image_spec spec = {.directory = *state,
                                     .name = name,
                                     .identity = &id,
                                     .most_pages = pages,
                                     .codec = epoch == 3 ? DV_CODEC_SHUFFLE_LZ4 : DV_CODEC_NONE};
        assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
        assert_int_equal(dv_image_writer_begin(w), DV_OK);
        for (size_t p = 0; p < pages; p++) {
            uint64_t address = BASE + p * PAGE;
            if (epoch > 1 && next_random(&seed) % 10) {
                assert_int_equal(dv_image_write_inherited(w, address, PAGE), DV_OK);
                continue;
            }
            size_t count = epoch == 1 ? pages : 1;
            if (epoch > 1)
                memset(memory + p * PAGE, (int)(next_random(&seed) | 1), PAGE);
            assert_int_equal(dv_image_write_pages(w, address, count * PAGE, memory + p * PAGE),
                             DV_OK);
            p += count - 1;
        }
        assert_int_equal(dv_image_writer_finish(w, &stats), DV_OK);
        assert_int_equal(dv_image_writer_commit(w), DV_OK);
        id.parent_epoch = epoch;
        memcpy(id.parent_digest, stats.digest, 16);
    }
    struct dv_image_chain *c;
    assert_int_equal(dv_image_chain_open(locate, &job, 4, 3, &c), DV_OK);
    assert_int_equal(dv_image_chain_length(c), 4);
    for (unsigned threads = 1; threads <= 3; threads++) {
        memset(loaded, 0, pages * PAGE);
        assert_int_equal(dv_image_chain_load(c, BASE, BASE + pages * PAGE, loaded, threads), DV_OK);
        assert_memory_equal(loaded, memory, pages * PAGE);
    }
    uint64_t address, length;
    assert_true(dv_image_chain_run(c, 0, &address, &length));
    assert_true(address == BASE && length == pages * PAGE);
    dv_image_chain_close(c);
    free(memory);
    free(loaded);
}

/* The parent must be the one that was meant. */
static void wrong_parents(void **state)
{
    struct job job;
    struct dv_image_chain *c = NULL;
    char path[PATH_MAX];
    unsigned head = EPOCHS;
    make_job(&job, *state);
    while (job.parent[head] == 0)
        head--;
    uint64_t parent = job.parent[head];
    job.trouble_epoch = parent;
    job.trouble = LOST;
    assert_int_equal(dv_image_chain_open(locate, &job, head, 3, &c), DV_ERR_NOT_FOUND);
    assert_non_null(strstr(dv_image_why(), "nowhere"));
    job.trouble = SWAPPED;
    assert_int_equal(dv_image_chain_open(locate, &job, head, 3, &c), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_image_why(), "not what its name says"));
    job.trouble = AS_IT_IS;
    /* Of the same epoch, but other contents; then of another job; then not there. */
    for (int i = 0; i < 3; i++) {
        struct dv_image_identity id = test_identity();
        struct dv_image_writer *w;
        char name[16];
        id.epoch = parent;
        id.size = i == 1 ? 5 : 4;
        snprintf(name, sizeof name, "%d", (int)parent);
        snprintf(path, sizeof path, "%s/%s", (char *)*state, name);
        if (i < 2) {
            assert_int_equal(begin_image(*state, name, NULL, &id, &w), DV_OK);
            assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
            assert_int_equal(dv_image_writer_commit(w), DV_OK);
        } else {
            assert_int_equal(unlink(path), 0);
        }
        assert_int_equal(dv_image_chain_open(locate, &job, head, 3, &c),
                         i < 2 ? DV_ERR_DAMAGED : DV_ERR_NOT_FOUND);
        assert_non_null(strstr(dv_image_why(), path));
        assert_non_null(strstr(dv_image_why(), i == 0   ? "digest"
                                               : i == 1 ? "5 ranks"
                                                        : "No such file"));
    }
    assert_null(c);
    free_job(&job);
}

/* A complete image that takes the place of a parent is taken for it, by the digest of what it was made from. */
static void synthesised_parent(void **state)
{
    struct job job;
    struct dv_image_chain *c;
    unsigned head = EPOCHS;
    make_job(&job, *state);
    while (job.parent[head] == 0)
        head--;
    unsigned parent = (unsigned)job.parent[head];
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    char name[16];
    snprintf(name, sizeof name, "%u", parent);
    id.epoch = parent;
    struct dv_image_spec spec = {.directory = *state,
                                 .name = name,
                                 .identity = &id,
                                 .most_pages = PAGES,
                                 .codec = DV_CODEC_SHUFFLE_ZSTD,
                                 .origin_digest = job.digest[parent]};
    assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
    assert_int_equal(dv_image_writer_begin(w), DV_OK);
    assert_int_equal(dv_image_write_pages(w, BASE, PAGES * PAGE, job.memory[parent]), DV_OK);
    assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    assert_int_equal(dv_image_chain_open(locate, &job, head, 3, &c), DV_OK);
    assert_int_equal(dv_image_chain_length(c), 2);
    assert_null(dv_image_reader_origin(dv_image_chain_head(c)));
    expect_pages(c, job.memory[head], 0, PAGES, 2);
    dv_image_chain_close(c);
    assert_int_equal(dv_image_chain_open(locate, &job, parent, 3, &c), DV_OK);
    assert_memory_equal(dv_image_reader_origin(dv_image_chain_head(c)), job.digest[parent], 16);
    dv_image_chain_close(c);
    free_job(&job);
}

/* Which file a piece is in. */
struct wanted {
    ino_t file;
    int found;
};

static enum dv_status look_at_piece(void *arg, uint64_t address, uint64_t length, int fd,
                                    uint64_t offset)
{
    struct wanted *wanted = arg;
    struct stat st;
    (void)address;
    (void)length;
    (void)offset;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == wanted->file)
        wanted->found = 1;
    return DV_OK;
}

/* Does the chain read anything from this file? Not every epoch needs what its parent stores. */
static int needs(struct dv_image_chain *c, const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct wanted wanted = {.file = st.st_ino};
    assert_int_equal(dv_image_chain_pieces(c, BASE, BASE + PAGES * PAGE, look_at_piece, &wanted),
                     DV_OK);
    return wanted.found;
}

/* The newest epoch that needs its parent's file; the chain is open. 0: the seed made none. */
static unsigned open_needy(struct job *job, char *path, size_t path_bytes,
                           struct dv_image_chain **c)
{
    for (unsigned head = EPOCHS; head > 0; head--) {
        if (job->parent[head] == 0)
            continue;
        snprintf(path, path_bytes, "%s/%d", job->directory, (int)job->parent[head]);
        assert_int_equal(dv_image_chain_open(locate, job, head, 3, c), DV_OK);
        if (needs(*c, path))
            return head;
        dv_image_chain_close(*c);
    }
    return 0;
}

/* Damage in any image of the chain is found by loading and verifying, and that image is named. */
static void damaged_ancestor(void **state)
{
    struct job job;
    struct dv_image_chain *c;
    char path[PATH_MAX];
    make_job(&job, *state);
    if (open_needy(&job, path, sizeof path, &c) == 0) {
        free_job(&job);
        skip();
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    /* All that lies between header and tables. */
    char noise[PAGE];
    memset(noise, 0xa5, sizeof noise);
    struct dv_disk_footer f;
    struct stat st;
    size_t got;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(dv_pread_full(fd, &f, sizeof f, (uint64_t)st.st_size - PAGE, &got), DV_OK);
    for (uint64_t at = PAGE; at < f.runs_offset; at += PAGE) {
        size_t length = f.runs_offset - at < PAGE ? (size_t)(f.runs_offset - at) : PAGE;
        assert_int_equal(dv_pwrite_all(fd, noise, length, at), DV_OK);
    }
    close(fd);
    char *loaded = malloc(PAGES * PAGE);
    assert_int_equal(dv_image_chain_load(c, BASE, BASE + PAGES * PAGE, loaded, 2), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_image_why(), path));
    assert_int_equal(dv_image_chain_verify(c), DV_ERR_DAMAGED);
    assert_non_null(strstr(dv_image_why(), path));
    free(loaded);
    dv_image_chain_close(c);
    free_job(&job);
}

static void misuse_is_refused(void **state)
{
    struct dv_image_identity id = test_identity();
    struct dv_image_writer *w;
    char *memory = test_pages(4, 0, 1);
    /* Nothing to inherit from. */
    assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_OK);
    assert_int_equal(dv_image_write_inherited(w, BASE, PAGE), DV_ERR_INTERNAL);
    dv_image_writer_abort(w);
    /* Out of order, either way; more than announced; from the future. */
    id.parent_epoch = 3;
    for (int i = 0; i < 5; i++) {
        struct dv_image_spec spec = {
            .directory = *state, .name = "i", .identity = &id, .most_pages = 2};
        assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
        if (i == 4) /* not begun */
            assert_int_equal(dv_image_write_inherited(w, BASE, PAGE), DV_ERR_INTERNAL);
        else
            assert_int_equal(dv_image_writer_begin(w), DV_OK);
        if (i == 0) {
            assert_int_equal(dv_image_write_inherited(w, BASE + PAGE, PAGE), DV_OK);
            assert_int_equal(dv_image_write_pages(w, BASE, 2 * PAGE, memory), DV_ERR_INTERNAL);
        } else if (i == 1) {
            assert_int_equal(dv_image_write_pages(w, BASE + PAGE, PAGE, memory), DV_OK);
            assert_int_equal(dv_image_write_inherited(w, BASE, 2 * PAGE), DV_ERR_INTERNAL);
        } else if (i == 2) {
            for (uint64_t p = 0; p < 6; p += 2)
                assert_int_equal(dv_image_write_pages(w, BASE + p * PAGE, PAGE, memory),
                                 p < 4 ? DV_OK : DV_ERR_INTERNAL);
        } else if (i == 3) {
            for (uint64_t p = 0; p < 6; p += 2)
                assert_int_equal(dv_image_write_inherited(w, BASE + p * PAGE, PAGE),
                                 p < 4 ? DV_OK : DV_ERR_INTERNAL);
        }
        assert_int_equal(dv_image_writer_commit(w), DV_ERR_INTERNAL);
        assert_int_equal(names_in(*state), 0);
    }
    id.parent_epoch = id.epoch;
    assert_int_equal(begin_image(*state, "i", NULL, &id, &w), DV_ERR_INTERNAL);
    /* A page that was inherited as far as the filter goes, but nothing else: no parent is named. */
    id.parent_epoch = 3;
    id.parent_digest[0] = 9;
    assert_int_equal(begin_image(*state, "7", NULL, &id, &w), DV_OK);
    assert_int_equal(dv_image_write_pages(w, BASE, PAGE, memory), DV_OK);
    assert_int_equal(dv_image_writer_finish(w, NULL), DV_OK);
    assert_int_equal(dv_image_writer_commit(w), DV_OK);
    expect_image(check_path(state, "7"), memory, 1, 1);
    free(memory);
}

/* A thread that holds libc's allocator busy, so that a forked child that allocated would hang sooner or later. */
static atomic_int busy;

static void *allocate_all_the_time(void *arg)
{
    while (atomic_load(&busy))
        free(malloc(1000 + (size_t)next_random(arg) % 100000));
    return NULL;
}

static pid_t raw_fork(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* While it is written by a forked child, memory changes all the time, and threads allocate; it is written as it was at the
 * fork. */
static void forked_writer(void **state)
{
    const size_t pages = 600;
    struct dv_image_identity id = test_identity();
    static uint64_t seed = 5;
    pthread_t thread;
    char *memory = test_pages(pages, 7, 1), *expected = malloc(pages * PAGE),
         *loaded = malloc(pages * PAGE);
    memcpy(expected, memory, pages * PAGE);
    atomic_store(&busy, 1);
    assert_int_equal(pthread_create(&thread, NULL, allocate_all_the_time, &seed), 0);
    for (int round = 0; round < 12; round++) {
        struct dv_image_writer *w;
        int child_status = -1;
        struct dv_image_spec spec = {.directory = *state,
                                     .name = "i",
                                     .identity = &id,
                                     .most_pages = pages,
                                     .codec = (enum dv_codec)(round % (DV_CODEC_AUTO + 1)),
                                     .forked = 1};
        assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
        assert_int_equal(dv_image_write_section(w, DV_SECTION_CONTEXT, "ctx", 3), DV_OK);
        pid_t pid = raw_fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(250);
            int failed = dv_image_writer_begin(w) != DV_OK ||
                         dv_image_write_pages(w, BASE, pages * PAGE, memory) != DV_OK ||
                         dv_image_writer_finish(w, NULL) != DV_OK ||
                         dv_image_writer_commit(w) != DV_OK;
            _exit(failed);
        }
        pid_t done = 0;
        for (unsigned i = 0; done == 0; i++) {
            memory[i % (pages * PAGE)] ^= 1;
            done = waitpid(pid, &child_status, WNOHANG);
            sched_yield();
        }
        assert_int_equal(child_status, 0);
        dv_image_writer_abort(w);
        memcpy(memory, expected, pages * PAGE);
        struct dv_image_chain *c;
        assert_int_equal(open_alone(check_path(state, "i"), &c), DV_OK);
        assert_int_equal(dv_image_chain_verify(c), DV_OK);
        memset(loaded, 0, pages * PAGE);
        assert_int_equal(dv_image_chain_load(c, BASE, BASE + pages * PAGE, loaded, 1), DV_OK);
        assert_memory_equal(loaded, expected, pages * PAGE);
        dv_image_chain_close(c);
        assert_int_equal(names_in(*state), 1);
    }
    atomic_store(&busy, 0);
    pthread_join(thread, NULL);
    free(memory);
    free(expected);
    free(loaded);
}

/* The child dies or fails anywhere: the parent's abort leaves nothing behind, and leaves alone what is another's. */
static void forked_writer_dies(void **state)
{
    struct dv_image_identity id = test_identity();
    char *memory = test_pages(100, 0, 1);
    for (int stage = 0; stage < 5; stage++) {
        struct dv_image_writer *w, *other;
        int child_status;
        struct dv_image_spec spec = {
            .directory = *state, .name = "i", .identity = &id, .most_pages = 100, .forked = 1};
        assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
        pid_t pid = raw_fork();
        if (pid == 0) {
            enum dv_status status = stage > 0 ? dv_image_writer_begin(w) : DV_OK;
            if (stage > 1 && !status)
                status = dv_image_write_pages(w, BASE, 100 * PAGE, memory);
            if (stage > 2 && !status)
                status = dv_image_writer_finish(w, NULL);
            if (stage > 3)
                dv_image_writer_abort(w);
            kill(getpid(), status ? SIGABRT : SIGKILL);
        }
        assert_int_equal(waitpid(pid, &child_status, 0), pid);
        assert_true(WIFSIGNALED(child_status) && WTERMSIG(child_status) == SIGKILL);
        assert_int_equal(names_in(*state), stage > 0 && stage < 4);
        if (stage == 2) {
            /* Meanwhile, another one has begun. */
            assert_int_equal(begin_image(*state, "i", NULL, &id, &other), DV_OK);
            dv_image_writer_abort(w);
            assert_int_equal(names_in(*state), 1);
            dv_image_writer_abort(other);
        } else {
            dv_image_writer_abort(w);
        }
        assert_int_equal(names_in(*state), 0);
    }
    free(memory);
}

static void cancelled(void **state)
{
    struct dv_image_identity id = test_identity();
    char *memory = test_pages(100, 0, 1);
    for (int stage = 0; stage < 4; stage++) {
        struct dv_image_writer *w;
        struct dv_image_spec spec = {
            .directory = *state, .name = "i", .identity = &id, .most_pages = 1000};
        assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
        if (stage == 0)
            dv_image_writer_cancel(w);
        assert_int_equal(dv_image_writer_begin(w), stage > 0 ? DV_OK : DV_ERR_ABORTED);
        if (stage == 1)
            dv_image_writer_cancel(w);
        if (stage > 0)
            assert_int_equal(dv_image_write_pages(w, BASE, 100 * PAGE, memory),
                             stage > 1 ? DV_OK : DV_ERR_ABORTED);
        if (stage == 2)
            dv_image_writer_cancel(w);
        if (stage > 1)
            assert_int_equal(dv_image_writer_finish(w, NULL), stage > 2 ? DV_OK : DV_ERR_ABORTED);
        if (stage == 3)
            dv_image_writer_cancel(w);
        assert_int_equal(dv_image_writer_commit(w), DV_ERR_ABORTED);
        assert_int_equal(names_in(*state), 0);
    }
    /* From the other process. */
    struct dv_image_writer *w;
    struct dv_image_spec spec = {
        .directory = *state, .name = "i", .identity = &id, .most_pages = 1 << 24, .forked = 1};
    int child_status;
    assert_int_equal(dv_image_writer_new(&spec, &w), DV_OK);
    pid_t pid = raw_fork();
    if (pid == 0) {
        enum dv_status status = dv_image_writer_begin(w);
        for (uint64_t i = 0; !status; i++)
            status = dv_image_write_pages(w, BASE + i * PAGE, 0, memory);
        dv_image_writer_abort(w);
        _exit(status == DV_ERR_ABORTED ? 0 : 1);
    }
    dv_image_writer_cancel(w);
    assert_int_equal(waitpid(pid, &child_status, 0), pid);
    assert_int_equal(child_status, 0);
    dv_image_writer_abort(w);
    assert_int_equal(names_in(*state), 0);
    free(memory);
}

#define IN_DIRECTORY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, check_make_directory, check_remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(every_epoch_is_there),
        IN_DIRECTORY(large_chains),
        IN_DIRECTORY(wrong_parents),
        IN_DIRECTORY(synthesised_parent),
        IN_DIRECTORY(damaged_ancestor),
        IN_DIRECTORY(misuse_is_refused),
        IN_DIRECTORY(forked_writer),
        IN_DIRECTORY(forked_writer_dies),
        IN_DIRECTORY(cancelled),
    };
    check_quiet();
    return cmocka_run_group_tests_name("image-chain", tests, NULL, NULL);
}
