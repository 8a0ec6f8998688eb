/* Hazard: a program that asks what it is: /proc/self/exe, its maps, its command line, the auxiliary vector; and that goes on
 * with its ids as they were a moment ago, as raise() does. */
#include "apps/hazards/hazard.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void check_executable(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    CHECK(slash && strcmp(slash + 1, "hazard-identity") == 0);
    CHECK(access(path, X_OK) == 0);
    const char *given = (const char *)getauxval(AT_EXECFN);
    CHECK(given && strstr(given, "hazard-identity"));
}

/* The address of main must be in a mapping of the program's own file. */
static void check_maps(void)
{
    char line[PATH_MAX + 200];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    CHECK(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long start, end;
        CHECK(sscanf(line, "%llx-%llx", &start, &end) == 2);
        found += (uintptr_t)check_maps >= start && (uintptr_t)check_maps < end;
    }
    CHECK(found == 1);
    fclose(maps);
}

static void check_vector(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM);
    int interpreter = 0;
    for (unsigned long i = 0; i < count; i++)
        interpreter += headers[i].p_type == PT_INTERP;
    CHECK(interpreter == 1);
    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_RANDOM) != 0);
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_SECURE) == 0);
}

static void check_command_line(char **argv)
{
    char text[PATH_MAX * 2];
    FILE *in = fopen("/proc/self/comm", "r");
    CHECK(in && fgets(text, sizeof text, in));
    fclose(in);
    CHECK(strncmp(text, "hazard-identity", 15) == 0);
    CHECK(strstr(argv[0], "hazard-identity"));
}

static void on_signal(int signal)
{
    (void)signal;
    signals++;
}

/* The id that the process had when it asked still leads to it. */
static void check_own_id(pid_t self)
{
    cpu_set_t set;
    int before = signals;
    CHECK(kill(self, 0) == 0 && kill(self, SIGUSR1) == 0 && signals == before + 1);
    CHECK(sigqueue(self, SIGUSR1, (union sigval){.sival_int = 7}) == 0 && signals == before + 2);
    CHECK(sched_getaffinity(self, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    CHECK(raise(SIGUSR1) == 0 && signals == before + 3);
}

/* Whatever happens between asking for them and using them. */
static void use_ids(void)
{
    pid_t process = getpid(), thread = gettid();
    sig_atomic_t before = signals;
    hazard_sleep_ms(HAZARD_ROUND_MS);
    CHECK(syscall(SYS_tgkill, process, thread, SIGUSR1) == 0);
    CHECK(kill(process, SIGUSR1) == 0);
    CHECK(sigqueue(process, SIGUSR1, (union sigval){.sival_int = 1}) == 0);
    CHECK(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 2}) == 0);
    CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    CHECK(signals == before + 5);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    pid_t first = getpid(), latest = first;
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    do {
        use_ids();
        check_own_id(first);
        check_own_id(latest);
        if (hazard_round() % 16 == 0)
            latest = getpid();
        check_executable();
        check_maps();
        check_vector();
        check_command_line(argv);
        CHECK(getpid() == gettid());
        hazard_mix(hazard_round());
    } while (hazard_next());
    return hazard_end();
}
