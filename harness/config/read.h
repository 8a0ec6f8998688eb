/* Readers of the values in an experiment file; used by the key table only. Each reads one YAML node
 * into `field`, a member of the experiment, and says what is wrong with file, line and column. */
#ifndef DV_HARNESS_READ_H
#define DV_HARNESS_READ_H

#include "harness/config/experiment.h"
#include "harness/config/yaml.h"

/* One value being read. */
struct dv_reading {
    struct dv_experiment *experiment;
    struct dv_yaml *yaml;
    const char *key;
};

typedef enum dv_status dv_reader(const struct dv_reading *at, yaml_node_t *node, void *field);

dv_reader dv_read_string, dv_read_count, dv_read_positive, dv_read_duration, dv_read_yes_no,
    dv_read_keep, dv_read_cache, dv_read_pin, dv_read_names, dv_read_rank_list, dv_read_intervals,
    dv_read_sweep, dv_read_strategies, dv_read_faults, dv_read_applications;

/* A whole number within bounds. */
enum dv_status dv_read_integer(const struct dv_reading *at, yaml_node_t *node, int64_t least,
                               int64_t most, int64_t *value) DV_CHECKED;

/* After all keys: programs are looked for, rank counts checked against what is known of
 * applications. */
enum dv_status dv_experiment_check_apps(struct dv_experiment *experiment) DV_CHECKED;

#endif
