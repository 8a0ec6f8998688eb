/* The job directory: making it, its lock, its token. */
#include "common/fail.h"
#include "common/io.h"
#include "control/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define LOCK_TRIES 5
#define LOCK_WAIT_US 20000

enum dv_status dv_job_make_directory(const char *directory)
{
    static const char *const inner[] = {"epochs", "spare"};
    enum dv_status status = dv_make_directory_private(directory);
    for (size_t i = 0; status == DV_OK && i < sizeof inner / sizeof inner[0]; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", directory, inner[i]);
        status = dv_make_directory_private(path);
    }
    if (status)
        return status;
    if (access(directory, W_OK | X_OK) != 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot write to the job directory %s: %s",
                       directory, strerror(errno));
    return DV_OK;
}

enum dv_status dv_job_place(const struct dv_job *job, const char *directory, struct dv_place *place)
{
    *place = (struct dv_place){.level = job->level, .parity = job->parity};
    if (!job->node_count)
        return DV_OK;
    place->node = calloc(job->node_count, sizeof *place->node);
    if (!place->node)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the nodes");
    for (; place->node_count < job->node_count; place->node_count++) {
        char path[PATH_BYTES];
        enum dv_status status =
            dv_place_root(job->nodes[place->node_count], directory, path, sizeof path);
        /* What a rank is told of is shorter. */
        if (!status && strlen(path) > 900)
            status = dv_fail("control", DV_ERR_USAGE, "the path of a node is too long: %s", path);
        if (!status && !(place->node[place->node_count] = strdup(path)))
            status = dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the nodes");
        if (status) {
            dv_place_free(place);
            return status;
        }
    }
    return DV_OK;
}

bool dv_job_exists(const char *directory)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/job", directory);
    return access(path, F_OK) == 0;
}

/* What the file `supervisor` says. */
static bool read_supervisor(int fd, int *pid, char *host, size_t host_bytes, unsigned *port)
{
    char text[320] = "", name[256];
    size_t got = 0;
    if (dv_pread_full(fd, text, sizeof text - 1, 0, &got) != DV_OK)
        return false;
    text[got] = '\0';
    if (sscanf(text, "%d %255s %u", pid, name, port) != 3)
        return false;
    return snprintf(host, host_bytes, "%s", name) < (int)host_bytes;
}

enum dv_status dv_job_lock(const char *directory, int *lock_fd)
{
    char path[PATH_BYTES], host[256] = "?";
    snprintf(path, sizeof path, "%s/supervisor", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    /* Another verb that looks whether somebody holds the lock holds it itself for an instant. */
    int taken = flock(fd, LOCK_EX | LOCK_NB);
    for (int i = 0; taken != 0 && errno == EWOULDBLOCK && i < LOCK_TRIES; i++) {
        (void)usleep(LOCK_WAIT_US);
        taken = flock(fd, LOCK_EX | LOCK_NB);
    }
    if (taken == 0) {
        *lock_fd = fd;
        return DV_OK;
    }
    enum dv_status status;
    int pid = 0;
    unsigned port = 0;
    if (errno != EWOULDBLOCK)
        status = dv_fail("control", DV_ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
    else if (read_supervisor(fd, &pid, host, sizeof host, &port))
        status = dv_fail("control", DV_ERR_BUSY,
                         "the job %s is running already (supervisor: process %d); see dejavu "
                         "status, or give the new run another --job",
                         directory, pid);
    else
        status = dv_fail("control", DV_ERR_BUSY,
                         "the job %s is running already; see dejavu status, or give the new run "
                         "another --job",
                         directory);
    close(fd);
    return status;
}

enum dv_status dv_job_announce(const char *directory, int lock_fd, const char *host, unsigned port)
{
    char text[320];
    int length = 0;
    if (port)
        length = snprintf(text, sizeof text, "%d %s %u\n", (int)getpid(), host, port);
    if (ftruncate(lock_fd, 0) != 0 || dv_pwrite_all(lock_fd, text, (size_t)length, 0) != DV_OK)
        return dv_fail("control", dv_status_from_errno(errno), "cannot write %s/supervisor: %s",
                       directory, strerror(errno));
    return DV_OK;
}

enum dv_status dv_job_supervisor(const char *directory, int *pid, char *host, size_t host_bytes,
                                 unsigned *port)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/supervisor", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return DV_ERR_NOTHING;
    if (fd < 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    enum dv_status status = DV_OK;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 || !read_supervisor(fd, pid, host, host_bytes, port))
        status = DV_ERR_NOTHING;
    close(fd);
    return status;
}

enum dv_status dv_job_token_make(const char *directory, uint8_t token[DV_WIRE_TOKEN_BYTES])
{
    if (getrandom(token, DV_WIRE_TOKEN_BYTES, 0) != DV_WIRE_TOKEN_BYTES)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot make a random token: %s", strerror(errno));
    return dv_write_file_durably(directory, "token", token, DV_WIRE_TOKEN_BYTES, 0600);
}

enum dv_status dv_job_token_read(const char *directory, uint8_t token[DV_WIRE_TOKEN_BYTES])
{
    char path[PATH_BYTES], *bytes = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/token", directory);
    enum dv_status status = dv_read_file(path, DV_WIRE_TOKEN_BYTES, &bytes, &length);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail("control", status, "%s is not there", path);
    if (status)
        return status;
    if (length == DV_WIRE_TOKEN_BYTES)
        memcpy(token, bytes, DV_WIRE_TOKEN_BYTES);
    else
        status = dv_fail("control", DV_ERR_DAMAGED, "%s has %zu bytes, not %d", path, length,
                         DV_WIRE_TOKEN_BYTES);
    free(bytes);
    return status;
}

bool dv_token_equal(const uint8_t a[DV_WIRE_TOKEN_BYTES], const uint8_t b[DV_WIRE_TOKEN_BYTES])
{
    unsigned difference = 0;
    for (size_t i = 0; i < DV_WIRE_TOKEN_BYTES; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}
