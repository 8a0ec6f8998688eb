#!/usr/bin/python3
"""Debian's netpipe-mpich2, a binary that is not ours: attached, with checkpoints, and killed. Its file of results must hold
each message size once, as a run without DejaVu writes them; its integrity check must pass."""
import os
import re
import shutil
import signal
import subprocess

from support import Job, check, committed, main, skip

SIZES = ["-u", "262144", "-n", "800"]


def find():
    path = shutil.which("NPmpich2")
    if path is None:
        skip("netpipe-mpich2 is not installed")
    return path


def sizes(path):
    with open(path) as f:
        lines = [line.split() for line in f if line.strip()]
    check(all(len(line) == 3 and float(line[1]) > 0 for line in lines), f"{path} holds lines that are none")
    return [int(line[0]) for line in lines]


def reference(program):
    subprocess.run(["mpiexec.mpich", "-n", "2", program, "-u", "262144", "-n", "2", "-o", "native.out"], check=True, timeout=60,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return sizes("native.out")


def kill():
    program = find()
    wanted = reference(program)
    with Job("run", "-n", "2", "--interval", "200ms", "--", program, *SIZES, "-o", "attached.out") as job:
        job.wait_committed(2)
        os.kill(job.ranks()[0], signal.SIGKILL)
        job.wait_for(lambda: re.search(r"restarting from epoch \d+", job.err()), "the recovery")
        job.wait_end(0, None, limit_s=120)
    check(sizes("attached.out") == wanted, "sizes are missing, or there more than once")
    check(len(committed("job")) > 0, "no epoch was committed")


def integrity():
    program = find()
    with Job("run", "-n", "2", "--interval", "100ms", "--", program, "-i", "-u", "1048576", "-n", "1000", "-o", "np.out") as job:
        job.wait_end(0, None, limit_s=120)
        text = job.out() + job.err()
        passed = len(re.findall("Integrity check passed", text))
        check(passed > 20, f"the integrity check passed {passed} times")
        check("failed" not in text, "an integrity check failed")
        check(len(committed("job")) > 0, "no epoch was committed")


if __name__ == "__main__":
    main({"kill": kill, "integrity": integrity})
