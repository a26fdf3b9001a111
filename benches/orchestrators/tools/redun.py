"""redun: a task per kind, expressions for the graph (https://insitro.github.io/redun/design.html)."""

from orchestrators import body
from orchestrators.graph import RULES
from orchestrators.tools.base import Tool, write, write_json

HEAD = '''\
import glob
import itertools
import json
import os
import subprocess

from redun import File, task
from redun.scheduler import catch_all

redun_namespace = "bench"


def spawn(command, output):
    subprocess.run(["sh", "-c", command], check=True)
    return File(output)

'''

TASK = '''
@task({options})
def {kind}({arguments}, files):
    name = {name!r}.format({values})
    paths = [file.path for file in files]
    return spawn({command}, {output!r}.format({values}))

'''

# The report's shell lists the folder: 7,680 paths are too many for one argument.
TAIL = '''
@task({options})
def report(files):
    return spawn({command!r}, {output!r})


@task({options})
def give_up(results):
    raise RuntimeError("some stages failed")


# What it reads is among its arguments, so that a change of a file is seen although it is cached itself.
@task()
def main(
    keep_going: bool = False,
    parameters: File = File("parameters.json"),
    sources: list = [File(path) for path in sorted(glob.glob("sources/**", recursive=True)) if os.path.isfile(path)],
):
    tasks = json.loads(parameters.read())["tasks"]
    lengths = {lengths!r}
    by_path = {{file.path: file for file in sources}}
    stages = {{}}
{expressions}
    evaluations = [stages[name] for name in {evaluations}]
    if keep_going:
        evaluations = catch_all(evaluations, Exception, give_up)
    return report(evaluations)
'''

EXPRESSION = """\
    for {loop} in itertools.product({ranges}):
        files = [{inputs}]
        stages[f"{name}"] = {kind}({values}, files)
"""

INI = """\
[backend]
db_uri = sqlite:///redun.db

[executors.default]
type = local
max_workers = {jobs}
"""


class Redun(Tool):
    """As it comes."""

    package = ("redun", "0.44.1")
    name = "redun"
    verifies = "database; size and mtime of files of all stages"
    # A dry run ends at the first task that has not run, which is `main`.
    plans = ("plan-done",)
    options = ""

    def version_argv(self):
        return [self.program("redun"), "--version"]

    def environment(self, folder):
        return {"REDUN_CONFIG": ".redun"}

    def describe(self, graph, folder, jobs):
        text, expressions = [HEAD], []
        for kind, (axes, _, _) in RULES.items():
            own = graph.stage(kind, {axis: f"{{{axis}}}" for axis in axes})
            names = [*axes, *(["parameter"] if "e" in axes else [])]
            values = ", ".join(f"{name}={name}" for name in names)
            parameter = "{parameter}" if "e" in axes else "0"
            command = body.command("{name}", f"{{name}} {parameter}", "{paths}", "{output}", len(own.paths()))
            output = f"{own.output!r}.format({values})"
            call = f"{command!r}.format(name=name, {values}, paths=' '.join(paths), output={output})"
            text.append(
                TASK.format(
                    options=self.options,
                    kind=kind,
                    arguments=", ".join(names),
                    name=own.id,
                    values=values,
                    command=call,
                    output=own.output,
                )
            )
            inputs = [f'stages[f"{name}"]' for name in own.inputs] + [f'by_path[f"{path}"]' for path in own.sources]
            expressions.append(
                EXPRESSION.format(
                    loop=", ".join(axes) + ",",
                    ranges=", ".join(f"range(lengths[{axis!r}])" for axis in axes),
                    inputs=", ".join(inputs),
                    name=own.id,
                    kind=kind,
                    values=", ".join([*axes, *(["tasks[e]"] if "e" in axes else [])]),
                )
            )
        text.append(
            TAIL.format(
                options=self.options,
                command=body.of_stage(graph["report"], 0),
                output=graph["report"].output,
                lengths=graph.shape.lengths(),
                expressions="".join(expressions).rstrip("\n"),
                # In the order of the report's inputs: sorted by name.
                evaluations="sorted(name for name in stages if name.startswith('evaluate'))",
            )
        )
        write(folder, "workflow.py", "".join(text))
        write(folder, ".redun/redun.ini", INI.format(jobs=jobs))
        self.set_parameter(graph, folder, 0)

    def set_parameter(self, graph, folder, value):
        write_json(folder, "parameters.json", {"tasks": [value, *[0] * (graph.shape.tasks - 1)]})

    def plan(self, folder):
        return [self.program("redun"), "run", "--dryrun", "workflow.py", "main"]

    def run(self, folder, jobs, keep_going=False):
        # A failure ends a run unless the workflow catches it: https://insitro.github.io/redun/design.html
        extra = ["--keep-going", "true"] if keep_going else []
        return [self.program("redun"), "run", "workflow.py", "main", *extra]


class FastRedun(Redun):
    """With what its documentation recommends for large graphs."""

    name = "redun-fast"
    settings = '`check_valid="shallow"` on every task'
    verifies = "database; size and mtime of the last stages' files"
    # https://insitro.github.io/redun/scheduler.html
    options = 'check_valid="shallow"'
