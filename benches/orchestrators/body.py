"""What each stage does, and the ledger in which it says that it did."""

import collections
import hashlib
import os
import shlex

# The body of every stage in every tool is a shell that runs `cat deps | sha256sum > out`. The name in front makes
# outputs differ, the ledger tells what was really executed, and the folder of failures makes stages fail without a
# change that a tool could see. One `echo` is one write to a file opened for appending: lines never mix.


def command(name, text, inputs, output, n_inputs):
    """The shell command of a stage. Arguments are inserted as they are, so they may be a tool's placeholders."""
    return (
        f'echo "+ {name} {n_inputs}" >> "$BENCH_LEDGER"; '
        f'test ! -e "$BENCH_FAIL/{name}" || exit 1; '
        f'echo "{text}" | cat - {inputs} | sha256sum > {output} && echo "- {name}" >> "$BENCH_LEDGER"'
    )


def of_stage(stage, parameter):
    """The same for a stage of the graph, all spelled out."""
    if stage.kind == "report":
        # Linux takes at most 128 KiB in one argument, fewer than the paths of 7,680 evaluations.
        inputs, n_inputs = "out/evaluate/*.txt", "$(ls out/evaluate | wc -l)"
    else:
        paths = stage.paths()
        inputs, n_inputs = " ".join(map(shlex.quote, paths)), len(paths)
    return command(stage.id, text_of(stage, parameter), inputs, stage.output, n_inputs)


def text_of(stage, parameter):
    """What a stage hashes before its inputs. The parameter is that of task 0; the others have 0."""
    return f"{stage.id} {parameter if stage.index('e') == 0 else 0}"


def expected_output(text, paths):
    """What `sha256sum` prints for the text and these files."""
    digest = hashlib.sha256(f"{text}\n".encode())
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return f"{digest.hexdigest()}  -\n"


class Ledger:
    """What bodies wrote since the last `clear`."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "ledger")
        self.failures = os.path.join(folder, "fail")
        os.makedirs(self.failures, exist_ok=True)
        self.clear()

    def environment(self):
        """Variables that the bodies read."""
        return {"BENCH_LEDGER": self.path, "BENCH_FAIL": self.failures}

    def clear(self):
        """Forgets everything, failures that were asked for included."""
        with open(self.path, "w", encoding="utf-8"):
            pass
        for name in os.listdir(self.failures):
            os.remove(os.path.join(self.failures, name))

    def fail(self, names):
        """Makes stages fail from now on."""
        for name in names:
            with open(os.path.join(self.failures, name), "w", encoding="utf-8"):
                pass

    def read(self):
        """How often each stage began, how often it ended, and how many inputs it had."""
        began, ended, inputs = collections.Counter(), collections.Counter(), {}
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                sign, name, *rest = line.split()
                if sign == "+":
                    began[name] += 1
                    inputs[name] = int(rest[0])
                else:
                    ended[name] += 1
        return began, ended, inputs

    def n_ended(self):
        """How many bodies have ended."""
        with open(self.path, "rb") as file:
            data = file.read()
        return data.count(b"\n-") + data.startswith(b"-")
