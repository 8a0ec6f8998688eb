/* Hazard: a program that closes every descriptor it did not open, as daemons do, in each way that
 * there is. */
#include "apps/hazards/hazard.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static void close_listed(int keep)
{
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        struct rlimit limit;
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        if (fd > 2 && fd != dirfd(directory) && fd != keep && (rlim_t)fd < limit.rlim_cur)
            close(fd);
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    static char block[100];
    hazard_begin(argc, argv);
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < most; fd++)
        close(fd);
    int out = open("closing.out", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(out == 3);
    do {
        hazard_fill(block, sizeof block, hazard_round());
        CHECK(write(out, block, sizeof block) == sizeof block);
        if (hazard_round() % 2)
            close_listed(out);
        else
            for (int fd = out + 1; fd < most; fd++)
                close(fd);
        hazard_mix(hazard_round());
    } while (hazard_next());
    for (unsigned i = 0; i < hazard_rounds(); i++) {
        CHECK(pread(out, block, sizeof block, (off_t)(i * sizeof block)) == sizeof block);
        hazard_verify(block, sizeof block, i, "the file that stayed open");
    }
    return hazard_end();
}
