/* The library's beginning and end: its constructor, threads' entry into the gate, MPI_Init,
 * MPI_Finalize, MPI_Abort, time.
 *
 * For the collective cut, MPI_Init and MPI_Finalize are collectives on the pseudo-communicator
 * DV_CUT_PHASE (gate.h). */
#include "mpi/export.h"
#include "mpi/objects.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

__thread uint64_t dv_lower_fs __attribute__((tls_model("initial-exec")));
__thread int dv_is_main __attribute__((tls_model("initial-exec")));
volatile uint32_t dv_in_mpi;

/* ---- the gate ------------------------------------------------------------ */

static bool gate_is_there(void)
{
    static int known = -1;
    if (known < 0) {
        /* msync fails with ENOMEM on addresses that are not mapped and does nothing to those that
         * are. */
        known = msync((void *)DV_GATE_BASE, sizeof(struct dv_gate), MS_ASYNC) == 0 &&
                DV_GATE->magic == DV_GATE_MAGIC && DV_GATE->abi == DV_GATE_ABI;
    }
    return known == 1;
}

static __attribute__((noreturn)) void no_gate(void)
{
    dv_say("this libmpich.so.12 is DejaVu's and works only in a program that DejaVu has started; "
           "start it with "
           "\"dejavu run\", or take DejaVu's directory out of LD_LIBRARY_PATH");
    _exit(DV_EXIT_ENV);
}

uint64_t dv_thread_attach(void)
{
    if (!gate_is_there())
        no_gate();
    dv_lower_fs = dv_is_main ? DV_GATE->main_lower_fs : DV_GATE->lower->thread_pointer();
    return dv_lower_fs;
}

void dv_thread_restored(void)
{
    dv_lower_fs = DV_GATE->main_lower_fs;
}

/* The application and its children see the LD_LIBRARY_PATH that the user had. */
static void remove_own_directory(void)
{
    Dl_info self;
    const char *path = getenv("LD_LIBRARY_PATH");
    if (path == NULL || dladdr((void *)remove_own_directory, &self) == 0 ||
        strrchr(self.dli_fname, '/') == NULL)
        return;
    size_t own = (size_t)(strrchr(self.dli_fname, '/') - self.dli_fname), used = 0;
    size_t bytes = strlen(path) + 1;
    char *rest = calloc(1, bytes);
    bool removed = false;
    if (rest == NULL)
        return; /* a longer path than needed does no harm */
    for (const char *entry = path; entry != NULL;) {
        const char *colon = strchr(entry, ':');
        size_t length = colon != NULL ? (size_t)(colon - entry) : strlen(entry);
        if (!removed && length == own && memcmp(entry, self.dli_fname, own) == 0) {
            removed = true;
        } else {
            used += (size_t)snprintf(rest + used, bytes - used, "%s%.*s", used > 0 ? ":" : "",
                                     (int)length, entry);
        }
        entry = colon != NULL ? colon + 1 : NULL;
    }
    if (removed && used == 0)
        unsetenv("LD_LIBRARY_PATH");
    else if (removed)
        setenv("LD_LIBRARY_PATH", rest, 1);
    free(rest);
}

__attribute__((constructor)) static void start(void)
{
    if (!gate_is_there())
        return; /* said when MPI is used */
    dv_is_main = 1;
    remove_own_directory();
    DV_GATE->upper = &dv_upper;
}

/* ---- MPI_Init ------------------------------------------------------------ */

static void die_at_init(const char *text)
{
    dv_say(text);
    DV_LOWER_VOID(exiting, DV_EXIT_ENV);
    DV_REAL(MPI_Abort, MPI_COMM_WORLD, DV_EXIT_ENV);
    _exit(DV_EXIT_ENV);
}

static void check_size(void)
{
    char text[512] = "MPI_COMM_WORLD has ";
    uint32_t expected = DV_GATE->mpi_size;
    if (expected == 0 || (uint32_t)dv_world->size == expected)
        return;
    dv_text_add_number(text, sizeof text, dv_world->size);
    dv_text_add(text, sizeof text, " ranks but the job has ");
    dv_text_add_number(text, sizeof text, expected);
    dv_text_add(text, sizeof text,
                ": the ranks were started by the mpiexec of another MPI; use mpiexec.mpich");
    die_at_init(text);
}

static void begin_phase(uint64_t phase)
{
    DV_GATE->coll_comm = DV_CUT_PHASE;
    DV_GATE->coll_count = phase;
}

static void initialized(int required, int provided)
{
    DV_GATE->thread_required = required;
    DV_GATE->thread_provided = provided;
    dv_threads_multiple = provided == MPI_THREAD_MULTIPLE;
    dv_comm_enter_predefined();
    dv_data_start();
    check_size();
    if (dv_protocol_start() != DV_OK)
        die_at_init("the job's protocol strategy cannot start");
    DV_GATE->phase = 1;
}

int PMPI_Init(int *argc, char ***argv)
{
    if (!gate_is_there())
        no_gate();
    dv_mpi_enter("MPI_Init");
    begin_phase(1);
    int rc = DV_REAL(MPI_Init, argc, argv), provided = MPI_THREAD_SINGLE;
    if (rc == MPI_SUCCESS) {
        DV_REAL(MPI_Query_thread, &provided);
        initialized(MPI_THREAD_SINGLE, provided);
    }
    rc = dv_error(NULL, rc, "MPI_Init");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Init);

int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    if (!gate_is_there())
        no_gate();
    dv_mpi_enter("MPI_Init_thread");
    begin_phase(1);
    int rc = DV_REAL(MPI_Init_thread, argc, argv, required, provided);
    if (rc == MPI_SUCCESS)
        initialized(required, *provided);
    rc = dv_error(NULL, rc, "MPI_Init_thread");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Init_thread);

/* ---- MPI_Finalize -------------------------------------------------------- */

/* Attributes of MPI_COMM_SELF go first, while all of MPI still works for their callbacks
 * (MPI 4.0, 11.2.4). */
static int delete_attributes(void)
{
    int rc = dv_attributes_delete(MPI_COMM_SELF, &dv_self->attributes);
    if (rc == MPI_SUCCESS)
        rc = dv_attributes_delete(MPI_COMM_WORLD, &dv_world->attributes);
    dv_datatypes_leave_predefined();
    return rc;
}

static int finalize(void)
{
    if (dv_world == NULL)
        return DV_REAL(MPI_Finalize); /* not initialized: the real library finds the right words */
    int rc = delete_attributes();
    if (rc != MPI_SUCCESS)
        return rc;
    dv_protocol_stop();
    begin_phase(2);
    rc = DV_REAL(MPI_Finalize);
    if (rc == MPI_SUCCESS) {
        dv_comm_leave_predefined();
        DV_GATE->phase = 2;
    }
    return rc;
}

int PMPI_Finalize(void)
{
    dv_mpi_enter("MPI_Finalize");
    int rc = dv_error(NULL, finalize(), "MPI_Finalize");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Finalize);

int PMPI_Abort(MPI_Comm comm, int errorcode)
{
    dv_mpi_enter("MPI_Abort");
    MPI_Comm real = dv_comm_real(comm);
    DV_LOWER_VOID(exiting, errorcode);
    int rc = DV_REAL(MPI_Abort, real, errorcode);
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Abort);

/* ---- questions that are answered here, so that a restore changes no answer  */

static int answer(int *out, int value, const char *call)
{
    if (out == NULL)
        return dv_error(NULL, MPI_ERR_ARG, call);
    *out = value;
    return MPI_SUCCESS;
}

int PMPI_Initialized(int *flag)
{
    return answer(flag, gate_is_there() && DV_GATE->phase >= 1, "MPI_Initialized");
}
DV_EXPORT(MPI_Initialized);

int PMPI_Finalized(int *flag)
{
    return answer(flag, gate_is_there() && DV_GATE->phase >= 2, "MPI_Finalized");
}
DV_EXPORT(MPI_Finalized);

int PMPI_Query_thread(int *provided)
{
    if (dv_world != NULL)
        return answer(provided, DV_GATE->thread_provided, "MPI_Query_thread");
    dv_mpi_enter("MPI_Query_thread");
    int rc = dv_error(NULL, DV_REAL(MPI_Query_thread, provided), "MPI_Query_thread");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Query_thread);

int PMPI_Is_thread_main(int *flag)
{
    if (dv_world != NULL)
        return answer(flag, dv_is_main, "MPI_Is_thread_main");
    dv_mpi_enter("MPI_Is_thread_main");
    int rc = dv_error(NULL, DV_REAL(MPI_Is_thread_main, flag), "MPI_Is_thread_main");
    dv_mpi_exit();
    return rc;
}
DV_EXPORT(MPI_Is_thread_main);

int PMPI_Pcontrol(const int level, ...)
{
    (void)level; /* MPICH does nothing either; tools define their own */
    return MPI_SUCCESS;
}
DV_EXPORT(MPI_Pcontrol);

/* ---- time: never goes back, although a restart may be on another host ---- */

static double clock_offset_s, clock_described_s;

double PMPI_Wtime(void)
{
    return DV_REAL(MPI_Wtime) + clock_offset_s;
}
DV_EXPORT(MPI_Wtime);

double PMPI_Wtick(void)
{
    return DV_REAL(MPI_Wtick);
}
DV_EXPORT(MPI_Wtick);

void dv_clock_describe(void)
{
    clock_described_s = DV_REAL(MPI_Wtime) + clock_offset_s;
}

void dv_clock_rebuild(void)
{
    double now_s = DV_REAL(MPI_Wtime) + clock_offset_s;
    if (now_s < clock_described_s)
        clock_offset_s += clock_described_s - now_s;
}
