/* Job files, the lock, the token, programs, and frames over connections. */
#include "check.h"
#include "control/conn.h"
#include "control/job.h"
#include "control/program.h"

#include <sys/socket.h>
#include <sys/wait.h>

static char directory[] = "/tmp/dejavu-test-job-XXXXXX";
static char path[4096];

static const char *inside(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static char *nodes[] = {(char *)(uintptr_t) "/a", (char *)(uintptr_t) "/b c",
                        (char *)(uintptr_t) "/d\\e", NULL};

static void fill(struct dv_job *job, char **args, char **env)
{
    *job = (struct dv_job){
        .program = (char *)(uintptr_t) "/bin/true",
        .argv0 = (char *)(uintptr_t) "./odd = name",
        .cwd = (char *)(uintptr_t) "/tmp/a\nb",
        .mpiexec = (char *)(uintptr_t) "mpiexec.mpich",
        .program_digest = {1, 2, 0xff},
        .args = args,
        .env = env,
        .ranks = 4,
        .capture = (char *)(uintptr_t) "full",
        .capture_options = (char *)(uintptr_t) "",
        .protocol = (char *)(uintptr_t) "coordinated",
        .protocol_options = (char *)(uintptr_t) "a=1,b=2",
        .interval_s = 0.25,
        .quiesce_timeout_s = 30,
        .max_restarts = 10,
        .keep = 2,
        .chain = 5,
        .level = DV_LEVEL_RS,
        .parity = 2,
        .nodes = nodes,
        .node_count = 3,
    };
    while (args[job->arg_count])
        job->arg_count++;
    while (env[job->env_count])
        job->env_count++;
}

static void round_trip(void **state)
{
    (void)state;
    char a0[] = "--x=1 = 2", a1[] = "", a2[] = "line\nbreak\\n\r", e0[] = "A=1", e1[] = "B==";
    char *args[] = {a0, a1, a2, NULL}, *env[] = {e0, e1, NULL};
    struct dv_job out, in;
    fill(&out, args, env);
    assert_int_equal(dv_job_write(directory, &out), DV_OK);
    assert_true(dv_job_exists(directory));
    assert_int_equal(dv_job_read(directory, &in), DV_OK);
    assert_string_equal(in.argv0, out.argv0);
    assert_string_equal(in.cwd, out.cwd);
    assert_string_equal(in.protocol_options, out.protocol_options);
    assert_string_equal(in.capture_options, "");
    assert_memory_equal(in.program_digest, out.program_digest, 16);
    assert_int_equal(in.arg_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(in.args[i], args[i]);
    assert_null(in.args[3]);
    assert_int_equal(in.env_count, 2);
    assert_string_equal(in.env[1], "B==");
    assert_int_equal(in.ranks, 4);
    assert_true(in.interval_s == 0.25);
    assert_int_equal(dv_job_size(&in), 4);
    assert_int_equal(in.chain, 5);
    assert_int_equal(in.level, DV_LEVEL_RS);
    assert_int_equal(in.parity, 2);
    assert_int_equal(in.node_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(in.nodes[i], nodes[i]);
    struct dv_place place;
    assert_int_equal(dv_job_place(&in, "/job", &place), DV_OK);
    assert_int_equal(dv_place_survives(&place), 2);
    assert_memory_equal(place.node[1], "/b c/dejavu-", 12);
    dv_place_free(&place);
    dv_job_free(&in);
}

/* However it is cut or changed, a job file is read whole or refused. */
static void damaged_job(void **state)
{
    (void)state;
    char *text, copy[8192];
    size_t length;
    struct dv_job job;
    assert_int_equal(dv_read_file(inside("job"), sizeof copy, &text, &length), DV_OK);
    for (size_t cut = 0; cut < length - 1; cut += 7) {
        assert_int_equal(dv_write_file_durably(directory, "job", text, cut, 0600), DV_OK);
        assert_int_equal(dv_job_read(directory, &job), DV_ERR_DAMAGED);
    }
    static const char *const bad[] = {"ranks = -1\n", "ranks = 4x\n", "what = 1\n",
                                      "noise\n",      "cwd = a\\q\n", "format = 2\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int n = snprintf(copy, sizeof copy, "%s%s", bad[i], text);
        assert_int_equal(dv_write_file_durably(directory, "job", copy, (size_t)n, 0600), DV_OK);
        assert_int_equal(dv_job_read(directory, &job), DV_ERR_DAMAGED);
    }
    assert_int_equal(dv_write_file_durably(directory, "job", text, length, 0600), DV_OK);
    free(text);
    assert_int_equal(dv_job_read("/tmp/nothing-here", &job), DV_ERR_NOT_FOUND);
}

static void lock(void **state)
{
    (void)state;
    int fd, second, pid;
    char host[64];
    unsigned port;
    assert_int_equal(dv_job_supervisor(directory, &pid, host, sizeof host, &port), DV_ERR_NOTHING);
    assert_int_equal(dv_job_lock(directory, &fd), DV_OK);
    assert_int_equal(dv_job_announce(directory, fd, "127.0.0.1", 4711), DV_OK);
    assert_int_equal(dv_job_lock(directory, &second), DV_ERR_BUSY);
    assert_int_equal(dv_job_supervisor(directory, &pid, host, sizeof host, &port), DV_OK);
    assert_int_equal(pid, getpid());
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 4711);
    close(fd);
    /* The file still says so, but nobody holds it. */
    assert_int_equal(dv_job_supervisor(directory, &pid, host, sizeof host, &port), DV_ERR_NOTHING);
    assert_int_equal(dv_job_lock(directory, &fd), DV_OK);
    close(fd);
}

static void token(void **state)
{
    (void)state;
    uint8_t a[DV_WIRE_TOKEN_BYTES], b[DV_WIRE_TOKEN_BYTES];
    struct stat st;
    assert_int_equal(dv_job_token_make(directory, a), DV_OK);
    assert_int_equal(dv_job_token_read(directory, b), DV_OK);
    assert_true(dv_token_equal(a, b));
    b[31] ^= 0x80;
    assert_false(dv_token_equal(a, b));
    assert_int_equal(stat(inside("token"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(dv_job_token_read(directory, b), DV_ERR_DAMAGED);
}

static void make_directory(void **state)
{
    (void)state;
    char job[64];
    struct stat st;
    snprintf(job, sizeof job, "%s/new", directory);
    assert_int_equal(dv_job_make_directory(job), DV_OK);
    assert_int_equal(dv_job_make_directory(job), DV_OK);
    assert_int_equal(stat(job, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(chmod(job, 0755), 0);
    assert_int_equal(dv_job_make_directory(job), DV_ERR_USAGE);
    snprintf(job, sizeof job, "%s/no/where", directory);
    assert_int_not_equal(dv_job_make_directory(job), DV_OK);
}

static void write_program(const char *name, const void *bytes, size_t length, mode_t mode)
{
    int fd = open(inside(name), O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(dv_write_all(fd, bytes, length), DV_OK);
    close(fd);
}

static void programs(void **state)
{
    (void)state;
    char found[4096];
    uint8_t one[16], two[16];
    assert_int_equal(dv_program_resolve("true", "/nowhere:/usr/bin:/bin", found, sizeof found),
                     DV_OK);
    assert_string_equal(found, "/usr/bin/true");
    assert_int_equal(dv_program_check(found), DV_OK);
    assert_int_equal(dv_program_resolve("no-such-program", "/usr/bin", found, sizeof found),
                     DV_ERR_NOT_FOUND);
    assert_int_equal(dv_program_resolve("true", NULL, found, sizeof found), DV_ERR_NOT_FOUND);
    assert_int_equal(dv_program_resolve("/no/such", NULL, found, sizeof found), DV_ERR_NOT_FOUND);
    write_program("script", "#!/bin/sh\n", 10, 0700);
    assert_int_equal(dv_program_check(path), DV_ERR_USAGE);
    write_program("short", "\177ELF", 4, 0700);
    assert_int_equal(dv_program_check(path), DV_ERR_USAGE);
    write_program("empty", "", 0, 0700);
    assert_int_equal(dv_program_check(path), DV_ERR_USAGE);
    write_program("plain", "#!/bin/sh\n", 10, 0600);
    assert_int_equal(dv_program_check(path), DV_ERR_USAGE);
    assert_int_equal(dv_program_check(directory), DV_ERR_USAGE);
    assert_int_equal(dv_program_check("/no/such"), DV_ERR_NOT_FOUND);
    assert_int_equal(dv_program_digest(inside("script"), one), DV_OK);
    write_program("script", "#!/bin/sh ", 10, 0700);
    assert_int_equal(dv_program_digest(inside("script"), two), DV_OK);
    assert_memory_not_equal(one, two, 16);
}

/* ---- frames -------------------------------------------------------------- */

static void frames(void **state)
{
    (void)state;
    int pair[2];
    struct dv_conn *conn;
    struct dv_wire_header header;
    const void *payload;
    struct dv_wire_epoch epoch = {.epoch = 42}, got;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(dv_conn_open(pair[0], 64, &conn), DV_OK);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_ERR_NOTHING);
    assert_int_equal(dv_wire_send(pair[1], DV_WIRE_RESUME, 3, &epoch, sizeof epoch, "tail", 4),
                     DV_OK);
    assert_int_equal(dv_wire_send(pair[1], DV_WIRE_WELCOME, 0, NULL, 0, NULL, 0), DV_OK);
    assert_int_equal(dv_conn_fill(conn), DV_OK);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_OK);
    assert_int_equal(header.type, DV_WIRE_RESUME);
    assert_int_equal(header.rank, 3);
    assert_int_equal(header.length, sizeof epoch + 4);
    memcpy(&got, payload, sizeof got);
    assert_int_equal(got.epoch, 42);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_OK);
    assert_int_equal(header.type, DV_WIRE_WELCOME);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_ERR_NOTHING);
    /* And back. */
    assert_int_equal(dv_conn_send(conn, DV_WIRE_STEP, 1, &epoch, sizeof epoch, NULL, 0), DV_OK);
    assert_int_equal(dv_wire_receive(pair[1], &header, &got, sizeof got), DV_OK);
    assert_int_equal(header.type, DV_WIRE_STEP);
    assert_int_equal(dv_conn_send(conn, DV_WIRE_STEP, 1, &epoch, sizeof epoch, NULL, 0), DV_OK);
    assert_int_equal(dv_wire_receive(pair[1], &header, &got, 4), DV_ERR_PROTOCOL);
    close(pair[1]);
    assert_int_equal(dv_conn_fill(conn), DV_ERR_ABORTED);
    dv_conn_close(conn);
}

static void bad_frames(void **state)
{
    (void)state;
    int pair[2];
    struct dv_conn *conn;
    struct dv_wire_header header = {.magic = DV_WIRE_MAGIC, .type = DV_WIRE_HELLO, .length = 65};
    const void *payload;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(dv_conn_open(pair[0], 64, &conn), DV_OK);
    assert_int_equal(dv_write_all(pair[1], &header, sizeof header), DV_OK);
    assert_int_equal(dv_conn_fill(conn), DV_OK);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_ERR_PROTOCOL);
    dv_conn_close(conn);
    close(pair[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(dv_conn_open(pair[0], 64, &conn), DV_OK);
    assert_int_equal(dv_write_all(pair[1], "GET / HTTP/1.1\r\n", 16), DV_OK);
    assert_int_equal(dv_conn_fill(conn), DV_OK);
    assert_int_equal(dv_conn_next(conn, &header, &payload), DV_ERR_PROTOCOL);
    dv_conn_close(conn);
    close(pair[1]);
}

/* A peer that does not read does not block us, and gets all of it later. */
static void slow_reader(void **state)
{
    (void)state;
    enum { FRAMES = 2000, BYTES = 1000 };
    static uint8_t bytes[BYTES], got[BYTES];
    int pair[2], status;
    struct dv_conn *conn;
    struct dv_wire_header header;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(dv_conn_open(pair[0], 64, &conn), DV_OK);
    for (int i = 0; i < FRAMES; i++) {
        memset(bytes, i, sizeof bytes);
        assert_int_equal(dv_conn_send(conn, DV_WIRE_STOP, 0, bytes, sizeof bytes, NULL, 0), DV_OK);
    }
    assert_true(dv_conn_wants_write(conn));
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0) {
        close(pair[0]);
        for (int i = 0; i < FRAMES; i++) {
            memset(bytes, i, sizeof bytes);
            if (dv_wire_receive(pair[1], &header, got, sizeof got) != DV_OK ||
                memcmp(got, bytes, sizeof got) != 0)
                _exit(1);
        }
        _exit(0);
    }
    while (dv_conn_wants_write(conn))
        assert_int_equal(dv_conn_flush(conn), DV_OK);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    dv_conn_close(conn);
    close(pair[1]);
}

static int set_up(void **state)
{
    (void)state;
    dv_log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), -1, DV_LOG_ERROR);
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return dv_remove_tree(directory) == DV_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),     cmocka_unit_test(damaged_job),
        cmocka_unit_test(lock),           cmocka_unit_test(token),
        cmocka_unit_test(make_directory), cmocka_unit_test(programs),
        cmocka_unit_test(frames),         cmocka_unit_test(bad_frames),
        cmocka_unit_test(slow_reader),
    };
    return cmocka_run_group_tests_name("control_job", tests, set_up, tear_down);
}
