#!/usr/bin/python3
"""The store under real ranks: nodes lost and rebuilt, chains compacted in the background and by hand, what is lost beyond
the redundancy bought, commits that fail. Every job must come to the digest of a run without DejaVu.

    store.py partner | rs | beyond | compact | commit

commit: DEJAVU_FAULTS says how many faults are drawn; "all": all of them."""
import errno
import itertools
import os
import random
import re
import shutil
import subprocess

from support import BUILD, DEJAVU, TESTS, Job, check, committed, dejavu, digest_of, events, hazard, main, native, skip

PROGRAM = [os.path.join(BUILD, "bin", "npb-cg"), "--class", "S", "--iterations", "6000"]
RANKS = 2
SEED = int(os.environ.get("DEJAVU_SEED", "1"))


def run(*options):
    return Job("run", "-n", str(RANKS), "--interval", "60ms", "--capture", "incremental", *options, "--", *PROGRAM)


def kill_after(job, epochs):
    """The supervisor is killed, and all ranks end with it."""
    job.wait_committed(epochs)
    job.process.kill()
    job.process.wait()


def restart_to_the_end(digest):
    with Job("restart", "--interval", "0") as job:
        job.wait_end(0, digest)
        check("restarting from epoch" in job.err(), "the job was not restarted from an epoch")
        return job.err()


def lose(chance, nodes, count):
    lost = chance.sample(nodes, count)
    print("lost: " + " ".join(lost))
    for node in lost:
        shutil.rmtree(node)
    return lost


def lost_nodes(level, parity, nodes):
    """As many nodes as are survived are lost, twice: rebuilt by verify, and by restart."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    digest = native(*PROGRAM, ranks=RANKS)
    options = ["--level", level, "--nodes", ",".join(nodes), "--parity", str(parity), "--chain", "3"]
    with run(*options) as job:
        kill_after(job, 7)
    listed = dejavu("ls", "job").stdout
    check(f"level {level}  survives {parity} of {len(nodes)}" in listed, "ls does not say what is survived")
    lose(chance, nodes, parity)
    verified = dejavu("verify", "job")
    check(verified.returncode == 0 and "rebuilt" in verified.stdout, "what was lost has not been rebuilt")
    lose(chance, nodes, parity)
    restart_to_the_end(digest)
    check(dejavu("verify", "job").returncode == 0, "not all epochs are whole in the end")


def partner():
    lost_nodes("partner", 1, ["a", "b"])


def reed_solomon():
    lost_nodes("rs", 2, ["a", "b", "c", "d", "e"])


def beyond():
    """More nodes are lost than are survived: they are named, and nothing is restored that is not whole."""
    nodes = ["a", "b", "c"]
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    with run("--level", "rs", "--nodes", ",".join(nodes), "--parity", "1") as job:
        kill_after(job, 3)
    lost = lose(chance, nodes, 2)
    done = dejavu("restart", "job")
    check(done.returncode == 1, f"exit status {done.returncode}, not 1")
    numbers = [nodes.index(node) for node in lost]
    for number in numbers:
        check(re.search(rf"cannot be rebuilt: .*node {number} \(", done.stderr), f"node {number} is not named")
    check("no epoch of" in done.stderr, "it is not said that no epoch is left")


def compact():
    """Chains stay short while the job runs; what is compacted by hand restores the same."""
    digest = native(*PROGRAM, ranks=RANKS)
    with run("--chain", "2", "--keep", "2") as job:
        kill_after(job, 12)
    done = [line for line in events("job", "compacted") if " status=0 " in line]
    check(done, "nothing was compacted in the background")
    for length in re.findall(r"chain (\d+)", dejavu("ls", "job").stdout):
        check(int(length) <= 5, f"a chain of {length} with --chain 2")
    shutil.copytree("job", "copy")
    restart_to_the_end(digest)
    shutil.rmtree("job")
    os.rename("copy", "job")
    check(dejavu("compact", "job").returncode == 0, "compact failed")
    check(dejavu("gc", "--keep", "1", "job").returncode == 0, "gc failed")
    check(len(committed("job")) == 1 and " complete " in dejavu("ls", "job").stdout, "more than one complete epoch is left")
    check(dejavu("verify", "job").returncode == 0, "the compacted epoch is not whole")
    restart_to_the_end(digest)


COMMIT_CALLS = 8  # open, write, fsync, close and rename the manifest, then open and fsync its directory, as
# dv_write_file_durably does it, with one more write to find the end; then come the events and the ranks
CALLS = 12


def faulty_commit(number, fault, call, digest):
    """The supervisor of a real job, whose `call`-th system call from the second commit on has the fault."""
    name = f"job{number}"
    program = [hazard("compute"), "200"]
    done = subprocess.run([os.path.join(TESTS, "fault-commit"), str(fault), str(call), "2", DEJAVU, "run", "--job", name,
                           "--interval", "100ms", "--", *program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    print(f"fault {fault} at call {call}: status {done.returncode}\n{done.stderr}", flush=True)
    if done.returncode == 77:
        skip("ptrace is not possible here")
    check("fault-commit: fault" in done.stderr, "the call was not reached")
    out = done.stdout
    if fault == "kill":
        check(done.returncode == 137, "the supervisor was not killed")
        again = dejavu("restart", "--interval", "0", name)
        check(again.returncode == 0 and "restarting from epoch" in again.stderr, "the job was not restarted from an epoch")
        out = again.stdout
    else:
        check(done.returncode == 0, "the job failed with its checkpoint")
        check(committed(name)[-1] > 2, "nothing is committed any more")
        given_up = "checkpoint 2 was given up" in done.stderr
        check(given_up == (fault != "short" and call <= COMMIT_CALLS), "given up without need, or committed all the same")
        check(not given_up or os.strerror(fault) in done.stderr, "the cause is not named")
    check(digest_of(out) == digest, f"{digest_of(out)}, not {digest}")
    check(dejavu("verify", name).returncode == 0, "not all epochs are whole in the end")


def commit():
    wanted = os.environ.get("DEJAVU_FAULTS", "4")
    faults = list(itertools.product(["kill", errno.ENOSPC, errno.EIO], range(1, CALLS + 1))) + [("short", 2)]
    if wanted != "all":
        faults = random.Random(SEED).sample(faults, int(wanted))
    print(f"seed {SEED}")
    digest = native(hazard("compute"), "200")
    for number, (fault, call) in enumerate(faults):
        faulty_commit(number, fault, call, digest)


if __name__ == "__main__":
    main({"partner": partner, "rs": reed_solomon, "beyond": beyond, "compact": compact, "commit": commit})
