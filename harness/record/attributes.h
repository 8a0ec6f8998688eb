/* Attributes and texts in HDF5 files. Nothing is reported; false, -1 or "" when HDF5 fails. */
#ifndef DV_HARNESS_ATTRIBUTES_H
#define DV_HARNESS_ATTRIBUTES_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool dv_attribute_write_text(hid_t parent, const char *name, const char *text);
bool dv_attribute_write_number(hid_t parent, const char *name, int64_t number);
void dv_attribute_read_text(hid_t parent, const char *name, char *text, size_t text_bytes);
int64_t dv_attribute_read_number(hid_t parent, const char *name); /* -1: there is none */

/* A scalar dataset of one text. */
bool dv_text_write(hid_t group, const char *name, const char *text, const char *description);
/* malloc'ed, or NULL. */
char *dv_text_read(hid_t group, const char *name);

#endif
