/* Checking the blocks behind lazily restored memory while the application runs; see lazy.h. */
#include "capture/lazy.h"
#include "common/fail.h"
#include "common/io.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is checked at a time, and how long to pause for it: four times as long as it took, but no longer than that. A
 * scheduling class for the idle would do the same, but an ordinary user could not leave it again when it must hurry. */
#define STEP_BYTES (1024u * 1024u)
#define PAUSE_FACTOR 4u
#define LONGEST_PAUSE_NS 20000000u

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running; /* guarded by lock */
    enum dv_status result;
    char why[500];
    atomic_int hurry;
    struct dv_lazy lazy;
    struct dv_image_chain *chain;
    void (*ended)(enum dv_status status, const char *why);
} verify = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pause_for(uint64_t took_ns)
{
    uint64_t pause_ns = took_ns * PAUSE_FACTOR;
    if (pause_ns > LONGEST_PAUSE_NS)
        pause_ns = LONGEST_PAUSE_NS;
    struct timespec pause = {.tv_nsec = (long)pause_ns};
    if (!atomic_load_explicit(&verify.hurry, memory_order_relaxed))
        nanosleep(&pause, NULL);
}

/* Loading checks every block that it reads. */
static enum dv_status check_pieces(void *scratch)
{
    enum dv_status status = DV_OK;
    for (size_t i = 0; i < verify.lazy.count && status == DV_OK; i++) {
        const struct dv_lazy_piece *piece = &verify.lazy.pieces[i];
        uint64_t end = piece->address + piece->length;
        for (uint64_t at = piece->address; at < end && status == DV_OK;) {
            uint64_t before = dv_now_ns(), left = end - at,
                     length = left < STEP_BYTES ? left : STEP_BYTES;
            status = dv_image_chain_load(verify.chain, at, at + length, scratch, 1);
            at += length;
            pause_for(dv_now_ns() - before);
        }
    }
    return status;
}

static void *verify_thread(void *unused)
{
    (void)unused;
    void *scratch = malloc(STEP_BYTES);
    enum dv_status status =
        scratch ? check_pieces(scratch)
                : dv_fail("capture", DV_ERR_NO_MEMORY, "no memory to check an image with");
    free(scratch);
    char why[sizeof verify.why];
    snprintf(why, sizeof why, "%s", status == DV_OK ? "" : dv_why());
    dv_image_chain_close(verify.chain);
    dv_lazy_free(&verify.lazy);
    pthread_mutex_lock(&verify.lock);
    verify.running = 0;
    verify.result = status;
    memcpy(verify.why, why, sizeof why);
    pthread_cond_broadcast(&verify.changed);
    pthread_mutex_unlock(&verify.lock);
    verify.ended(status, why);
    return NULL;
}

enum dv_status dv_lazy_verify(struct dv_lazy *lazy, struct dv_image_chain *chain,
                              void (*ended)(enum dv_status status, const char *why))
{
    pthread_t thread;
    verify.lazy = *lazy;
    verify.chain = chain;
    verify.ended = ended;
    verify.running = 1;
    *lazy = (struct dv_lazy){0};
    int error = pthread_create(&thread, NULL, verify_thread, NULL);
    if (error == 0) {
        pthread_detach(thread);
        return DV_OK;
    }
    verify.running = 0;
    dv_lazy_free(&verify.lazy);
    dv_image_chain_close(chain);
    return dv_fail(
        "capture", DV_ERR_SYSTEM,
        "cannot start the thread that checks the image: %s; restore with --restore eager",
        strerror(error));
}

void dv_lazy_hurry(void)
{
    atomic_store_explicit(&verify.hurry, 1, memory_order_relaxed);
}

enum dv_status dv_lazy_wait(void)
{
    dv_lazy_hurry();
    pthread_mutex_lock(&verify.lock);
    while (verify.running)
        pthread_cond_wait(&verify.changed, &verify.lock);
    enum dv_status status = verify.result;
    pthread_mutex_unlock(&verify.lock);
    return status == DV_OK ? DV_OK : dv_fail_quietly(status, "%s", verify.why);
}
