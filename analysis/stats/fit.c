#include "analysis/stats/fit.h"

#include "analysis/stats/stats.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TERMS 2
#define CLUSTERS_MIN 6

/* Where a cluster's points begin, and one more place behind the last. */
struct clusters {
    size_t *first, count;
};

static bool find_clusters(const struct dv_point *points, size_t count, struct clusters *clusters)
{
    *clusters = (struct clusters){.first = malloc((count + 1) * sizeof(size_t))};
    if (!clusters->first)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || points[i].cluster != points[i - 1].cluster)
            clusters->first[clusters->count++] = i;
    }
    clusters->first[clusters->count] = count;
    return true;
}

static double largest_x(const struct dv_point *points, size_t count, double *range)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, points[i].x);
        high = fmax(high, points[i].x);
    }
    *range = high - low;
    return high;
}

/* x is divided by its largest value for the fit: bytes beside a constant 1 would cost digits. */
static bool fit_robust(const struct dv_point *points, size_t count, double *a, double *b)
{
    double range, scale = largest_x(points, count, &range);
    if (count <= TERMS || !(scale > 0) || range < DV_FIT_RANGE_MIN * scale)
        return false;
    gsl_matrix *x = gsl_matrix_alloc(count, TERMS), *covariance = gsl_matrix_alloc(TERMS, TERMS);
    gsl_vector *y = gsl_vector_alloc(count), *c = gsl_vector_alloc(TERMS);
    gsl_multifit_robust_workspace *work =
        gsl_multifit_robust_alloc(gsl_multifit_robust_bisquare, count, TERMS);
    bool done = x && covariance && y && c && work;
    for (size_t i = 0; done && i < count; i++) {
        gsl_matrix_set(x, i, 0, 1);
        gsl_matrix_set(x, i, 1, points[i].x / scale);
        gsl_vector_set(y, i, points[i].y);
    }
    if (done) {
        int status = gsl_multifit_robust(x, y, c, covariance, work);
        done = status == GSL_SUCCESS || status == GSL_EMAXITER;
    }
    done = done && isfinite(gsl_vector_get(c, 0)) && isfinite(gsl_vector_get(c, 1));
    if (done) {
        *a = gsl_vector_get(c, 0);
        *b = gsl_vector_get(c, 1) / scale;
    }
    gsl_multifit_robust_free(work);
    gsl_vector_free(c);
    gsl_vector_free(y);
    gsl_matrix_free(covariance);
    gsl_matrix_free(x);
    return done;
}

static bool fit_constant(const struct dv_point *points, size_t count, double *a)
{
    double *y = malloc(count * sizeof *y);
    if (!y)
        return false;
    for (size_t i = 0; i < count; i++)
        y[i] = points[i].y;
    *a = dv_stats_median(y, count);
    free(y);
    return true;
}

/* As many clusters as there are, drawn with replacement. Returns the number of points. */
static size_t resample(const struct dv_point *points, const struct clusters *clusters, gsl_rng *rng,
                       struct dv_point *drawn)
{
    size_t count = 0;
    for (size_t i = 0; i < clusters->count; i++) {
        size_t chosen = gsl_rng_uniform_int(rng, clusters->count);
        size_t first = clusters->first[chosen], size = clusters->first[chosen + 1] - first;
        memcpy(drawn + count, points + first, size * sizeof *points);
        count += size;
    }
    return count;
}

static void set_interval(struct dv_estimate *estimate, const double *values, size_t count,
                         double confidence)
{
    estimate->low = dv_stats_quantile(values, count, (1 - confidence) / 2);
    estimate->high = dv_stats_quantile(values, count, (1 + confidence) / 2);
    estimate->coverage = confidence;
}

/* Resamples in which x hardly varies have no slope and are drawn again, up to as many times as there
 * are resamples. */
static bool bootstrap(const struct dv_point *points, const struct clusters *clusters,
                      double confidence, size_t resamples, gsl_rng *rng, struct dv_line *line)
{
    size_t largest = 0, fitted = 0;
    const bool slope = !isnan(line->b.value);
    for (size_t i = 0; i < clusters->count; i++) {
        size_t size = clusters->first[i + 1] - clusters->first[i];
        largest = size > largest ? size : largest;
    }
    struct dv_point *drawn = malloc(largest * clusters->count * sizeof *drawn);
    double *a = malloc(resamples * sizeof *a), *b = malloc(resamples * sizeof *b);
    bool done = drawn && a && b;
    for (size_t i = 0; done && i < 2 * resamples && fitted < resamples; i++) {
        size_t count = resample(points, clusters, rng, drawn);
        fitted += slope ? fit_robust(drawn, count, &a[fitted], &b[fitted])
                        : fit_constant(drawn, count, &a[fitted]);
    }
    if (done && fitted == resamples) {
        set_interval(&line->a, a, fitted, confidence);
        if (slope)
            set_interval(&line->b, b, fitted, confidence);
    }
    free(b);
    free(a);
    free(drawn);
    return done;
}

static bool set_residuals(const struct dv_point *points, size_t count, struct dv_line *line)
{
    double *residuals = malloc(count * sizeof *residuals);
    double slope = isnan(line->b.value) ? 0 : line->b.value;
    if (!residuals)
        return false;
    for (size_t i = 0; i < count; i++)
        residuals[i] = fabs(points[i].y - line->a.value - slope * points[i].x);
    line->residual_median = dv_stats_median(residuals, count);
    free(residuals);
    return true;
}

bool dv_fit_line(const struct dv_point *points, size_t count, double confidence, size_t resamples,
                 uint64_t seed, struct dv_line *line)
{
    const struct dv_estimate none = {NAN, NAN, NAN, NAN};
    struct dv_line found = {.a = none, .b = none};
    struct clusters clusters = {0};
    if (count < TERMS + 1 || !find_clusters(points, count, &clusters))
        return false;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    bool done = rng && (fit_robust(points, count, &found.a.value, &found.b.value) ||
                        fit_constant(points, count, &found.a.value));
    if (done)
        gsl_rng_set(rng, (unsigned long)seed);
    if (done && clusters.count >= CLUSTERS_MIN && resamples > 0)
        done = bootstrap(points, &clusters, confidence, resamples, rng, &found);
    done = done && set_residuals(points, count, &found);
    found.points = count;
    found.clusters = clusters.count;
    if (rng)
        gsl_rng_free(rng);
    gsl_set_error_handler(handler);
    free(clusters.first);
    if (done)
        *line = found;
    return done;
}
