/* Data blocks: read and checked one by one, while they are in the cache, by one or several threads.
 */
#include "common/fail.h"
#include "common/io.h"
#include "image/checksum.h"
#include "image/reader.h"

#include <dejavu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "image"
#define MAX_THREADS 64u
/* What a thread takes at a time: huge pages of the destination are then mostly touched by one
 * thread. */
#define CHUNK_BLOCKS 32u

/* A failure found by any thread, reported by the caller's. */
struct block_fault {
    enum dv_status status;
    int error;    /* errno, or 0: the checksum is wrong or the file too short */
    size_t index; /* of the block */
};

/* Threads take chunks of the blocks [next, end), which lie wholly inside the wanted range. */
struct load_job {
    const struct dv_image_reader *reader;
    uint64_t start;
    char *destination;
    size_t next, end; /* next: atomic */
    int failed;       /* atomic: others need not go on */
};

static enum dv_status read_block(const struct dv_image_reader *r, size_t index, void *buffer,
                                 struct block_fault *fault)
{
    const struct dv_disk_run *run = &r->runs[index];
    size_t got = 0;
    *fault = (struct block_fault){.index = index};
    if (dv_pread_full(r->fd, buffer, run->stored, run->offset, &got)) {
        fault->error = errno;
        /* EFAULT: the destination cannot be written, which is the caller's mistake. */
        return fault->status = errno == EFAULT ? DV_ERR_INTERNAL : DV_ERR_IO;
    }
    if (got != run->stored || dv_checksum64(buffer, got) != run->checksum)
        return fault->status = DV_ERR_DAMAGED;
    return DV_OK;
}

static enum dv_status report(const struct dv_image_reader *r, const struct block_fault *fault)
{
    const struct dv_disk_run *run = &r->runs[fault->index];
    if (fault->status == DV_ERR_NO_MEMORY)
        return dv_fail(MODULE, fault->status, "cannot read %s: out of memory", r->path);
    if (fault->error)
        return dv_fail(MODULE, fault->status, "cannot read %s (block %zu at offset %llu): %s",
                       r->path, fault->index, (unsigned long long)run->offset,
                       strerror(fault->error));
    return dv_fail(
        MODULE, fault->status,
        "%s is damaged: the checksum of block %zu at offset %llu (pages at %#llx) is wrong",
        r->path, fault->index, (unsigned long long)run->offset, (unsigned long long)run->address);
}

static struct block_fault run_chunks(struct load_job *job)
{
    struct block_fault fault = {.status = DV_OK};
    for (;;) {
        size_t i = __atomic_fetch_add(&job->next, CHUNK_BLOCKS, __ATOMIC_RELAXED);
        size_t end = i + CHUNK_BLOCKS < job->end ? i + CHUNK_BLOCKS : job->end;
        if (i >= job->end || __atomic_load_n(&job->failed, __ATOMIC_RELAXED))
            return fault;
        for (; i < end; i++) {
            char *to = job->destination + (job->reader->runs[i].address - job->start);
            if (read_block(job->reader, i, to, &fault)) {
                __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
                return fault;
            }
        }
    }
}

struct worker {
    pthread_t thread;
    struct load_job *job;
    struct block_fault fault;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->fault = run_chunks(w->job);
    return NULL;
}

/* Start up to `wanted` threads; fewer is no error. Signals of the application are not for them. */
static unsigned start_workers(struct worker *workers, unsigned wanted, struct load_job *job)
{
    sigset_t all, before;
    unsigned started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < wanted; started++) {
        workers[started] = (struct worker){.job = job};
        int error = pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]);
        if (error) {
            dv_debug(MODULE, "reading with %u instead of %u threads: %s", started + 1, wanted + 1,
                     strerror(error));
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static struct block_fault load_whole_blocks(struct load_job *job, unsigned threads)
{
    struct worker workers[MAX_THREADS];
    size_t chunks = (job->end - job->next + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    if (threads > chunks)
        threads = (unsigned)chunks;
    unsigned started = threads > 1 ? start_workers(workers, threads - 1, job) : 0;
    struct block_fault fault = run_chunks(job);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        if (!fault.status)
            fault = workers[i].fault;
    }
    return fault;
}

/* A block of which only a part is wanted. */
static struct block_fault load_part(const struct dv_image_reader *r, size_t index, uint64_t start,
                                    uint64_t end, char *destination)
{
    const struct dv_disk_run *run = &r->runs[index];
    struct block_fault fault = {.status = DV_ERR_NO_MEMORY, .index = index};
    char *bounce = malloc(run->length);
    if (!bounce)
        return fault;
    if (!read_block(r, index, bounce, &fault)) {
        uint64_t from = run->address > start ? run->address : start;
        uint64_t to = run->address + run->length < end ? run->address + run->length : end;
        memcpy(destination + (from - start), bounce + (from - run->address), to - from);
    }
    free(bounce);
    return fault;
}

/* The first run that ends behind `address`. */
static size_t first_run_after(const struct dv_image_reader *r, uint64_t address)
{
    size_t low = 0, high = r->footer.run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->runs[middle].address + r->runs[middle].length <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum dv_status dv_image_reader_load(struct dv_image_reader *r, uint64_t start, uint64_t end,
                                    void *destination, unsigned threads)
{
    if (end < start)
        return dv_fail(MODULE, DV_ERR_INTERNAL, "%s: bad range to load", r->path);
    size_t first = first_run_after(r, start), last = first_run_after(r, end);
    /* Runs [first, last) end inside the range; run `last` may begin inside it. */
    struct block_fault fault = {.status = DV_OK};
    struct load_job job = {
        .reader = r, .start = start, .destination = destination, .next = first, .end = last};
    if (job.next < job.end && r->runs[first].address < start) {
        fault = load_part(r, first, start, end, destination);
        job.next++;
    }
    if (!fault.status && last < r->footer.run_count && r->runs[last].address < end)
        fault = load_part(r, last, start, end, destination);
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!fault.status && job.next < job.end)
        fault = load_whole_blocks(&job, threads);
    return fault.status ? report(r, &fault) : DV_OK;
}

enum dv_status dv_image_reader_verify(struct dv_image_reader *r)
{
    struct block_fault fault = {.status = DV_OK};
    char *buffer = malloc(DV_IMAGE_BLOCK_BYTES);
    if (!buffer)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "cannot verify %s: out of memory", r->path);
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (size_t i = 0; i < r->footer.run_count && !fault.status; i++)
        read_block(r, i, buffer, &fault);
    free(buffer);
    return fault.status ? report(r, &fault) : DV_OK;
}
