#!/usr/bin/python3
"""Damaged and unfit epochs: `verify` names what is wrong, a restart falls back to the epoch before and says so, or
refuses in one line, and what is whole stays so. usage: damage.py CASE"""
import os
import re
import shutil
import subprocess
import sys

from support import (Job, check, check_one_line, committed, dejavu, digest_of, hazard, main, native, skip)

FAILED, USAGE, ENVIRONMENT = 1, 2, 3
ROUNDS = "150"
COMPUTE = hazard("compute")


def image(epoch, rank=0):
    return f"job/epochs/{epoch:06d}/rank-{rank}.dvi"


def manifest(epoch):
    return f"job/epochs/{epoch:06d}/manifest"


def interrupted_job(program=(COMPUTE, ROUNDS), ranks=None):
    """A job that has committed at least two epochs and was killed with its supervisor; returns the newest two."""
    options = ["-n", str(ranks)] if ranks else []
    with Job("run", *options, "--interval", "200ms", "--", *program) as job:
        job.wait_committed(3)
        job.process.kill()
        job.process.wait()
    epochs = committed("job")
    check(len(epochs) >= 2, f"only the epochs {epochs} are left")
    check(dejavu("verify", "job").returncode == 0, "the epochs are not whole before anything was done to them")
    return epochs[-2:]


def flip(path, position):
    """One bit of one byte; a position below 0 counts from the end."""
    with open(path, "r+b") as f:
        f.seek(position, os.SEEK_SET if position >= 0 else os.SEEK_END)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x10]))


def cut(path, size):
    os.truncate(path, size)


def restart_falls_back(old, new, digest):
    done = dejavu("restart", "job")
    check(done.returncode == 0, f"the restart ended with {done.returncode}")
    check(digest_of(done.stdout) == digest, "wrong digest")
    check(re.search(rf"^dejavu: .*epoch {new}\b.*(falling back|cannot be restored)", done.stderr, re.M), f"it does not say that epoch {new} is given up")
    check(re.search(rf"^dejavu: .*from epoch {old}\b", done.stderr, re.M), f"it does not say that it uses epoch {old}")


def try_damage(damage, said):
    """`damage(epoch)` spoils the newest epoch; `said` is what verify must name."""
    digest = native(COMPUTE, ROUNDS)
    old, new = interrupted_job()
    damage(new)
    done = dejavu("verify", "job")
    check(done.returncode == FAILED, f"verify ended with {done.returncode}")
    check(re.search(rf"^ *{old}  whole$", done.stdout, re.M), f"verify does not say that epoch {old} is whole")
    check(re.search(said.format(epoch=f"{new:06d}"), done.stdout + done.stderr), "verify does not name what is wrong")
    restart_falls_back(old, new, digest)


def truncated_image():
    try_damage(lambda e: cut(image(e), os.path.getsize(image(e)) // 2), r"{epoch}/rank-0\.dvi")


def image_without_footer():
    try_damage(lambda e: cut(image(e), os.path.getsize(image(e)) - 1), r"{epoch}/rank-0\.dvi")


def empty_image():
    try_damage(lambda e: cut(image(e), 0), r"{epoch}/rank-0\.dvi")


def flipped_header():
    try_damage(lambda e: flip(image(e), 9), r"{epoch}/rank-0\.dvi")


def flipped_data():
    try_damage(lambda e: flip(image(e), os.path.getsize(image(e)) // 2), r"{epoch}/rank-0\.dvi")


def flipped_footer():
    try_damage(lambda e: flip(image(e), -9), r"{epoch}/rank-0\.dvi")


def missing_image():
    try_damage(lambda e: os.unlink(image(e)), r"{epoch}/rank-0\.dvi")


def exchanged_image():
    """The image of another epoch under this epoch's name."""
    try_damage(lambda e: shutil.copy(image(e - 1), image(e)), r"{epoch}/rank-0\.dvi")


def flipped_manifest():
    try_damage_of_manifest(lambda e: flip(manifest(e), 30))


def truncated_manifest():
    try_damage_of_manifest(lambda e: cut(manifest(e), os.path.getsize(manifest(e)) // 2))


def empty_manifest():
    try_damage_of_manifest(lambda e: cut(manifest(e), 0))


def try_damage_of_manifest(damage):
    digest = native(COMPUTE, ROUNDS)
    old, new = interrupted_job()
    damage(new)
    done = dejavu("verify", "job")
    check(re.search(rf"{new:06d}/manifest", done.stdout + done.stderr), "verify does not name the manifest")
    check(done.returncode == FAILED, f"verify ended with {done.returncode}")
    done = dejavu("restart", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "the restart failed")
    check(re.search(rf"^dejavu: .*{new:06d}/manifest", done.stderr, re.M), "the restart does not name the manifest")
    check(re.search(rf"^dejavu: .*from epoch {old}\b", done.stderr, re.M), f"it does not say that it uses epoch {old}")


def nothing_whole():
    """With all epochs damaged a restart refuses, rather than beginning again unasked, and leaves them as they are."""
    for epoch in interrupted_job():
        cut(image(epoch), 1000)
    done = dejavu("restart", "job")
    check(done.returncode == FAILED, f"the restart ended with {done.returncode}")
    check(digest_of(done.stdout) is None, "the application ran")
    check("no epoch of" in done.stderr and "whole" in done.stderr, "it does not say that no epoch is whole")
    check(len(os.listdir("job/epochs")) >= 2, "epochs were removed")


def damaged_epoch_asked_for():
    """--epoch names a damaged one: said, and no other taken instead."""
    _, new = interrupted_job()
    cut(image(new), 1000)
    done = dejavu("restart", "--epoch", str(new), "job")
    check(done.returncode == FAILED and digest_of(done.stdout) is None, "the damaged epoch was used")
    check(re.search(rf"{new:06d}/rank-0\.dvi", done.stderr), "the image is not named")


def damaged_job_file():
    interrupted_job()
    flip("job/job", 2)
    check_one_line(dejavu("restart", "job"), FAILED, "job/job", "line 1")
    cut("job/job", 100)
    check_one_line(dejavu("restart", "job"), FAILED, "job/job")


def changed_program():
    shutil.copy(COMPUTE, "program")
    digest = native("./program", ROUNDS)
    interrupted_job(("./program", ROUNDS))
    before = committed("job")
    with open("program", "ab") as f:
        f.write(b"more")
    check_one_line(dejavu("restart", "job"), USAGE, "program", "changed since epoch")
    os.unlink("program")
    check_one_line(dejavu("restart", "job"), USAGE, "program", "No such file")
    check(committed("job") == before, "epochs were lost")
    shutil.copy(COMPUTE, "program")
    done = dejavu("restart", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "it does not restart with the old program back")


def other_program():
    """Epochs of one job in the directory of another."""
    interrupted_job((hazard("fixed"), ROUNDS))
    os.rename("job", "other")
    interrupted_job()
    shutil.rmtree("job/epochs")
    shutil.copytree("other/epochs", "job/epochs")
    check_one_line(dejavu("restart", "job"), USAGE, r"rank-0\.dvi", "another program", "hazard-fixed", "hazard-compute")
    check(dejavu("verify", "job").returncode == 0, "the epochs were damaged")


def other_rank_count():
    """Epochs of two ranks in a job of four."""
    program = (hazard("mpi-imbalance"), "80")
    digest = native(*program, ranks=2)
    interrupted_job(program, ranks=2)
    with open("job/job") as f:
        text = f.read()
    with open("job/job", "w") as f:
        f.write(text.replace("\nranks = 2\n", "\nranks = 4\n"))
    check_one_line(dejavu("restart", "job"), USAGE, "epoch", "2 ranks", "this job has 4")
    with open("job/job", "w") as f:
        f.write(text)
    done = dejavu("restart", "job")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "it does not restart with the right count")


def moved_job():
    """A job directory may be moved, and restarted from there."""
    digest = native(COMPUTE, ROUNDS)
    interrupted_job()
    os.rename("job", "moved")
    done = dejavu("restart", "moved")
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "it does not restart from another place")


def checkpoint_that_fails(environment_full, environment_free):
    """One epoch is committed, the next fails, the application runs on; the one after that is committed again."""
    program = (hazard("refused"), "nothing")
    digest = native(*program)
    with Job("run", "--", *program, env={"HAZARD_WAIT": "1"}) as job:
        job.wait_word("HELD")
        check(dejavu("checkpoint", "job").returncode == 0, "the first checkpoint failed")
        environment_full(job)
        done_full = dejavu("checkpoint", "job")
        check_one_line(done_full, ENVIRONMENT, r"job/epochs/000002/")
        check(committed("job") == [1], "the first epoch is lost")
        check(dejavu("verify", "job").returncode == 0, "the first epoch is damaged")
        with open("release", "w"):
            job.wait_word("FREE")
        environment_free(job)
        check(dejavu("checkpoint", "job").returncode == 0, "there is no checkpoint after the cause is gone")
        check(len(committed("job")) == 2, "the next epoch is not committed")
        with open("end", "w"):
            job.wait_end(0, digest)
    check(dejavu("verify", "job").returncode == 0, "the epochs are not whole")
    return done_full.stderr


def small_disk(size):
    """Go on in a small file system of our own, if that can be had."""
    if os.getuid() != 0:
        skip("only root can make a small file system")
    if "DEJAVU_TEST_MOUNTED" not in os.environ:
        os.environ["DEJAVU_TEST_MOUNTED"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    os.mkdir("small", 0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", "small"]).returncode:
        skip("no tmpfs can be mounted here")
    os.chdir("small")


def fill_disk(name):
    """A file that takes all the room that is left."""
    with open(name, "ab", buffering=0) as f:
        try:
            while f.write(b"x" * 65536):
                pass
        except OSError:
            pass


def full_disk():
    small_disk("24m")
    text = checkpoint_that_fails(lambda _: fill_disk("filler"), lambda _: os.unlink("filler"))
    check("No space left" in text, "the cause is not named")


def file_size_limit():
    """A limit on file sizes that is smaller than an image."""
    def limit(value):
        def set_limit(job):
            for pid in job.ranks():
                subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={value}:"], check=True)
        return set_limit

    if shutil.which("prlimit") is None:
        skip("prlimit is needed")
    text = checkpoint_that_fails(limit(100000), limit("unlimited"))
    check("limit" in text or "File too large" in text, "the cause is not named")


if __name__ == "__main__":
    main({name.replace("_", "-"): case for name, case in list(globals().items())
          if callable(case) and getattr(case, "__module__", "") == "__main__" and name not in
          ("image", "manifest", "interrupted_job", "flip", "cut", "restart_falls_back", "try_damage",
           "try_damage_of_manifest", "checkpoint_that_fails", "small_disk", "fill_disk")})
