#!/usr/bin/python3
"""Kill a job at random moments and compare what it computes with an uninterrupted run.

    kill.py --runs 20 --ranks 2 [--when any|checkpoint|writing|restart] \
            [--victim any|rank|all|mpiexec|supervisor|writer] [--interval 0.2:0.5] [--kills 1] [--seed S] \
            [--incremental] [--options "dejavu options"] -- program arguments

Each run draws its moment, victim and checkpoint interval from a generator seeded with "seed/run", so that one run can be
repeated alone with --first N --runs 1. A run passes if the job recovers by itself, once for each kill, and ends
with status 0 and the last `DIGEST` line of the reference, within --limit seconds. --ranks 0 runs a program without MPI.
--incremental: chains of incremental images; how pages are tracked, kept while they are written, packed, how many epochs are
kept, how long chains may be and how a restart brings memory back are drawn for each run. The victim "writer" is the process
that a rank has forked to write an image: then an epoch is given up, and nothing is restarted.
"""
import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("DEJAVU_BUILD", "build")
DEJAVU = os.path.join(BUILD, "bin", "dejavu")


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=10)
    p.add_argument("--first", type=int, default=0, help="number of the first run")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--when", choices=["any", "checkpoint", "writing", "restart"], default="any")
    p.add_argument("--victim", choices=["any", "rank", "all", "mpiexec", "supervisor", "writer"], default="any")
    p.add_argument("--interval", default="0.2:0.5", help="seconds between checkpoints, low:high")
    p.add_argument("--kills", type=int, default=1)
    p.add_argument("--limit", type=float, default=120)
    p.add_argument("--seed", default=os.environ.get("DEJAVU_SEED", "1"))
    p.add_argument("--commits", type=int, default=0, help="how many epochs all runs together must commit at least")
    p.add_argument("--incremental", action="store_true")
    p.add_argument("--options", default="", help="more options of dejavu run")
    p.add_argument("--keep-jobs", action="store_true")
    p.add_argument("--result", default="^DIGEST .*", help="what the last line that counts looks like (regular expression)")
    p.add_argument("program", nargs="+")
    return p.parse_args()


def digest(text, args):
    """The last match of --result."""
    lines = [found.group() for found in re.finditer(args.result, text, re.M)]
    return lines[-1] if lines else None


def environ(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return f.read()
    except OSError:
        return b""


def children(pid):
    """All living descendants: {pid: (executable, parent's pid)}."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    stat = f.read()
                fields = stat[stat.rindex(")") + 2:].split()
                if fields[0] != "Z":
                    parents.setdefault(int(fields[1]), []).append(int(entry))
            except OSError:
                pass
    found, todo = {}, [pid]
    while todo:
        parent = todo.pop()
        for child in parents.get(parent, []):
            try:
                found[child] = (os.readlink(f"/proc/{child}/exe"), parent)
            except OSError:
                continue
            todo.append(child)
    return found


def is_rank(entry):
    return entry[0].endswith("/dejavu-rank")


def victims(kind, supervisor, rng):
    tree = children(supervisor)
    # What a rank has forked, to write an image or because the program did, is no rank.
    ranks = sorted(p for p, e in tree.items() if is_rank(e) and not is_rank(tree.get(e[1], ("", 0))))
    launcher = sorted(p for p, e in tree.items() if "mpiexec" in e[0] or "hydra" in e[0])
    if kind == "supervisor":
        return [supervisor]
    if kind == "writer":
        return sorted(p for p, e in tree.items() if e[1] in ranks)
    if kind == "mpiexec" and launcher:
        return launcher[:1]
    if kind == "all":
        return ranks
    return [rng.choice(ranks)] if ranks else []


def count_events(job, word):
    try:
        with open(os.path.join(job, "events")) as f:
            return len(re.findall(rf"^[0-9.]+ {word}\b", f.read(), re.M))
    except OSError:
        return 0


def wait_for_moment(args, rng, job, process, length, first):
    """Sleep until the moment to kill at; false if the job has ended before."""
    if args.when == "any":
        end = time.monotonic() + rng.uniform(0, length)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.001)
        return process.poll() is None
    if args.when == "restart" and not first: # the job is just being restarted
        time.sleep(rng.uniform(0, 0.08))
        return process.poll() is None
    word = {"checkpoint": "stop", "writing": "resume", "restart": "committed"}[args.when]
    wanted = count_events(job, word) + rng.randint(1, 3)
    while count_events(job, word) < wanted:
        if process.poll() is not None:
            return False
        time.sleep(0.0005)
    if args.victim != "writer":
        time.sleep(rng.uniform(0, 0.03))
    return process.poll() is None


def supported(option):
    help_text = subprocess.run([DEJAVU, "run", "--help"], capture_output=True, text=True, check=True).stdout
    return re.search(rf"--{option}\b", help_text)


def incremental_options(args, rng):
    """One of the many ways to take incremental checkpoints."""
    tracker = rng.choice(["auto", "wp", "hash", "mprotect"])
    snapshot = "fork" if args.victim == "writer" else rng.choice(["auto", "stop", "copy", "fork"])
    codec = rng.choice(["auto", "none", "lz4", "zstd", "shuffle-lz4", "shuffle-zstd"])
    chosen = ["--capture", "incremental", "--capture-options", f"tracker={tracker}", "--snapshot", snapshot,
              "--codec", codec, "--keep", str(rng.randint(2, 4)), "--restore", rng.choice(["eager", "lazy", "auto"])]
    chain = ["--chain", str(rng.randint(2, 5))]
    return chosen + (chain if supported("chain") else [])


def command(args, job, interval, chosen=()):
    ranks = ["-n", str(args.ranks)] if args.ranks else []
    return [DEJAVU, "run", *ranks, "--job", job, "--interval", f"{interval:.3f}s", "--max-restarts", "50",
            *shlex.split(args.options), *chosen, "--", *args.program]


def one_run(args, number, reference, length, scratch):
    rng = random.Random(f"{args.seed}/{number}")
    low, high = (float(x) for x in args.interval.split(":"))
    interval = rng.uniform(low, high)
    job = os.path.join(scratch, f"job{number}")
    chosen = incremental_options(args, rng) if args.incremental else []
    told = f"run {number}: interval {interval:.3f} s" + "".join(" " + option for option in chosen)
    out, err = open(job + ".out", "w+"), open(job + ".err", "w+")
    process = subprocess.Popen(command(args, job, interval, chosen), stdout=out, stderr=err, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + args.limit
    killed = writers = 0
    for kill in range(args.kills):
        kind = args.victim if args.victim != "any" else rng.choice(["rank", "all", "mpiexec"])
        if not wait_for_moment(args, rng, job, process, length, kill == 0):
            break
        targets = victims(kind, process.pid, rng)
        for pid in targets:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        killed += bool(targets) and kind != "writer"
        writers += bool(targets) and kind == "writer"
        told += f", kill {kind}"
        if kind == "supervisor":
            process.wait()
            time.sleep(0.3)
            process = subprocess.Popen([DEJAVU, "restart", job], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
    try:
        status = process.wait(max(1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        status = f"no end after {args.limit:.0f} s"
        subprocess.run([DEJAVU, "status", job], stdout=err, stderr=err, timeout=20)
        for pid in [*children(process.pid), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()
    out.seek(0)
    err.seek(0)
    got, messages = digest(out.read(), args), err.read()
    restarts = messages.count("restarting from epoch")
    unasked = messages.count("; restarting from") - killed  # a crash of our own is no better for being recovered from
    ok = status == 0 and got == reference and unasked <= 0
    commits = count_events(job, "committed")
    print(f"{'ok    ' if ok else 'FAILED'} {told}, {killed + writers} killed, {commits} committed, "
          f"{restarts} from an epoch", flush=True)
    if not ok:
        print(f"    status {status}, {got}, expected {reference}, {unasked} losses that nobody asked for\n    job {job}")
        print("".join(f"    | {line}\n" for line in messages.splitlines()[-60:]), flush=True)
    elif not args.keep_jobs:
        shutil.rmtree(job, ignore_errors=True)
    return ok, restarts, killed + writers, commits


def main():
    args = parse()
    scratch = tempfile.mkdtemp(prefix="dejavu-kill-")
    native = ["mpiexec.mpich", "-n", str(args.ranks)] if args.ranks else []
    reference = digest(subprocess.run([*native, *args.program], capture_output=True, text=True, check=True,
                                      stdin=subprocess.DEVNULL, timeout=args.limit).stdout, args)
    if reference is None:
        sys.exit(f"the program prints nothing that matches {args.result}")
    start = time.monotonic()
    first = subprocess.run([*command(args, os.path.join(scratch, "length"), 3600.0)], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=args.limit)
    length = time.monotonic() - start
    if digest(first.stdout, args) != reference:
        sys.exit(f"attached, without any kill: {digest(first.stdout, args)}, expected {reference}\n{first.stderr}")
    print(f"seed {args.seed}, {length:.2f} s attached, {reference}: {' '.join(args.program)}", flush=True)
    results = [one_run(args, args.first + i, reference, length, scratch) for i in range(args.runs)]
    good, recovered, killed, commits = (sum(column) for column in zip(*results))
    print(f"{good} of {len(results)} runs ended with the reference's digest; {recovered} recoveries from an epoch")
    if args.when != "any" and killed == 0:
        sys.exit("the program ends before there is a moment to kill it at; give it more to do")
    if commits < args.commits:
        sys.exit(f"{commits} epochs were committed, not {args.commits} or more: the program was never captured")
    if good == len(results):
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if good == len(results) else 1)


if __name__ == "__main__":
    main()
