"""What is timed: one request of the engine a step, with what it is measured against."""

import dataclasses
import os

# What the reference pipeline (arXiv 2504.07389's public code) took on one H200 at Llama-3-8B's shape with random
# weights, 128 sequences of 2048 tokens; the floor from arithmetic at the rates measured on the same GPU (785 TFLOP/s
# bf16, 405 tf32, 51 fp32; 4.3 TB/s); and what this program is meant to reach. Seconds.
REFERENCE = "2026-11-22, one NVIDIA H200"


@dataclasses.dataclass
class Step:
    """A request, but for its folders."""

    name: str
    kind: str
    params: dict
    inputs: dict
    data: dict = dataclasses.field(default_factory=dict)
    run: dict = dataclasses.field(default_factory=dict)
    #: Seconds: the reference's, the floor, the goal.
    reference: float | None = None
    floor: float | None = None
    goal: float | None = None
    #: Whether later steps read what it leaves.
    keep: bool = False


RATIOS = ("0.001", "0.002", "0.0035", "0.005", "0.01")


def steps(model, data, work, options):
    """All steps in order; each may read the outputs of those before it."""

    def of(name):
        return os.path.join(work, "artifacts", name)

    wikitext = os.path.join(data, "wikitext2")
    gptq = {"method": "gptq", "damp": "0.01", "block_size": 128, "true_sequential": True}
    quantize = {"bits": options.bits, "grid": "mse", "rounding": gptq, "dtype": options.dtype}
    calibrated = {"model": model, "calibration": of("calibrate")}
    yield Step(
        "calibrate",
        "calibrate",
        {
            "data": {"from": "text", "format": "plain"},
            "n_samples": options.samples,
            "seq_len": options.seq_len,
            "draw": {"sampling": "random", "seed": 0},
        },
        {"model": model},
        {"dataset": os.path.join(wikitext, "wiki.train.first1MB.txt")},
        keep=True,
    )
    for dtype, floor, goal in (("f32", 235, 400), ("tf32", 30, 90), ("bf16", 15, 45)):
        params = {"reduction": "abs", "dtype": dtype}
        numbers = {"reference": 2700, "floor": floor, "goal": goal}
        # Each is as large as the model in f32: only what saliency reads stays.
        keep = dtype == options.gradients
        yield Step(f"gradients-{dtype}", "gradients", params, calibrated, keep=keep, **numbers)
    yield Step("gptq", "quantize", quantize, calibrated, reference=650, floor=15, goal=60, keep=True)
    gradients = of(f"gradients-{options.gradients}")
    inputs = {"model": model, "gradients": gradients, "uniform": of("gptq")}
    params = {"score": "tacq", "candidates": "0.05"}
    yield Step("saliency", "saliency", params, inputs, floor=20, goal=30, keep=True)
    for ratio in RATIOS:
        yield Step(f"select-{ratio}", "select", {"outlier_ratio": ratio}, {"saliency": of("saliency")}, keep=True)
    masked = {**calibrated, "mask": of("select-0.0035")}
    yield Step("gptq-masked", "mixed_quantize", quantize, masked, reference=650, floor=15, goal=60, keep=True)
    yield from methods(calibrated, of, options)
    yield from evaluations(model, data, of("gptq-masked"), options)


def methods(calibrated, of, options):
    """The methods that the paper compares with, with the parameters that they have in sweeps."""
    shared = {"bits": options.bits, "dtype": options.dtype}
    loop = {"damp": "1", "block_size": 128, "true_sequential": True, "order": "activity"}
    spqr = {"method": "spqr", **loop, "stats_bits": 3, "outlier_threshold": "0.2"}
    yield Step("spqr", "quantize", {**shared, "group_size": 16, "rounding": spqr}, calibrated)
    slim = {"method": "slim_llm", "damp": "0.01", "true_sequential": False, "salience_weight": "1"}
    # The public code took 2 to 97 hours on one A6000 (arXiv 2504.07389, table 6).
    yield Step("slim_llm", "quantize", {**shared, "group_size": 128, "rounding": slim}, calibrated, goal=900)
    awq = {"method": "awq", "clip": True}
    yield Step("awq", "quantize", {**shared, "group_size": 128, "grid": "minmax", "rounding": awq}, calibrated)
    # Its gradients are squared, but take the same time as those above.
    params = {"reduction": "square", "dtype": options.gradients}
    yield Step("fisher", "gradients", params, calibrated, keep=True)
    inputs = {"model": calibrated["model"], "gradients": of("fisher")}
    squeezellm = {"method": "squeezellm", "magnitude_ratio": "0.0045", "fisher_ratio": "0.0005"}
    yield Step("squeezellm", "quantize", {"bits": options.bits, "rounding": squeezellm}, inputs)


def evaluations(model, data, checkpoint, options):
    """The tasks, on the model itself; and perplexity of the quantized checkpoint, which has to be loaded."""

    def evaluate(task):
        params = {"task": task, "dtype": options.dtype}
        # As in sweeps, where it is part of the key in any format but f32.
        return params if options.dtype == "f32" else {**params, "batch_size": options.batch or 256}

    inputs = {"model": model}
    run = {"batch_size": options.batch} if options.batch and options.dtype == "f32" else {}
    limit = {"limit": options.limit} if options.limit else {}
    text = {"dataset": os.path.join(data, "wikitext2", "wiki.test.hf_joined.txt")}
    windows = {"protocol": "perplexity", "format": "plain", "seq_len": options.seq_len}
    few = {**windows, "n_windows": 1}
    yield Step("load", "evaluate", evaluate(few), inputs, text, run, goal=10)
    if options.limit:
        windows["n_windows"] = options.limit
    yield Step("wikitext2", "evaluate", evaluate(windows), inputs, text, run, floor=6, goal=15)
    mmlu = {
        "protocol": "multiple_choice",
        "examples": {"kind": "mmlu", "split": "all", "few_shot": 5},
        **limit,
    }
    files = {"dataset": os.path.join(data, "mmlu", "test"), "few_shot": os.path.join(data, "mmlu", "dev")}
    yield Step("mmlu", "evaluate", evaluate(mmlu), inputs, files, run, reference=150, floor=10, goal=25)
    gsm8k = {
        "protocol": "generate",
        "examples": {"kind": "gsm8k", "few_shot": 8},
        "decoding": {"choose": "greedy"},
        "max_new_tokens": 256,
        **limit,
    }
    files = {
        "dataset": os.path.join(data, "gsm8k", "gsm8k_test.jsonl"),
        "few_shot": os.path.join(data, "gsm8k", "few_shot_cot.jsonl"),
    }
    yield Step("gsm8k", "evaluate", evaluate(gsm8k), inputs, files, run, reference=20880, floor=20, goal=120)
    spider = {
        "protocol": "generate",
        "examples": {"kind": "spider"},
        "decoding": {"choose": "greedy"},
        "max_new_tokens": 300,
        "skip_missing_databases": True,
        **limit,
    }
    folder = os.path.join(data, "spider")
    files = {
        "dataset": os.path.join(folder, "dev.json"),
        "tables": os.path.join(folder, "tables.json"),
        "databases": os.path.join(folder, "database"),
    }
    yield Step("spider", "evaluate", evaluate(spider), inputs, files, run, reference=3600, goal=90)
    quantized = {**inputs, "checkpoint": checkpoint}
    yield Step("load-checkpoint", "evaluate", evaluate(few), quantized, text, run)
