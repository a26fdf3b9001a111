#!/usr/bin/env -S python3 -I -S
"""Stands in for Slurm: called as sbatch, squeue, sacct, scontrol or scancel, it runs jobs on this machine, and can be
told to misbehave as no real cluster does on demand. State and orders are files in FAKE_SLURM_DIR:

    outage              while it is there, no controller answers
    lose_answer         the next sbatch is accepted, and its answer is lost; the file is removed
    refuse              what sbatch says while it refuses everything
    forgetful           ended jobs are no longer in the queue
    accounting          there is an accounting, which sacct reads
    max_array_size      MaxArraySize
    hold-KIND           while it is there, jobs of this kind of stage do not begin
    fate-KIND           one word a line: how the next jobs of this kind of stage end, without running
    calls.log           every call, with its arguments
    live.log            tasks that were queued or ran after each submission
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(os.environ["FAKE_SLURM_DIR"])
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED")


def fail(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


def put(path, text):
    temporary = path.with_name("{}.{}.tmp".format(path.name, os.getpid()))
    temporary.write_text(text)
    temporary.rename(path)


def state(folder, task):
    return (folder / "{}.state".format(task)).read_text().split("|")


def set_state(folder, task, word, reason="None"):
    put(folder / "{}.state".format(task), "{}|{}".format(word, reason))


def jobs():
    return sorted((int(folder.name), folder) for folder in (ROOT / "jobs").glob("*") if folder.name.isdigit())


def tasks(folder):
    return json.loads((folder / "job.json").read_text())["tasks"]


def sbatch(arguments):
    if (ROOT / "refuse").exists():
        fail((ROOT / "refuse").read_text())
    options = dict(re.match(r"--([a-z-]+)=?(.*)", word, re.S).groups() for word in arguments)
    array = options.get("array")
    last = int(array.split("-")[1]) if array else 0
    if array and last >= int(read("max_array_size", "1001")):
        fail("sbatch: error: Batch job submission failed: Invalid job array specification")
    script = sys.stdin.read()
    (ROOT / "jobs").mkdir(exist_ok=True)
    number = 1 + max((n for n, _ in jobs()), default=0)
    while True:
        folder = ROOT / "jobs" / str(number)
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
    for task in range(last + 1):
        set_state(folder, task, "PENDING")
    (folder / "script").write_text(script)
    (folder / "script").chmod(0o755)
    job = {"options": options, "tasks": last + 1, "is_array": bool(array)}
    put(folder / "job.json", json.dumps(job))
    with open(ROOT / "live.log", "a") as log:
        log.write("{}\n".format(sum(1 for _ in listing(lambda _, word: word not in OVER))))
    for task in range(last + 1):
        subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, "run-task", str(number), str(task)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    if (ROOT / "lose_answer").exists():
        (ROOT / "lose_answer").unlink()
        fail("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    print(number)


def read(name, default):
    try:
        return (ROOT / name).read_text().strip()
    except FileNotFoundError:
        return default


def run_task(number, task):
    folder = ROOT / "jobs" / number
    options = json.loads((folder / "job.json").read_text())["options"]
    if "dependency" in options:
        for before in options["dependency"].split(":")[1:]:
            job, _, index = before.partition("_")
            while True:
                word = state(ROOT / "jobs" / job, index or "0")[0]
                if state(folder, task)[0] != "PENDING":
                    return
                if word == "COMPLETED":
                    break
                if word in OVER:
                    return set_state(folder, task, "CANCELLED", "DependencyNeverSatisfied")
                time.sleep(0.1)
    kind = options.get("comment", "").rpartition(" ")[2]
    while (ROOT / "hold-{}".format(kind)).exists() and state(folder, task)[0] == "PENDING":
        time.sleep(0.1)
    if state(folder, task)[0] != "PENDING":
        return
    fate = take_fate(kind)
    if fate == "VANISHED":
        return set_state(folder, task, "COMPLETED")
    if fate:
        return set_state(folder, task, fate)
    environment = dict(os.environ, SLURM_ARRAY_JOB_ID=number, SLURM_ARRAY_TASK_ID=task, SLURM_JOB_ID=number)
    with open(options["output"].replace("%a", task), "ab") as log:
        process = subprocess.Popen(
            [str(folder / "script")],
            cwd=options["chdir"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    put(folder / "{}.pid".format(task), str(process.pid))
    set_state(folder, task, "RUNNING")
    code = process.wait()
    if state(folder, task)[0] == "RUNNING":
        set_state(folder, task, "COMPLETED" if code == 0 else "FAILED", "None" if code == 0 else "NonZeroExitCode")


def take_fate(kind):
    path = ROOT / "fate-{}".format(kind)
    try:
        words = path.read_text().split()
    except FileNotFoundError:
        return None
    put(path, "\n".join(words[1:]))
    return words[0] if words else None


def listing(wanted=lambda number, word: True):
    for number, folder in jobs():
        try:
            job = json.loads((folder / "job.json").read_text())
        except FileNotFoundError:
            continue  # being submitted
        for task in range(job["tasks"]):
            word, reason = state(folder, task)
            if wanted(number, word):
                name = "{}_{}".format(number, task) if job["is_array"] else str(number)
                yield name, word, job["options"]["job-name"], reason, "" if word == "PENDING" else "node1"


def squeue(_):
    forgetful = (ROOT / "forgetful").exists()
    for row in listing(lambda _, word: not (forgetful and word in OVER)):
        print("|".join(row))


def sacct(arguments):
    numbers = [word.split("=")[1] for word in arguments if word.startswith("--jobs=")]
    wanted = {int(number) for number in numbers[0].split(",")}
    for row in listing(lambda number, _: number in wanted):
        # What a requeue leaves behind.
        print("|".join([row[0], "PREEMPTED", *row[2:]]))
        print("|".join(row))


def scancel(arguments):
    for word in arguments:
        number, _, task = word.partition("_")
        folder = ROOT / "jobs" / number
        for one in [task] if task else map(str, range(tasks(folder))):
            if state(folder, one)[0] in OVER:
                continue
            was_running = state(folder, one)[0] == "RUNNING"
            set_state(folder, one, "CANCELLED")
            if was_running:
                os.killpg(int((folder / "{}.pid".format(one)).read_text()), signal.SIGTERM)


def scontrol(arguments):
    if arguments[0] != "show":
        fail("scontrol: error: this cluster requeues nothing")
    kind = "slurmdbd" if (ROOT / "accounting").exists() else "none"
    print("MaxArraySize            = " + read("max_array_size", "1001"))
    print("AccountingStorageType   = accounting_storage/" + kind)


def main():
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if arguments and arguments[0] == "run-task":
        return run_task(arguments[1], arguments[2])
    with open(ROOT / "calls.log", "a") as log:
        log.write(" ".join([name, *arguments]) + "\n")
    if (ROOT / "outage").exists():
        fail("{}: error: Unable to contact slurm controller (connect failure)".format(name))
    {"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel, "scontrol": scontrol}[name](arguments)


if __name__ == "__main__":
    main()
