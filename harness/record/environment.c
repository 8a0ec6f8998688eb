#include "harness/record/environment.h"

#include "harness/config/arena.h"
#include "harness/launch/counters.h"
#include "harness/record/file.h"

#include <gsl/gsl_version.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <yaml.h>

#define UNAVAILABLE "unavailable"
#define CLOCK_PROBES 1000

struct sheet {
    struct dv_tables *tables;
    int64_t session;
};

static void add(const struct sheet *sheet, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(const struct sheet *sheet, const char *key, const char *format, ...)
{
    struct dv_environment_row *row =
        DV_ADD(sheet->tables, DV_TABLE_ENVIRONMENT, dv_environment_row);
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text[strcspn(text, "\n")] = '\0';
    row->session = sheet->session;
    DV_TEXT_SET(row->key, key);
    DV_TEXT_SET(row->value, *text ? text : UNAVAILABLE);
}

/* The first line of a small file. */
static void add_file(const struct sheet *sheet, const char *key, const char *path)
{
    char text[256] = "";
    FILE *file = fopen(path, "re");
    if (file && !fgets(text, sizeof text, file))
        text[0] = '\0';
    if (file)
        fclose(file);
    add(sheet, key, "%s", text);
}

/* What stands behind the first "name :" in a file such as /proc/cpuinfo. */
static void add_field(const struct sheet *sheet, const char *key, const char *path,
                      const char *name)
{
    char line[4096], value[256] = "";
    FILE *file = fopen(path, "re");
    while (file && !*value && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) == 0 && colon)
            snprintf(value, sizeof value, "%.255s", colon + 1 + strspn(colon + 1, " \t"));
    }
    if (file)
        fclose(file);
    add(sheet, key, "%s", value);
}

static void add_flag(const struct sheet *sheet, const char *key, const char *flag)
{
    char line[8192];
    const char *found = "no";
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "flags", 5) == 0 && strstr(line, flag))
            found = "yes";
    }
    if (file)
        fclose(file);
    add(sheet, key, "%s", found);
}

/* What stands behind `wanted` in a command's output. */
static void add_command(const struct sheet *sheet, const char *key, const char *program,
                        const char *arguments, const char *wanted)
{
    char command[PATH_MAX + 64], line[512], value[512] = "";
    if (strchr(program, '\'')) {
        add(sheet, key, UNAVAILABLE);
        return;
    }
    snprintf(command, sizeof command, "'%s' %s 2>/dev/null </dev/null", program, arguments);
    FILE *pipe = popen(command, "re");
    while (pipe && fgets(line, sizeof line, pipe)) {
        const char *found = *value ? NULL : strstr(line, wanted);
        if (found) {
            found += strlen(wanted);
            snprintf(value, sizeof value, "%s", found + strspn(found, " \t"));
        }
    }
    if (pipe)
        pclose(pipe);
    add(sheet, key, "%s", value);
}

static void add_binary(const struct sheet *sheet, const char *key, const char *path)
{
    char *bytes;
    size_t length;
    if (dv_file_read(path, &bytes, &length) != DV_OK) {
        add(sheet, key, UNAVAILABLE);
        return;
    }
    add(sheet, key, "%s xxh64 %016" PRIx64, path, (uint64_t)XXH64(bytes, length, 0));
    free(bytes);
}

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* The smallest step that can be seen, which is what a timing is worth. */
static void add_clock(const struct sheet *sheet)
{
    struct timespec resolution, before, after;
    int64_t smallest = INT64_MAX;
    clock_getres(CLOCK_MONOTONIC, &resolution);
    for (int i = 0; i < CLOCK_PROBES; i++) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        do {
            clock_gettime(CLOCK_MONOTONIC, &after);
        } while (nanoseconds(&after) == nanoseconds(&before));
        int64_t step = nanoseconds(&after) - nanoseconds(&before);
        smallest = step < smallest ? step : smallest;
    }
    add(sheet, "clock", "CLOCK_MONOTONIC");
    add(sheet, "clock_resolution_ns", "%" PRId64, nanoseconds(&resolution));
    add(sheet, "clock_smallest_step_ns", "%" PRId64, smallest);
    add_file(sheet, "clock_source",
             "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

static void add_file_system(const struct sheet *sheet, const char *key, const char *path)
{
    struct statfs info;
    if (statfs(path, &info) != 0)
        add(sheet, key, UNAVAILABLE);
    else
        add(sheet, key, "%s type %#lx, %" PRIu64 " MiB free", path, (unsigned long)info.f_type,
            (uint64_t)info.f_bavail * (uint64_t)info.f_bsize >> 20);
}

static void add_libraries(const struct sheet *sheet)
{
    unsigned major, minor, release;
    char version[32], state[160];
    H5get_libversion(&major, &minor, &release);
    add(sheet, "hdf5", "%u.%u.%u", major, minor, release);
    add(sheet, "gsl", "%s", gsl_version);
    add(sheet, "libyaml", "%s", yaml_get_version_string());
    dv_counters_describe(version, sizeof version, state, sizeof state);
    add(sheet, "papi", "%s", version);
    add(sheet, "papi_perf_event", "%s", state);
#ifdef __GLIBC__
    char libc[64];
    confstr(_CS_GNU_LIBC_VERSION, libc, sizeof libc);
    add(sheet, "libc", "%s", libc);
#endif
    add(sheet, "compiler", "%s", __VERSION__);
}

int64_t dv_environment_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                       : sysconf(_SC_NPROCESSORS_ONLN);
}

double dv_environment_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : NAN;
}

static void add_machine(const struct dv_experiment *e, const struct sheet *sheet)
{
    struct utsname name;
    uname(&name);
    if (e->hostname)
        add(sheet, "hostname", "%s", name.nodename);
    add_field(sheet, "cpu_model", "/proc/cpuinfo", "model name");
    add_field(sheet, "cpu_mhz", "/proc/cpuinfo", "cpu MHz");
    add_field(sheet, "cpu_cache", "/proc/cpuinfo", "cache size");
    add(sheet, "cpus_online", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    add(sheet, "cpus_allowed", "%" PRId64, dv_environment_processors());
    add_file(sheet, "cpu_governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    add_flag(sheet, "virtual_machine", " hypervisor");
    add(sheet, "kernel", "%s %s %s", name.sysname, name.release, name.machine);
    add(sheet, "kernel_build", "%s", name.version);
    add_field(sheet, "memory_total", "/proc/meminfo", "MemTotal");
    add_field(sheet, "memory_available", "/proc/meminfo", "MemAvailable");
    add_file(sheet, "transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled");
    add_file(sheet, "perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid");
    add_file(sheet, "randomize_va_space", "/proc/sys/kernel/randomize_va_space");
    add_file(sheet, "load_average", "/proc/loadavg");
    add_file(sheet, "os_release", "/etc/debian_version");
    add(sheet, "user_is_root", "%s", geteuid() == 0 ? "yes" : "no");
}

void dv_environment_collect(const struct dv_experiment *experiment, int64_t session,
                            struct dv_tables *tables)
{
    const struct dv_experiment *e = experiment;
    struct sheet sheet = {.tables = tables, .session = session};
    char path[PATH_MAX], when[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    add(&sheet, "session_start", "%s", when);
    add_machine(e, &sheet);
    add_clock(&sheet);
    add_libraries(&sheet);
    add_command(&sheet, "mpi", e->mpiexec, "--version", "Version:");
    snprintf(path, sizeof path, "%s/dejavu", e->bindir);
    add_command(&sheet, "dejavu_version", path, "--version", "");
    add_binary(&sheet, "dejavu", path);
    snprintf(path, sizeof path, "%s/dejavu-rank", e->bindir);
    add_binary(&sheet, "dejavu_rank", path);
    snprintf(path, sizeof path, "%s/../lib/libmpich.so.12", e->bindir);
    add_binary(&sheet, "dejavu_libmpich", path);
    for (size_t i = 0; i < e->app_count; i++) {
        char key[48];
        snprintf(key, sizeof key, "application_%.30s", e->apps[i].name);
        add_binary(&sheet, key, e->apps[i].program);
    }
    add_file_system(&sheet, "scratch", e->scratch);
    add_file_system(&sheet, "output", e->output);
}
