/* Non-blocking collectives and messages in flight on many communicators, intercommunicators among them. */
#include "mpi_test.h"

#define DUPLICATES 12
static MPI_Comm duplicates[DUPLICATES], half, inter;
static int half_rank, half_size, remote_size;
static int *in, *out;
static MPI_Op newest; /* not commutative: keeps the higher rank's */

static void keep_newest(void *from, void *to, int *n, MPI_Datatype *type)
{
    (void)
        type; /* MPI gives from = lower ranks, to = higher ranks: what is in `to` stays, mixed with `from` */
    const int *lower = from;
    int *higher = to;
    for (int i = 0; i < *n; i++)
        higher[i] = (int)(uint32_t)mix((uint64_t)(uint32_t)lower[i] << 32 | (uint32_t)higher[i]);
}

static uint64_t seed(int rank, int what)
{
    return seed_of(rank, 99, what);
}

/* ---- one non-blocking collective of each kind, all at once --------------- */

static void each_kind(MPI_Comm comm)
{
    enum { N = 64 };
    int size, rank, *area = in;
    MPI_Comm_size(comm, &size);
    MPI_Comm_rank(comm, &rank);
    MPI_Request requests[10];
    int count = 0, all = N * size;
    int *bcast = area, *gather = bcast + N, *allgather = gather + all, *alltoall = allgather + all,
        *sum = alltoall + all, *scan = sum + N, *mixed = scan + N, *part = mixed + N,
        *scattered = part + N;
    int *mine = out, *to_all = out + N, *roots = out + N + all;
    fill(mine, N, seed(rank, 1));
    fill(to_all, all, seed(rank, 2));
    fill(roots, all, seed(0, 3));
    if (rank == size - 1)
        fill(bcast, N, seed(rank, 4));
    MPI_Ibcast(bcast, N, MPI_INT, size - 1, comm, &requests[count++]);
    MPI_Igather(mine, N, MPI_INT, gather, N, MPI_INT, 0, comm, &requests[count++]);
    MPI_Iallgather(mine, N, MPI_INT, allgather, N, MPI_INT, comm, &requests[count++]);
    work();
    MPI_Ialltoall(to_all, N, MPI_INT, alltoall, N, MPI_INT, comm, &requests[count++]);
    MPI_Iallreduce(mine, sum, N, MPI_INT, MPI_BXOR, comm, &requests[count++]);
    MPI_Iscan(mine, scan, N, MPI_INT, MPI_BXOR, comm, &requests[count++]);
    MPI_Iallreduce(mine, mixed, N, MPI_INT, newest, comm, &requests[count++]);
    MPI_Ireduce_scatter_block(to_all, part, N, MPI_INT, MPI_BXOR, comm, &requests[count++]);
    MPI_Iscatter(roots, N, MPI_INT, scattered, N, MPI_INT, 0, comm, &requests[count++]);
    MPI_Ibarrier(comm, &requests[count++]);
    work();
    MPI_Wait(&requests[count - 1], MPI_STATUS_IGNORE);
    MPI_Waitall(count, requests, MPI_STATUSES_IGNORE);

    VERIFY(bcast, N, seed(size - 1, 4));
    for (int r = 0; r < size; r++) {
        if (rank == 0)
            VERIFY(gather + r * N, N, seed(r, 1));
        VERIFY(allgather + r * N, N, seed(r, 1));
        VERIFY(alltoall + r * N, N, seed(r, 2) + (uint64_t)(unsigned)(rank * N));
    }
    VERIFY(scattered, N, seed(0, 3) + (uint64_t)(unsigned)(rank * N));
    for (int i = 0; i < N; i++) {
        int total = 0, before = 0, reduced = 0, chain = allgather[i];
        for (int r = 0; r < size; r++) {
            int value = allgather[r * N + i];
            total ^= value;
            before ^= r <= rank ? value : 0;
            reduced ^= (int)(uint32_t)mix(seed(r, 2) + (uint64_t)(unsigned)(rank * N + i));
            if (r > 0)
                chain = (int)(uint32_t)mix((uint64_t)(uint32_t)chain << 32 | (uint32_t)value);
        }
        CHECK(sum[i] == total && scan[i] == before && part[i] == reduced,
              "a reduction is wrong at %d", i);
        if (size == 2)
            CHECK(mixed[i] == chain, "the user's operation is wrong at %d", i);
    }
}

/* Datatypes per rank, gone from the application's hands while the operation is pending. */
static void alltoallw(MPI_Comm comm)
{
    int size, rank;
    MPI_Comm_size(comm, &size);
    MPI_Comm_rank(comm, &rank);
    int *counts = malloc((size_t)size * sizeof *counts),
        *displs = malloc((size_t)size * sizeof *displs);
    MPI_Datatype *types = malloc((size_t)size * sizeof *types);
    MPI_Request request;
    for (int r = 0; r < size; r++) {
        MPI_Type_contiguous(20, MPI_INT, &types[r]);
        MPI_Type_commit(&types[r]);
        counts[r] = 1;
        displs[r] = r * 20 * (int)sizeof(int);
    }
    fill(out, 20 * size, seed(rank, 5));
    MPI_Ialltoallw(out, counts, displs, types, in, counts, displs, types, comm, &request);
    work();
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    for (int r = 0; r < size; r++) {
        VERIFY(in + r * 20, 20, seed(r, 5) + (uint64_t)(unsigned)(rank * 20));
        MPI_Type_free(&types[r]);
    }
    free(types);
    free(displs);
    free(counts);
}

/* ---- many communicators -------------------------------------------------- */

static void all_communicators(void)
{
    MPI_Request requests[3 * DUPLICATES];
    int count = 0;
    for (int i = 0; i < DUPLICATES; i++) {
        int *from = out + i * 1000;
        fill(from, 500 + i, seed_of(test.rank, test.right, 1000 + i));
        MPI_Isend(from, 500 + i, MPI_INT, test.right, 5, duplicates[i], &requests[count++]);
        in[200000 + i] = test.rank + i;
        MPI_Iallreduce(&in[200000 + i], &in[200100 + i], 1, MPI_INT, MPI_SUM, duplicates[i],
                       &requests[count++]);
    }
    work();
    for (int i = DUPLICATES - 1; i >= 0;
         i--) { /* the same tag everywhere: only the communicator tells them apart */
        MPI_Status status;
        int n;
        MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, duplicates[i], &status);
        MPI_Get_count(&status, MPI_INT, &n);
        CHECK(n == 500 + i && status.MPI_SOURCE == test.left, "communicator %d: %d elements", i, n);
        MPI_Recv(in, n, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, duplicates[i], MPI_STATUS_IGNORE);
        VERIFY(in, n, seed_of(test.left, test.rank, 1000 + i));
    }
    MPI_Waitall(count, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < DUPLICATES; i++)
        CHECK(in[200100 + i] == test.size * (test.size - 1) / 2 + i * test.size,
              "communicator %d: sum", i);
}

/* Communicators that come and go with operations pending on them. */
static void short_lived(void)
{
    MPI_Comm comm, later;
    MPI_Request requests[3];
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    fill(out, 800, seed_of(test.rank, test.right, 1100));
    MPI_Irecv(in, 800, MPI_INT, test.left, 1, comm, &requests[0]);
    MPI_Isend(out, 800, MPI_INT, test.right, 1, comm, &requests[1]);
    MPI_Comm_idup(comm, &later, &requests[2]);
    work();
    MPI_Comm_free(&comm);
    work();
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    VERIFY(in, 800, seed_of(test.left, test.rank, 1100));
    int sum = 0;
    MPI_Allreduce(&test.rank, &sum, 1, MPI_INT, MPI_SUM, later);
    CHECK(sum == test.size * (test.size - 1) / 2,
          "a duplicate that was made while computing: sum %d", sum);
    MPI_Comm_free(&later);
}

/* ---- intercommunicator --------------------------------------------------- */

static void between_halves(void)
{
    if (inter == MPI_COMM_NULL)
        return;
    int lower = test.rank % 2 == 0, peers = remote_size, sum = 0, expected = 0;
    MPI_Request requests[2];
    MPI_Request *sends = malloc((size_t)peers * sizeof *sends);
    for (int p = 0; p < peers; p++) {
        int to = 2 * p + lower; /* its rank in MPI_COMM_WORLD */
        fill(out + p * 400, 300, seed_of(test.rank, to, 1200));
        MPI_Isend(out + p * 400, 300, MPI_INT, p, 9, inter, &sends[p]);
        expected += to;
    }
    MPI_Iallreduce(&test.rank, &sum, 1, MPI_INT, MPI_SUM, inter, &requests[0]);
    MPI_Ibarrier(inter, &requests[1]);
    work();
    for (int i = 0; i < peers; i++) {
        MPI_Status status;
        MPI_Recv(in, 300, MPI_INT, MPI_ANY_SOURCE, 9, inter, &status);
        VERIFY(in, 300, seed_of(2 * status.MPI_SOURCE + lower, test.rank, 1200));
    }
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    MPI_Waitall(peers, sends, MPI_STATUSES_IGNORE);
    CHECK(sum == expected, "the other half's sum is %d, not %d", sum, expected);
    free(sends);
}

/* Ranks are far apart in time, and some are in blocking collectives while others compute. */
static void out_of_step(void)
{
    int value = test.rank, sum = 0;
    for (int i = 0; i < test.rank % 3; i++)
        work();
    MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    CHECK(sum == test.size * (test.size - 1) / 2, "sum %d", sum);
    for (int i = 0; i < 2 - test.rank % 3; i++)
        work();
    MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_MAX, half);
    CHECK(sum == (half_size - 1) * 2 + test.rank % 2, "maximum %d", sum);
    MPI_Bcast(&sum, 1, MPI_INT, 0, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    test_start(&argc, &argv, 20);
    in = calloc(400000 + (size_t)test.size * 1000, sizeof *in);
    out = calloc(400000 + (size_t)test.size * 1000, sizeof *out);
    MPI_Op_create(keep_newest, 0, &newest);
    for (int i = 0; i < DUPLICATES; i++)
        MPI_Comm_dup(i == 0 ? MPI_COMM_WORLD : duplicates[i - 1], &duplicates[i]);
    MPI_Comm_split(MPI_COMM_WORLD, test.rank % 2, test.rank, &half);
    MPI_Comm_rank(half, &half_rank);
    MPI_Comm_size(half, &half_size);
    inter = MPI_COMM_NULL;
    if (test.size > 1) {
        MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - test.rank % 2, 3, &inter);
        MPI_Comm_remote_size(inter, &remote_size);
    }
    for (test.iteration = 0; test.iteration < test.iterations; test.iteration++) {
        each_kind(MPI_COMM_WORLD);
        each_kind(half);
        alltoallw(duplicates[3]);
        all_communicators();
        short_lived();
        between_halves();
        out_of_step();
    }
    MPI_Op_free(&newest);
    for (int i = 0; i < DUPLICATES; i++)
        MPI_Comm_free(&duplicates[i]);
    MPI_Comm_free(&half);
    if (inter != MPI_COMM_NULL)
        MPI_Comm_free(&inter);
    return test_end();
}
