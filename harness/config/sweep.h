/* Parameter sweeps: `sweep: {dirty: [1, 10]}` makes an application whose arguments say `{dirty}`
 * two applications, "stencil[dirty=1]" and "stencil[dirty=10]"; strategies by their options alike.
 * Several parameters are crossed. */
#ifndef DV_HARNESS_SWEEP_H
#define DV_HARNESS_SWEEP_H

#include "harness/config/read.h"

/* How many combinations of values the words ask for: 1 if they use no parameter. Marks those they
 * use. */
size_t dv_sweep_count(struct dv_sweep *sweep, const struct dv_names *words);
/* The words of one combination, in the experiment's memory. `*parameters`: "dirty=10 chain=4". */
struct dv_names dv_sweep_apply(const struct dv_reading *at, const struct dv_names *words,
                               size_t combination, const char **parameters);
/* "stencil[dirty=10,chain=4]" */
const char *dv_sweep_name(const struct dv_reading *at, const char *name, const char *parameters);
/* A `{word}` that is nearly a parameter is a mistake; others are the program's own business. */
enum dv_status dv_sweep_check_words(const struct dv_reading *at, yaml_node_t *node,
                                    const struct dv_names *words) DV_CHECKED;

#endif
