#!/usr/bin/python3
"""What cannot be captured makes `dejavu checkpoint` refuse with the reason, while the application runs on and ends right;
once it is gone checkpoints work, and a restart from one does. usage: refused.py KIND"""
import os
import re
import signal
import subprocess

from support import SKIPPED, Job, check, check_one_line, dejavu, hazard, main, native, skip

# What the message must name. (MPI kinds also say which call made the object.)
KINDS = {
    "thread": ["thread"],
    "child": ["child process", "hazard-refused"],
    "socket": ["socket"],
    "timer": ["timer", "timer_create"],
    "guard": ["guards", "MADV_GUARD_INSTALL"],
}
MPI_KINDS = {
    "window": ["MPI_Win_allocate", r"hazard-mpi-unsupported\+0x"],
    "file": ["MPI_File_open", r"hazard-mpi-unsupported\+0x"],
}


def touch(name):
    with open(name, "w"):
        pass


def try_kind(kind, ranks=0):
    program = (hazard("mpi-unsupported" if ranks else "refused"), kind)
    if kind == "guard" and subprocess.run([*program, "1"], stdin=subprocess.DEVNULL, check=False).returncode == SKIPPED:
        skip("this kernel has no guard pages")
    digest = native(*program, ranks=ranks)
    count = ["-n", str(ranks)] if ranks else []
    with Job("run", *count, "--", *program, env={"HAZARD_WAIT": "1"}) as job:
        job.wait_word("HELD")
        for _ in range(2):
            done = dejavu("checkpoint", "job")
            check_one_line(done, 1, "cannot checkpoint now", *(MPI_KINDS if ranks else KINDS)[kind])
            check(done.stdout == "", "an epoch was printed all the same")
        check(job.process.poll() is None, "the application did not run on")
        check(dejavu("ls", "job").returncode == 4, "an epoch was committed")
        touch("release")
        job.wait_word("FREE")
        done = dejavu("checkpoint", "job")
        check(done.returncode == 0, "no checkpoint after the obstacle is gone")
        os.kill(job.ranks()[-1], signal.SIGKILL)
        job.wait_for(lambda: re.search(r"restarting from epoch \d+", job.err()), "the recovery")
        touch("end")
        job.wait_end(0, digest)


if __name__ == "__main__":
    main({**{kind: lambda kind=kind: try_kind(kind) for kind in KINDS},
          **{kind: lambda kind=kind: try_kind(kind, 2) for kind in MPI_KINDS}})
