"""Snakemake: one rule with wildcards per kind (https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html)."""

from orchestrators import body
from orchestrators.graph import RULES
from orchestrators.tools.base import Tool, write, write_json

RULE = """\

rule {kind}:
    input: {inputs}
    output: {output!r}
    params: text={text}
    shell: {command!r}
"""


class Snakemake(Tool):
    """As it comes."""

    package = ("snakemake", "9.27.1")
    name = "snakemake"
    verifies = "mtime; where that is newer, SHA-256 of files below 1 MB; parameters and code"
    extra = ()

    def version_argv(self):
        return [self.program("snakemake"), "--version"]

    def describe(self, graph, folder, jobs):
        lengths = graph.shape.lengths()
        ranges = ", ".join(f"{axis}=range({n})" for axis, n in lengths.items())
        evaluation = graph.stage("evaluate", {axis: f"{{{axis}}}" for axis in lengths})
        text = [
            'configfile: "parameters.json"\n',
            # All tools spawn the same shell; Snakemake's own default is Bash.
            'shell.executable("/bin/sh")\n',
            "\nrule report:\n",
            f"    input: sorted(expand({evaluation.output!r}, {ranges}))\n",
            f"    output: {graph['report'].output!r}\n",
            f"    shell: {self._braces(body.of_stage(graph['report'], 0))!r}\n",
        ]
        for kind, (axes, _, _) in RULES.items():
            wild = graph.stage(kind, {axis: f"{{{axis}}}" for axis in axes})
            name = graph.stage(kind, {axis: f"{{wildcards.{axis}}}" for axis in axes}).id
            parameter = 'config["tasks"][int(wildcards.e)]' if "e" in axes else "0"
            command = body.command(name, f"{name} {{params.text}}", "{input}", "{output}", len(wild.paths()))
            text.append(
                RULE.format(
                    kind=kind,
                    inputs=", ".join(map(repr, wild.paths())),
                    output=wild.output,
                    text=f"lambda wildcards: {parameter}",
                    command=command,
                )
            )
        write(folder, "Snakefile", "".join(text))
        self.set_parameter(graph, folder, 0)

    @staticmethod
    def _braces(command):
        return command.replace("{", "{{").replace("}", "}}")

    def set_parameter(self, graph, folder, value):
        write_json(folder, "parameters.json", {"tasks": [value, *[0] * (graph.shape.tasks - 1)]})

    def plan(self, folder):
        return [self.program("snakemake"), "--dry-run", *self.extra]

    def run(self, folder, jobs, keep_going=False):
        argv = [self.program("snakemake"), "--cores", str(jobs), *self.extra]
        return [*argv, *(["--keep-going"] if keep_going else [])]

    def by_hand(self, folder, jobs):
        # https://snakemake.readthedocs.io/en/stable/project_info/faq.html
        unlock = [self.program("snakemake"), "--unlock"]
        resume = [*self.run(folder, jobs), "--rerun-incomplete"]
        return [[resume], [unlock, resume]]


class FastSnakemake(Snakemake):
    """With what its documentation recommends for speed."""

    name = "snakemake-fast"
    settings = "`--scheduler greedy --quiet all`, dry runs with `--trust-io-cache`"
    # https://snakemake.readthedocs.io/en/stable/executing/cli.html
    extra = ("--scheduler", "greedy", "--quiet", "all")

    def plan(self, folder):
        return [*super().plan(folder), "--trust-io-cache"]
