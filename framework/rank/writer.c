/* The writer: a thread that writes what a capture has kept while the application runs, or waits for the child that does,
 * and tells the agent. The agent thread itself stays free to hear that an epoch is given up, or that the supervisor is
 * gone. The next epoch is asked for only when this one is committed or given up, so there is never more than one job. */
#include "capture/held.h"
#include "capture/lazy.h"
#include "common/fail.h"
#include "common/io.h"
#include "rank/rank.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define FIRST_LOOK_NS 50000000

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t epoch; /* of the job; 0: none */
    struct dv_capture_job *job;
    struct dv_capture_figures figures;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void finish(void)
{
    pthread_mutex_lock(&writer.lock);
    struct dv_capture_job *job = writer.job;
    writer.job = NULL;
    pthread_mutex_unlock(&writer.lock);
    dv_capture_discard(job);
    pthread_mutex_lock(&writer.lock);
    writer.epoch = 0;
    pthread_cond_broadcast(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
}

/* The application's libraries are mapped by now, mostly; what comes later is found after the first epoch. */
static void get_ready(void)
{
    const struct timespec start = {0, FIRST_LOOK_NS};
    nanosleep(&start, NULL);
    dv_held_prepare(dv_rank.options.job);
}

static void *writer_thread(void *unused)
{
    (void)unused;
    get_ready();
    for (;;) {
        pthread_mutex_lock(&writer.lock);
        while (writer.epoch == 0)
            pthread_cond_wait(&writer.changed, &writer.lock);
        uint64_t epoch = writer.epoch;
        struct dv_capture_job *job = writer.job;
        pthread_mutex_unlock(&writer.lock);
        enum dv_status status = dv_capture_write(job, &writer.figures);
        /* What follows from memory that may not be what had been captured is not to be committed. */
        if (status == DV_OK)
            status = dv_lazy_wait();
        char why[1024] = "";
        if (status != DV_OK)
            snprintf(why, sizeof why, "%s", dv_why());
        struct dv_capture_figures figures = writer.figures;
        finish();
        /* Before the answer, which may bring the next epoch. */
        dv_agent_written(epoch, status, why, &figures);
        dv_capture_make_ready();
        dv_held_prepare(dv_rank.options.job);
    }
    return NULL;
}

void dv_writer_start(uint64_t epoch, struct dv_capture_job *job,
                     const struct dv_capture_figures *figures)
{
    pthread_mutex_lock(&writer.lock);
    writer.job = job;
    writer.figures = *figures;
    writer.epoch = epoch;
    pthread_cond_broadcast(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
}

void dv_writer_cancel(uint64_t epoch)
{
    pthread_mutex_lock(&writer.lock);
    if (writer.epoch == epoch && writer.job != NULL)
        dv_capture_cancel(writer.job);
    pthread_mutex_unlock(&writer.lock);
}

int dv_writer_wait(uint64_t limit_ns)
{
    uint64_t end_ns = dv_now_ns() + limit_ns;
    struct timespec end = {(time_t)(end_ns / 1000000000u), (long)(end_ns % 1000000000u)};
    int error = 0;
    pthread_mutex_lock(&writer.lock);
    while (writer.epoch != 0 && error == 0)
        error = pthread_cond_timedwait(&writer.changed, &writer.lock, &end);
    int idle = writer.epoch == 0;
    pthread_mutex_unlock(&writer.lock);
    return idle;
}

int dv_writer_thread_start(void)
{
    pthread_t thread;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return pthread_create(&thread, NULL, writer_thread, NULL);
}
