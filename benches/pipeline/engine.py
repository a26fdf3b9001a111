"""Speaks the engine's protocol: requests as JSON lines in, events out."""

import dataclasses
import json
import os
import shutil
import subprocess


@dataclasses.dataclass
class Outcome:
    """How a request ended."""

    wall_secs: float
    peak_bytes: int
    device_peak_bytes: int
    device: str
    log: list


class Failed(Exception):
    """The engine says why."""


class Engine:
    """One process of tacq-engine."""

    def __init__(self, program, folder, device, memory_gib=None, gpus=1):
        self.folder, self.device = folder, device
        self.settings = {"more_devices": [f"cuda:{index}" for index in range(1, gpus)]} if gpus > 1 else {}
        if memory_gib:
            self.settings["device_bytes"] = int(memory_gib * 2**30)
        self.id = 0
        self.process = subprocess.Popen(
            [program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.ready = self._event()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def _event(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the engine ended with {self.process.wait()}")
        return json.loads(line)

    def run(self, step, output):
        """Runs a step's request into a new folder `output`."""
        self.id += 1
        progress = os.path.join(self.folder, "progress")
        for path in (output, progress):
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(output)
        request = {
            "id": self.id,
            "stage": {"kind": step.kind, "params": step.params},
            "inputs": step.inputs,
            "data": {role: files(path) for role, path in step.data.items()},
            "output": output,
            "progress": progress,
            # What is measured is the work, not how often it is saved.
            "run": {"device": self.device, "threads": None, "checkpoint_secs": 86400, **self.settings, **step.run},
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        log = []
        while True:
            event = self._event()
            if event["event"] == "log":
                log.append(event["message"])
            elif event["event"] == "failed":
                raise Failed(event["message"])
            elif event["event"] == "done":
                shutil.rmtree(progress, ignore_errors=True)
                facts = event["provenance"]
                peaks = facts["peak_bytes"], facts["device_peak_bytes"]
                return Outcome(facts["wall_secs"], *peaks, facts["device"], log)


def files(path):
    """A file, or all files of a folder, as a request names them."""
    if os.path.isfile(path):
        return [{"name": os.path.basename(path), "path": path}]
    found = []
    for folder, _, names in os.walk(path):
        found += [{"name": name, "path": os.path.join(folder, name)} for name in names]
    return sorted(found, key=lambda file: file["name"])
