/* The supervisor's loop. */
#include "control/supervisor.h"

#include "common/fail.h"
#include "common/io.h"
#include "control/launch.h"
#include "control/supervisor_state.h"
#include "store/levels.h"
#include "store/manifest.h"

#include <dejavu/log.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITE_TIMEOUT_NS 600000000000ull
#define END_GRACE_NS 3000000000ull
/* Until a connection has shown the token it may send no more than this. */
#define STRANGER_PAYLOAD 512
#define MAX_STRANGERS 256

extern char **environ;

static enum dv_status listen_here(struct dv_sup *s)
{
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot make a socket: %s", strerror(errno));
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(s->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(s->listen_fd, 1024) != 0 ||
        getsockname(s->listen_fd, (struct sockaddr *)&address, &length) != 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot listen on 127.0.0.1: %s", strerror(errno));
    s->port = ntohs(address.sin_port);
    return DV_OK;
}

/* Signals come through a descriptor. Those that whoever started us has chosen to ignore (nohup)
 * stay ignored. */
static enum dv_status catch_signals(struct dv_sup *s)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGUSR1);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        struct sigaction now;
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&mask, ending[i]);
    }
    struct sigaction standard = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGCHLD, &standard, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0 ||
        sigprocmask(SIG_BLOCK, &mask, &s->old_mask) != 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot set up signals: %s", strerror(errno));
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot make a signal descriptor: %s",
                       strerror(errno));
    return DV_OK;
}

static bool is_of_this_shell(const char *variable)
{
    static const char *const prefixes[] = {"SLURM_", "PBS_", "LSB_", "HYDRA_", "DEJAVU_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* The ranks' environment: the job's own, but where and how it runs now is this shell's affair.
 * Borrows all strings. */
static enum dv_status make_environment(struct dv_sup *s)
{
    size_t count = 0, used = 0;
    for (char **e = environ; *e; e++)
        count++;
    s->env = calloc(s->job->env_count + count + 1, sizeof *s->env);
    if (!s->env)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for the environment");
    for (size_t i = 0; i < s->job->env_count; i++)
        if (!is_of_this_shell(s->job->env[i]))
            s->env[used++] = s->job->env[i];
    for (char **e = environ; *e; e++)
        if (is_of_this_shell(*e))
            s->env[used++] = *e;
    return DV_OK;
}

static enum dv_status first_epoch_number(struct dv_sup *s)
{
    uint64_t *epochs = NULL;
    size_t count = 0;
    enum dv_status status = dv_manifest_list(s->directory, &epochs, &count);
    if (status && status != DV_ERR_NOT_FOUND)
        return status;
    s->next_epoch = count ? epochs[count - 1] + 1 : 1;
    free(epochs);
    return DV_OK;
}

static enum dv_status choose_beginning(struct dv_sup *s)
{
    if (!s->what->restart)
        return DV_OK;
    if (s->what->restart_epoch) {
        s->restore_epoch = s->what->restart_epoch;
        return dv_sup_check_epoch(s, s->restore_epoch);
    }
    enum dv_status status = dv_sup_choose_epoch(s, &s->restore_epoch);
    if (status)
        return status;
    if (s->restore_epoch)
        dv_info("control", "restarting from epoch %" PRIu64, s->restore_epoch);
    else
        dv_info("control", "no epoch is committed: restarting from the beginning");
    return DV_OK;
}

static enum dv_status set_up(struct dv_sup *s)
{
    enum dv_status status;
    s->ranks = calloc(s->size, sizeof *s->ranks);
    s->ends = calloc(s->size, sizeof *s->ends);
    if (!s->ranks || !s->ends)
        return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %u ranks", s->size);
    for (unsigned r = 0; r < s->size; r++)
        s->ranks[r].pidfd = -1;
    if (strlen(s->directory) > 900)
        return dv_fail("control", DV_ERR_USAGE, "the path of the job directory is too long: %s",
                       s->directory);
    if ((status =
             dv_beside("dejavu-rank", "DEJAVU_RANK", s->rank_program, sizeof s->rank_program)) ||
        (status = dv_beside("dejavu-stdio", "DEJAVU_STDIO", s->stdio_program,
                            sizeof s->stdio_program)) ||
        (status = dv_job_place(s->job, s->directory, &s->place)) ||
        (status = dv_level_make_roots(&s->place)) || (status = choose_beginning(s)) ||
        (status = first_epoch_number(s)) ||
        (status = dv_epoch_init(&s->epoch, s->size, (uint64_t)(s->job->quiesce_timeout_s * 1e9),
                                WRITE_TIMEOUT_NS, &dv_sup_epoch_ops, s)))
        return status;
    s->epoch_ready = true;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return dv_fail("control", DV_ERR_SYSTEM, "cannot become the parent of all of the job: %s",
                       strerror(errno));
    if ((status = make_environment(s)) || (status = catch_signals(s)) ||
        (status = listen_here(s)) || (status = dv_job_token_make(s->directory, s->token)) ||
        (status = dv_events_open(s->directory, &s->events)))
        return status;
    return dv_job_announce(s->directory, s->what->lock_fd, "127.0.0.1", s->port);
}

static void tear_down(struct dv_sup *s)
{
    if (s->port && dv_job_announce(s->directory, s->what->lock_fd, "-", 0) != DV_OK)
        dv_debug("control", "cannot empty %s/supervisor", s->directory);
    if (s->epoch_ready)
        dv_epoch_fini(&s->epoch);
    if (s->ranks)
        dv_sup_agents_forget(s);
    for (size_t i = 0; i < s->client_count; i++)
        dv_conn_close(s->clients[i].conn);
    dv_sup_upkeep_kill(s);
    dv_place_free(&s->place);
    free(s->clients);
    free(s->ranks);
    free(s->ends);
    free(s->env);
    free(s->bad_epochs);
    dv_events_close(s->events);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
}

/* mpiexec does not pass a signal on to its ranks reliably, and when the terminal has sent it the
 * same SIGINT, a second one makes it fail noisily: the ranks are told directly, and mpiexec ends
 * when they have. */
static void ask_to_end(struct dv_sup *s, int signal_number)
{
    bool told = false;
    for (unsigned r = 0; r < s->size && s->job->ranks; r++)
        if (s->ranks[r].conn && s->ranks[r].pidfd >= 0)
            told |= syscall(SYS_pidfd_send_signal, s->ranks[r].pidfd, SIGTERM, NULL, 0) == 0;
    if (!told && s->child > 0 && !s->child_reaped)
        (void)kill(s->child, s->job->ranks ? SIGTERM : signal_number);
}

static void end_by_signal(struct dv_sup *s, int signal_number)
{
    bool again = s->ended_by != 0;
    s->ended_by = signal_number;
    dv_events_log(s->events, "signal", "number=%d", signal_number);
    if (s->state == DV_SUP_PAUSED) {
        s->child_reaped = s->all_reaped = true;
        s->state = DV_SUP_ENDING;
        dv_sup_reap(s);
        return;
    }
    if (again) {
        dv_sup_kill(s);
        return;
    }
    s->state = DV_SUP_ENDING;
    s->kill_at_ns = dv_now_ns() + END_GRACE_NS;
    dv_epoch_abort(&s->epoch, DV_ERR_ABORTED, -1, "the job is being ended");
    ask_to_end(s, signal_number);
}

static void on_signals(struct dv_sup *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        const char *why;
        switch (info.ssi_signo) {
        case SIGCHLD:
            dv_sup_reap(s);
            break;
        case SIGUSR1:
            if (s->epoch.phase == DV_EPOCH_WRITING || s->epoch.phase == DV_EPOCH_SYNCING ||
                s->epoch.phase == DV_EPOCH_PROTECTING)
                s->checkpoint_wanted = true;
            else if (s->epoch.phase == DV_EPOCH_IDLE &&
                     !dv_sup_checkpoint(s, DV_CAUSE_SIGNAL, &why))
                dv_info("control", "cannot checkpoint now: %s", why);
            break;
        default:
            end_by_signal(s, (int)info.ssi_signo);
        }
        if (s->state == DV_SUP_DONE)
            return;
    }
}

static void on_connection(struct dv_sup *s)
{
    for (;;) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct dv_conn *conn;
        if (s->client_count >= s->size + MAX_STRANGERS) {
            dv_warn("control", "too many connections at once; one was turned away");
            close(fd);
        } else if (dv_conn_open(fd, STRANGER_PAYLOAD, &conn) == DV_OK &&
                   dv_sup_client_add(s, conn) != DV_OK) {
            dv_conn_close(conn);
        }
    }
}

static int poll_timeout_ms(const struct dv_sup *s)
{
    uint64_t now = dv_now_ns(), deadline = dv_sup_incarnation_deadline_ns(s);
    uint64_t epoch = dv_epoch_deadline_ns(&s->epoch), upkeep = dv_sup_upkeep_deadline_ns(s);
    if (epoch < deadline)
        deadline = epoch;
    if (upkeep < deadline)
        deadline = upkeep;
    if (s->state == DV_SUP_RUNNING && s->epoch.phase == DV_EPOCH_IDLE &&
        s->checkpoint_at_ns < deadline)
        deadline = s->checkpoint_at_ns;
    if (s->checkpoint_wanted && s->epoch.phase == DV_EPOCH_IDLE)
        return 0;
    if (deadline == UINT64_MAX)
        return -1;
    if (deadline <= now)
        return 0;
    uint64_t ms = (deadline - now + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

static short wanted_events(const struct dv_conn *conn)
{
    return (short)(POLLIN | (dv_conn_wants_write(conn) ? POLLOUT : 0));
}

/* What is polled: the two descriptors of our own, then for each rank its connection and its process
 * (-1: none, which poll leaves out), then the clients. */
static void fill_poll(struct dv_sup *s, struct pollfd *p)
{
    p[0] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
    p[1] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
    for (unsigned r = 0; r < s->size; r++) {
        const struct dv_sup_rank *rank = &s->ranks[r];
        p[2 + 2 * r] = (struct pollfd){.fd = rank->conn ? rank->conn->fd : -1};
        if (rank->conn)
            p[2 + 2 * r].events = wanted_events(rank->conn);
        p[3 + 2 * r] = (struct pollfd){.fd = rank->conn ? rank->pidfd : -1, .events = POLLIN};
    }
    for (size_t i = 0; i < s->client_count; i++)
        p[2 + 2 * s->size + i] = (struct pollfd){.fd = s->clients[i].conn->fd,
                                                 .events = wanted_events(s->clients[i].conn)};
}

static void serve_ranks(struct dv_sup *s, const struct pollfd *p)
{
    for (unsigned r = 0; r < s->size; r++) {
        struct dv_sup_rank *rank = &s->ranks[r];
        const struct pollfd *conn = &p[2 + 2 * r], *process = &p[3 + 2 * r];
        /* An event of this round may have changed whose connection this is. */
        if (!rank->conn || rank->conn->fd != conn->fd)
            continue;
        if ((conn->revents & POLLOUT) && dv_conn_flush(rank->conn) != DV_OK)
            dv_debug("control", "rank %u is gone", r);
        if (process->revents)
            dv_sup_agent_died(s, r);
        else if (conn->revents & ~POLLOUT)
            dv_sup_agent_readable(s, r);
    }
}

static void serve_clients(struct dv_sup *s, const struct pollfd *p, size_t count)
{
    for (size_t i = 0; i < count && i < s->client_count; i++) {
        struct dv_client *c = &s->clients[i];
        if (!c->conn || c->conn->fd != p[i].fd || !p[i].revents)
            continue;
        if ((p[i].revents & POLLOUT) &&
            (dv_conn_flush(c->conn) != DV_OK || !dv_conn_wants_write(c->conn))) {
            /* An answer was under way; it is out, or nobody reads it. */
            dv_conn_close(c->conn);
            c->conn = NULL;
            continue;
        }
        if (p[i].revents & ~POLLOUT)
            dv_sup_client_readable(s, c);
    }
    dv_sup_clients_clean(s);
}

static enum dv_status loop_once(struct dv_sup *s, struct pollfd **polled, size_t *room)
{
    size_t clients = s->client_count, count = 2 + 2 * (size_t)s->size + clients;
    if (!*polled || count > *room) {
        struct pollfd *larger = realloc(*polled, 2 * count * sizeof *larger);
        if (!larger)
            return dv_fail("control", DV_ERR_NO_MEMORY, "no memory for %zu connections", count);
        *polled = larger;
        *room = 2 * count;
    }
    struct pollfd *p = *polled;
    fill_poll(s, p);
    s->round++;
    int ready = poll(p, count, poll_timeout_ms(s));
    if (ready < 0 && errno != EINTR)
        return dv_fail("control", DV_ERR_SYSTEM, "poll: %s", strerror(errno));
    if (ready > 0) {
        if (p[0].revents)
            on_signals(s);
        if (s->state != DV_SUP_DONE)
            serve_ranks(s, p);
        if (s->state != DV_SUP_DONE)
            serve_clients(s, p + 2 + 2 * (size_t)s->size, clients);
        if (p[1].revents && s->state != DV_SUP_DONE)
            on_connection(s);
    }
    uint64_t now = dv_now_ns();
    dv_sup_upkeep_tick(s, now);
    if (s->state != DV_SUP_DONE)
        dv_sup_incarnation_tick(s, now);
    if (s->state != DV_SUP_DONE)
        dv_sup_checkpoint_tick(s, now);
    return DV_OK;
}

static void run(struct dv_sup *s)
{
    struct pollfd *polled = NULL;
    size_t room = 0;
    dv_sup_start(s);
    while (s->state != DV_SUP_DONE) {
        enum dv_status status = loop_once(s, &polled, &room);
        if (status) {
            (void)dv_tree_kill(SIGKILL);
            dv_sup_finish(s, (int)dv_status_exit(status), dv_why());
        }
    }
    /* mpiexec has ended, but after a failure ranks of its may still be about. */
    if (s->exit_status && s->job->ranks)
        (void)dv_tree_kill(SIGKILL);
    free(polled);
}

int dv_supervise(const struct dv_supervise *what)
{
    struct dv_sup s = {
        .what = what,
        .job = what->job,
        .directory = what->job_directory,
        .size = dv_job_size(what->job),
        .signal_fd = -1,
        .listen_fd = -1,
        .checkpoint_at_ns = UINT64_MAX,
    };
    dv_job_strategy(what->job, s.strategy, sizeof s.strategy);
    int exit_status;
    enum dv_status status = set_up(&s);
    if (status) {
        exit_status = (int)dv_status_exit(status);
    } else {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        dv_events_log(s.events, "start",
                      "unix_ns=%lld monotonic_ns=%" PRIu64
                      " pid=%d ranks=%u strategy=%s restart=%d epoch=%" PRIu64,
                      (long long)now.tv_sec * 1000000000ll + now.tv_nsec, dv_now_ns(),
                      (int)getpid(), s.size, s.strategy, what->restart, s.restore_epoch);
        run(&s);
        exit_status = s.exit_status;
    }
    tear_down(&s);
    return exit_status;
}
