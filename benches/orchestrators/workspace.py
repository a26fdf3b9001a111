"""The folder in which a tool runs: the user's files, the description of the graph, the ledger beside it."""

import json
import os
import shutil
import struct
import time

from orchestrators import body, measure
from orchestrators.graph import KINDS, SHARD

BIG_SHARDS = 4
BIG_BYTES = 2 << 30
# Below it, what was moved aside is deleted at once.
LEAST_FREE = 12 << 30


class Workspace:
    """One project of one tool. `project` is what the tool sees, `state` is for what it keeps outside of projects."""

    def __init__(self, root, tool, graph, jobs, home, shards_from=None):
        self.root = os.path.abspath(root)
        self.project = os.path.join(self.root, "project")
        self.tool, self.graph, self.jobs, self.home = tool, graph, jobs, os.path.abspath(home)
        self._marker = os.path.join(self.root, "built.json")
        self.parameter = 0
        if os.path.exists(self._marker):
            with open(self._marker, encoding="utf-8") as file:
                self.parameter = json.load(file)["parameter"]
            self.ledger = body.Ledger(self.root)
            return
        discard(self.root)
        os.makedirs(self.project)
        os.makedirs(os.path.join(self.root, "state"))
        os.makedirs(self.home, exist_ok=True)
        self._write_sources(shards_from)
        for kind in KINDS:
            os.makedirs(os.path.join(self.project, "out", kind))
        tool.describe(graph, self.project, jobs)
        self.ledger = body.Ledger(self.root)
        self.described = self._usage()

    def _write_sources(self, shards_from):
        shape, sources = self.graph.shape, os.path.join(self.project, "sources")
        for m in range(shape.models):
            os.makedirs(os.path.join(sources, f"m{m}"))
            with open(os.path.join(sources, f"m{m}", "config.json"), "w", encoding="utf-8") as file:
                json.dump({"architectures": ["LlamaForCausalLM"], "name": f"m{m}"}, file)
            for k in range(self.graph.shards):
                # The same inode in every workspace: 8 GiB once.
                shard = SHARD.format(m=m, k=k)
                os.link(os.path.join(shards_from, os.path.basename(shard)), os.path.join(self.project, shard))
        for name in [f"c{d}" for d in range(shape.data)] + [f"t{e}" for e in range(shape.tasks)]:
            with open(os.path.join(sources, f"{name}.txt"), "w", encoding="utf-8") as file:
                file.write(f"a text, {name}\n")

    @property
    def is_built(self):
        """Whether a cold run has succeeded in it."""
        return os.path.exists(self._marker)

    def mark_built(self):
        """Remembers that, and the parameter, for a benchmark that goes on later."""
        with open(self._marker, "w", encoding="utf-8") as file:
            json.dump({"parameter": self.parameter}, file)

    def remove(self):
        """Takes it out of the way."""
        discard(self.root)

    def environment(self):
        """Variables of all commands: no settings of the user, no locale."""
        keep = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        own = {"HOME": self.home, "LC_ALL": "C.UTF-8", **self.ledger.environment()}
        # What `git init` looks for is the project's, not that of a repository around it.
        own["GIT_CEILING_DIRECTORIES"] = self.root
        if self.tool.home:
            # As in an environment that is activated: tango starts itself by name.
            own["PATH"] = os.path.join(self.tool.home, "bin") + os.pathsep + keep.get("PATH", os.defpath)
        return {**keep, **own, **self.tool.environment(self.project)}

    def start(self, argv, log="log"):
        """Starts a command in the project."""
        return measure.Running(argv, self.project, self.environment(), os.path.join(self.root, log))

    def run(self, argv, limit_secs):
        """Runs a command in the project."""
        return self.start(argv).wait(limit_secs)

    def set_parameter(self, value):
        """Changes the parameter of task 0."""
        self.parameter = value
        self.tool.set_parameter(self.graph, self.project, value)

    def touch(self, name):
        """Gives a file a new time and leaves its content."""
        os.utime(os.path.join(self.project, name))

    def executed(self):
        """Per stage of the graph: how often its body began and ended since the ledger was cleared."""
        began, ended, inputs = self.ledger.read()
        names = self.tool.ledger_names(self.graph, self.project)
        strange = set(began) - set(names.values())
        own = {stage: name for stage, name in names.items() if name in began}
        return (
            {stage: began[name] for stage, name in own.items()},
            {stage: ended[name] for stage, name in own.items() if ended[name]},
            {stage: inputs[name] for stage, name in own.items()},
            strange,
        )

    def wrong_outputs(self):
        """Stages whose output is not what their inputs make."""
        return self.tool.wrong_outputs(self.graph, self.project, self.parameter)

    def _usage(self):
        usages = [measure.usage_of(os.path.join(self.root, name)) for name in ("project", "state")]
        return tuple(map(sum, zip(*usages)))

    def added(self):
        """Inodes and bytes that the tool has added to its description, without one output of 68 bytes per stage."""
        (inodes, n_bytes), (inodes_before, bytes_before) = self._usage(), self.described
        n = len(self.graph)
        return inodes - inodes_before - n, n_bytes - bytes_before - 68 * n


def discard(root):
    """Moves a project aside; `empty_trash` deletes it later. ext4 does not use the numbers of inodes again that became free
    in the last minutes, and looks at each of them whenever a file is made: after a project was deleted, the next
    repetition took up to twice as long as the first."""
    if not os.path.exists(root):
        return
    trash = trash_of(os.path.dirname(os.path.dirname(root)))
    os.makedirs(trash, exist_ok=True)
    os.rename(root, os.path.join(trash, f"{time.time_ns()}"))
    if shutil.disk_usage(trash).free < LEAST_FREE:
        empty_trash(os.path.dirname(trash))


def trash_of(work):
    """Where projects lie that nobody needs any more."""
    return os.path.join(work, "trash")


def empty_trash(work):
    """Deletes them."""
    shutil.rmtree(trash_of(work), ignore_errors=True)


def make_shards(folder):
    """Four files of 2 GiB that pass for shards of a model, unless they are there."""
    os.makedirs(folder, exist_ok=True)
    for k in range(BIG_SHARDS):
        path = os.path.join(folder, f"shard-{k}.safetensors")
        if os.path.exists(path) and os.path.getsize(path) == BIG_BYTES:
            continue
        block = os.urandom(1 << 20)
        with open(path, "wb") as file:
            length = 1016
            header = {f"weight-{k}": {"dtype": "U8", "shape": [BIG_BYTES - 8 - length]}}
            header[f"weight-{k}"]["data_offsets"] = [0, BIG_BYTES - 8 - length]
            file.write(struct.pack("<Q", length) + json.dumps(header).encode().ljust(length))
            while file.tell() < BIG_BYTES:
                file.write(block[: BIG_BYTES - file.tell()])
