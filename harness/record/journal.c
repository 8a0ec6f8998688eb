#include "harness/record/journal.h"

#include "harness/config/say.h"
#include "harness/record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

#define JOURNAL_VERSION 1
#define CHECKSUM_CHARS 16
#define LINE_BYTES 4096

struct header {
    unsigned version;
    uint64_t id, settings, plan;
    size_t runs;
    char arguments[LINE_BYTES];
};

void dv_journal_run_directory(const struct dv_journal *journal, size_t run, char *path,
                              size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/runs/%06zu", journal->directory, run);
}

void dv_journal_session_path(const struct dv_journal *journal, size_t session, char *path,
                             size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/sessions/%04zu", journal->directory, session);
}

/* All that decides what is measured. Where results and temporary files lie does not. */
static uint64_t digest_settings(const struct dv_experiment *e)
{
    XXH64_hash_t digest = XXH64(e->text, e->text_bytes, 0);
    for (size_t i = 0; i < e->setting_count; i++) {
        const struct dv_setting *s = &e->settings[i];
        if (strcmp(s->key, "output") == 0 || strcmp(s->key, "scratch") == 0)
            continue;
        digest = XXH64(s->key, strlen(s->key), digest);
        digest = XXH64(s->value, strlen(s->value), digest);
    }
    return digest;
}

static enum dv_status append(struct dv_journal *journal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum dv_status append(struct dv_journal *journal, const char *format, ...)
{
    char payload[LINE_BYTES], line[LINE_BYTES + 32];
    va_list args;
    va_start(args, format);
    vsnprintf(payload, sizeof payload, format, args);
    va_end(args);
    int length = snprintf(line, sizeof line, "%016" PRIx64 " %s\n",
                          (uint64_t)XXH64(payload, strlen(payload), 0), payload);
    /* One write: a crash leaves a line torn at its end at most, which the checksum shows. */
    ssize_t done = write(journal->fd, line, (size_t)length);
    if (done == length && fdatasync(journal->fd) == 0)
        return DV_OK;
    int error = done >= 0 && done < length ? ENOSPC : errno;
    return dv_bench_fail(error == ENOSPC ? DV_ERR_NO_SPACE : DV_ERR_SYSTEM,
                         "cannot write %s/journal: %s", journal->directory, strerror(error));
}

/* The payload of a whole line that ends at `end`, or NULL. */
static const char *check_line(const char *line, const char *end)
{
    char *stop;
    if (end - line <= CHECKSUM_CHARS + 1 || line[CHECKSUM_CHARS] != ' ')
        return NULL;
    uint64_t checksum = strtoull(line, &stop, 16);
    const char *payload = line + CHECKSUM_CHARS + 1;
    if (stop != line + CHECKSUM_CHARS || checksum != XXH64(payload, (size_t)(end - payload), 0))
        return NULL;
    return payload;
}

static bool parse_header(const char *payload, struct header *header)
{
    int at = 0;
    if (sscanf(payload,
               "campaign version=%u id=%" SCNx64 " settings=%" SCNx64 " plan=%" SCNx64
               " runs=%zu arguments=%n",
               &header->version, &header->id, &header->settings, &header->plan, &header->runs,
               &at) != 5 ||
        at == 0)
        return false;
    snprintf(header->arguments, sizeof header->arguments, "%.*s", (int)strcspn(payload + at, "\n"),
             payload + at);
    return true;
}

/* False: not a line of this version's journals. */
static bool take_entry(struct dv_journal *journal, const char *payload)
{
    size_t number;
    int ok;
    struct dv_journal_run result = {.started = true, .done = true};
    if (sscanf(payload, "session number=%zu", &number) == 1) {
        journal->sessions = number + 1;
        return true;
    }
    if (sscanf(payload, "start run=%zu", &number) == 1 && number < journal->run_count) {
        journal->runs[number].started = true;
        return true;
    }
    if (sscanf(payload, "done run=%zu ok=%d wall_s=%lf record=%" SCNx64, &number, &ok,
               &result.wall_s, &result.record_digest) != 4 ||
        number >= journal->run_count || journal->runs[number].done)
        return false;
    result.ok = ok != 0;
    journal->runs[number] = result;
    journal->done_count++;
    journal->failed_count += !result.ok;
    return true;
}

static enum dv_status check_header(const struct dv_experiment *e, const struct dv_plan *plan,
                                   const struct header *header)
{
    if (header->version != JOURNAL_VERSION)
        return dv_bench_fail(DV_ERR_MISMATCH, "%s/journal has version %u; this program knows %d",
                             e->output, header->version, JOURNAL_VERSION);
    if (header->settings == digest_settings(e) && header->plan == plan->digest)
        return DV_OK;
    return dv_bench_fail(DV_ERR_MISMATCH,
                         "%s holds a campaign of another experiment or with other settings; it was "
                         "begun by: dejavu-bench %s; use that, or another --output",
                         e->output, header->arguments);
}

/* Take in the journal's text. `*whole_bytes`: how much of it is whole lines. */
static enum dv_status load(const struct dv_experiment *e, const struct dv_plan *plan,
                           struct dv_journal *journal, const char *text, size_t length,
                           size_t *whole_bytes)
{
    const char *line = text, *end;
    bool have_header = false;
    *whole_bytes = 0;
    for (; (end = memchr(line, '\n', length - (size_t)(line - text))); line = end + 1) {
        const char *payload = check_line(line, end);
        struct header header;
        if (!payload && end == text + length - 1)
            break; /* torn by a crash */
        bool good = payload != NULL;
        if (good && !have_header) {
            good = parse_header(payload, &header);
            enum dv_status status = good ? check_header(e, plan, &header) : DV_OK;
            if (status != DV_OK)
                return status;
            have_header = true;
            journal->id = header.id;
        } else if (good) {
            good = take_entry(journal, payload);
        }
        if (!good)
            return dv_bench_fail(DV_ERR_DAMAGED,
                                 "%s/journal is damaged at byte %zu; restore it from a copy, or "
                                 "begin anew in another --output",
                                 journal->directory, (size_t)(line - text));
        *whole_bytes = (size_t)(end + 1 - text);
    }
    return DV_OK;
}

static enum dv_status create(const struct dv_experiment *e, const struct dv_plan *plan,
                             struct dv_journal *journal, const char *arguments)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/experiment.yaml", e->output);
    enum dv_status status = dv_file_write_durably(path, e->text, e->text_bytes);
    if (status != DV_OK)
        return status;
    if (getrandom(&journal->id, sizeof journal->id, 0) != sizeof journal->id)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot get random bytes: %s", strerror(errno));
    return append(journal,
                  "campaign version=%d id=%016" PRIx64 " settings=%016" PRIx64 " plan=%016" PRIx64
                  " runs=%zu arguments=%.3000s",
                  JOURNAL_VERSION, journal->id, digest_settings(e), plan->digest, plan->run_count,
                  arguments);
}

static enum dv_status make_directories(const char *output)
{
    char path[PATH_MAX];
    static const char *const parts[] = {"", "/runs", "/sessions"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s%s", output, parts[i]);
        enum dv_status status = dv_file_make_directories(path);
        if (status != DV_OK)
            return status;
    }
    return DV_OK;
}

static enum dv_status lock(const char *path, int *fd)
{
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (*fd < 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return DV_OK;
    enum dv_status status =
        errno == EWOULDBLOCK
            ? dv_bench_fail(DV_ERR_BUSY, "%s is in use: this campaign is running already", path)
            : dv_bench_fail(DV_ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
    close(*fd);
    *fd = -1;
    return status;
}

static enum dv_status open_there(const struct dv_experiment *e, const struct dv_plan *plan,
                                 bool writable, const char *arguments, struct dv_journal *journal)
{
    char path[PATH_MAX], *text = NULL;
    size_t length = 0, whole_bytes = 0;
    snprintf(path, sizeof path, "%s/journal", e->output);
    enum dv_status status = writable ? lock(path, &journal->fd) : DV_OK;
    if (status != DV_OK)
        return status;
    status = dv_file_read(path, &text, &length);
    if (status == DV_ERR_NOT_FOUND)
        return dv_bench_fail(status, "no campaign in %s; begin it with: dejavu-bench run %s",
                             e->output, e->path);
    if (status != DV_OK)
        return status;
    status = load(e, plan, journal, text, length, &whole_bytes);
    free(text);
    if (status != DV_OK || !writable)
        return status;
    if (whole_bytes < length && ftruncate(journal->fd, (off_t)whole_bytes) != 0)
        return dv_bench_fail(DV_ERR_SYSTEM, "cannot cut the torn end of %s: %s", path,
                             strerror(errno));
    return whole_bytes == 0 ? create(e, plan, journal, arguments) : DV_OK;
}

enum dv_status dv_journal_open(const struct dv_experiment *experiment, const struct dv_plan *plan,
                               bool writable, const char *arguments, struct dv_journal *journal)
{
    *journal = (struct dv_journal){.directory = experiment->output, .fd = -1};
    enum dv_status status = writable ? make_directories(experiment->output) : DV_OK;
    if (status != DV_OK)
        return status;
    journal->run_count = plan->run_count;
    journal->runs = calloc(plan->run_count, sizeof *journal->runs);
    if (!journal->runs)
        return dv_bench_fail(DV_ERR_NO_MEMORY, "out of memory for %zu runs", plan->run_count);
    status = open_there(experiment, plan, writable, arguments, journal);
    if (status != DV_OK)
        dv_journal_close(journal);
    return status;
}

void dv_journal_close(struct dv_journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->runs);
    *journal = (struct dv_journal){.fd = -1};
}

enum dv_status dv_journal_begin_session(struct dv_journal *journal, size_t *number)
{
    enum dv_status status = append(journal, "session number=%zu", journal->sessions);
    if (status == DV_OK)
        *number = journal->sessions++;
    return status;
}

enum dv_status dv_journal_start(struct dv_journal *journal, size_t run)
{
    enum dv_status status = append(journal, "start run=%zu", run);
    if (status == DV_OK)
        journal->runs[run].started = true;
    return status;
}

enum dv_status dv_journal_done(struct dv_journal *journal, size_t run,
                               const struct dv_journal_run *result)
{
    enum dv_status status = append(journal, "done run=%zu ok=%d wall_s=%.9g record=%016" PRIx64,
                                   run, result->ok, result->wall_s, result->record_digest);
    if (status != DV_OK)
        return status;
    journal->runs[run] = *result;
    journal->runs[run].started = journal->runs[run].done = true;
    journal->done_count++;
    journal->failed_count += !result->ok;
    return DV_OK;
}
