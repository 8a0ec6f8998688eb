/* Asking a running supervisor for something: what the verbs checkpoint, status and stop do. */
#ifndef DV_CONTROL_CLIENT_H
#define DV_CONTROL_CLIENT_H

#include <dejavu/status.h>

#include <stdint.h>

/* Send `verb` to the supervisor of the job and wait, at most `limit_s` seconds, for all of its
 * answer. `*text` is malloc'ed, NULL if there is none. DV_ERR_NOTHING (not reported): no supervisor
 * runs. Otherwise the supervisor's own status is returned, with its text; a failure to talk to it
 * is reported. */
enum dv_status dv_client_ask(const char *job_directory, const char *verb, unsigned limit_s,
                             uint64_t *epoch, char **text) DV_CHECKED;

#endif
