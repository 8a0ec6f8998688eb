/* The conformance suite of protocol strategies; see protocol_suite.h. */
#include "protocol_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 64
#define GUARD 0xa5

enum service { CUT, COLLECTIVES, DRAIN, SERVICES };
static const char *const service_name[SERVICES] = {"reach_collective_cut", "complete_collectives",
                                                   "drain_messages"};

static struct suite {
    const struct dv_protocol_ops *ops;
    struct dv_protocol protocol;
    unsigned char *memory; /* guard, state, guard */
    unsigned char *image;  /* the state as captured */
    const char *scenario;
    char *why;
    size_t why_bytes;
    uint64_t epoch;
    int services_allowed;
    int calls[SERVICES];              /* in this quiesce */
    enum dv_status answers[SERVICES]; /* what each service returns */
    int behind;                       /* how often the cut says DV_ERR_BEHIND first */
    uint64_t sent, collectives;
} suite;

static void find_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void find_fault(const char *format, ...)
{
    if (suite.why[0])
        return;
    int used = snprintf(suite.why, suite.why_bytes, "%s: ", suite.scenario);
    va_list args;
    va_start(args, format);
    vsnprintf(suite.why + used, suite.why_bytes - (size_t)used, format, args);
    va_end(args);
}

/* --- the scripted core --- */

static enum dv_status answer(struct dv_protocol *p, uint64_t epoch, enum service service)
{
    if (p != &suite.protocol)
        find_fault("%s was called with another protocol's data", service_name[service]);
    if (!suite.services_allowed)
        find_fault("%s was called outside quiesce and recover", service_name[service]);
    if (epoch != suite.epoch)
        find_fault("%s was called for epoch %llu, not %llu", service_name[service],
                   (unsigned long long)epoch, (unsigned long long)suite.epoch);
    for (int before = 0; before < (int)service; before++)
        if (suite.calls[before] == 0 && (suite.ops->caps & DV_PROTOCOL_GLOBAL))
            find_fault("%s was called before %s", service_name[service], service_name[before]);
    for (int any = 0; any < SERVICES; any++)
        if (suite.calls[any] > 0 && suite.answers[any] != DV_OK)
            find_fault("%s was called after %s had failed", service_name[service],
                       service_name[any]);
    suite.calls[service]++;
    if (service == CUT && suite.behind > 0)
        return DV_ERR_BEHIND;
    return suite.answers[service];
}

static enum dv_status cut(struct dv_protocol *p, uint64_t epoch)
{
    return answer(p, epoch, CUT);
}

static enum dv_status collectives(struct dv_protocol *p, uint64_t epoch)
{
    return answer(p, epoch, COLLECTIVES);
}

static enum dv_status drain(struct dv_protocol *p, uint64_t epoch)
{
    return answer(p, epoch, DRAIN);
}

static void explain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void explain(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
}

static const struct dv_protocol_core core = {
    .reach_collective_cut = cut,
    .complete_collectives = collectives,
    .drain_messages = drain,
    .explain = explain,
};

/* --- playing the framework --- */

static void *state(void)
{
    return suite.memory + GUARD_BYTES;
}

static void check_guards(void)
{
    const unsigned char *after = suite.memory + GUARD_BYTES + suite.ops->state_size;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (suite.memory[i] != GUARD || after[i] != GUARD) {
            find_fault("memory beside the state was written");
            return;
        }
}

static void start_life(const char *options)
{
    static const struct dv_option none[] = {{.name = NULL}};
    size_t bytes = suite.ops->state_size;
    memset(suite.memory, GUARD, bytes + 2 * GUARD_BYTES);
    memset(state(), 0, bytes);
    suite.protocol = (struct dv_protocol){suite.ops, &core, state(), 0, 2};
    suite.services_allowed = 0;
    suite.sent = suite.collectives = 0;
    char why[256] = "";
    if (dv_options_apply(suite.ops->options ? suite.ops->options : none, options, state(), why,
                         sizeof why) != DV_OK)
        find_fault("the options \"%s\" are not accepted: %s", options, why);
    else if (suite.ops->init && suite.ops->init(&suite.protocol) != DV_OK)
        find_fault("init failed");
}

static void end_life(void)
{
    if (suite.ops->fini)
        suite.ops->fini(&suite.protocol);
    check_guards();
}

static void communicate(void)
{
    static const char payload[8] = "payload";
    struct dv_msg message = {0x77, 1, 5, sizeof payload, payload, suite.sent};
    struct dv_coll collective = {0x77, suite.collectives, "MPI_Barrier", 1};
    if (suite.ops->on_send && suite.ops->on_send(&suite.protocol, &message) != DV_OK)
        find_fault("on_send failed");
    if (suite.ops->on_recv && suite.ops->on_recv(&suite.protocol, &message) != DV_OK)
        find_fault("on_recv failed");
    if (suite.ops->on_collective && suite.ops->on_collective(&suite.protocol, &collective) != DV_OK)
        find_fault("on_collective failed");
    suite.sent++;
    suite.collectives++;
}

static enum dv_status ask(void)
{
    memset(suite.calls, 0, sizeof suite.calls);
    suite.services_allowed = 1;
    enum dv_status status = suite.ops->quiesce(&suite.protocol, suite.epoch);
    suite.services_allowed = 0;
    check_guards();
    return status;
}

static void answer_well(void)
{
    for (int i = 0; i < SERVICES; i++)
        suite.answers[i] = DV_OK;
    suite.behind = 0;
}

/* A quiesce that goes well, until it may be captured. */
static void quiesce_well(void)
{
    suite.epoch++;
    answer_well();
    enum dv_status status = ask();
    if (status != DV_OK)
        find_fault("quiesce returned \"%s\" although all services succeeded",
                   dv_status_text(status));
    for (int i = 0; i < SERVICES; i++)
        if ((suite.ops->caps & DV_PROTOCOL_GLOBAL) && suite.calls[i] != 1)
            find_fault("quiesce called %s %d times", service_name[i], suite.calls[i]);
    if (suite.ops->state_size > 0)
        memcpy(suite.image, state(), suite.ops->state_size);
}

static void commit(void)
{
    if (suite.ops->commit && suite.ops->commit(&suite.protocol, suite.epoch) != DV_OK)
        find_fault("commit failed");
    check_guards();
}

static void give_up(void)
{
    if (suite.ops->aborted)
        suite.ops->aborted(&suite.protocol, suite.epoch);
    check_guards();
}

static void restore(uint64_t epoch, uint32_t restarts)
{
    const struct dv_failure failure = {epoch, restarts};
    if (suite.ops->state_size > 0)
        memcpy(state(), suite.image, suite.ops->state_size);
    suite.epoch = epoch;
    suite.services_allowed = 1;
    if (suite.ops->recover && suite.ops->recover(&suite.protocol, &failure) != DV_OK)
        find_fault("recover failed");
    suite.services_allowed = 0;
    check_guards();
}

/* --- scenarios: each is one life --- */

static void epochs_commit(void)
{
    for (int i = 0; i < 3; i++) {
        communicate();
        quiesce_well();
        commit();
    }
}

static void capture_fails(void)
{
    for (int i = 0; i < 5; i++) {
        communicate();
        quiesce_well();
        give_up();
    }
    quiesce_well();
    commit();
}

static void runs_behind(void)
{
    suite.epoch++;
    answer_well();
    suite.behind = 3;
    for (; suite.behind > 0; suite.behind--) {
        if (ask() != DV_ERR_BEHIND && suite.calls[CUT] > 0)
            find_fault("quiesce does not pass on that the rank must run on");
        communicate();
    }
    suite.epoch--;
    quiesce_well();
    commit();
}

static void fails_in(enum service service, enum dv_status with)
{
    communicate();
    suite.epoch++;
    answer_well();
    suite.answers[service] = with;
    enum dv_status status = ask();
    if (suite.calls[service] > 0 && status != with)
        find_fault("%s failed with \"%s\" but quiesce returned \"%s\"", service_name[service],
                   dv_status_text(with), dv_status_text(status));
    give_up();
    communicate();
    quiesce_well();
    commit();
}

static void services_fail(void)
{
    static const enum dv_status errors[] = {DV_ERR_ABORTED, DV_ERR_INTERNAL};
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
        for (int i = 0; i < SERVICES; i++)
            fails_in((enum service)i, errors[e]);
}

static void recovers(void)
{
    communicate();
    quiesce_well();
    uint64_t captured = suite.epoch;
    commit();
    communicate();
    restore(captured, 1);
    communicate();
    restore(captured, 2); /* the same image again */
    quiesce_well();
    commit();
    restore(suite.epoch, 3); /* and one that a restored process made */
    fails_in(DRAIN, DV_ERR_ABORTED);
}

static void recovers_what_was_given_up_later(void)
{
    quiesce_well();
    uint64_t captured = suite.epoch;
    commit();
    unsigned char *kept = malloc(suite.ops->state_size + 1);
    memcpy(kept, suite.image, suite.ops->state_size);
    quiesce_well();
    give_up();
    memcpy(suite.image, kept, suite.ops->state_size);
    free(kept);
    restore(captured, 1);
    quiesce_well();
    commit();
}

static void play(const char *name, void (*scenario)(void), const char *options)
{
    if (suite.why[0])
        return;
    suite.scenario = name;
    start_life(options);
    if (!suite.why[0])
        scenario();
    end_life();
}

int dv_protocol_conforms(const struct dv_protocol_ops *ops, const char *options, char *why,
                         size_t why_bytes)
{
    why[0] = '\0';
    suite = (struct suite){.ops = ops, .why = why, .why_bytes = why_bytes, .scenario = "the ops"};
    if (ops->api != DV_PROTOCOL_API)
        find_fault("api is %u, not %u", ops->api, DV_PROTOCOL_API);
    if (!ops->name || !ops->name[0] || !ops->summary || !ops->quiesce)
        find_fault("name, summary and quiesce are required");
    suite.memory = malloc(ops->state_size + 2 * GUARD_BYTES);
    suite.image = malloc(ops->state_size + 1);
    if (suite.memory && suite.image) {
        play("epochs commit", epochs_commit, options);
        play("the capture fails", capture_fails, options);
        play("a rank is behind", runs_behind, options);
        play("a service fails", services_fail, options);
        play("recovery", recovers, options);
        play("recovery from before an aborted epoch", recovers_what_was_given_up_later, options);
        play("epochs commit, a second life", epochs_commit, options);
    } else {
        find_fault("out of memory");
    }
    free(suite.memory);
    free(suite.image);
    return why[0] ? -1 : 0;
}
