/* What passes through to the real library: windows, files, persistent collectives, MPI_T, ports;
 * and corners of the objects side: communicators freed while operations are pending, dead handles,
 * error handlers of windows and files, MPI_Alloc_mem, attributes deleted at MPI_Finalize. Prints
 * "passing: ok" from rank 0. Needs an even number of ranks. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int dv_test_rebuild(void) __attribute__((weak));

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "passing: rank %d: %s:%d: failed: %s\n", rank, __FILE__, __LINE__,     \
                    #condition);                                                                   \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                          \
        }                                                                                          \
    } while (0)

static int rank, size;
static int handler_calls, last_rc;

static void on_win_error(MPI_Win *win, int *rc, ...)
{
    handler_calls += *win != MPI_WIN_NULL;
    last_rc = *rc;
}

static void on_file_error(MPI_File *file, int *rc, ...)
{
    handler_calls += *file != MPI_FILE_NULL;
    last_rc = *rc;
}

static int error_class(int rc)
{
    int class;
    MPI_Error_class(rc, &class);
    return class;
}

static int count_deletes(MPI_Win win, int key, void *value, void *extra)
{
    (void)win, (void)key, (void)value;
    ++*(int *)extra;
    return MPI_SUCCESS;
}

static void windows(void)
{
    int *memory, *unit, flag, deletes = 0, key, next = (rank + 1) % size;
    MPI_Aint *bytes;
    void *base;
    MPI_Win win;
    MPI_Errhandler handler;
    MPI_Win_allocate(4 * sizeof(int), sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    memory[0] = -1;
    MPI_Win_fence(0, win);
    MPI_Put(&rank, 1, MPI_INT, next, 0, 1, MPI_INT, win);
    MPI_Win_fence(0, win);
    CHECK(memory[0] == (rank + size - 1) % size);
    MPI_Win_get_attr(win, MPI_WIN_BASE, &base, &flag);
    CHECK(flag && base == memory);
    MPI_Win_get_attr(win, MPI_WIN_SIZE, &bytes, &flag);
    CHECK(flag && *bytes == 4 * sizeof(int));
    MPI_Win_get_attr(win, MPI_WIN_DISP_UNIT, &unit, &flag);
    CHECK(flag && *unit == sizeof(int));
    MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, count_deletes, &key, &deletes);
    MPI_Win_set_attr(win, key, memory);
    MPI_Win_get_attr(win, key, &base, &flag);
    CHECK(flag && base == memory);

    MPI_Win_create_errhandler(on_win_error, &handler);
    MPI_Win_set_errhandler(win, handler);
    MPI_Errhandler_free(&handler);
    handler_calls = 0;
    CHECK(MPI_Put(&rank, -1, MPI_INT, next, 0, 1, MPI_INT, win) != MPI_SUCCESS);
    CHECK(handler_calls == 1 && error_class(last_rc) == MPI_ERR_COUNT);
    MPI_Request request;
    MPI_Win_lock_all(0, win);
    MPI_Rput(&rank, 1, MPI_INT, next, 1, 1, MPI_INT, win, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
    CHECK(win == MPI_WIN_NULL && deletes == 1);
    MPI_Win_free_keyval(&key);
}

static void files(void)
{
    char name[64] = "", check[8];
    int n = 0;
    MPI_File file;
    MPI_Errhandler handler;
    MPI_Status status;
    if (rank == 0)
        snprintf(name, sizeof name, "/tmp/dejavu-passing-%ld", (long)getpid());
    MPI_Bcast(name, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
    MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &file);
    MPI_Datatype view, etype, filetype;
    MPI_Type_vector(2, 4, 4 * size, MPI_CHAR, &view);
    MPI_Type_commit(&view);
    MPI_File_set_view(file, 4 * rank, MPI_CHAR, view, "native", MPI_INFO_NULL);
    char mine[8];
    memset(mine, 'a' + rank, sizeof mine);
    MPI_File_write_all(file, mine, 8, MPI_CHAR, &status);
    MPI_File_read_at_all(file, 0, check, 8, MPI_CHAR, &status);
    MPI_Get_count(&status, MPI_CHAR, &n);
    CHECK(n == 8 && memcmp(mine, check, 8) == 0);
    MPI_Offset displacement;
    char representation[MPI_MAX_DATAREP_STRING];
    MPI_File_get_view(file, &displacement, &etype, &filetype, representation);
    CHECK(etype == MPI_CHAR);
    MPI_Type_size(filetype, &n);
    CHECK(n == 8);
    MPI_Type_free(&filetype);
    MPI_Type_free(&view);
    MPI_Request request;
    MPI_File_iread_at(file, 0, check, 4, MPI_CHAR, &request);
    MPI_Wait(&request, &status);
    MPI_File_create_errhandler(on_file_error, &handler);
    MPI_File_set_errhandler(file, handler);
    handler_calls = 0;
    CHECK(MPI_File_read_at(file, -5, check, 1, MPI_CHAR, &status) != MPI_SUCCESS &&
          handler_calls == 1);
    MPI_Errhandler_free(&handler);
    MPI_File_close(&file);
    CHECK(file == MPI_FILE_NULL);
    CHECK(MPI_File_open(MPI_COMM_SELF, "/nonexistent/file", MPI_MODE_RDONLY, MPI_INFO_NULL,
                        &file) != MPI_SUCCESS);
    if (rank == 0)
        MPI_File_delete(name, MPI_INFO_NULL);
}

static void persistent_collectives(void)
{
    int sum = -1;
    MPI_Request request;
    MPI_Allreduce_init(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, MPI_INFO_NULL, &request);
    for (int i = 0; i < 3; i++) {
        sum = -1;
        MPI_Start(&request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        CHECK(sum == size * (size - 1) / 2);
    }
    MPI_Request_free(&request);
}

/* A receive is pending on a communicator that is freed; the message comes later. */
static void pending_at_free(void)
{
    int got = -1, peer = rank ^ 1;
    MPI_Comm comm;
    MPI_Request receive, send;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Irecv(&got, 1, MPI_INT, peer, 3, comm, &receive);
    MPI_Isend(&rank, 1, MPI_INT, peer, 3, comm, &send);
    MPI_Comm_free(&comm);
    CHECK(comm == MPI_COMM_NULL);
    MPI_Wait(&receive, MPI_STATUS_IGNORE);
    MPI_Wait(&send, MPI_STATUS_IGNORE);
    CHECK(got == peer);
    if (dv_test_rebuild != NULL)
        CHECK(dv_test_rebuild() == 0);
    for (int i = 0; i < 100; i++) { /* indices are recycled, names are not */
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        MPI_Bcast(&got, 1, MPI_INT, i % size, comm);
        MPI_Comm_free(&comm);
    }
}

static void dead_handles(void)
{
    int n;
    MPI_Comm comm, dead;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    dead = comm;
    MPI_Comm_free(&comm);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK(error_class(MPI_Comm_size(dead, &n)) == MPI_ERR_COMM);
    CHECK(error_class(MPI_Barrier(dead)) == MPI_ERR_COMM);
    CHECK(error_class(MPI_Comm_free(&dead)) == MPI_ERR_COMM);
    comm = MPI_COMM_WORLD;
    CHECK(error_class(MPI_Comm_free(&comm)) == MPI_ERR_COMM);
    CHECK(error_class(MPI_Comm_dup(MPI_COMM_NULL, &comm)) == MPI_ERR_COMM);
    CHECK(error_class(MPI_Comm_set_attr(MPI_COMM_WORLD, MPI_KEYVAL_INVALID, NULL)) ==
          MPI_ERR_KEYVAL);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL);
}

static void tools(void)
{
    int provided, n, threads;
    MPI_T_pvar_session session;
    MPI_T_init_thread(MPI_THREAD_SINGLE, &provided);
    MPI_T_cvar_get_num(&n);
    CHECK(n > 0);
    MPI_T_cvar_handle handle;
    if (MPI_T_cvar_handle_alloc(0, NULL, &handle, &threads) == MPI_SUCCESS)
        MPI_T_cvar_handle_free(&handle);
    MPI_T_pvar_session_create(&session);
    MPI_T_pvar_stop(session, MPI_T_PVAR_ALL_HANDLES);
    MPI_T_pvar_session_free(&session);
    MPI_T_finalize();
}

static void memory(void)
{
    char *block;
    MPI_Alloc_mem(10000, MPI_INFO_NULL, &block);
    memset(block, 1, 10000);
    MPI_Free_mem(block);
}

static int said_at_finalize(MPI_Comm comm, int key, void *value, void *extra)
{
    int initialized;
    (void)comm, (void)key, (void)extra;
    MPI_Initialized(&initialized);
    if (initialized && rank == 0)
        puts((const char *)value);
    return MPI_SUCCESS;
}

int main(int argc, char **argv)
{
    int key;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    windows();
    files();
    persistent_collectives();
    pending_at_free();
    dead_handles();
    tools();
    memory();
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, said_at_finalize, &key, NULL);
    MPI_Comm_set_attr(MPI_COMM_SELF, key, (void *)"passing: ok");
    MPI_Finalize();
    return 0;
}
