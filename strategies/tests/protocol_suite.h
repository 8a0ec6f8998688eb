/* What every protocol strategy must do, checked against a core that is a script.
 *
 * The suite plays the framework: init, hooks, quiesce, then commit, aborted, or recover in the
 * state that was captured. The scripted core answers each service as the scenario says and writes
 * down who called what when. */
#ifndef DV_STRATEGIES_TESTS_PROTOCOL_SUITE_H
#define DV_STRATEGIES_TESTS_PROTOCOL_SUITE_H

#include <dejavu/protocol.h>

#include <stddef.h>

/* Run all scenarios with these options ("" or "key=value,..."). 0: the strategy conforms; otherwise
 * `why` says which scenario found what. */
int dv_protocol_conforms(const struct dv_protocol_ops *ops, const char *options, char *why,
                         size_t why_bytes);

#endif
