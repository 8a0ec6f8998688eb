/* Hazard: locks that know their owner by its thread id, held over a checkpoint: error-checking and
 * recursive mutexes, read-write locks; calls that name the thread by the
 * id that libc has cached; and a file lock. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

static pthread_mutex_t make(int kind)
{
    pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0 &&
          pthread_mutexattr_settype(&attributes, kind) == 0);
    CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
    CHECK(pthread_mutexattr_destroy(&attributes) == 0);
    return mutex;
}

int main(int argc, char **argv)
{
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_mutex_t plain = make(PTHREAD_MUTEX_NORMAL), checking = make(PTHREAD_MUTEX_ERRORCHECK),
                    recursive = make(PTHREAD_MUTEX_RECURSIVE);
    cpu_set_t processors;
    hazard_begin(argc, argv);
    int fd = open("locks.file", O_RDWR | O_CREAT, 0644);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK(fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0);
    do {
        CHECK(pthread_mutex_lock(&plain) == 0);
        CHECK(pthread_mutex_lock(&checking) == 0);
        CHECK(pthread_mutex_lock(&recursive) == 0);
        CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        hazard_sleep_ms(10);
        CHECK(pthread_getaffinity_np(pthread_self(), sizeof processors, &processors) == 0);
        CHECK(pthread_kill(pthread_self(), 0) == 0);
        CHECK(pthread_mutex_trylock(&plain) == EBUSY);
        CHECK(pthread_mutex_lock(&checking) == EDEADLK);
        CHECK(pthread_mutex_trylock(&recursive) == 0);
        CHECK(pthread_mutex_unlock(&recursive) == 0);
        CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        CHECK(pthread_mutex_unlock(&recursive) == 0);
        CHECK(pthread_mutex_unlock(&checking) == 0);
        CHECK(pthread_mutex_unlock(&checking) == EPERM);
        CHECK(pthread_mutex_unlock(&plain) == 0);
        hazard_mix(hazard_round());
    } while (hazard_next());
    return hazard_end();
}
