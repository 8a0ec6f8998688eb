/* The other end of commands.c. */
#include "control/client.h"

#include "common/fail.h"
#include "control/job.h"
#include "control/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum dv_status connect_to(const char *job, const char *host, unsigned port, unsigned limit_s,
                                 int *fd_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return dv_fail("control", DV_ERR_DAMAGED, "%s/supervisor names no usable address (%s %u)",
                       job, host, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
    struct timeval limit = {.tv_sec = limit_s};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        enum dv_status status =
            dv_fail("control", DV_ERR_SYSTEM, "cannot reach the supervisor of %s at %s port %u: %s",
                    job, host, port, strerror(errno));
        close(fd);
        return status;
    }
    *fd_out = fd;
    return DV_OK;
}

static enum dv_status append(char **text, const char *more)
{
    size_t length = *text ? strlen(*text) : 0, added = strlen(more);
    char *larger = realloc(*text, length + added + 1);
    if (!larger)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for an answer");
    memcpy(larger + length, more, added + 1);
    *text = larger;
    return DV_OK;
}

/* All frames until the connection ends; the last one's status counts. */
static enum dv_status receive_answer(const char *job, int fd, uint64_t *epoch, char **text)
{
    struct dv_wire_header header;
    struct dv_wire_answer answer;
    enum dv_status status, said = DV_ERR_ABORTED;
    while ((status = dv_wire_receive(fd, &header, &answer, sizeof answer)) == DV_OK) {
        if (header.type != DV_WIRE_ANSWER || header.length != sizeof answer)
            return dv_fail("control", DV_ERR_PROTOCOL,
                           "the supervisor of %s sent %s where an answer was expected", job,
                           dv_wire_type_name(header.type));
        answer.text[sizeof answer.text - 1] = '\0';
        said = answer.status >= 0 && answer.status < DV_STATUS_COUNT ? (enum dv_status)answer.status
                                                                     : DV_ERR_PROTOCOL;
        *epoch = answer.epoch;
        status = append(text, answer.text);
        if (status)
            return status;
    }
    if (status == DV_ERR_TIMEOUT)
        return dv_fail("control", status, "the supervisor of %s has not answered in time", job);
    if (status != DV_ERR_ABORTED)
        return status;
    if (!*text)
        return dv_fail("control", DV_ERR_ABORTED,
                       "the supervisor of %s closed the connection without an answer", job);
    return said;
}

enum dv_status dv_client_ask(const char *job_directory, const char *verb, unsigned limit_s,
                             uint64_t *epoch, char **text)
{
    struct dv_wire_command command = {0};
    char host[256];
    int pid, fd = -1;
    unsigned port;
    *epoch = 0;
    *text = NULL;
    enum dv_status status = dv_job_supervisor(job_directory, &pid, host, sizeof host, &port);
    if (status)
        return status;
    status = dv_job_token_read(job_directory, command.token);
    if (status)
        return status;
    snprintf(command.verb, sizeof command.verb, "%s", verb);
    status = connect_to(job_directory, host, port, limit_s, &fd);
    if (status)
        return status;
    status = dv_wire_send(fd, DV_WIRE_COMMAND, 0, &command, sizeof command, NULL, 0);
    if (status == DV_OK)
        status = receive_answer(job_directory, fd, epoch, text);
    close(fd);
    return status;
}
