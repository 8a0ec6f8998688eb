/* Options of strategies and commands: one table drives parser, help, manual and --show-config. */
#ifndef DEJAVU_OPTION_H
#define DEJAVU_OPTION_H

#include <dejavu/status.h>

#include <stddef.h>
#include <stdint.h>

enum dv_option_type {
    DV_OPTION_BOOL,    /* int: yes/no */
    DV_OPTION_INT,     /* int64_t */
    DV_OPTION_BYTES,   /* uint64_t: 4096, 64K, 1M, 2G (binary units) */
    DV_OPTION_SECONDS, /* double: 10, 10s, 200ms, 5m, 1h */
    DV_OPTION_STRING,  /* char[64] in the state */
};

/* One option of a strategy. `offset` is where the value lives in the strategy's state; the framework fills the state
 * with the defaults and then with what the configuration says, before init() is called. A table ends with {0}. */
struct dv_option {
    const char *name, *default_value, *help;
    size_t offset;
    enum dv_option_type type;
};

#define DV_OPTION_STRING_BYTES 64

/* Fill `state` from the table's defaults and then from `settings` ("key=value,key=value", may be NULL or empty).
 * On error `why` (of `why_bytes`) says what is wrong, with a "did you mean". */
enum dv_status dv_options_apply(const struct dv_option *table, const char *settings, void *state,
                                char *why, size_t why_bytes) DV_CHECKED;

/* The candidate nearest to `word` by edit distance, or NULL if none is near. `names` ends with NULL. */
const char *dv_did_you_mean(const char *word, const char *const *names);

/* Parse "10s", "200ms", "1.5m", "2h" or plain seconds; "64K", "1M", "2G" or plain bytes. */
enum dv_status dv_parse_seconds(const char *text, double *seconds) DV_CHECKED;
enum dv_status dv_parse_bytes(const char *text, uint64_t *bytes) DV_CHECKED;

#endif
