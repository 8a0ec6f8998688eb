/* Hazard: short-lived children again and again: fork and wait, system, popen, posix_spawn. A
 * checkpoint while one is alive is refused; one in between is taken. */
#include "apps/hazards/hazard.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void by_fork(void)
{
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        void *memory = malloc(3000000); /* mmap and break in the child */
        if (memory)
            memset(memory, 1, 3000000);
        _exit(memory ? (int)hazard_round() % 100 : 255);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)hazard_round() % 100);
}

static void by_popen(void)
{
    int number = 0;
    FILE *in = popen("echo 4711", "r");
    CHECK(in && fscanf(in, "%d", &number) == 1 && number == 4711);
    CHECK(pclose(in) == 0);
}

static void by_spawn(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    pid_t child;
    int status = 0;
    CHECK(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    hazard_begin(argc, argv);
    do {
        switch (hazard_round() % 12) {
        case 0:
            by_fork();
            break;
        case 3:
            CHECK(WEXITSTATUS(system("exit 3")) == 3);
            break;
        case 6:
            by_popen();
            break;
        case 9:
            by_spawn();
            break;
        default:
            break;
        }
        hazard_mix(hazard_round());
    } while (hazard_next());
    return hazard_end();
}
