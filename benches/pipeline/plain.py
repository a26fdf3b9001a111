"""The same work in plain PyTorch, as the methods' public code does it: what the engine is compared with on CPU.

Gradients: transformers' model and autograd, one sequence at a time, absolute values summed. GPTQ (arXiv 2210.17323):
Hessians from forward hooks, ranges by the search over 80 shrunk ones, columns one after the other in blocks of 128.
"""

import time

import torch

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# The order in which a block's projections are quantized, those that share their inputs together.
GROUPS = (("k_proj", "v_proj", "q_proj"), ("o_proj",), ("up_proj", "gate_proj"), ("down_proj",))
SHRINK_STEPS, SHRINK_UNIT, NORM = 80, 100, 2.4


def read_sequences(artifact):
    """A calibration set of equally long sequences, ids [n, t]."""
    from safetensors.torch import load_file

    tensors = load_file(f"{artifact}/sequences.safetensors")
    return tensors["ids"].long().reshape(len(tensors["offsets"]) - 1, -1)


def load(folder, dtype=torch.float32):
    """The model as transformers has it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def linears(module):
    """The linear layers that are quantized, by their path."""
    return {name: part for name, part in module.named_modules() if name.split(".")[-1] in LINEAR}


def gradients(model, sequences):
    """Σ abs(dL/dW) over sequences [n, t]; seconds, without loading."""
    started = time.perf_counter()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    weights = {name: part.weight.requires_grad_(True) for name, part in linears(model).items()}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for ids in sequences:
        model(ids[None], labels=ids[None], use_cache=False).loss.backward()
        for name, weight in weights.items():
            sums[name] += weight.grad.abs_()
            weight.grad = None
    return time.perf_counter() - started, sums


class Grid:
    """One scale and zero point a row."""

    def __init__(self, weight, bits):
        self.max_code = 2**bits - 1
        low = weight.amin(1).clamp(max=0)
        high = weight.amax(1).clamp(min=0)
        empty = (low == 0) & (high == 0)
        low[empty], high[empty] = -1, 1
        self.scale, self.zero = self.over(low, high)
        best = torch.full([len(weight)], float("inf"))
        for step in range(SHRINK_STEPS):
            share = 1 - step / SHRINK_UNIT
            scale, zero = self.over(share * low, share * high)
            error = (self.rounded(weight, scale, zero) - weight).abs_().pow_(NORM).sum(1)
            better = error < best
            best[better] = error[better]
            self.scale[better], self.zero[better] = scale[better], zero[better]

    def over(self, low, high):
        """Scales and zero points of ranges."""
        scale = (high - low) / self.max_code
        return scale[:, None], torch.round(-low / scale)[:, None]

    def rounded(self, weight, scale=None, zero=None):
        """The nearest levels."""
        scale, zero = (self.scale, self.zero) if scale is None else (scale, zero)
        codes = torch.clamp(torch.round(weight / scale) + zero, 0, self.max_code)
        return scale * (codes - zero)


def quantize(weight, hessian, bits, damp=0.01, block_size=128):
    """GPTQ of one matrix by its plain column loop."""
    weight = weight.clone()
    grid = Grid(weight, bits)
    dead = hessian.diagonal() == 0
    hessian[dead, dead] = 1
    weight[:, dead] = 0
    hessian.diagonal().add_(damp * hessian.diagonal().mean())
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    result = torch.zeros_like(weight)
    columns = weight.shape[1]
    for start in range(0, columns, block_size):
        end = min(start + block_size, columns)
        block, factor = weight[:, start:end].clone(), upper[start:end, start:end]
        errors = torch.zeros_like(block)
        for i in range(end - start):
            column = block[:, i]
            rounded = grid.rounded(column[:, None]).flatten()
            result[:, start + i] = rounded
            error = (column - rounded) / factor[i, i]
            block[:, i:] -= error[:, None].matmul(factor[i, i:][None])
            errors[:, i] = error
        weight[:, end:] -= errors.matmul(upper[start:end, end:])
    return result


@torch.no_grad()
def gptq(model, sequences, bits):
    """GPTQ through the model, block by block; seconds of everything, and of the matrices alone."""
    started, of_matrices = time.perf_counter(), 0.0
    hidden = [model.model.embed_tokens(ids[None]) for ids in sequences]
    positions = torch.arange(sequences.shape[1])[None]
    angles = model.model.rotary_emb(hidden[0], positions)
    mask = torch.full([sequences.shape[1]] * 2, float("-inf")).triu(1)[None, None]

    def forward(block, h):
        result = block(h, attention_mask=mask, position_embeddings=angles, position_ids=positions)
        return result[0] if isinstance(result, tuple) else result

    for block in model.model.layers:
        parts = {name.split(".")[-1]: part for name, part in linears(block).items()}
        for group in GROUPS:
            statistics = {}

            def hook(part, inputs, _, name=group[0]):
                rows = inputs[0].reshape(-1, inputs[0].shape[-1])
                statistics[name] = statistics.get(name, 0) + rows.T @ rows * (2 / len(sequences))

            # One of the group: all of it has the same inputs.
            handle = parts[group[0]].register_forward_hook(hook)
            for h in hidden:
                forward(block, h)
            handle.remove()
            began = time.perf_counter()
            for name in group:
                parts[name].weight.data = quantize(parts[name].weight, statistics[group[0]].clone(), bits)
            of_matrices += time.perf_counter() - began
        hidden = [forward(block, h) for h in hidden]
    return time.perf_counter() - started, of_matrices
