"""Results → one Markdown page: goals, tables by size of the graph, what failed, what they were measured on."""

import os
import statistics

from orchestrators import machine
from orchestrators.benchmark import has
from orchestrators.goals import goals
from orchestrators.graph import RULES, SHAPES, Graph
from orchestrators.results import Cell, Results
from orchestrators.scenarios import BIG, SCENARIOS, WITH_JOBS
from orchestrators.tools import all_tools

COLUMNS = [name for name in SCENARIOS if name not in ("version", "cold", *BIG)]


def render(work, output):
    """Writes the page."""
    results = Results(os.path.join(work, "results.jsonl"))
    tools = all_tools(".", ".")
    sizes = sorted({cell.n for cell in results.cells if cell.n})
    parts = [head(machine.recall(work)), goals(results)]
    parts += [section(results, tools, n) for n in sizes]
    parts += [big(results, tools), wrong(results), settings(results, tools, machine.recall(work)), counts()]
    text = "\n\n".join(part for part in parts if part) + "\n"
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    print(output)


def head(known):
    """Title, machine and commands."""
    lines = [
        "# Orchestrators compared",
        "",
        "Made by `benches/orchestrators.py`; [benches/README.md](../../benches/README.md) says what and how.",
        "Seconds are medians. ✗: not exactly what had to be executed was, or outputs were wrong; then the time is no",
        "result. DNF: did not finish within the cap, or its first run did not. —: the tool has no such thing. Not measured:",
        "what takes hours, of tools whose faster settings stand beside them.",
        "",
        f"- {known.get('cpu')}, {known.get('cores')} cores, {known.get('memory_bytes', 0) / 2**30:.0f} GiB of memory,"
        f" {known.get('system')}, Python {known.get('python')}",
        f"- one `fsync` of a small file takes {known.get('fsync_secs', 0) * 1e3:.1f} ms on this disk (median)",
    ]
    for call in known.get("calls", []):
        lines.append(
            f"- {call['date']}, commit {call['commit']}: `python3 benches/orchestrators.py {call['arguments']}`"
        )
    lines += [f"- left out: {tool}: {problem}" for tool, problem in known.get("absent", {}).items()]
    return "\n".join(lines)


def table(header, rows):
    """A Markdown table, first column left, the others right."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def present(results, tools, n):
    """Tools with results on a size, in their order."""
    return [name for name in tools if any(cell.tool == name and cell.n == n for cell in results.cells)]


def seconds(value):
    """Three digits that matter."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def show(results, cell):
    """A cell as text."""
    reps = results.of(cell)
    if not reps:
        tool = all_tools(".", ".")[cell.tool]
        is_there = has(tool, cell.scenario, cell.n) and (cell.scenario not in WITH_JOBS or cell.jobs in tool.jobs)
        return "not measured" if is_there else "—"
    if not all(rep.finished for rep in reps):
        return "DNF"
    text = seconds(statistics.median(rep.wall_secs for rep in reps))
    return text if all(rep.right for rep in reps) else f"✗ {text}"


def section(results, tools, n):
    """All scenarios on one size of graph."""
    names = present(results, tools, n)
    count = sorted({len(reps) for cell, reps in results.cells.items() if cell.n == n})
    span = str(count[0]) if len(count) == 1 else f"{count[0]} to {count[-1]}"
    parts = [f"## {n:,} stages", f"Seconds, median of {span} repetitions."]
    rows = [
        [name, show(results, Cell(name, "version", 0, 1)), *(show(results, Cell(name, s, n, 1)) for s in COLUMNS)]
        for name in names
    ]
    parts.append(table(["tool", "`--version`", *COLUMNS], rows))
    parts.append("Runs from nothing; what a stage costs beside its body, and what it leaves behind beside its output:")
    rows = [cold_row(results, tools, name, n) for name in names]
    header = ["tool", "-j1", "-j2", "ms a stage, -j1", "ms a stage, -j2", "peak MiB", "inodes a stage", "bytes a stage"]
    parts.append(table(header, rows))
    parts.append("Net of starting (`--version`):")
    light = [name for name in names if name != "loop"]
    columns = ["plan-empty", "plan-done", "noop"]
    rows = [[name, *(net(results, name, scenario, n) for scenario in columns)] for name in light]
    parts.append(table(["tool", *columns], rows))
    parts.append(incidents(results, names, n))
    return "\n\n".join(part for part in parts if part)


def net(results, name, scenario, n):
    """A time without the program's start."""
    cell, start = Cell(name, scenario, n, 1), median(results, Cell(name, "version", 0, 1))
    value = median(results, cell)
    if value is None or start is None:
        return show(results, cell)
    return seconds(max(value - start, 0.0))


def median(results, cell):
    """Median seconds of a cell that finished and was right, else None."""
    reps = results.of(cell)
    if not reps or not all(rep.finished and rep.right is not False for rep in reps):
        return None
    return statistics.median(rep.wall_secs for rep in reps)


def overhead_secs(results, tool, n, jobs):
    """(wall · jobs − Σ bodies) / bodies. A body takes what it takes in the loop, which spawns the same ones one after
    the other. tacq-sweep has fewer bodies than stages; all else that it does is counted as theirs."""
    wall, loop = median(results, Cell(tool.name, "cold", n, jobs)), median(results, Cell("loop", "cold", n, 1))
    if wall is None or loop is None:
        return None
    graph = Graph(SHAPES[n])
    n_bodies = len(tool.bodies(graph))
    of_bodies = loop / len(graph) * n_bodies if tool.spawns else 0.0
    return (wall * jobs - of_bodies) / n_bodies


def cold_row(results, tools, name, n):
    """First runs of one tool."""
    tool = tools[name]
    row = [name, show(results, Cell(name, "cold", n, 1)), show(results, Cell(name, "cold", n, 2))]
    for jobs in (1, 2):
        cost = overhead_secs(results, tool, n, jobs) if jobs in tool.jobs and name != "loop" else None
        row.append("—" if cost is None else f"{cost * 1e3:.1f}")
    peaks = [
        rep.peak_bytes
        for cell, reps in results.cells.items()
        for rep in reps
        if (cell.tool, cell.n) == (name, n) and cell.scenario not in BIG and cell.scenario != "two-runs"
    ]
    row.append(f"{max(peaks) / 2**20:.0f}" if peaks else "—")
    kept = [rep.extra for rep in results.of(Cell(name, "cold", n, 1)) if "inodes" in rep.extra]
    row += [f"{kept[-1]['inodes'] / n:.1f}", f"{kept[-1]['bytes'] / n:.0f}"] if kept and name != "loop" else ["—", "—"]
    return row


def incidents(results, names, n):
    """What happened around kills and second runs."""
    rows = []
    for name in names:
        killed, both = results.of(Cell(name, "killed", n, 1)), results.of(Cell(name, "two-runs", n, 1))
        if not killed and not both:
            continue
        again = [rep.extra["again"] for rep in killed if "again" in rep.extra]
        steps = [rep.extra["by_hand"] for rep in killed if "by_hand" in rep.extra]
        errors = [rep.extra["errors"] for rep in both if "errors" in rep.extra]
        said = next((rep.extra["said"] for rep in both if rep.extra.get("said")), "")
        rows.append([name, span(again), span(steps), span(errors), escape(said) or "—"])
    if not rows:
        return ""
    header = ["tool", "stages redone after kill -9", "commands by hand", "of two runs, ended with an error", "what it said"]
    return table(header, rows)


def span(values):
    """From the smallest to the largest."""
    if not values:
        return "—"
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def big(results, tools):
    """Runs on inputs of 8 GiB."""
    names = [name for name in tools if any(cell.tool == name and cell.scenario in BIG for cell in results.cells)]
    if not names:
        return ""
    rows = []
    for name in names:
        peak = [rep.peak_bytes for s in BIG for rep in results.of(Cell(name, s, 110, 1)) if rep.finished]
        cells = [show(results, Cell(name, scenario, 110, 1)) for scenario in BIG]
        rows.append([name, *cells, f"{max(peak) / 2**20:.0f}" if peak else "—"])
    return (
        "## 110 stages on 4 inputs of 2 GiB\n\n"
        "The others' first run reads the 8 GiB in a body, and once more if they hash; tacq-sweep hashes them, once. Pages\n"
        "of files that are mapped count as memory.\n\n" + table(["tool", *BIG, "peak MiB"], rows)
    )


def wrong(results):
    """Every cell that lost, with its reason."""
    rows = []
    for cell in sorted(results.cells, key=lambda c: (c.n, c.tool, c.scenario, c.jobs)):
        bad = [rep for rep in results.of(cell) if not rep.finished or rep.right is False]
        if bad:
            where, share = f"{cell.scenario}, -j{cell.jobs}", f"{len(bad)} of {len(results.of(cell))}"
            rows.append([cell.tool, f"{cell.n:,}", where, share, escape(bad[0].note)])
    if not rows:
        return ""
    return "## Cells that failed\n\n" + table(["tool", "stages", "scenario", "repetitions", "why"], rows)


def escape(text):
    """Text inside a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def settings(results, tools, known):
    """Versions, settings, and what a hit is worth."""
    rows = []
    for name, tool in tools.items():
        versions = [rep.extra.get("version", "") for rep in results.of(Cell(name, "version", 0, 1))]
        if versions and name not in known.get("absent", {}):
            rows.append([name, versions[-1] or "—", tool.settings, tool.verifies])
    return "## Tools\n\n" + table(["tool", "version", "settings", "what a hit verifies"], rows) if rows else ""


def counts():
    """The graphs in numbers."""
    rows = []
    for n, shape in SHAPES.items():
        graph = Graph(shape)
        kinds = [str(shape.counts()[kind]) for kind in (*RULES, "report")]
        rows.append([f"{n:,}", *kinds, f"{graph.edges():,}", f"{graph.source_edges():,}"])
    return "## Graphs\n\n" + table(["stages", *RULES, "report", "edges", "edges to files"], rows)
