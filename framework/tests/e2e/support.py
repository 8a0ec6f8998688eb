"""What the end-to-end tests share: starting jobs, waiting for what they do, and judging what they say."""
import os
import re
import signal
import subprocess
import sys
import time

TOP = os.path.abspath(os.environ.get("DEJAVU_TOP", os.path.join(os.path.dirname(__file__), "../../..")))
BUILD = os.path.abspath(os.environ.get("DEJAVU_BUILD", os.path.join(TOP, "build")))
DEJAVU = os.path.join(BUILD, "bin", "dejavu")
TESTS = os.path.join(BUILD, "tests")
SKIPPED = 77
LIMIT_S = 60


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def skip(why):
    print(why)
    sys.exit(SKIPPED)


def hazard(name):
    return os.path.join(TESTS, "hazard-" + name)


def dejavu(*arguments, **options):
    """Run a verb to its end."""
    options.setdefault("timeout", LIMIT_S)
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([DEJAVU, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    print("$ dejavu " + " ".join(arguments), f"-> {done.returncode}", flush=True)
    for line in (done.stdout + done.stderr).splitlines():
        print("    " + line)
    return done


def messages(text):
    """DejaVu's own lines."""
    return [line for line in text.splitlines() if line.startswith("dejavu: ")]


def check_one_line(done, status, *patterns):
    """The exit status, and exactly one line on stderr, from dejavu, that all the patterns are found in."""
    check(done.returncode == status, f"exit status {done.returncode}, not {status}")
    lines = done.stderr.splitlines()
    check(len(lines) == 1, f"{len(lines)} lines on stderr, not one")
    check(lines[0].startswith("dejavu: "), "the message does not begin with 'dejavu: '")
    for pattern in patterns:
        check(re.search(pattern, lines[0]), f"the message does not say /{pattern}/")


def digest_of(text):
    lines = [line for line in text.splitlines() if line.startswith("DIGEST ")]
    return lines[-1] if lines else None


def native(*command, ranks=0, **options):
    """The digest of a run without DejaVu."""
    launcher = ["mpiexec.mpich", "-n", str(ranks)] if ranks else []
    done = subprocess.run([*launcher, *command], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, **options)
    digest = digest_of(done.stdout)
    check(digest, "the program prints no DIGEST line")
    return digest


def committed(job):
    """The committed epochs, as `dejavu ls` lists them."""
    done = subprocess.run([DEJAVU, "ls", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S)
    return [int(line.split()[0]) for line in done.stdout.splitlines()]


def events(job, name):
    """The lines of JOB/events about one kind of event."""
    try:
        with open(os.path.join(job, "events")) as f:
            return [line for line in f if line.split(" ", 2)[1:2] in ([name], [name + "\n"])]
    except OSError:
        return []


def wait_until(condition, what, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while not condition():
        check(time.monotonic() < end, f"waited {limit_s} s in vain for {what}")
        time.sleep(0.005)


class Job:
    """A job that runs in the background; its whole tree is killed at the end of the `with`."""

    def __init__(self, verb, *arguments, name="job", env=None, **options):
        self.directory = os.path.abspath(name)
        self.out_path, self.err_path = name + ".out", name + ".err"
        with open(self.out_path, "a") as out, open(self.err_path, "a") as err:
            where = ["--job", name] if verb == "run" else [name]
            command = [DEJAVU, verb, *where, *arguments] if verb == "run" else [DEJAVU, verb, *arguments, *where]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(env or {})}, **options)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill() # the ranks end with their supervisor
                self.process.wait()
        if exception[0]:
            print(f"--- stdout of {self.directory}\n{self.out()[-2000:]}--- stderr\n{self.err()[-3000:]}---")

    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def wait_for(self, condition, what):
        def settled():
            return condition() or self.process.poll() is not None
        wait_until(settled, what)
        check(condition(), f"the job ended with status {self.process.poll()} before {what}")

    def wait_committed(self, count):
        self.wait_for(lambda: len(events(self.directory, "committed")) >= count, f"{count} committed epochs")

    def wait_word(self, word):
        self.wait_for(lambda: word in self.out().split(), f"the word {word}")

    def wait_end(self, status, digest, limit_s=LIMIT_S):
        try:
            got = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"the job did not end within {limit_s} s") from None
        check(got == status, f"the job ended with status {got}, not {status}")
        check(digest is None or digest_of(self.out()) == digest, f"{digest_of(self.out())}, not {digest}")

    def ranks(self):
        """Process ids of the ranks, as told by `dejavu status`."""
        done = subprocess.run([DEJAVU, "status", self.directory], stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
        return [int(pid) for pid in re.findall(r"^rank \d+: .*, process (\d+),", done.stdout, re.M)]


def main(cases):
    """Run the case that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1] not in cases:
        sys.exit(f"usage: {sys.argv[0]} " + "|".join(cases))
    try:
        cases[sys.argv[1]](*sys.argv[2:])
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
