/* Point-to-point communication in all forms, in flight over stretches of computing. */
#include "mpi_test.h"

#define SIZES 5
static const int sizes[SIZES] = {1, 37, 1000, 20000, 120000}; /* ints: eager to rendezvous */
static int *in, *out;
static char *attached;
#define AREA (SIZES * 120000)

/* ---- modes --------------------------------------------------------------- */

enum { SEND, SSEND, RSEND, BSEND, ISEND, ISSEND, IRSEND, IBSEND, MODES };

static void send_in_mode(int mode, int tag, MPI_Request *request)
{
    int *data = out + mode * 2048, n = 100 + mode * 150;
    fill(data, n, seed_of(test.rank, test.right, tag));
    *request = MPI_REQUEST_NULL;
    switch (mode) {
    case SEND:
        MPI_Send(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD);
        break;
    case SSEND:
        MPI_Ssend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD);
        break;
    case RSEND:
        MPI_Rsend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD);
        break;
    case BSEND:
        MPI_Bsend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD);
        break;
    case ISEND:
        MPI_Isend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD, request);
        break;
    case ISSEND:
        MPI_Issend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD, request);
        break;
    case IRSEND:
        MPI_Irsend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD, request);
        break;
    default:
        MPI_Ibsend(data, n, MPI_INT, test.right, tag, MPI_COMM_WORLD, request);
        break;
    }
}

static void modes(void)
{
    MPI_Request receives[MODES], sends[MODES];
    MPI_Status statuses[MODES];
    for (int mode = 0; mode < MODES; mode++)
        MPI_Irecv(in + mode * 2048, 2048, MPI_INT, test.left, 100 + mode, MPI_COMM_WORLD,
                  &receives[mode]);
    MPI_Barrier(MPI_COMM_WORLD);
    work();
    for (int mode = 0; mode < MODES; mode++)
        send_in_mode(mode, 100 + mode, &sends[mode]);
    work();
    MPI_Waitall(MODES, sends, MPI_STATUSES_IGNORE);
    MPI_Waitall(MODES, receives, statuses);
    for (int mode = 0; mode < MODES; mode++) {
        int n;
        MPI_Get_count(&statuses[mode], MPI_INT, &n);
        CHECK(n == 100 + mode * 150, "mode %d: %d elements", mode, n);
        CHECK(statuses[mode].MPI_SOURCE == test.left && statuses[mode].MPI_TAG == 100 + mode,
              "mode %d: status", mode);
        VERIFY(in + mode * 2048, n, seed_of(test.left, test.rank, 100 + mode));
    }
}

/* Buffered messages must be gone when the buffer is detached. */
static void buffered(void)
{
    void *address;
    int bytes;
    for (int tag = 150; tag < 155; tag++) {
        fill(out, 500, seed_of(test.rank, test.right, tag));
        MPI_Bsend(out, 500, MPI_INT, test.right, tag, MPI_COMM_WORLD);
    }
    memset(out, 0, 500 * sizeof *out);
    work();
    for (int tag = 154; tag >= 150; tag--) {
        MPI_Recv(in, 500, MPI_INT, test.left, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        VERIFY(in, 500, seed_of(test.left, test.rank, tag));
    }
    MPI_Buffer_detach(&address, &bytes);
    CHECK(address == attached && bytes == 1 << 20, "MPI_Buffer_detach gives another buffer");
    MPI_Buffer_attach(attached, 1 << 20);
}

/* ---- unexpected messages ------------------------------------------------- */

static void unexpected(void)
{
    MPI_Request sends[SIZES];
    for (int i = 0; i < SIZES; i++) {
        fill(out + i * 120000, sizes[i], seed_of(test.rank, test.right, 200 + i));
        MPI_Isend(out + i * 120000, sizes[i], MPI_INT, test.right, 200 + i, MPI_COMM_WORLD,
                  &sends[i]);
    }
    work();
    for (int i = SIZES - 1; i >= 0; i--) {
        MPI_Status status;
        int n;
        MPI_Recv(in, sizes[i], MPI_INT, test.left, 200 + i, MPI_COMM_WORLD, &status);
        MPI_Get_count(&status, MPI_INT, &n);
        CHECK(n == sizes[i], "%d elements, not %d", n, sizes[i]);
        VERIFY(in, n, seed_of(test.left, test.rank, 200 + i));
    }
    MPI_Waitall(SIZES, sends, MPI_STATUSES_IGNORE);
}

/* A message that is longer than its receive, after it has waited: an error in the status, and nothing written beyond. */
static void truncated(void)
{
    MPI_Request send;
    MPI_Status status;
    int class, rc;
    fill(out, 64, seed_of(test.rank, test.right, 250));
    MPI_Isend(out, 64, MPI_INT, test.right, 250, MPI_COMM_WORLD, &send);
    work();
    MPI_Barrier(MPI_COMM_WORLD);
    in[10] = -77;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    rc = MPI_Recv(in, 10, MPI_INT, test.left, 250, MPI_COMM_WORLD, &status);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    MPI_Error_class(rc, &class);
    CHECK(class == MPI_ERR_TRUNCATE, "class %d instead of MPI_ERR_TRUNCATE", class);
    CHECK(in[10] == -77, "written beyond the receive buffer");
    MPI_Wait(&send, MPI_STATUS_IGNORE);
}

/* ---- wildcards and probes ------------------------------------------------ */

enum { PROBE, IPROBE, MPROBE, IMPROBE, PLAIN, HOWS };
#define BURST 6

/* Messages {sequence, seed...} of one tag from one source must come in their order. */
static void receive_any(int how, int *sequence)
{
    MPI_Status status;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Request request;
    int flag = 0, n, tag = 300 + how;
    switch (how) {
    case PROBE:
        MPI_Probe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &status);
        break;
    case IPROBE:
        while (!flag)
            MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &status);
        break;
    case MPROBE:
        MPI_Mprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &message, &status);
        break;
    case IMPROBE:
        while (!flag)
            MPI_Improbe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &message, &status);
        break;
    default:
        MPI_Recv(in, 4000, MPI_INT, MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &status);
        break;
    }
    MPI_Get_count(&status, MPI_INT, &n);
    int source = status.MPI_SOURCE;
    CHECK(status.MPI_TAG == tag && n <= 4000, "how %d: tag %d, %d elements", how, status.MPI_TAG,
          n);
    if (how == MPROBE) {
        work();
        MPI_Mrecv(in, n, MPI_INT, &message, &status);
    } else if (how == IMPROBE) {
        MPI_Imrecv(in, n, MPI_INT, &message, &request);
        MPI_Wait(&request, &status);
    } else if (how != PLAIN) {
        MPI_Recv(in, n, MPI_INT, source, tag, MPI_COMM_WORLD, &status);
    }
    CHECK(status.MPI_SOURCE == source && (message == MPI_MESSAGE_NULL),
          "how %d: received from another source", how);
    CHECK(in[0] == sequence[source], "how %d: message %d of rank %d overtook %d", how, in[0],
          source, sequence[source]);
    VERIFY(in + 1, n - 1, seed_of(source, test.rank, tag * 10 + in[0]));
    sequence[source]++;
}

static void wildcards(void)
{
    MPI_Request *sends = malloc((size_t)(test.size * BURST) * sizeof *sends);
    int *sequence = calloc((size_t)test.size, sizeof *sequence);
    for (int how = 0; how < HOWS; how++) {
        int posted = 0;
        for (int i = 0; i < BURST; i++)
            for (int to = 0; to < test.size; to++) {
                int *data = out + posted * 1000, n = 2 + (i * 331 + to * 17) % 900;
                data[0] = i;
                fill(data + 1, n - 1, seed_of(test.rank, to, (300 + how) * 10 + i));
                MPI_Isend(data, n, MPI_INT, to, 300 + how, MPI_COMM_WORLD, &sends[posted++]);
            }
        work();
        memset(sequence, 0, (size_t)test.size * sizeof *sequence);
        for (int i = 0; i < BURST * test.size; i++)
            receive_any(how, sequence);
        MPI_Waitall(posted, sends, MPI_STATUSES_IGNORE);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    free(sequence);
    free(sends);
}

/* ---- persistent requests ------------------------------------------------- */

#define PERSISTENT 4
static MPI_Request persistent[2 * PERSISTENT];

static void persistent_make(void)
{
    for (int i = 0; i < PERSISTENT; i++)
        MPI_Recv_init(in + i * 30000, 30000, MPI_INT, test.left, 400 + i, MPI_COMM_WORLD,
                      &persistent[i]);
    MPI_Send_init(out, 30000, MPI_INT, test.right, 400, MPI_COMM_WORLD, &persistent[PERSISTENT]);
    MPI_Ssend_init(out + 30000, 100, MPI_INT, test.right, 401, MPI_COMM_WORLD,
                   &persistent[PERSISTENT + 1]);
    MPI_Bsend_init(out + 60000, 200, MPI_INT, test.right, 402, MPI_COMM_WORLD,
                   &persistent[PERSISTENT + 2]);
    MPI_Rsend_init(out + 90000, 300, MPI_INT, test.right, 403, MPI_COMM_WORLD,
                   &persistent[PERSISTENT + 3]);
}

static void persistent_use(void)
{
    static const int n[PERSISTENT] = {30000, 100, 200, 300};
    int left = 2 * PERSISTENT;
    for (int i = 0; i < PERSISTENT; i++)
        fill(out + i * 30000, n[i], seed_of(test.rank, test.right, 400 + i));
    MPI_Startall(PERSISTENT, persistent);
    MPI_Barrier(MPI_COMM_WORLD); /* ready sends */
    for (int i = 0; i < PERSISTENT; i++)
        MPI_Start(&persistent[PERSISTENT + i]);
    work();
    while (left > 0) {
        int done, indices[2 * PERSISTENT];
        MPI_Status statuses[2 * PERSISTENT];
        MPI_Waitsome(2 * PERSISTENT, persistent, &done, indices, statuses);
        CHECK(done != MPI_UNDEFINED && done <= left, "MPI_Waitsome completes %d of %d", done, left);
        left -= done;
    }
    int done, indices[2 * PERSISTENT];
    MPI_Waitsome(2 * PERSISTENT, persistent, &done, indices, MPI_STATUSES_IGNORE);
    CHECK(done == MPI_UNDEFINED, "inactive requests complete");
    for (int i = 0; i < 2 * PERSISTENT; i++)
        CHECK(persistent[i] != MPI_REQUEST_NULL, "a persistent request is gone");
    for (int i = 0; i < PERSISTENT; i++)
        VERIFY(in + i * 30000, n[i], seed_of(test.left, test.rank, 400 + i));
}

/* ---- completion ---------------------------------------------------------- */

#define FEW 6

static void post_few(MPI_Request *requests, int tag)
{
    for (int i = 0; i < FEW; i++)
        MPI_Irecv(in + i * 1000, 1000, MPI_INT, test.left, tag + i, MPI_COMM_WORLD, &requests[i]);
    for (int i = 0; i < FEW; i++) {
        fill(out + i * 1000, 900 + i, seed_of(test.rank, test.right, tag + i));
        MPI_Isend(out + i * 1000, 900 + i, MPI_INT, test.right, tag + i, MPI_COMM_WORLD,
                  &requests[FEW + i]);
    }
}

static void verify_few(int tag)
{
    for (int i = 0; i < FEW; i++)
        VERIFY(in + i * 1000, 900 + i, seed_of(test.left, test.rank, tag + i));
}

static void completion(void)
{
    MPI_Request requests[2 * FEW];
    MPI_Status statuses[2 * FEW];
    int index, flag = 0, done, indices[2 * FEW];

    post_few(requests, 500);
    work();
    for (int i = 0; i < 2 * FEW; i++) {
        MPI_Waitany(2 * FEW, requests, &index, statuses);
        CHECK(index >= 0 && index < 2 * FEW && requests[index] == MPI_REQUEST_NULL,
              "MPI_Waitany: index %d", index);
        if (index < FEW)
            CHECK(statuses->MPI_TAG == 500 + index, "MPI_Waitany: tag %d", statuses->MPI_TAG);
    }
    MPI_Waitany(2 * FEW, requests, &index, statuses);
    CHECK(index == MPI_UNDEFINED, "MPI_Waitany of null requests: index %d", index);
    verify_few(500);

    post_few(requests, 510);
    while (!flag)
        MPI_Testall(2 * FEW, requests, &flag, statuses);
    for (int i = 0; i < FEW; i++)
        CHECK(statuses[i].MPI_TAG == 510 + i, "MPI_Testall: tag %d", statuses[i].MPI_TAG);
    verify_few(510);

    post_few(requests, 520);
    for (int left = 2 * FEW; left > 0; left -= flag) {
        MPI_Testany(2 * FEW, requests, &index, &flag, MPI_STATUS_IGNORE);
        CHECK(!flag || index != MPI_UNDEFINED, "MPI_Testany: nothing left");
    }
    verify_few(520);

    post_few(requests, 530);
    work();
    for (int left = 2 * FEW; left > 0; left -= done) {
        MPI_Testsome(2 * FEW, requests, &done, indices, statuses);
        CHECK(done != MPI_UNDEFINED, "MPI_Testsome: nothing left");
    }
    verify_few(530);

    post_few(requests, 540);
    for (flag = 0; !flag;)
        MPI_Request_get_status(requests[0], &flag, statuses);
    CHECK(requests[0] != MPI_REQUEST_NULL && statuses->MPI_TAG == 540, "MPI_Request_get_status");
    MPI_Wait(&requests[0], statuses);
    MPI_Waitall(2 * FEW, requests, MPI_STATUSES_IGNORE);
    verify_few(540);
}

/* ---- freeing and cancelling ---------------------------------------------- */

static void freed_and_cancelled(void)
{
    MPI_Request request, never;
    MPI_Status status;
    int cancelled, flag = 0;
    MPI_Irecv(in + 50000, 10, MPI_INT, test.left, 666, MPI_COMM_WORLD,
              &never); /* nobody sends this */
    fill(out, 5000, seed_of(test.rank, test.right, 600));
    MPI_Isend(out, 5000, MPI_INT, test.right, 600, MPI_COMM_WORLD, &request);
    MPI_Request_free(&request);
    CHECK(request == MPI_REQUEST_NULL, "MPI_Request_free leaves the handle");
    work();
    MPI_Recv(in, 5000, MPI_INT, test.left, 600, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    VERIFY(in, 5000, seed_of(test.left, test.rank, 600));
    MPI_Test(&never, &flag, &status);
    CHECK(!flag, "a receive that nobody sends to is complete");
    MPI_Cancel(&never);
    MPI_Wait(&never, &status);
    MPI_Test_cancelled(&status, &cancelled);
    CHECK(cancelled, "a receive that nobody sends to cannot be cancelled");
    MPI_Barrier(MPI_COMM_WORLD); /* the freed send's buffer is used again */
}

/* ---- both at once -------------------------------------------------------- */

static void exchanges(void)
{
    MPI_Status status;
    MPI_Request request;
    for (int i = 0; i < SIZES; i++) {
        fill(out, sizes[i], seed_of(test.rank, test.right, 700 + i));
        MPI_Sendrecv(out, sizes[i], MPI_INT, test.right, 700 + i, in, sizes[i], MPI_INT, test.left,
                     MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        CHECK(status.MPI_TAG == 700 + i && status.MPI_SOURCE == test.left, "MPI_Sendrecv: status");
        VERIFY(in, sizes[i], seed_of(test.left, test.rank, 700 + i));
        work();
        fill(in, sizes[i], seed_of(test.rank, test.right, 710 + i));
        MPI_Sendrecv_replace(in, sizes[i], MPI_INT, test.right, 710 + i, test.left, 710 + i,
                             MPI_COMM_WORLD, &status);
        VERIFY(in, sizes[i], seed_of(test.left, test.rank, 710 + i));
    }
    fill(out, 3000, seed_of(test.rank, test.right, 720));
    MPI_Isendrecv(out, 3000, MPI_INT, test.right, 720, in, 3000, MPI_INT, test.left, 720,
                  MPI_COMM_WORLD, &request);
    work();
    MPI_Wait(&request, &status);
    VERIFY(in, 3000, seed_of(test.left, test.rank, 720));
    fill(in, 3000, seed_of(test.rank, test.right, 721));
    MPI_Isendrecv_replace(in, 3000, MPI_INT, test.right, 721, test.left, 721, MPI_COMM_WORLD,
                          &request);
    work();
    MPI_Wait(&request, &status);
    VERIFY(in, 3000, seed_of(test.left, test.rank, 721));
}

/* ---- datatypes, self, nobody, large counts, generalized requests --------- */

/* A matrix's columns, received into another layout; and fewer elements than the receive allows. */
static void layouts(void)
{
    MPI_Datatype column, pair;
    MPI_Request requests[3];
    MPI_Status status;
    int n, elements;
    MPI_Type_vector(100, 1, 50, MPI_INT, &column);
    MPI_Type_commit(&column);
    MPI_Type_contiguous(2, MPI_INT, &pair);
    MPI_Type_commit(&pair);
    fill(out, 5000, seed_of(test.rank, test.right, 800));
    MPI_Isend(out + 7, 1, column, test.right, 800, MPI_COMM_WORLD, &requests[0]);
    MPI_Isend(out + 13, 1, column, test.right, 801, MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(out, 7, MPI_INT, test.right, 802, MPI_COMM_WORLD, &requests[2]);
    work();
    fill(in + 10000, 5000, seed_of(test.left, test.rank, 800)); /* what the left one sends from */
    memset(in, 0, 5000 * sizeof *in);
    MPI_Recv(in, 100, MPI_INT, test.left, 800, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (int i = 0; i < 100; i++)
        CHECK(in[i] == in[10000 + 7 + 50 * i], "column to row: element %d", i);
    memset(in, 0, 5000 * sizeof *in);
    MPI_Recv(in + 3, 1, column, test.left, 801, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (int i = 0; i < 100; i++)
        CHECK(in[3 + 50 * i] == in[10000 + 13 + 50 * i] && in[4 + 50 * i] == 0,
              "column to column: element %d", i);
    MPI_Recv(in, 50, pair, test.left, 802, MPI_COMM_WORLD, &status);
    MPI_Get_count(&status, pair, &n);
    MPI_Get_elements(&status, pair, &elements);
    CHECK(n == MPI_UNDEFINED && elements == 7, "3.5 pairs: count %d, elements %d", n, elements);
    VERIFY(in, 7, seed_of(test.left, test.rank, 800));
    MPI_Type_free(&column);
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    MPI_Type_free(&pair);
}

static void self_and_nobody(void)
{
    MPI_Request requests[2];
    MPI_Status status;
    MPI_Message message;
    int n, flag;
    fill(out, 700, seed_of(test.rank, test.rank, 850));
    MPI_Isend(out, 700, MPI_INT, 0, 850, MPI_COMM_SELF, &requests[0]);
    MPI_Isend(out, 700, MPI_INT, test.rank, 851, MPI_COMM_WORLD, &requests[1]);
    work();
    MPI_Recv(in, 700, MPI_INT, 0, 850, MPI_COMM_SELF, &status);
    VERIFY(in, 700, seed_of(test.rank, test.rank, 850));
    MPI_Recv(in, 700, MPI_INT, test.rank, 851, MPI_COMM_WORLD, &status);
    VERIFY(in, 700, seed_of(test.rank, test.rank, 850));
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);

    MPI_Send(out, 5, MPI_INT, MPI_PROC_NULL, 852, MPI_COMM_WORLD);
    MPI_Recv(in, 5, MPI_INT, MPI_PROC_NULL, 852, MPI_COMM_WORLD, &status);
    MPI_Get_count(&status, MPI_INT, &n);
    CHECK(status.MPI_SOURCE == MPI_PROC_NULL && status.MPI_TAG == MPI_ANY_TAG && n == 0,
          "MPI_PROC_NULL: source %d tag %d count %d", status.MPI_SOURCE, status.MPI_TAG, n);
    MPI_Sendrecv(out, 5, MPI_INT, MPI_PROC_NULL, 0, in, 5, MPI_INT, MPI_PROC_NULL, 0,
                 MPI_COMM_WORLD, &status);
    MPI_Improbe(MPI_PROC_NULL, 3, MPI_COMM_WORLD, &flag, &message, &status);
    CHECK(flag && message == MPI_MESSAGE_NO_PROC, "MPI_Improbe of MPI_PROC_NULL");
    MPI_Mrecv(in, 5, MPI_INT, &message, &status);
    CHECK(message == MPI_MESSAGE_NULL && status.MPI_SOURCE == MPI_PROC_NULL,
          "MPI_Mrecv of MPI_MESSAGE_NO_PROC");
}

static void large_counts(void)
{
    MPI_Datatype nothing;
    MPI_Request request;
    MPI_Status status;
    MPI_Count n;
    MPI_Type_contiguous(0, MPI_INT, &nothing);
    MPI_Type_commit(&nothing);
    MPI_Isend_c(out, (MPI_Count)5000000000, nothing, test.right, 870, MPI_COMM_WORLD, &request);
    work();
    MPI_Recv_c(in, (MPI_Count)5000000000, nothing, test.left, 870, MPI_COMM_WORLD, &status);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    fill(out, 1000, seed_of(test.rank, test.right, 871));
    MPI_Irecv_c(in, 1000, MPI_INT, test.left, 871, MPI_COMM_WORLD, &request);
    work();
    MPI_Send_c(out, 1000, MPI_INT, test.right, 871, MPI_COMM_WORLD);
    MPI_Wait(&request, &status);
    MPI_Get_count_c(&status, MPI_INT, &n);
    CHECK(n == 1000, "MPI_Get_count_c: %lld", (long long)n);
    VERIFY(in, 1000, seed_of(test.left, test.rank, 871));
    MPI_Type_free(&nothing);
}

static int queried, released;

static int generalized_query(void *extra, MPI_Status *status)
{
    queried++;
    MPI_Status_set_elements(status, MPI_INT, *(int *)extra);
    MPI_Status_set_cancelled(status, 0);
    status->MPI_SOURCE = 3;
    status->MPI_TAG = 4;
    return MPI_SUCCESS;
}

static int generalized_free(void *extra)
{
    (void)extra;
    released++;
    return MPI_SUCCESS;
}

static int generalized_cancel(void *extra, int complete)
{
    (void)extra;
    (void)complete;
    return MPI_SUCCESS;
}

static void generalized(void)
{
    MPI_Request requests[2];
    MPI_Status status;
    int extra = 11, flag, n, index;
    MPI_Grequest_start(generalized_query, generalized_free, generalized_cancel, &extra,
                       &requests[0]);
    MPI_Irecv(in, 1, MPI_INT, test.left, 890, MPI_COMM_WORLD, &requests[1]);
    work();
    MPI_Test(&requests[0], &flag, &status);
    CHECK(!flag, "a generalized request is complete too early");
    MPI_Grequest_complete(requests[0]);
    MPI_Waitany(2, requests, &index, &status);
    CHECK(index == 0, "MPI_Waitany of a generalized request: %d", index);
    MPI_Get_count(&status, MPI_INT, &n);
    CHECK(n == 11 && status.MPI_SOURCE == 3 && status.MPI_TAG == 4,
          "a generalized request's status");
    CHECK(queried == test.iteration + 1 && released == test.iteration + 1, "callbacks: %d, %d",
          queried, released);
    MPI_Send(out, 1, MPI_INT, test.right, 890, MPI_COMM_WORLD);
    MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
    test_start(&argc, &argv, 20);
    if (test.size * BURST * 1000 > AREA) {
        fprintf(stderr, "at most %d ranks\n", AREA / BURST / 1000);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    in = calloc(AREA, sizeof *in);
    out = calloc(AREA, sizeof *out);
    attached = malloc(1 << 20);
    MPI_Buffer_attach(attached, 1 << 20);
    persistent_make();
    for (test.iteration = 0; test.iteration < test.iterations; test.iteration++) {
        modes();
        buffered();
        unexpected();
        truncated();
        wildcards();
        persistent_use();
        completion();
        freed_and_cancelled();
        exchanges();
        layouts();
        self_and_nobody();
        large_counts();
        generalized();
    }
    for (int i = 0; i < 2 * PERSISTENT; i++)
        MPI_Request_free(&persistent[i]);
    int bytes;
    void *address;
    MPI_Buffer_detach(&address, &bytes);
    return test_end();
}
