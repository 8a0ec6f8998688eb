/* How often to checkpoint: failures at exponential times with mean `mtbf`, a checkpoint that stops
 * the job for `cost`, a recovery that takes `restart`; all in one unit of time (s here). */
#ifndef DV_ANALYSIS_OPTIMUM_H
#define DV_ANALYSIS_OPTIMUM_H

/* sqrt(2 cost mtbf) (J. W. Young, CACM 17, 1974). */
double dv_interval_young(double cost_s, double mtbf_s);

/* J. T. Daly, Future Generation Computer Systems 22, 2006: sqrt(2 c M) [1 + sqrt(c / 2M) / 3
 * + (c / 2M) / 9] - c for c < 2 M, else M. */
double dv_interval_daly(double cost_s, double mtbf_s);

/* The interval that minimises Daly's exact expected running time
 *     T = M exp(R / M) (exp((interval + cost) / M) - 1) work / interval
 * found numerically. 0 for cost 0; NaN: a negative value, or no minimum found. */
double dv_interval_exact(double cost_s, double mtbf_s);

/* work / T of the same formula: the useful share of the expected running time. */
double dv_interval_efficiency(double interval_s, double cost_s, double restart_s, double mtbf_s);

#endif
