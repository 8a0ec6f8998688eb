/* What every capture strategy must do, checked against a core that is a script.
 *
 * The suite maps a few regions, writes pages, and plays the framework: arm, select, committed or
 * aborted. It keeps a model of the store beside:
 *
 *      truth[page]    what was last written to the page
 *      store[page]    what a restore of the last committed epoch would give
 *
 * After every select the epoch's restore is worked out: selected pages from `truth`, unless the
 * strategy's `changed` says that they are as in the parent; the others that hold information from
 * `store`, if the strategy is not DV_CAPTURE_COMPLETE and there is a parent; the rest zero. It must
 * equal `truth` on every live page. Nothing is assumed of how a strategy finds its pages. The core
 * offers one tracker, "scripted". */
#ifndef DV_STRATEGIES_TESTS_CAPTURE_SUITE_H
#define DV_STRATEGIES_TESTS_CAPTURE_SUITE_H

#include <dejavu/capture.h>

#include <stddef.h>

/* Run all scenarios with these options ("" or "key=value,..."). 0: the strategy conforms; otherwise
 * `why` says which scenario found what. */
int dv_capture_conforms(const struct dv_capture_ops *ops, const char *options, char *why,
                        size_t why_bytes);

#endif
