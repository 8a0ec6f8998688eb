/* All kinds of MPI objects, made once and verified again and again, so that a checkpoint and
 * restart in between shows what was lost: communicators (every constructor), topologies, groups,
 * datatypes (every constructor), user operations, infos, attributes, names, error handlers and
 * added error codes.
 *
 * usage: objects [SECONDS]   verify until SECONDS have passed (default: a few rounds); prints
 * "objects: ok ..." from rank 0. A library that defines dv_test_rebuild (a test build of DejaVu's)
 * is asked to re-create everything between rounds. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int dv_test_rebuild(void) __attribute__((weak));

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "objects: rank %d: %s:%d: failed: %s\n", rank, __FILE__, __LINE__,     \
                    #condition);                                                                   \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                          \
        }                                                                                          \
    } while (0)

enum { MAX_COMMS = 32, MAX_TYPES = 32, PACK_BYTES = 4096 };

static int rank, size;

/* ---- communicators ------------------------------------------------------- */

static struct {
    MPI_Comm comm;
    const char *what;
    int rank, size, remote_size, topology;
    int sum; /* of world ranks of the local (or remote) group */
} comms[MAX_COMMS];
static int comm_count;

static int sum_of_ranks(MPI_Comm comm)
{
    int sum = -1;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, comm);
    return sum;
}

static MPI_Comm remember(MPI_Comm comm, const char *what)
{
    int inter;
    if (comm == MPI_COMM_NULL)
        return comm;
    comms[comm_count].comm = comm;
    comms[comm_count].what = what;
    MPI_Comm_rank(comm, &comms[comm_count].rank);
    MPI_Comm_size(comm, &comms[comm_count].size);
    MPI_Comm_test_inter(comm, &inter);
    if (inter)
        MPI_Comm_remote_size(comm, &comms[comm_count].remote_size);
    MPI_Topo_test(comm, &comms[comm_count].topology);
    comms[comm_count].sum = sum_of_ranks(comm);
    comm_count++;
    return comm;
}

static MPI_Comm cart, graph, dist_graph, unweighted, named, half;
static int keyval, copies, deletes;
static char attribute_value[] = "attribute";

static int copy_attribute(MPI_Comm comm, int key, void *extra, void *in, void *out, int *flag)
{
    (void)comm, (void)key, (void)extra;
    copies++;
    *(void **)out = in;
    *flag = 1;
    return MPI_SUCCESS;
}

static int delete_attribute(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)comm, (void)key, (void)value, (void)extra;
    deletes++;
    return MPI_SUCCESS;
}

static void make_topologies(void)
{
    int dims[2] = {0, 0}, periods[2] = {1, 0}, remain[2] = {1, 0};
    MPI_Comm comm;
    MPI_Dims_create(size, 2, dims);
    MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 1, &cart);
    remember(cart, "cart");
    MPI_Cart_sub(cart, remain, &comm);
    remember(comm, "cart_sub");
    MPI_Comm_dup(cart, &comm);
    remember(comm, "dup of cart");

    int *index = malloc((size_t)size * sizeof(int)), *edges = malloc((size_t)size * sizeof(int));
    for (int i = 0; i < size; i++) {
        index[i] = i + 1;
        edges[i] = (i + 1) % size;
    }
    MPI_Graph_create(MPI_COMM_WORLD, size, index, edges, 0, &graph);
    remember(graph, "graph");
    free(index);
    free(edges);

    int left = (rank + size - 1) % size, right = (rank + 1) % size, in = 3, out = 4;
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &left, &in, 1, &right, &out, MPI_INFO_NULL, 0,
                                   &dist_graph);
    remember(dist_graph, "dist_graph");
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &left, MPI_UNWEIGHTED, 1, &right,
                                   MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &unweighted);
    remember(unweighted, "dist_graph, unweighted");
}

static void make_intercomms(void)
{
    MPI_Comm inter, comm;
    if (size < 2)
        return;
    int members;
    MPI_Comm_size(half, &members); /* ranks descend in it: its last one is 0 or 1 */
    MPI_Intercomm_create(half, members - 1, MPI_COMM_WORLD, rank % 2 == 0 ? 1 : 0, 7, &inter);
    remember(inter, "intercomm");
    MPI_Intercomm_merge(inter, rank % 2, &comm);
    remember(comm, "merged");
    MPI_Comm_dup(inter, &comm);
    remember(comm, "dup of intercomm");
}

static void make_comms(void)
{
    MPI_Comm comm;
    MPI_Group world, first;
    MPI_Request request;
    MPI_Comm_create_keyval(copy_attribute, delete_attribute, &keyval, NULL);
    MPI_Comm_dup(MPI_COMM_WORLD, &named);
    MPI_Comm_set_name(named, "a name");
    MPI_Comm_set_attr(named, keyval, attribute_value);
    remember(named, "dup");
    MPI_Comm_dup(named, &comm);
    CHECK(copies == 1);
    remember(comm, "dup of dup");
    MPI_Comm_idup(named, &comm, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    remember(comm, "idup");
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &half);
    remember(half, "split");
    MPI_Comm_split(MPI_COMM_WORLD, rank == 0 ? MPI_UNDEFINED : 1, rank, &comm);
    CHECK((comm == MPI_COMM_NULL) == (rank == 0));
    remember(comm, "split, undefined");
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &comm);
    remember(comm, "split_type");

    int members[2] = {size - 1, 0};
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, size > 1 ? 2 : 1, members, &first);
    MPI_Comm_create(MPI_COMM_WORLD, first, &comm);
    remember(comm, "create");
    for (int i = 0; i < 3 && (rank == 0 || rank == size - 1); i++) {
        MPI_Comm_create_group(MPI_COMM_WORLD, first, 5, &comm);
        remember(comm, "create_group");
    }
    MPI_Comm_dup(MPI_COMM_SELF, &comm);
    remember(comm, "dup of self");
    make_topologies();
    make_intercomms();
    MPI_Group_free(&world);
    MPI_Group_free(&first);
}

static void verify_topologies(void)
{
    int dims[2], periods[2], coords[2], back, neighbour, in, out, weighted, w_in = 0, w_out = 0;
    MPI_Cart_get(cart, 2, dims, periods, coords);
    CHECK(periods[0] == 1 && periods[1] == 0 && dims[0] * dims[1] == size);
    MPI_Cart_rank(cart, coords, &back);
    MPI_Comm_rank(cart, &in);
    CHECK(back == in);
    MPI_Graph_neighbors(graph, rank, 1, &neighbour);
    CHECK(neighbour == (rank + 1) % size);
    MPI_Dist_graph_neighbors_count(dist_graph, &in, &out, &weighted);
    CHECK(in == 1 && out == 1 && weighted);
    MPI_Dist_graph_neighbors(dist_graph, 1, &in, &w_in, 1, &out, &w_out);
    CHECK(in == (rank + size - 1) % size && out == (rank + 1) % size && w_in == 3 && w_out == 4);
    MPI_Dist_graph_neighbors_count(unweighted, &in, &out, &weighted);
    CHECK(!weighted);
    int sent = rank, received = -1, one = 1;
    MPI_Aint zero = 0;
    MPI_Datatype type = MPI_INT;
    MPI_Neighbor_allgather(&sent, 1, MPI_INT, &received, 1, MPI_INT, dist_graph);
    CHECK(received == (rank + size - 1) % size);
    MPI_Neighbor_alltoallw(&sent, &one, &zero, &type, &received, &one, &zero, &type, dist_graph);
    CHECK(received == (rank + size - 1) % size);
}

static void verify_comms(void)
{
    for (int i = 0; i < comm_count; i++) {
        int r, s, topology;
        MPI_Comm_rank(comms[i].comm, &r);
        MPI_Comm_size(comms[i].comm, &s);
        MPI_Topo_test(comms[i].comm, &topology);
        CHECK(r == comms[i].rank && s == comms[i].size && topology == comms[i].topology);
        CHECK(sum_of_ranks(comms[i].comm) == comms[i].sum);
    }
    char name[MPI_MAX_OBJECT_NAME];
    int length, flag, result, *tag_ub = NULL;
    void *value = NULL;
    MPI_Comm_get_name(named, name, &length);
    CHECK(strcmp(name, "a name") == 0 && length == 6);
    MPI_Comm_get_attr(named, keyval, &value, &flag);
    CHECK(flag && value == attribute_value);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &tag_ub, &flag);
    CHECK(flag && *tag_ub >= 32767);
    MPI_Comm_compare(MPI_COMM_WORLD, named, &result);
    CHECK(result == MPI_CONGRUENT);
    verify_topologies();
}

/* ---- groups, infos, errors ----------------------------------------------- */

static MPI_Group odd;
static MPI_Info info;
static MPI_Errhandler errhandler;
static int error_class, error_code, errors_seen;
static MPI_Comm errors_comm;

static void on_error(MPI_Comm *comm, int *rc, ...)
{
    (void)rc;
    errors_seen += *comm == errors_comm;
}

static void make_others(void)
{
    MPI_Comm_group(half, &odd);
    MPI_Info_create(&info);
    MPI_Info_set(info, "key", "value");
    MPI_Info_set(info, "other key", "other value");
    MPI_Comm_create_errhandler(on_error, &errhandler);
    MPI_Comm_dup(MPI_COMM_WORLD, &errors_comm);
    MPI_Comm_set_errhandler(errors_comm, errhandler);
    remember(errors_comm, "with error handler");
    MPI_Add_error_class(&error_class);
    MPI_Add_error_code(error_class, &error_code);
    MPI_Add_error_string(error_code, "an error of ours");
}

static void verify_others(void)
{
    char text[MPI_MAX_ERROR_STRING], value[16];
    int n, flag, result, seen = errors_seen;
    MPI_Group same;
    MPI_Comm_group(half, &same);
    MPI_Group_compare(odd, same, &result);
    CHECK(result == MPI_IDENT);
    MPI_Group_free(&same);
    MPI_Info_get_nkeys(info, &n);
    CHECK(n == 2);
    MPI_Info_get(info, "other key", 15, value, &flag);
    CHECK(flag && strcmp(value, "other value") == 0);
    MPI_Error_string(error_code, text, &n);
    CHECK(strcmp(text, "an error of ours") == 0);
    CHECK(MPI_Bcast(&n, -1, MPI_INT, 0, errors_comm) != MPI_SUCCESS);
    CHECK(errors_seen == seen + 1);
}

/* ---- datatypes ----------------------------------------------------------- */

static struct {
    MPI_Datatype type;
    int combiner, large, bytes, packed_bytes;
    MPI_Aint lb, extent;
    char packed[PACK_BYTES];
} types[MAX_TYPES];
static int type_count;
static char pattern[PACK_BYTES];

static int pack(MPI_Datatype type, char *packed)
{
    int position = 0;
    memset(packed, 0, PACK_BYTES);
    MPI_Pack(pattern + PACK_BYTES / 2, 1, type, packed, PACK_BYTES, &position, MPI_COMM_SELF);
    return position;
}

static MPI_Datatype keep(MPI_Datatype type)
{
    MPI_Count a, b, c, d;
    MPI_Type_commit(&type);
    types[type_count].type = type;
    MPI_Type_get_envelope_c(type, &a, &b, &c, &d, &types[type_count].combiner);
    types[type_count].large = c > 0;
    MPI_Type_size(type, &types[type_count].bytes);
    MPI_Type_get_extent(type, &types[type_count].lb, &types[type_count].extent);
    types[type_count].packed_bytes = pack(type, types[type_count].packed);
    type_count++;
    return type;
}

static void make_nested(MPI_Datatype vector)
{
    MPI_Datatype inner, type;
    int lengths[3] = {1, 2, 3};
    MPI_Aint displacements[3] = {0, 256, 512};
    MPI_Type_contiguous(2, vector, &inner); /* freed before what is made of it */
    MPI_Datatype members[3] = {MPI_INT, inner, MPI_DOUBLE_INT};
    MPI_Type_create_struct(3, lengths, displacements, members, &type);
    MPI_Type_free(&inner);
    keep(type);
    MPI_Type_create_resized(type, -16, 1024, &inner);
    keep(inner);
    MPI_Type_dup(inner, &type);
    keep(type);
    MPI_Type_create_f90_real(6, 30, &type);
    MPI_Type_contiguous(3, type, &inner);
    keep(inner);
}

static void make_types(void)
{
    MPI_Datatype type, vector;
    int lengths[3] = {1, 2, 1}, displacements[3] = {0, 3, 9};
    MPI_Aint far[3] = {-8, 40, 100};
    for (int i = 0; i < PACK_BYTES; i++)
        pattern[i] = (char)(i * 7 + i / 256);
    MPI_Type_vector(3, 2, 5, MPI_INT, &vector);
    keep(vector);
    MPI_Type_create_hvector(3, 2, -24, MPI_SHORT, &type);
    keep(type);
    MPI_Type_indexed(3, lengths, displacements, MPI_DOUBLE, &type);
    keep(type);
    MPI_Type_create_hindexed(3, lengths, far, MPI_CHAR, &type);
    keep(type);
    MPI_Type_create_indexed_block(3, 2, displacements, MPI_FLOAT, &type);
    keep(type);
    MPI_Type_create_hindexed_block(3, 2, far, MPI_INT, &type);
    keep(type);
    int sizes[2] = {6, 8}, subsizes[2] = {2, 3}, starts[2] = {1, 4};
    MPI_Type_create_subarray(2, sizes, subsizes, starts, MPI_ORDER_FORTRAN, MPI_INT, &type);
    keep(type);
    int distribs[2] = {MPI_DISTRIBUTE_CYCLIC, MPI_DISTRIBUTE_BLOCK}, grid[2] = {2, 2};
    int dargs[2] = {1, MPI_DISTRIBUTE_DFLT_DARG};
    MPI_Type_create_darray(4, 3, 2, sizes, distribs, dargs, grid, MPI_ORDER_C, MPI_INT, &type);
    keep(type);
    MPI_Type_contiguous_c(5, MPI_SHORT, &type);
    keep(type);
    MPI_Type_vector_c(3, 1, 2, MPI_INT, &type);
    keep(type);
    MPI_Count c_sizes[2] = {6, 8}, c_subsizes[2] = {3, 2}, c_starts[2] = {2, 1};
    MPI_Type_create_subarray_c(2, c_sizes, c_subsizes, c_starts, MPI_ORDER_C, MPI_INT, &type);
    keep(type);
    MPI_Count c_lengths[2] = {2, 1}, c_displacements[2] = {0, 64};
    MPI_Datatype members[2] = {MPI_CHAR, vector};
    MPI_Type_create_struct_c(2, c_lengths, c_displacements, members, &type);
    keep(type);
    make_nested(vector);
    MPI_Type_set_name(vector, "a vector");
}

static void verify_contents(MPI_Datatype structure)
{
    int integers[4];
    MPI_Aint addresses[3];
    MPI_Datatype members[3];
    MPI_Type_get_contents(structure, 4, 3, 3, integers, addresses, members);
    CHECK(integers[0] == 3 && addresses[2] == 512 && members[0] == MPI_INT &&
          members[2] == MPI_DOUBLE_INT);
    int a, b, c, combiner;
    MPI_Type_get_envelope(members[1], &a, &b, &c, &combiner);
    CHECK(combiner == MPI_COMBINER_CONTIGUOUS);
    MPI_Type_free(&members[1]);
}

static void verify_types(void)
{
    static char packed[PACK_BYTES];
    char name[MPI_MAX_OBJECT_NAME];
    int length;
    for (int i = 0; i < type_count; i++) {
        int combiner, bytes;
        MPI_Count a, b, c, d;
        MPI_Aint lb, extent;
        MPI_Type_get_envelope_c(types[i].type, &a, &b, &c, &d, &combiner);
        CHECK(combiner == types[i].combiner && types[i].large == (c > 0));
        MPI_Type_size(types[i].type, &bytes);
        MPI_Type_get_extent(types[i].type, &lb, &extent);
        CHECK(bytes == types[i].bytes && lb == types[i].lb && extent == types[i].extent);
        CHECK(pack(types[i].type, packed) == types[i].packed_bytes);
        CHECK(memcmp(packed, types[i].packed, PACK_BYTES) == 0);
        if (combiner == MPI_COMBINER_STRUCT && a == 4)
            verify_contents(types[i].type);
    }
    MPI_Type_get_name(types[0].type, name, &length);
    CHECK(strcmp(name, "a vector") == 0);
}

/* ---- user operations ----------------------------------------------------- */

static MPI_Op last, sum_pairs;
static MPI_Datatype pair;

static void take_last(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)in, (void)inout, (void)n, (void)type; /* the result is the highest rank's contribution */
}

static void add_pairs(void *in, void *inout, int *n, MPI_Datatype *type)
{
    CHECK(*type == pair);
    for (int i = 0; i < 2 * *n; i++)
        ((int *)inout)[i] += ((int *)in)[i];
}

static void make_ops(void)
{
    MPI_Op_create(take_last, 0, &last);
    MPI_Op_create(add_pairs, 1, &sum_pairs);
    MPI_Type_contiguous(2, MPI_INT, &pair);
    keep(pair);
}

static void verify_ops(void)
{
    int result = -1, two[2] = {1, rank}, sum[2];
    MPI_Allreduce(&rank, &result, 1, MPI_INT, last, MPI_COMM_WORLD);
    CHECK(result == size - 1);
    MPI_Allreduce(two, sum, 1, pair, sum_pairs, MPI_COMM_WORLD);
    CHECK(sum[0] == size && sum[1] == size * (size - 1) / 2);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL);
    double end_s = MPI_Wtime() + (argc > 1 ? atof(argv[1]) : 0);
    make_comms();
    make_others();
    make_types();
    make_ops();
    int rounds = 0, rebuilds = 0, more = 1;
    while (more) {
        verify_comms();
        verify_others();
        verify_types();
        verify_ops();
        if (dv_test_rebuild != NULL) {
            CHECK(dv_test_rebuild() == 0);
            rebuilds++;
        }
        rounds++;
        more = rounds < 5 || MPI_Wtime() < end_s;
        MPI_Bcast(&more, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    for (int i = 0; i < comm_count; i++)
        MPI_Comm_free(&comms[i].comm);
    CHECK(deletes == copies + 1);
    for (int i = 0; i < type_count; i++)
        MPI_Type_free(&types[i].type);
    MPI_Op_free(&last);
    MPI_Op_free(&sum_pairs);
    MPI_Group_free(&odd);
    MPI_Info_free(&info);
    MPI_Errhandler_free(&errhandler);
    MPI_Finalize();
    if (rank == 0)
        printf("objects: ok (%d rounds, %d rebuilds)\n", rounds, rebuilds);
    return 0;
}
