/* Which of the files that the upper half maps privately are kept in the job directory (store/files.h), so that their pages
 * need not be in images. Files are kept in the background; a capture only asks. */
#ifndef DV_CAPTURE_HELD_H
#define DV_CAPTURE_HELD_H

#include "capture/regions.h"

/* Keep the files of all private mappings that there are now, but of those that are mapped shared as well: they change
 * without telling. Blocks; any thread but one at a time. A file that cannot be
 * kept is none of this function's business to report more than once: its pages are in the images. */
void dv_held_prepare(const char *job);
/* A restore has mapped the kept file `name`, open at `fd`. */
void dv_held_note(int fd, const char *name);
/* The name under which the file of a private mapping is kept, if it is and has not changed since; else NULL. `maps`: all
 * of the upper half. Valid to the end of the process. Any thread. */
const char *dv_held_find(const struct dv_maps *maps, const struct dv_region *region);

#endif
