#!/usr/bin/env python3
"""Times every step of the pipeline on a model of Llama-3-8B's shape (or another) with random weights.

    cargo build --release --workspace --bins
    pip install torch==2.11.0 numpy                    # makes the random weights; anywhere but in this project
    python3 benches/pipeline.py run target/release MODEL DATA --device cuda:0
    python3 benches/pipeline.py compare target/release MODEL DATA
    python3 benches/pipeline.py check target/release --device cuda:0
    python3 benches/pipeline.py render results/bench/pipeline.md

`run` times the steps; `compare` times gradients and GPTQ on the CPU beside plain PyTorch, on MODEL itself; `check` says how
far each number format on a device is from float32 on the CPU, on the quickstart's model. MODEL is a model's folder, of
which the tokenizer is taken; or, with `--shape as-is`, the model that is timed. DATA has
`wikitext2`, `mmlu`, `gsm8k` and `spider` as benches/README.md says. Each step is one request to one engine process,
repeated after one that is not counted.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse(arguments):
    """What was typed."""
    from pipeline.model import SHAPES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    default = os.path.join(ROOT, "target", "bench-pipeline")
    shared.add_argument("--work", default=default, metavar="DIR", help="artifacts and results; default: %(default)s")
    run = commands.add_parser("run", parents=[shared], help="time the steps")
    compare = commands.add_parser("compare", parents=[shared], help="time the CPU beside plain PyTorch")
    check = commands.add_parser("check", parents=[shared], help="how far number formats are from float32")
    for command in (run, compare, check):
        command.add_argument("programs", help="folder with tacq-engine, such as target/release")
        command.add_argument("--commit", help="what the program was built from, where Git does not know")
    for command in (run, compare):
        command.add_argument("model", help="a model's folder: its tokenizer, or all of it")
        command.add_argument("data", help="folder of the data sets")
        command.add_argument("--bits", type=int, default=2)
        command.add_argument("--reps", type=int, default=3)
    compare.add_argument("--samples", type=int, default=16, help="calibration sequences")
    compare.add_argument("--seq-len", type=int, default=512)
    unset = {"shape": "as-is", "layers": None, "dtype": "f32", "gradients": "f32", "limit": None, "batch": None, "gpu_memory": None, "gpus": 1}
    compare.set_defaults(**unset)
    run.add_argument("--shape", choices=[*SHAPES, "as-is"], default="llama3-8b")
    run.add_argument("--layers", type=int, help="decoder blocks, where all would take too long")
    run.add_argument("--device", default="cuda:0")
    run.add_argument("--dtype", default="bf16", help="of quantization and evaluation; default: bf16")
    run.add_argument("--gradients", default="bf16", help="whose gradients saliency reads; default: bf16")
    run.add_argument("--samples", type=int, default=128, help="calibration sequences")
    run.add_argument("--seq-len", type=int, default=2048)
    run.add_argument("--limit", type=int, help="examples a task, where all would take too long")
    run.add_argument("--batch", type=int, help="examples side by side; as it comes otherwise")
    run.add_argument("--gpu-memory", type=float, metavar="GIB", help="as if the GPU had so much")
    run.add_argument("--gpus", type=int, default=1, help="that share gradients: 1, 2, 4 or 8")
    run.add_argument("--steps", nargs="+", help="only these, by the beginning of their name")
    run.add_argument("--no-warm-up", action="store_true", help="count the first repetition too")
    check.add_argument("--device", default="cuda:0")
    check.add_argument("--formats", nargs="+", default=["f32", "tf32", "bf16"])
    render = commands.add_parser("render", parents=[shared], help="write the table")
    render.add_argument("output", help="a Markdown file")
    return parser.parse_args(arguments)


def run(options):
    """Times what is wanted, and adds it to the results."""
    from pipeline import model as models
    from pipeline.engine import Engine, Failed
    from pipeline.steps import steps

    work = os.path.abspath(options.work)
    os.makedirs(work, exist_ok=True)
    model = os.path.abspath(options.model)
    if options.shape != "as-is":
        model = os.path.join(work, f"{options.shape}-{options.layers or 'all'}")
        started = time.perf_counter()
        # In a process of its own: the memory that torch has then taken would count as the engine's.
        arguments = (model, options.shape, options.layers, os.path.abspath(options.model))
        made = multiprocessing.get_context("spawn").Process(target=models.make, args=arguments)
        made.start()
        made.join()
        if made.exitcode != 0:
            sys.exit(f"the model was not made: exit code {made.exitcode}")
        # What still waits for the disk would be waited for by the first step that writes.
        os.sync()
        print(f"model: {time.perf_counter() - started:.1f} s", flush=True)
    wanted = [
        step
        for step in steps(model, os.path.abspath(options.data), work, options)
        if not options.steps or any(step.name.startswith(name) for name in options.steps)
    ]
    program = os.path.join(options.programs, "tacq-engine")
    engine = Engine(program, work, options.device, options.gpu_memory, options.gpus)
    for step in wanted:
        output = os.path.join(work, "artifacts", step.name)
        for rep in range(options.reps + (not options.no_warm_up)):
            if step.name.startswith("load"):
                # A process that has loaded nothing; the files are in the page cache after the first time.
                engine.__exit__()
                engine = Engine(program, work, options.device, options.gpu_memory, options.gpus)
            try:
                outcome = engine.run(step, output)
            except Failed as failure:
                print(f"{step.name}: {failure}", flush=True)
                if engine.process.poll() is not None:
                    engine = Engine(program, work, options.device, options.gpu_memory, options.gpus)
                break
            counts = rep > 0 or options.no_warm_up
            gib = outcome.device_peak_bytes / 2**30, outcome.peak_bytes / 2**30
            note = "" if counts else " (warm-up)"
            print(f"{step.name:16} {outcome.wall_secs:9.2f} s {gib[0]:6.1f} {gib[1]:6.1f} GiB{note}", *outcome.log)
            sys.stdout.flush()
            if counts:
                remember(work, options, step.name, outcome)
        if not step.keep:
            shutil.rmtree(output, ignore_errors=True)
    engine.__exit__()


def compare(options):
    """Times our stages and plain PyTorch in turn."""
    import torch

    from pipeline import plain
    from pipeline.engine import Engine
    from pipeline.steps import steps

    work, model = os.path.abspath(options.work), os.path.abspath(options.model)
    os.makedirs(work, exist_ok=True)
    wanted = {step.name: step for step in steps(model, os.path.abspath(options.data), work, options)}
    output = {name: os.path.join(work, "artifacts", name) for name in ("calibrate", "gradients-f32", "gptq")}
    program = os.path.join(options.programs, "tacq-engine")
    with Engine(program, work, "cpu") as engine:
        engine.run(wanted["calibrate"], output["calibrate"])
        sequences = plain.read_sequences(output["calibrate"])
        # Ours is the whole stage, from request to artifact; theirs the computation alone, the model loaded. A first
        # repetition of each is not counted.
        for rep in range(options.reps + 1):
            ours = engine.run(wanted["gradients-f32"], output["gradients-f32"])
            theirs, _ = plain.gradients(plain.load(model), sequences)
            told("gradients-f32", work, options, ours, ours.wall_secs, theirs, rep)
            ours = engine.run(wanted["gptq"], output["gptq"])
            theirs, of_matrices = plain.gptq(plain.load(model), sequences, options.bits)
            told("gptq", work, options, ours, ours.wall_secs, theirs, rep)
            factors, matrices = (float(ours.log[-1].split(f" s {what}")[0].split()[-1]) for what in ("factors", "matrices"))
            told("gptq, matrices alone", work, options, ours, factors + matrices, of_matrices, rep)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")


def check(options):
    """Compares number formats with float32 on the CPU."""
    from pipeline.check import Check

    work, quickstart = os.path.abspath(options.work), os.path.join(ROOT, "assets", "quickstart")
    os.makedirs(work, exist_ok=True)
    program = os.path.join(options.programs, "tacq-engine")
    check = Check(program, os.path.join(quickstart, "model"), quickstart, work)
    for found in check.run(options.device, options.formats):
        print(found, flush=True)
        add_line(work, {"check": found, "date": time.strftime("%Y-%m-%d"), "commit": built_from(options)})


def told(name, work, options, outcome, ours, theirs, rep):
    """Prints a pair of times and remembers it."""
    print(f"{name:22} ours {ours:8.2f} s, plain PyTorch {theirs:8.2f} s: {theirs / ours:6.2f} x", flush=True)
    if rep > 0:
        model = os.path.basename(os.path.abspath(options.model))
        remember(work, options, f"compare: {name}", outcome, {"wall_secs": ours, "plain_secs": theirs, "model": model})


def remember(work, options, name, outcome, more=()):
    """Adds a line to the results."""
    from pipeline.render import ORDER

    line = {
        "step": name,
        "wall_secs": outcome.wall_secs,
        "device_peak_bytes": outcome.device_peak_bytes,
        "peak_bytes": outcome.peak_bytes,
        "log": outcome.log,
        "device": outcome.device,
        "date": time.strftime("%Y-%m-%d"),
        "commit": built_from(options),
        "options": {key: getattr(options, key) for key in ORDER},
    }
    line.update(more)
    add_line(work, line)


def built_from(options):
    """The commit of the program."""
    argv = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"]
    return options.commit or subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def add_line(work, line):
    """Adds a line to the results."""
    with open(os.path.join(work, "results.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def main():
    """The command."""
    options = parse(sys.argv[1:])
    if options.command in ("run", "compare", "check"):
        {"run": run, "compare": compare, "check": check}[options.command](options)
    else:
        from pipeline.render import render

        render(options.work, options.output)


if __name__ == "__main__":
    main()
