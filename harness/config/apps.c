/* The applications known by name, and which numbers of ranks they take. */
#include "harness/config/experiment.h"

#include <string.h>

/* Estimates: orders of magnitude for a 2.5 GHz core; `plan` uses measured times once there are any.
 */
const struct dv_known_app dv_known_apps[] = {
    {"ep",
     "npb-ep",
     DV_RANKS_ANY,
     {{'S', 0.6, 4}, {'W', 1.2, 4}, {'A', 10, 4}, {'B', 40, 4}, {'C', 160, 4}}},
    {"bt",
     "npb-bt",
     DV_RANKS_SQUARE,
     {{'S', 0.05, 4}, {'W', 0.6, 12}, {'A', 20, 60}, {'B', 80, 220}, {'C', 340, 830}}},
    {"sp",
     "npb-sp",
     DV_RANKS_SQUARE,
     {{'S', 0.05, 4}, {'W', 2, 16}, {'A', 12, 60}, {'B', 60, 220}, {'C', 260, 830}}},
    {"cg",
     "npb-cg",
     DV_RANKS_POWER_OF_TWO,
     {{'S', 0.1, 8}, {'W', 0.5, 24}, {'A', 2, 80}, {'B', 80, 600}, {'C', 220, 1300}}},
    {"mg",
     "npb-mg",
     DV_RANKS_POWER_OF_TWO,
     {{'S', 0.05, 4}, {'W', 0.6, 64}, {'A', 3, 480}, {'B', 14, 480}, {'C', 120, 3700}}},
    {"ft",
     "npb-ft",
     DV_RANKS_POWER_OF_TWO,
     {{'S', 0.2, 16}, {'W', 0.5, 32}, {'A', 7, 420}, {'B', 90, 1700}, {'C', 380, 6800}}},
    {"is",
     "npb-is",
     DV_RANKS_POWER_OF_TWO,
     {{'S', 0.05, 4}, {'W', 0.2, 24}, {'A', 1.5, 130}, {'B', 6, 520}, {'C', 25, 2100}}},
    {"lu",
     "npb-lu",
     DV_RANKS_POWER_OF_TWO,
     {{'S', 0.02, 2}, {'W', 1, 8}, {'A', 6, 40}, {'B', 25, 145}, {'C', 110, 530}}},
    /* No classes: options instead. As they are by default, on 2 ranks. */
    {"synthetic", "synthetic", DV_RANKS_ANY, {{DV_NO_CLASS, 5, 130}}},
    {.name = NULL},
};

const struct dv_known_app *dv_known_app_find(const char *name)
{
    for (const struct dv_known_app *app = dv_known_apps; app->name; app++) {
        if (strcmp(app->name, name) == 0)
            return app;
    }
    return NULL;
}

bool dv_rank_rule_allows(enum dv_rank_rule rule, int64_t ranks)
{
    if (ranks < 1)
        return false;
    switch (rule) {
    case DV_RANKS_POWER_OF_TWO:
        return (ranks & (ranks - 1)) == 0;
    case DV_RANKS_SQUARE: {
        int64_t root = 1;
        while (root * root < ranks)
            root++;
        return root * root == ranks;
    }
    case DV_RANKS_ANY:
        break;
    }
    return true;
}

const char *dv_rank_rule_text(enum dv_rank_rule rule)
{
    switch (rule) {
    case DV_RANKS_POWER_OF_TWO:
        return "a power of two";
    case DV_RANKS_SQUARE:
        return "a square";
    case DV_RANKS_ANY:
        break;
    }
    return "any number";
}
