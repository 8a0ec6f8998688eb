/* For a test build of the MPI library: dv_test_rebuild() does to all objects what a capture and a
 * restore would do, in one process: describe, lose every real object, make them again. Programs
 * find it as a weak symbol. Collective. */
#include "mpi/export.h"
#include "mpi/objects.h"

static void lose_comms(void)
{
    struct dv_comm *comm;
    for (size_t i = 0; (comm = dv_comm_sorted(i)) != NULL; i++) {
        MPI_Comm real = comm->object.real;
        if (comm == dv_world || comm == dv_self)
            continue;
        DV_REAL(MPI_Comm_free, &real);
        comm->object.real = MPI_COMM_NULL;
    }
}

static void lose_others(void)
{
    struct dv_object *object;
    uint32_t index = 0;
    while ((object = dv_object_next(DV_KIND_GROUP, &index)) != NULL)
        DV_REAL(MPI_Group_free, &object->real);
    index = 0;
    while ((object = dv_object_next(DV_KIND_INFO, &index)) != NULL)
        DV_REAL(MPI_Info_free, &object->real);
    index = 0;
    while ((object = dv_object_next(DV_KIND_OP, &index)) != NULL)
        DV_REAL(MPI_Op_free, &object->real);
    index = 0;
    while ((object = dv_object_next(DV_KIND_DATATYPE, &index)) != NULL) {
        if (!((struct dv_datatype *)object)->cached)
            DV_REAL(MPI_Type_free, &object->real);
        object->real = MPI_DATATYPE_NULL;
    }
}

DV_VISIBLE int dv_test_rebuild(void);
int dv_test_rebuild(void)
{
    char why[512] = "";
    dv_mpi_enter("dv_test_rebuild");
    enum dv_status status = dv_objects_describe(why, sizeof why);
    if (status == DV_OK) {
        lose_comms();
        lose_others();
        /* In another process, added error codes would be gone as well; here they would be added
         * twice. */
        static enum dv_status (*const steps[])(char *, size_t) = {
            dv_comms_rebuild, dv_groups_rebuild, dv_infos_rebuild, dv_datatypes_rebuild,
            dv_ops_rebuild};
        for (size_t i = 0; i < sizeof steps / sizeof *steps && status == DV_OK; i++)
            status = steps[i](why, sizeof why);
    }
    if (status != DV_OK)
        dv_say(why);
    dv_mpi_exit();
    return (int)status;
}
