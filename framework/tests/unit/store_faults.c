/* Unit test: whatever the store does for a job is killed, or has a call fail, at each of its system calls in turn: the
 * commit of an epoch as the supervisor does it, redundancy, rebuilding, compaction, pruning.
 *
 * Afterwards all that was committed restores bitwise, also when a node is lost that may be lost; the failure is told with its
 * cause; and the next attempt succeeds and leaves nothing over.
 *
 * DEJAVU_FAULTS: at how many calls of each kind of work and fault, drawn by DEJAVU_SEED; "all": at all of them. */
#include "fault_point.h"
#include "image/mapping.h"
#include "store/compact.h"
#include "store/prune.h"
#include "store_support.h"

#include <sys/mman.h>

#define NODES 3u
#define OLD 2u  /* committed before, inherits from epoch 1 */
#define NEW 3u  /* committed by the work itself, or before */
#define NEXT 4u /* committed afterwards */
#define FAULT_KILL (-1)
#define DEFAULT_SAMPLE 3

static const int faults[] = {FAULT_KILL, FAULT_SHORT, FAULT_ENOSPC, FAULT_EIO};

struct work {
    const char *name;
    void (*prepare)(void); /* besides OLD */
    int (*run)(void *);
    void (*expect)(enum fault_outcome outcome); /* right afterwards */
};

static char *nodes[NODES], node_paths[NODES][PATH_MAX];
static char job[PATH_MAX / 2], saved[PATH_MAX / 2];
static struct dv_manifest new_manifest; /* of NEW, while it is not committed */
static struct dv_manifest_rank new_ranks[RANKS];
static uint64_t draws;
static uint32_t loses; /* this node is lost each time */

/* What the child has to say of its failure. */
static char *told;
#define TOLD_BYTES 4096u

static int ends(enum dv_status status)
{
    snprintf(told, TOLD_BYTES, "%s", status ? dv_why() : "");
    return status != DV_OK;
}

static uint64_t draw(uint64_t below)
{
    /* Knuth, The Art of Computer Programming 2, 3.3.4: the multiplier of MMIX. */
    draws = draws * 6364136223846793005u + 1442695040888963407u;
    return (draws >> 33) % below;
}

/* ---- the job ---------------------------------------------------------------- */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[2 * PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    assert_int_equal(system(command), 0);
}

static void save(void)
{
    shell("rm -rf '%s' && cp -a '%s' '%s'", saved, job, saved);
}

/* Images on tmpfs stay mapped in the process that wrote them, not in its children. */
static void put_back(void)
{
    dv_mapping_drop_all();
    shell("rm -rf '%s' && cp -a '%s' '%s'", job, saved, job);
}

static int is_redundant(void)
{
    return dv_place_survives(&test_place) > 0 && test_place.level != DV_LEVEL_SHARED;
}

static void lose(uint32_t node)
{
    assert_int_equal(dv_remove_tree(nodes[node]), DV_OK);
}

static int is_committed(uint64_t epoch)
{
    char path[PATH_MAX / 2 + 64];
    snprintf(path, sizeof path, "%s/epochs/%06llu/manifest", job, (unsigned long long)epoch);
    return access(path, F_OK) == 0;
}

/* Whole, and with the redundancy that was bought. */
static void expect_safe(uint64_t epoch)
{
    unsigned rebuilt = 0;
    expect_epoch(job, epoch);
    if (!is_redundant())
        return;
    lose(loses);
    assert_int_equal(dv_level_rebuild(job, epoch, 0, &rebuilt), DV_OK);
    assert_true(rebuilt > 0);
    expect_epoch(job, epoch);
}

/* Nothing temporary, no generation before the last, no epoch but those. */
static void expect_nothing_over(void)
{
    shell("! find '%s' -name '*.tmp' | grep .", job);
    shell("test \"$(ls '%s/epochs' | wc -l)\" = \"$(ls -d '%s'/epochs/*/manifest | wc -l)\"", job,
          job);
}

/* The job goes on, as after a restart. */
static void goes_on(void)
{
    const struct dv_prune what = {.keep = 2, .place = &test_place};
    uint64_t newest = is_committed(NEW) ? NEW : OLD;
    assert_int_equal(dv_store_prune(job, &what, NULL), DV_OK);
    make_epoch(job, NEXT, newest, 1);
    assert_int_equal(dv_store_prune(job, &what, NULL), DV_OK);
    expect_nothing_over();
    expect_safe(NEXT);
}

/* ---- the kinds of work ------------------------------------------------------ */

/* The images of an epoch are durable; the supervisor commits it, or gives it up. */
static void prepare_commit(void)
{
    new_manifest = place_images(job, NEW, OLD, new_ranks);
}

static int run_commit(void *unused)
{
    (void)unused;
    enum dv_status status = dv_level_protect(&new_manifest);
    if (!status)
        status = dv_manifest_write(job, &new_manifest);
    int failed = ends(status);
    if (failed && dv_level_remove_epoch(job, &test_place, NEW))
        return 2;
    return failed;
}

static void expect_commit(enum fault_outcome outcome)
{
    if (outcome == FAULT_SURVIVED)
        assert_true(is_committed(NEW));
    if (outcome == FAULT_REPORTED)
        assert_false(is_committed(NEW));
}

/* An epoch is begun while files of one that had its number, and was given up, are there. */
static int run_begin(void *unused)
{
    (void)unused;
    return ends(dv_level_make_epoch(job, &test_place, NEW));
}

static void expect_begun(enum fault_outcome outcome)
{
    char path[PATH_MAX / 2 + 64];
    snprintf(path, sizeof path, "%s/epochs/%06u", job, NEW);
    if (outcome == FAULT_SURVIVED)
        assert_int_equal(names_in(path), 0);
}

static void prepare_chain(void)
{
    make_epoch(job, NEW, OLD, 1);
}

static int run_compact(void *unused)
{
    (void)unused;
    enum dv_status status = dv_compact_epoch(job, NEW, DV_CODEC_NONE, NULL);
    return ends(status == DV_ERR_NOTHING ? DV_OK : status);
}

static void expect_compacted(enum fault_outcome outcome)
{
    uint32_t length = 0;
    assert_int_equal(dv_store_chain_length(job, NEW, &length), DV_OK);
    if (outcome == FAULT_SURVIVED)
        assert_int_equal(length, 1);
    /* The next attempt finishes it. */
    assert_int_equal(run_compact(NULL), 0);
    assert_int_equal(dv_store_chain_length(job, NEW, &length), DV_OK);
    assert_int_equal(length, 1);
}

static void prepare_loss(void)
{
    prepare_chain();
    lose(1);
}

static int run_rebuild(void *unused)
{
    unsigned rebuilt = 0;
    (void)unused;
    return ends(dv_level_rebuild(job, NEW, 0, &rebuilt));
}

static void expect_rebuilt(enum fault_outcome outcome)
{
    unsigned rebuilt = 0;
    assert_int_equal(dv_level_rebuild(job, NEW, 0, &rebuilt), DV_OK);
    if (outcome == FAULT_SURVIVED)
        assert_int_equal(rebuilt, 0);
}

/* Epoch 1 is needed by nobody, OLD and NEW are complete. */
static void prepare_prune(void)
{
    prepare_chain();
    assert_int_equal(dv_compact_epoch(job, OLD, DV_CODEC_NONE, NULL), DV_OK);
    assert_int_equal(dv_compact_epoch(job, NEW, DV_CODEC_NONE, NULL), DV_OK);
}

static int run_prune(void *unused)
{
    const struct dv_prune what = {.keep = 2, .place = &test_place};
    (void)unused;
    return ends(dv_store_prune(job, &what, NULL));
}

static void expect_pruned(enum fault_outcome outcome)
{
    if (outcome == FAULT_SURVIVED)
        assert_string_equal(listed(job), "2 3");
}

static const struct work commit = {"commit", prepare_commit, run_commit, expect_commit};
static const struct work begin = {"begin", prepare_commit, run_begin, expect_begun};
static const struct work compact = {"compact", prepare_chain, run_compact, expect_compacted};
static const struct work rebuild = {"rebuild", prepare_loss, run_rebuild, expect_rebuilt};
static const struct work prune = {"prune", prepare_prune, run_prune, expect_pruned};

/* ---- faults ----------------------------------------------------------------- */

static const char *fault_name(int fault)
{
    return fault == FAULT_KILL    ? "a kill"
           : fault == FAULT_SHORT ? "a short write"
                                  : strerror(fault);
}

/* One fault at one call, and all that must be so afterwards. False: it is past the last call. */
static int inject(const struct work *w, int fault, long n)
{
    struct fault_result result = {.call = -1};
    put_back();
    told[0] = '\0';
    if (fault == FAULT_KILL) {
        enum kill_outcome killed = kill_point(w->run, NULL, n);
        assert_int_not_equal(killed, FAILED);
        result.outcome = killed == KILLED ? FAULT_CRASHED : FAULT_SURVIVED;
    } else {
        result = fault_point(w->run, NULL, n, (enum fault)fault);
        if (result.outcome == FAULT_NOT_REACHED)
            return 0;
        assert_int_not_equal(result.outcome, FAULT_CRASHED);
    }
    if (getenv("CHECK_VERBOSE"))
        print_message("%s at level %s: %s at %ld, call %ld: %d %s\n", w->name,
                      dv_level_name(test_place.level), fault_name(fault), n, result.call,
                      (int)result.outcome, told);
    if (result.outcome == FAULT_REPORTED)
        assert_true(strstr(told, "epoch") || strchr(told, '/'));
    w->expect(result.outcome);
    expect_epoch(job, OLD);
    if (is_committed(NEW))
        expect_safe(NEW);
    goes_on();
    return fault != FAULT_KILL || result.outcome == FAULT_CRASHED;
}

/* The calls that this fault can befall; a kill may fall before and after each. */
static long candidates(const struct fault_calls *calls, int fault, long *candidate)
{
    long count = 0;
    for (long i = 0; i < calls->count; i++) {
        if (fault == FAULT_KILL) {
            candidate[count++] = 2 * i + 1;
            candidate[count++] = 2 * i + 2;
        } else if (fault_applies(&calls->call[i], (enum fault)fault)) {
            candidate[count++] = i + 1;
        }
    }
    return count;
}

static void inject_some(const struct work *w, int fault, const struct fault_calls *calls)
{
    const char *wanted = getenv("DEJAVU_FAULTS");
    long *candidate = calloc((size_t)calls->count, 2 * sizeof *candidate);
    assert_non_null(candidate);
    long count = candidates(calls, fault, candidate),
         sample = wanted ? atol(wanted) : DEFAULT_SAMPLE;
    if (wanted && strcmp(wanted, "all") == 0)
        sample = count;
    for (long i = 0; i < count && sample > 0; i++) {
        /* Each of those that are left is as likely as the others (Knuth's algorithm S, 3.4.2). */
        if ((long)draw((uint64_t)(count - i)) >= sample)
            continue;
        sample--;
        if (!inject(w, fault, candidate[i]))
            break;
    }
    free(candidate);
}

static void use_level(enum dv_level level)
{
    test_place = (struct dv_place){.level = level,
                                   .parity = level == DV_LEVEL_RS,
                                   .node_count = level == DV_LEVEL_SHARED ? 0 : NODES,
                                   .node = level == DV_LEVEL_SHARED ? NULL : nodes};
}

static void try_at(const struct work *w, enum dv_level level)
{
    struct fault_calls calls;
    use_level(level);
    shell("rm -rf '%s' && mkdir -m 700 '%s'", job, job);
    make_epoch(job, 1, 0, 1);
    make_epoch(job, OLD, 1, 1);
    w->prepare();
    save();
    put_back();
    int possible = fault_list(w->run, NULL, &calls);
    if (!possible)
        print_message("ptrace is not possible here; %s is not tested\n", w->name);
    for (size_t f = 0; possible && f < sizeof faults / sizeof *faults; f++)
        inject_some(w, faults[f], &calls);
    free(calls.call);
}

static void commits(void **state)
{
    (void)state;
    try_at(&commit, DV_LEVEL_SHARED);
    try_at(&commit, DV_LEVEL_DISK);
    try_at(&commit, DV_LEVEL_PARTNER);
    try_at(&commit, DV_LEVEL_RS);
}

static void begins(void **state)
{
    (void)state;
    try_at(&begin, DV_LEVEL_SHARED);
    try_at(&begin, DV_LEVEL_RS);
}

static void compacts(void **state)
{
    (void)state;
    try_at(&compact, DV_LEVEL_SHARED);
    try_at(&compact, DV_LEVEL_PARTNER);
    try_at(&compact, DV_LEVEL_RS);
}

static void rebuilds(void **state)
{
    (void)state;
    try_at(&rebuild, DV_LEVEL_PARTNER);
    try_at(&rebuild, DV_LEVEL_RS);
}

static void prunes(void **state)
{
    (void)state;
    try_at(&prune, DV_LEVEL_SHARED);
    try_at(&prune, DV_LEVEL_RS);
}

static int faults_begin(void **state)
{
    const char *seed = getenv("DEJAVU_SEED");
    int failed = store_begin(state);
    snprintf(job, sizeof job, "%s/job", (const char *)*state);
    snprintf(saved, sizeof saved, "%s/saved", (const char *)*state);
    for (uint32_t i = 0; i < NODES; i++) {
        snprintf(node_paths[i], sizeof node_paths[i], "%s/node%u", job, i);
        nodes[i] = node_paths[i];
    }
    told = mmap(NULL, TOLD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    draws = seed ? strtoull(seed, NULL, 10) : 1;
    loses = (uint32_t)draw(NODES);
    return failed || told == MAP_FAILED;
}

static int faults_end(void **state)
{
    munmap(told, TOLD_BYTES);
    return store_end(state);
}

#define T(test) cmocka_unit_test_setup_teardown(test, faults_begin, faults_end)

int main(void)
{
    const struct CMUnitTest tests[] = {T(commits), T(begins), T(compacts), T(rebuilds), T(prunes)};
    check_quiet();
    cmocka_set_test_filter(getenv("CHECK_ONLY"));
    return cmocka_run_group_tests_name("store-faults", tests, NULL, NULL);
}
