"""tacq-sweep: one experiment file, the stages spawned by the stand-in engine.

Its own plan counts the same graph otherwise. The user's data files, plain dependencies elsewhere, are `download` stages
(data + tasks of them), so that edges to them are edges between stages. `download` stages have no body: the driver
hashes local files itself. And the report is not a stage: each run ends with the tables. `check_counts` asserts this.
"""

import json
import os
import re
import struct
import subprocess

from orchestrators import body
from orchestrators.graph import RULES
from orchestrators.tools.base import Tool, write, write_json


class TacqSweep(Tool):
    """As it comes."""

    name = "tacq-sweep"
    verifies = "content (BLAKE3) of the user's files, remembered by inode, mtime, ctime and size; sizes of all outputs"

    def __init__(self, venvs, programs):
        super().__init__(venvs)
        self.sweep = os.path.join(os.path.abspath(programs), "tacq-sweep")
        self.engine = os.path.join(os.path.abspath(programs), "tacq-fake-engine")

    def install(self):
        missing = [path for path in (self.sweep, self.engine) if not os.path.exists(path)]
        return f"missing: {', '.join(missing)}; cargo build --release --workspace --bins" if missing else None

    def version_argv(self):
        return [self.sweep, "--version"]

    def environment(self, folder):
        return {"TACQ_ENGINE": self.engine, "FAKE_ENGINE_SHELL": "1"}

    def describe(self, graph, folder, jobs):
        for m in range(graph.shape.models):
            write(folder, f"sources/m{m}/tokenizer.json", "{}\n")
            shards = [f"shard-{k}.safetensors" for k in range(graph.shards)]
            if shards:
                index = {"weight_map": {f"weight-{k}": shard for k, shard in enumerate(shards)}}
                write_json(folder, f"sources/m{m}/model.safetensors.index.json", index)
            else:
                with open(os.path.join(folder, f"sources/m{m}/model.safetensors"), "wb") as file:
                    file.write(shard_header("weight", 4) + bytes(4))
        self._write(graph, folder, jobs, 0)

    def _write(self, graph, folder, jobs, value):
        lengths = graph.shape.lengths()
        texts = {f"c{d}": {"train": f"sources/c{d}.txt"} for d in range(lengths["d"])}
        texts.update({f"t{e}": {"test": f"sources/t{e}.txt"} for e in range(lengths["e"])})
        ratios = [(r + 1) / 10000 for r in range(lengths["r"])]
        experiment = {
            "name": "bench",
            "model": [f"sources/m{m}" for m in range(lengths["m"])],
            "datasets": texts,
            "sweep": {
                "condition_on": [f"c{d}" for d in range(lengths["d"])],
                "bits": [b + 1 for b in range(lengths["b"])],
                "methods": [{"tacq": {"outlier_ratio": ratios}}],
            },
            "calibration": {"n_samples": 4, "seq_len": 32},
            # The parameter of task 0 is how many windows it has; one that no other task has.
            "tasks": {f"t{e}": {"n_windows": 4 + (value if e == 0 else 0)} for e in range(lengths["e"])},
            "evaluate": [f"t{e}" for e in range(lengths["e"])],
            "baseline": False,
            "run": {"devices": ["cpu"] * jobs},
        }
        write_json(folder, "experiment.yaml", experiment)

    def set_parameter(self, graph, folder, value):
        with open(os.path.join(folder, "experiment.yaml"), encoding="utf-8") as file:
            jobs = len(json.load(file)["run"]["devices"])
        self._write(graph, folder, jobs, value)

    def plan(self, folder):
        return [self.sweep, "plan", "experiment.yaml"]

    def run(self, folder, jobs, keep_going=False):
        # It always keeps going.
        return [self.sweep, "run", "experiment.yaml"]

    def bodies(self, graph):
        return {stage.id for stage in graph if stage.kind not in ("download", "report")}

    def _plan(self, folder):
        argv = [self.sweep, "plan", "experiment.yaml", "--json"]
        environment = {**os.environ, **self.environment(folder)}
        # Exit code 1 means that there is work to do.
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)["stages"]

    def ledger_names(self, graph, folder):
        planned = [entry for entry in self._plan(folder) if entry["kind"] != "download"]
        names = {stage_id(entry): f"{entry['kind']}-{entry['key']}" for entry in planned}
        assert set(names) == self.bodies(graph), "the plan is another graph"
        return names

    def check_counts(self, graph, folder):
        shape, planned = graph.shape, self._plan(folder)
        found = {kind: sum(entry["kind"] == kind for entry in planned) for kind in RULES}
        expected = graph.shape.counts()
        del expected["report"]
        expected["download"] += shape.data + shape.tasks
        assert found == expected, (found, expected)
        edges = sum(len(entry["inputs"]) for entry in planned)
        of_report = len(graph["report"].inputs)
        # A model's own files are no edge of its plan; data files are.
        of_models = sum(len(stage.sources) for stage in graph.of_kind("download"))
        assert edges == graph.edges() - of_report + graph.source_edges() - of_models, edges

    def wrong_outputs(self, graph, folder, parameter):
        planned = self._plan(folder)
        wrong = []
        for entry in planned:
            if entry["kind"] == "download":
                continue
            paths = [self._read_by(folder, entry, planned[i]) for _, i in _in_order(entry["inputs"])]
            try:
                expected = body.expected_output(f"{entry['kind']}-{entry['key']}", paths)
                with open(os.path.join(folder, entry["artifact"], "output.txt"), encoding="utf-8") as file:
                    right = file.read() == expected
            except FileNotFoundError:
                right = False
            if not right:
                wrong.append(stage_id(entry))
        return wrong

    @staticmethod
    def _read_by(folder, entry, read):
        """The file of a stage that another one reads."""
        if read["kind"] != "download":
            return os.path.join(folder, read["artifact"], "output.txt")
        name = re.fullmatch(r"download\[(\w+)(,\w+)?\]", read["label"])[1]
        return os.path.join(folder, "sources", f"{name}/config.json" if name[0] == "m" else f"{name}.txt")


class BareTacqSweep(TacqSweep):
    """Spawns nothing."""

    name = "tacq-sweep-bare"
    settings = "an engine that spawns nothing: what remains is the driver"
    spawns = False

    def environment(self, folder):
        return {"TACQ_ENGINE": self.engine}

    def wrong_outputs(self, graph, folder, parameter):
        return []


def _in_order(inputs):
    """Inputs as the engine reads them: folders by role, then data files."""
    return sorted(inputs.items(), key=lambda item: (item[0] == "dataset", item[0]))


def stage_id(entry):
    """The graph's name of a planned stage, from its label."""
    kind, parts = re.fullmatch(r"(\w+)\[(.*)\]", entry["label"]).groups()
    at = []
    for part in parts.split(","):
        if re.fullmatch(r"[md]\d+", part):
            at.append(part)
        elif re.fullmatch(r"c\d+", part):
            at.append(f"d{part[1:]}")
        elif match := re.fullmatch(r"(\d)-bit", part):
            bits = int(match[1]) - 1
        elif match := re.fullmatch(r"tacq r=0\.(\d+)", part):
            ratio = int(match[1].ljust(4, "0")) - 1
        elif match := re.fullmatch(r"on t(\d+)", part):
            task = match[1]
    axes = RULES[kind][0]
    if "b" in axes:
        at.append(f"b{bits}")
    if "r" in axes:
        at.append(f"r{ratio}")
    if "e" in axes:
        at.append(f"e{task}")
    return "-".join([kind, *at])


def shard_header(name, n_bytes):
    """The beginning of a safetensors file with one tensor of so many bytes."""
    header = json.dumps({name: {"dtype": "U8", "shape": [n_bytes], "data_offsets": [0, n_bytes]}}).encode()
    return struct.pack("<Q", len(header)) + header
