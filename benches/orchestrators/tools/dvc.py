"""DVC: one `matrix` stage per kind in dvc.yaml (https://dvc.org/doc/user-guide/project-structure/dvcyaml-files)."""

import os
import subprocess

from orchestrators import body
from orchestrators.graph import RULES
from orchestrators.tools.base import Tool, write, write_json


class Dvc(Tool):
    """As it comes, in a Git repository."""

    package = ("dvc", "3.67.1")
    name = "dvc"
    settings = "defaults, in a Git repository; analytics and update checks off"
    # `dvc repro` runs one stage at a time; its documentation says to start it several times.
    jobs = (1,)
    verifies = "content (MD5), remembered by inode, mtime and size"

    def version_argv(self):
        return [self.program("dvc"), "--version"]

    def environment(self, folder):
        # Nothing may be sent from a benchmark; both would run in a process of their own beside the command.
        cache = os.path.join(os.path.dirname(folder), "state")
        return {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": cache, "SHELL": "/bin/sh"}

    def describe(self, graph, folder, jobs):
        lengths = graph.shape.lengths()
        stages = {}
        for kind, (axes, _, _) in RULES.items():
            # A task is a mapping, because its parameter belongs to it.
            item = {axis: f"${{item.{axis}.id}}" if axis == "e" else f"${{item.{axis}}}" for axis in axes}
            one = graph.stage(kind, item)
            parameter = "${item.e.parameter}" if "e" in axes else "0"
            stages[kind] = {
                "matrix": {axis: "${tasks}" if axis == "e" else list(range(lengths[axis])) for axis in axes},
                "cmd": body.command(
                    one.id, f"{one.id} {parameter}", " ".join(one.paths()), one.output, len(one.paths())
                ),
                "deps": one.paths(),
                "outs": [one.output],
            }
        report = graph["report"]
        stages["report"] = {
            "cmd": body.of_stage(report, 0),
            "deps": report.paths(),
            "outs": [report.output],
        }
        write_json(folder, "dvc.yaml", {"stages": stages})
        self.set_parameter(graph, folder, 0)
        self.initialize(folder)

    def initialize(self, folder):
        """Makes the project."""
        for argv in (["git", "init", "--quiet"], [self.program("dvc"), "init", "--quiet"]):
            self._call(folder, argv)
        self._call(folder, [self.program("dvc"), "config", "core.check_update", "false"])

    def _call(self, folder, argv):
        environment = {**os.environ, **self.environment(folder)}
        subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True)

    def set_parameter(self, graph, folder, value):
        tasks = [{"id": e, "parameter": value if e == 0 else 0} for e in range(graph.shape.tasks)]
        write_json(folder, "params.yaml", {"tasks": tasks})

    def plan(self, folder):
        # `repro --dry` needs the outputs of stages that have not run: https://github.com/treeverse/dvc/issues/9021
        return [self.program("dvc"), "status"]

    def run(self, folder, jobs, keep_going=False):
        return [self.program("dvc"), "repro", *(["--keep-going"] if keep_going else [])]

    def by_hand(self, folder, jobs):
        # https://dvc.org/doc/user-guide/troubleshooting#lock-issue
        return [[["rm", "-f", ".dvc/tmp/rwlock", ".dvc/tmp/lock"], self.run(folder, jobs)]]


class FastDvc(Dvc):
    """With what its documentation recommends for speed."""

    name = "dvc-fast"
    settings = "no Git (`init --no-scm`), `cache.type hardlink`, analytics and update checks off"

    def initialize(self, folder):
        self._call(folder, [self.program("dvc"), "init", "--quiet", "--no-scm"])
        # https://dvc.org/doc/user-guide/data-management/large-dataset-optimization
        settings = {"core.check_update": "false", "cache.type": "hardlink"}
        for key, value in settings.items():
            self._call(folder, [self.program("dvc"), "config", key, value])
