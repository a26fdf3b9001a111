"""Perplexity of a model folder by Hugging Face transformers, as the sweep's own task measures it.

Needs Python with torch and transformers. Usage: perplexity.py MODEL TEXT SEQ_LEN N_WINDOWS OUT.json
"""

import json
import math
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, text, seq_len, n_windows, out = sys.argv[1:]
seq_len, n_windows = int(seq_len), int(n_windows)

model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
with open(text, encoding="utf-8") as file:
    ids = tokenizer(file.read(), return_tensors="pt").input_ids[0]

losses = []
with torch.no_grad():
    for window in ids[: n_windows * seq_len].split(seq_len):
        loss = model(window[None], labels=window[None]).loss
        losses.append(loss.item())
        print(f"window {len(losses)} of {n_windows}: {losses[-1]:.4f} nats a token")

with open(out, "w", encoding="utf-8") as file:
    json.dump({"perplexity": math.exp(sum(losses) / len(losses)), "n_examples": len(losses)}, file)
