/* fake-rank: stands in for dejavu-rank in the supervisor's tests. It speaks wire.h from the rank's
 * side and plays an application that does nothing but count collectives; its images hold the count.
 * What else it does is said by the "program's" arguments, key=value:
 *
 *      iterations=N step_ms=N        how long it runs
 *      die=R@I[:S] [always]          rank R kills itself with signal S (9) at count I; in the first
 * incarnation only exit=R@I:S                    rank R ends with status S at count I silent ...
 * without announcing it refuse=R                      rank R cannot checkpoint raise on STOP the
 * rank is in a collective that the others have not entered yet needs_step=R                  rank R
 * parks only after rank 0 was stepped never_park=R                  rank R does not park damaged=E
 * restoring epoch E fails token=R                       rank R first shows a wrong token on another
 * connection
 *      inherit                       epochs inherit what they can
 *      decides                       a DECISIONS frame in every epoch
 */
#include "common/fail.h"
#include "common/io.h"
#include "control/job.h"
#include "control/program.h"
#include "control/wire.h"
#include "gate/gate.h"
#include "image/image.h"
#include "store/manifest.h"

#include <dejavu/log.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COMM 7u
#define COUNT_PAGE 0x10000u
#define SAME_PAGE 0x20000u

enum state { RUNNING, PARKED, WRITTEN };

static struct {
    const char *job, *program;
    unsigned port, incarnation, rank, size;
    uint64_t restore;
    char **script;

    int fd;
    enum state state;
    uint64_t epoch, count, start, target;
    uint32_t version;
    bool in_collective, was_stepped;
    struct dv_wire_stop stop;
    struct dv_image_writer *writer;
    struct dv_wire_figures figures;
} me;

static const char *setting(const char *key)
{
    size_t length = strlen(key);
    for (char **s = me.script; *s; s++)
        if (strncmp(*s, key, length) == 0 && ((*s)[length] == '=' || (*s)[length] == '\0'))
            return *s + length + ((*s)[length] == '=');
    return NULL;
}

static long number(const char *key, long otherwise)
{
    const char *text = setting(key);
    return text ? atol(text) : otherwise;
}

/* "R@I:S" for this rank at this count? */
static bool due(const char *key, int *value)
{
    const char *text = setting(key);
    unsigned rank;
    unsigned long long at;
    return text && sscanf(text, "%u@%llu:%d", &rank, &at, value) >= 2 && rank == me.rank &&
           at == me.count;
}

static void send_or_die(enum dv_wire_type type, const void *payload, size_t length,
                        const void *payload2, size_t length2)
{
    if (dv_wire_send(me.fd, type, me.rank, payload, length, payload2, length2) != DV_OK)
        exit(99);
}

static void send_counters(enum dv_wire_type type, uint64_t count, bool unchanged)
{
    struct dv_wire_parked head = {
        .epoch = me.epoch, .version = me.version, .count = unchanged ? 0 : 1};
    struct dv_wire_entry entry = {.comm = COMM, .count = count};
    send_or_die(type, &head, sizeof head, &entry, unchanged ? 0 : sizeof entry);
}

static void send_failed(uint64_t epoch, enum dv_status status, const char *reason)
{
    struct dv_wire_failed failed = {.epoch = epoch, .status = (int32_t)status};
    snprintf(failed.reason, sizeof failed.reason, "%s", reason);
    send_or_die(DV_WIRE_FAILED, &failed, sizeof failed, NULL, 0);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)me.port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        exit(98);
    return fd;
}

static void hello(bool wrong_token)
{
    struct dv_wire_hello h = {.version = DV_WIRE_VERSION,
                              .rank = me.rank,
                              .size = me.size,
                              .pid = (uint32_t)getpid(),
                              .incarnation = me.incarnation,
                              .restored = me.restore != 0};
    struct dv_wire_header header;
    struct dv_wire_welcome nothing;
    (void)gethostname(h.host, sizeof h.host - 1);
    if (dv_job_token_read(me.job, h.token) != DV_OK)
        exit(97);
    if (wrong_token)
        h.token[0] ^= 1;
    me.fd = dial();
    send_or_die(DV_WIRE_HELLO, &h, sizeof h, NULL, 0);
    enum dv_status status = dv_wire_receive(me.fd, &header, &nothing, sizeof nothing);
    if (wrong_token) {
        if (status != DV_ERR_ABORTED)
            exit(96);
        close(me.fd);
    } else if (status != DV_OK || header.type != DV_WIRE_WELCOME) {
        exit(95);
    }
}

/* Two pages: the count, and one that never changes, which is inherited if that is possible. */
static enum dv_status write_pages(bool inherits)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    memcpy(page, &me.count, sizeof me.count);
    page[4095] = 1;
    enum dv_status status = dv_image_write_pages(me.writer, COUNT_PAGE, sizeof page, page);
    memset(page, 7, sizeof page);
    if (status)
        return status;
    return inherits ? dv_image_write_inherited(me.writer, SAME_PAGE, sizeof page)
                    : dv_image_write_pages(me.writer, SAME_PAGE, sizeof page, page);
}

static enum dv_status write_image(void)
{
    bool inherits = setting("inherit") && me.stop.parent_epoch && !me.stop.complete;
    struct dv_image_identity identity = {.epoch = me.epoch,
                                         .rank = me.rank,
                                         .size = me.size,
                                         .gate_abi = DV_GATE_ABI,
                                         .page_bytes = 4096};
    struct dv_image_stats stats;
    char name[32];
    if (inherits) {
        identity.parent_epoch = me.stop.parent_epoch;
        memcpy(identity.parent_digest, me.stop.parent_digest, sizeof identity.parent_digest);
    }
    snprintf(identity.program, sizeof identity.program, "%s", me.program);
    snprintf(name, sizeof name, "rank-%u.dvi", me.rank);
    enum dv_status status = dv_program_digest(me.program, identity.program_digest);
    if (status)
        return status;
    const struct dv_image_spec spec = {.directory = me.stop.directory,
                                       .name = name,
                                       .recycle = me.stop.recycle[0] ? me.stop.recycle : NULL,
                                       .identity = &identity,
                                       .most_pages = 2};
    if ((status = dv_image_writer_new(&spec, &me.writer)) ||
        (status = dv_image_writer_begin(me.writer)) ||
        (status =
             dv_image_write_section(me.writer, DV_SECTION_CONTEXT, &me.count, sizeof me.count)) ||
        (status = write_pages(inherits)) || (status = dv_image_writer_finish(me.writer, &stats)))
        return status;
    me.figures = (struct dv_wire_figures){.epoch = me.epoch,
                                          .stop_ns = 1,
                                          .write_ns = 2,
                                          .data_bytes = stats.data_bytes,
                                          .file_bytes = stats.file_bytes,
                                          .parent_epoch = stats.parent_epoch};
    memcpy(me.figures.digest, stats.digest, sizeof me.figures.digest);
    return DV_OK;
}

static void forget(void)
{
    dv_image_writer_abort(me.writer);
    me.writer = NULL;
    me.epoch = 0;
    me.state = RUNNING;
}

static void on_proceed(void)
{
    enum dv_status status = write_image();
    if (status) {
        send_failed(me.epoch, status, dv_why());
        forget();
        return;
    }
    me.state = WRITTEN;
    send_or_die(DV_WIRE_WRITTEN, &me.figures, sizeof me.figures, NULL, 0);
}

/* A region and something else, as strategies do. */
static void send_decisions(void)
{
    static const char text[] = "start=0x10000 end=0x11000 pages=1 dirty=1 mode=hashed was=new "
                               "reason=one page\nsnapshot=copy\n";
    struct dv_wire_epoch epoch = {.epoch = me.epoch};
    send_or_die(DV_WIRE_DECISIONS, &epoch, sizeof epoch, text, sizeof text - 1);
}

static void on_resume(void)
{
    if (setting("decides"))
        send_decisions();
    enum dv_status status = dv_image_writer_commit(me.writer);
    me.writer = NULL;
    me.state = RUNNING;
    uint64_t epoch = me.epoch;
    me.epoch = 0;
    if (status) {
        send_failed(epoch, status, dv_why());
        return;
    }
    me.figures.sync_ns = 3;
    send_or_die(DV_WIRE_DURABLE, &me.figures, sizeof me.figures, NULL, 0);
}

static void on_stop(const void *payload)
{
    memcpy(&me.stop, payload, sizeof me.stop);
    me.epoch = me.stop.epoch;
    me.version = 0;
    me.target = 0;
    if (number("refuse", -1) == (long)me.rank) {
        send_failed(me.epoch, DV_ERR_REFUSED, "MPI_Win_create: a window is open");
        me.epoch = 0;
        return;
    }
    me.in_collective = setting("raise") && (me.rank + me.epoch) % me.size == 0;
    if (me.in_collective)
        send_counters(DV_WIRE_RAISE, ++me.count, false);
}

static void on_target(const uint8_t *payload, size_t length)
{
    struct dv_wire_parked head;
    struct dv_wire_entry entry;
    memcpy(&head, payload, sizeof head);
    me.version = head.version;
    for (size_t i = 0; sizeof head + (i + 1) * sizeof entry <= length; i++) {
        memcpy(&entry, payload + sizeof head + i * sizeof entry, sizeof entry);
        if (entry.comm == COMM)
            me.target = entry.count;
    }
    me.in_collective = false; /* the others have come */
    if (me.state == PARKED && me.count < me.target)
        me.state = RUNNING;
    else if (me.state == PARKED)
        send_counters(DV_WIRE_PARKED, 0, true);
}

static void handle(void)
{
    static uint8_t payload[1 << 16];
    struct dv_wire_header h;
    uint64_t epoch;
    if (dv_wire_receive(me.fd, &h, payload, sizeof payload) != DV_OK)
        exit(94);
    memcpy(&epoch, payload, sizeof epoch);
    if (h.type == DV_WIRE_STOP) {
        on_stop(payload);
        return;
    }
    if (epoch != me.epoch)
        return;
    char path[4200];
    switch (h.type) {
    case DV_WIRE_TARGET:
        on_target(payload, h.length);
        break;
    case DV_WIRE_STEP:
        if (me.rank == 0) {
            snprintf(path, sizeof path, "%s/stepped", me.job);
            close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        }
        if (me.state == PARKED)
            me.state = RUNNING;
        break;
    case DV_WIRE_PROCEED:
        on_proceed();
        break;
    case DV_WIRE_RESUME:
        on_resume();
        break;
    case DV_WIRE_ABORT:
        forget();
        break;
    default:
        break;
    }
}

static void end(int status)
{
    struct dv_wire_exiting exiting = {.status = status};
    if (!setting("silent"))
        send_or_die(DV_WIRE_EXITING, &exiting, sizeof exiting, NULL, 0);
    exit(status);
}

static bool may_park(void)
{
    char path[4200];
    if (me.in_collective || number("never_park", -1) == (long)me.rank)
        return false;
    if (number("needs_step", -1) != (long)me.rank)
        return true;
    snprintf(path, sizeof path, "%s/stepped", me.job);
    return access(path, F_OK) == 0;
}

/* One step of the application: a safe point, then a collective. */
static void iterate(void)
{
    int value = SIGKILL;
    if (me.epoch && me.count >= me.target && may_park()) {
        me.state = PARKED;
        send_counters(DV_WIRE_PARKED, me.count, false);
        return;
    }
    if (me.epoch && (me.in_collective || me.count >= me.target))
        return; /* blocked */
    me.count++;
    if ((me.incarnation == 0 || setting("always")) && due("die", &value)) {
        (void)signal(value, SIG_DFL); /* a sanitizer may have taken it */
        (void)raise(value);
    }
    if (due("exit", &value))
        end(value);
    if (me.count >= (uint64_t)number("iterations", 50)) {
        printf("rank %u done %" PRIu64 " from %" PRIu64 "\n", me.rank, me.count, me.start);
        fflush(stdout);
        end(0);
    }
}

/* What the image says must be what its pages say, wherever in the chain they are. */
static void check_pages(struct dv_image_chain *chain)
{
    static uint8_t count_page[4096], same_page[4096];
    if (dv_image_chain_load(chain, COUNT_PAGE, COUNT_PAGE + 4096, count_page, 1) != DV_OK ||
        dv_image_chain_load(chain, SAME_PAGE, SAME_PAGE + 4096, same_page, 1) != DV_OK ||
        memcmp(count_page, &me.count, sizeof me.count) != 0 || same_page[100] != 7)
        exit(90);
}

static void restore(void)
{
    char job[4200];
    struct dv_image_chain *chain;
    const void *bytes;
    size_t length;
    snprintf(job, sizeof job, "%s", me.job);
    if (setting("damaged") && me.incarnation == 1) {
        send_failed(me.restore, DV_ERR_DAMAGED, "block 3 is damaged");
        exit(1);
    }
    if (dv_image_chain_open(dv_store_locate, job, me.restore, me.rank, &chain) != DV_OK ||
        dv_image_reader_section(dv_image_chain_head(chain), DV_SECTION_CONTEXT, &bytes, &length) !=
            DV_OK ||
        length != sizeof me.count)
        exit(93);
    memcpy(&me.count, bytes, length);
    check_pages(chain);
    dv_image_chain_close(chain);
    me.start = me.count;
    me.figures = (struct dv_wire_figures){.epoch = me.restore, .restore_ns = 5};
    send_or_die(DV_WIRE_RESTORED, &me.figures, sizeof me.figures, NULL, 0);
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {{"job", 1, NULL, 'j'},
                                            {"host", 1, NULL, 'h'},
                                            {"port", 1, NULL, 'p'},
                                            {"incarnation", 1, NULL, 'i'},
                                            {"restore", 1, NULL, 'r'},
                                            {"restore-how", 1, NULL, 'x'},
                                            {"capture", 1, NULL, 'x'},
                                            {"argv0", 1, NULL, 'x'},
                                            {"capture-options", 1, NULL, 'x'},
                                            {"protocol", 1, NULL, 'x'},
                                            {"protocol-options", 1, NULL, 'x'},
                                            {"engine", 1, NULL, 'x'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'j')
            me.job = optarg;
        else if (c == 'p')
            me.port = (unsigned)atoi(optarg);
        else if (c == 'i')
            me.incarnation = (unsigned)atoi(optarg);
        else if (c == 'r')
            me.restore = strtoull(optarg, NULL, 10);
        else if (c == '?')
            exit(92);
    }
    me.program = argv[optind];
    me.script = argv + optind + 1;
}

int main(int argc, char **argv)
{
    const char *rank = getenv("PMI_RANK"), *size = getenv("PMI_SIZE");
    parse(argc, argv);
    me.rank = rank ? (unsigned)atoi(rank) : 0;
    me.size = size ? (unsigned)atoi(size) : 1;
    if (!me.job || !me.program)
        return 91;
    dv_log_setup(2, (int)me.rank, DV_LOG_WARN);
    if (number("token", -1) == (long)me.rank)
        hello(true);
    hello(false);
    if (me.restore)
        restore();
    for (;;) {
        struct pollfd p = {.fd = me.fd, .events = POLLIN};
        int ready = poll(&p, 1, me.state == RUNNING ? (int)number("step_ms", 5) : -1);
        if (ready > 0)
            handle();
        else if (me.state == RUNNING)
            iterate();
    }
}
