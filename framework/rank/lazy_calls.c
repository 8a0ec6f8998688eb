/* Calls of the application that would find out that its memory is mapped from an image (capture/lazy.h).
 *
 * Private mappings of a file and anonymous memory differ in few calls; these are notified to the placement thread in a
 * process that was restored lazily, and only there, and the mapping becomes anonymous memory before the kernel makes the
 * call:
 *
 *      madvise(MADV_DONTNEED, MADV_FREE ...)   would bring back the image's contents instead of zeros: zeros are mapped
 *      madvise(MADV_WIPEONFORK, MADV_REMOVE)   is answered otherwise for a file's: anonymous memory, with its contents
 *      mremap                                  works on one mapping: what was one becomes one again, with its contents
 *      exit_group                              is held until the memory is known to have been what was captured
 *
 * Where the guard (guard.h) watches, madvise is notified with any other advice too, and nothing happens here.
 *
 * Everything here runs on the placement thread (but for dv_lazy_calls_verifying and dv_lazy_calls_verified), makes system
 * calls from the exempt page only and allocates nothing. Threads of the application that use a range while another gives
 * the same range to one of these calls race with it, as they do natively.
 *
 * Limit: in a child that the application forks the calls have their plain effect. */
#include "capture/lazy.h"
#include "gate/gate.h"
#include "rank/placement.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define HELD_EXITS 16

/* ---- reading /proc/self/maps without a C library ------------------------- */

struct lines {
    int fd;
    size_t at, filled;
    char text[16384]; /* longer than any line: a path has at most 4096 bytes, escapes included */
};
static struct lines lines;

struct line {
    uint64_t start, end, device, inode;
    int protection, shared;
};

/* The next line, ended by 0; NULL at the end. */
static char *next_line(struct lines *l)
{
    for (;;) {
        char *line = l->text + l->at, *end = memchr(line, '\n', l->filled - l->at);
        if (end != NULL) {
            *end = '\0';
            l->at = (size_t)(end - l->text) + 1;
            return line;
        }
        memmove(l->text, line, l->filled - l->at);
        l->filled -= l->at;
        l->at = 0;
        long got = DV_RAW(SYS_read, l->fd, l->text + l->filled, sizeof l->text - l->filled);
        if (got <= 0)
            return NULL;
        l->filled += (size_t)got;
    }
}

static uint64_t number(const char **at, unsigned base)
{
    uint64_t value = 0;
    for (;; ++*at) {
        char c = **at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

/* "start-end perms offset major:minor inode path" */
static void parse(const char *text, struct line *line)
{
    line->start = number(&text, 16);
    text++;
    line->end = number(&text, 16);
    text++;
    line->protection = (text[0] == 'r' ? PROT_READ : 0) | (text[1] == 'w' ? PROT_WRITE : 0) |
                       (text[2] == 'x' ? PROT_EXEC : 0);
    line->shared = text[3] == 's';
    text += 5;
    (void)number(&text, 16);
    text++;
    line->device = number(&text, 16) << 32;
    text++;
    line->device |= number(&text, 16);
    text++;
    line->inode = number(&text, 10);
}

static int is_lazy(const struct line *line)
{
    return !line->shared && line->inode != 0 && dv_lazy_is_image(line->device, line->inode);
}

/* Call `each` for the lines that overlap [start, end), clipped to it; it returns 0 to stop. */
static void walk(uint64_t start, uint64_t end, int (*each)(void *arg, const struct line *line),
                 void *arg)
{
    struct line line;
    char *text;
    lines.at = lines.filled = 0;
    lines.fd = (int)DV_RAW(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (lines.fd < 0)
        return;
    while ((text = next_line(&lines)) != NULL) {
        parse(text, &line);
        if (line.start >= end)
            break;
        if (line.end <= start)
            continue;
        line.start = line.start > start ? line.start : start;
        line.end = line.end < end ? line.end : end;
        if (!each(arg, &line))
            break;
    }
    DV_RAW(SYS_close, lines.fd);
}

/* ---- anonymous memory with the same contents ----------------------------- */

/* Through /proc/self/mem, since the range need not be readable. */
static int copy_range(uint64_t to, uint64_t from, uint64_t length)
{
    long fd = DV_RAW(SYS_open, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
    uint64_t done = 0;
    while (fd >= 0 && done < length) {
        long got = DV_RAW(SYS_pread64, fd, to + done, length - done, from + done);
        if (got <= 0)
            break;
        done += (uint64_t)got;
    }
    if (fd >= 0)
        DV_RAW(SYS_close, fd);
    return done == length;
}

/* If there is no memory for it all is as it was. */
static void make_anonymous(uint64_t start, uint64_t length, int protection)
{
    long copy =
        DV_RAW(SYS_mmap, 0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy < 0 && copy > -4096)
        return;
    if (!copy_range((uint64_t)copy, start, length) ||
        DV_RAW(SYS_mprotect, copy, length, protection) != 0 ||
        DV_RAW(SYS_mremap, copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, start) < 0)
        DV_RAW(SYS_munmap, copy, length);
}

/* ---- madvise ------------------------------------------------------------- */

/* A walk must not see its own changes: the pieces are noted first, and more of them in a further round. */
#define NOTED 64
struct noted {
    struct line piece[NOTED];
    size_t count;
};
static struct noted noted;

static int note_lazy(void *arg, const struct line *line)
{
    struct noted *n = arg;
    if (is_lazy(line))
        n->piece[n->count++] = *line;
    return n->count < NOTED;
}

/* Zeros, unless the kernel refuses to take such memory back (it is locked): then it will refuse the application, too. */
static void map_zeros(const struct line *piece, int advice)
{
    uint64_t length = piece->end - piece->start;
    int same = advice == DV_ADVICE_DONTNEED_LOCKED ? advice : MADV_DONTNEED;
    if (DV_RAW(SYS_madvise, piece->start, length, same) == 0)
        DV_RAW(SYS_mmap, piece->start, length, piece->protection,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static int gives_back(int advice)
{
    return advice == MADV_DONTNEED || advice == DV_ADVICE_DONTNEED_LOCKED || advice == MADV_FREE ||
           advice == DV_ADVICE_GUARD_INSTALL;
}

void dv_lazy_before_madvise(uint64_t start, uint64_t length, int advice)
{
    uint64_t end = start + ((length + PAGE - 1) & ~(PAGE - 1));
    if (!gives_back(advice) && advice != MADV_WIPEONFORK && advice != MADV_REMOVE)
        return;
    if ((start & (PAGE - 1)) != 0 || end < start || start >= DV_SPLIT)
        return; /* the kernel refuses it */
    do {
        noted.count = 0;
        walk(start, end, note_lazy, &noted);
        for (size_t i = 0; i < noted.count; i++) {
            const struct line *piece = &noted.piece[i];
            if (gives_back(advice))
                map_zeros(piece, advice);
            else
                make_anonymous(piece->start, piece->end - piece->start, piece->protection);
            start = piece->end;
        }
    } while (noted.count == NOTED);
}

/* ---- mremap -------------------------------------------------------------- */

struct range {
    uint64_t next; /* up to here it is mapped without a gap */
    int protection, lazy, mixed;
    unsigned mappings;
};

static int examine(void *arg, const struct line *line)
{
    struct range *range = arg;
    range->mixed |= line->start != range->next || line->shared ||
                    (range->protection >= 0 && range->protection != line->protection);
    range->protection = line->protection;
    range->lazy |= is_lazy(line);
    range->mixed |= line->inode != 0 && !is_lazy(line);
    range->next = line->end;
    range->mappings++;
    return 1;
}

void dv_lazy_before_mremap(uint64_t start, uint64_t length)
{
    length = (length + PAGE - 1) & ~(PAGE - 1);
    struct range range = {.next = start, .protection = -1};
    if ((start & (PAGE - 1)) != 0 || start + length < start || start + length > DV_SPLIT)
        return;
    walk(start, start + length, examine, &range);
    /* Several mappings that look alike are what advice has left of one, most likely. Without memory for it mremap answers
     * EFAULT, which callers of realloc do not see. */
    if ((range.lazy || range.mappings > 1) && !range.mixed && range.next == start + length)
        make_anonymous(start, length, range.protection);
}

/* ---- exit ---------------------------------------------------------------- */

static struct {
    atomic_flag
        lock; /* held for a few instructions only, so that the placement thread may wait for it */
    int verifying;
    size_t count;
    struct {
        uint64_t id;
        int status;
    } exit[HELD_EXITS];
} held = {.lock = ATOMIC_FLAG_INIT};

static void lock_held(void)
{
    while (atomic_flag_test_and_set_explicit(&held.lock, memory_order_acquire))
        DV_RAW(SYS_sched_yield);
}

static void unlock_held(void)
{
    atomic_flag_clear_explicit(&held.lock, memory_order_release);
}

int dv_lazy_hold_exit(uint64_t id, int status)
{
    lock_held();
    int hold = held.verifying && held.count < HELD_EXITS;
    if (hold) {
        held.exit[held.count].id = id;
        held.exit[held.count++].status = status;
    }
    unlock_held();
    if (hold)
        dv_lazy_hurry();
    return hold;
}

void dv_lazy_calls_verifying(void)
{
    held.verifying = 1; /* the application does not run yet */
}

void dv_lazy_calls_verified(void)
{
    lock_held();
    held.verifying = 0;
    size_t count = held.count;
    unlock_held();
    for (size_t i = 0; i < count; i++)
        dv_placement_let_exit(held.exit[i].id, held.exit[i].status);
}
