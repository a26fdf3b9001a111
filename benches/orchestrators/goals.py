"""What tacq-sweep is meant to reach, and whether it does."""

import statistics

from orchestrators.graph import SHAPES
from orchestrators.results import NO_FIRST_RUN, Cell
from orchestrators.scenarios import BIG

RIVALS = ("dvc", "dvc-fast", "snakemake", "snakemake-fast", "redun", "redun-fast")
OURS = "tacq-sweep"
TIMES_FASTER = 50
OVERHEAD_MS = 5.0
PEAK_MB = 200.0
BIG_NOOP_SECS = 0.5


def goals(results):
    """A table of goals."""
    from orchestrators.render import table
    from orchestrators.tools import all_tools

    largest = max(SHAPES)
    rows = [faster(results, scenario, largest) for scenario in ("plan-empty", "plan-done", "noop")]
    rows += [overhead(results, all_tools(".", ".")[OURS], n) for n in SHAPES]
    rows += [peak(results, n) for n in SHAPES]
    rows.append(big_noop(results))
    return "## Goals of tacq-sweep\n\n" + table(["goal", "measured", "reached"], rows)


def verdict(reached):
    """In a word."""
    return {None: "not measured", True: "yes", False: "**no**"}[reached]


def faster(results, scenario, n):
    """How much faster it is than the best of the others."""
    from orchestrators.render import median, seconds
    from orchestrators.tools import all_tools

    goal = f"{scenario} at {n:,} stages at least {TIMES_FASTER} times faster than the best other tool"
    ours = median(results, Cell(OURS, scenario, n, 1))
    times = {name: median(results, Cell(name, scenario, n, 1)) for name in RIVALS}
    known = {name: value for name, value in times.items() if value is not None}
    tried = {name: results.of(Cell(name, scenario, n, 1)) for name in RIVALS}
    tools = all_tools(".", ".")
    # One that has no such plan cannot be the best at it.
    missing = [name for name, reps in tried.items() if not reps and has(tools[name], scenario)]
    unbuilt = [name for name, reps in tried.items() if reps and not has_been_timed(reps)]
    if ours is None or not known:
        return [goal, "—", verdict(None)]
    best = min(known, key=known.get)
    ratio = known[best] / ours
    text = f"{seconds(ours)} s against {seconds(known[best])} s ({best}): {ratio:.0f} times"
    if unbuilt:
        # There is nothing that it could find again: not to be had in any time.
        text += f"; no first run of {', '.join(unbuilt)} within the cap"
    if missing:
        # One that is not measured could be the best.
        return [goal, f"{text}; without {', '.join(missing)}", verdict(None if ratio >= TIMES_FASTER else False)]
    return [goal, text, verdict(ratio >= TIMES_FASTER)]


def has(tool, scenario):
    """Whether a tool can do it at all."""
    return not scenario.startswith("plan") or scenario in tool.plans


def has_been_timed(reps):
    """Whether it ran, to its end or to the cap."""
    return bool(reps) and all(rep.note != NO_FIRST_RUN for rep in reps)


def overhead(results, tool, n):
    """What a stage costs beside its body."""
    from orchestrators.render import overhead_secs

    goal = f"at most {OVERHEAD_MS:.0f} ms beside its body for each stage executed, of {n:,}"
    costs = {jobs: overhead_secs(results, tool, n, jobs) for jobs in (1, 2)}
    known = {jobs: cost * 1e3 for jobs, cost in costs.items() if cost is not None}
    if not known:
        return [goal, "—", verdict(None)]
    text = ", ".join(f"{cost:.1f} ms at -j{jobs}" for jobs, cost in known.items())
    return [goal, text, verdict(max(known.values()) <= OVERHEAD_MS)]


def peak(results, n):
    """The most memory that any scenario took, one run at a time."""
    goal = f"at most {PEAK_MB:.0f} MB of memory at {n:,} stages, children included"
    peaks = [
        rep.peak_bytes / 1e6
        for cell, reps in results.cells.items()
        for rep in reps
        if (cell.tool, cell.n) == (OURS, n) and cell.scenario not in (*BIG, "two-runs")
    ]
    return [goal, f"{max(peaks):.0f} MB", verdict(max(peaks) <= PEAK_MB)] if peaks else [goal, "—", verdict(None)]


def big_noop(results):
    """A run that finds everything, on 8 GiB of inputs."""
    goal = f"a run that finds everything on 8 GiB of inputs in less than {BIG_NOOP_SECS} s after the first"
    measured = []
    for scenario in ("big-noop", "big-cold"):
        reps = results.of(Cell(OURS, scenario, 110, 1))
        if reps and all(rep.finished and rep.right for rep in reps):
            measured.append((scenario, statistics.median(rep.wall_secs for rep in reps)))
    if not measured:
        return [goal, "—", verdict(None)]
    text = ", ".join(f"{secs:.3f} s ({scenario})" for scenario, secs in measured)
    return [goal, text, verdict(all(secs < BIG_NOOP_SECS for _, secs in measured))]
