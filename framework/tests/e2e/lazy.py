#!/usr/bin/python3
"""Restores that map the image instead of reading it: the application does not notice, whatever it does with its memory, and
an image that turns out to be damaged afterwards is not taken for good. usage: lazy.py CASE"""
import os
import re

from support import Job, check, committed, dejavu, digest_of, events, hazard, main, native

ADVICE = hazard("advice")


def figure(job, name):
    """Of all ranks that were restored, in order."""
    return [int(re.search(rf"\b{name}=(\d+)", line).group(1)) for line in events(job, "restored")]


def checkpoint():
    """One epoch; while the program has a child there can be none."""
    for _ in range(50):
        done = dejavu("checkpoint", "job")
        if done.returncode == 0 or "child process" not in done.stderr:
            break
    check(done.returncode == 0, "no checkpoint")


def stopped_job(rounds, *options, epochs=1):
    """A job that waits for the file `go` and has so many epochs; stopped. Returns their numbers."""
    with Job("run", *options, "--", ADVICE, str(rounds), env={"HAZARD_WAIT": "1"}) as job:
        job.wait_word("ready")
        for _ in range(epochs):
            checkpoint()
        check(dejavu("stop", "--no-checkpoint", "job").returncode == 0, "the job cannot be stopped")
        job.process.wait(30)
    with open("go", "w"):
        pass
    return committed("job")


def calls(*options):
    """mremap, realloc, madvise, mprotect, fork, munmap on mapped memory."""
    digest = native(ADVICE, "300")
    stopped_job(300, *options)
    done = dejavu("restart", "--restore", "lazy", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, f"{digest_of(done.stdout)}, not {digest}")
    lazy, loaded = figure("job", "lazy_bytes")[-1], figure("job", "loaded_bytes")[-1]
    check(lazy > loaded > 0, f"{lazy} bytes were mapped, {loaded} read")


def calls_guarded():
    """The same where the placement thread sees every call of madvise, whatever the advice."""
    calls("--capture", "incremental", "--capture-options", "tracker=mprotect")


def again(capture="full"):
    """Restored lazily, captured, restored lazily from that, and read eagerly once more."""
    digest = native(ADVICE, "300")
    stopped_job(300, "--capture", capture)
    for how in "lazy", "lazy", "eager":
        before = len(events("job", "running"))
        with Job("restart", "--restore", how) as job:
            job.wait_for(lambda: len(events("job", "running")) > before, "the ranks run")
            checkpoint()
            check(dejavu("stop", "--no-checkpoint", "job").returncode == 0, "the job cannot be stopped")
            job.process.wait(30)
    done = dejavu("restart", "--restore", "lazy", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, f"{digest_of(done.stdout)}, not {digest}")
    check(figure("job", "lazy_bytes")[2] == 0 < figure("job", "lazy_bytes")[1], "eager and lazy are mixed up")


def chain():
    """The same from images that inherit from each other."""
    again("incremental")
    check(figure("job", "chain_length")[-1] > 1, f"chains are {figure('job', 'chain_length')} images long")


def damaged(rounds):
    digest = native(ADVICE, str(rounds))
    old, new = stopped_job(rounds, "--capture", "full", epochs=2)[-2:]
    path = f"job/epochs/{new:06d}/rank-0.dvi"
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x10]))
    done = dejavu("restart", "--restore", "lazy", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, f"{digest_of(done.stdout)}, not {digest}")
    check(len(figure("job", "lazy_bytes")) == 2, "it was not restored twice")
    check(re.search(rf"^dejavu: .*epoch {new} cannot be restored: .*{new:06d}/rank-0\.dvi is damaged", done.stderr, re.M),
          "it does not say what is damaged")
    check(re.search(rf"^dejavu: .*from epoch {old}\b", done.stderr, re.M), f"it does not say that it uses epoch {old}")


def damaged_image():
    """Found while the application runs: the epoch before is used."""
    damaged(300)


def damaged_image_at_the_end():
    """An application that ends before all is checked has not ended."""
    damaged(1)


def unknown_way():
    stopped_job(1)
    done = dejavu("restart", "--restore", "lasy", "job")
    check(done.returncode == 2 and "did you mean lazy?" in done.stderr, "it is not refused")


main({"calls": calls, "calls-guarded": calls_guarded, "again": again, "chain": chain, "damaged-image": damaged_image, "damaged-image-at-the-end": damaged_image_at_the_end,
      "unknown-way": unknown_way})
