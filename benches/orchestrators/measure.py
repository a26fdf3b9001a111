"""Running a command: wall time, peak memory with children, a limit, and kill -9 of all that it started."""

import dataclasses
import os
import signal
import subprocess
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
# Seconds between two looks at the memory of the process tree.
SAMPLE_SECS = 0.05


@dataclasses.dataclass
class Outcome:
    """How a command ended. `peak_bytes` is the largest sum of the resident memory of the process and its children that
    was seen, or the largest of a single one if that is more; pages that they share count in each."""

    wall_secs: float
    peak_bytes: int
    code: int | None
    timed_out: bool
    output: str


class Running:
    """A command in a session of its own, its output in a file."""

    def __init__(self, argv, folder, environment, log):
        self.log = log
        self.peak = 0
        self._done = threading.Event()
        with open(log, "wb") as out:
            self.started = time.perf_counter()
            self.process = subprocess.Popen(
                argv,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def _sample(self):
        while not self._done.is_set():
            self.peak = max(self.peak, sum(resident(pid) for pid in tree(self.process.pid)))
            self._done.wait(SAMPLE_SECS)

    def wait(self, limit_secs=None):
        """Waits for its end; kills it after the limit."""
        timed_out = False
        timer = None
        if limit_secs is not None:

            def stop():
                nonlocal timed_out
                timed_out = True
                self.kill()

            timer = threading.Timer(max(limit_secs, 0.1), stop)
            timer.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        wall = time.perf_counter() - self.started
        # Popen must not wait for a process that is gone.
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if timer:
            timer.cancel()
        self._done.set()
        self._sampler.join()
        with open(self.log, "rb") as file:
            text = file.read().decode(errors="replace")
        peak = max(self.peak, usage.ru_maxrss * 1024)
        return Outcome(wall, peak, self.process.returncode, timed_out, text)

    def has_ended(self):
        """Whether it is over; `wait` then returns at once."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, options) is not None

    def kill(self):
        """kill -9 to the process and everything in its session, as a machine that loses power would."""
        # Twice, for what was born while the first list was made.
        for _ in range(2):
            for pid in session(self.process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def run(argv, folder, environment, log, limit_secs=None):
    """Runs a command to its end."""
    return Running(argv, folder, environment, log).wait(limit_secs)


def resident(pid):
    """Bytes in memory; nothing for a process that has ended."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def tree(pid):
    """A process and its descendants."""
    found, pending = [], [pid]
    while pending:
        pid = pending.pop()
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                    pending.extend(map(int, file.read().split()))
        except OSError:
            continue
    return found


def session(leader):
    """All processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # After the name, which may hold anything: state, parent, group, session.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(name))
    return found


def usage_of(folder):
    """Inodes and bytes below a folder; files with several names count once."""
    seen, n_bytes = set(), 0
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            status = os.lstat(os.path.join(parent, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                n_bytes += status.st_size if name in files else 0
    return len(seen), n_bytes


def evict(path):
    """Drops a file from the page cache, of this file alone."""
    with open(path, "rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
