/* Hazard: logs. Whatever was written after the checkpoint is written again after a restart: each
 * line must be there once. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <unistd.h>

#define LINES_PER_ROUND 20

static void verify(const char *path, unsigned lines)
{
    char line[128], wanted[128];
    FILE *in = fopen(path, "r");
    CHECK(in);
    for (unsigned i = 0; i < lines; i++) {
        snprintf(wanted, sizeof wanted, "line %u of the log, %llx\n", i,
                 (unsigned long long)i * i * i);
        CHECK(fgets(line, sizeof line, in));
        CHECK(strcmp(line, wanted) == 0);
        for (const char *p = line; *p; p++)
            hazard_mix((uint64_t)*p);
    }
    CHECK(!fgets(line, sizeof line, in));
    fclose(in);
}

int main(int argc, char **argv)
{
    unsigned written = 0;
    hazard_begin(argc, argv);
    CHECK(unlink("append.raw") == 0 || errno == ENOENT);
    int raw = open("append.raw", O_WRONLY | O_CREAT | O_APPEND | O_EXCL, 0644);
    FILE *buffered = fopen("append.stdio", "w"), *flushed = fopen("append.lines", "w");
    CHECK(raw >= 0 && buffered && flushed);
    CHECK(setvbuf(flushed, NULL, _IOLBF, 0) == 0);
    do {
        for (unsigned i = 0; i < LINES_PER_ROUND; i++, written++) {
            char line[128];
            int length = snprintf(line, sizeof line, "line %u of the log, %llx\n", written,
                                  (unsigned long long)written * written * written);
            CHECK(write(raw, line, (size_t)length) == length);
            CHECK(fputs(line, buffered) >= 0);
            CHECK(fputs(line, flushed) >= 0);
        }
    } while (hazard_next());
    CHECK(close(raw) == 0 && fclose(buffered) == 0 && fclose(flushed) == 0);
    verify("append.raw", written);
    verify("append.stdio", written);
    verify("append.lines", written);
    return hazard_end();
}
