#include "analysis/stats/paired.h"

#include "analysis/stats/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool any_nan(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i]))
            return true;
    }
    return false;
}

/* Twice the rank of each value's magnitude, ties sharing the mean: whole numbers. */
static bool doubled_ranks(const double *values, size_t count, size_t *ranks)
{
    double *magnitudes = malloc(count * sizeof *magnitudes);
    size_t *order = malloc(count * sizeof *order);
    bool done = magnitudes && order;
    if (done) {
        for (size_t i = 0; i < count; i++)
            magnitudes[i] = fabs(values[i]);
        gsl_sort_index(order, magnitudes, 1, count);
    }
    for (size_t first = 0, next; done && first < count; first = next) {
        for (next = first + 1; next < count && magnitudes[order[next]] == magnitudes[order[first]];)
            next++;
        for (size_t i = first; i < next; i++)
            ranks[order[i]] = first + 1 + next; /* twice the mean of first + 1 ... next */
    }
    free(order);
    free(magnitudes);
    return done;
}

/* probability[s] that the ranks which get a positive sign sum to s, each sign being an independent
 * toss; ranks 0 take no part. Room for the sum of all ranks and one more. */
static void sign_distribution(const size_t *ranks, size_t count, double *probability)
{
    size_t sum = 0;
    probability[0] = 1;
    for (size_t i = 0; i < count; i++) {
        if (ranks[i] == 0)
            continue;
        for (size_t s = sum + 1; s <= sum + ranks[i]; s++)
            probability[s] = 0;
        sum += ranks[i];
        for (size_t s = sum + 1; s-- > 0;)
            probability[s] =
                0.5 * probability[s] + (s >= ranks[i] ? 0.5 * probability[s - ranks[i]] : 0);
    }
}

/* P(sum of positive ranks <= `at_most`). */
static bool exact_tail(const size_t *ranks, size_t count, size_t at_most, double *tail)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ranks[i];
    double *probability = malloc((sum + 1) * sizeof *probability);
    if (!probability)
        return false;
    sign_distribution(ranks, count, probability);
    *tail = 0;
    for (size_t s = 0; s <= at_most && s <= sum; s++)
        *tail += probability[s];
    free(probability);
    return true;
}

static double normal_p(double distance, double correction, double variance)
{
    if (!(variance > 0))
        return 1.0;
    return fmin(1.0, 2 * gsl_cdf_ugaussian_Q(fmax(distance - correction, 0) / sqrt(variance)));
}

bool dv_stats_wilcoxon(const double *differences, size_t count, struct dv_wilcoxon *result)
{
    size_t *ranks = count && !any_nan(differences, count) ? malloc(count * sizeof *ranks) : NULL;
    bool done = ranks && doubled_ranks(differences, count, ranks);
    struct dv_wilcoxon found = {.exact = count <= DV_WILCOXON_EXACT_MAX};
    size_t positive = 0, sum = 0;
    double squares = 0;
    for (size_t i = 0; done && i < count; i++) {
        if (differences[i] == 0) {
            ranks[i] = 0;
            found.zeros++;
        }
        positive += differences[i] > 0 ? ranks[i] : 0;
        sum += ranks[i];
        squares += (double)ranks[i] * (double)ranks[i];
    }
    found.positive_ranks = (double)positive / 2;
    /* The distribution is symmetric about sum / 2. */
    size_t smaller = positive < sum - positive ? positive : sum - positive;
    if (done && found.exact) {
        done = exact_tail(ranks, count, smaller, &found.p);
        found.p = fmin(1.0, 2 * found.p);
    } else if (done) {
        /* A toss for each rank r: variance r^2 / 4. Ranks are doubled here, as is the distance. */
        found.p = normal_p((double)sum / 2 - (double)smaller, 1.0, squares / 4);
    }
    free(ranks);
    if (done)
        *result = found;
    return done;
}

/* The largest k such that at most (1 - confidence) / 2 of the distribution of W+ (no ties) lies
 * below k: the k-th Walsh average from each end bounds the interval. 0: there is none. */
static bool walsh_rank(size_t count, double confidence, size_t *rank, double *coverage)
{
    const double alpha = 1 - confidence, n = (double)count;
    if (count > DV_WILCOXON_EXACT_MAX) {
        double sd = sqrt(n * (n + 1) * (2 * n + 1) / 24);
        *rank = (size_t)floor(n * (n + 1) / 4 - gsl_cdf_ugaussian_Qinv(alpha / 2) * sd);
        *coverage = confidence;
        return true;
    }
    size_t ranks[DV_WILCOXON_EXACT_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        ranks[i] = i + 1;
    size_t most = count * (count + 1) / 2;
    double *probability = calloc(most + 1, sizeof *probability), below = 0;
    if (!probability)
        return false;
    sign_distribution(ranks, count, probability);
    for (*rank = 0; *rank < most && below + probability[*rank] <= alpha / 2; (*rank)++)
        below += probability[*rank];
    *coverage = 1 - 2 * below;
    free(probability);
    return true;
}

bool dv_stats_hodges_lehmann(const double *differences, size_t count, double confidence,
                             struct dv_estimate *shift)
{
    size_t pairs = count * (count + 1) / 2, filled = 0, rank = 0;
    double coverage = 0;
    double *walsh = count && !any_nan(differences, count) ? malloc(pairs * sizeof *walsh) : NULL;
    if (!walsh || !walsh_rank(count, confidence, &rank, &coverage)) {
        free(walsh);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i; j < count; j++)
            walsh[filled++] = 0.5 * (differences[i] + differences[j]);
    }
    gsl_sort(walsh, 1, pairs);
    *shift = (struct dv_estimate){dv_stats_median(walsh, pairs), NAN, NAN, NAN};
    if (rank > 0) {
        shift->low = walsh[rank - 1];
        shift->high = walsh[pairs - rank];
        shift->coverage = coverage;
    }
    free(walsh);
    return true;
}

struct dv_estimate dv_stats_median_estimate(const double *sample, size_t count, double confidence)
{
    struct dv_interval interval = {.low = NAN, .high = NAN, .coverage = NAN};
    (void)dv_stats_median_interval(sample, count, confidence, &interval);
    return (struct dv_estimate){dv_stats_median(sample, count), interval.low, interval.high,
                                interval.coverage};
}

bool dv_stats_paired_ratio(const double *treated, const double *base, size_t count,
                           double confidence, struct dv_estimate *ratio)
{
    double *ratios = count ? malloc(count * sizeof *ratios) : NULL;
    bool done = ratios;
    for (size_t i = 0; done && i < count; i++) {
        done = treated[i] > 0 && base[i] > 0;
        ratios[i] = treated[i] / base[i];
    }
    if (done)
        *ratio = dv_stats_median_estimate(ratios, count, confidence);
    free(ratios);
    return done;
}

bool dv_stats_holm(const double *p, size_t count, double *adjusted)
{
    size_t *order = calloc(count + 1, sizeof *order); /* the tests, smallest p first */
    size_t tests = 0;
    double largest = 0;
    if (!order)
        return false;
    for (size_t i = 0; i < count; i++) {
        adjusted[i] = NAN;
        size_t place = isnan(p[i]) ? 0 : tests++;
        for (; place > 0 && p[order[place - 1]] > p[i]; place--)
            order[place] = order[place - 1];
        if (!isnan(p[i]))
            order[place] = i;
    }
    for (size_t i = 0; i < tests; i++) {
        largest = fmax(largest, fmin(1.0, (double)(tests - i) * p[order[i]]));
        adjusted[order[i]] = largest;
    }
    free(order);
    return true;
}

bool dv_stats_equivalent(const struct dv_estimate *ratio, double margin)
{
    return ratio->low >= 1 / (1 + margin) && ratio->high <= 1 + margin;
}

/* P(at most `at_most` inversions in a random permutation). */
static double few_inversions(size_t count, size_t at_most)
{
    size_t most = count * (count - 1) / 2;
    double *probability = calloc(most + 1, sizeof *probability), tail = 0;
    double *next = calloc(most + 1, sizeof *next);
    bool done = probability && next;
    if (done)
        probability[0] = 1;
    /* The i-th value goes before 0 ... i of the i values already placed, all alike likely. */
    for (size_t i = 1; done && i < count; i++) {
        double window = 0;
        for (size_t s = 0; s <= i * (i + 1) / 2; s++) {
            window += probability[s] - (s > i ? probability[s - i - 1] : 0);
            next[s] = window / (double)(i + 1);
        }
        memcpy(probability, next, (most + 1) * sizeof *probability);
    }
    for (size_t s = 0; done && s <= at_most && s <= most; s++)
        tail += probability[s];
    free(next);
    free(probability);
    return done ? tail : NAN;
}

/* n (n-1) (2n+5) less t (t-1) (2t+5) for each group of t equal values, over 18. */
static double kendall_variance(const double *values, size_t count, bool *ties)
{
    double *sorted = malloc(count * sizeof *sorted), n = (double)count;
    double sum = n * (n - 1) * (2 * n + 5);
    if (!sorted)
        return NAN;
    memcpy(sorted, values, count * sizeof *sorted);
    gsl_sort(sorted, 1, count);
    *ties = false;
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first + 1; next < count && sorted[next] == sorted[first];)
            next++;
        double t = (double)(next - first);
        sum -= t * (t - 1) * (2 * t + 5);
        *ties = *ties || next > first + 1;
    }
    free(sorted);
    return sum / 18;
}

double dv_stats_drift(const double *values, size_t count)
{
    size_t rising = 0, falling = 0;
    bool ties = false;
    if (count < 3 || any_nan(values, count))
        return NAN;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            rising += values[j] > values[i];
            falling += values[j] < values[i];
        }
    }
    double variance = kendall_variance(values, count, &ties);
    size_t fewer = rising < falling ? rising : falling;
    if (!(variance > 0))
        return NAN;
    if (!ties && count <= DV_KENDALL_EXACT_MAX)
        return fmin(1.0, 2 * few_inversions(count, fewer));
    return normal_p((double)(rising + falling - 2 * fewer), 1.0, variance);
}
