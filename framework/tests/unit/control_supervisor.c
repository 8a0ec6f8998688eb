/* The `dejavu` command as built, with fake-rank in the place of dejavu-rank: recovery, commands,
 * refusals, exit statuses. Programs are found beside this one: ../bin/dejavu and fake-rank. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static char bin[PATH_MAX], tests[PATH_MAX], out[65536];

/* Run a shell script in the test's directory; D is dejavu, P a program that it accepts. Its output
 * (both streams) is in `out`; returns its exit status. */
static int shell(void **state, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int shell(void **state, const char *format, ...)
{
    char command[3 * PATH_MAX + 8192], body[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    snprintf(
        command, sizeof command,
        "exec 2>&1; cd %s || exit 99; unset DEJAVU_LOG MAKEFLAGS; export DEJAVU_RANK=%s/fake-rank; "
        "D=%s/dejavu; P=/bin/true; T='timeout 60'; "
        "W() { for i in $(seq 2000); do grep -q \"$1\" J/events 2>/dev/null && return; sleep 0.02; "
        "done; "
        "echo waited in vain for \"$1\"; exit 98; }; "
        "C() { for i in $(seq 2000); do test $(grep -c \" $1 \" J/events) -gt $2 && return; sleep "
        "0.02; "
        "done; echo waited in vain for more \"$1\"; exit 98; }; %s",
        (const char *)*state, tests, bin, body);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    size_t used = fread(out, 1, sizeof out - 1, pipe);
    out[used] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define HAS(text)                                                                                  \
    do {                                                                                           \
        if (!strstr(out, text))                                                                    \
            fail_msg("no \"%s\" in:\n%s", text, out);                                              \
    } while (0)
#define HAS_NOT(text)                                                                              \
    do {                                                                                           \
        if (strstr(out, text))                                                                     \
            fail_msg("\"%s\" in:\n%s", text, out);                                                 \
    } while (0)
#define STATUS(wanted, ...)                                                                        \
    do {                                                                                           \
        int got_status = shell(state, __VA_ARGS__);                                                \
        if (got_status != (wanted))                                                                \
            fail_msg("status %d, not %d:\n%s", got_status, wanted, out);                           \
    } while (0)

static void runs_and_commits(void **state)
{
    STATUS(0, "$T $D run --job J --interval 30ms -- $P iterations=40 && $D ls J && $D verify J && "
              "cat J/events");
    HAS("rank 0 done 40 from 0");
    HAS("1 rank  ");
    HAS("full+coordinated");
    HAS("whole");
    HAS(" committed epoch=1 ");
    HAS(" exit status=0 restarts=0");
}

static void decisions_are_recorded(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms -- $P iterations=60 decides && "
              "grep -cE ' region epoch=1 rank=[01] start=0x10000 .* reason=one page$' J/events; "
              "grep -c ' decision epoch=1 rank=[01] snapshot=copy$' J/events; grep ' rank epoch=1 "
              "rank=1 ' J/events");
    HAS("2\n2\n");
    HAS(" snapshot=");
    HAS(" parent_epoch=0 ");
}

static void agrees_on_a_cut(void **state)
{
    STATUS(0, "$T $D run -n 3 --job J --interval 30ms -- $P iterations=60 raise && "
              "grep -E 'committed|aborted' J/events; grep 'proceed epoch=2 ' J/events");
    HAS(" committed epoch=2 ");
    HAS("proceed epoch=2 versions=");
    HAS_NOT("versions=0");
}

static void steps_parked_ranks(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms -- $P iterations=60 needs_step=1 && "
              "grep -E 'committed|proceed epoch=1 ' J/events");
    HAS(" committed epoch=1 ");
    HAS("proceed epoch=1 ");
    HAS_NOT("steps=0");
}

static void recovers_a_rank(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms -- $P iterations=60 die=1@40");
    HAS(" lost (killed by signal 9, Killed); restarting from epoch ");
    HAS("(restart 1 of at most 10)");
    HAS("rank 1 done 60 from ");
    HAS_NOT("rank 1 done 60 from 0");
    HAS_NOT("BAD TERMINATION");
}

static void recovers_a_direct_rank(void **state)
{
    STATUS(0, "$T $D run --job J --interval 30ms -- $P iterations=60 die=0@40");
    HAS("dejavu: rank 0 was lost (killed by signal 9, Killed); restarting from epoch ");
}

static void recovers_mpiexec(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms -- $P iterations=120 & S=$!; W 'committed "
              "epoch=2'; "
              "kill -9 $(sed -n 's/.* launch .*pid=//p' J/events); wait $S");
    HAS("dejavu: mpiexec was lost (killed by signal 9, Killed); restarting from epoch ");
    HAS("rank 0 done 120 from ");
}

static void restarts_from_the_beginning(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J -- $P iterations=30 die=0@10");
    HAS("restarting from the beginning, as no epoch is committed");
    HAS("rank 1 done 30 from 0");
}

static void own_failures_are_final(void **state)
{
    STATUS(3, "$T $D run -n 2 --job J -- $P iterations=30 exit=1@10:3");
    HAS_NOT("restarting");
    STATUS(4, "$T $D run -n 2 --job J2 -- $P iterations=30 exit=0@10:4");
    STATUS(9, "$T $D run --job J3 -- $P iterations=30 exit=0@10:9 silent");
    HAS_NOT("restarting");
}

static void same_signal_twice(void **state)
{
    STATUS(139, "$T $D run -n 2 --job J -- $P iterations=30 die=1@10:11 always");
    HAS("(restart 1 of at most 10)");
    HAS_NOT("(restart 2 of at most 10)");
    HAS("the program itself is at fault");
}

static void gives_up(void **state)
{
    STATUS(1, "$T $D run --job J --max-restarts 2 -- $P iterations=30 die=0@10 always");
    HAS("giving up after 2 restarts");
    STATUS(1, "$T $D run --job J2 --max-restarts 0 -- $P iterations=30 die=0@10");
    HAS("giving up after 0 restarts");
}

static void refusal_is_said_once(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms -- $P iterations=60 refuse=1; "
              "test -z \"$(ls J/epochs)\" || exit 77");
    HAS("dejavu: cannot checkpoint now: rank 1: MPI_Win_create: a window is open");
    assert_null(strstr(strstr(out, "cannot checkpoint now") + 1, "cannot checkpoint now"));
}

static void gives_a_cut_up(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms --quiesce-timeout 100ms -- "
              "$P iterations=60 never_park=1");
    HAS("rank 1 did not come to a safe point within 0.1 s");
}

static void damaged_epoch_is_left(void **state)
{
    STATUS(0,
           "$T $D run --job J --interval 50ms -- $P iterations=100 & S=$!; W 'committed epoch=3'; "
           "kill -TERM $S; wait $S; L=$($D ls J | awk 'END{print $1}'); "
           "F=J/epochs/$(printf %%06d $L)/rank-0.dvi; printf XXXX | dd of=$F bs=1 seek=100 "
           "conv=notrunc status=none; echo damaged $L; $T $D restart J");
    HAS("cannot be used; falling back to the one before");
    HAS("dejavu: restarting from epoch ");
    HAS("rank 0 done 100 from ");
    HAS_NOT("rank 0 done 100 from 0");
}

static void no_whole_epoch(void **state)
{
    STATUS(1, "$T $D run --job J --interval 50ms -- $P iterations=40; "
              "for f in J/epochs/*/rank-0.dvi; do truncate -s 5000 $f; done; "
              "$D verify J && exit 70; $T $D restart J");
    HAS("damaged: ");
    HAS("no epoch of ");
}

/* Damage that only the rank finds, while it restores. */
static void damage_found_late(void **state)
{
    STATUS(0, "$T $D run --job J --interval 30ms -- $P iterations=80 die=0@60 damaged");
    HAS(" cannot be restored: rank 0: block 3 is damaged");
    HAS("(restart 2 of at most 10)");
    HAS("rank 0 done 80 from ");
    HAS_NOT("rank 0 done 80 from 0");
}

static void commands(void **state)
{
    STATUS(143, "$T $D run -n 2 --job J -- $P iterations=2000 & S=$!; W ' running '; "
                "echo epoch $($D checkpoint J); $D status J; $D run --job J -- $P; echo run $?; "
                "$D restart J; echo restart $?; $D stop J; echo stop $?; wait $S");
    HAS("epoch 1\n");
    HAS("state: running");
    HAS("rank 1: running, process ");
    HAS("committed epochs: 1");
    HAS("is running already");
    HAS("run 2\n");
    HAS("restart 2\n");
    HAS("stopped after epoch 2; continue with: dejavu restart");
    HAS("stop 0\n");
    STATUS(2, "$D checkpoint J");
    HAS("is not running");
    STATUS(0, "$D status J");
    HAS("not running");
    STATUS(143, "timeout --preserve-status 1 $D restart J");
    HAS("restarting from epoch 2");
    HAS("ended by signal 15");
}

static void commanded_refusal(void **state)
{
    STATUS(1, "$T $D run -n 2 --job J -- $P iterations=200 refuse=0 & S=$!; W ' running '; "
              "$D checkpoint J; R=$?; kill $S; wait $S; exit $R");
    HAS("error: cannot checkpoint now: rank 0: MPI_Win_create: a window is open");
}

static void stop_without_checkpoint(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J -- $P iterations=2000 & S=$!; W ' running '; "
              "$D stop --no-checkpoint J; R=$?; wait $S; exit $R");
    HAS("no epoch is committed");
    STATUS(4, "$D ls J");
}

static void supervisor_killed(void **state)
{
    STATUS(
        0,
        "$D run -n 2 --job J --interval 30ms -- $P iterations=150 & S=$!; W 'committed epoch=1'; "
        "kill -9 $S; wait $S; $T $D restart J");
    HAS("dejavu: restarting from epoch ");
    HAS("rank 1 done 150 from ");
}

static void restart_of_a_restart(void **state)
{
    STATUS(0, "$D run --job J --interval 20ms -- $P iterations=150 & S=$!; W 'committed epoch=1'; "
              "kill -9 $S; "
              "wait $S; for i in 1 2 3; do $D restart J & S=$!; sleep 0.15; kill -9 $S; wait $S; "
              "done; $T $D restart J");
    HAS("rank 0 done 150 from ");
    HAS_NOT("from the beginning");
}

static void wrong_token(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J -- $P iterations=20 token=1");
    HAS("was turned away: it does not know the job's token");
}

static void other_program(void **state)
{
    STATUS(2, "cp /bin/true prog; $T $D run --job J --interval 30ms -- ./prog iterations=30; "
              "cp /bin/false prog; $D restart J");
    HAS("has changed since epoch ");
    /* Images that belong to another job. */
    STATUS(2, "$T $D run --job J2 --interval 30ms -- /bin/false iterations=30; "
              "rm -r J/epochs; cp -a J2/epochs J/epochs; cp /bin/true prog; $D restart J");
    HAS("is an image of another program, /bin/false");
    STATUS(2, "$T $D run -n 2 --job J3 --interval 30ms -- /bin/false iterations=30; "
              "rm -r J2/epochs; cp -a J3/epochs J2/epochs; $D restart J2");
    HAS("with 2 ranks, this job has 1");
    STATUS(2, "rm prog; $D restart J");
    HAS("prog");
}

static void used_directory(void **state)
{
    STATUS(2, "$T $D run --job J --interval 30ms -- $P iterations=30; $D run --job J -- $P");
    HAS("of an earlier run; continue it with dejavu restart");
    STATUS(2, "mkdir -m 755 open; $D run --job open -- $P");
    HAS("chmod 700");
    STATUS(2, "echo > file; $D run --job file -- $P");
    HAS("not a directory");
    STATUS(2, "$D restart J --epoch 99");
    HAS("no committed epoch 99");
}

static void bad_arguments(void **state)
{
    static const struct {
        const char *arguments, *text;
    } cases[] = {
        {"", "no verb is given"},
        {"rum -- $P", "did you mean \"run\"?"},
        {"run", "no program is given"},
        {"run --capture ful -- $P", "did you mean \"full\"?"},
        {"run --protocol coordinatde -- $P", "did you mean \"coordinated\"?"},
        {"run --capture-options nonsense=1 -- $P", "unknown option \"nonsense\""},
        {"run --intervall 1 -- $P", "did you mean --interval?"},
        {"run --interval 1x -- $P", "is not a time"},
        {"run -n 0 -- $P", "is not a whole number"},
        {"run -n", "needs a value"},
        {"run -q -- $P", "no option -q"},
        {"run --show-config=1 -- $P", "takes no value"},
        {"run --log lod -- $P", "--log lod"},
        {"run --config nofile -- $P", "cannot read nofile"},
        {"run -- ./nothing", "cannot run ./nothing: No such file"},
        {"run -- no-such-program", "on PATH"},
        {"run -- /tmp", "it is a directory"},
        {"ls", "needs one job directory"},
        {"ls nothing", "there is no job directory nothing"},
        {"status .", "is not a job directory"},
        {"verify a b", "not more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        STATUS(2, "$D %s", cases[i].arguments);
        HAS(cases[i].text);
        assert_true(strncmp(out, "dejavu: error: ", 15) == 0);
        assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    }
}

static void configuration(void **state)
{
    STATUS(0, "printf 'interval: 5s\\nkeep: 3\\nmax-restarts: 7\\n' > c.yaml; "
              "DEJAVU_KEEP=4 DEJAVU_MAX_RESTARTS=8 $D run --config c.yaml --max-restarts 9 "
              "--show-config");
    HAS("interval: 5s  # c.yaml:1\n");
    HAS("keep: 4  # DEJAVU_KEEP\n");
    HAS("max-restarts: 9  # command line\n");
    HAS("quiesce-timeout: 30s  # default\n");
    STATUS(2, "printf 'interval: 5s\\n  kep: 3\\n' > c.yaml; $D run --config c.yaml -- $P");
    HAS("c.yaml:2:");
    STATUS(2, "printf 'interval: 5s\\nkep: 3\\n' > c.yaml; $D run --config c.yaml -- $P");
    HAS("c.yaml:2:1: there is no option \"kep\"; did you mean keep?");
    STATUS(2, "printf 'keep: [1, 2]\\n' > c.yaml; $D run --config c.yaml -- $P");
    HAS("must be a plain one");
    STATUS(0, "$T $D run --job J --keep 5 -- $P iterations=5 && $D restart J --show-config "
              "--interval 2s");
    HAS("keep: 5  # job\n");
    HAS("interval: 2s  # command line\n");
    STATUS(0, "$D run --help");
    HAS("--quiesce-timeout=TIME");
}

static void missing_launcher(void **state)
{
    STATUS(3, "$D run -n 2 --mpiexec no-such-mpiexec --job J -- $P");
    HAS("cannot start no-such-mpiexec");
}

/* ---- the store ------------------------------------------------------------ */

static void inherits_and_compacts(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms --chain 2 -- $P iterations=120 inherit && $D "
              "ls J && $D verify J && cat J/events");
    HAS(" parent ");
    HAS("level shared  survives all");
    HAS(" compact epoch=");
    HAS(" status=0 file_bytes=");
    HAS_NOT("damaged");
    /* Bounded, whatever the pace of compaction: complete epochs are asked for at twice that. */
    for (int length = 6; length < 20; length++) {
        char text[32];
        snprintf(text, sizeof text, "chain %d ", length);
        HAS_NOT(text);
    }
}

/* Compaction that does not come to an end (its process is stopped; one may end before it can be, then it is the next one):
 * complete epochs are asked for. */
static void chain_is_bounded_without_compaction(void **state)
{
    STATUS(
        143,
        "$T $D run --job J --interval 20ms --chain 2 --keep 90 -- $P iterations=9000 "
        "inherit & W ' running '; S=$(sed 's/ .*//' J/supervisor); for i in $(seq 20000); "
        "do C=$(pgrep -P $S -x dejavu) && kill -STOP $C && break; done; kill -0 $C || exit 71; W "
        "'committed epoch=15 '; $D stop J; wait; $D ls J; kill -0 $C && exit 70; exit 143");
    HAS("parent ");
    HAS_NOT("chain 5");
    const char *complete = out;
    for (int i = 0; i < 3; i++) {
        complete = strstr(complete, "complete  level");
        assert_non_null(complete);
        complete++;
    }
}

static void restarts_from_a_chain(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms --chain 0 -- $P iterations=100 die=1@60 "
              "inherit; $D ls J");
    HAS("rank 1 done 100 from ");
    HAS_NOT("rank 1 done 100 from 0");
    HAS("parent ");
}

/* What is inherited from is lost while the job runs: the next epoch is complete. */
static void parent_lost(void **state)
{
    STATUS(143, "$T $D run --job J --interval 30ms --chain 0 --keep 90 -- $P iterations=1000 "
                "inherit & S=$!; W 'committed epoch=2 '; rm J/epochs/000001/rank-0.dvi; W "
                "'committed epoch=6 '; $D stop J; wait $S; R=$?; $D ls J; $D verify J; exit $R");
    HAS("cannot be inherited from; the next one is complete");
    HAS("     1  damaged: ");
    HAS("     2  damaged: ");
    STATUS(0, "L=$($D ls J | awk 'END{print $1}'); $D verify --epoch $L J");
    HAS("whole");
    /* And what depends on something damaged is damaged: a restart goes back behind it. */
    STATUS(143, "C=$($D ls J | awk '$1 > 2 && /complete/ {print $1; exit}'); printf XXXX | dd "
                "of=J/epochs/$(printf %%06d $C)/rank-0.dvi bs=1 seek=100 conv=notrunc status=none; "
                "rm J/epochs/000002/rank-0.dvi; cp -r J/epochs/$(printf %%06d $C) J/keep; timeout "
                "--preserve-status 2 $D restart J; echo restart $?; exit 143");
    HAS("no epoch of ");
    HAS("restart 1\n");
}

static void falls_back_behind_a_chain(void **state)
{
    /* 1 complete, all others on it; then a restart without inheriting, and back. */
    STATUS(0, "$T $D run --job J --interval 30ms --chain 0 --keep 90 -- $P iterations=1000 inherit "
              "& S=$!; W 'committed epoch=3 '; $D stop J; wait $S; L=$($D ls J | awk 'END{print "
              "$1}'); F=J/epochs/$(printf %%06d $L)/rank-0.dvi; printf XXXX | dd of=$F bs=1 "
              "seek=100 conv=notrunc status=none; $T $D restart J --interval 0; echo damaged $L");
    HAS("cannot be used; falling back to the one before");
    HAS("restarting from epoch ");
    HAS_NOT("beginning");
}

static void lost_node(void **state, const char *level)
{
    STATUS(0,
           "$T $D run -n 4 --job J --interval 30ms --nodes a,b,c %s -- $P iterations=1000 inherit "
           "& S=$!; W 'committed epoch=3 '; $D stop J; wait $S; $D ls J; rm -r b; $D verify J && "
           "rm -r c && $T $D restart J --interval 0 --nodes a,b,c; $D verify J && ls b c",
           level);
    HAS("survives 1 of 3");
    HAS("rebuilt");
    HAS("restarting from epoch ");
    HAS("epochs");
    HAS_NOT("damaged: ");
    STATUS(1, "rm -r a b; $D restart J");
    HAS("cannot be rebuilt: ");
    HAS("node 0 (");
    HAS("node 1 (");
    HAS("no epoch of ");
}

static void partner_level(void **state)
{
    lost_node(state, "--level partner");
}

static void rs_level(void **state)
{
    lost_node(state, "--level rs --parity 1");
}

static void node_levels(void **state)
{
    STATUS(0, "$T $D run -n 2 --job J --interval 30ms --level disk --nodes a,b --keep 1 -- $P "
              "iterations=60 && $D ls J && $D verify J && find a b && ls J/epochs/*");
    HAS("level disk  survives 0 of 2");
    HAS("spare/rank-1.dvi");
    HAS_NOT("J/epochs/000001/rank");
    STATUS(2, "$D run --job J2 --level disk -- $P");
    HAS("needs --nodes");
    STATUS(2, "$D run --job J2 --level rs --nodes a,b --parity 2 -- $P");
    HAS("--parity must be from 1 to 1");
    STATUS(2, "$D run --job J2 --level partner --nodes a,./a -- $P");
    HAS("the same directory");
    STATUS(2, "$D run --job J2 --level partnr --nodes a,b -- $P");
    HAS("did you mean \"partner\"?");
    STATUS(2, "mkdir -m 755 a/x; test $(stat -f -c %%T a) = tmpfs && { echo 'is not in memory'; "
              "exit 2; }; $D run --job J2 --level memory --nodes a -- $P");
    HAS("is not in memory");
}

/* A node that cannot be used, and copies that cannot be made: the checkpoint is given up, the application runs on. */
static void node_in_trouble(void **state)
{
    STATUS(
        0,
        "$T $D run -n 2 --job J --interval 30ms --level partner --nodes a,b -- $P iterations=600 & "
        "S=$!; W 'committed epoch=2 '; rm -r b; echo > b; W ' aborted '; rm b; N=$(grep -c ' "
        "committed ' J/events); C committed $N; wait $S; R=$?; $D verify J; exit $R");
    HAS("rank 1 done 600 from 0");
    HAS_NOT("damaged");
}

/* The whole supervisor is killed just when it compacts. */
static void killed_while_compacting(void **state)
{
    STATUS(0, "N=0; mkdir -m 700 J; touch J/events; $D run -n 2 --job J --interval 20ms --chain 1 "
              "-- $P iterations=600 inherit & S=$!; for i in 1 2 3 4; do C compact $N; kill -9 $S; "
              "wait $S; N=$(grep -c ' compact ' J/events); $D verify J || exit 70; $D restart J & "
              "S=$!; done; wait $S");
    HAS("rank 0 done 600 from ");
    HAS_NOT("from the beginning");
    HAS_NOT("damaged");
}

static void compact_and_gc(void **state)
{
    STATUS(0, "$T $D run --job J --interval 20ms --chain 0 --keep 2 -- $P iterations=100 inherit & "
              "S=$!; W 'committed epoch=3 '; $D compact J; echo compact $?; $D gc J; echo gc $?; "
              "wait $S; $D compact J && $D ls J && $D compact J && $D verify J && $D gc --keep 1 J "
              "&& $D ls J && ls J/epochs J/spare && $T $D restart J --interval 0");
    HAS("compact 2\n");
    HAS("gc 2\n");
    HAS("is complete: ");
    HAS("is complete already\n");
    HAS("removed ");
    HAS("rank 0 done 100 from ");
    STATUS(0, "ls J/epochs | wc -l");
    HAS("1\n");
    STATUS(2, "$D gc J --keep 0");
    HAS("is not a whole number");
    STATUS(2, "$D compact J --epoch 77");
    HAS("no committed epoch 77");
    STATUS(2, "$D gc J --epoch 77");
    HAS("has no option --epoch");
}

static int find_programs(void **state)
{
    (void)state;
    ssize_t length = readlink("/proc/self/exe", tests, sizeof tests - 1);
    if (length < 0)
        return -1;
    tests[length] = '\0';
    *strrchr(tests, '/') = '\0';
    snprintf(bin, sizeof bin, "%.*s/bin", (int)(strrchr(tests, '/') - tests), tests);
    return access(tests, X_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, check_make_directory, check_remove_directory)
    const struct CMUnitTest list[] = {
        T(runs_and_commits),
        T(decisions_are_recorded),
        T(agrees_on_a_cut),
        T(steps_parked_ranks),
        T(recovers_a_rank),
        T(recovers_a_direct_rank),
        T(recovers_mpiexec),
        T(restarts_from_the_beginning),
        T(own_failures_are_final),
        T(same_signal_twice),
        T(gives_up),
        T(refusal_is_said_once),
        T(gives_a_cut_up),
        T(damaged_epoch_is_left),
        T(no_whole_epoch),
        T(damage_found_late),
        T(commands),
        T(commanded_refusal),
        T(stop_without_checkpoint),
        T(supervisor_killed),
        T(restart_of_a_restart),
        T(inherits_and_compacts),
        T(chain_is_bounded_without_compaction),
        T(restarts_from_a_chain),
        T(parent_lost),
        T(falls_back_behind_a_chain),
        T(partner_level),
        T(rs_level),
        T(node_levels),
        T(node_in_trouble),
        T(killed_while_compacting),
        T(compact_and_gc),
        T(wrong_token),
        T(other_program),
        T(used_directory),
        T(bad_arguments),
        T(configuration),
        T(missing_launcher),
    };
    cmocka_set_test_filter(getenv("CHECK_ONLY"));
    return cmocka_run_group_tests_name("control_supervisor", list, find_programs, NULL);
}
