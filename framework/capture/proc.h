/* Reading files of /proc, which have no size. Lower half. */
#ifndef DV_CAPTURE_PROC_H
#define DV_CAPTURE_PROC_H

#include <dejavu/status.h>

#include <stddef.h>

/* All of a /proc file in malloc'ed memory, NUL behind it. No such file: DV_ERR_NOT_FOUND, not
 * reported. `length` may be NULL. */
enum dv_status dv_proc_read(const char *path, char **text, size_t *length) DV_CHECKED;

/* The text behind "key:" and blanks at the beginning of a line, or NULL. */
const char *dv_proc_field(const char *text, const char *key);

#endif
