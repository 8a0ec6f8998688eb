/* Hazard: what surrounds a process: working directory, umask, environment, arguments, name, soft
 * limits, locale. */
#include "apps/hazards/hazard.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void mix_text(const char *text)
{
    for (; *text; text++)
        hazard_mix((unsigned char)*text);
}

static void check_directory(const char *wanted)
{
    char now[PATH_MAX];
    CHECK(getcwd(now, sizeof now) && strcmp(now, wanted) == 0);
    int fd = open("here", O_RDONLY);
    CHECK(fd >= 0 && close(fd) == 0);
}

static void check_name(void)
{
    char name[17] = "";
    CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a hazard") == 0);
    CHECK(strstr(program_invocation_name, "hazard-surroundings"));
}

static void set_up(char *directory)
{
    struct rlimit limit;
    CHECK(mkdir("surroundings.d", 0755) == 0 || errno == EEXIST);
    CHECK(chdir("surroundings.d") == 0);
    CHECK(getcwd(directory, PATH_MAX));
    int fd = open("here", O_WRONLY | O_CREAT, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
    umask(027);
    CHECK(prctl(PR_SET_NAME, "a hazard") == 0);
    CHECK(getrlimit(RLIMIT_CORE, &limit) == 0);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_CORE, &limit) == 0);
    CHECK(unsetenv("HAZARD_GONE") == 0);
    CHECK(setlocale(LC_ALL, "C.UTF-8"));
}

int main(int argc, char **argv)
{
    char directory[PATH_MAX], value[32];
    struct rlimit limit;
    hazard_begin(argc, argv);
    CHECK(setenv("HAZARD_GONE", "1", 1) == 0);
    set_up(directory);
    do {
        unsigned round = hazard_round();
        check_directory(directory);
        mode_t mask = umask(027);
        CHECK(mask == 027);
        check_name();
        CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0);
        CHECK(!getenv("HAZARD_GONE"));
        CHECK(round == 0 || atoi(getenv("HAZARD_ROUND")) == (int)round - 1);
        snprintf(value, sizeof value, "%u", round);
        CHECK(setenv("HAZARD_ROUND", value, 1) == 0);
        mix_text(getenv("HAZARD_ROUND"));
        CHECK(strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0);
        wchar_t wide[4];
        CHECK(mbstowcs(wide, "\xc3\xa9!", 4) == 2 && wide[0] == 0xe9);
    } while (hazard_next());
    return hazard_end();
}
