/* Hazard: files without a name: tmpfile, a file that was opened and unlinked, O_TMPFILE, memfd. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 777

static int unlinked(void)
{
    int fd = open("unnamed.gone", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && unlink("unnamed.gone") == 0);
    return fd;
}

int main(int argc, char **argv)
{
    static unsigned char block[BLOCK];
    hazard_begin(argc, argv);
    FILE *temporary = tmpfile();
    int fds[3] = {unlinked(), open(".", O_TMPFILE | O_RDWR, 0600), memfd_create("hazard", 0)};
    CHECK(temporary && fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0);
    do {
        unsigned round = hazard_round();
        hazard_fill(block, sizeof block, round);
        CHECK(fwrite(block, 1, sizeof block, temporary) == sizeof block);
        for (int i = 0; i < 3; i++)
            CHECK(write(fds[i], block, sizeof block) == sizeof block);
        hazard_mix(round);
    } while (hazard_next());
    rewind(temporary);
    for (unsigned i = 0; i < hazard_rounds(); i++) {
        CHECK(fread(block, 1, sizeof block, temporary) == sizeof block);
        hazard_verify(block, sizeof block, i, "tmpfile");
        for (int k = 0; k < 3; k++) {
            CHECK(pread(fds[k], block, sizeof block, (off_t)i * BLOCK) == sizeof block);
            hazard_verify(block, sizeof block, i,
                          k == 0   ? "unlinked file"
                          : k == 1 ? "O_TMPFILE"
                                   : "memfd");
        }
    }
    for (int k = 0; k < 3; k++) {
        struct stat info;
        CHECK(fstat(fds[k], &info) == 0 && info.st_size == (off_t)hazard_rounds() * BLOCK);
    }
    return hazard_end();
}
