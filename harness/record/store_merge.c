#include "harness/record/attributes.h"
#include "harness/record/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct contents {
    const struct dv_tables *tables;
    const struct dv_store_info *info;
    const char *const *sources;
};

struct copying {
    hid_t to;    /* the new file's /configuration */
    FILE *yamls; /* all experiments, one behind the other */
};

static void add_yaml(const struct copying *c, hid_t group, const char *id, const char *name)
{
    char *yaml = dv_text_read(group, "yaml");
    fprintf(c->yamls, "# campaign %s: %s\n%s\n", id, name, yaml ? yaml : "");
    free(yaml);
}

/* One campaign's file: its /configuration becomes /configuration/<id>, with what its root says. */
static bool copy_campaign(const struct copying *c, hid_t file)
{
    static const char *const texts[] = {"name", "description", "campaign", "plan", "generator"};
    char id[24], value[2048];
    dv_attribute_read_text(file, "campaign", id, sizeof id);
    if (!*id || H5Ocopy(file, "configuration", c->to, id, H5P_DEFAULT, H5P_DEFAULT) < 0)
        return false;
    hid_t group = H5Gopen2(c->to, id, H5P_DEFAULT);
    bool done = group >= 0;
    for (size_t i = 0; done && i < sizeof texts / sizeof texts[0]; i++) {
        dv_attribute_read_text(file, texts[i], value, sizeof value);
        if (i == 0)
            add_yaml(c, group, id, value);
        done = H5Aexists(group, texts[i]) > 0 ? H5Adelete(group, texts[i]) >= 0 &&
                                                    dv_attribute_write_text(group, texts[i], value)
                                              : dv_attribute_write_text(group, texts[i], value);
    }
    done = done && dv_attribute_write_number(group, "runs_planned",
                                             dv_attribute_read_number(file, "runs_planned"));
    if (group >= 0)
        H5Gclose(group);
    return done;
}

/* A campaign in the /configuration of a file that was merged before. */
static herr_t copy_member(hid_t from, const char *name, const H5L_info_t *link, void *context)
{
    const struct copying *c = context;
    char title[512];
    (void)link;
    hid_t group = H5Gopen2(from, name, H5P_DEFAULT);
    if (group < 0)
        return 0; /* the texts of all campaigns: made anew */
    dv_attribute_read_text(group, "name", title, sizeof title);
    add_yaml(c, group, name, title);
    H5Gclose(group);
    return H5Ocopy(from, name, c->to, name, H5P_DEFAULT, H5P_DEFAULT) < 0 ? -1 : 0;
}

static bool copy_source(const struct copying *c, const char *path)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        return false;
    hid_t group = H5Gopen2(file, "configuration", H5P_DEFAULT);
    bool done = group >= 0;
    if (done && H5Aexists(file, "campaign") > 0)
        done = copy_campaign(c, file);
    else if (done)
        done = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_member, (void *)c) >= 0;
    if (group >= 0)
        H5Gclose(group);
    H5Fclose(file);
    return done;
}

static bool write_configuration(const struct contents *contents, hid_t file)
{
    char *text = NULL;
    size_t length;
    struct copying c = {
        .to = H5Gcreate2(file, "configuration", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        .yamls = open_memstream(&text, &length),
    };
    bool done = c.to >= 0 && c.yamls &&
                dv_attribute_write_text(c.to, "description", "what was asked for, by campaign");
    for (size_t i = 0; done && contents->sources[i]; i++)
        done = copy_source(&c, contents->sources[i]);
    if (c.yamls)
        done = fclose(c.yamls) == 0 && done;
    done = done && dv_text_write(c.to, "yaml", text, "the experiment files, one behind the other");
    free(text);
    return (c.to < 0 || H5Gclose(c.to) >= 0) && done;
}

static bool write_all(hid_t file, const void *context)
{
    const struct contents *contents = context;
    return dv_attribute_write_number(file, "schema_version", DV_SCHEMA_VERSION) &&
           dv_attribute_write_text(file, "generator", DV_STORE_GENERATOR) &&
           dv_attribute_write_text(file, "name", contents->info->name) &&
           dv_attribute_write_text(file, "description", contents->info->description) &&
           dv_attribute_write_number(file, "runs_planned", contents->info->runs_planned) &&
           write_configuration(contents, file) && dv_store_write_tables(contents->tables, file);
}

enum dv_status dv_store_merge(const struct dv_tables *tables, const struct dv_store_info *info,
                              const char *const *sources, const char *path)
{
    const struct contents contents = {tables, info, sources};
    return dv_store_replace(path, write_all, &contents, "the files that were read are whole");
}
