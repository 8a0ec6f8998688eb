#include "harness/launch/counters.h"

#include "harness/config/arena.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <papi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SETS_MAX 4

/* PAPI takes one running event set per component and process. */
struct set {
    int component, events, handle;
    bool running;
    const char *domain;
};

struct counter {
    const char *name;
    int set, place; /* in sets; set < 0: not PAPI's */
    int fd;         /* perf_event_open's; -1: none */
    char reason[160];
};

struct dv_counters {
    struct set sets[SETS_MAX];
    int set_count;
    struct counter *counters;
    size_t count;
};

static const struct {
    const char *name;
    uint64_t config;
} software_events[] = {
    {"perf::PAGE-FAULTS", PERF_COUNT_SW_PAGE_FAULTS},
    {"perf::MINOR-FAULTS", PERF_COUNT_SW_PAGE_FAULTS_MIN},
    {"perf::MAJOR-FAULTS", PERF_COUNT_SW_PAGE_FAULTS_MAJ},
    {"perf::CONTEXT-SWITCHES", PERF_COUNT_SW_CONTEXT_SWITCHES},
    {"perf::CPU-MIGRATIONS", PERF_COUNT_SW_CPU_MIGRATIONS},
    {"perf::CPU-CLOCK", PERF_COUNT_SW_CPU_CLOCK},
    {"perf::TASK-CLOCK", PERF_COUNT_SW_TASK_CLOCK},
};

static bool papi_ready(void)
{
    static int state; /* 0: not tried; 1: works; -1: does not */
    if (state == 0)
        state = PAPI_library_init(PAPI_VER_CURRENT) == PAPI_VER_CURRENT ? 1 : -1;
    return state == 1;
}

void dv_counters_describe(char *version, size_t version_bytes, char *state, size_t state_bytes)
{
    snprintf(version, version_bytes, "%d.%d.%d", PAPI_VERSION_MAJOR(PAPI_VERSION),
             PAPI_VERSION_MINOR(PAPI_VERSION), PAPI_VERSION_REVISION(PAPI_VERSION));
    int component = papi_ready() ? PAPI_get_component_index("perf_event") : -1;
    const PAPI_component_info_t *info = component < 0 ? NULL : PAPI_get_component_info(component);
    if (!info)
        snprintf(state, state_bytes, "no perf_event component");
    else if (info->disabled)
        snprintf(state, state_bytes, "disabled: %s", info->disabled_reason);
    else
        snprintf(state, state_bytes, "%d counters", info->num_cntrs);
}

/* The domain that includes the kernel if we may; else PAPI's default, user only. */
static const char *widen_domain(int handle)
{
    PAPI_option_t option = {0};
    option.domain.eventset = handle;
    option.domain.domain = PAPI_DOM_ALL;
    return PAPI_set_opt(PAPI_DOMAIN, &option) == PAPI_OK ? "user and kernel" : "user only";
}

static int make_set(struct set *set, int component, pid_t pid)
{
    *set = (struct set){.component = component, .handle = PAPI_NULL};
    int error = PAPI_create_eventset(&set->handle);
    if (error == PAPI_OK)
        error = PAPI_assign_eventset_component(set->handle, component);
    if (error == PAPI_OK)
        error = PAPI_attach(set->handle, (unsigned long)pid);
    PAPI_option_t option = {0};
    option.inherit.eventset = set->handle;
    option.inherit.inherit = PAPI_INHERIT_ALL;
    if (error == PAPI_OK)
        error = PAPI_set_opt(PAPI_INHERIT, &option);
    if (error == PAPI_OK)
        set->domain = widen_domain(set->handle);
    else if (set->handle != PAPI_NULL)
        PAPI_destroy_eventset(&set->handle);
    return error;
}

static int find_set(struct dv_counters *all, int component, pid_t pid, int *error)
{
    for (int i = 0; i < all->set_count; i++) {
        if (all->sets[i].component == component)
            return i;
    }
    *error = all->set_count < SETS_MAX ? make_set(&all->sets[all->set_count], component, pid)
                                       : PAPI_ECNFLCT;
    return *error == PAPI_OK ? all->set_count++ : -1;
}

/* True: the counter is in one of the sets. */
static bool add_to_papi(struct dv_counters *all, struct counter *counter, pid_t pid)
{
    if (!papi_ready()) {
        snprintf(counter->reason, sizeof counter->reason, "PAPI does not start");
        return false;
    }
    int code, error = PAPI_event_name_to_code(counter->name, &code);
    int component = error == PAPI_OK ? PAPI_get_event_component(code) : -1;
    const PAPI_component_info_t *info = component < 0 ? NULL : PAPI_get_component_info(component);
    if (info && info->disabled) {
        snprintf(counter->reason, sizeof counter->reason, "PAPI: %.140s", info->disabled_reason);
        return false;
    }
    int set = info ? find_set(all, component, pid, &error) : -1;
    if (set >= 0)
        error = PAPI_add_event(all->sets[set].handle, code);
    if (set < 0 || error != PAPI_OK) {
        snprintf(counter->reason, sizeof counter->reason, "PAPI: %s", PAPI_strerror(error));
        return false;
    }
    counter->set = set;
    counter->place = all->sets[set].events++;
    snprintf(counter->reason, sizeof counter->reason, "%s", all->sets[set].domain);
    return true;
}

static int open_software(uint64_t config, pid_t pid, bool user_only)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attributes,
        .config = config,
        .inherit = 1,
        .exclude_kernel = user_only,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void open_perf(struct counter *counter, pid_t pid)
{
    for (size_t i = 0; i < sizeof software_events / sizeof software_events[0]; i++) {
        if (strcmp(software_events[i].name, counter->name) != 0)
            continue;
        uint64_t config = software_events[i].config;
        counter->fd = open_software(config, pid, false);
        /* Clocks tick the same with the kernel excluded; other software events happen in the kernel
         * and would read 0. */
        bool clock = config == PERF_COUNT_SW_TASK_CLOCK || config == PERF_COUNT_SW_CPU_CLOCK;
        if (counter->fd < 0 && errno == EACCES && clock)
            counter->fd = open_software(config, pid, true);
        if (counter->fd >= 0)
            counter->reason[0] = '\0';
        else
            snprintf(counter->reason, sizeof counter->reason,
                     "perf_event_open: %s (see /proc/sys/kernel/perf_event_paranoid)",
                     strerror(errno));
        return;
    }
}

struct dv_counters *dv_counters_start(const struct dv_names *names, pid_t pid)
{
    struct dv_counters *all = dv_reallocate(NULL, 1, sizeof *all);
    *all = (struct dv_counters){.count = names->count};
    all->counters = dv_reallocate(NULL, names->count, sizeof *all->counters);
    for (size_t i = 0; i < names->count; i++) {
        struct counter *counter = &all->counters[i];
        *counter = (struct counter){.name = names->item[i], .set = -1, .fd = -1};
        if (!add_to_papi(all, counter, pid))
            open_perf(counter, pid);
    }
    for (int i = 0; i < all->set_count; i++)
        all->sets[i].running =
            all->sets[i].events > 0 && PAPI_start(all->sets[i].handle) == PAPI_OK;
    return all;
}

static void set_value(struct dv_counter_row *row, const struct counter *counter, double value,
                      const char *source)
{
    row->state = DV_COUNTER_COUNTED;
    row->value = value;
    DV_TEXT_SET(row->source, source);
    DV_TEXT_SET(row->reason, counter->reason);
}

static void add_row(const struct dv_counters *all, const struct counter *counter,
                    long long values[SETS_MAX][PAPI_MAX_HWCTRS + 64], int64_t run,
                    struct dv_tables *tables)
{
    struct dv_counter_row *row = DV_ADD(tables, DV_TABLE_COUNTERS, dv_counter_row);
    uint64_t count;
    row->run = run;
    DV_TEXT_SET(row->name, counter->name);
    if (counter->set >= 0 && all->sets[counter->set].running) {
        set_value(row, counter, (double)values[counter->set][counter->place], "PAPI");
    } else if (counter->fd >= 0 && read(counter->fd, &count, sizeof count) == sizeof count) {
        set_value(row, counter, (double)count, "perf_event_open");
    } else {
        row->state = DV_COUNTER_UNAVAILABLE;
        DV_TEXT_SET(row->source, "PAPI");
        DV_TEXT_SET(row->reason, counter->set >= 0  ? "PAPI: the event set did not start"
                                 : *counter->reason ? counter->reason
                                                    : "cannot be read");
    }
}

void dv_counters_finish(struct dv_counters *counters, int64_t run, struct dv_tables *tables)
{
    static long long values[SETS_MAX][PAPI_MAX_HWCTRS + 64];
    for (int i = 0; i < counters->set_count; i++) {
        struct set *set = &counters->sets[i];
        if (set->running && PAPI_stop(set->handle, values[i]) != PAPI_OK)
            set->running = false;
        PAPI_cleanup_eventset(set->handle);
        PAPI_destroy_eventset(&set->handle);
    }
    for (size_t i = 0; i < counters->count; i++) {
        struct counter *counter = &counters->counters[i];
        add_row(counters, counter, values, run, tables);
        if (counter->fd >= 0)
            close(counter->fd);
    }
    free(counters->counters);
    free(counters);
}

void dv_counters_add_rusage(const struct rusage *usage, int64_t run, struct dv_tables *tables)
{
    const struct {
        const char *name;
        long value;
    } fields[] = {
        {"ru_minflt", usage->ru_minflt},   {"ru_majflt", usage->ru_majflt},
        {"ru_nvcsw", usage->ru_nvcsw},     {"ru_nivcsw", usage->ru_nivcsw},
        {"ru_inblock", usage->ru_inblock}, {"ru_oublock", usage->ru_oublock},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct dv_counter_row *row = DV_ADD(tables, DV_TABLE_COUNTERS, dv_counter_row);
        row->run = run;
        row->state = DV_COUNTER_COUNTED;
        row->value = (double)fields[i].value;
        DV_TEXT_SET(row->name, fields[i].name);
        DV_TEXT_SET(row->source, "getrusage");
    }
}
