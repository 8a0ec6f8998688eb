/* The agent: one thread per rank that talks to the supervisor (control/wire.h) and brings the main
 * thread to a stop.
 *
 * Two threads share `agent` under its lock: the agent thread, which receives, and the application's
 * main thread, which comes here through the gate when it is at a safe point. The placement thread
 * only sends (EXITING). Frames are sent under their own lock, which is never held over anything but
 * the send itself.
 *
 *      main thread:  running --(safe point)--> parked --(PROCEED)--> capturing --> written
 *                     ^  ^---(TARGET: behind, STEP)--'                               |
 *                     '----------------------(RESUME, ABORT)-------------------------'
 */
#include "common/background.h"
#include "common/fail.h"
#include "common/io.h"
#include "control/wire.h"
#include "rank/rank.h"
#include "rank/raw.h"

#include <dejavu/log.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WELCOME_SECONDS 60
#define NUDGE_FIRST_US 100
#define NUDGE_LAST_US 10000
#define PARKED_POLL_NS 100000
#define WRITER_WAIT_NS 1000000000ull

enum main_state { RUNNING, PARKED, CAPTURING, WRITTEN };

static struct {
    int fd;
    pthread_mutex_t send_lock, lock;
    pthread_cond_t changed;
    enum main_state state;
    uint64_t epoch; /* being asked for; 0: none */
    struct dv_wire_stop stop;
    uint32_t version; /* of the targets */
    struct dv_wire_entry *targets;
    size_t target_count;
    uint64_t proceed; /* the epoch that all ranks go on with */
    int step, resumed, checked;
    uint64_t interval_ns;
    char spare[sizeof((struct dv_wire_welcome *)0)->spare];
    int selected; /* the strategy has selected pages for an epoch whose fate is open */
    struct dv_cut_entry raised;  /* last told by RAISE */
    uint64_t stop_ns, parked_ns; /* when */
    struct dv_wire_figures figures;
    struct dv_capture_job *job; /* taken, not yet given to the writer */
    struct dv_capture_figures taken;
    uint64_t
        baseline; /* the last committed or the restored epoch: what memory is known to differ from; 0: none */
    struct {
        uint64_t epoch;
        int committed;
    } verdict; /* on the last epoch, for the strategy to hear of; epoch 0: none */
} agent = {
    .fd = -1,
    .send_lock = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

/* ---- sending ------------------------------------------------------------- */

static void send_frame(enum dv_wire_type type, const void *payload, size_t length, const void *more,
                       size_t more_length)
{
    if (agent.fd < 0)
        return;
    pthread_mutex_lock(&agent.send_lock);
    enum dv_status status =
        dv_wire_send(agent.fd, type, (unsigned)dv_rank.rank, payload, length, more, more_length);
    pthread_mutex_unlock(&agent.send_lock);
    if (status !=
        DV_OK) /* the receiving side sees the end of the connection too, and ends the rank */
        dv_debug("agent", "cannot send to the supervisor");
}

static void send_entries(enum dv_wire_type type, const struct dv_cut_entry *entries, size_t count)
{
    struct dv_wire_parked parked = {
        .epoch = agent.epoch, .version = agent.version, .count = (uint32_t)count};
    send_frame(type, &parked, sizeof parked, entries, count * sizeof *entries);
}

static void send_failed(uint64_t epoch, enum dv_status status, const char *reason)
{
    struct dv_wire_failed failed = {.epoch = epoch, .status = (int32_t)status};
    snprintf(failed.reason, sizeof failed.reason, "%s", reason);
    send_frame(DV_WIRE_FAILED, &failed, sizeof failed, NULL, 0);
}

void dv_agent_exiting(int status)
{
    struct dv_wire_exiting exiting = {.status = status};
    send_frame(DV_WIRE_EXITING, &exiting, sizeof exiting, NULL, 0);
}

void dv_agent_restore_failed(uint64_t epoch, enum dv_status status, const char *reason)
{
    send_failed(epoch, status, reason);
}

/* ---- the main thread at a safe point ------------------------------------- */

/* A wrapper may have looked at `stop` just before the parking signal served the same request: an
 * epoch that this rank has been let go from is no longer asked for, though it lives until it is
 * committed. */
uint64_t dv_agent_stop_epoch(void)
{
    pthread_mutex_lock(&agent.lock);
    uint64_t epoch = agent.resumed ? 0 : agent.epoch;
    if (epoch == 0)
        DV_GATE->stop = 0;
    pthread_mutex_unlock(&agent.lock);
    return epoch;
}

int dv_agent_aborted(uint64_t epoch)
{
    pthread_mutex_lock(&agent.lock);
    int aborted = agent.epoch != epoch;
    pthread_mutex_unlock(&agent.lock);
    return aborted;
}

/* With the lock held. */
static void forget_epoch(void)
{
    agent.epoch = 0;
    agent.state = RUNNING;
    DV_GATE->stop = 0;
    dv_background_go_on();
}

void dv_agent_refuse(uint64_t epoch, enum dv_status status, const char *reason)
{
    pthread_mutex_lock(&agent.lock);
    if (agent.epoch == epoch) {
        forget_epoch();
        send_failed(epoch, status, reason);
    }
    pthread_mutex_unlock(&agent.lock);
}

static int is_behind(const struct dv_cut_entry *entries, size_t count)
{
    for (size_t i = 0; i < agent.target_count; i++)
        for (size_t j = 0; j < count; j++)
            if (agent.targets[i].comm == entries[j].comm &&
                agent.targets[i].count > entries[j].count)
                return 1;
    return 0;
}

/* What the lower half itself knows against a checkpoint. With the lock held; once per epoch. */
static enum dv_status check(char *why, size_t why_bytes)
{
    int tids[8];
    size_t threads = dv_threads_upper(tids, sizeof tids / sizeof *tids);
    if (!dv_writer_wait(WRITER_WAIT_NS)) {
        snprintf(why, why_bytes,
                 "the image of a checkpoint that was given up is still being written");
        return DV_ERR_BUSY;
    }
    if (threads > 0) {
        snprintf(why, why_bytes,
                 "the application has %zu%s thread%s beside its main one (the first has id %d); "
                 "only single-threaded processes can be captured yet",
                 threads, threads == sizeof tids / sizeof *tids ? " or more" : "",
                 threads == 1 ? "" : "s", tids[0]);
        return DV_ERR_REFUSED;
    }
    return dv_capture_check(dv_rank.lower_fd_base, dv_rank.stdio, why, why_bytes);
}

/* Let others get on while we are parked: the real library makes progress only inside its calls. */
static void progress(void)
{
    int flag;
    if (DV_GATE->phase == 1)
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE);
}

static void wait_briefly(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PARKED_POLL_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&agent.changed, &agent.lock, &until);
}

/* Parked, lock held: until the supervisor lets us go one way or the other. */
static enum dv_cut_verdict parked(uint64_t epoch, const struct dv_cut_entry *entries, size_t count)
{
    uint32_t told = agent.version;
    agent.state = PARKED;
    agent.step = 0;
    agent.parked_ns = dv_now_ns();
    send_entries(DV_WIRE_PARKED, entries, count);
    for (;;) {
        /* Even if the epoch has been given up since: the others are on their way into the drain, whose last exchange
         * needs all of us. */
        if (agent.proceed == epoch) {
            agent.figures.cut_ns = dv_now_ns() - agent.parked_ns;
            if (agent.epoch == epoch)
                agent.state = CAPTURING;
            return DV_CUT_REACHED;
        }
        if (agent.epoch != epoch)
            return DV_CUT_ABORT;
        if (agent.step || (agent.version != told && is_behind(entries, count))) {
            agent.state = RUNNING;
            return DV_CUT_RUN;
        }
        if (agent.version != told) {
            told = agent.version;
            send_entries(DV_WIRE_PARKED, NULL, 0);
        }
        wait_briefly();
        pthread_mutex_unlock(&agent.lock);
        progress();
        pthread_mutex_lock(&agent.lock);
    }
}

enum dv_cut_verdict dv_agent_cut_wait(uint64_t epoch, const struct dv_cut_entry *entries,
                                      size_t count)
{
    enum dv_cut_verdict verdict = DV_CUT_ABORT;
    char why[400] = "";
    pthread_mutex_lock(&agent.lock);
    if (agent.epoch == epoch && !agent.resumed) {
        if (!agent.checked) {
            agent.checked = 1;
            agent.figures.stop_ns = dv_now_ns() - agent.stop_ns;
            enum dv_status status = check(why, sizeof why);
            if (status != DV_OK) {
                forget_epoch();
                send_failed(epoch, status, why);
            }
        }
        if (agent.epoch == epoch)
            verdict = is_behind(entries, count) ? DV_CUT_RUN : parked(epoch, entries, count);
    }
    pthread_mutex_unlock(&agent.lock);
    return verdict;
}

static uint64_t *figure(const char *what)
{
    static const struct {
        const char *name;
        uint64_t *value;
    } figures[] = {
        {"collectives_ns", &agent.figures.collectives_ns},
        {"drain_ns", &agent.figures.drain_ns},
        {"drained_messages", &agent.figures.drained_messages},
        {"drained_bytes", &agent.figures.drained_bytes},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(what, figures[i].name) == 0)
            return figures[i].value;
    return NULL;
}

void dv_agent_record(const char *what, uint64_t value)
{
    if (strcmp(what, "rebuild_ns") == 0) { /* the last thing before the application goes on */
        struct dv_wire_figures restored = {
            .epoch = dv_rank.options.restore_epoch,
            .split_ns = dv_rank.split_ns,
            .mpi_init_ns = dv_rank.mpi_init_ns,
            .read_ns = dv_rank.read_ns,
            .chain_length = dv_rank.chain_length,
            .loaded_bytes = dv_rank.loaded_bytes,
            .lazy_bytes = dv_rank.lazy_bytes,
            .rebuild_ns = value,
            .restore_ns = dv_now_ns() - dv_rank.started_ns,
        };
        send_frame(DV_WIRE_RESTORED, &restored, sizeof restored, NULL, 0);
        return;
    }
    uint64_t *slot = figure(what);
    if (slot != NULL)
        *slot = value;
}

/* ---- capturing ----------------------------------------------------------- */

/* The strategy hears of the last epoch's fate on this thread, before it is asked for another. */
static void tell_strategy(void)
{
    const struct dv_capture_ops *ops = dv_rank.capture->ops;
    uint64_t epoch = agent.verdict.epoch;
    agent.verdict.epoch = 0;
    if (epoch == 0)
        return;
    if (agent.verdict.committed && ops->committed != NULL)
        ops->committed(dv_rank.capture, epoch);
    if (!agent.verdict.committed && ops->aborted != NULL)
        ops->aborted(dv_rank.capture, epoch);
}

/* What the epoch may inherit from: what the supervisor names, if that is what this process's memory is known by. */
static void fill_parent(struct dv_image_identity *identity)
{
    const struct dv_wire_stop *stop = &agent.stop;
    if (stop->complete || stop->parent_epoch == 0 || stop->parent_epoch != agent.baseline)
        return;
    identity->parent_epoch = stop->parent_epoch;
    memcpy(identity->parent_digest, stop->parent_digest, sizeof identity->parent_digest);
}

static enum dv_status take(uint64_t epoch, struct dv_capture_job **job)
{
    struct dv_image_identity identity;
    char name[32];
    dv_identity_fill(&identity, epoch);
    fill_parent(&identity);
    snprintf(name, sizeof name, "rank-%d.dvi", dv_rank.rank);
    DV_GATE->captured_ns = (int64_t)dv_now_ns();
    struct dv_capture_request request = {
        .epoch = epoch,
        .job = dv_rank.options.job,
        .directory = agent.stop.directory,
        .name = name,
        .recycle = agent.stop.recycle[0] != '\0' ? agent.stop.recycle : NULL,
        .identity = &identity,
        .strategy = dv_rank.capture,
        .keep = dv_rank.engine.keep,
        .codec = dv_rank.engine.codec,
        .stall_target_ns = (uint64_t)(dv_rank.engine.stall_target_s * 1e9),
        .oracle = dv_rank.engine.oracle,
        .lower_fd_base = dv_rank.lower_fd_base,
        .stdio = dv_rank.stdio,
        .stack_start = dv_rank.stack_start,
        .stack_end = dv_rank.stack_end,
        .stack_pointer = DV_GATE->context.rsp,
        .heap_start = DV_BREAK_BASE,
        .heap_end = (uint64_t)DV_RAW(SYS_brk, 0),
    };
    enum dv_status status = dv_capture_take(&request, job, &agent.taken);
    struct dv_wire_figures *f = &agent.figures;
    f->epoch = epoch;
    f->select_ns = agent.taken.select_ns;
    f->scan_ns = agent.taken.scan_ns;
    f->snapshot_ns = agent.taken.snapshot_ns;
    f->write_ns = agent.taken.write_ns;
    f->kept = agent.taken.kept;
    f->populated_bytes = agent.taken.populated_bytes;
    return status;
}

static void send_decisions(uint64_t epoch)
{
    const char *text = dv_capture_decisions();
    struct dv_wire_epoch frame = {.epoch = epoch};
    if (text[0] != '\0')
        send_frame(DV_WIRE_DECISIONS, &frame, sizeof frame, text, strlen(text));
}

/* Called by the gate, on the upper stack. A restored process does not come back here but to the
 * gate. */
int dv_agent_capture(uint64_t epoch)
{
    struct dv_capture_job *job = NULL;
    tell_strategy();
    enum dv_status status = take(epoch, &job);
    pthread_mutex_lock(&agent.lock);
    agent.selected = status == DV_OK; /* else the engine has told the strategy itself */
    if (agent.epoch == epoch) {
        agent.state = WRITTEN;
        agent.resumed = 0;
        agent.job = job;
        job = NULL;
        if (status == DV_OK)
            send_frame(DV_WIRE_WRITTEN, &agent.figures, sizeof agent.figures, NULL, 0);
        else
            send_failed(epoch, status, dv_why());
        send_decisions(epoch);
        while (agent.epoch == epoch && !agent.resumed)
            pthread_cond_wait(&agent.changed, &agent.lock);
    }
    int resumed = agent.epoch == epoch && agent.resumed;
    if (resumed)
        agent.state = RUNNING;
    else if (agent.selected) { /* given up while we were taking it */
        agent.selected = 0;
        agent.verdict.epoch = epoch;
        agent.verdict.committed = 0;
    }
    pthread_mutex_unlock(&agent.lock);
    dv_capture_discard(job);
    return resumed ? DV_OUTCOME_COMMITTED : DV_OUTCOME_ABORTED;
}

/* ---- the writer's answer -------------------------------------------------- */

/* Called by the writer thread when the image is durable, or cannot be. */
void dv_agent_written(uint64_t epoch, enum dv_status status, const char *why,
                      const struct dv_capture_figures *taken)
{
    pthread_mutex_lock(&agent.lock);
    if (agent.epoch == epoch) {
        struct dv_wire_figures *f = &agent.figures;
        const struct dv_image_stats *image = &taken->image;
        f->write_ns = taken->write_ns;
        f->sync_ns = taken->sync_ns;
        f->examined_bytes = image->examined_bytes;
        f->zero_bytes = image->zero_bytes;
        f->same_bytes = image->same_bytes;
        f->data_bytes = image->data_bytes;
        f->inherited_bytes = image->inherited_bytes;
        f->file_bytes = image->file_bytes;
        f->parent_epoch = image->parent_epoch;
        f->oracle_pages = taken->oracle_pages;
        memcpy(f->digest, image->digest, sizeof f->digest);
        if (status == DV_OK)
            send_frame(DV_WIRE_DURABLE, f, sizeof *f, NULL, 0);
        else
            send_failed(epoch, status, why);
    }
    pthread_mutex_unlock(&agent.lock);
}

/* ---- the agent thread ---------------------------------------------------- */

/* What the main thread is blocked in, so that the parking handler can make an interrupted call
 * again. If it is not blocked, what it was seen in before stays: it may be on its way to that handler, or make the same
 * call again before the signal comes. */
static void look_at_main_thread(void)
{
    char text[256];
    struct dv_gate *gate = DV_GATE;
    snprintf(text, sizeof text, "/proc/self/task/%d/syscall", getpid());
    int fd = open(text, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    unsigned long long arg[6], sp, ip;
    long long number;
    if (got <= 0)
        return;
    text[got] = '\0';
    if (sscanf(text, "%lld %llx %llx %llx %llx %llx %llx %llx %llx", &number, &arg[0], &arg[1],
               &arg[2], &arg[3], &arg[4], &arg[5], &sp, &ip) != 9)
        return;
    gate->blocked.number = number;
    gate->blocked.arg0 = arg[0];
    gate->blocked.arg1 = arg[1];
    gate->blocked.sp = sp;
    gate->blocked.ip = ip;
}

/* The main thread has not come to a safe point yet. Inside MPI it will by itself, unless it is in a
 * collective: then the others must hear of it. Elsewhere the parking signal brings it. With the
 * lock held. */
static void nudge(void)
{
    struct dv_gate *gate = DV_GATE;
    struct dv_cut_entry now = {gate->coll_comm, gate->coll_count};
    if (gate->coll_comm == now.comm && now.count != 0 &&
        (now.comm != agent.raised.comm || now.count != agent.raised.count)) {
        agent.raised = now;
        send_entries(DV_WIRE_RAISE, &now, 1);
    }
    if (gate->mpi_call == NULL) {
        look_at_main_thread();
        syscall(SYS_tgkill, getpid(), getpid(), DV_PARK_SIGNAL);
    }
}

static void on_stop(const struct dv_wire_stop *stop)
{
    agent.stop = *stop;
    agent.stop.directory[sizeof stop->directory - 1] =
        agent.stop.recycle[sizeof stop->recycle - 1] = '\0';
    agent.epoch = stop->epoch;
    agent.state = RUNNING;
    agent.version = 0;
    agent.target_count = 0;
    agent.step = agent.resumed = agent.checked = 0;
    agent.raised = (struct dv_cut_entry){0, 0};
    agent.stop_ns = dv_now_ns();
    memset(&agent.figures, 0, sizeof agent.figures);
    agent.figures.epoch = stop->epoch;
    dv_log_set_epoch(stop->epoch);
    dv_background_halt();
    DV_GATE->stop = 1;
}

static void on_target(const struct dv_wire_parked *target, size_t length)
{
    size_t bytes = target->count * sizeof *agent.targets;
    if (length < sizeof *target || length - sizeof *target < bytes)
        return;
    struct dv_wire_entry *targets = realloc(agent.targets, bytes ? bytes : 1);
    if (targets == NULL)
        return;
    memcpy(targets, target + 1, bytes);
    agent.targets = targets;
    agent.target_count = target->count;
    agent.version = target->version;
}

/* All ranks have captured: the application goes on while the image is written. Lock held. */
static void on_resume(void)
{
    agent.figures.stall_ns = dv_now_ns() - agent.parked_ns;
    agent.resumed = 1;
    DV_GATE->stop = 0;
    dv_background_go_on();
    dv_writer_start(agent.epoch, agent.job, &agent.taken);
    agent.job = NULL;
}

static void on_end_of_epoch(uint64_t epoch, int committed)
{
    struct dv_capture_job *job = agent.job;
    agent.job = NULL;
    if (agent.selected) {
        agent.selected = 0;
        agent.verdict.epoch = epoch;
        agent.verdict.committed = committed;
    }
    if (committed) {
        dv_prepare_want(agent.figures.file_bytes);
        agent.baseline = epoch;
    } else {
        dv_writer_cancel(epoch);
    }
    forget_epoch();
    pthread_cond_broadcast(&agent.changed);
    dv_capture_discard(job);
    dv_log_set_epoch(0);
}

static void handle(const struct dv_wire_header *header, const void *payload)
{
    const struct dv_wire_epoch *epoch = payload;
    pthread_mutex_lock(&agent.lock);
    int current = header->length >= sizeof *epoch && epoch->epoch == agent.epoch;
    switch (header->type) {
    case DV_WIRE_STOP:
        if (header->length == sizeof(struct dv_wire_stop))
            on_stop(payload);
        break;
    case DV_WIRE_TARGET:
        if (current)
            on_target(payload, header->length);
        break;
    case DV_WIRE_STEP:
        agent.step = current && agent.state == PARKED;
        break;
    case DV_WIRE_PROCEED:
        agent.proceed = current ? epoch->epoch : agent.proceed;
        break;
    case DV_WIRE_RESUME:
        if (current && agent.state == WRITTEN)
            on_resume();
        break;
    case DV_WIRE_COMMITTED:
    case DV_WIRE_ABORT:
        if (current)
            on_end_of_epoch(epoch->epoch, header->type == DV_WIRE_COMMITTED);
        break;
    default:
        dv_warn("agent", "unexpected message %u from the supervisor", header->type);
        break;
    }
    pthread_cond_broadcast(&agent.changed);
    pthread_mutex_unlock(&agent.lock);
}

__attribute__((noreturn)) static void end_of_supervisor(void)
{
    dv_error("agent",
             "the supervisor is gone; ending this rank (`dejavu restart %s` continues the job)",
             dv_rank.options.job);
    kill(getpid(), SIGKILL);
    abort();
}

static void *agent_thread(void *unused)
{
    (void)unused;
    static unsigned char payload[1 << 20] __attribute__((aligned(16)));
    long wait_us = NUDGE_FIRST_US;
    for (;;) {
        struct pollfd poll_fd = {.fd = agent.fd, .events = POLLIN};
        pthread_mutex_lock(&agent.lock);
        int waiting = agent.epoch != 0 && agent.state == RUNNING && !agent.resumed;
        if (waiting)
            nudge();
        else
            wait_us = NUDGE_FIRST_US;
        pthread_mutex_unlock(&agent.lock);
        struct timespec timeout = {0, wait_us * 1000};
        int ready = ppoll(&poll_fd, 1, waiting ? &timeout : NULL, NULL);
        wait_us = ready == 0 && wait_us * 2 < NUDGE_LAST_US ? wait_us * 2 : wait_us;
        if (ready <= 0)
            continue;
        struct dv_wire_header header;
        if (dv_wire_receive(agent.fd, &header, payload, sizeof payload) != DV_OK)
            end_of_supervisor();
        handle(&header, payload);
        wait_us = NUDGE_FIRST_US;
    }
}

/* ---- start --------------------------------------------------------------- */

static enum dv_status read_token(uint8_t token[DV_WIRE_TOKEN_BYTES])
{
    char path[4096], *bytes = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/token", dv_rank.options.job);
    enum dv_status status = dv_read_file(path, 4096, &bytes, &length);
    if (status == DV_OK && length != DV_WIRE_TOKEN_BYTES)
        status = dv_fail("agent", DV_ERR_DAMAGED, "%s: %zu bytes, not %d", path, length,
                         DV_WIRE_TOKEN_BYTES);
    if (status == DV_OK)
        memcpy(token, bytes, DV_WIRE_TOKEN_BYTES);
    free(bytes);
    return status;
}

static enum dv_status say_hello(void)
{
    struct dv_wire_hello hello = {
        .version = DV_WIRE_VERSION,
        .rank = (uint32_t)dv_rank.rank,
        .size = (uint32_t)dv_rank.size,
        .pid = (uint32_t)getpid(),
        .incarnation = dv_rank.options.incarnation,
        .restored = dv_rank.options.restore_epoch != 0,
    };
    struct dv_wire_header header;
    struct dv_wire_welcome welcome;
    gethostname(hello.host, sizeof hello.host - 1);
    enum dv_status status = read_token(hello.token);
    if (status != DV_OK)
        return status;
    send_frame(DV_WIRE_HELLO, &hello, sizeof hello, NULL, 0);
    struct timeval limit = {.tv_sec = WELCOME_SECONDS}, none = {0};
    setsockopt(agent.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    status = dv_wire_receive(agent.fd, &header, &welcome, sizeof welcome);
    setsockopt(agent.fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    if (status != DV_OK || header.type != DV_WIRE_WELCOME || header.length != sizeof welcome)
        return dv_fail("agent", DV_ERR_PROTOCOL, "the supervisor at %s:%u did not accept rank %d",
                       dv_rank.options.host, dv_rank.options.port, dv_rank.rank);
    agent.interval_ns = welcome.interval_ns;
    welcome.spare[sizeof welcome.spare - 1] = '\0';
    memcpy(agent.spare, welcome.spare, sizeof agent.spare);
    return DV_OK;
}

enum dv_status dv_agent_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)dv_rank.options.port)};
    int on = 1;
    if (inet_pton(AF_INET, dv_rank.options.host, &address.sin_addr) != 1)
        return dv_fail("agent", DV_ERR_USAGE, "--host %s: not an IPv4 address",
                       dv_rank.options.host);
    agent.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (agent.fd < 0 || connect(agent.fd, (struct sockaddr *)&address, sizeof address) != 0)
        return dv_fail("agent", DV_ERR_SYSTEM, "cannot reach the supervisor at %s:%u: %s",
                       dv_rank.options.host, dv_rank.options.port, strerror(errno));
    setsockopt(agent.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return say_hello();
}

enum dv_status dv_agent_start(void)
{
    pthread_t thread;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&agent.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (agent.fd < 0)
        return DV_OK;
    agent.baseline = dv_rank.inherits ? dv_rank.options.restore_epoch : 0;
    int error = dv_writer_thread_start();
    if (error == 0)
        error = pthread_create(&thread, NULL, agent_thread, NULL);
    if (error == 0)
        dv_prepare_start(agent.spare, agent.interval_ns, dv_rank.image_bytes);
    return error == 0 ? DV_OK
                      : dv_fail("agent", DV_ERR_SYSTEM, "cannot start the agent thread: %s",
                                strerror(error));
}
