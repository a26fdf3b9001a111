"""How far each number format on a device is from plain float32 on the CPU, on a small trained model."""

import json
import os
import struct

import numpy as np

from pipeline.engine import Engine
from pipeline.steps import Step

BITS = 2
RATIO = "0.0035"
REFERENCE = "f32", "cpu"
DTYPES = {"F32": "<f4", "I64": "<i8", "U8": "u1"}


def tensors(path):
    """The tensors of a safetensors file that numpy has a type for, by name; its metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    found = {}
    for name, entry in header.items():
        if entry["dtype"] in DTYPES:
            first, last = entry["data_offsets"]
            found[name] = np.frombuffer(data[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return found, metadata


def distance(path, reference):
    """‖a − b‖ / ‖b‖ over all tensors of two files, in float64."""
    ours, theirs = tensors(path)[0], tensors(reference)[0]
    pairs = [(ours[name].astype("f8"), theirs[name].astype("f8")) for name in theirs]
    squares = [(((a - b) ** 2).sum(), (b**2).sum()) for a, b in pairs]
    return (sum(a for a, _ in squares) / sum(b for _, b in squares)) ** 0.5


def equal_codes(path, reference):
    """Share of the weights of two checkpoints that have one code."""
    (ours, metadata), (theirs, _) = tensors(path), tensors(reference)
    columns = {tensor["name"]: tensor["cols"] for tensor in json.loads(metadata["layout"])["tensors"]}
    equal = count = 0
    for name, cols in columns.items():
        same = codes(ours[f"{name}.codes"], cols) == codes(theirs[f"{name}.codes"], cols)
        equal, count = equal + same.sum(), count + same.size
    return equal / count


def codes(packed, cols):
    """Codes [rows, cols] of a dense bit stream a row, lowest bit first."""
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, : cols * BITS].reshape(len(packed), cols, BITS)
    return (bits << np.arange(BITS, dtype="u1")).sum(2)


def in_common(path, reference):
    """Share of a mask that is in another one too."""
    (ours,), (theirs,) = (tensors(mask)[0].values() for mask in (path, reference))
    return len(np.intersect1d(ours, theirs)) / len(theirs)


class Check:
    """A model with its data, in a folder of work."""

    def __init__(self, program, model, data, work):
        self.program, self.model, self.data, self.work = program, model, data, work

    def of(self, name, file=""):
        """The artifact of a step."""
        return os.path.join(self.work, "artifacts", f"check-{name}", file)

    def do(self, engine, name, kind, params, inputs=(), data=()):
        """Runs a step."""
        inputs = {"model": self.model, **dict(inputs)}
        data = {role: os.path.join(self.data, path) for role, path in dict(data).items()}
        engine.run(Step(name, kind, params, inputs, data), self.of(name).rstrip("/"))

    def calibrate(self, engine):
        """Draws the calibration set."""
        text = {"from": "text", "format": "plain"}
        params = {"data": text, "n_samples": 32, "seq_len": 256, "draw": {"sampling": "random", "seed": 0}}
        self.do(engine, "calibrate", "calibrate", params, data={"dataset": "text/train.txt"})

    def compute(self, engine, name, dtype):
        """Everything in one number format; saliency with the reference's quantization, so that only gradients differ."""
        calibration = {"calibration": self.of("calibrate")}
        self.do(engine, f"gradients-{name}", "gradients", {"reduction": "abs", "dtype": dtype}, calibration)
        gptq = {"method": "gptq", "damp": "0.01", "block_size": 128, "true_sequential": True}
        params = {"bits": BITS, "grid": "mse", "rounding": gptq, "dtype": dtype}
        self.do(engine, f"gptq-{name}", "quantize", params, calibration)
        inputs = {"gradients": self.of(f"gradients-{name}"), "uniform": self.of("gptq-reference")}
        self.do(engine, f"saliency-{name}", "saliency", {"score": "tacq", "candidates": "0.05"}, inputs)
        inputs = {"saliency": self.of(f"saliency-{name}")}
        self.do(engine, f"mask-{name}", "select", {"outlier_ratio": RATIO}, inputs)
        return {
            "prose": self.score(engine, f"prose-{name}", dtype, "prose"),
            "gsm8k": self.score(engine, f"gsm8k-{name}", dtype, "gsm8k"),
            "mmlu": self.score(engine, f"mmlu-{name}", dtype, "mmlu"),
        }

    def score(self, engine, name, dtype, task, checkpoint=()):
        """A task's metric."""
        tasks = {
            "prose": ({"protocol": "perplexity", "format": "plain", "seq_len": 256}, {"dataset": "text/test.txt"}),
            "mmlu": (
                {"protocol": "multiple_choice", "examples": {"kind": "mmlu", "split": "all", "few_shot": 5}},
                {"dataset": "mmlu/test", "few_shot": "mmlu/dev"},
            ),
            "gsm8k": (
                {
                    "protocol": "generate",
                    "examples": {"kind": "gsm8k", "few_shot": 3},
                    "decoding": {"choose": "greedy"},
                    "max_new_tokens": 96,
                },
                {"dataset": "gsm8k/test.jsonl", "few_shot": "gsm8k/few_shot_cot.jsonl"},
            ),
        }
        task, data = tasks[task]
        params = {"task": task, "dtype": dtype, **({} if dtype == "f32" else {"batch_size": 64})}
        self.do(engine, name, "evaluate", params, checkpoint, data)
        with open(self.of(name, "metrics.json"), encoding="utf-8") as file:
            return next(iter(json.load(file)["metrics"].values()))

    def run(self, device, formats):
        """A line per format: what it is off by."""
        with Engine(self.program, self.work, "cpu") as host:
            self.calibrate(host)
            expected = self.compute(host, "reference", "f32")
            after = self.score(host, "after-reference", "f32", "prose", self.quantized("reference"))
            for dtype in formats:
                with Engine(self.program, self.work, device) as engine:
                    found = self.compute(engine, dtype, dtype)
                yield {
                    "dtype": dtype,
                    "gradients": distance(*self.pair("gradients", dtype, "gradients.safetensors")),
                    "mask": in_common(*self.pair("mask", dtype, "mask.safetensors")),
                    "codes": equal_codes(*self.pair("gptq", dtype, "checkpoint.safetensors")),
                    "after": (self.score(host, f"after-{dtype}", "f32", "prose", self.quantized(dtype)), after),
                    **{task: (found[task], expected[task]) for task in expected},
                }

    def quantized(self, name):
        """The input that has a checkpoint evaluated."""
        return {"checkpoint": self.of(f"gptq-{name}")}

    def pair(self, step, dtype, file):
        """An artifact's file, and the reference's."""
        return self.of(f"{step}-{dtype}", file), self.of(f"{step}-reference", file)
