/* Loading a chain: image by image in the order of the file, by one or several threads. */
#include "common/fail.h"
#include "image/chain.h"

#include <dejavu/log.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "image"
#define MAX_THREADS 64u
/* What a thread takes at a time: huge pages of the destination are then mostly touched by one
 * thread. */
#define CHUNK_BYTES (8u << 20)
/* Small blocks are read together if no more than this lies between them. */
#define GAP_BYTES (16u << 10)
#define SMALL_BYTES (64u << 10)

/* The pieces [next, end) of one image, of which threads take `chunk` at a time. */
struct segment {
    size_t image, first, end, chunk;
    atomic_size_t next;
};

struct load_job {
    const struct dv_image_chain *chain;
    uint64_t start, end;
    char *destination;
    struct segment *segments;
    size_t segment_count;
    atomic_int failed; /* others need not go on */
};

struct worker {
    pthread_t thread;
    struct load_job *job;
    struct dv_block_reader blocks; /* with the fault, if it failed */
};

/* Pieces [i, end) of one block. */
static enum dv_status load_block(struct worker *w, size_t i, size_t end, uint64_t ahead)
{
    const struct load_job *job = w->job;
    const struct dv_chain_piece *p = &job->chain->pieces[i];
    const struct dv_disk_run *run = &w->blocks.image->runs[p->run];
    if (p->length == run->length && p->address >= job->start && p->address + p->length <= job->end)
        return dv_block_read(&w->blocks, p->run, ahead,
                             job->destination + (p->address - job->start));
    const char *bytes = NULL;
    enum dv_status status = dv_block_fetch(&w->blocks, p->run, ahead, &bytes);
    if (status)
        return status;
    for (; i < end; i++, p++) {
        uint64_t from = p->address > job->start ? p->address : job->start;
        uint64_t to = p->address + p->length < job->end ? p->address + p->length : job->end;
        if (from < to)
            memcpy(job->destination + (from - job->start), bytes + (from - run->address),
                   to - from);
    }
    return DV_OK;
}

/* How far the file can be read at once from the block of piece `i` on. */
static uint64_t look_ahead(const struct worker *w, size_t i, size_t end)
{
    const struct dv_chain_piece *pieces = w->job->chain->pieces;
    const struct dv_disk_run *runs = w->blocks.image->runs, *first = &runs[pieces[i].run];
    uint64_t ahead = first->offset + first->stored;
    for (; i < end; i++) {
        const struct dv_disk_run *run = &runs[pieces[i].run];
        uint64_t run_end = run->offset + run->stored;
        if (run->stored >= SMALL_BYTES || run->offset > ahead + GAP_BYTES ||
            run_end - first->offset > DV_BLOCK_WINDOW_BYTES)
            break;
        ahead = run_end;
    }
    return ahead;
}

static enum dv_status load_chunk(struct worker *w, const struct segment *s, size_t i, size_t end)
{
    const struct dv_chain_piece *pieces = w->job->chain->pieces;
    uint64_t ahead = 0;
    /* A block whose pieces lie in two chunks belongs to the first one. */
    while (i > s->first && i < s->end && pieces[i].run == pieces[i - 1].run)
        i++;
    while (i < end) {
        size_t block_end = i + 1;
        while (block_end < s->end && pieces[block_end].run == pieces[i].run)
            block_end++;
        const struct dv_disk_run *run = &w->blocks.image->runs[pieces[i].run];
        if (run->offset + run->stored > ahead)
            ahead = look_ahead(w, i, end);
        enum dv_status status = load_block(w, i, block_end, ahead);
        if (status)
            return status;
        i = block_end;
    }
    return DV_OK;
}

static void run_worker(struct worker *w)
{
    struct load_job *job = w->job;
    for (size_t k = 0; k < job->segment_count; k++) {
        struct segment *s = &job->segments[k];
        w->blocks.image = job->chain->images[s->image].reader;
        w->blocks.window_used = 0;
        for (;;) {
            size_t i = atomic_fetch_add_explicit(&s->next, s->chunk, memory_order_relaxed);
            if (i >= s->end || atomic_load_explicit(&job->failed, memory_order_relaxed))
                break;
            size_t end = s->end - i > s->chunk ? i + s->chunk : s->end;
            if (load_chunk(w, s, i, end)) {
                atomic_store(&job->failed, 1);
                return;
            }
        }
    }
}

static void *worker_main(void *arg)
{
    run_worker(arg);
    return NULL;
}

/* Start up to `wanted` threads; fewer is no error. Signals of the application are not for them. */
static unsigned start_workers(struct worker *workers, unsigned wanted)
{
    sigset_t all, before;
    unsigned started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < wanted; started++) {
        int error = pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]);
        if (error) {
            dv_debug(MODULE, "reading with %u instead of %u threads: %s", started + 1, wanted + 1,
                     dv_errno_text(error));
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* The caller is the last worker. Reports. */
static enum dv_status run_workers(struct load_job *job, unsigned threads)
{
    struct worker workers[MAX_THREADS];
    for (unsigned i = 0; i < threads; i++)
        workers[i] = (struct worker){.job = job};
    struct worker *own = &workers[threads - 1];
    unsigned started = start_workers(workers, threads - 1);
    run_worker(own);
    enum dv_status status = DV_OK;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *w = &workers[i];
        if (i < started)
            pthread_join(w->thread, NULL);
        if (!status && w->blocks.fault.status)
            status = dv_block_report(w->blocks.image, &w->blocks.fault);
        dv_block_reader_free(&w->blocks);
    }
    return status;
}

/* What there is to do, by image; returns how many chunks that is. */
static size_t plan(struct load_job *job)
{
    const struct dv_image_chain *c = job->chain;
    size_t chunks = 0;
    for (size_t k = 0; k < c->image_count; k++) {
        const struct dv_chain_image *image = &c->images[k];
        const struct dv_chain_piece *pieces = &c->pieces[image->first];
        size_t first = dv_chain_first_after(pieces, image->count, job->start);
        size_t end = dv_chain_first_after(pieces, image->count, job->end);
        end += end < image->count && pieces[end].address < job->end;
        if (first == end)
            continue;
        uint64_t bytes = 0;
        for (size_t i = first; i < end; i++)
            bytes += pieces[i].length;
        size_t chunk = bytes ? (size_t)((end - first) * (uint64_t)CHUNK_BYTES / bytes) : 1;
        struct segment *s = &job->segments[job->segment_count++];
        s->image = k;
        s->first = image->first + first;
        s->end = image->first + end;
        s->chunk = chunk ? chunk : 1;
        atomic_init(&s->next, s->first);
        chunks += (end - first + s->chunk - 1) / s->chunk;
        posix_fadvise(image->reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return chunks;
}

enum dv_status dv_image_chain_load(struct dv_image_chain *c, uint64_t start, uint64_t end,
                                   void *destination, unsigned threads)
{
    const char *path = c->images[0].reader->path;
    if (end < start)
        return dv_fail(MODULE, DV_ERR_INTERNAL, "%s: bad range to load", path);
    struct load_job job = {.chain = c, .start = start, .end = end, .destination = destination};
    job.segments = calloc(c->image_count, sizeof *job.segments);
    if (!job.segments)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot read %s: out of memory", path);
    size_t chunks = plan(&job);
    if (threads > chunks)
        threads = (unsigned)chunks;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    if (threads < 1)
        threads = 1;
    enum dv_status status = chunks ? run_workers(&job, threads) : DV_OK;
    free(job.segments);
    return status;
}
