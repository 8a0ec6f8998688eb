/* Programs and scripts that belong to dejavu-bench. */
#ifndef DV_HARNESS_TOOLS_H
#define DV_HARNESS_TOOLS_H

#include "harness/config/arena.h"

/* The directory of this program's file. */
const char *dv_own_directory(struct dv_arena *memory);
/* Where the tool is: beside this program, in ../lib/dejavu of it (installed), or, of a build tree,
 * where `source` is in the sources ("analysis/report.py"). NULL: nowhere. */
const char *dv_tool_find(const char *name, const char *source, struct dv_arena *memory);

#endif
