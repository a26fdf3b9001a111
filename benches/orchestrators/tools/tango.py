"""ai2-tango: a step per stage in one JSON file (https://ai2-tango.readthedocs.io/en/latest/first_steps.html)."""

from orchestrators import body
from orchestrators.tools.base import Tool, write, write_json

STEPS = '''\
import subprocess

from tango import Step


@Step.register("body")
class Body(Step):
    """Spawns the shell of one stage."""

    DETERMINISTIC = True
    CACHEABLE = True

    def run(self, command: str, inputs: list) -> str:
        subprocess.run(["sh", "-c", command], check=True)
        return command
'''


class Tango(Tool):
    """As it comes."""

    package = ("ai2-tango", "1.3.2")
    name = "tango"
    settings = "defaults; with two steps side by side it starts a process for each"
    verifies = "arguments; neither inputs nor outputs are looked at"
    plans = ()

    def version_argv(self):
        return [self.program("tango"), "--version"]

    def environment(self, folder):
        return {"PYTHONPATH": ".", "TANGO_CONSOLE_LOGGING_LEVEL": "error"}

    def describe(self, graph, folder, jobs):
        write(folder, "bench_steps.py", STEPS)
        self.set_parameter(graph, folder, 0)

    def set_parameter(self, graph, folder, value):
        steps = {
            stage.id: {
                "type": "body",
                "command": body.of_stage(stage, value),
                "inputs": [{"type": "ref", "ref": name} for name in stage.inputs],
            }
            for stage in graph
        }
        write_json(folder, "steps.json", {"steps": steps})

    def plan(self, folder):
        return None

    def run(self, folder, jobs, keep_going=False):
        # It always keeps going: https://ai2-tango.readthedocs.io/en/latest/api/components/executor.html
        argv = [self.program("tango"), "run", "steps.json", "--include-package", "bench_steps"]
        argv += ["--workspace", "workspace"]
        # By default it runs all steps in its own process, one after the other.
        return argv if jobs == 1 else [*argv, "--parallelism", str(jobs)]
