#include "harness/record/attributes.h"

#include <stdlib.h>
#include <string.h>

/* A fixed-length UTF-8 type for this text. */
static hid_t text_type(const char *text)
{
    size_t bytes = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, bytes ? bytes : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

bool dv_attribute_write_text(hid_t parent, const char *name, const char *text)
{
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(parent, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

bool dv_attribute_write_number(hid_t parent, const char *name, int64_t number)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(parent, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT64, &number) >= 0;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return done;
}

int64_t dv_attribute_read_number(hid_t parent, const char *name)
{
    int64_t number = -1;
    hid_t attribute = H5Aopen(parent, name, H5P_DEFAULT);
    if (attribute >= 0 && H5Aread(attribute, H5T_NATIVE_INT64, &number) < 0)
        number = -1;
    if (attribute >= 0)
        H5Aclose(attribute);
    return number;
}

void dv_attribute_read_text(hid_t parent, const char *name, char *text, size_t text_bytes)
{
    hid_t attribute = H5Aopen(parent, name, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, text_bytes);
    H5Tset_cset(type, H5T_CSET_UTF8);
    text[0] = '\0';
    if (attribute >= 0 && H5Aread(attribute, type, text) < 0)
        text[0] = '\0';
    text[text_bytes - 1] = '\0';
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Tclose(type);
}

bool dv_text_write(hid_t group, const char *name, const char *text, const char *description)
{
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR);
    hid_t dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool done = dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0 &&
                dv_attribute_write_text(dataset, "description", description);
    if (dataset >= 0)
        H5Dclose(dataset);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

char *dv_text_read(hid_t group, const char *name)
{
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    if (dataset < 0)
        return NULL;
    hid_t type = H5Dget_type(dataset);
    size_t bytes = H5Tget_size(type);
    char *text = calloc(bytes + 1, 1);
    if (text && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
        free(text);
        text = NULL;
    }
    H5Tclose(type);
    H5Dclose(dataset);
    return text;
}
