"""What the numbers depend on beside the tools: the machine, the day, the commit, the command."""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time


def remember(work, root, absent, arguments):
    """Adds this call to what is known about the results."""
    path = os.path.join(work, "machine.json")
    known = recall(work)
    described = subprocess.run(
        ["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    call = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": described.stdout.strip(),
        "cap_minutes": arguments.cap,
        "arguments": shlex.join(shorten(argument, root) for argument in sys.argv[1:]),
    }
    known["absent"] = {**known.get("absent", {}), **absent}
    known["calls"] = [other for other in known.get("calls", []) if other != call] + [call]
    known.update(cpu=cpu(), cores=os.cpu_count(), memory_bytes=memory(), system=platform.platform(terse=True))
    known["python"] = platform.python_version()
    os.makedirs(work, exist_ok=True)
    known["fsync_secs"] = fsync_secs(work)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=1)


def recall(work):
    """What is known."""
    try:
        with open(os.path.join(work, "machine.json"), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def shorten(argument, root):
    """A path as it is below the repository; others by their last part, for they are nobody's business."""
    if not os.path.isabs(argument):
        return argument
    relative = os.path.relpath(argument, root)
    return relative if not relative.startswith("..") else os.path.basename(argument)


def fsync_secs(folder):
    """Median seconds that flushing a small file takes, which bounds every tool that flushes what it commits."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(20):
            file.write(b"some bytes")
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def cpu():
    """The processor's name."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def memory():
    """Bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
