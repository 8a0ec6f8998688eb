#include "harness/record/output.h"

#include "harness/record/file.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The last match of the expression's first group (or of all of it), or false. */
static bool find_last(const char *expression, const char *text, char *found, size_t found_bytes)
{
    regex_t regex;
    regmatch_t match[2];
    bool any = false;
    if (regcomp(&regex, expression, REG_EXTENDED | REG_NEWLINE) != 0)
        return false;
    size_t groups = regex.re_nsub;
    for (int flags = 0; *text && regexec(&regex, text, 2, match, flags) == 0;) {
        const regmatch_t *wanted = groups ? &match[1] : &match[0];
        if (wanted->rm_so >= 0)
            snprintf(found, found_bytes, "%.*s", (int)(wanted->rm_eo - wanted->rm_so),
                     text + wanted->rm_so);
        any = true;
        text += match[0].rm_eo + (match[0].rm_eo == match[0].rm_so);
        flags = text[-1] == '\n' ? 0 : REG_NOTBOL;
    }
    regfree(&regex);
    return any;
}

enum dv_status dv_output_read(const struct dv_app *app, const char *stdout_path,
                              struct dv_output *output)
{
    char *text, found[64];
    size_t length;
    *output = (struct dv_output){.verification = DV_VERIFICATION_NOT_ASKED, .seconds = NAN};
    enum dv_status status = dv_file_read(stdout_path, &text, &length);
    if (status != DV_OK)
        return status;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0')
            text[i] = ' '; /* binary output must not hide what follows */
    }
    if (*app->verification)
        output->verification = find_last(app->verification, text, found, sizeof found)
                                   ? DV_VERIFICATION_SUCCESSFUL
                                   : DV_VERIFICATION_MISSING;
    if (strcmp(app->digest, "stdout") == 0)
        snprintf(output->digest, sizeof output->digest, "%016" PRIx64,
                 (uint64_t)XXH64(text, length, 0));
    else if (*app->digest)
        find_last(app->digest, text, output->digest, sizeof output->digest);
    if (*app->seconds && find_last(app->seconds, text, found, sizeof found)) {
        char *end;
        double seconds = strtod(found, &end);
        output->seconds = end > found && !*end ? seconds : NAN;
    }
    free(text);
    return DV_OK;
}

void dv_output_last_line(const char *path, char *text, size_t text_bytes)
{
    char *content;
    size_t length;
    text[0] = '\0';
    if (dv_file_read(path, &content, &length) != DV_OK)
        return;
    while (length > 0 && isspace((unsigned char)content[length - 1]))
        content[--length] = '\0';
    const char *start = memrchr(content, '\n', length);
    snprintf(text, text_bytes, "%s", start ? start + 1 : content);
    free(content);
}
