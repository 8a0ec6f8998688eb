/* Hazard: descriptors that share an offset, ones that do not, their flags and numbers; one file
 * opened twice. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <unistd.h>

#define HIGH 200

int main(int argc, char **argv)
{
    char byte;
    hazard_begin(argc, argv);
    int first = open("duplicates.out", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(first >= 0);
    int copy = dup(first), high = fcntl(first, F_DUPFD_CLOEXEC, HIGH),
        other = open("duplicates.out", O_RDONLY);
    CHECK(copy >= 0 && high == HIGH && other >= 0);
    CHECK(fcntl(other, F_SETFL, O_NONBLOCK) == 0);
    int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    do {
        unsigned round = hazard_round();
        const char letters[3] = {(char)('a' + round % 26), (char)('A' + round % 26),
                                 (char)('0' + round % 10)};
        CHECK(write(first, &letters[0], 1) == 1);
        CHECK(write(copy, &letters[1], 1) == 1);
        hazard_sleep_ms(1);
        CHECK(write(high, &letters[2], 1) == 1);
        CHECK(lseek(first, 0, SEEK_CUR) == 3 * (off_t)(round + 1));
        CHECK(lseek(copy, 0, SEEK_CUR) == 3 * (off_t)(round + 1));
        CHECK(lseek(other, 0, SEEK_CUR) == (off_t)round);
        CHECK(read(other, &byte, 1) == 1);
        hazard_mix((uint64_t)byte);
        CHECK((fcntl(other, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == (O_NONBLOCK | O_RDONLY));
        CHECK((fcntl(first, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == O_RDWR);
        CHECK(fcntl(high, F_GETFD) == FD_CLOEXEC && fcntl(copy, F_GETFD) == 0);
        CHECK(fcntl(zero, F_GETFD) == FD_CLOEXEC && read(zero, &byte, 1) == 1 && byte == 0);
        CHECK(write(null, &byte, 1) == 1);
        /* The lowest free number is the application's, at every moment. */
        for (int i = 0; i < 2000; i++) {
            int lowest = open("/dev/null", O_RDONLY);
            CHECK(lowest == zero + 1 && close(lowest) == 0);
        }
    } while (hazard_next());
    for (unsigned i = 0; i < 3 * hazard_rounds(); i++) {
        CHECK(pread(other, &byte, 1, i) == 1);
        hazard_mix((uint64_t)byte);
    }
    return hazard_end();
}
