/* Info objects: made by generated wrappers (dv_info_adopt); their keys and values are read at each
 * capture, because the application may change them at any time. Also the lists of keys and values
 * in which hints are kept. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <string.h>

MPI_Info dv_info_adopt(MPI_Info real)
{
    if (real == MPI_INFO_NULL || real == MPI_INFO_ENV)
        return real;
    struct dv_info *info = dv_object_new(DV_KIND_INFO, sizeof *info);
    info->object.real = real;
    return info->object.handle;
}

int PMPI_Info_free(MPI_Info *info)
{
    dv_mpi_enter("MPI_Info_free");
    struct dv_info *object =
        info != NULL ? (struct dv_info *)dv_object_find(*info, DV_KIND_INFO) : NULL;
    MPI_Info real = info != NULL ? dv_info_real(*info) : MPI_INFO_NULL;
    int rc = DV_REAL(MPI_Info_free, info != NULL ? &real : NULL);
    if (rc == MPI_SUCCESS && info != NULL) {
        if (object != NULL) {
            dv_pairs_clear(&object->pairs);
            dv_object_delete(&object->object, sizeof *object);
        }
        *info = MPI_INFO_NULL;
    }
    rc = dv_error(NULL, rc, "MPI_Info_free");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Info_free);

/* ---- lists of keys and values -------------------------------------------- */

void dv_pairs_clear(struct dv_pairs *pairs)
{
    dv_arena_free(pairs->text, pairs->bytes);
    *pairs = (struct dv_pairs){0};
}

static void append(struct dv_pairs *pairs, const char *text)
{
    size_t length = strlen(text) + 1;
    pairs->text = dv_arena_grow(pairs->text, pairs->bytes, pairs->bytes + length);
    memcpy(pairs->text + pairs->bytes, text, length);
    pairs->bytes += length;
}

static int read_pair(struct dv_pairs *pairs, MPI_Info real, int index)
{
    char key[MPI_MAX_INFO_KEY + 1] = "";
    int length = 0, flag = 0;
    int rc = DV_REAL(MPI_Info_get_nthkey, real, index, key);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Info_get_valuelen, real, key, &length, &flag);
    if (rc != MPI_SUCCESS || !flag)
        return rc;
    size_t bytes = (size_t)length + 1;
    char *value = dv_arena_alloc(bytes);
    rc = DV_REAL(MPI_Info_get, real, key, length, value, &flag);
    if (rc == MPI_SUCCESS) {
        append(pairs, key);
        append(pairs, value);
        pairs->count++;
    }
    dv_arena_free(value, bytes);
    return rc;
}

int dv_pairs_read(struct dv_pairs *pairs, MPI_Info real)
{
    int keys = 0, rc = DV_REAL(MPI_Info_get_nkeys, real, &keys);
    dv_pairs_clear(pairs);
    for (int i = 0; i < keys && rc == MPI_SUCCESS; i++)
        rc = read_pair(pairs, real, i);
    return rc;
}

int dv_pairs_write(const struct dv_pairs *pairs, MPI_Info *real)
{
    int rc = DV_REAL(MPI_Info_create, real);
    const char *text = pairs->text;
    for (int i = 0; i < pairs->count && rc == MPI_SUCCESS; i++) {
        const char *value = text + strlen(text) + 1;
        rc = DV_REAL(MPI_Info_set, *real, text, value);
        text = value + strlen(value) + 1;
    }
    return rc;
}

/* ---- describe and rebuild ------------------------------------------------ */

enum dv_status dv_infos_describe(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_info *info;
    while ((info = (struct dv_info *)dv_object_next(DV_KIND_INFO, &index)) != NULL) {
        int rc = dv_pairs_read(&info->pairs, info->object.real);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "describing an info object", rc);
    }
    return DV_OK;
}

enum dv_status dv_infos_rebuild(char *why, size_t why_bytes)
{
    uint32_t index = 0;
    struct dv_info *info;
    while ((info = (struct dv_info *)dv_object_next(DV_KIND_INFO, &index)) != NULL) {
        int rc = dv_pairs_write(&info->pairs, &info->object.real);
        if (rc != MPI_SUCCESS)
            return dv_refuse_mpi(why, why_bytes, "making an info object again", rc);
    }
    return DV_OK;
}
