/* Hazard: files being read, through stdio, by read and seek, by pread, and a directory being
 * listed. */
#include "apps/hazards/hazard.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 1000
#define ENTRIES 50

static void make_input(void)
{
    static unsigned char block[BLOCK];
    FILE *out = fopen("reading.in", "w");
    CHECK(out);
    for (unsigned i = 0; i < hazard_rounds(); i++) {
        hazard_fill(block, sizeof block, i);
        CHECK(fwrite(block, 1, sizeof block, out) == sizeof block);
    }
    CHECK(fclose(out) == 0);
    CHECK(mkdir("reading.d", 0755) == 0 || errno == EEXIST);
    for (int i = 0; i < ENTRIES; i++) {
        char name[64];
        snprintf(name, sizeof name, "reading.d/entry-%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        CHECK(fd >= 0 && close(fd) == 0);
    }
}

int main(int argc, char **argv)
{
    static unsigned char block[BLOCK];
    unsigned entries = 0;
    hazard_begin(argc, argv);
    make_input();
    FILE *in = fopen("reading.in", "r");
    int fd = open("reading.in", O_RDONLY), any = open("reading.in", O_RDONLY);
    DIR *directory = opendir("reading.d");
    CHECK(in && fd >= 0 && any >= 0 && directory);
    do {
        unsigned round = hazard_round();
        CHECK(ftell(in) == (long)round * BLOCK);
        CHECK(fread(block, 1, BLOCK, in) == BLOCK);
        hazard_verify(block, BLOCK, round, "fread");
        CHECK(read(fd, block, BLOCK / 2) == BLOCK / 2);
        hazard_sleep_ms(2);
        CHECK(read(fd, block + BLOCK / 2, BLOCK / 2) == BLOCK / 2);
        hazard_verify(block, BLOCK, round, "read");
        unsigned other = hazard_rounds() - 1 - round;
        CHECK(lseek(any, (off_t)other * BLOCK, SEEK_SET) == (off_t)other * BLOCK);
        hazard_sleep_ms(2);
        CHECK(read(any, block, BLOCK) == BLOCK);
        hazard_verify(block, BLOCK, other, "seek and read");
        CHECK(pread(any, block, BLOCK, (off_t)round * BLOCK) == BLOCK);
        hazard_verify(block, BLOCK, round, "pread");
        struct dirent *entry = readdir(directory);
        entries += entry != NULL && strncmp(entry->d_name, "entry-", 6) == 0;
        hazard_mix(round);
    } while (hazard_next());
    while (readdir(directory))
        entries++;
    CHECK(entries >= ENTRIES);
    CHECK(fgetc(in) == EOF && feof(in));
    return hazard_end();
}
