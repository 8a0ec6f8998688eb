/* Hazard: pipes of a process with itself, full and half full, and descriptors that wait for them.
 */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BYTES 5000

int main(int argc, char **argv)
{
    static unsigned char block[BYTES];
    int plain[2], direct[2];
    hazard_begin(argc, argv);
    CHECK(pipe(plain) == 0 && pipe2(direct, O_NONBLOCK | O_CLOEXEC) == 0);
    CHECK(fcntl(direct[1], F_SETPIPE_SZ, 8192) == 8192);
    int copy = dup(plain[1]), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdef}, got;
    CHECK(copy >= 0 && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, plain[0], &event) == 0);
    do {
        unsigned round = hazard_round();
        CHECK(epoll_wait(epoll, &got, 1, 0) == 0);
        hazard_fill(block, sizeof block, round);
        CHECK(write(copy, block, sizeof block) == sizeof block);
        unsigned filled = 0;
        while (write(direct[1], block, 4096) == 4096)
            filled++;
        CHECK(errno == EAGAIN && filled == 2);
        hazard_sleep_ms(4);
        CHECK(epoll_wait(epoll, &got, 1, 0) == 1 && got.data.u64 == 0x1234567890abcdef);
        memset(block, 0, sizeof block);
        CHECK(read(plain[0], block, 1000) == 1000);
        hazard_sleep_ms(2);
        CHECK(read(plain[0], block + 1000, sizeof block - 1000) == sizeof block - 1000);
        hazard_verify(block, sizeof block, round, "a pipe");
        for (unsigned i = 0; i < filled; i++) {
            CHECK(read(direct[0], block, 4096) == 4096);
            hazard_verify(block, 4096, round, "a full pipe");
        }
        CHECK(read(direct[0], block, 1) == -1 && errno == EAGAIN);
        hazard_mix(round);
    } while (hazard_next());
    return hazard_end();
}
