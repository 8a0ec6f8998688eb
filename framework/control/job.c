/* The job file: writing and reading. */
#include "control/job.h"

#include "common/fail.h"
#include "common/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_FORMAT 1
#define CHAIN_DEFAULT 8 /* of job files that do not say it */
#define JOB_FILE_LIMIT (16u << 20)

uint32_t dv_job_size(const struct dv_job *job)
{
    return job->ranks ? job->ranks : 1;
}

void dv_job_strategy(const struct dv_job *job, char *text, size_t text_bytes)
{
    snprintf(text, text_bytes, "%s+%s", job->capture, job->protocol);
}

static void put_text(FILE *out, const char *key, const char *value)
{
    fprintf(out, "%s = ", key);
    for (; *value; value++) {
        switch (*value) {
        case '\\':
            fputs("\\\\", out);
            break;
        case '\n':
            fputs("\\n", out);
            break;
        case '\r':
            fputs("\\r", out);
            break;
        default:
            fputc(*value, out);
        }
    }
    fputc('\n', out);
}

static void put_job(FILE *out, const struct dv_job *job)
{
    fprintf(out, "format = %d\n", JOB_FORMAT);
    put_text(out, "program", job->program);
    fputs("program_digest = ", out);
    for (size_t i = 0; i < sizeof job->program_digest; i++)
        fprintf(out, "%02x", job->program_digest[i]);
    fputc('\n', out);
    put_text(out, "argv0", job->argv0);
    for (size_t i = 0; i < job->arg_count; i++)
        put_text(out, "arg", job->args[i]);
    put_text(out, "cwd", job->cwd);
    put_text(out, "mpiexec", job->mpiexec);
    fprintf(out, "ranks = %u\n", job->ranks);
    put_text(out, "capture", job->capture);
    put_text(out, "capture-options", job->capture_options);
    put_text(out, "protocol", job->protocol);
    put_text(out, "protocol-options", job->protocol_options);
    if (job->restore)
        put_text(out, "restore", job->restore);
    if (job->engine)
        put_text(out, "engine", job->engine);
    fprintf(out, "interval = %.9g\nquiesce-timeout = %.9g\n", job->interval_s,
            job->quiesce_timeout_s);
    fprintf(out, "max-restarts = %u\nkeep = %u\n", job->max_restarts, job->keep);
    fprintf(out, "chain = %u\nlevel = %s\nparity = %u\n", job->chain, dv_level_name(job->level),
            job->parity);
    for (size_t i = 0; i < job->node_count; i++)
        put_text(out, "node", job->nodes[i]);
    for (size_t i = 0; i < job->env_count; i++)
        put_text(out, "env", job->env[i]);
    fputs("end = 1\n", out);
}

enum dv_status dv_job_write(const char *directory, const struct dv_job *job)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the job file");
    put_job(out, job);
    int failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the job file");
    }
    enum dv_status status = dv_write_file_durably(directory, "job", text, length, 0600);
    free(text);
    return status;
}

static enum dv_status no_memory(void)
{
    return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the job");
}

static enum dv_status set_text(char **field, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return no_memory();
    free(*field);
    *field = copy;
    return DV_OK;
}

static enum dv_status add_text(char ***list, size_t *count, const char *value)
{
    char **larger = realloc(*list, (*count + 2) * sizeof *larger);
    if (!larger)
        return no_memory();
    *list = larger;
    larger[*count] = NULL;
    enum dv_status status = set_text(&larger[*count], value);
    if (status)
        return status;
    larger[++*count] = NULL;
    return DV_OK;
}

/* In place. Returns false on an escape that is none. */
static bool unescape(char *text)
{
    char *out = text;
    for (; *text; text++) {
        if (*text != '\\') {
            *out++ = *text;
            continue;
        }
        text++;
        if (*text == 'n')
            *out++ = '\n';
        else if (*text == 'r')
            *out++ = '\r';
        else if (*text == '\\')
            *out++ = '\\';
        else
            return false;
    }
    *out = '\0';
    return true;
}

static bool parse_u32(const char *text, uint32_t *value)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || v > UINT32_MAX)
        return false;
    *value = (uint32_t)v;
    return true;
}

static bool parse_double(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && *value >= 0;
}

static bool parse_digest(const char *text, uint8_t digest[16])
{
    for (size_t i = 0; i < 16; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        digest[i] = (uint8_t)byte;
    }
    return text[32] == '\0';
}

/* Keys that hold one number. DV_ERR_NOT_FOUND: not one of them. */
static enum dv_status read_number(struct dv_job *job, const char *key, const char *value)
{
    bool good;
    uint32_t format = 0;
    if (strcmp(key, "ranks") == 0)
        good = parse_u32(value, &job->ranks);
    else if (strcmp(key, "max-restarts") == 0)
        good = parse_u32(value, &job->max_restarts);
    else if (strcmp(key, "keep") == 0)
        good = parse_u32(value, &job->keep);
    else if (strcmp(key, "chain") == 0)
        good = parse_u32(value, &job->chain);
    else if (strcmp(key, "parity") == 0)
        good = parse_u32(value, &job->parity);
    else if (strcmp(key, "level") == 0)
        good = dv_level_parse(value, &job->level) == DV_OK;
    else if (strcmp(key, "interval") == 0)
        good = parse_double(value, &job->interval_s);
    else if (strcmp(key, "quiesce-timeout") == 0)
        good = parse_double(value, &job->quiesce_timeout_s);
    else if (strcmp(key, "program_digest") == 0)
        good = strlen(value) == 32 && parse_digest(value, job->program_digest);
    else if (strcmp(key, "format") == 0)
        good = parse_u32(value, &format) && format == JOB_FORMAT;
    else
        return DV_ERR_NOT_FOUND;
    return good ? DV_OK : DV_ERR_DAMAGED;
}

static enum dv_status read_pair(struct dv_job *job, const char *key, const char *value)
{
    const struct {
        const char *key;
        char **field;
    } texts[] = {
        {"program", &job->program},   {"argv0", &job->argv0},
        {"cwd", &job->cwd},           {"mpiexec", &job->mpiexec},
        {"capture", &job->capture},   {"capture-options", &job->capture_options},
        {"protocol", &job->protocol}, {"protocol-options", &job->protocol_options},
        {"restore", &job->restore},   {"engine", &job->engine},
    };
    if (strcmp(key, "arg") == 0)
        return add_text(&job->args, &job->arg_count, value);
    if (strcmp(key, "node") == 0)
        return add_text(&job->nodes, &job->node_count, value);
    if (strcmp(key, "env") == 0)
        return add_text(&job->env, &job->env_count, value);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(key, texts[i].key) == 0)
            return set_text(texts[i].field, value);
    return read_number(job, key, value);
}

static bool is_complete(const struct dv_job *job)
{
    return job->program && job->argv0 && job->cwd && job->mpiexec && job->capture &&
           job->capture_options && job->protocol && job->protocol_options && job->keep;
}

static enum dv_status parse_job(const char *path, char *text, struct dv_job *job)
{
    bool ended = false;
    unsigned number = 0;
    for (char *next, *line = text; line && *line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *equals = strstr(line, " = ");
        if (!equals || !unescape(equals + 3))
            return dv_fail("control", DV_ERR_DAMAGED, "%s: line %u is damaged", path, number);
        *equals = '\0';
        if (strcmp(line, "end") == 0) {
            ended = true;
            continue;
        }
        enum dv_status status = read_pair(job, line, equals + 3);
        if (status == DV_ERR_DAMAGED || status == DV_ERR_NOT_FOUND)
            return dv_fail("control", DV_ERR_DAMAGED, "%s: line %u: \"%s = %s\" is not understood",
                           path, number, line, equals + 3);
        if (status)
            return status;
    }
    if (!ended || !is_complete(job))
        return dv_fail("control", DV_ERR_DAMAGED, "%s is not complete", path);
    /* The lists end with NULL, also when they are empty. */
    if (!job->args && !(job->args = calloc(1, sizeof *job->args)))
        return no_memory();
    if (!job->env && !(job->env = calloc(1, sizeof *job->env)))
        return no_memory();
    return DV_OK;
}

enum dv_status dv_job_read(const char *directory, struct dv_job *job)
{
    memset(job, 0, sizeof *job);
    job->chain = CHAIN_DEFAULT;
    char path[4096], *text = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/job", directory);
    enum dv_status status = dv_read_file(path, JOB_FILE_LIMIT, &text, &length);
    if (status == DV_ERR_NOT_FOUND)
        return dv_fail("control", status, "%s is not a job directory (it has no file \"job\")",
                       directory);
    if (status)
        return status;
    if (strlen(text) != length)
        status = dv_fail("control", DV_ERR_DAMAGED, "%s holds a NUL byte", path);
    else
        status = parse_job(path, text, job);
    free(text);
    if (status)
        dv_job_free(job);
    return status;
}

static void free_list(char **list)
{
    for (char **item = list; item && *item; item++)
        free(*item);
    free(list);
}

void dv_job_free(struct dv_job *job)
{
    free(job->program);
    free(job->argv0);
    free(job->cwd);
    free(job->mpiexec);
    free_list(job->args);
    free_list(job->env);
    free_list(job->nodes);
    free(job->capture);
    free(job->capture_options);
    free(job->protocol);
    free(job->protocol_options);
    free(job->restore);
    free(job->engine);
    memset(job, 0, sizeof *job);
}
