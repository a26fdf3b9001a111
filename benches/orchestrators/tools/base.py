"""What the scenarios ask of a tool."""

import json
import os
import subprocess
import sys

from orchestrators import body

class Tool:
    """One tool with one set of settings."""

    #: Its name on PyPI and the version that is compared; none for tacq-sweep.
    package = None
    #: Its name on the command line of the benchmark.
    name = ""
    #: What its user would have to set; shown beside the results.
    settings = "defaults"
    #: How many stages it can run side by side.
    jobs = (1, 2)
    #: What it looks at before it calls a stage done.
    verifies = ""
    #: When it can say what would run.
    plans = ("plan-empty", "plan-done")
    #: Whether it spawns the bodies, so that the ledger tells what it did.
    spawns = True

    def __init__(self, venvs):
        self.home = os.path.join(os.path.abspath(venvs), self.package[0]) if self.package else None

    def program(self, name):
        """A program of the tool's own environment."""
        return os.path.join(self.home, "bin", name)

    def install(self):
        """Makes a virtual environment with the tool, unless it is there. Returns what went wrong, if anything."""
        if not self.package or os.path.exists(os.path.join(self.home, "installed")):
            return None
        name, version = self.package
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.home], check=True)
        command = [self.program("python"), "-m", "pip", "install", "--quiet", f"{name}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.stderr.strip().splitlines()[-1]
        with open(os.path.join(self.home, "installed"), "w", encoding="utf-8") as file:
            file.write(f"{name}=={version}\n")
        return None

    def version_argv(self):
        """The command that does nothing but start."""
        raise NotImplementedError

    def environment(self, folder):
        """Variables beside those of all tools."""
        return {}

    def describe(self, graph, folder, jobs):
        """Writes the graph as this tool's users do."""
        raise NotImplementedError

    def set_parameter(self, graph, folder, value):
        """Changes the parameter of task 0."""
        raise NotImplementedError

    def plan(self, folder):
        """The command that says what would run."""
        raise NotImplementedError

    def run(self, folder, jobs, keep_going=False):
        """The command that runs what is missing."""
        raise NotImplementedError

    def by_hand(self, folder, jobs):
        """What a user types after a kill if running again is refused: sequences of commands, the shortest first, each
        of which ends with one that resumes."""
        return []

    def bodies(self, graph):
        """Stages for which it runs a body."""
        return set(graph.stages)

    def ledger_names(self, graph, folder):
        """What each stage with a body is called in the ledger."""
        return {name: name for name in self.bodies(graph)}

    def check_counts(self, graph, folder):
        """Asserts what it says itself about the size of the graph, where it says so without running it."""

    def wrong_outputs(self, graph, folder, parameter):
        """Stages whose output is not what their inputs make."""
        wrong = []
        for stage in graph:
            paths = [os.path.join(folder, path) for path in stage.paths()]
            try:
                expected = body.expected_output(body.text_of(stage, parameter), paths)
                with open(os.path.join(folder, stage.output), encoding="utf-8") as file:
                    right = file.read() == expected
            except FileNotFoundError:
                right = False
            if not right:
                wrong.append(stage.id)
        return wrong


def write(folder, name, text):
    """Writes a file of a description."""
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(folder, name, value):
    """The same from data; JSON is YAML."""
    write(folder, name, json.dumps(value, indent=1) + "\n")
