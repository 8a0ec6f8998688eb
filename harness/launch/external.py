#!/usr/bin/python3
"""Checkpoints by a system other than DejaVu, so that it becomes a row of the same table: same program, same storage.

    dejavu-external SYSTEM --check --ranks N             says why it cannot be used here, exit status 3; 0 if it can
    dejavu-external SYSTEM --job DIR --ranks N --interval SECONDS --max-restarts K -- PROGRAM ARGUMENT...

SYSTEM: criu (one process, https://criu.org/CLI), dmtcp (https://dmtcp.sourceforge.io, its manual pages) or mana
(https://docs.nersc.gov/development/checkpoint-restart/mana/). The program is started, checkpointed every SECONDS into
DIR, and restarted from the last complete checkpoint when it dies. DIR/events says what happened in the words of
framework/control/events.md. A stall is the time from the request until the system says that the checkpoint is done:
all three stop the program for about that long. Exit status: the program's; 3: the system failed.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

COMMAND_LIMIT_S = 300  # a checkpoint or a look at the system that takes longer has failed
ENVIRONMENT = 3  # exit status


class System:
    """One external system. `job`: directory of the run; each checkpoint has a directory `epoch-N` in it."""

    programs = ()

    def __init__(self, arguments):
        self.job, self.ranks, self.command = arguments.job, arguments.ranks, arguments.command
        self.mpiexec = [arguments.mpiexec, "-n", str(arguments.ranks)]

    def unable(self):
        """Why it cannot be used here, or None."""
        for program in self.programs:
            if not shutil.which(program):
                return f"{program} is not installed"
        return None

    def start(self):
        """The running program, as a Popen."""
        raise NotImplementedError

    def checkpoint(self, running, directory):
        """Returns when the checkpoint is complete; subprocess.SubprocessError: it is not."""
        raise NotImplementedError

    def restart(self, directory):
        raise NotImplementedError

    def end(self):
        """Whatever the system keeps running beside the program."""

    def call(self, *words):
        subprocess.run(words, check=True, timeout=COMMAND_LIMIT_S, stdin=subprocess.DEVNULL, stdout=sys.stderr)


class Criu(System):
    programs = ("criu",)

    def unable(self):
        reason = super().unable()
        if reason:
            return reason
        if self.ranks != 1:
            return "criu checkpoints one process here, not several ranks"
        checked = subprocess.run(["criu", "check"], capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
        said = [line for line in checked.stderr.splitlines() if line.strip() and "exited" not in line]
        return f"criu check: {said[0] if said else 'failed'}" if checked.returncode else None

    def start(self):
        # By this variable the harness knows a rank; MPICH looks at it only if there is a process manager.
        return subprocess.Popen(self.command, env={**os.environ, "PMI_RANK": "0"})

    def checkpoint(self, running, directory):
        self.call("criu", "dump", "--tree", str(running.pid), "--images-dir", directory, "--shell-job", "--leave-running",
                  "--log-file", "dump.log")

    def restart(self, directory):
        return subprocess.Popen(["criu", "restore", "--images-dir", directory, "--shell-job", "--log-file", "restore.log"])


class Dmtcp(System):
    programs = ("dmtcp_launch", "dmtcp_command", "dmtcp_restart", "dmtcp_coordinator")

    def __init__(self, arguments):
        super().__init__(arguments)
        self.port_file = os.path.join(self.job or "", "port")
        # Without these it hangs with MPICH over UCX.
        self.environment = {**os.environ, "UCX_TLS": "^sysv", "UCX_MEM_EVENTS": "n", "HWLOC_COMPONENTS": "-linuxio"}

    def coordinator(self):
        return ["--new-coordinator", "--coord-port", "0", "--port-file", self.port_file]

    def port(self):
        deadline = time.monotonic() + COMMAND_LIMIT_S
        while not (os.path.exists(self.port_file) and os.path.getsize(self.port_file)):
            if time.monotonic() > deadline:
                raise subprocess.SubprocessError("no coordinator")
            time.sleep(0.01)
        with open(self.port_file, encoding="ascii") as f:
            return f.read().strip()

    def images(self, directory):
        return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".dmtcp"))

    def start(self):
        return subprocess.Popen(["dmtcp_launch", *self.coordinator(), *self.mpiexec, *self.command], env=self.environment)

    def checkpoint(self, running, directory):
        self.call("dmtcp_command", "--coord-port", self.port(), "--ckptdir", directory, "--bcheckpoint")
        if not self.images(directory):
            raise subprocess.SubprocessError("no images were written")

    def restart(self, directory):
        self.end()
        return subprocess.Popen(["dmtcp_restart", *self.coordinator(), *self.images(directory)], env=self.environment)

    def end(self):
        if os.path.exists(self.port_file):
            subprocess.run(["dmtcp_command", "--coord-port", self.port(), "--quit"], timeout=COMMAND_LIMIT_S,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            os.unlink(self.port_file)


class Mana(Dmtcp):
    programs = ("mana_coordinator", "mana_launch", "mana_restart", "dmtcp_command")

    def coordinate(self):
        self.end()
        self.call("mana_coordinator", "--coord-port", "0", "--port-file", self.port_file)
        return ["--coord-port", self.port()]

    def start(self):
        words = self.coordinate()
        return subprocess.Popen([*self.mpiexec, "mana_launch", *words, *self.command], env=self.environment)

    def images(self, directory):
        return sorted(name for name in os.listdir(directory) if name.startswith("ckpt_rank_"))

    def restart(self, directory):
        words = self.coordinate()
        return subprocess.Popen([*self.mpiexec, "mana_restart", *words, "--restartdir", directory], env=self.environment)


class Job:
    """A run from its start to its end."""

    def __init__(self, system, arguments):
        self.system, self.arguments = system, arguments
        self.begun, self.epoch, self.incarnation = time.monotonic(), 0, 0
        self.events = open(os.path.join(arguments.job, "events"), "a", buffering=1, encoding="utf-8")

    def say(self, event, **fields):
        words = "".join(f" {key}={value}" for key, value in fields.items())
        self.events.write(f"{time.monotonic() - self.begun:.6f} {event}{words}\n")

    def directory(self, epoch):
        return os.path.join(self.arguments.job, f"epoch-{epoch}")

    def take_checkpoint(self, running):
        epoch, asked = self.epoch + 1, time.monotonic_ns()
        directory = self.directory(epoch)
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        try:
            self.system.checkpoint(running, directory)
        except subprocess.SubprocessError as error:
            self.say("aborted", epoch=epoch, reason=f'"{error}"')
            return
        stall = time.monotonic_ns() - asked
        file_bytes = sum(entry.stat().st_size for entry in os.scandir(directory))
        self.say("rank", epoch=epoch, rank=0, stall_ns=stall, file_bytes=file_bytes)
        self.say("committed", epoch=epoch, file_bytes=file_bytes, total_ns=stall)
        shutil.rmtree(self.directory(self.epoch), ignore_errors=True)
        self.epoch = epoch

    def until_it_ends(self, running):
        """Its exit status; checkpoints meanwhile."""
        while True:
            try:
                return running.wait(timeout=self.arguments.interval)
            except subprocess.TimeoutExpired:
                self.take_checkpoint(running)

    def run(self):
        self.say("start", unix_ns=time.time_ns(), pid=os.getpid(), ranks=self.arguments.ranks, system=self.arguments.system)
        running = self.system.start()
        while True:
            self.say("running", incarnation=self.incarnation, epoch=self.epoch, start_ns=0)
            status = self.until_it_ends(running)
            if status == 0 or self.incarnation == self.arguments.max_restarts:
                break
            self.incarnation += 1
            self.say("restart", epoch=self.epoch, incarnation=self.incarnation, reason=f'"ended with status {status}"')
            running = self.system.restart(self.directory(self.epoch)) if self.epoch else self.system.start()
        self.system.end()
        self.say("exit", status=status)
        return status if status >= 0 else 128 - status


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=sorted(SYSTEMS))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--job")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--max-restarts", type=int, default=10)
    parser.add_argument("--mpiexec", default="mpiexec.mpich")
    words = sys.argv[1:]
    behind = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:behind])
    arguments.command = words[behind + 1:]
    if not arguments.check and not (arguments.job and arguments.command):
        parser.error("--job DIR and -- PROGRAM are needed")
    return arguments


SYSTEMS = {"criu": Criu, "dmtcp": Dmtcp, "mana": Mana}


def main():
    arguments = parse()
    system = SYSTEMS[arguments.system](arguments)
    reason = system.unable()
    if reason:
        print(reason)
        return ENVIRONMENT
    if arguments.check:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return Job(system, arguments).run()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"dejavu-external: error: {arguments.system}: {error}", file=sys.stderr)
        return ENVIRONMENT


if __name__ == "__main__":
    sys.exit(main())
