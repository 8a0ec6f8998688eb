/* Churn: memory that is written, by the program and by system calls; see churn.h. */
#include "apps/hazards/churn/churn.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_RANGE_PAGES 40u
#define FILE_BLOCKS (CHURN_FILE_PAGES * CHURN_PAGE_BLOCKS)
#define PIPE_BLOCKS 32u
#define ASIDE_PAGES 16u

/* Blocks of the range's pages that may be written, every `stride`-th. */
static void write_blocks(const struct churn_range *range, size_t stride,
                         uint64_t (*seed)(uint64_t before))
{
    size_t end = (range->first + range->count) * CHURN_PAGE_BLOCKS;
    for (size_t block = range->first * CHURN_PAGE_BLOCKS; block < end; block += stride)
        if (churn_writable(range->area, block / CHURN_PAGE_BLOCKS)) {
            churn_take_back(range->area, block / CHURN_PAGE_BLOCKS);
            churn_write(range->area, block, seed(range->area->seeds[block]));
        }
}

static uint64_t seed_new(uint64_t before)
{
    (void)before;
    return churn_seed();
}

static uint64_t seed_same(uint64_t before)
{
    return before;
}

static uint64_t seed_zero(uint64_t before)
{
    (void)before;
    return 0;
}

static void run_write(void)
{
    struct churn_range range;
    if (churn_pick_range(~0u, MOST_RANGE_PAGES, &range))
        write_blocks(&range, 1 + churn_random(8), seed_new);
}

/* One block of each page of a whole area. */
static void run_sparse(void)
{
    struct churn_area *area = churn_pick(~0u);
    if (area)
        write_blocks(&(struct churn_range){area, 0, area->pages}, CHURN_PAGE_BLOCKS, seed_new);
}

static void run_same(void)
{
    struct churn_range range;
    if (churn_pick_range(~0u, MOST_RANGE_PAGES, &range))
        write_blocks(&range, 1, seed_same);
}

static void run_zero(void)
{
    struct churn_range range;
    if (churn_pick_range(~0u, MOST_RANGE_PAGES, &range))
        write_blocks(&range, 1, seed_zero);
}

/* Two bytes of a block, and perhaps what they were before again. */
static void run_poke(void)
{
    struct churn_range range;
    if (!churn_pick_range(~0u, MOST_RANGE_PAGES, &range))
        return;
    uint16_t bits = (uint16_t)churn_random(1 << 16);
    for (size_t page = range.first; page < range.first + range.count; page++) {
        size_t block = page * CHURN_PAGE_BLOCKS + churn_random(CHURN_PAGE_BLOCKS);
        uint64_t seed = range.area->seeds[block];
        if (!churn_writable(range.area, page) || range.area->given_back[page] || !seed ||
            !(seed ^ bits))
            continue;
        uint64_t poked = seed ^ bits;
        uint16_t low = (uint16_t)poked;
        memcpy(range.area->at + block * CHURN_BLOCK, &low, sizeof low);
        churn_written(range.area, block, poked);
    }
}

/* A range for a system call to write to, and where in the file its contents come from. */
static bool pick_target(struct churn_range *range, size_t most, size_t *from)
{
    if (!churn_pick_range(~0u, most, range))
        return false;
    churn_open(range);
    for (size_t page = range->first; page < range->first + range->count; page++)
        churn_take_back(range->area, page);
    *from = churn_random(FILE_BLOCKS - range->count * CHURN_PAGE_BLOCKS);
    return true;
}

static unsigned char *start_of(const struct churn_range *range)
{
    return range->area->at + range->first * CHURN_PAGE;
}

/* The model of `blocks` blocks at the start of the range that came from the file. */
static void from_file(const struct churn_range *range, size_t from, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        churn_written(range->area, range->first * CHURN_PAGE_BLOCKS + i, churn_file_seed(from + i));
    churn_area_verify(range->area, range->first, range->count);
}

static void run_read(void)
{
    struct churn_range range;
    size_t from;
    if (!pick_target(&range, MOST_RANGE_PAGES, &from))
        return;
    size_t bytes = range.count * CHURN_PAGE;
    CHECK(lseek(churn.file, (off_t)(from * CHURN_BLOCK), SEEK_SET) >= 0);
    CHECK(read(churn.file, start_of(&range), bytes) == (ssize_t)bytes);
    from_file(&range, from, range.count * CHURN_PAGE_BLOCKS);
}

static void run_pread(void)
{
    struct churn_range range;
    size_t from;
    if (!pick_target(&range, MOST_RANGE_PAGES, &from))
        return;
    size_t blocks = 1 + churn_random(range.count * CHURN_PAGE_BLOCKS);
    ssize_t bytes = (ssize_t)(blocks * CHURN_BLOCK);
    CHECK(pread(churn.file, start_of(&range), (size_t)bytes, (off_t)(from * CHURN_BLOCK)) == bytes);
    from_file(&range, from, blocks);
}

/* Every second block, by one call. */
static void run_readv(void)
{
    struct churn_range range;
    struct iovec parts[64];
    size_t from;
    if (!pick_target(&range, 32, &from))
        return;
    size_t count = range.count * CHURN_PAGE_BLOCKS / 2;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct iovec){start_of(&range) + 2 * i * CHURN_BLOCK, CHURN_BLOCK};
    CHECK(preadv(churn.file, parts, (int)count, (off_t)(from * CHURN_BLOCK)) ==
          (ssize_t)(count * CHURN_BLOCK));
    for (size_t i = 0; i < count; i++)
        churn_written(range.area, range.first * CHURN_PAGE_BLOCKS + 2 * i,
                      churn_file_seed(from + i));
    churn_area_verify(range.area, range.first, range.count);
}

/* Past the page cache, where the file system can. */
static void run_direct(void)
{
    struct churn_range range;
    size_t from;
    if (!pick_target(&range, MOST_RANGE_PAGES, &from))
        return;
    size_t bytes = range.count * CHURN_PAGE;
    from -= from % CHURN_PAGE_BLOCKS;
    int file = open("churn.data", O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (file < 0)
        file = open("churn.data", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK(pread(file, start_of(&range), bytes, (off_t)(from * CHURN_BLOCK)) == (ssize_t)bytes);
    CHECK(close(file) == 0);
    from_file(&range, from, range.count * CHURN_PAGE_BLOCKS);
}

/* Fresh contents on the stack, and their seeds. */
static size_t prepare(unsigned char *buffer, size_t most, uint64_t *seeds)
{
    size_t blocks = 1 + churn_random(most);
    for (size_t i = 0; i < blocks; i++) {
        seeds[i] = churn_seed();
        churn_block_fill(buffer + i * CHURN_BLOCK, seeds[i]);
    }
    return blocks;
}

static void arrived(const struct churn_range *range, const uint64_t *seeds, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        churn_written(range->area, range->first * CHURN_PAGE_BLOCKS + i, seeds[i]);
    churn_area_verify(range->area, range->first, range->count);
}

static void run_pipe(void)
{
    static int ends[2] = {-1, -1};
    struct churn_range range;
    unsigned char buffer[PIPE_BLOCKS * CHURN_BLOCK];
    uint64_t seeds[PIPE_BLOCKS];
    size_t from;
    if (!pick_target(&range, 8, &from))
        return;
    if (ends[0] < 0)
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
    size_t most = range.count * CHURN_PAGE_BLOCKS;
    size_t blocks = prepare(buffer, most < PIPE_BLOCKS ? most : PIPE_BLOCKS, seeds), done = 0;
    CHECK(write(ends[1], buffer, blocks * CHURN_BLOCK) == (ssize_t)(blocks * CHURN_BLOCK));
    while (done < blocks * CHURN_BLOCK) {
        ssize_t got = read(ends[0], start_of(&range) + done, blocks * CHURN_BLOCK - done);
        CHECK(got > 0);
        done += (size_t)got;
    }
    arrived(&range, seeds, blocks);
}

static void run_socket(void)
{
    int ends[2];
    struct churn_range range;
    unsigned char buffer[PIPE_BLOCKS * CHURN_BLOCK];
    uint64_t seeds[PIPE_BLOCKS];
    size_t from;
    if (!pick_target(&range, 8, &from))
        return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    size_t most = range.count * CHURN_PAGE_BLOCKS;
    size_t blocks = prepare(buffer, most < PIPE_BLOCKS ? most : PIPE_BLOCKS, seeds),
           bytes = blocks * CHURN_BLOCK;
    CHECK(send(ends[1], buffer, bytes, 0) == (ssize_t)bytes);
    CHECK(recv(ends[0], start_of(&range), bytes, MSG_WAITALL) == (ssize_t)bytes);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    arrived(&range, seeds, blocks);
}

/* As MPI libraries do within a host; the process writes to itself. */
static void run_vmwrite(void)
{
    struct churn_range range;
    unsigned char buffer[PIPE_BLOCKS * CHURN_BLOCK];
    uint64_t seeds[PIPE_BLOCKS];
    size_t from;
    if (!pick_target(&range, 8, &from))
        return;
    size_t most = range.count * CHURN_PAGE_BLOCKS;
    size_t blocks = prepare(buffer, most < PIPE_BLOCKS ? most : PIPE_BLOCKS, seeds);
    struct iovec local = {buffer, blocks * CHURN_BLOCK},
                 remote = {start_of(&range), blocks * CHURN_BLOCK};
    ssize_t put;
    do /* the process has another id after a restart, which may come between the two calls */
        put = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
    while (put < 0 && errno == ESRCH);
    CHECK(put == (ssize_t)(blocks * CHURN_BLOCK));
    arrived(&range, seeds, blocks);
}

/* Into pages that the program itself may only read: as debuggers and some just-in-time compilers do. */
static void run_procmem(void)
{
    struct churn_range range;
    unsigned char buffer[PIPE_BLOCKS * CHURN_BLOCK];
    uint64_t seeds[PIPE_BLOCKS];
    size_t from;
    if (!pick_target(&range, 8, &from) || range.area->kind == CHURN_SHARED)
        return;
    CHECK(mprotect(start_of(&range), range.count * CHURN_PAGE, PROT_READ) == 0);
    memset(range.area->protection + range.first, PROT_READ, range.count);
    size_t most = range.count * CHURN_PAGE_BLOCKS;
    size_t blocks = prepare(buffer, most < PIPE_BLOCKS ? most : PIPE_BLOCKS, seeds);
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    CHECK(memory >= 0);
    CHECK(pwrite(memory, buffer, blocks * CHURN_BLOCK, (off_t)(uintptr_t)start_of(&range)) ==
          (ssize_t)(blocks * CHURN_BLOCK));
    CHECK(close(memory) == 0);
    arrived(&range, seeds, blocks);
}

/* A file that is written while it is mapped privately: pages that the program has not written show it. After a roll-back
 * the file is further than the program, so that this is for runs that are not killed. */
static void run_filewrite(void)
{
    static int file = -1;
    static unsigned char *memory;
    static uint64_t seeds[ASIDE_PAGES];
    unsigned char block[CHURN_BLOCK];
    if (file < 0) {
        file = open("churn.written", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(file >= 0 && ftruncate(file, ASIDE_PAGES * CHURN_PAGE) == 0);
        memory = mmap(NULL, ASIDE_PAGES * CHURN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
        CHECK(memory != MAP_FAILED);
    }
    for (size_t i = 0; i < ASIDE_PAGES; i++)
        churn_block_verify(memory + i * CHURN_PAGE, seeds[i], "a file written while it is mapped");
    size_t page = churn_random(ASIDE_PAGES);
    seeds[page] = churn_seed();
    churn_block_fill(block, seeds[page]);
    CHECK(pwrite(file, block, sizeof block, (off_t)(page * CHURN_PAGE)) == sizeof block);
}

/* The same shared memory at two addresses. */
static void run_alias(void)
{
    static unsigned char *memory, *again;
    static uint64_t seeds[ASIDE_PAGES];
    if (!memory) {
        memory = mmap(NULL, ASIDE_PAGES * CHURN_PAGE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        again = mremap(memory, 0, ASIDE_PAGES * CHURN_PAGE, MREMAP_MAYMOVE);
        CHECK(again != MAP_FAILED && again != memory);
    }
    for (size_t i = 0; i < ASIDE_PAGES; i++) {
        churn_block_verify(memory + i * CHURN_PAGE, seeds[i], "shared memory mapped twice");
        churn_block_verify(again + i * CHURN_PAGE, seeds[i],
                           "shared memory mapped twice, its other address");
    }
    size_t page = churn_random(ASIDE_PAGES);
    seeds[page] = churn_seed();
    churn_block_fill((churn_random(2) ? memory : again) + page * CHURN_PAGE, seeds[page]);
}

const struct churn_operation churn_write_operations[] = {
    {"write", 20, run_write},  {"sparse", 3, run_sparse},       {"same", 5, run_same},
    {"zero", 6, run_zero},     {"poke", 10, run_poke},          {"read", 4, run_read},
    {"pread", 4, run_pread},   {"readv", 4, run_readv},         {"direct", 2, run_direct},
    {"pipe", 4, run_pipe},     {"vmwrite", 4, run_vmwrite},     {"procmem", 0, run_procmem},
    {"socket", 0, run_socket}, {"filewrite", 0, run_filewrite}, {"alias", 0, run_alias},
    {NULL, 0, NULL},
};
