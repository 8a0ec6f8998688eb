#include "analysis/stats/optimum.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_min.h>
#include <math.h>

#define ITERATIONS_MAX 200
#define PRECISION 1e-10

double dv_interval_young(double cost_s, double mtbf_s)
{
    return sqrt(2 * cost_s * mtbf_s);
}

double dv_interval_daly(double cost_s, double mtbf_s)
{
    if (cost_s >= 2 * mtbf_s)
        return mtbf_s;
    double share = cost_s / (2 * mtbf_s);
    return dv_interval_young(cost_s, mtbf_s) * (1 + sqrt(share) / 3 + share / 9) - cost_s;
}

/* log of the time for one unit of work, without overflow; in units of the MTBF. */
static double log_time(double interval, double cost, double restart)
{
    double segment = interval + cost;
    return restart + segment + log(-expm1(-segment)) - log(interval);
}

double dv_interval_efficiency(double interval_s, double cost_s, double restart_s, double mtbf_s)
{
    return exp(-log_time(interval_s / mtbf_s, cost_s / mtbf_s, restart_s / mtbf_s));
}

/* As a function of the interval's logarithm, so that the search is as fine for short intervals as
 * for long ones. */
static double log_time_of_log(double log_interval, void *cost)
{
    return log_time(exp(log_interval), *(double *)cost, 0);
}

static double minimise(gsl_min_fminimizer *minimizer, double cost)
{
    gsl_function function = {log_time_of_log, &cost};
    /* The minimum is never beyond the MTBF, and near Young's interval while that is short. */
    double middle = log(fmin(sqrt(2 * cost), 1.0));
    if (gsl_min_fminimizer_set(minimizer, &function, middle, middle - 10, log(10.0)) != GSL_SUCCESS)
        return NAN;
    for (int i = 0; i < ITERATIONS_MAX; i++) {
        if (gsl_min_fminimizer_iterate(minimizer) != GSL_SUCCESS)
            break;
        if (gsl_min_test_interval(gsl_min_fminimizer_x_lower(minimizer),
                                  gsl_min_fminimizer_x_upper(minimizer), PRECISION,
                                  0) == GSL_SUCCESS)
            break;
    }
    return exp(gsl_min_fminimizer_x_minimum(minimizer));
}

double dv_interval_exact(double cost_s, double mtbf_s)
{
    if (!(cost_s >= 0) || !(mtbf_s > 0))
        return NAN;
    if (cost_s == 0)
        return 0;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    gsl_min_fminimizer *minimizer = gsl_min_fminimizer_alloc(gsl_min_fminimizer_brent);
    double interval = minimizer ? minimise(minimizer, cost_s / mtbf_s) : NAN;
    if (minimizer)
        gsl_min_fminimizer_free(minimizer);
    gsl_set_error_handler(handler);
    return interval * mtbf_s;
}
