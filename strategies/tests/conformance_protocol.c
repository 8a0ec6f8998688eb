/* Every protocol strategy of the table, and the skeleton, pass the suite; with every yes/no option
 * both ways. Strategies that are broken on purpose do not: the suite can fail. */
#include "protocol_suite.h"

#include <stdio.h>
#include <string.h>

extern const struct dv_protocol_ops dv_protocol_skeleton;

static int faults;

static void expect_conforms(const struct dv_protocol_ops *ops, const char *options)
{
    char why[512];
    int result = dv_protocol_conforms(ops, options, why, sizeof why);
    printf("%s %s%s%s%s%s\n", result == 0 ? "ok    " : "FAILED", ops->name, options[0] ? " " : "",
           options, why[0] ? ": " : "", why);
    faults += result != 0;
}

static void check_strategy(const struct dv_protocol_ops *ops)
{
    expect_conforms(ops, "");
    for (const struct dv_option *option = ops->options; option && option->name; option++) {
        static const char *const values[] = {"yes", "no"};
        for (int i = 0; i < 2 && option->type == DV_OPTION_BOOL; i++) {
            char text[128];
            snprintf(text, sizeof text, "%s=%s", option->name, values[i]);
            expect_conforms(ops, text);
        }
    }
}

/* --- ways of getting it wrong --- */

enum bug {
    NO_BUG,
    IGNORES_ABORT,   /* goes on after the cut was given up */
    SWALLOWS_BEHIND, /* captures although it must run on */
    FORGETS_DRAIN,
    DRAINS_FIRST,
    DRAINS_ONCE, /* thinks that what was drained for an aborted epoch need not be again */
    ANOTHER_EPOCH,
    TRANSLATES_ERRORS, /* another status than the service's */
    DRAINS_IN_COMMIT,
    WRITES_BESIDE_STATE,
    FAILS_AFTER_RESTORE,  /* does not expect its image's state */
    FAILS_SECOND_RESTORE, /* expects that an image is used once */
    BUGS
};
static const char *const bug_name[BUGS] = {
    "no bug",
    "ignores an abort",
    "swallows behind",
    "forgets the drain",
    "drains first",
    "drains once",
    "asks for another epoch",
    "translates errors",
    "drains in commit",
    "writes beside state",
    "fails after a restore",
    "fails at the second restore",
};
static enum bug bug;

struct broken {
    int drained, committed, recovered;
};

static enum dv_status broken_quiesce(struct dv_protocol *p, uint64_t epoch)
{
    struct broken *s = p->state;
    if (bug == FAILS_AFTER_RESTORE && s->recovered)
        return DV_ERR_INTERNAL;
    if (bug == DRAINS_FIRST)
        (void)p->core->drain_messages(p, epoch);
    enum dv_status status =
        p->core->reach_collective_cut(p, bug == ANOTHER_EPOCH ? epoch + 1 : epoch);
    if (status == DV_ERR_BEHIND && bug == SWALLOWS_BEHIND)
        return DV_OK;
    if (status != DV_OK && bug == TRANSLATES_ERRORS)
        return DV_ERR_TIMEOUT;
    if (status != DV_OK && !(status != DV_ERR_BEHIND && bug == IGNORES_ABORT))
        return status;
    status = p->core->complete_collectives(p, epoch);
    if (status != DV_OK || bug == FORGETS_DRAIN || bug == DRAINS_FIRST)
        return status;
    if (bug == DRAINS_ONCE && s->drained)
        return DV_OK;
    s->drained = 1;
    return p->core->drain_messages(p, epoch);
}

static enum dv_status broken_commit(struct dv_protocol *p, uint64_t epoch)
{
    struct broken *s = p->state;
    s->drained = 0;
    if (bug == DRAINS_IN_COMMIT)
        return p->core->drain_messages(p, epoch);
    if (bug == WRITES_BESIDE_STATE)
        ((volatile unsigned char *)p->state)[sizeof *s] = 1;
    return DV_OK;
}

static enum dv_status broken_recover(struct dv_protocol *p, const struct dv_failure *f)
{
    struct broken *s = p->state;
    s->recovered = 1;
    s->drained = 0;
    return bug == FAILS_SECOND_RESTORE && f->restarts > 1 ? DV_ERR_INTERNAL : DV_OK;
}

static const struct dv_protocol_ops broken = {
    .api = DV_PROTOCOL_API,
    .name = "broken",
    .summary = "wrong on purpose",
    .caps = DV_PROTOCOL_GLOBAL,
    .state_size = sizeof(struct broken),
    .quiesce = broken_quiesce,
    .commit = broken_commit,
    .recover = broken_recover,
};

static void check_that_bugs_are_found(void)
{
    for (bug = NO_BUG; bug < BUGS; bug++) {
        char why[512];
        int found = dv_protocol_conforms(&broken, "", why, sizeof why) != 0;
        int right = found == (bug != NO_BUG);
        printf("%s broken (%s)%s%s\n", right ? "ok    " : "FAILED", bug_name[bug],
               found           ? ": "
               : bug != NO_BUG ? " was not found"
                               : "",
               why);
        faults += !right;
    }
}

int main(void)
{
    for (size_t i = 0; dv_protocol_table[i] != NULL; i++)
        check_strategy(dv_protocol_table[i]);
    check_strategy(&dv_protocol_skeleton);
    check_that_bugs_are_found();
    return faults > 0;
}
