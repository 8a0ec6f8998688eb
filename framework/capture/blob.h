/* Byte strings that image sections are made of: numbers little-endian, strings with their length.
 *
 *      u32 | u64 | u32 length incl. NUL, bytes, NUL | u64 length, bytes | ...
 *
 * Both sides have a sticky failure flag, so that a whole record is written or read before it is
 * looked at: a writer fails when memory is out, a reader when the bytes end early or a string is
 * not ended by NUL; reads then give 0, "" and NULL. */
#ifndef DV_CAPTURE_BLOB_H
#define DV_CAPTURE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct dv_blob {
    uint8_t *bytes; /* malloc'ed; freed by dv_blob_free */
    size_t length, capacity;
    int failed;
};

void dv_blob_put_u32(struct dv_blob *blob, uint32_t value);
void dv_blob_put_u64(struct dv_blob *blob, uint64_t value);
void dv_blob_put_string(struct dv_blob *blob, const char *text);
void dv_blob_put_text(struct dv_blob *blob, const char *text); /* bare: no length, no end */
void dv_blob_put_bytes(struct dv_blob *blob, const void *bytes, size_t length);
void dv_blob_free(struct dv_blob *blob);

struct dv_blob_reader {
    const uint8_t *at, *end; /* not owned */
    int failed;
};

uint32_t dv_blob_get_u32(struct dv_blob_reader *reader);
uint64_t dv_blob_get_u64(struct dv_blob_reader *reader);
/* The text stays in the blob. */
const char *dv_blob_get_string(struct dv_blob_reader *reader);
const void *dv_blob_get_bytes(struct dv_blob_reader *reader, size_t *length);

#endif
