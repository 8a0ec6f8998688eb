#!/usr/bin/python3
"""Incremental checkpoints: what they say is compared with full images of the same instant, and what they cost is counted.

    incremental.py oracle [--apps A,B..] [--trackers T,..] [--snapshots S,..] [--epochs N] [--interval 60]
    incremental.py CASE

With `oracle` every rank compares each epoch with a full image (--oracle): --epochs N are compared for each program, tracker
and way to keep pages. A table says how many pages that were. Without --epochs: a few."""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import chain
from damage import cut, fill_disk, flip, small_disk
from support import (BUILD, DEJAVU, Job, check, check_one_line, committed, dejavu, digest_of, events, hazard, main, native, skip,
                     wait_until)

PAGE = 4096
SPLIT = 0x400000000000
TRACKERS = ["wp", "hash", "mprotect", "auto"]
SNAPSHOTS = ["stop", "copy", "fork"]
FOREVER = "1000000000"


def npb(name, size="S"):
    return [os.path.join(BUILD, "bin", "npb-" + name), "--class", size, "--iterations", "100000000"]


# Everything that the churn can do without a kill; what cannot be captured for a moment (a socket) is left out.
CHURN = "+,procmem,filewrite,dontneedfile"
APPS = {  # ranks, command
    "cg": (2, npb("cg")),
    "cg-W": (2, npb("cg", "W")),
    "ft": (2, npb("ft")),
    "mg": (2, npb("mg")),
    "mg-W": (2, npb("mg", "W")),
    "is": (2, npb("is", "W")),
    "churn": (0, [hazard("churn"), FOREVER, "{seed}", "48", CHURN]),
    "mpi-churn": (2, [hazard("mpi-churn"), FOREVER, "{seed}", "24", "+,dontneedfile"]),
}


def fields(line):
    """The keys and values of an event."""
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))


def incremental(tracker=None, snapshot=None, *more):
    options = ["--capture", "incremental"]
    if tracker: # one that is named must find all by itself
        options += ["--capture-options", f"tracker={tracker}" + ("" if tracker == "auto" else ",adaptive=no")]
    if snapshot:
        options += ["--snapshot", snapshot]
    return [*options, *more]


def ranks_of(count):
    return ["-n", str(count)] if count else []


# What ends with the job that is being ended is no failure of a checkpoint.
ENDING = re.compile(r"has ended|is ending|was lost|being ended|told to end")


def failures(job):
    return [line.strip() for line in events(job, "aborted") if not ENDING.search(line)]


def last_committed(job):
    lines = events(job, "committed")
    return int(fields(lines[-1])["epoch"]) if lines else 0


def end(job):
    dejavu("stop", "--no-checkpoint", job.directory)
    job.process.wait(30)


# ---- (a) the oracle ---------------------------------------------------------

def compare(app, tracker, snapshot, epochs, interval_ms, seed):
    """Runs one program until so many epochs were compared. Returns (epochs, pages, bytes written, tracked epochs)."""
    ranks, command = APPS[app]
    command = [part.format(seed=seed) for part in command]
    name = f"{app}.{tracker}.{snapshot}"
    options = incremental(tracker, snapshot, "--oracle", "--interval", f"{interval_ms}ms")
    with Job("run", *ranks_of(ranks), *options, "--", *command, name=name) as job:
        last, since = 0, time.monotonic()
        while True:
            done = len(events(name, "committed"))
            problems = failures(name)
            check(not problems, f"{name}: " + "; ".join(problems[:3]))
            check(job.process.poll() is None, f"{name}: the job ended with status {job.process.poll()}")
            if done >= epochs:
                break
            if done != last:
                last, since = done, time.monotonic()
            check(time.monotonic() - since < 60, f"{name}: no epoch within 60 s, after {done}")
            time.sleep(0.02)
        end(job)
    lines = [fields(line) for line in events(name, "rank")]
    compared = [int(f["oracle_pages"]) for f in lines if "oracle_pages" in f]
    compared += [int(fields(line)["pages"]) for line in events(name, "oracle")]
    check(compared and min(compared) > 0, f"{name}: no pages were compared")
    inherited = sum(1 for f in lines if int(f["parent_epoch"]) > 0)
    check(inherited >= len(lines) // 2, f"{name}: only {inherited} of {len(lines)} images inherit anything")
    written = sum(int(f["file_bytes"]) for f in lines)
    shutil.rmtree(name)
    return done, sum(compared), written


def usable(tracker):
    """Does this host have it? The first checkpoint fails with the reason otherwise."""
    if tracker in ("hash", "auto"):
        return True
    with Job("run", *incremental(tracker), "--", hazard("refused"), "nothing", name="usable." + tracker,
             env={"HAZARD_WAIT": "1"}) as job:
        wait_until(lambda: job.process.poll() is not None or "HELD" in job.out(), "the program")
        ok = job.process.poll() is None and dejavu("checkpoint", job.directory).returncode == 0
    if not ok:
        print(f"tracker {tracker} cannot be used here: {job.err().strip()}")
    return ok


def oracle(*arguments):
    p = argparse.ArgumentParser(prog="incremental.py oracle")
    p.add_argument("--apps", default=",".join(APPS))
    p.add_argument("--trackers", default=",".join(TRACKERS))
    p.add_argument("--snapshots", default=",".join(SNAPSHOTS))
    p.add_argument("--epochs", type=int, default=5, help="for each program, tracker and way to keep pages")
    p.add_argument("--total", type=int, default=0, help="of all together; overrides --epochs")
    p.add_argument("--interval", type=int, default=60, help="milliseconds")
    args = p.parse_args(arguments)
    seed = int(os.environ.get("DEJAVU_SEED", "1")) % 1000000
    trackers = [t for t in args.trackers.split(",") if usable(t)]
    if not trackers:
        skip("no tracker that was asked for works here")
    cells = [(a, t, s) for a in args.apps.split(",") for t in trackers for s in args.snapshots.split(",")]
    each = -(-args.total // len(cells)) if args.total else args.epochs
    print(f"seed {seed} (DEJAVU_SEED={seed} repeats it); {len(cells)} cells of {each} epochs")
    print(f"{'program':10} {'tracker':9} {'pages':6} {'epochs':>7} {'compared':>14} {'written':>14} {'differing':>10}")
    total = [0, 0, 0]
    for app, tracker, snapshot in cells:
        row = compare(app, tracker, snapshot, each, args.interval, seed)
        total = [a + b for a, b in zip(total, row)]
        print(f"{app:10} {tracker:9} {snapshot:6} {row[0]:7} {row[1] * PAGE:14} {row[2]:14} {0:10}", flush=True)
    print(f"{'together':27} {total[0]:7} {total[1] * PAGE:14} {total[2]:14} {0:10}   (bytes)")


# ---- (c) damage -------------------------------------------------------------

COMPUTE = [hazard("churn"), "5000", "5", "16"]


def interrupted_chain():
    """A job with a chain of at least three images, killed with its supervisor. Returns [epochs], {epoch: parent}."""
    options = incremental(None, None, "--interval", "100ms", "--keep", "3", "--codec", "none")
    with Job("run", *options, "--", *COMPUTE) as job:
        def long_enough():
            figures = [fields(line) for line in events("job", "rank")[-2:]]
            return len(events("job", "committed")) >= 5 and all(int(f["parent_epoch"]) for f in figures)
        job.wait_for(long_enough, "a chain")
        job.process.kill()
        job.process.wait()
    parents = {int(f["epoch"]): int(f["parent_epoch"]) for f in map(fields, events("job", "rank"))}
    epochs = committed("job")
    check(parents[epochs[-1]] > 0, "the newest epoch inherits nothing")
    check(all(e in epochs for e in parents.values() if e >= epochs[0]), "an ancestor is gone")
    check(dejavu("verify", "job").returncode == 0, "the epochs are not whole before anything was done to them")
    return epochs, parents


def image_of(epoch):
    return f"job/epochs/{epoch:06d}/rank-0.dvi"


def flip_needed(path):
    """One bit of a page that the newest epoch needs: of its own, or inherited."""
    newest = chain.Image(image_of(committed("job")[-1]))
    image = chain.Image(path)
    pages = sorted(image.pages)
    if image.epoch != newest.epoch:
        pages = [a for a in pages if any(start <= a < start + length for start, length in newest.spans)]
    check(pages, f"the newest epoch needs nothing of {path}")
    flip(path, image.pages[pages[len(pages) // 2]] + 1000)


def ancestor(damage, newest_falls, *restart):
    """`damage(path)` spoils an ancestor that several epochs need; all of these are named as not whole, the newest that is
    whole is used, and if there is none, that is said."""
    digest = native(*COMPUTE)
    epochs, parents = interrupted_chain()
    victim = epochs[-1] if newest_falls else parents[epochs[-1]]
    damage(image_of(victim))
    done = dejavu("verify", "job")
    check(done.returncode == 1, f"verify ended with {done.returncode}")
    check(re.search(rf"{victim:06d}/rank-0\.dvi", done.stdout + done.stderr), "verify does not name the damaged image")
    needs = {e: e == victim for e in parents}
    for epoch in sorted(parents):
        needs[epoch] = needs[epoch] or needs.get(parents[epoch], False)
    whole = [e for e in epochs if not needs[e]]
    for epoch in epochs:
        said = re.search(rf"^ *{epoch}  whole", done.stdout, re.M) is not None
        check(said == (epoch in whole), f"verify says that epoch {epoch} is {'' if said else 'not '}whole")
    done = dejavu("restart", *restart, "job", timeout=120)
    check(re.search(rf"{victim:06d}/rank-0\.dvi", done.stderr), "the restart does not name the damaged image")
    if not whole:
        check(done.returncode == 1 and digest_of(done.stdout) is None, "something was restarted")
        check("whole" in done.stderr, "it does not say that no epoch is whole")
        return
    check(done.returncode == 0 and digest_of(done.stdout) == digest, "the older epoch does not restart")
    check(re.search(rf"from epoch {whole[-1]}\b", done.stderr), f"it does not say that it uses epoch {whole[-1]}")


def ancestor_flipped():
    ancestor(flip_needed, False, "--restore", "eager")


def ancestor_flipped_lazy():
    """What is wrong is found when the page is touched, or later: the application must not come to its end with it."""
    ancestor(flip_needed, False, "--restore", "lazy")


def ancestor_truncated():
    ancestor(lambda path: cut(path, os.path.getsize(path) // 2), False)


def ancestor_lost():
    ancestor(os.unlink, False)


def newest_flipped():
    ancestor(flip_needed, True)


def ancestor_exchanged():
    """The ancestor is replaced by a whole image of another epoch: the digest that its child names does not fit."""
    def exchange(path):
        other = image_of(int(path.split("/")[2]) - 1)
        check(os.path.exists(other), f"{other} is not there")
        shutil.copy(other, path)
    ancestor(exchange, False)


def full_disk():
    """The disk is full while an incremental image is written and the application runs: the epoch is given up, those before
    are whole, the application goes on, and the next epoch is committed when there is room again."""
    small_disk("96m")
    command = [hazard("churn"), "30000", "4", "64"]
    with Job("run", *incremental(None, "fork"), "--", *command) as job:
        job.wait_for(lambda: "STEP" in job.out(), "the first step")
        for _ in range(3):
            check(dejavu("checkpoint", "job").returncode == 0, "there is no checkpoint with room enough")
        fill_disk("filler")
        for attempt in range(8): # old images are overwritten: one may be large enough by chance
            before = committed("job")
            done = dejavu("checkpoint", "job")
            if done.returncode != 0:
                break
            fill_disk("filler")
        check_one_line(done, 3, r"job/epochs/\d+", "No space left")
        check(committed("job") == before, "what is committed has changed")
        check(dejavu("verify", "job").returncode == 0, "the epochs before are damaged")
        check(job.process.poll() is None, "the application has ended")
        os.unlink("filler")
        check(dejavu("checkpoint", "job").returncode == 0, "there is no checkpoint after there is room again")
        check(committed("job")[-1] > before[-1], "the next epoch is not committed")
        check(dejavu("verify", "job").returncode == 0, "the epochs are not whole")
        check(not events("job", "restart"), "the application was restarted")
        end(job)


def writer_killed():
    """The forked writer is killed: one epoch is given up, naming why, the application runs on, the next is committed."""
    command = [hazard("churn"), "12000", "3", "128"]
    digest = native(*command)
    kills = 0
    with Job("run", *incremental(None, "fork", "--interval", "80ms"), "--", *command) as job:
        job.wait_committed(2)
        limit = time.monotonic() + 20
        while kills < 3 and job.process.poll() is None and time.monotonic() < limit:
            for entry in writers_of(job):
                try:
                    os.kill(entry, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
                time.sleep(0.2)
        check(kills > 0, "no writing process was met")
        job.wait_end(0, digest)
    given_up = [line for line in events("job", "aborted") if "signal 9" in line]
    check(given_up, "no epoch was given up because its writer was killed")
    check(not events("job", "restart"), "the application was restarted")
    check(dejavu("verify", "job").returncode == 0, "the epochs are not whole")


def writers_of(job):
    """Children of ranks, which are writing an image."""
    found = []
    for rank in job.ranks():
        try:
            for task in os.listdir(f"/proc/{rank}/task"):
                with open(f"/proc/{rank}/task/{task}/children") as f:
                    found += [int(pid) for pid in f.read().split()]
        except OSError:
            pass
    return found


# ---- (d) requests while an image is written ---------------------------------

def coalescing():
    """Many requests at once, again and again: each is answered with an epoch that was captured after it was asked for, and
    no two images of a rank are written at the same time."""
    command = [hazard("churn"), FOREVER, "2", "128"]
    with Job("run", *incremental(None, "fork"), "--", *command) as job:
        job.wait_for(lambda: "STEP" in job.out(), "the first step")
        check(dejavu("checkpoint", "job").returncode == 0, "the first checkpoint failed")
        asked = []
        for _ in range(5):
            group = []
            for _ in range(4):
                before = [int(fields(line)["epoch"]) for line in events("job", "proceed")]
                group.append((max(before, default=0), subprocess.Popen(
                    [DEJAVU, "checkpoint", "job"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
                time.sleep(0.015)
                check(len(writers_of(job)) <= 1, "two writing processes")
            for captured, process in group:
                out, err = process.communicate(timeout=60)
                check(process.returncode == 0, f"a request failed: {err}")
                asked.append((captured, int(out.split()[-1])))
        done = {int(fields(line)["epoch"]) for line in events("job", "committed")}
        end(job)
    for captured, epoch in asked:
        check(epoch in done, f"epoch {epoch} was answered, but is not committed")
        check(epoch > captured, f"a request was answered with epoch {epoch}, but {captured} had been captured before it")
    print(f"{len(asked)} requests, {len({epoch for _, epoch in asked})} epochs")
    open_epoch = None
    with open("job/events") as f:
        for line in f:
            word = line.split(" ", 2)[1].strip()
            if word == "proceed":
                check(open_epoch is None, f"epoch {fields(line)['epoch']} is captured while {open_epoch} is written")
                open_epoch = fields(line)["epoch"]
            elif word in ("committed", "aborted") and fields(line)["epoch"] == open_epoch:
                open_epoch = None


# ---- (e) bytes --------------------------------------------------------------

def written(app, command, ranks=0, epochs=6, interval="150ms"):
    """Every incremental image is no larger than 1.05 times the pages that changed since its parent, and 1 MiB."""
    name = "bytes." + app
    options = incremental(None, None, "--codec", "none", "--keep", "1000", "--interval", interval)
    if supported("chain"):
        options += ["--chain", "1000"]
    with Job("run", *ranks_of(ranks), *options, "--", *command, name=name) as job:
        job.wait_for(lambda: len(events(name, "committed")) >= epochs, f"{epochs} epochs")
        end(job)
    counted = 0
    for rank in range(max(ranks, 1)):
        known = {0: {}}
        for epoch in committed(name):
            image = chain.Image(f"{name}/epochs/{epoch:06d}/rank-{rank}.dvi")
            known[epoch] = chain.contents(image, known[image.parent])
            if not image.parent:
                continue
            pages = chain.changed(known[epoch], known[image.parent])
            limit = 1.05 * pages * PAGE + (1 << 20)
            print(f"{app} rank {rank} epoch {epoch} upon {image.parent}: {pages * PAGE} bytes changed, {image.bytes} written")
            check(image.bytes <= limit, f"{image.path}: {image.bytes} bytes for {pages} changed pages")
            counted += 1
    check(counted >= epochs // 2, f"only {counted} incremental images")


def supported(option):
    text = subprocess.run([DEJAVU, "run", "--help"], capture_output=True, text=True, check=True).stdout
    return re.search(rf"--{option}\b", text) is not None


def bytes_written():
    written("churn", [hazard("churn"), FOREVER, "1"])
    for pattern in ("map,poke", "map,same", "map,zero,write", "huge,poke", "malloc,bigmalloc", "map,read,same"):
        written(pattern.replace(",", "-"), [hazard("churn"), FOREVER, "1", "64", pattern], epochs=4)


def bytes_written_mpi():
    for app in ("cg", "mg-W", "is"):
        written(app, APPS[app][1], APPS[app][0], epochs=4)


def nonzero_resident(pid):
    """Bytes of pages of the upper half that are there and not zero."""
    zero, total = bytes(PAGE), 0
    with open(f"/proc/{pid}/maps") as f:
        maps = f.read().splitlines()
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, stop = (int(x, 16) for x in line.split()[0].split("-"))
            if start >= SPLIT:
                continue
            for at in range(start, stop, 1 << 21):
                length = min(1 << 21, stop - at)
                pagemap.seek(at // PAGE * 8)
                entries = memoryview(pagemap.read(length // PAGE * 8)).cast("Q")
                for i, entry in enumerate(entries):
                    if entry >> 62:
                        memory.seek(at + i * PAGE)
                        total += memory.read(PAGE) != zero
    return total * PAGE


def least_state():
    """A complete image holds no more than the pages of the upper half that are there and not zero, and 1 %."""
    for seed, steps in (("1", "400"), ("2", "1500"), ("3", "4000")):
        command, name = [hazard("churn"), steps, seed, "96"], "job" + seed
        with Job("run", *incremental(None, None, "--codec", "none"), "--", *command, env={"HAZARD_WAIT": "1"},
                 name=name) as job:
            job.wait_word("DONE")
            check(dejavu("checkpoint", name).returncode == 0, "the checkpoint failed")
            resident = nonzero_resident(job.ranks()[0])
            figures = fields(events(name, "rank")[-1])
            stored, size = int(figures["data_bytes"]), int(figures["file_bytes"])
            print(f"{resident} bytes are there and not zero, {stored} stored in {size}, "
                  f"of {figures['populated_bytes']} populated, {figures['zero_bytes']} zero")
            check(size <= 1.01 * resident, f"the image has {size} bytes, {size / resident:.3f} of what is there")


# ---- (f) restores -----------------------------------------------------------

def restored(how, *more):
    """Restarted again and again from chains; MADV_DONTNEED, mremap and the like must do what they did before."""
    command = [hazard("churn"), "6000", "7", "48", "+,forkless"]
    digest = native(*command)
    with Job("run", *incremental(None, "copy", "--interval", "70ms", "--restore", how, *more), "--", *command) as job:
        for restart in range(1, 4):
            job.wait_for(lambda: len(events("job", "committed")) >= 4 * restart, f"{4 * restart} epochs")
            for rank in job.ranks():
                os.kill(rank, signal.SIGKILL)
            job.wait_for(lambda: len(events("job", "running")) > restart, "the restart")
        job.wait_end(0, digest, 120)
    lines = [fields(line) for line in events("job", "restored")]
    check(len(lines) == 3, f"{len(lines)} restores, not 3")
    for f in lines:
        print({key: f.get(key) for key in ("epoch", "chain_length", "loaded_bytes", "lazy_bytes", "read_ns")})
    check(any(int(f["chain_length"]) > 1 for f in lines), "no restore was from a chain")
    if how == "lazy":
        check(any(int(f["lazy_bytes"]) > 0 for f in lines), "nothing was restored lazily")
    else:
        check(all(int(f["lazy_bytes"]) == 0 for f in lines), "something was restored lazily")


def restore_eager():
    restored("eager")


def restore_lazy():
    restored("lazy", "--codec", "none")


def restore_lazy_packed():
    restored("lazy", "--codec", "lz4")


def image_contents(job, epoch, known):
    """All pages of an epoch of a job of one process, by its chain."""
    if epoch == 0:
        return {}
    if epoch not in known:
        name = max(n for n in os.listdir(f"{job}/epochs/{epoch:06d}") if n.endswith(".dvi"))
        image = chain.Image(f"{job}/epochs/{epoch:06d}/{name}")
        known[epoch] = chain.contents(image, image_contents(job, image.parent, known))
    return known[epoch]


def file_mappings(pid):
    """Where files are mapped privately: their pages are in an image or in the file that the job keeps."""
    with open(f"/proc/{pid}/maps") as f:
        fields_of = [line.split() for line in f]
    return [tuple(int(x, 16) for x in f[0].split("-")) for f in fields_of if f[4] != "0" and f[1][3] == "p"]


def restored_memory():
    """A program that waits is captured, killed, restored and captured again: but for its stack and the few pages that a
    restore itself is about, its memory is what it was. (What it computes later would tell of what it looks at only.)"""
    for how in ("eager", "lazy"):
        for snapshot in ("copy", "fork"):
            job_name = f"{how}.{snapshot}"
            options = incremental(None, snapshot, "--codec", "none", "--keep", "100", "--restore", how)
            with Job("run", *options, "--", hazard("churn"), "2500", "6", "64", env={"HAZARD_WAIT": "1"}, name=job_name) as job:
                job.wait_for(lambda: "STEP" in job.out(), "the first step")
                while "DONE" not in job.out().split():
                    dejavu("checkpoint", job_name)
                check(dejavu("checkpoint", job_name).returncode == 0, "no checkpoint")
                before = last_committed(job_name)
                os.kill(job.ranks()[0], signal.SIGKILL)
                job.wait_for(lambda: len(events(job_name, "running")) == 2, "the restart")
                check(dejavu("checkpoint", job_name).returncode == 0, "no checkpoint after the restart")
                known, after = {}, last_committed(job_name)
                then, now = (image_contents(job_name, e, known) for e in (before, after))
                files = file_mappings(job.ranks()[0])
                other = sorted(a for a in set(then) | set(now) if then.get(a) != now.get(a) and not (
                    (a not in then or a not in now) and any(start <= a < stop for start, stop in files)))
                print(f"{how}, {snapshot}: epoch {before}, restored and captured as {after}: {len(then)} pages that are not "
                      f"zero, {len(other)} are other now: {' '.join(f'{a:#x}' for a in other)}")
                check(len(other) <= 8, "the memory is not what it was")
                end(job)


def forkless():
    """Memory that a forked process does not have: unless forking was asked for, at most one epoch is lost to it."""
    command = [hazard("churn"), FOREVER, "1", "48", "+,forkless"]
    with Job("run", *incremental(None, "auto", "--stall-target", "0s", "--interval", "60ms"), "--", *command) as job:
        job.wait_committed(6)
        end(job)
    check(len(failures("job")) <= 1, "; ".join(failures("job")))


def forkless_half(tracker="hash"):
    """The second half of some memory is not for children: a forked writer finds that out."""
    command = ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "wiped.py")]
    with Job("run", *incremental(tracker, "fork"), "--", *command) as job:
        job.wait_word("ready")
        check(dejavu("checkpoint", "job").returncode == 0, "no checkpoint")
        open("half", "w").close()
        job.wait_word("wiped")
        done = dejavu("checkpoint", "job")
        check(done.returncode != 0 and "is not inherited" in done.stderr, "it was not found out")
        open("end", "w").close()
        job.wait_end(0, None)


def forkless_half_guarded():
    """The same where it was one range to the tracker."""
    forkless_half("mprotect")


if __name__ == "__main__":
    main({name.replace("_", "-"): case for name, case in list(globals().items())
          if callable(case) and getattr(case, "__module__", "") == "__main__" and name in
          ("oracle", "ancestor_flipped", "ancestor_flipped_lazy", "ancestor_truncated", "ancestor_lost", "ancestor_exchanged", "newest_flipped",
           "full_disk", "writer_killed", "coalescing", "bytes_written", "bytes_written_mpi", "least_state",
           "restore_eager", "restore_lazy", "restore_lazy_packed", "restored_memory",
           "forkless", "forkless_half", "forkless_half_guarded")})
