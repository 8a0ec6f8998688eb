/* Making the next image's file ready in the background; see dv_image_prepare. A thread of the lower
 * half does it, after each checkpoint, when its predecessor has been pruned, and before the first
 * one if checkpoints are to be taken by interval. */
#include "image/image.h"
#include "rank/rank.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PRUNE_NS 50000000ull /* the supervisor prunes right after it has told of the commit */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int started;
    const char *spare; /* directory */
    uint64_t bytes;    /* wanted; 0: nothing */
    uint64_t first_ns; /* until the first estimate */
} preparer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pause_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

/* An image is about as large as what is resident. */
static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t next_wish(void)
{
    pthread_mutex_lock(&preparer.lock);
    while (preparer.bytes == 0)
        pthread_cond_wait(&preparer.changed, &preparer.lock);
    uint64_t bytes = preparer.bytes;
    preparer.bytes = 0;
    pthread_mutex_unlock(&preparer.lock);
    return bytes;
}

static void *preparer_thread(void *unused)
{
    const char *directory = preparer.spare;
    char name[32];
    (void)unused;
    snprintf(name, sizeof name, "rank-%d.dvi", dv_rank.rank);
    if (preparer.first_ns > 0) {
        pause_ns(preparer.first_ns);
        dv_image_prepare(directory, name, resident_bytes());
    }
    for (;;) {
        uint64_t bytes = next_wish();
        pause_ns(PRUNE_NS);
        dv_image_prepare(directory, name, bytes);
    }
    return NULL;
}

void dv_prepare_start(const char *spare, uint64_t interval_ns, uint64_t image_bytes)
{
    pthread_t thread;
    if (dv_rank.options.job == NULL)
        return;
    preparer.spare = spare;
    preparer.bytes = image_bytes;
    preparer.first_ns = image_bytes == 0 ? interval_ns / 2 : 0;
    preparer.started = pthread_create(&thread, NULL, preparer_thread, NULL) == 0;
}

void dv_prepare_want(uint64_t image_bytes)
{
    if (!preparer.started)
        return;
    pthread_mutex_lock(&preparer.lock);
    preparer.bytes = image_bytes;
    pthread_cond_signal(&preparer.changed);
    pthread_mutex_unlock(&preparer.lock);
}
