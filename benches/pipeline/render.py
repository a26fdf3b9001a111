"""Results → a Markdown page: each step's time beside the reference's, the floor and the goal."""

import argparse
import json
import os
import re
import statistics

from pipeline.model import SHAPES
from pipeline.steps import REFERENCE, steps

#: Parts of a step, as its log has them, that grow with the blocks.
OF_BLOCKS = ("forward", "backward", "Hessians", "factors", "matrices", "bit widths", "scales")
ORDER = ("shape", "layers", "dtype", "bits", "samples", "seq_len", "limit", "batch", "gradients", "gpu_memory", "gpus")


def render(work, output):
    """Writes the page."""
    with open(os.path.join(work, "results.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    groups = {}
    for line in (line for line in lines if "check" not in line):
        setting = json.dumps({key: line["options"][key] for key in ORDER}), line["device"]
        groups.setdefault(setting, []).append(line)
    parts = [
        "# The pipeline, step by step",
        "Made by `benches/pipeline.py`; [benches/README.md](../../benches/README.md) says what and how. Seconds are medians"
        " of the repetitions, least and most in brackets; each step was done once before without being counted, but where there"
        " is one repetition. Memory is the most that the engine has had up to then; a dash where it was not measured.",
        f"The reference is the paper's public code ({REFERENCE}); the floor is arithmetic at the rates measured on that GPU.",
    ]
    parts += [section(json.loads(setting), device, lines) for (setting, device), lines in groups.items()]
    parts += checked({line["check"]["dtype"]: line for line in lines if "check" in line})
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n\n".join(parts) + "\n")
    print(output)


def section(setting, device, lines):
    """One setting on one device."""
    options = argparse.Namespace(**setting)
    is_full = setting["shape"] == "llama3-8b" and not (setting["layers"] or setting["limit"] or setting["gpu_memory"] or setting["gpus"] > 1)
    known = {step.name: step for step in steps("", "", "", options)}
    by_step = {}
    for line in lines:
        by_step.setdefault(line["step"], []).append(line)
    if any("plain_secs" in line for line in lines):
        return compared(setting, device, by_step)
    rows = []
    for name in (name for name in known if name in by_step):
        step, measured = known[name], by_step[name]
        times = [line["wall_secs"] for line in measured]
        median = statistics.median(times)
        row = [name, f"{median:.2f} [{min(times):.2f}, {max(times):.2f}] of {len(times)}"]
        if is_full:
            row.append(f"{step.reference / median:.0f} ×" if step.reference else "—")
            row.append(f"{step.floor / median:.0%} of {step.floor} s" if step.floor else "—")
            reached = "yes" if step.goal and median <= step.goal else "**no**"
            row.append(f"≤ {step.goal} s: {reached}" if step.goal else "—")
        if setting["layers"]:
            row.append(all_blocks(setting, step, measured))
        for key in ("device_peak_bytes", "peak_bytes"):
            peaks = [line[key] for line in measured if line[key] is not None]
            row.append(f"{max(peaks) / 2**30:.1f}" if peaks else "—")
        rows.append(row)
    header = ["step", "seconds"]
    if is_full:
        header += ["faster than the reference", "share of the floor", "goal"]
    if setting["layers"]:
        count = SHAPES.get(setting["shape"], {}).get("num_hidden_layers", "")
        header.append(f"all {count} blocks")
    header += ["GPU GiB", "host GiB"]
    said = ", ".join(f"{key} {value}" for key, value in setting.items() if value is not None)
    made = sorted({(line["date"], line["commit"]) for line in lines})
    made = ", ".join(f"{date} at commit {commit}" for date, commit in made)
    parts = [f"## {device}", f"{said}. {made}.", table(header, rows)]
    if setting["layers"]:
        parts.append(
            "All blocks: what the engine's own log gives for passes, statistics and matrices of the blocks that were run, times"
            " as many as the model has, and the rest once; all of it where the log is silent. It holds while the disk is as"
            " fast as the blocks are: weights and sums larger than the host's memory are read and written once a pass."
        )
    return "\n\n".join(parts)


def all_blocks(setting, step, measured):
    """Seconds that a step would take with all of the shape's blocks, from those that were run."""
    if step.kind not in ("gradients", "quantize") or setting["shape"] not in SHAPES:
        return "—"
    times = []
    for line in measured:
        secs = line["wall_secs"]
        parts = re.findall(r"([0-9.]+) s ([a-z A-Z]+)", line["log"][0]) if line["log"] else [(secs, OF_BLOCKS[0])]
        of_blocks = sum(float(part) for part, name in parts if name in OF_BLOCKS)
        times.append(secs + of_blocks * (SHAPES[setting["shape"]]["num_hidden_layers"] / setting["layers"] - 1))
    return f"{statistics.median(times):.0f} s"


def compared(setting, device, by_step):
    """Our times beside those of plain PyTorch."""
    rows = []
    for name, lines in by_step.items():
        ours, theirs = ([line[key] for line in lines] for key in ("wall_secs", "plain_secs"))
        ratios = [b / a for a, b in zip(ours, theirs)]
        row = [name.removeprefix("compare: "), *(f"{statistics.median(times):.2f}" for times in (ours, theirs))]
        rows.append([*row, f"{statistics.median(ratios):.2f} × [{min(ratios):.2f}, {max(ratios):.2f}] of {len(ratios)}"])
    said = ", ".join(f"{key} {value}" for key, value in setting.items() if value is not None)
    first = next(iter(by_step.values()))[0]
    note = (
        f"{first['model']}: {said}; {first['date']} at commit {first['commit']}. Ours is the whole stage, theirs the computation alone (benches/pipeline/plain.py); `matrices alone` is"
        " what follows from the statistics: factors, grids and the column loop."
    )
    header = ["step", "seconds", "plain PyTorch", "faster"]
    return "\n\n".join([f"## Beside plain PyTorch: {device}", note, table(header, rows)])


def checked(lines):
    """How far number formats are from float32 on the CPU."""
    if not lines:
        return []
    rows = []
    for dtype, line in lines.items():
        check = line["check"]
        (after, after_exact), (prose, prose_exact) = check["after"], check["prose"]
        rows.append([dtype, f"{check['gradients']:.1e}", f"{check['mask']:.2%}", f"{check['codes']:.2%}"])
        rows[-1] += [f"{after:.3f} ({after_exact:.3f})", f"{abs(prose / prose_exact - 1):.1e}"]
        rows[-1] += [f"{found:.3f} ({exact:.3f})" for found, exact in (check["gsm8k"], check["mmlu"])]
    header = ["format", "gradients, ‖Δ‖ / ‖·‖", "kept weights in common", "equal codes", "perplexity after GPTQ"]
    header += ["perplexity off by", "GSM8K", "MMLU"]
    made = ", ".join(sorted({f"{line['date']} at commit {line['commit']}" for line in lines.values()}))
    note = (
        f"The quickstart's model (6.4 million weights), 32 x 256 tokens, GPTQ at 2 bits; {made}. In brackets what float32 on"
        " the CPU gives. Masks are of 0.35 %, with the gradients of the format and the quantization of the CPU; quantized"
        " weights are evaluated on the CPU. GPTQ is chaotic: a weight in the middle between two levels changes all after it."
    )
    return ["## Beside float32 on the CPU", note, table(header, rows)]


def table(header, rows):
    """A Markdown table, first column left, the others right."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
