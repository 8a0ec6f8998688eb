/* Pruning: which epochs go. How files go is in remove.c.
 *
 * An epoch dies in this order, so that a kill at any point leaves either a whole committed epoch or one that the next
 * prune takes for never committed: its manifest is removed and the directory synced; its files are removed or recycled, on
 * the nodes and in the job directory; the directories go. Nothing is touched before all manifests have been read. */
#include "store/prune.h"

#include "common/fail.h"
#include "common/io.h"
#include "store/epochs.h"
#include "store/manifest.h"
#include "store/remove.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "store"

struct epoch {
    uint64_t number, parent;
    uint32_t generation;
    enum dv_status state; /* of its manifest: DV_OK, DV_ERR_NOT_FOUND, DV_ERR_DAMAGED */
    bool keep;
};

/* Everything that is known before anything is touched. */
struct survey {
    const struct dv_prune *what;
    struct epoch *epochs;
    size_t epoch_count;
    char **bases; /* the job directory, then all nodes */
    size_t base_count;
};

static enum dv_status add_base(struct survey *s, const char *path)
{
    for (size_t i = 0; i < s->base_count; i++)
        if (strcmp(s->bases[i], path) == 0)
            return DV_OK;
    char **larger = realloc(s->bases, (s->base_count + 1) * sizeof *larger);
    if (larger)
        s->bases = larger;
    char *copy = larger ? strdup(path) : NULL;
    if (!copy)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot prune: out of memory");
    s->bases[s->base_count++] = copy;
    return DV_OK;
}

static enum dv_status add_nodes(struct survey *s, const struct dv_place *place)
{
    enum dv_status status = DV_OK;
    for (uint32_t i = 0; place && !status && i < place->node_count; i++)
        status = add_base(s, place->node[i]);
    return status;
}

static enum dv_status read_epoch(struct survey *s, const char *job, uint64_t number)
{
    struct dv_manifest m;
    enum dv_status state = dv_manifest_read(job, number, &m), status = DV_OK;
    if (state && state != DV_ERR_NOT_FOUND && state != DV_ERR_DAMAGED)
        return state;
    struct epoch *e = &s->epochs[s->epoch_count++];
    *e = (struct epoch){.number = number, .state = state};
    if (state == DV_OK) {
        e->parent = m.parent_epoch;
        e->generation = m.generation;
        status = add_nodes(s, &m.place);
        dv_manifest_free(&m);
    }
    return status;
}

static enum dv_status read_all(struct survey *s, const char *job)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    enum dv_status status = dv_epochs_scan(job, &numbers, &n);
    if (!status && !(s->epochs = calloc(n ? n : 1, sizeof *s->epochs)))
        status = dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot prune %s: out of memory", job);
    if (!status)
        status = add_base(s, job);
    if (!status)
        status = add_nodes(s, s->what->place);
    for (size_t i = 0; s->epochs && i < n && !status; i++)
        status = read_epoch(s, job, numbers[i]);
    free(numbers);
    return status;
}

static struct epoch *find(const struct survey *s, uint64_t number)
{
    for (size_t i = 0; i < s->epoch_count; i++)
        if (s->epochs[i].number == number)
            return &s->epochs[i];
    return NULL;
}

/* An epoch that is kept needs its parent, and that one its own. Parents are older: one pass from the newest on. */
static void keep_parents(struct survey *s)
{
    for (size_t i = s->epoch_count; i-- > 0;) {
        const struct epoch *e = &s->epochs[i];
        struct epoch *parent = e->keep && e->state == DV_OK ? find(s, e->parent) : NULL;
        if (parent)
            parent->keep = true;
    }
}

static bool is_bad(const struct dv_prune *what, uint64_t number)
{
    for (size_t i = 0; i < what->bad_count; i++)
        if (what->bad[i] == number)
            return true;
    return false;
}

static void judge(struct survey *s)
{
    unsigned good = 0;
    for (size_t i = s->epoch_count; i-- > 0;) {
        struct epoch *e = &s->epochs[i];
        bool bad = is_bad(s->what, e->number);
        if (e->state == DV_ERR_NOT_FOUND)
            e->keep = false;
        else
            /* A damaged manifest among the newest is left for a person to look at; neither it nor an epoch known to be
             * damaged counts. */
            e->keep = good < s->what->keep && !(bad && e->state == DV_OK);
        good += e->state == DV_OK && !bad;
        e->keep |= e->number == s->what->pinned || e->number == s->what->writing;
    }
    keep_parents(s);
}

/* The epoch is none any more from here on. */
static enum dv_status remove_manifest(const char *job, uint64_t number)
{
    char directory[PATH_MAX], manifest[PATH_MAX + 16];
    dv_epoch_directory(job, number, directory, sizeof directory);
    snprintf(manifest, sizeof manifest, "%s/manifest", directory);
    if (unlink(manifest) < 0 && errno != ENOENT) {
        int error = errno;
        return dv_fail(MODULE, dv_status_from_errno(error), "cannot remove %s: %s", manifest,
                       strerror(error));
    }
    return dv_sync_directory(directory);
}

static void note(enum dv_status *first, enum dv_status status)
{
    if (!*first)
        *first = status;
}

/* One epoch's directory below one base. */
static enum dv_status treat(const struct survey *s, const char *base, uint64_t number,
                            struct dv_remove *remove)
{
    char directory[PATH_MAX];
    const struct epoch *e = find(s, number);
    if (number == s->what->writing || number == s->what->pinned)
        return DV_OK;
    dv_epoch_directory(base, number, directory, sizeof directory);
    remove->base = base;
    remove->recycle = !s->what->spares && number > s->what->mapped;
    if (!e || !e->keep)
        return dv_remove_epoch(remove, directory);
    return e->state == DV_OK ? dv_remove_stale(remove, directory, e->generation) : DV_OK;
}

static enum dv_status prune_base(const struct survey *s, const char *base, bool is_job,
                                 struct dv_remove *remove)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    /* A node that is lost, or was never used, has nothing to remove. */
    if (!is_job && access(base, F_OK) != 0 && errno == ENOENT)
        return DV_OK;
    enum dv_status first = dv_epochs_scan(base, &numbers, &n);
    if (first)
        return first;
    for (size_t i = 0; i < n; i++) {
        note(&first, treat(s, base, numbers[i], remove));
        if (is_job && !(find(s, numbers[i]) && find(s, numbers[i])->keep))
            remove->pruned.epochs++;
    }
    free(numbers);
    if (s->what->spares)
        note(&first, dv_remove_spares(remove, base));
    return first;
}

static enum dv_status prune(const struct survey *s, const char *job, struct dv_remove *remove)
{
    enum dv_status first = DV_OK;
    for (size_t i = 0; i < s->epoch_count && !first; i++)
        if (!s->epochs[i].keep && s->epochs[i].state != DV_ERR_NOT_FOUND)
            first = remove_manifest(job, s->epochs[i].number);
    if (first)
        return first;
    /* The nodes first: while the job directory has the epoch's directory, a prune that was killed is gone on with. */
    for (size_t i = s->base_count; i-- > 0;)
        note(&first, prune_base(s, s->bases[i], i == 0, remove));
    return first;
}

enum dv_status dv_store_prune(const char *job, const struct dv_prune *what,
                              struct dv_pruned *pruned)
{
    struct survey s = {.what = what};
    struct dv_remove remove = {0};
    if (what->keep == 0)
        return dv_fail(MODULE, DV_ERR_USAGE, "at least one epoch must be kept");
    enum dv_status status = read_all(&s, job);
    for (size_t i = 0; what->check_writers && i < s.base_count && !status; i++)
        status = dv_remove_check_writers(s.bases[i]);
    if (!status) {
        judge(&s);
        status = prune(&s, job, &remove);
    }
    if (pruned)
        *pruned = remove.pruned;
    for (size_t i = 0; i < s.base_count; i++)
        free(s.bases[i]);
    free(s.bases);
    free(s.epochs);
    return status;
}

enum dv_status dv_manifest_prune(const char *job, unsigned keep)
{
    const struct dv_prune what = {.keep = keep};
    return dv_store_prune(job, &what, NULL);
}
