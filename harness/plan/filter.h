/* `--filter`: which of a plan's cells this session runs.
 *
 *     application=cg,strategy~incremental,interval!=10s
 *
 * All terms must hold: = equal, != not, ~ contains, !~ does not. What is compared: application,
 * class, ranks, strategy, system, interval, fault, cell (the whole label), or a parameter of `sweep`.
 */
#ifndef DV_HARNESS_FILTER_H
#define DV_HARNESS_FILTER_H

#include "harness/plan/plan.h"

/* `chosen[cell]`: the cell matches, or it is a base of a group in which another cell does, because
 * runs are compared with the bases and verified by them. NULL or "": all are. Says what is wrong
 * with the expression (DV_ERR_USAGE), also when it matches nothing. */
enum dv_status dv_filter_choose(const char *expression, const struct dv_experiment *experiment,
                                const struct dv_plan *plan, bool *chosen) DV_CHECKED;

#endif
