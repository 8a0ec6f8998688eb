/* What an application said: verification, digest and its own time, found in its standard output. */
#ifndef DV_HARNESS_OUTPUT_H
#define DV_HARNESS_OUTPUT_H

#include "harness/config/experiment.h"
#include "harness/record/schema.h"

struct dv_output {
    enum dv_verification verification;
    char digest[64]; /* "" if none */
    double seconds;  /* NaN if none */
};

enum dv_status dv_output_read(const struct dv_app *app, const char *stdout_path,
                              struct dv_output *output) DV_CHECKED;
/* The last line of a file that is not empty, for messages. */
void dv_output_last_line(const char *path, char *text, size_t text_bytes);

#endif
