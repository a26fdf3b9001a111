#!/usr/bin/env python3
"""Times the driver on 10,164 stages that a stand-in engine "computes", and prints medians.

    cargo build --release --workspace --bins
    python3 scripts/bench_driver.py target/release [FOLDER]

Measures `--version`, `plan` and `run` when everything is stored (wall seconds, peak memory), and once the first run:
seconds a stage that computes nothing, which is what scheduling, starting, flushing and committing cost. FOLDER keeps
the store; without it a temporary one is used. Standard library only.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 7
EXPERIMENT = """\
name: big
model: random-llama
datasets:
  prose: {{train: train.txt, test: test.txt}}
sweep:
  condition_on: prose
  bits: [2, 3, 4, 5]
  seed: [{seeds}]
  methods:
    - gptq
    - tacq: {{outlier_ratio: [{ratios}]}}
calibration: {{n_samples: 4, seq_len: 32}}
tasks:
  prose: {{seq_len: 32, n_windows: 4}}
evaluate: matched
"""


def measure(command, environment, folder):
    """Runs a command; returns (seconds, peak MiB, exit status, standard error)."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    return seconds, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), errors


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    programs = os.path.abspath(sys.argv[1])
    folder = os.path.abspath(sys.argv[2]) if len(sys.argv) == 3 else tempfile.mkdtemp(prefix="tacq-bench-")
    os.makedirs(folder, exist_ok=True)
    sweep, engine = os.path.join(programs, "tacq-sweep"), os.path.join(programs, "tacq-fake-engine")
    environment = dict(os.environ, TACQ_ENGINE=engine)
    subprocess.run([os.path.join(programs, "tacq-testkit"), folder], check=True)
    with open(os.path.join(folder, "big.yaml"), "w", encoding="utf-8") as file:
        seeds = ", ".join(map(str, range(40)))
        ratios = ", ".join(f"0.{i:04d}" for i in range(1, 21))
        file.write(EXPERIMENT.format(seeds=seeds, ratios=ratios))
    seconds, memory, status, errors = measure([sweep, "run", "big.yaml"], environment, folder)
    print(f"first run: {seconds:.1f} s, {memory:.0f} MiB, exit {status}")
    assert status == 0, errors
    print("  " + next((line for line in errors.splitlines() if "done; stages" in line), errors[-300:]))
    for arguments in (["--version"], ["plan", "big.yaml"], ["run", "big.yaml"]):
        runs = [measure([sweep, *arguments], environment, folder) for _ in range(RUNS)]
        seconds = [run[0] for run in runs]
        assert all(run[2] == 0 for run in runs), runs
        print(
            f"{' '.join(arguments)}: median {statistics.median(seconds):.3f} s "
            f"({min(seconds):.3f} to {max(seconds):.3f}), {max(run[1] for run in runs):.0f} MiB"
        )
    if len(sys.argv) == 2:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
