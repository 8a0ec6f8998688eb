/* Two campaigns cell by cell, or two strategies of one campaign. B against A.
 *
 * Strategies of one campaign are paired by block: ratios with order-statistic intervals, Wilcoxon's
 * signed-rank test, the Hodges-Lehmann shift. Campaigns were not made in the same blocks: Wilcoxon's
 * rank-sum test, the Hodges-Lehmann shift of two samples. Holm's adjustment over all rows. */
#include "analysis/stats/paired.h"
#include "analysis/stats/stats.h"
#include "analysis/stats/unpaired.h"
#include "harness/cli/commands.h"
#include "harness/cli/report_data.h"
#include "harness/config/arena.h"
#include "harness/config/say.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95
#define MARGIN 0.02 /* ratios within 1/1.02 .. 1.02 are equal; that of dejavu-stats */

struct row {
    char label[DV_LABEL_BYTES];
    size_t count_a, count_b; /* pairs: both the same */
    double median_a, median_b, p, p_holm;
    struct dv_estimate ratio, shift;
};

struct comparison {
    struct row *rows;
    size_t count;
    bool paired;
};

static struct row *add_row(struct comparison *c)
{
    static const struct dv_estimate unknown = {NAN, NAN, NAN, NAN};
    c->rows = dv_reallocate(c->rows, c->count + 1, sizeof *c->rows);
    c->rows[c->count] = (struct row){.p = NAN, .p_holm = NAN, .ratio = unknown, .shift = unknown};
    return &c->rows[c->count++];
}

/* Room for the samples of both sides. */
static double *samples(const struct dv_report_data *a, const struct dv_report_data *b)
{
    size_t count = a->tables->table[DV_TABLE_RUNS].count + b->tables->table[DV_TABLE_RUNS].count;
    return dv_reallocate(NULL, 3 * count + 1, sizeof(double));
}

/* ---- one campaign -------------------------------------------------------- */

static void compare_pairs(struct comparison *c, const char *label, const double *a, const double *b,
                          size_t count, double *differences)
{
    struct dv_wilcoxon test;
    struct row *row = add_row(c);
    snprintf(row->label, sizeof row->label, "%s", label);
    row->count_a = row->count_b = count;
    row->median_a = dv_stats_median(a, count);
    row->median_b = dv_stats_median(b, count);
    for (size_t i = 0; i < count; i++)
        differences[i] = b[i] - a[i];
    if (!dv_stats_paired_ratio(b, a, count, CONFIDENCE, &row->ratio) ||
        !dv_stats_hodges_lehmann(differences, count, CONFIDENCE, &row->shift))
        return;
    if (dv_stats_wilcoxon(differences, count, &test))
        row->p = test.p;
}

/* The same but for the strategy. */
static bool are_counterparts(const struct dv_treatment *a, const struct dv_treatment *b)
{
    bool same_interval = isnan(a->example->interval_s) ||
                         isnan(b->example->interval_s) /* a base */ ||
                         a->example->interval_s == b->example->interval_s;
    bool base = a->example->strategy_kind != b->example->strategy_kind;
    return same_interval && (base || strcmp(a->example->fault, b->example->fault) == 0);
}

static void compare_strategies(const struct dv_report_data *d, const char *name_a,
                               const char *name_b, struct comparison *c)
{
    double *a = samples(d, d), *b = a + d->tables->table[DV_TABLE_RUNS].count;
    for (size_t i = 0; i < d->group_count * d->treatment_count * d->treatment_count; i++) {
        size_t group = i / (d->treatment_count * d->treatment_count);
        const struct dv_treatment *ta = &d->treatments[i / d->treatment_count % d->treatment_count];
        const struct dv_treatment *tb = &d->treatments[i % d->treatment_count];
        char label[DV_LABEL_BYTES];
        if (strcmp(ta->example->strategy, name_a) != 0 ||
            strcmp(tb->example->strategy, name_b) != 0 || !are_counterparts(ta, tb))
            continue;
        size_t count = dv_sample_pairs(d, group, (size_t)(ta - d->treatments),
                                       (size_t)(tb - d->treatments), DV_MEASURE_WALL, a, b);
        snprintf(label, sizeof label, "%s %s", d->groups[group].label, tb->label);
        if (count)
            compare_pairs(c, label, a, b, count, b + d->tables->table[DV_TABLE_RUNS].count);
    }
    free(a);
}

static enum dv_status check_strategy(const struct dv_report_data *d, const char *name)
{
    char names[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < d->treatment_count; i++) {
        const char *known = d->treatments[i].example->strategy;
        if (strcmp(known, name) == 0)
            return DV_OK;
        if (!strstr(names, known) && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     known);
    }
    return dv_bench_fail(DV_ERR_USAGE, "compare: there is no strategy '%s'; there are: %s", name,
                         names);
}

/* ---- two campaigns ------------------------------------------------------- */

static void compare_cells(const struct dv_report_data *da, const struct dv_report_data *db,
                          const size_t at_a[2], const size_t at_b[2], struct comparison *c)
{
    double *a = samples(da, db), *b = a + da->tables->table[DV_TABLE_RUNS].count;
    size_t count_a = dv_sample_times(da, at_a[0], at_a[1], DV_MEASURE_WALL, a);
    size_t count_b = dv_sample_times(db, at_b[0], at_b[1], DV_MEASURE_WALL, b);
    if (count_a && count_b) {
        struct row *row = add_row(c);
        snprintf(row->label, sizeof row->label, "%s %s", da->groups[at_a[0]].label,
                 da->treatments[at_a[1]].label);
        row->count_a = count_a;
        row->count_b = count_b;
        row->median_a = dv_stats_median(a, count_a);
        row->median_b = dv_stats_median(b, count_b);
        row->ratio.value = row->median_b / row->median_a;
        row->p = dv_stats_rank_sum(a, count_a, b, count_b);
        if (dv_stats_shift(a, count_a, b, count_b, CONFIDENCE, &row->shift)) {
            /* The shift on the scale of A's median. */
            row->ratio.low = 1 + row->shift.low / row->median_a;
            row->ratio.high = 1 + row->shift.high / row->median_a;
        }
    }
    free(a);
}

static bool find_cell(const struct dv_report_data *d, const char *group, const char *treatment,
                      size_t at[2])
{
    for (at[0] = 0; at[0] < d->group_count; at[0]++) {
        if (strcmp(d->groups[at[0]].label, group) != 0)
            continue;
        for (at[1] = 0; at[1] < d->treatment_count; at[1]++) {
            if (strcmp(d->treatments[at[1]].label, treatment) == 0)
                return true;
        }
    }
    return false;
}

static void compare_campaigns(const struct dv_report_data *da, const struct dv_report_data *db,
                              struct comparison *c)
{
    for (size_t g = 0; g < da->group_count; g++) {
        for (size_t t = 0; t < da->treatment_count; t++) {
            size_t at_a[2] = {g, t}, at_b[2];
            if (find_cell(db, da->groups[g].label, da->treatments[t].label, at_b))
                compare_cells(da, db, at_a, at_b, c);
        }
    }
}

/* ---- printing ------------------------------------------------------------ */

static const char *verdict(const struct row *row)
{
    if (dv_stats_equivalent(&row->ratio, MARGIN))
        return "equivalent";
    if (!(row->p_holm < 1 - CONFIDENCE))
        return "undecided";
    return row->shift.value > 0 ? "slower" : "faster";
}

static void print_estimate(const struct dv_estimate *e, const char *format, FILE *out)
{
    char value[32] = "-", low[32] = "-", high[32] = "-", text[120];
    if (!isnan(e->value))
        snprintf(value, sizeof value, format, e->value);
    if (!isnan(e->low)) {
        snprintf(low, sizeof low, format, e->low);
        snprintf(high, sizeof high, format, e->high);
    }
    snprintf(text, sizeof text, "%s [%s, %s]", value, low, high);
    fprintf(out, "  %-26s", text);
}

static void print_comparison(const struct comparison *c, const char *name_a, const char *name_b,
                             FILE *out)
{
    int width = 10;
    for (size_t i = 0; i < c->count; i++)
        width = (int)strlen(c->rows[i].label) > width ? (int)strlen(c->rows[i].label) : width;
    fprintf(out,
            "A: %s\nB: %s\nwall time; %s; 95 %% intervals; p adjusted after Holm over %zu "
            "rows; equivalent: within %g %%\n\n",
            name_a, name_b,
            c->paired ? "paired by block, Wilcoxon's signed-rank test, shift after Hodges and "
                        "Lehmann"
                      : "unpaired, Wilcoxon's rank-sum test, shift after Hodges and Lehmann; ratio "
                        "of medians, its interval from the shift",
            c->count, 100 * MARGIN);
    fprintf(out, "%-*s %7s %9s %9s  %-26s  %-26s %8s %8s  B is\n", width, "", "n", "A s", "B s",
            "B/A", "B-A s", "p", "p Holm");
    for (size_t i = 0; i < c->count; i++) {
        const struct row *row = &c->rows[i];
        char count[48];
        snprintf(count, sizeof count, c->paired ? "%zu" : "%zu/%zu", row->count_a, row->count_b);
        fprintf(out, "%-*s %7s %9.3f %9.3f", width, row->label, count, row->median_a,
                row->median_b);
        print_estimate(&row->ratio, "%.3f", out);
        print_estimate(&row->shift, "%+.3f", out);
        fprintf(out, " %8.2g %8.2g  %s\n", row->p, row->p_holm, verdict(row));
    }
}

static enum dv_status finish(struct comparison *c, const char *name_a, const char *name_b,
                             FILE *out)
{
    double *p = dv_reallocate(NULL, 2 * c->count + 1, sizeof *p);
    for (size_t i = 0; i < c->count; i++)
        p[i] = c->rows[i].p;
    bool adjusted = dv_stats_holm(p, c->count, p + c->count);
    for (size_t i = 0; adjusted && i < c->count; i++)
        c->rows[i].p_holm = p[c->count + i];
    free(p);
    if (c->count == 0)
        return dv_bench_fail(DV_ERR_NOTHING,
                             "compare: %s and %s have no cell in common with good, measured runs",
                             name_a, name_b);
    print_comparison(c, name_a, name_b, out);
    return DV_OK;
}

enum dv_status dv_command_compare(const struct dv_request *request, FILE *out)
{
    const char *const *names = request->paths;
    char path[PATH_MAX];
    struct dv_tables a, b = {0};
    struct dv_report_data da, db = {0};
    struct dv_store_info info;
    struct comparison c = {.paired = request->path_count == 3};
    enum dv_status status = dv_request_load(request, names[0], out, path, &a, &info);
    if (status != DV_OK)
        return status;
    dv_report_data_make(&a, &da);
    if (c.paired) {
        status = check_strategy(&da, names[1]);
        if (status == DV_OK)
            status = check_strategy(&da, names[2]);
        if (status == DV_OK) {
            compare_strategies(&da, names[1], names[2], &c);
            status = finish(&c, names[1], names[2], out);
        }
    } else {
        status = dv_request_load(request, names[1], out, path, &b, &info);
        if (status == DV_OK) {
            dv_report_data_make(&b, &db);
            compare_campaigns(&da, &db, &c);
            status = finish(&c, names[0], names[1], out);
        }
    }
    free(c.rows);
    dv_report_data_free(&da);
    dv_report_data_free(&db);
    dv_tables_clear(&a);
    if (b.table[0].kind)
        dv_tables_clear(&b);
    return status;
}
