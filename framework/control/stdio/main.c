/* dejavu-stdio: puts the supervisor's standard input and output in the places of those that mpiexec
 * made, closes what hydra left open, and becomes dejavu-rank. See launch.h.
 *
 *      dejavu-stdio FD:DEVICE:INODE (for 0 and 1) KEEP[,KEEP...]|- PROGRAM ARGUMENTS...
 *
 * Standard error stays mpiexec's: hydra's proxy takes a process whose both output pipes are closed
 * for one that has ended, and stops serving its PMI. If the streams did not come through (ranks on
 * another host), mpiexec's are kept as they are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAMS 2

struct stream {
    int fd;
    uint64_t device, inode;
};

static bool came_through(const char *text, struct stream *s)
{
    struct stat st;
    return sscanf(text, "%d:%" SCNu64 ":%" SCNu64, &s->fd, &s->device, &s->inode) == 3 &&
           s->fd > 2 && fstat(s->fd, &st) == 0 && (uint64_t)st.st_dev == s->device &&
           (uint64_t)st.st_ino == s->inode;
}

/* Is `fd` one of the numbers in "3,7"? */
static bool is_kept(const char *keep, int fd)
{
    for (const char *p = keep; *p; p += *p == ',') {
        char *end;
        long number = strtol(p, &end, 10);
        if (end == p)
            return false;
        if (number == fd)
            return true;
        p = end;
    }
    return false;
}

/* PMI_FD is how the MPI library finds its process manager. */
static void close_others(const char *keep)
{
    const char *pmi = getenv("PMI_FD");
    int pmi_fd = pmi ? atoi(pmi) : -1;
    for (int fd = 3; fd < 1024; fd++)
        if (fd != pmi_fd && !is_kept(keep, fd))
            close(fd);
}

static int fail(const char *what)
{
    dprintf(2, "dejavu: error: dejavu-stdio: cannot %s: %s\n", what, strerror(errno));
    return 3;
}

int main(int argc, char **argv)
{
    if (argc < STREAMS + 3) {
        dprintf(2, "dejavu: error: dejavu-stdio is started by dejavu run only\n");
        return 2;
    }
    struct stream streams[STREAMS];
    bool here = true;
    for (int i = 0; i < STREAMS; i++)
        here = here && came_through(argv[1 + i], &streams[i]);
    if (here) {
        const char *rank = getenv("PMI_RANK");
        bool first = !rank || strcmp(rank, "0") == 0;
        int null = first ? streams[0].fd : open("/dev/null", O_RDONLY);
        if (null < 0)
            return fail("open /dev/null");
        if (dup2(null, 0) < 0 || dup2(streams[1].fd, 1) < 0)
            return fail("put the standard streams in place");
        close_others(argv[1 + STREAMS]);
    }
    execv(argv[2 + STREAMS], argv + 2 + STREAMS);
    return fail("start dejavu-rank");
}
