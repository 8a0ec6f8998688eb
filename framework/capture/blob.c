/* Byte strings of image sections; see blob.h. */
#include "capture/blob.h"

#include <stdlib.h>
#include <string.h>

static void append(struct dv_blob *blob, const void *bytes, size_t length)
{
    if (blob->failed || length == 0)
        return;
    if (blob->capacity - blob->length < length) {
        size_t capacity = (blob->capacity + length) * 2;
        uint8_t *grown = realloc(blob->bytes, capacity);
        if (!grown) {
            blob->failed = 1;
            return;
        }
        blob->bytes = grown;
        blob->capacity = capacity;
    }
    memcpy(blob->bytes + blob->length, bytes, length);
    blob->length += length;
}

void dv_blob_put_u32(struct dv_blob *blob, uint32_t value)
{
    append(blob, &value, sizeof value);
}

void dv_blob_put_u64(struct dv_blob *blob, uint64_t value)
{
    append(blob, &value, sizeof value);
}

void dv_blob_put_string(struct dv_blob *blob, const char *text)
{
    size_t length = strlen(text) + 1;
    dv_blob_put_u32(blob, (uint32_t)length);
    append(blob, text, length);
}

void dv_blob_put_text(struct dv_blob *blob, const char *text)
{
    append(blob, text, strlen(text));
}

void dv_blob_put_bytes(struct dv_blob *blob, const void *bytes, size_t length)
{
    dv_blob_put_u64(blob, length);
    append(blob, bytes, length);
}

void dv_blob_free(struct dv_blob *blob)
{
    free(blob->bytes);
    *blob = (struct dv_blob){0};
}

static const uint8_t *take(struct dv_blob_reader *reader, uint64_t length)
{
    if (reader->failed || (uint64_t)(reader->end - reader->at) < length) {
        reader->failed = 1;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += length;
    return bytes;
}

uint32_t dv_blob_get_u32(struct dv_blob_reader *reader)
{
    uint32_t value = 0;
    const uint8_t *bytes = take(reader, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return value;
}

uint64_t dv_blob_get_u64(struct dv_blob_reader *reader)
{
    uint64_t value = 0;
    const uint8_t *bytes = take(reader, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return value;
}

const char *dv_blob_get_string(struct dv_blob_reader *reader)
{
    uint32_t length = dv_blob_get_u32(reader);
    const uint8_t *bytes = take(reader, length);
    if (!bytes || length == 0 || bytes[length - 1] != 0) {
        reader->failed = 1;
        return "";
    }
    return (const char *)bytes;
}

const void *dv_blob_get_bytes(struct dv_blob_reader *reader, size_t *length)
{
    uint64_t stored = dv_blob_get_u64(reader);
    const uint8_t *bytes = take(reader, stored);
    *length = bytes ? (size_t)stored : 0;
    return bytes;
}
