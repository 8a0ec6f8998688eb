/* What the parts of a report share. */
#ifndef DV_HARNESS_REPORT_PRINT_H
#define DV_HARNESS_REPORT_PRINT_H

#include "harness/cli/report_data.h"

#include <stdio.h>

struct printing {
    const struct dv_report_data *data;
    double *values; /* room for any sample */
    FILE *out;
    int width;   /* of the first column */
    bool ranges; /* some cell had too few values for an interval */
};

/* What checkpoints took, what came of the memory, and what strategies decided. */
void dv_report_print_epochs(struct printing *p);

#endif
