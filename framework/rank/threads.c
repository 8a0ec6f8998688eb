/* Threads of the lower half, and thread pointers for upper threads.
 *
 * Every thread that the lower half makes (MPICH, UCX, ours) is made through the pthread_create
 * here: it blocks all signals, so that the application's signals go to the application's threads,
 * and is written down, so that a checkpoint can tell them from upper threads.
 *
 * An upper thread other than the first borrows the thread pointer of a parked lower thread that is
 * made for it at its first MPI call. It asks through a slot and a futex, because it cannot run
 * lower-half code that needs a thread pointer before it has one. */
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 256

static atomic_int lower_tids[THREADS_MAX];

static void remember(int tid)
{
    for (size_t i = 0; i < THREADS_MAX; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&lower_tids[i], &none, tid))
            return;
    }
}

struct start {
    void *(*routine)(void *);
    void *argument;
    sem_t remembered;
};

/* From its first moment that others can see it to its last, the thread is on the list: whoever makes it waits until it is
 * on it, and nobody but dv_threads_upper takes it off, when the kernel has it no more. */
static void *lower_thread(void *argument)
{
    struct start *start = argument;
    void *(*routine)(void *) = start->routine;
    void *routine_argument = start->argument;
    remember(gettid());
    sem_post(&start->remembered);
    return routine(routine_argument);
}

typedef int (*create_function)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static create_function real_create(void)
{
    static create_function real;
    if (real == NULL)
        real = (create_function)dlsym(RTLD_NEXT, "pthread_create");
    return real;
}

static int create_blocked(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*routine)(void *), void *argument)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = real_create()(thread, attributes, routine, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

int dv_threads_create_bare(void *(*routine)(void *))
{
    pthread_t thread;
    return create_blocked(&thread, NULL, routine, NULL);
}

void dv_threads_register(void)
{
    remember((int)DV_RAW(SYS_gettid));
}

/* Stands before libc's for everything in the lower half. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                          const pthread_attr_t *attributes,
                                                          void *(*routine)(void *), void *argument)
{
    struct start start = {.routine = routine, .argument = argument};
    sem_init(&start.remembered, 0, 0);
    int error = create_blocked(thread, attributes, lower_thread, &start);
    while (error == 0 && sem_wait(&start.remembered) != 0)
        ;
    sem_destroy(&start.remembered);
    return error;
}

/* Threads that have ended leave the list. Of `listed`, what is not in /proc/self/task any more; one that was remembered
 * after it was read is not among them. */
static void forget_ended(const int listed[THREADS_MAX])
{
    for (size_t i = 0; i < THREADS_MAX; i++) {
        char path[64];
        int tid = listed[i];
        snprintf(path, sizeof path, "/proc/self/task/%d", tid);
        if (tid != 0 && access(path, F_OK) != 0)
            atomic_compare_exchange_strong(&lower_tids[i], &tid, 0);
    }
}

size_t dv_threads_upper(int *tids, size_t max)
{
    int listed[THREADS_MAX];
    for (size_t i = 0; i < THREADS_MAX; i++)
        listed[i] = atomic_load(&lower_tids[i]);
    DIR *tasks = opendir("/proc/self/task");
    size_t count = 0;
    if (tasks == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL && count < max;) {
        int tid = atoi(entry->d_name), ours = tid == 0 || tid == getpid();
        for (size_t i = 0; i < THREADS_MAX && !ours; i++)
            ours = atomic_load(&lower_tids[i]) == tid;
        if (!ours)
            tids[count++] = tid;
    }
    closedir(tasks);
    forget_ended(listed);
    return count;
}

/* ---- the broker ---------------------------------------------------------- */

enum { SLOT_FREE, SLOT_TAKEN, SLOT_ASKED, SLOT_MAKING, SLOT_ANSWERED };
static struct {
    atomic_uint state;
    uint64_t thread_pointer;
} slot;

static long futex(atomic_uint *word, int op, unsigned value)
{
    return DV_RAW(SYS_futex, word, op, value, 0, 0, 0);
}

__attribute__((noreturn)) static void *parked_thread(void *unused)
{
    (void)unused;
    slot.thread_pointer = dv_fs_get();
    atomic_store(&slot.state, SLOT_ANSWERED);
    futex(&slot.state, FUTEX_WAKE, INT32_MAX);
    for (;;)
        pause();
}

static void *broker_thread(void *unused)
{
    (void)unused;
    for (;;) {
        unsigned state = atomic_load(&slot.state);
        if (state != SLOT_ASKED) {
            futex(&slot.state, FUTEX_WAIT, state);
            continue;
        }
        /* A state of its own: by the time this thread looks again the next one may have asked. */
        atomic_store(&slot.state, SLOT_MAKING);
        pthread_t thread;
        int error = pthread_create(&thread, NULL, parked_thread, NULL);
        if (error != 0) {
            dv_error("threads",
                     "cannot make a lower-half thread for a thread of the application: %s",
                     strerror(error));
            abort();
        }
        while (atomic_load(&slot.state) == SLOT_MAKING)
            futex(&slot.state, FUTEX_WAIT, SLOT_MAKING);
    }
}

/* Runs with the UPPER thread pointer: exempt system calls only, no thread-local storage. */
uint64_t dv_threads_pointer(void)
{
    unsigned state = SLOT_FREE;
    while (!atomic_compare_exchange_strong(&slot.state, &state, SLOT_TAKEN)) {
        futex(&slot.state, FUTEX_WAIT, state);
        state = SLOT_FREE;
    }
    atomic_store(&slot.state, SLOT_ASKED);
    futex(&slot.state, FUTEX_WAKE, INT32_MAX);
    while ((state = atomic_load(&slot.state)) != SLOT_ANSWERED)
        futex(&slot.state, FUTEX_WAIT, state);
    uint64_t pointer = slot.thread_pointer;
    atomic_store(&slot.state, SLOT_FREE);
    futex(&slot.state, FUTEX_WAKE, INT32_MAX);
    return pointer;
}

enum dv_status dv_threads_start(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, broker_thread, NULL);
    if (error == 0)
        return DV_OK;
    dv_error("threads", "cannot start a thread: %s", strerror(error));
    return DV_ERR_SYSTEM;
}
