/* Hazard: memory-mapped files: private ones that were written to, shared ones whose contents reach
 * the file; and shared anonymous memory. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (64 * 4096)
#define SLOT 512

/* A private mapping of the same file: what is written later may be seen in it or not (not after a restart), but what was seen
 * stays. */
static void look_again(const unsigned char *memory, unsigned slots)
{
    static unsigned char block[SLOT], seen[BYTES / SLOT];
    for (unsigned i = 0; i < slots; i++) {
        if (seen[i])
            hazard_verify(memory + (size_t)i * SLOT, SLOT, i, "the same file, mapped privately");
        hazard_fill(block, SLOT, i);
        seen[i] = memcmp(memory + (size_t)i * SLOT, block, SLOT) == 0;
    }
}

int main(int argc, char **argv)
{
    static unsigned char block[SLOT];
    hazard_begin(argc, argv);
    CHECK(hazard_rounds() <= BYTES / SLOT);
    int fd = open("filemaps.shared", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int from = open("filemaps.private", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && from >= 0);
    CHECK(ftruncate(fd, BYTES) == 0 && ftruncate(from, BYTES) == 0);
    unsigned char *shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *private = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, from, 0);
    unsigned char *anonymous =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char *read_only = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED && anonymous != MAP_FAILED &&
          read_only != MAP_FAILED);
    CHECK(close(from) == 0);
    do {
        unsigned round = hazard_round();
        hazard_fill(shared + (size_t)round * SLOT, SLOT, round);
        hazard_sleep_ms(2);
        hazard_fill(private + (size_t)round * SLOT, SLOT, round + 1000);
        hazard_fill(anonymous + (size_t)round * SLOT, SLOT, round + 2000);
        for (unsigned i = round > 5 ? round - 5 : 0; i <= round; i++) {
            hazard_verify(shared + (size_t)i * SLOT, SLOT, i, "shared mapping");
            hazard_verify(private + (size_t)i * SLOT, SLOT, i + 1000, "private mapping");
            hazard_verify(anonymous + (size_t)i * SLOT, SLOT, i + 2000, "shared anonymous memory");
            CHECK(pread(fd, block, SLOT, (off_t)i * SLOT) == SLOT);
            hazard_verify(block, SLOT, i, "the file under a shared mapping");
        }
        look_again(read_only, round + 1);
        hazard_mix(round);
    } while (hazard_next());
    CHECK(msync(shared, BYTES, MS_SYNC) == 0);
    for (unsigned i = 0; i < hazard_rounds(); i++) {
        CHECK(pread(fd, block, SLOT, (off_t)i * SLOT) == SLOT);
        hazard_verify(block, SLOT, i, "the file under a shared mapping, at the end");
    }
    from = open("filemaps.private", O_RDONLY);
    CHECK(from >= 0 && pread(from, block, SLOT, 0) == SLOT);
    for (unsigned i = 0; i < SLOT; i++)
        CHECK(block[i] == 0);
    return hazard_end();
}
