/* The address-space split: everything of this process lies above DV_SPLIT (the kernel puts a PIE
 * program, its libraries, stack and vdso there); the gaps in between are reserved, so that from now
 * on the kernel finds room only below. */
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define ADDRESS_TOP 0x7ffffffff000ull
#define STACK_LIMIT_VARIABLE "DEJAVU_STACK_LIMIT"
#define STACK_LIMIT_USUAL (8u << 20)

void dv_split_prepare(char **argv)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    const char *saved = getenv(STACK_LIMIT_VARIABLE);
    if (saved != NULL) { /* second time round: give the application its limit back */
        dv_rank.stack_limit = strtoull(saved, NULL, 10);
        unsetenv(STACK_LIMIT_VARIABLE);
        return;
    }
    dv_rank.stack_limit = limit.rlim_cur;
    if (limit.rlim_cur != RLIM_INFINITY)
        return;
    /* With an unlimited stack the kernel lays processes out bottom-up, below the split. */
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, (uint64_t)limit.rlim_cur);
    setenv(STACK_LIMIT_VARIABLE, text, 1);
    limit.rlim_cur = STACK_LIMIT_USUAL;
    if (setrlimit(RLIMIT_STACK, &limit) == 0)
        execv("/proc/self/exe", argv);
    unsetenv(STACK_LIMIT_VARIABLE);
    dv_warn("split", "cannot restart under a limited stack: %s", strerror(errno));
}

struct gap {
    uint64_t start, end;
};

/* Gaps between mappings above the split, largest last in *largest. Returns how many, or 0 if
 * something of this process lies below the split. */
static size_t find_gaps(struct gap *gaps, size_t max, size_t *largest)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return 0;
    char line[1024];
    uint64_t at = DV_SPLIT, start, end;
    size_t count = 0;
    *largest = 0;
    while (fgets(line, sizeof line, maps) != NULL && count < max) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2 || start >= ADDRESS_TOP)
            continue;
        /* The main stack grows down into its gap; that is never where the kernel places mappings
         * (mmap_base lies a whole stack limit lower), so only the part below its reach is reserved.
         */
        uint64_t gap_end = start;
        if (strstr(line, "[stack]") != NULL && start - at > (256u << 20))
            gap_end = start - (64u << 20);
        if (gap_end > at) {
            gaps[count] = (struct gap){at, gap_end};
            if (gap_end - at > gaps[*largest].end - gaps[*largest].start)
                *largest = count;
            count++;
        }
        at = end > at ? end : at;
    }
    fclose(maps);
    if (at < ADDRESS_TOP && count < max)
        gaps[count++] = (struct gap){at, ADDRESS_TOP};
    return count;
}

static int anything_below_split(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    uint64_t start = 0;
    int below = maps == NULL || fscanf(maps, "%" SCNx64, &start) != 1 || start < DV_SPLIT;
    if (maps != NULL)
        fclose(maps);
    return below;
}

enum dv_status dv_split_enter(void)
{
    static struct gap gaps[4096];
    size_t largest;
    if (anything_below_split()) {
        dv_error("split",
                 "the kernel placed parts of dejavu-rank below %#llx; is address-space layout "
                 "unusual here "
                 "(setarch, personality)? Run `dejavu doctor`.",
                 (unsigned long long)DV_SPLIT);
        return DV_ERR_UNSUPPORTED;
    }
    size_t count = find_gaps(gaps, sizeof gaps / sizeof *gaps, &largest);
    if (count == 0) {
        dv_error("split", "cannot read /proc/self/maps: %s", strerror(errno));
        return DV_ERR_SYSTEM;
    }
    /* The upper two thirds of the largest gap are handed out to the lower half; its start is the
     * split, which the upper half's mappings border on. */
    struct gap arena = {gaps[largest].start + (gaps[largest].end - gaps[largest].start) / 3,
                        gaps[largest].end};
    arena.start &= ~((1ull << 30) - 1);
    enum dv_status status = dv_placement_start(arena.start, arena.end);
    if (status != DV_OK)
        return status;
    count = find_gaps(gaps, sizeof gaps / sizeof *gaps, &largest);
    for (size_t i = 0; i < count; i++) {
        long at = DV_RAW(SYS_mmap, gaps[i].start, gaps[i].end - gaps[i].start, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (at < 0) {
            dv_error("split", "cannot reserve %#" PRIx64 "-%#" PRIx64 ": %s", gaps[i].start,
                     gaps[i].end, strerror((int)-at));
            return DV_ERR_SYSTEM;
        }
    }
    return DV_OK;
}

/* PR_SET_MM_MAP wants all of the process's descriptive addresses at once; those of /proc/self/stat
 * are kept (proc(5): fields 26-28 code and stack, 45-46 data, 48-51 arguments and environment). */
enum dv_status dv_break_set(uint64_t end)
{
    char text[4096];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0) {
        dv_error("split", "cannot read /proc/self/stat: %s", strerror(errno));
        return DV_ERR_SYSTEM;
    }
    text[got] = '\0';
    uint64_t field[64] = {0};
    char *at = strrchr(text, ')') + 2, *save = NULL;
    int i = 3;
    for (char *word = strtok_r(at, " ", &save); word != NULL && i < 64;
         word = strtok_r(NULL, " ", &save))
        field[i++] = strtoull(word, NULL, 10);
    struct prctl_mm_map map = {
        .start_code = field[26],
        .end_code = field[27],
        .start_stack = field[28],
        .start_data = field[45],
        .end_data = field[46],
        .start_brk = DV_BREAK_BASE,
        .brk = end,
        .arg_start = field[48],
        .arg_end = field[49],
        .env_start = field[50],
        .env_end = field[51],
        .exe_fd = (__u32)-1,
    };
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0) {
        dv_error("split", "cannot move the break (PR_SET_MM_MAP): %s", strerror(errno));
        return DV_ERR_SYSTEM;
    }
    return DV_OK;
}
