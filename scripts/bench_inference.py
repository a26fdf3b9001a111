#!/usr/bin/env python3
"""Times the paper's tasks beside transformers at batch 1, on the same prompts and the same machine, and prints ratios.

    cargo build --release --workspace --bins
    pip install torch==2.11.0 transformers blake3      # anywhere but in this project
    python3 scripts/bench_inference.py target/release MODEL DATA [TASK…]

MODEL is a model's folder, DATA one with `mmlu/{dev,test}` (CSV), `gsm8k/{gsm8k_test,few_shot_cot}.jsonl` and
`spider/{dev,tables}.json` with `spider/database`.

Each round runs `tacq-sweep run` on an empty store, batch size as it comes, then transformers on every third question
(MMLU: every ninth), other ones each round. Ours is the whole command: starting, hashing and loading the model,
answering, scoring. Theirs is `model(...)` or `model.generate(...)` alone, loaded and warm. Both in float32 on all
cores. What both found is compared as well: prompts token by token, letters and log-probabilities, and that each text of
ours is how theirs begins (ours ends where nothing that follows could change the answer; theirs goes on to the same
limit of tokens, so that the ratio of tokens a second is smaller than that of questions).
"""

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import blake3
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROUNDS = 3
# The trial that quantizes nothing.
BASELINE = "*16-bit"
# Evenly spaced in the alphabet, whole, so that questions share their beginnings as in a full run.
SUBJECTS = slice(5, None, 12)
TASKS = {
    "mmlu": {"few_shot": 5},
    "gsm8k": {"decoding": "greedy", "max_new_tokens": 256, "limit": 32},
    "spider": {"max_new_tokens": 300, "limit": 32, "skip_missing_databases": True},
}
EVERY = {"mmlu": 9, "gsm8k": 3, "spider": 3}


def experiment(task, model, data, folder):
    """An experiment that evaluates the model itself on one task. Returns its path."""
    files = {
        "gsm8k": {"test": f"{data}/gsm8k/gsm8k_test.jsonl", "few_shot": f"{data}/gsm8k/few_shot_cot.jsonl"},
        "spider": {
            "test": f"{data}/spider/dev.json",
            "tables": f"{data}/spider/tables.json",
            "databases": f"{data}/spider/database",
        },
    }
    if task == "mmlu":
        test = f"{folder}/test"
        os.mkdir(test)
        for name in sorted(os.listdir(f"{data}/mmlu/test"))[SUBJECTS]:
            os.symlink(f"{data}/mmlu/test/{name}", f"{test}/{name}")
        files["mmlu"] = {"test": test, "few_shot": f"{data}/mmlu/dev"}
    content = {
        "name": "bench",
        "model": model,
        "datasets": {task: files[task]},
        "sweep": {"bits": 8, "methods": "rtn"},
        "tasks": {task: TASKS[task]},
        "evaluate": [task],
        "baseline": True,
        "run": {"devices": ["cpu"], "dtype": "f32"},
        "report": {"dir": f"{folder}/results"},
    }
    path = f"{folder}/bench.yaml"
    with open(path, "w") as file:
        json.dump(content, file)
    return path


def ours(program, task, model, data):
    """Seconds of the whole command, and its records."""
    with tempfile.TemporaryDirectory() as folder:
        path = experiment(task, model, data, folder)
        store = ["--store", f"{folder}/store"]
        start = time.perf_counter()
        subprocess.run([program, "run", path, "--only", BASELINE, *store], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        show = [program, "show", path, BASELINE, "--task", task, "--limit", "0", "--format", "json", *store]
        lines = subprocess.run(show, check=True, capture_output=True, text=True).stdout.splitlines()
        return seconds, [json.loads(line) for line in lines]


@torch.inference_mode()
def theirs(model, ids, letters, new_tokens):
    """What transformers finds after one prompt: log-probabilities of the letters, or tokens."""
    ids = torch.tensor([ids])
    if letters:
        return model(ids).logits[0, -1].double().log_softmax(-1)[letters].tolist()
    found = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False)
    return found[0, ids.shape[1] :].tolist()


def bench(program, task, path, data, model, tokenizer):
    new_tokens = TASKS[task].get("max_new_tokens")
    letters = [] if new_tokens else [tokenizer.encode(f" {x}", add_special_tokens=False)[0] for x in "ABCD"]
    ratios, paces, shared, n_equal, n_all, difference = [], [], [], 0, 0, 0.0
    for round_ in range(ROUNDS):
        mine, records = ours(program, task, path, data)
        records.sort(key=lambda record: record["index"])
        sample = records[round_ :: EVERY[task]]
        prompts = [tokenizer.encode(record["prompt"], add_special_tokens=task != "spider") for record in sample]
        for record, ids in zip(sample, prompts):
            packed = struct.pack(f"<{len(ids)}I", *ids)
            assert blake3.blake3(packed).hexdigest()[:16] == record["prompt_hash"], record["id"]
        theirs(model, prompts[0][:64], letters, new_tokens and 2)
        start = time.perf_counter()
        found = [theirs(model, ids, letters, new_tokens) for ids in prompts]
        seconds = time.perf_counter() - start
        n_all += len(sample)
        if letters:
            for record, logprobs in zip(sample, found):
                n_equal += "ABCD"[max(range(4), key=logprobs.__getitem__)] == record["prediction"]
                difference = max(difference, *(abs(a - b) for a, b in zip(logprobs, record["logprobs"])))
            tokens = ""
        else:
            texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in found]
            n_equal += sum(text.startswith(record.get("output", "")) for record, text in zip(sample, texts))
            n_mine, n_theirs = sum(record["n_tokens"] for record in records), sum(map(len, found))
            paces.append(n_mine / mine / (n_theirs / seconds))
            tokens = f" ({n_mine / mine:.1f} and {n_theirs / seconds:.1f} tokens/s)"
        a_mine, a_theirs = mine / len(records), seconds / len(sample)
        ratios.append(a_theirs / a_mine)
        print(
            f"{task}: ours {a_mine:.3f} s a question ({len(records)}, {mine:.0f} s), transformers {a_theirs:.3f} s "
            f"({len(sample)}){tokens}: {ratios[-1]:.1f} times as fast",
            flush=True,
        )
    same = f"{n_equal} of {n_all} {'letters' if letters else 'texts'} equal"
    same += f", log-probabilities within {difference:.1e}" if letters else ""
    pace = f"; tokens a second {statistics.median(paces):.1f} ×" if paces else ""
    print(f"{task}: median {statistics.median(ratios):.1f} ×{pace}; {same}", flush=True)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, path, data = (os.path.abspath(argument) for argument in sys.argv[1:4])
    torch.set_num_threads(os.cpu_count())
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    for task in sys.argv[4:] or TASKS:
        bench(f"{program}/tacq-sweep", task, path, data, model, tokenizer)


if __name__ == "__main__":
    main()
