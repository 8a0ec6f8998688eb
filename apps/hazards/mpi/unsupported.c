/* Hazard: MPI objects that cannot be captured while they exist: an RMA window, an open file. Used while a checkpoint is
 * refused, freed, then made once more at the end, after what may have been a restart.
 * usage: hazard-mpi-unsupported window|file [ROUNDS]. Says HELD and waits for the file `release`, then FREE and waits for
 * the file `end` (only with HAZARD_WAIT; see hazard.h). */
#include "apps/hazards/hazard.h"

#include <mpi.h>

#define VALUES 1000

static int rank, size;
static MPI_Win window = MPI_WIN_NULL;
static MPI_File file = MPI_FILE_NULL;
static uint64_t *shared;

static void make(const char *what)
{
    char name[] = "mpi-hazard.file";
    if (strcmp(what, "window") == 0)
        MPI_Win_allocate(VALUES * 8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &shared, &window);
    else
        MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_RDWR | MPI_MODE_CREATE, MPI_INFO_NULL, &file);
}

/* Everybody's values go to the right neighbour (or to a place of their own in the file), and are read back. */
static void use(const char *what, uint64_t seed)
{
    static uint64_t values[VALUES], got[VALUES];
    int right = (rank + 1) % size, left = (rank + size - 1) % size;
    hazard_fill(values, sizeof values, seed + (uint64_t)rank);
    if (strcmp(what, "window") == 0) {
        MPI_Win_fence(0, window);
        MPI_Put(values, VALUES, MPI_UINT64_T, right, 0, VALUES, MPI_UINT64_T, window);
        MPI_Win_fence(0, window);
        hazard_verify(shared, sizeof got, seed + (uint64_t)left, "the window");
    } else {
        MPI_File_write_at_all(file, (MPI_Offset)(rank * (int)sizeof values), values, VALUES,
                              MPI_UINT64_T, MPI_STATUS_IGNORE);
        MPI_File_sync(file);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_File_read_at_all(file, (MPI_Offset)(left * (int)sizeof values), got, VALUES,
                             MPI_UINT64_T, MPI_STATUS_IGNORE);
        hazard_verify(got, sizeof got, seed + (uint64_t)left, "the file");
    }
    hazard_mix(seed);
}

static void drop(const char *what)
{
    if (strcmp(what, "window") == 0)
        MPI_Win_free(&window);
    else
        MPI_File_close(&file);
}

/* The others wait in a receive: a collective that some have entered has to be left before a
 * checkpoint, so all would have to come to it. */
static void wait_together(const char *word, const char *name)
{
    int token = 1;
    if (rank == 0)
        hazard_wait_for(word, name);
    else
        MPI_Recv(&token, 1, MPI_INT, rank - 1, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank + 1 < size)
        MPI_Send(&token, 1, MPI_INT, rank + 1, 9, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    hazard_begin(argc - 1, argv + 1);
    make(argv[1]);
    use(argv[1], 1);
    wait_together("HELD", "release");
    use(argv[1], 2);
    drop(argv[1]);
    wait_together("FREE", "end");
    make(argv[1]);
    use(argv[1], 3);
    drop(argv[1]);
    if (rank == 0)
        hazard_end();
    MPI_Finalize();
    return 0;
}
