"""No tool at all: a shell script that spawns the bodies one after the other. What it takes is what no tool can save."""

import shlex

from orchestrators import body
from orchestrators.tools.base import Tool, write


class Loop(Tool):
    """A lower bound for cold runs."""

    name = "loop"
    settings = "`sh -c BODY`, line after line"
    jobs = (1,)
    verifies = "nothing: it always runs everything"
    plans = ()

    def version_argv(self):
        return ["sh", "-c", ":"]

    def describe(self, graph, folder, jobs):
        lines = (f"sh -c {shlex.quote(body.of_stage(stage, 0))}\n" for stage in graph)
        write(folder, "bodies.sh", "".join(lines))

    def run(self, folder, jobs, keep_going=False):
        return ["sh", "bodies.sh"]
