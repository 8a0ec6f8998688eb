/* Options: one table fills a strategy's state; values with units; "did you mean". */
#include <dejavu/option.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_BYTES 64
#define MAX_NAMES 128

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edit distance in which swapping two neighbours is one edit, letters of either case are equal. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_BYTES + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_length];
}

/* The one name that begins with `word`, or NULL. */
static const char *only_completion(const char *word, size_t length, const char *const *names)
{
    const char *found = NULL;
    if (length < 3)
        return NULL;
    for (; *names; names++) {
        if (strncasecmp(word, *names, length) != 0)
            continue;
        if (found)
            return NULL;
        found = *names;
    }
    return found;
}

const char *dv_did_you_mean(const char *word, const char *const *names)
{
    size_t length = strlen(word);
    if (length == 0 || length > WORD_BYTES)
        return NULL;
    size_t best = (length + 2) / 3;
    if (best > 3)
        best = 3;
    best++; /* what is found must be nearer than this */
    const char *found = NULL;
    for (const char *const *n = names; *n; n++) {
        size_t name_length = strlen(*n);
        if (name_length > WORD_BYTES)
            continue;
        size_t distance = edit_distance(word, length, *n, name_length);
        /* Nothing of the word may be left when all its letters were replaced. */
        if (distance < best && distance < (length > name_length ? length : name_length)) {
            best = distance;
            found = *n;
        }
    }
    return found ? found : only_completion(word, length, names);
}

enum dv_status dv_parse_seconds(const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},   {"s", 1},    {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9},
                 {"m", 60}, {"min", 60}, {"h", 3600},  {"d", 86400}};
    /* strtod would take "inf", "nan", "0x1p3", signs and leading blanks, too. */
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return DV_ERR_USAGE;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return DV_ERR_USAGE;
    char *end;
    double value = strtod(text, &end);
    if (end == text || !isfinite(value))
        return DV_ERR_USAGE;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *seconds = value * units[i].factor;
            return DV_OK;
        }
    }
    return DV_ERR_USAGE;
}

enum dv_status dv_parse_bytes(const char *text, uint64_t *bytes)
{
    static const char letters[] = "KMGTPE";
    if (!isdigit((unsigned char)text[0]))
        return DV_ERR_USAGE;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno)
        return DV_ERR_USAGE;
    unsigned shift = 0;
    const char *letter = *end ? strchr(letters, toupper((unsigned char)*end)) : NULL;
    if (letter) {
        shift = 10u * (unsigned)(letter - letters + 1);
        end++;
        if (*end == 'i')
            end++;
    }
    if ((*end == 'B' || *end == 'b') && end[1] == '\0')
        end++;
    if (*end || value > (UINT64_MAX >> shift))
        return DV_ERR_USAGE;
    *bytes = (uint64_t)value << shift;
    return DV_OK;
}

static enum dv_status parse_int(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || isspace((unsigned char)text[0]))
        return DV_ERR_USAGE;
    *value = v;
    return DV_OK;
}

static enum dv_status parse_bool(const char *text, int *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = (int)(i & 1);
            return DV_OK;
        }
    }
    return DV_ERR_USAGE;
}

static enum dv_status parse_string(const char *text, char *value)
{
    size_t length = strlen(text);
    if (length >= DV_OPTION_STRING_BYTES)
        return DV_ERR_USAGE;
    memcpy(value, text, length + 1);
    return DV_OK;
}

static const char *const expected[] = {
    [DV_OPTION_BOOL] = "yes or no",
    [DV_OPTION_INT] = "a whole number",
    [DV_OPTION_BYTES] = "a number of bytes such as 4096, 64K, 1M or 2G",
    [DV_OPTION_SECONDS] = "a time such as 10, 10s, 200ms, 5m or 1h",
    [DV_OPTION_STRING] = "at most 63 characters",
};

static enum dv_status set_value(const struct dv_option *option, const char *text, void *state,
                                char *why, size_t why_bytes)
{
    char *field = (char *)state + option->offset;
    enum dv_status status = DV_ERR_INTERNAL;
    int flag;
    int64_t number;
    uint64_t bytes;
    double seconds;
    switch (option->type) {
    case DV_OPTION_BOOL:
        if ((status = parse_bool(text, &flag)) == DV_OK)
            memcpy(field, &flag, sizeof flag);
        break;
    case DV_OPTION_INT:
        if ((status = parse_int(text, &number)) == DV_OK)
            memcpy(field, &number, sizeof number);
        break;
    case DV_OPTION_BYTES:
        if ((status = dv_parse_bytes(text, &bytes)) == DV_OK)
            memcpy(field, &bytes, sizeof bytes);
        break;
    case DV_OPTION_SECONDS:
        if ((status = dv_parse_seconds(text, &seconds)) == DV_OK)
            memcpy(field, &seconds, sizeof seconds);
        break;
    case DV_OPTION_STRING:
        status = parse_string(text, field);
        break;
    }
    if (status == DV_ERR_USAGE)
        snprintf(why, why_bytes, "option %s: \"%s\" is not %s", option->name, text,
                 expected[option->type]);
    else if (status)
        snprintf(why, why_bytes, "option %s has an unknown type %d in its table", option->name,
                 (int)option->type);
    return status;
}

static enum dv_status unknown_option(const struct dv_option *table, const char *key, char *why,
                                     size_t why_bytes)
{
    const char *names[MAX_NAMES + 1];
    size_t count = 0;
    for (; table && table->name && count < MAX_NAMES; table++)
        names[count++] = table->name;
    names[count] = NULL;
    const char *near = dv_did_you_mean(key, names);
    if (near) {
        snprintf(why, why_bytes, "unknown option \"%s\"; did you mean \"%s\"?", key, near);
        return DV_ERR_USAGE;
    }
    if (count == 0) {
        snprintf(why, why_bytes, "unknown option \"%s\"; there are no options here", key);
        return DV_ERR_USAGE;
    }
    int used = snprintf(why, why_bytes, "unknown option \"%s\"; there are:", key);
    for (size_t i = 0; i < count && used >= 0 && (size_t)used < why_bytes; i++)
        used += snprintf(why + used, why_bytes - (size_t)used, "%s %s", i ? "," : "", names[i]);
    return DV_ERR_USAGE;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* One "key=value"; a key alone means yes for a switch. Changes `item`. */
static enum dv_status apply_item(const struct dv_option *table, char *item, void *state, char *why,
                                 size_t why_bytes)
{
    char *value = strchr(item, '=');
    if (value)
        *value++ = '\0';
    const char *key = trim(item);
    for (const struct dv_option *o = table; o && o->name; o++) {
        if (strcmp(key, o->name) != 0)
            continue;
        if (!value && o->type != DV_OPTION_BOOL) {
            snprintf(why, why_bytes, "option %s needs a value: %s=...", key, key);
            return DV_ERR_USAGE;
        }
        return set_value(o, value ? trim(value) : "yes", state, why, why_bytes);
    }
    return unknown_option(table, key, why, why_bytes);
}

enum dv_status dv_options_apply(const struct dv_option *table, const char *settings, void *state,
                                char *why, size_t why_bytes)
{
    if (why_bytes)
        why[0] = '\0';
    for (const struct dv_option *o = table; o && o->name; o++) {
        if (!o->default_value)
            continue;
        enum dv_status status = set_value(o, o->default_value, state, why, why_bytes);
        if (status)
            return status;
    }
    while (settings && *settings) {
        size_t length = strcspn(settings, ",");
        char item[256];
        if (length >= sizeof item) {
            snprintf(why, why_bytes, "option \"%.40s...\" is too long", settings);
            return DV_ERR_USAGE;
        }
        memcpy(item, settings, length);
        item[length] = '\0';
        settings += length;
        settings += *settings == ',';
        if (*trim(item) == '\0')
            continue;
        enum dv_status status = apply_item(table, item, state, why, why_bytes);
        if (status)
            return status;
    }
    return DV_OK;
}
