#!/usr/bin/python3
"""Bad input on the command line: each case checks that there is one clear line on stderr that names the object, the
documented exit status, and that nothing is lost. usage: bad_input.py CASE"""
import os
import shutil
import subprocess

from support import (DEJAVU, Job, check, check_one_line, committed, dejavu, digest_of, events, hazard, main, native, skip,
                     wait_until)

FAILED, USAGE, ENVIRONMENT, NOTHING = 1, 2, 3, 4
COMPUTE = hazard("compute")


def refused(status, *patterns, program=COMPUTE, options=(), job="job"):
    """`dejavu run` refuses, and leaves nothing behind."""
    before = set(os.listdir("."))
    done = dejavu("run", *(["--job", job] if job else []), *options, "--", program)
    check_one_line(done, status, *patterns)
    check(digest_of(done.stdout) is None, "the program has run all the same")
    check(set(os.listdir(".")) == before, f"left behind: {set(os.listdir('.')) - before}")


def write(name, content, mode=0o755):
    with open(name, "wb") as f:
        f.write(content)
    os.chmod(name, mode)


def missing_program():
    refused(USAGE, "no-such-program", "No such file", program="./no-such-program")
    refused(USAGE, "no-such-program", "PATH", program="no-such-program")
    shutil.copy(COMPUTE, "here-only")
    refused(USAGE, "here-only", r"did you mean \./here-only", program="here-only")


def not_executable():
    shutil.copy(COMPUTE, "plain")
    os.chmod("plain", 0o644)
    refused(USAGE, "plain", "not executable", program="./plain")
    os.mkdir("folder")
    refused(USAGE, "folder", "directory", program="./folder")


def static_program():
    with open("static.c", "w") as f:
        f.write("int main(void) { return 0; }\n")
    if shutil.which("gcc") is None or subprocess.run(["gcc", "-static", "static.c", "-o", "static"]).returncode:
        skip("no static program can be linked here")
    refused(USAGE, "static", "statically linked", "dynamically", program="./static")
    if subprocess.run(["gcc", "-static-pie", "static.c", "-o", "static-pie"]).returncode == 0:
        refused(USAGE, "static-pie", "statically linked", program="./static-pie")


def script():
    write("script", b"#!/bin/sh\necho DIGEST 0\n")
    refused(USAGE, "script", "interpreter", program="./script")


def not_elf():
    write("text", b"this is no program\n")
    refused(USAGE, "text", "not an ELF", program="./text")
    write("empty", b"")
    refused(USAGE, "empty", "not an ELF", program="./empty")
    with open(COMPUTE, "rb") as f:
        content = bytearray(f.read())
    write("cut", content[:70])
    refused(USAGE, "cut", "truncated", program="./cut")
    content[18:20] = (183).to_bytes(2, "little")  # e_machine: AArch64
    write("arm", content)
    refused(USAGE, "arm", "processor", "x86-64", program="./arm")


def wrong_strategy():
    refused(USAGE, 'capture strategy "ful"', 'did you mean "full"', options=["--capture", "ful"])
    refused(USAGE, 'protocol strategy "cordinated"', 'did you mean "coordinated"', options=["--protocol", "cordinated"])
    refused(USAGE, 'capture strategy "qqqqq"', "there is: ", options=["--capture", "qqqqq"])
    refused(USAGE, "full", "no-such-option", options=["--capture-options", "no-such-option=1"])


def wrong_option():
    refused(USAGE, "--intervall", "did you mean --interval", options=["--intervall", "10s"])
    refused(USAGE, "-x", options=["-x"])
    refused(USAGE, "--ranks", '"two"', options=["-n", "two"])
    refused(USAGE, "--ranks", options=["-n", "0"])
    refused(USAGE, "--max-restarts", '"-1"', options=["--max-restarts=-1"])
    check_one_line(dejavu("run"), USAGE, "no program")
    check_one_line(dejavu("run", "--job"), USAGE, "--job", "value")


def bad_interval():
    for text in ("soon", "10 parsecs", "-5", "1e300"):
        refused(USAGE, "--interval", f'"{text}"', "10s", options=[f"--interval={text}"])
    done = dejavu("run", "--job", "job", "--", COMPUTE, env={**os.environ, "DEJAVU_INTERVAL": "never"})
    check_one_line(done, USAGE, "--interval", "DEJAVU_INTERVAL", '"never"')


def wrong_verb():
    check_one_line(dejavu("restrat", "job"), USAGE, '"restrat"', 'did you mean "restart"')
    check_one_line(dejavu("frobnicate"), USAGE, '"frobnicate"')
    check_one_line(dejavu(), USAGE, "no verb")
    check_one_line(dejavu("status"), USAGE, "job directory")
    check_one_line(dejavu("status", "a", "b"), USAGE, "not more")


def job_is_no_directory():
    write("file", b"", 0o600)
    refused(USAGE, "file", "not a directory", job="file")
    for verb in ("restart", "status", "ls", "verify", "checkpoint", "stop"):
        check_one_line(dejavu(verb, "file"), USAGE, "file", "job directory")
        check_one_line(dejavu(verb, "nothing-there"), USAGE, "nothing-there", "No such file")
    os.mkdir("folder", 0o700)
    for verb in ("restart", "status", "ls", "verify", "checkpoint", "stop"):
        check_one_line(dejavu(verb, "folder"), USAGE, "folder", "not a job directory")


def as_nobody(*command):
    """Run as an ordinary user if we are root."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command] if os.getuid() == 0 else list(command)


def unwritable_job():
    """A job directory in a folder that cannot be written; the same for an existing one."""
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        skip("setpriv is needed to become an ordinary user")
    os.mkdir("locked", 0o555)
    done = subprocess.run(as_nobody(DEJAVU, "run", "--job", "locked/job", "--", "/bin/true"), capture_output=True, text=True,
                          timeout=60)
    print(done.stderr)
    check_one_line(done, ENVIRONMENT, "locked/job", "Permission denied")
    os.mkdir("read-only", 0o700)
    os.chmod("read-only", 0o500)
    if os.getuid() == 0:
        os.chown("read-only", 65534, 65534)
    os.chmod(".", 0o755)
    done = subprocess.run(as_nobody(DEJAVU, "run", "--job", "read-only", "--", "/bin/true"), capture_output=True, text=True,
                          timeout=60)
    print(done.stderr)
    check_one_line(done, ENVIRONMENT, "read-only", "Permission denied")
    check(os.listdir("read-only") == [], "something was written")


def foreign_job():
    """A job directory that others could read, or that belongs to another user, is not used."""
    os.mkdir("open", 0o755)
    os.chmod("open", 0o755)
    check_one_line(dejavu("run", "--job", "open", "--", COMPUTE), USAGE, "open", "chmod 700")
    check(os.listdir("open") == [], "something was written")
    if os.getuid() != 0:
        return
    os.mkdir("others", 0o700)
    os.chown("others", 65534, 65534)
    check_one_line(dejavu("run", "--job", "others", "--", COMPUTE), USAGE, "others", "belongs to user 65534")
    check(os.listdir("others") == [], "something was written")


def running_already():
    digest = native(COMPUTE, "300")
    with Job("run", "--interval", "300ms", "--", COMPUTE, "300") as job:
        job.wait_committed(1)
        check_one_line(dejavu("run", "--job", "job", "--", COMPUTE), USAGE, "running already", "job",
                       f"process {job.process.pid}")
        check_one_line(dejavu("restart", "job"), USAGE, "running already", "job", f"process {job.process.pid}")
        job.wait_end(0, digest)
    check(len(committed("job")) > 0, "no epoch is left")


def used_already():
    """A new run must not destroy the epochs of an earlier one."""
    with Job("run", "--interval", "300ms", "--", COMPUTE, "200") as job:
        job.wait_committed(1)
        job.wait_end(0, None)
    before = committed("job")
    check_one_line(dejavu("run", "--job", "job", "--", COMPUTE), USAGE, "job", "restart", "--job")
    check(committed("job") == before, "epochs were lost")
    check(dejavu("verify", "job").returncode == 0, "epochs were damaged")


def not_running():
    with Job("run", "--", COMPUTE, "3") as job:
        job.wait_end(0, None)
    for verb in ("checkpoint", "stop"):
        check_one_line(dejavu(verb, "job"), USAGE, "job", "not running")
    done = dejavu("status", "job")
    check(done.returncode == 0 and "not running" in done.stdout, "status does not say that it is not running")


def no_epochs():
    """A job that never committed an epoch begins again, and says so."""
    digest = native(COMPUTE)
    with Job("run", "--", COMPUTE) as job:
        wait_until(lambda: events(job.directory, "running"), "the application to run")
        job.process.kill()
        job.process.wait()
    check_one_line(dejavu("ls", "job"), NOTHING, "job", "no committed epoch")
    check_one_line(dejavu("verify", "job"), NOTHING, "job", "no committed epoch")
    check_one_line(dejavu("restart", "--epoch", "1", "job"), USAGE, "job", "no committed epoch 1")
    done = dejavu("restart", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "the job does not begin again")
    check("begin" in done.stderr, "it does not say that it begins again")


def wrong_epoch():
    with Job("run", "--interval", "300ms", "--", COMPUTE, "200") as job:
        job.wait_committed(2)
        job.wait_end(0, None)
    before = committed("job")
    check_one_line(dejavu("restart", "--epoch", "4711", "job"), USAGE, "no committed epoch 4711", "job", "dejavu ls")
    check_one_line(dejavu("restart", "--epoch", "last", "job"), USAGE, "--epoch", '"last"')
    done = dejavu("verify", "--epoch", "4711", "job")
    check(done.returncode == FAILED and "not committed" in done.stdout, "verify does not say that it is not committed")
    check(committed("job") == before, "epochs were lost")


def closed_streams():
    """Without standard streams: nothing of ours may take their numbers."""
    digest = native(COMPUTE)
    done = subprocess.run(["/bin/sh", "-c", f"exec {DEJAVU} run --job job --interval 200ms -- {COMPUTE} <&- 2>&-"],
                          stdout=subprocess.PIPE, text=True, timeout=60)
    check(done.returncode == 0 and digest_of(done.stdout) == digest, f"status {done.returncode}, {done.stdout}")
    check(dejavu("verify", "job").returncode == 0, "the epochs are not whole")


if __name__ == "__main__":
    main({name.replace("_", "-"): case for name, case in list(globals().items())
          if callable(case) and getattr(case, "__module__", "") == "__main__"
          and name not in ("refused", "write", "as_nobody")})
