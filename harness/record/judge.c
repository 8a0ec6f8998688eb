/* Is the result right? The digest of every run must be that of the native runs, and those must
 * agree. */
#include "harness/record/record.h"

#include <stdio.h>
#include <string.h>

static bool same_group(const struct dv_run_row *a, const struct dv_run_row *b)
{
    return a->ranks == b->ranks && strcmp(a->application, b->application) == 0 &&
           strcmp(a->class_name, b->class_name) == 0;
}

struct reference {
    const struct dv_run_row *native; /* the first good one, or NULL */
    bool agree;
};

static struct reference find_reference(const struct dv_tables *tables, const struct dv_run_row *row)
{
    struct reference reference = {NULL, true};
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
        const struct dv_run_row *other = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
        /* A native run that was already found wrong for its digest is still a witness. */
        if (other->strategy_kind != DV_STRATEGY_NATIVE || !*other->digest ||
            other->exit_status != 0 || other->verification == DV_VERIFICATION_MISSING ||
            !same_group(other, row))
            continue;
        if (!reference.native)
            reference.native = other;
        else if (strcmp(reference.native->digest, other->digest) != 0)
            reference.agree = false;
    }
    return reference;
}

void dv_record_judge(struct dv_tables *tables)
{
    for (size_t i = 0; i < tables->table[DV_TABLE_RUNS].count; i++) {
        struct dv_run_row *row = DV_ROW(tables, DV_TABLE_RUNS, dv_run_row, i);
        if (row->outcome != DV_OUTCOME_OK)
            continue;
        struct reference reference = find_reference(tables, row);
        char reason[256] = "";
        if (!*row->digest)
            ; /* not asked for: the application's own verification has to do */
        else if (!reference.native)
            snprintf(reason, sizeof reason, "no good native run to compare the digest with");
        else if (!reference.agree)
            snprintf(reason, sizeof reason,
                     "the native runs' digests differ among themselves: the result is not "
                     "reproducible");
        else if (strcmp(row->digest, reference.native->digest) != 0)
            snprintf(reason, sizeof reason, "wrong result: digest %s instead of %s", row->digest,
                     reference.native->digest);
        row->verified = !*reason;
        if (*reason) {
            row->outcome = DV_OUTCOME_FAILED;
            DV_TEXT_SET(row->reason, reason);
        }
    }
}
