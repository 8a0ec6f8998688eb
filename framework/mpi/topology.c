/* Communicators with a topology: constructors, and what is remembered to make them again.
 *
 * Only the result is remembered, not the arguments: the real library is asked for dimensions,
 * neighbours and weights when the communicator is described, and rebuilding says reorder = 0,
 * because the ranks are already in their order. */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <string.h>

struct topology {
    int kind;     /* MPI_CART, MPI_GRAPH, MPI_DIST_GRAPH */
    int n, m;     /* cart: ndims; graph: nnodes, nedges; dist_graph: indegree, outdegree */
    int weighted; /* dist_graph */
    size_t count; /* of numbers */
    int *numbers; /* cart: dims, periods; graph: index, edges; dist_graph: sources, weights,
                     destinations, weights */
};

static struct topology *topology_new(int kind, int n, int m, size_t count)
{
    struct topology *t = dv_arena_alloc(sizeof *t);
    t->kind = kind;
    t->n = n;
    t->m = m;
    t->count = count;
    t->numbers = dv_arena_alloc(count * sizeof(int));
    return t;
}

void dv_topology_forget(struct dv_comm *comm)
{
    struct topology *t = comm->topology;
    if (t == NULL)
        return;
    dv_arena_free(t->numbers, t->count * sizeof(int));
    dv_arena_free(t, sizeof *t);
    comm->topology = NULL;
}

static int describe_cart(MPI_Comm real, struct topology **out)
{
    int ndims, rc = DV_REAL(MPI_Cartdim_get, real, &ndims);
    if (rc != MPI_SUCCESS)
        return rc;
    struct topology *t = topology_new(MPI_CART, ndims, 0, 2 * (size_t)ndims);
    int *coords = dv_arena_alloc((size_t)ndims * sizeof(int));
    rc = DV_REAL(MPI_Cart_get, real, ndims, t->numbers, t->numbers + ndims, coords);
    dv_arena_free(coords, (size_t)ndims * sizeof(int));
    *out = t;
    return rc;
}

static int describe_graph(MPI_Comm real, struct topology **out)
{
    int nodes, edges, rc = DV_REAL(MPI_Graphdims_get, real, &nodes, &edges);
    if (rc != MPI_SUCCESS)
        return rc;
    struct topology *t = topology_new(MPI_GRAPH, nodes, edges, (size_t)nodes + (size_t)edges);
    *out = t;
    return DV_REAL(MPI_Graph_get, real, nodes, edges, t->numbers, t->numbers + nodes);
}

static int describe_dist_graph(MPI_Comm real, struct topology **out)
{
    int in, out_degree, weighted;
    int rc = DV_REAL(MPI_Dist_graph_neighbors_count, real, &in, &out_degree, &weighted);
    if (rc != MPI_SUCCESS)
        return rc;
    struct topology *t =
        topology_new(MPI_DIST_GRAPH, in, out_degree, 2 * ((size_t)in + (size_t)out_degree));
    t->weighted = weighted;
    *out = t;
    int *sources = t->numbers, *destinations = t->numbers + 2 * (size_t)in;
    int *none = dv_weights_real(MPI_UNWEIGHTED);
    return DV_REAL(MPI_Dist_graph_neighbors, real, in, sources, weighted ? sources + in : none,
                   out_degree, destinations, weighted ? destinations + out_degree : none);
}

/* A topology never changes, so once is enough; a duplicate has its parent's. */
int dv_topology_describe(struct dv_comm *comm)
{
    int kind = MPI_UNDEFINED;
    MPI_Comm real = comm->object.real;
    struct topology *t = NULL;
    if (comm->topology != NULL || comm->remote_size > 0)
        return MPI_SUCCESS;
    int rc = DV_REAL(MPI_Topo_test, real, &kind);
    if (rc != MPI_SUCCESS || kind == MPI_UNDEFINED)
        return rc;
    if (kind == MPI_CART)
        rc = describe_cart(real, &t);
    else if (kind == MPI_GRAPH)
        rc = describe_graph(real, &t);
    else
        rc = describe_dist_graph(real, &t);
    comm->topology = t;
    if (rc != MPI_SUCCESS)
        dv_topology_forget(comm);
    return rc;
}

static int make_real(const struct topology *t, MPI_Comm plain, MPI_Comm *real)
{
    if (t->kind == MPI_CART)
        return DV_REAL(MPI_Cart_create, plain, t->n, t->numbers, t->numbers + t->n, 0, real);
    if (t->kind == MPI_GRAPH)
        return DV_REAL(MPI_Graph_create, plain, t->n, t->numbers, t->numbers + t->n, 0, real);
    const int *sources = t->numbers, *destinations = t->numbers + 2 * (size_t)t->n;
    const int *none = dv_weights_real(MPI_UNWEIGHTED);
    return DV_REAL(MPI_Dist_graph_create_adjacent, plain, t->n, sources,
                   t->weighted ? sources + t->n : none, t->m, destinations,
                   t->weighted ? destinations + t->m : none, MPI_INFO_NULL, 0, real);
}

int dv_topology_rebuild(const struct dv_comm *comm, MPI_Comm *real)
{
    const struct topology *t = comm->topology;
    MPI_Comm plain = *real;
    if (t == NULL)
        return MPI_SUCCESS;
    int rc = make_real(t, plain, real);
    if (rc == MPI_SUCCESS)
        rc = DV_REAL(MPI_Comm_free, &plain);
    return rc;
}

static int neighbour_counts(MPI_Comm comm, int *in, int *out)
{
    MPI_Comm real = dv_comm_real(comm);
    int kind = MPI_UNDEFINED, n = 0, weighted, rc = DV_REAL(MPI_Topo_test, real, &kind);
    if (rc != MPI_SUCCESS || kind == MPI_UNDEFINED)
        return rc;
    if (kind == MPI_DIST_GRAPH)
        return DV_REAL(MPI_Dist_graph_neighbors_count, real, in, out, &weighted);
    if (kind == MPI_CART) {
        rc = DV_REAL(MPI_Cartdim_get, real, &n);
        n *= 2;
    } else {
        int rank = 0;
        rc = DV_REAL(MPI_Comm_rank, real, &rank);
        if (rc == MPI_SUCCESS)
            rc = DV_REAL(MPI_Graph_neighbors_count, real, rank, &n);
    }
    *in = *out = n;
    return rc;
}

size_t dv_comm_neighbours(MPI_Comm comm, int out)
{
    int sources = 0, destinations = 0;
    if (neighbour_counts(comm, &sources, &destinations) != MPI_SUCCESS)
        return 0;
    return (size_t)(out ? destinations : sources);
}

/* ---- constructors: blocking collectives on the parent -------------------- */

int PMPI_Cart_create(MPI_Comm comm_old, int ndims, const int dims[], const int periods[],
                     int reorder, MPI_Comm *comm_cart)
{
    return DV_COMM_CREATE(MPI_Cart_create, comm_old, comm_cart, ndims, dims, periods, reorder);
}
DV_EXPORT(MPI_Cart_create);

int PMPI_Cart_sub(MPI_Comm comm, const int remain_dims[], MPI_Comm *newcomm)
{
    return DV_COMM_CREATE(MPI_Cart_sub, comm, newcomm, remain_dims);
}
DV_EXPORT(MPI_Cart_sub);

/* `index` is a function of libc. */
int PMPI_Graph_create(MPI_Comm comm_old, int nnodes, const int indx[], const int edges[],
                      int reorder, MPI_Comm *comm_graph)
{
    return DV_COMM_CREATE(MPI_Graph_create, comm_old, comm_graph, nnodes, indx, edges, reorder);
}
DV_EXPORT(MPI_Graph_create);

int PMPI_Dist_graph_create(MPI_Comm comm_old, int n, const int sources[], const int degrees[],
                           const int destinations[], const int weights[], MPI_Info info,
                           int reorder, MPI_Comm *comm_dist_graph)
{
    MPI_Info real_info = dv_info_real(info);
    const int *real_weights = dv_weights_real(weights);
    return DV_COMM_CREATE(MPI_Dist_graph_create, comm_old, comm_dist_graph, n, sources, degrees,
                          destinations, real_weights, real_info, reorder);
}
DV_EXPORT(MPI_Dist_graph_create);

int PMPI_Dist_graph_create_adjacent(MPI_Comm comm_old, int indegree, const int sources[],
                                    const int sourceweights[], int outdegree,
                                    const int destinations[], const int destweights[],
                                    MPI_Info info, int reorder, MPI_Comm *comm_dist_graph)
{
    MPI_Info real_info = dv_info_real(info);
    const int *real_in = dv_weights_real(sourceweights), *real_out = dv_weights_real(destweights);
    return DV_COMM_CREATE(MPI_Dist_graph_create_adjacent, comm_old, comm_dist_graph, indegree,
                          sources, real_in, outdegree, destinations, real_out, real_info, reorder);
}
DV_EXPORT(MPI_Dist_graph_create_adjacent);
