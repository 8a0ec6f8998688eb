/* Hazard: large memory that is moved, cut, given back and advised upon: what works on a mapping as one (mremap, realloc of
 * large blocks), what anonymous memory answers with zeros (MADV_DONTNEED), what it answers otherwise than a mapping of a file
 * (MADV_REMOVE, MADV_WIPEONFORK), advice that changes nothing, protections of parts, children that look at it.
 * Every page's contents are known; the digest is of what was done. */
#include "apps/hazards/hazard.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define AREAS 6u
#define LEAST_PAGES 384u
#define MOST_PAGES 2048u
#define SMALL_BLOCKS 2048u
#define ZERO 0ull /* the seed of a page that holds zeros */

struct area {
    unsigned char *at;
    uint64_t pages, seed[MOST_PAGES];
    int allocated; /* by malloc; else mapped */
    int cut;       /* no longer one mapping for the kernel */
};

static struct area areas[AREAS];
static unsigned char *small[SMALL_BLOCKS];
static uint64_t state = 12345;

static uint64_t below(uint64_t limit)
{
    return hazard_random(&state) % limit;
}

static void fill_page(struct area *a, uint64_t page)
{
    a->seed[page] = hazard_random(&state) | 1;
    hazard_fill(a->at + page * PAGE, PAGE, a->seed[page]);
}

static int is_zero(const unsigned char *bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, PAGE - 1) == 0;
}

static void verify(const struct area *a)
{
    for (uint64_t page = 0; page < a->pages; page++) {
        if (a->seed[page] == ZERO)
            CHECK(is_zero(a->at + page * PAGE));
        else
            hazard_verify(a->at + page * PAGE, PAGE, a->seed[page], "a page");
    }
}

static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static void make(struct area *a, int allocated)
{
    a->pages = LEAST_PAGES + below(MOST_PAGES - LEAST_PAGES);
    a->allocated = allocated;
    if (allocated)
        CHECK((a->at = malloc(a->pages * PAGE)));
    else
        a->at = map(a->pages * PAGE);
    for (uint64_t page = 0; page < a->pages; page++)
        fill_page(a, page);
}

/* A run of pages of the area. */
static uint64_t part(const struct area *a, uint64_t *count)
{
    uint64_t first = below(a->pages);
    *count = 1 + below(a->pages - first);
    return first;
}

/* What is new holds zeros where it was mapped, anything where it was allocated. */
static void resize(struct area *a, uint64_t pages, int may_move)
{
    uint64_t before = a->pages;
    if (a->cut)
        return;
    void *at = a->allocated
                   ? realloc(a->at, pages * PAGE)
                   : mremap(a->at, before * PAGE, pages * PAGE, may_move ? MREMAP_MAYMOVE : 0);
    if (!a->allocated && !may_move && at == MAP_FAILED)
        return; /* no room there */
    CHECK(at != NULL && at != MAP_FAILED);
    a->at = at;
    a->pages = pages;
    for (uint64_t page = before; page < pages; page++) {
        a->seed[page] = ZERO;
        if (a->allocated || page % 3 == 0)
            fill_page(a, page);
    }
    verify(a);
}

static void give_back(struct area *a)
{
    uint64_t count, first = part(a, &count);
    CHECK(madvise(a->at + first * PAGE, count * PAGE, MADV_DONTNEED) == 0);
    for (uint64_t page = first; page < first + count; page++) {
        a->seed[page] = ZERO;
        if (page % 2)
            fill_page(a, page);
    }
    verify(a);
}

/* Until it is written again such memory holds what it held, or zeros. */
static void let_go(struct area *a)
{
    uint64_t count, first = part(a, &count);
    CHECK(madvise(a->at + first * PAGE, count * PAGE, MADV_FREE) == 0);
    for (uint64_t page = first; page < first + count; page++) {
        if (!is_zero(a->at + page * PAGE) && a->seed[page] != ZERO)
            hazard_verify(a->at + page * PAGE, PAGE, a->seed[page], "a page that was let go");
        fill_page(a, page);
    }
}

static void protect_part(struct area *a)
{
    uint64_t count, first = part(a, &count);
    CHECK(mprotect(a->at + first * PAGE, count * PAGE, PROT_READ) == 0);
    verify(a);
    CHECK(mprotect(a->at + first * PAGE, count * PAGE, PROT_READ | PROT_WRITE) == 0);
    fill_page(a, first);
}

static void let_child_look(struct area *a)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        verify(a);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* Advice that leaves contents alone, and marks no part of a mapping so that it would be cut in two. */
static void advise(struct area *a)
{
    static const int advice[] = {MADV_WILLNEED, MADV_COLD, MADV_POPULATE_READ};
    uint64_t count, first = part(a, &count);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        (void)madvise(a->at + first * PAGE, count * PAGE, advice[i]); /* older kernels: EINVAL */
    verify(a);
}

/* Advice that the kernel refuses for such memory: it stays as it is. */
static void advise_in_vain(struct area *a)
{
    uint64_t count, first = part(a, &count);
    CHECK(madvise(a->at + first * PAGE, count * PAGE, MADV_REMOVE) == -1 && errno == EINVAL);
    if (mlock(a->at + first * PAGE, PAGE) == 0) { /* else there is a limit to what may be locked */
        CHECK(madvise(a->at + first * PAGE, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
        CHECK(munlock(a->at + first * PAGE, PAGE) == 0);
    }
    verify(a);
}

/* Memory that a child has as zeros, and the parent as it was. */
static void wipe_on_fork(struct area *a)
{
    CHECK(madvise(a->at, a->pages * PAGE, MADV_WIPEONFORK) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (uint64_t page = 0; page < a->pages; page++)
            CHECK(is_zero(a->at + page * PAGE));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(madvise(a->at, a->pages * PAGE, MADV_KEEPONFORK) == 0);
    resize(a, a->pages < MOST_PAGES ? a->pages + 1 : a->pages, 1);
}

/* A hole in a mapping, filled again. */
static void punch(struct area *a)
{
    uint64_t count, first = part(a, &count);
    CHECK(munmap(a->at + first * PAGE, count * PAGE) == 0);
    CHECK(mmap(a->at + first * PAGE, count * PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a->at + first * PAGE);
    for (uint64_t page = first; page < first + count; page++)
        a->seed[page] = ZERO;
    a->cut = 1;
    verify(a);
}

/* From the beginning, in one mapping. */
static void replace(struct area *a)
{
    CHECK(munmap(a->at, a->pages * PAGE) == 0);
    a->cut = 0;
    make(a, 0);
}

static void one_round(void)
{
    struct area *a = &areas[below(AREAS)];
    uint64_t what = below(12), pages = LEAST_PAGES + below(MOST_PAGES - LEAST_PAGES);
    hazard_mix(what << 32 | pages);
    verify(a);
    if (a->allocated)
        what %= 4; /* the rest is for memory that is nobody else's */
    switch (what) {
    case 0:
        resize(a, pages, 1);
        break;
    case 1:
        let_child_look(a);
        break;
    case 2:
        for (unsigned i = 0; i < 20; i++)
            fill_page(a, below(a->pages));
        break;
    case 3:
        advise(a);
        break;
    case 4:
        resize(a, a->pages > LEAST_PAGES ? a->pages - 1 : a->pages, 0);
        break;
    case 5:
        give_back(a);
        break;
    case 6:
        let_go(a);
        break;
    case 7:
        protect_part(a);
        break;
    case 8:
        punch(a);
        break;
    case 9:
        advise_in_vain(a);
        break;
    case 10:
        wipe_on_fork(a);
        break;
    default:
        replace(a);
        break;
    }
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
        size_t bytes = 1024 + i;
        CHECK((small[i] = malloc(bytes)));
        hazard_fill(small[i], bytes, i);
    }
    for (unsigned i = 0; i < AREAS; i++)
        make(&areas[i], i % 3 == 2);
    hazard_wait_for("ready", "go");
    do
        one_round();
    while (hazard_next());
    for (unsigned i = 0; i < AREAS; i++)
        verify(&areas[i]);
    for (unsigned i = 0; i < SMALL_BLOCKS; i++)
        hazard_verify(small[i], 1024 + i, i, "a small block");
    return hazard_end();
}
