/* Values of options, from text. Each ends the program with a message that names the option if the text
 * is not such a value. */
#ifndef DV_ANALYSIS_OPTIONS_H
#define DV_ANALYSIS_OPTIONS_H

#include "analysis/stats/commands.h"

#include <argp.h>

double dv_option_number(const struct argp_state *state, const char *option, const char *text,
                        double above, double below);
uint64_t dv_option_count(const struct argp_state *state, const char *option, const char *text);
double dv_option_time(const struct argp_state *state, const char *option, const char *text);
double dv_option_bytes(const struct argp_state *state, const char *option, const char *text);

/* Comma-separated; `text` is cut up. */
void dv_option_times(const struct argp_state *state, const char *option, char *text,
                     struct dv_axis *axis);
void dv_option_bytes_list(const struct argp_state *state, const char *option, char *text,
                          struct dv_axis *axis);
void dv_option_counts(const struct argp_state *state, const char *option, char *text,
                      struct dv_axis *axis);
/* Times, or "optimum": 0. */
void dv_option_intervals(const struct argp_state *state, char *text, struct dv_axis *axis);
/* "exponential,weibull:0.7" */
void dv_option_laws(const struct argp_state *state, char *text, struct dv_simulation_options *o);
/* "shared,node+partner+shared/4" */
void dv_option_levels(const struct argp_state *state, char *text, struct dv_simulation_options *o);
/* "0.75,0.15" */
void dv_option_severity(const struct argp_state *state, char *text,
                        struct dv_simulation_options *o);

#endif
