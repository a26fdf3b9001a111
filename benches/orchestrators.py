#!/usr/bin/env python3
"""Runs one graph of stages with tacq-sweep, DVC, Snakemake, redun and ai2-tango, and compares them.

    cargo build --release --workspace --bins
    python3 benches/orchestrators.py run target/release
    python3 benches/orchestrators.py render results/bench/orchestrators.md

`run` can be stopped and started again; it goes on where it was. benches/README.md says what is measured, and how.
Standard library only; Linux.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def parse(arguments):
    """What was typed."""
    from orchestrators.graph import SHAPES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    default = os.path.join(ROOT, "target", "bench-orchestrators")
    shared.add_argument("--work", default=default, metavar="DIR", help="results and projects; default: %(default)s")
    run = commands.add_parser("run", parents=[shared], help="measure what is not measured yet")
    run.add_argument("programs", help="folder with tacq-sweep and tacq-fake-engine, such as target/release")
    venvs = os.path.join(ROOT, "target", "bench-venvs")
    run.add_argument("--venvs", default=venvs, metavar="DIR", help="where tools are installed; default: %(default)s")
    run.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TOOL,SCENARIO,N",
        help="only these cells; an empty part or * means any: --only dvc,,110",
    )
    sizes = ", ".join(map(str, SHAPES))
    run.add_argument("--sizes", type=int, nargs="+", default=list(SHAPES), metavar="N", help=f"of {sizes}")
    run.add_argument("--cap", type=float, default=30.0, metavar="MINUTES", help="per cell; default: 30")
    text = "for first runs that are not counted but that others start from; default: 120"
    run.add_argument("--build-cap", type=float, default=120.0, metavar="MINUTES", help=text)
    run.add_argument("--reps", type=int, default=10, help="per cell, at most 3 at the largest N; default: 10")
    render = commands.add_parser("render", parents=[shared], help="write the tables")
    render.add_argument("output", help="a Markdown file")
    return parser.parse_args(arguments)


def wanted(patterns):
    """A filter of cells."""

    def one(pattern, cell):
        parts = [*pattern.split(","), "", ""][:3]
        return all(part in ("", "*", value) for part, value in zip(parts, (cell.tool, cell.scenario, str(cell.n))))

    return lambda cell: not patterns or any(one(pattern, cell) for pattern in patterns)


def run(arguments):
    """Installs the tools that are wanted, then measures."""
    from orchestrators import machine
    from orchestrators.benchmark import Benchmark
    from orchestrators.results import Results
    from orchestrators.tools import all_tools

    only = wanted(arguments.only)
    tools = all_tools(arguments.venvs, arguments.programs)
    results = Results(os.path.join(arguments.work, "results.jsonl"))
    caps = arguments.cap * 60, arguments.build_cap * 60
    benchmark = Benchmark(tools, results, arguments.work, *caps, arguments.reps)
    used = {cell.tool for cell in benchmark.cells(arguments.sizes) if only(cell)}
    absent = {}
    for name in sorted(used):
        problem = tools[name].install()
        if problem:
            print(f"{name} is left out: {problem}")
            absent[name] = problem
    machine.remember(arguments.work, ROOT, absent, arguments)
    benchmark.run(arguments.sizes, lambda cell: only(cell) and cell.tool not in absent)


def main():
    """The command."""
    arguments = parse(sys.argv[1:])
    if arguments.command == "run":
        run(arguments)
    else:
        from orchestrators.render import render

        render(arguments.work, arguments.output)


if __name__ == "__main__":
    main()
