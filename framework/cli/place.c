/* Where epochs go: --level, --nodes, --parity, --chain. */
#include "cli/options.h"
#include "cli/verbs.h"
#include "common/fail.h"
#include "store/levels.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "cli"

static enum dv_status add_node(struct dv_job *job, const char *path)
{
    char cwd[PATH_MAX], whole[2 * PATH_MAX];
    char **larger = realloc(job->nodes, (job->node_count + 2) * sizeof *larger);
    if (!larger)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the nodes");
    job->nodes = larger;
    larger[job->node_count] = NULL;
    char *absolute = realpath(path, NULL);
    if (!absolute) {
        /* It will be made, or is lost and will be rebuilt. */
        if (path[0] != '/' && !getcwd(cwd, sizeof cwd))
            return dv_fail(MODULE, DV_ERR_SYSTEM, "cannot tell the working directory: %s",
                           strerror(errno));
        snprintf(whole, sizeof whole, "%s%s%s", path[0] == '/' ? "" : cwd,
                 path[0] == '/' ? "" : "/", path);
        absolute = strdup(whole);
    }
    if (!absolute)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the nodes");
    larger[job->node_count++] = absolute;
    larger[job->node_count] = NULL;
    return DV_OK;
}

/* "DIR,DIR,..." */
static enum dv_status read_nodes(struct dv_job *job)
{
    char *text = strdup(cli_text(CLI_OPT_NODES)), *rest = text, *item;
    enum dv_status status = DV_OK;
    if (!text)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the nodes");
    for (size_t i = 0; i < job->node_count; i++)
        free(job->nodes[i]);
    job->node_count = 0;
    while (!status && *text && (item = strsep(&rest, ",")) != NULL) {
        if (strpbrk(item, "\n\r"))
            status = dv_fail(MODULE, DV_ERR_USAGE, "--nodes: a directory's name has a line break");
        else if (!*item)
            status =
                dv_fail(MODULE, DV_ERR_USAGE, "--nodes: a directory between commas is missing");
        else
            status = add_node(job, item);
    }
    free(text);
    return status;
}

enum dv_status cli_read_place(struct dv_job *job)
{
    uint64_t parity, chain;
    enum dv_status status;
    if ((status = dv_level_parse(cli_text(CLI_OPT_LEVEL), &job->level)) ||
        (status = cli_count(CLI_OPT_PARITY, 1, DV_MOST_NODES - 1, &parity)) ||
        (status = cli_count(CLI_OPT_CHAIN, 0, 1000000, &chain)) || (status = read_nodes(job)))
        return status;
    job->parity = job->level == DV_LEVEL_RS ? (uint32_t)parity : 0;
    job->chain = (uint32_t)chain;
    const struct dv_place place = {
        .level = job->level, .parity = job->parity, .node_count = (uint32_t)job->node_count};
    return dv_level_check(&place, job->nodes);
}

enum dv_status cli_place_from_job(const struct dv_job *job)
{
    char text[32];
    size_t bytes = 1;
    enum dv_status status;
    for (size_t i = 0; i < job->node_count; i++)
        bytes += strlen(job->nodes[i]) + 1;
    char *nodes = calloc(1, bytes);
    if (!nodes)
        return dv_fail(MODULE, DV_ERR_NO_MEMORY, "no memory for the nodes");
    for (size_t i = 0, used = 0; i < job->node_count; i++)
        used += (size_t)snprintf(nodes + used, bytes - used, "%s%s", i ? "," : "", job->nodes[i]);
    status = cli_set_from_job(CLI_OPT_NODES, nodes);
    free(nodes);
    if (status || (status = cli_set_from_job(CLI_OPT_LEVEL, dv_level_name(job->level))))
        return status;
    snprintf(text, sizeof text, "%u", job->parity ? job->parity : 1);
    if ((status = cli_set_from_job(CLI_OPT_PARITY, text)))
        return status;
    snprintf(text, sizeof text, "%u", job->chain);
    return cli_set_from_job(CLI_OPT_CHAIN, text);
}
