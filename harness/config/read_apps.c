/* The `applications` key: known names and descriptions of other programs. */
#include "harness/config/say.h"
#include "harness/config/sweep.h"

#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What our own applications print, in NPB's manner. */
#define NPB_VERIFICATION "Verification *= *SUCCESSFUL"
#define DIGEST_LINE "^DIGEST ([0-9a-fA-F]+)"
#define NPB_SECONDS "Time in seconds *= *([0-9.]+)"

static const char *const app_keys[] = {"name",         "program", "arguments", "classes", "ranks",
                                       "verification", "digest",  "seconds",   NULL};

static enum dv_status fail_unknown_app(const struct dv_reading *at, yaml_node_t *node,
                                       const char *name)
{
    const char *names[16] = {NULL};
    for (size_t i = 0; i < 15 && dv_known_apps[i].name; i++)
        names[i] = dv_known_apps[i].name;
    return dv_yaml_fail_unknown(at->yaml, node, "application", name, names);
}

static void set_defaults(const struct dv_reading *at, struct dv_app *app)
{
    char **arguments = dv_arena_alloc(&at->experiment->memory, 2, sizeof *arguments);
    arguments[0] = dv_arena_text(&at->experiment->memory, "--class");
    arguments[1] = dv_arena_text(&at->experiment->memory, "{class}");
    app->verification = "";
    app->digest = DIGEST_LINE;
    app->seconds = "";
    if (!app->known)
        return;
    app->verification = NPB_VERIFICATION;
    app->seconds = NPB_SECONDS;
    app->program = app->known->program;
    if (app->known->estimates[0].class_name != DV_NO_CLASS)
        app->arguments = (struct dv_names){.item = arguments, .count = 2};
}

/* "none", "stdout" or an extended regular expression with `groups` groups. */
static enum dv_status read_expression(const struct dv_reading *at, yaml_node_t *node, size_t groups,
                                      const char **expression)
{
    enum dv_status status = dv_read_string(at, node, expression);
    if (status != DV_OK)
        return status;
    if (strcmp(*expression, "none") == 0) {
        *expression = "";
        return DV_OK;
    }
    if (strcmp(*expression, "stdout") == 0 && strcmp(at->key, "digest") == 0)
        return DV_OK;
    regex_t regex;
    int error = regcomp(&regex, *expression, REG_EXTENDED | REG_NEWLINE);
    if (error) {
        char why[128];
        regerror(error, &regex, why, sizeof why);
        return dv_yaml_fail(at->yaml, node, "'%s' is not a regular expression: %s", at->key, why);
    }
    size_t found = regex.re_nsub;
    regfree(&regex);
    if (found < groups)
        return dv_yaml_fail(at->yaml, node, "'%s' needs a group ( ) around what is wanted",
                            at->key);
    return DV_OK;
}

static enum dv_status read_app_fields(const struct dv_reading *at, yaml_node_t *node,
                                      struct dv_app *app)
{
    const struct {
        const char *key;
        dv_reader *read;
        void *field;
    } fields[] = {
        {"program", dv_read_string, &app->program},
        {"arguments", dv_read_names, &app->arguments},
        {"classes", dv_read_names, &app->classes},
        {"ranks", dv_read_rank_list, &app->ranks},
    };
    const struct {
        const char *key;
        size_t groups;
        const char **field;
    } expressions[] = {
        {"verification", 0, &app->verification},
        {"digest", 1, &app->digest},
        {"seconds", 1, &app->seconds},
    };
    struct dv_reading inner = *at;
    enum dv_status status = DV_OK;
    for (size_t i = 0; status == DV_OK && i < sizeof fields / sizeof fields[0]; i++) {
        yaml_node_t *value = dv_yaml_get(at->yaml, node, fields[i].key);
        inner.key = fields[i].key;
        if (value)
            status = fields[i].read(&inner, value, fields[i].field);
    }
    for (size_t i = 0; status == DV_OK && i < sizeof expressions / sizeof expressions[0]; i++) {
        yaml_node_t *value = dv_yaml_get(at->yaml, node, expressions[i].key);
        inner.key = expressions[i].key;
        if (value)
            status = read_expression(&inner, value, expressions[i].groups, expressions[i].field);
    }
    return status;
}

/* Ranks that the application's own list asks for and its program refuses are a mistake in the file;
 * those of the experiment's common list are only cells to leave out. */
static enum dv_status check_own_ranks(const struct dv_reading *at, yaml_node_t *node,
                                      const struct dv_app *app)
{
    for (size_t i = 0; app->known && i < app->ranks.count; i++) {
        if (dv_rank_rule_allows(app->known->rule, app->ranks.item[i]))
            continue;
        yaml_node_t *list = dv_yaml_get(at->yaml, node, "ranks");
        return dv_yaml_fail(at->yaml, dv_yaml_item(at->yaml, list, i),
                            "application '%s' cannot run on %ld ranks: it needs %s", app->name,
                            app->ranks.item[i], dv_rank_rule_text(app->known->rule));
    }
    return DV_OK;
}

static enum dv_status read_app(const struct dv_reading *at, yaml_node_t *node, struct dv_app *app)
{
    yaml_node_t *name = node;
    if (!dv_yaml_scalar(node)) {
        enum dv_status status = dv_yaml_check_keys(at->yaml, node, app_keys);
        if (status != DV_OK)
            return status;
        name = dv_yaml_get(at->yaml, node, "name");
        if (!name)
            return dv_yaml_fail(at->yaml, node, "an application needs a 'name'");
    }
    enum dv_status status = dv_read_string(at, name, &app->name);
    if (status != DV_OK)
        return status;
    app->parameters = "";
    app->place = dv_yaml_place(at->yaml, node, &at->experiment->memory);
    app->known = dv_known_app_find(app->name);
    bool described = dv_yaml_get(at->yaml, node, "program") != NULL;
    if (!app->known && !described)
        return fail_unknown_app(at, name, app->name);
    set_defaults(at, app);
    if (dv_yaml_scalar(node))
        return DV_OK;
    status = read_app_fields(at, node, app);
    if (status == DV_OK)
        status = check_own_ranks(at, node, app);
    if (status == DV_OK && !*app->verification && !*app->digest)
        return dv_yaml_fail(at->yaml, node,
                            "application '%s' could not be verified: give 'verification' or "
                            "'digest'",
                            app->name);
    return status;
}

static bool have_class_in_common(const struct dv_app *a, const struct dv_app *b)
{
    for (size_t i = 0; i < a->classes.count; i++) {
        for (size_t j = 0; j < b->classes.count; j++)
            if (strcmp(a->classes.item[i], b->classes.item[j]) == 0)
                return true;
    }
    return a->classes.count == 0 || b->classes.count == 0; /* has the experiment's */
}

/* One application for each combination of the parameters that its arguments use. */
static enum dv_status add_apps(const struct dv_reading *at, yaml_node_t *node,
                               const struct dv_app *template)
{
    struct dv_experiment *e = at->experiment;
    size_t combinations = dv_sweep_count(&e->sweep, &template->arguments);
    struct dv_app *apps = dv_arena_alloc(&e->memory, e->app_count + combinations, sizeof *apps);
    if (e->app_count)
        memcpy(apps, e->apps, e->app_count * sizeof *apps);
    e->apps = apps;
    for (size_t i = 0; i < combinations; i++) {
        struct dv_app *app = &apps[e->app_count];
        *app = *template;
        app->arguments = dv_sweep_apply(at, &template->arguments, i, &app->parameters);
        app->name = dv_sweep_name(at, template->name, app->parameters);
        for (size_t j = 0; j < e->app_count; j++) {
            if (strcmp(apps[j].name, app->name) == 0 && have_class_in_common(&apps[j], app))
                return dv_yaml_fail(at->yaml, node,
                                    "application '%s' is given twice; give one of them another "
                                    "'name' or other 'classes'",
                                    app->name);
        }
        e->app_count++;
    }
    return dv_sweep_check_words(at, node, &template->arguments);
}

enum dv_status dv_read_applications(const struct dv_reading *at, yaml_node_t *node, void *field)
{
    (void)field;
    size_t count = dv_yaml_item_count(node);
    if (count == 0)
        return dv_yaml_fail(at->yaml, node, "an experiment needs 'applications', such as [cg, ft]");
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *item = dv_yaml_item(at->yaml, node, i);
        struct dv_app app = {0};
        enum dv_status status = read_app(at, item, &app);
        if (status == DV_OK)
            status = add_apps(at, item, &app);
        if (status != DV_OK)
            return status;
    }
    return DV_OK;
}

/* A program without a slash is in bindir, or else on the PATH; NULL: nowhere. */
static const char *find_program(struct dv_experiment *e, const char *program)
{
    char path[PATH_MAX];
    if (strchr(program, '/')) {
        char *whole = realpath(program, NULL);
        const char *kept = whole ? dv_arena_text(&e->memory, whole) : NULL;
        free(whole);
        return kept && access(kept, X_OK) == 0 ? kept : NULL;
    }
    snprintf(path, sizeof path, "%s/%s", e->bindir, program);
    if (access(path, X_OK) == 0)
        return dv_arena_text(&e->memory, path);
    const char *list = getenv("PATH");
    while (list && *list) {
        size_t length = strcspn(list, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)length, list, program);
        if (length && access(path, X_OK) == 0)
            return dv_arena_text(&e->memory, path);
        list += length + (list[length] == ':');
    }
    return NULL;
}

enum dv_status dv_experiment_check_apps(struct dv_experiment *experiment)
{
    for (size_t i = 0; i < experiment->app_count; i++) {
        struct dv_app *app = &experiment->apps[i];
        const char *found = find_program(experiment, app->program);
        if (found)
            app->program = found;
        else if (app->known)
            return dv_bench_fail(DV_ERR_SYSTEM,
                                 "%s: application '%s': no program %s in %s; build it (make all) "
                                 "or set DEJAVU_BENCH_BINDIR",
                                 app->place, app->name, app->program, experiment->bindir);
        else
            return dv_bench_fail(DV_ERR_SYSTEM,
                                 "%s: application '%s': cannot execute %s: %s; correct 'program'",
                                 app->place, app->name, app->program, strerror(ENOENT));
    }
    return DV_OK;
}
