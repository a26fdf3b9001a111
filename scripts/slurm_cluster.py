#!/usr/bin/env python3
"""A private Slurm cluster on this machine, for tests: `make test-slurm`.

    up                   start munged, slurmctld and two slurmd; starts only what is not running
    down                 stop them, end what their jobs left, remove the folder
    env                  print the line that points a shell at the cluster: eval "$(scripts/slurm_cluster.py env)"
    kill-node N          kill -9 the slurmd of node N (1 or 2), with the jobs it runs
    start-node N         start it again
    stop-controller      stop slurmctld; it saves its state, as one that is shut down does
    restart-controller   stop slurmctld and start it again

Needs Python 3.8 and the Debian packages slurm-wlm and munge (Slurm 20.11 or later): `up --install` gets them where it
runs as root, else it says what to do. Everything lies in one folder with a key, sockets and ports of its own, so that
a Slurm that is on the machine already is left alone. Accounting is off; time limits are enforced within seconds.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, Iterator, List, NoReturn, Optional

NODES = (1, 2)
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
# Debian keeps daemons where a user's PATH may not look.
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
START_SECS = 30
STOP_SECS = 10

# Short intervals: a test waits for what a site's users wait for. Two tasks fit on a node, whatever the machine has.
# `low` is preempted by `high`, and requeued. A requeued job may start at once: cred_expire is what delays it.
CONF = """\
ClusterName=tacq
SlurmctldHost={host}({address})
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={controller_port}
SlurmctldPidFile={dir}/slurmctld.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdPidFile={dir}/slurmd-%n.pid
SlurmdLogFile={dir}/slurmd-%n.log
SlurmdSpoolDir={dir}/spool-%n
StateSaveLocation={dir}/state
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,batch_sched_delay=0,sched_min_interval=0,sched_interval=2
MaxArraySize={max_array_size}
MinJobAge={min_job_age}
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=2
CompleteWait=0
InactiveLimit=0
OverTimeLimit=0
MailProg=/bin/true
{nodes}
PartitionName=high Nodes=ALL Default=YES PriorityTier=10 DefMemPerCPU=100 MaxTime=INFINITE State=UP
PartitionName=low Nodes=ALL PriorityTier=1 DefMemPerCPU=100 MaxTime=INFINITE State=UP
"""
NODE = "NodeName=tacq{n} NodeHostname={host} NodeAddr={address} Port={port} CPUs=2 RealMemory=4000 State=UNKNOWN"


class ClusterError(Exception):
    """What went wrong and what to do about it, for the user."""


def say(message: str) -> None:
    print("slurm cluster: " + message, file=sys.stderr, flush=True)


def program(name: str) -> str:
    found = shutil.which(name, path=SEARCH)
    if found is None:
        raise ClusterError(
            "no {}: install the packages {} (Debian and Ubuntu), or run `up --install` as root".format(
                name, " and ".join(PACKAGES)
            )
        )
    return found


def install() -> None:
    """Gets the packages if programs are missing and this is root; a machine's own Slurm is not started."""
    if all(shutil.which(name, path=SEARCH) for name in PROGRAMS):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return  # `program` says what is missing
    say("installing " + " ".join(PACKAGES))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # Packages start their daemons, with a configuration that is not there; this keeps them from it.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(
                ["apt-get", "--quiet", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if done.returncode != 0:
                tail = done.stdout.decode(errors="replace").strip().splitlines()[-5:]
                raise ClusterError("apt-get {} failed:\n  {}".format(arguments[0], "\n  ".join(tail)))
    finally:
        if ours:
            policy.unlink()


def free_ports(count: int) -> List[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def command_line(pid: int) -> List[str]:
    try:
        return Path("/proc/{}/cmdline".format(pid)).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def environment_of(pid: int) -> List[bytes]:
    try:
        return Path("/proc/{}/environ".format(pid)).read_bytes().split(b"\0")
    except OSError:
        return []


def parent_of(pid: int) -> int:
    try:
        # The name, in parentheses, may hold anything.
        return int(Path("/proc/{}/stat".format(pid)).read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def processes() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.dir = folder
        self.conf = folder / "slurm.conf"

    # Daemons: each is known by its pid file, and trusted only if the process is that program with our folder.

    def pid(self, name: str) -> Optional[int]:
        try:
            pid = int((self.dir / (name + ".pid")).read_text())
        except (OSError, ValueError):
            return None
        words = command_line(pid)
        is_ours = any(str(self.dir) in word for word in words)
        return pid if is_ours and words and name.split("-")[0] in Path(words[0]).name else None

    def start(self, name: str, arguments: List[str]) -> None:
        if self.pid(name) is not None:
            return
        daemon = program(name.split("-")[0])
        # A file of its own: what a daemon inherits stays open as long as it lives.
        said = self.dir / (name + ".out")
        with said.open("wb") as output:
            done = subprocess.run(
                [daemon, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=str(self.dir),
            )
        if done.returncode != 0:
            raise ClusterError("{} does not start: {}".format(name, self.last_words(name)))
        self.wait("{} to start".format(name), lambda: self.pid(name) is not None, name)

    def last_words(self, name: str) -> str:
        for suffix in (".log", ".out"):
            with contextlib.suppress(OSError):
                lines = (self.dir / (name + suffix)).read_text(errors="replace").strip().splitlines()
                if lines:
                    return "\n  ".join(["see {}".format(self.dir / (name + suffix)), *lines[-5:]])
        return "it said nothing"

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        pid = self.pid(name)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
            deadline = time.monotonic() + STOP_SECS
            while command_line(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)

    def wait(self, what: str, ready, name: str = "slurmctld") -> None:
        deadline = time.monotonic() + START_SECS
        while not ready():
            if time.monotonic() > deadline:
                raise ClusterError("waited {} s for {}; {}".format(START_SECS, what, self.last_words(name)))
            time.sleep(0.05)

    def environment(self) -> Dict[str, str]:
        return dict(os.environ, SLURM_CONF=str(self.conf), PATH=SEARCH)

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            [program(command[0]), *command[1:]],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return done.stdout.decode(errors="replace") if done.returncode == 0 else ""

    # What the commands do.

    def configure(self, max_array_size: int, min_job_age: int) -> None:
        for name in ("munge", "state", *("spool-tacq{}".format(n) for n in NODES)):
            (self.dir / name).mkdir(exist_ok=True)
        # The socket's folder is entered by clients; the key is nobody else's.
        self.dir.chmod(0o755)
        (self.dir / "munge").chmod(0o755)
        key = self.dir / "munge" / "key"
        if not key.exists():
            descriptor = os.open(str(key), os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(128))
        if self.conf.exists():
            return
        host = socket.gethostname().split(".")[0]
        address = "127.0.0.1"
        controller_port, *node_ports = free_ports(1 + len(NODES))
        nodes = [NODE.format(n=n, host=host, address=address, port=port) for n, port in zip(NODES, node_ports)]
        text = CONF.format(
            host=host,
            address=address,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            dir=self.dir,
            controller_port=controller_port,
            max_array_size=max_array_size,
            min_job_age=min_job_age,
            nodes="\n".join(nodes),
        )
        (self.dir / "cgroup.conf").write_text("CgroupAutomount=no\n")
        # Last and by rename: a slurm.conf that is there is whole.
        temporary = self.conf.with_suffix(".tmp")
        temporary.write_text(text)
        temporary.rename(self.conf)

    def start_munge(self) -> None:
        folder = self.dir / "munge"
        arguments = ["--key-file={}/key".format(folder), "--socket={}/socket".format(folder)]
        arguments += ["--pid-file={}/munged.pid".format(self.dir), "--log-file={}/munged.log".format(self.dir)]
        # `--force`: a folder below a temporary one is more open than munge likes.
        self.start("munged", [*arguments, "--seed-file={}/seed".format(folder), "--num-threads=2", "--force"])

    def start_controller(self) -> None:
        self.start("slurmctld", ["-f", str(self.conf)])

    def start_node(self, n: int) -> None:
        self.start("slurmd-tacq{}".format(n), ["-N", "tacq{}".format(n), "-f", str(self.conf)])

    def nodes_up(self) -> bool:
        states = self.ask("sinfo", "--noheader", "--Node", "--partition=high", "--format=%t").split()
        return len(states) == len(NODES) and all(state in ("idle", "mix", "alloc", "comp") for state in states)

    def up(self, max_array_size: int, min_job_age: int) -> None:
        self.configure(max_array_size, min_job_age)
        self.start_munge()
        self.start_controller()
        for n in NODES:
            self.start_node(n)
        for n in NODES:
            # A node that was drained, after a kill at a bad moment, is free again.
            if self.ask("sinfo", "--noheader", "--nodes=tacq{}".format(n), "--format=%t").startswith("drain"):
                self.ask("scontrol", "update", "nodename=tacq{}".format(n), "state=resume")
        self.wait("the nodes", self.nodes_up)
        say("up: {} nodes, {}".format(len(NODES), self.conf))

    def down(self) -> None:
        for name in ("slurmctld", *("slurmd-tacq{}".format(n) for n in NODES), "munged"):
            self.stop(name)
        self.end_leftovers()
        shutil.rmtree(str(self.dir), ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(lock_of(self.dir))
        say("down")

    def end_leftovers(self, node: Optional[int] = None) -> None:
        """Ends step daemons and job scripts that outlived their slurmd: those whose environment names our cluster."""
        marker = "SLURM_CONF={}".format(self.conf).encode()
        where = None if node is None else "SLURMD_NODENAME=tacq{}".format(node).encode()
        jobs = set()
        for pid in processes():
            variables = environment_of(pid)
            if marker in variables and any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables):
                if where is None or where in variables:
                    jobs.add(pid)
        steps = {parent for parent in map(parent_of, jobs) if "slurmstepd" in " ".join(command_line(parent))}
        # Step daemons first: one that lives would report how its job ended.
        for pid in [*steps, *jobs]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def kill_node(self, n: int) -> None:
        self.stop("slurmd-tacq{}".format(n), signal.SIGKILL)
        # A node that loses power takes its jobs along.
        self.end_leftovers(n)

    def stop_controller(self) -> None:
        self.stop("slurmctld")

    def restart_controller(self) -> None:
        self.stop_controller()
        self.start_controller()
        self.wait("the controller", lambda: "UP" in self.ask("scontrol", "ping"))


def default_dir() -> Path:
    return Path(tempfile.gettempdir()) / "tacq-slurm-{}".format(os.geteuid())


def lock_of(folder: Path) -> str:
    return str(folder) + ".lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One command at a time on a cluster."""
    with open(lock_of(folder), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=default_dir(), help="the cluster's folder (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up")
    up.add_argument("--install", action="store_true", help="install missing packages, as root")
    up.add_argument("--max-array-size", type=int, default=4, help="MaxArraySize; small, so that arrays are cut (%(default)s)")
    up.add_argument("--min-job-age", type=int, default=300, help="seconds an ended job is remembered (%(default)s)")
    for name in ("down", "env", "stop-controller", "restart-controller"):
        commands.add_parser(name)
    for name in ("kill-node", "start-node"):
        commands.add_parser(name).add_argument("node", type=int, choices=NODES)
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    folder = options.dir.absolute()
    cluster = Cluster(folder)
    if options.command == "env":
        if not cluster.conf.exists():
            raise ClusterError("there is none in {}; start one with `up`".format(folder))
        print("export SLURM_CONF={0} TACQ_SLURM_CONF={0}".format(cluster.conf))
        return
    if options.command == "up":
        if options.install:
            install()
        for name in PROGRAMS:
            program(name)
        folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if options.command == "up":
            cluster.up(options.max_array_size, options.min_job_age)
        elif options.command == "down":
            cluster.down()
        elif options.command == "kill-node":
            cluster.kill_node(options.node)
        elif options.command == "start-node":
            cluster.start_node(options.node)
        elif options.command == "stop-controller":
            cluster.stop_controller()
        else:
            cluster.restart_controller()


def main() -> NoReturn:
    try:
        run(arguments())
    except ClusterError as error:
        say(str(error))
        sys.exit(3)
    sys.exit(0)


if __name__ == "__main__":
    main()
