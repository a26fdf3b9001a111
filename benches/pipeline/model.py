"""Model folders of a published shape with random weights, for speed has nothing to do with what a model has learnt."""

import json
import os
import shutil

# Shapes as in the published config.json; sizes are all that speed depends on.
LLAMA3 = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 128256,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "max_position_embeddings": 8192,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "eos_token_id": 128001,
    "bos_token_id": 128000,
}
SHAPES = {
    "llama3-8b": {
        **LLAMA3,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    "llama3-70b": {
        **LLAMA3,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
    },
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
# As published models are initialised; hidden states stay finite in every number format.
STANDARD_DEVIATION = 0.02
SHARD_BYTES = 4 << 30


def tensors(config):
    """Names and shapes of all weights, in the order of the layers."""
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    dim = hidden // heads
    yield "model.embed_tokens.weight", (vocab, hidden)
    for layer in range(config["num_hidden_layers"]):
        shapes = {
            "self_attn.q_proj": (heads * dim, hidden),
            "self_attn.k_proj": (kv_heads * dim, hidden),
            "self_attn.v_proj": (kv_heads * dim, hidden),
            "self_attn.o_proj": (hidden, heads * dim),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
        }
        for name, shape in shapes.items():
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocab, hidden)


def linear_weights(config):
    """Number of weights that are quantized."""
    return sum(rows * cols for name, (rows, *rest) in tensors(config) for cols in rest if "_proj" in name)


def make(folder, shape, layers, tokenizer, seed=0):
    """Writes a model of a shape with `layers` decoder blocks, in bfloat16, unless it is there; its config."""
    config = {**SHAPES[shape], "num_hidden_layers": layers or SHAPES[shape]["num_hidden_layers"]}
    path = os.path.join(folder, "config.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if json.load(file) == config:
                return config
    os.makedirs(folder, exist_ok=True)
    write_shards(folder, list(tensors(config)), seed)
    for name in TOKENIZER_FILES:
        shutil.copy(os.path.join(tokenizer, name), folder)
    # Last: a folder with it is whole.
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    return config


def write_shards(folder, specs, seed):
    """Writes safetensors files of at most about SHARD_BYTES, and their index."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(seed)
    shards, size = [[]], 0
    for name, shape in specs:
        n_bytes = 2 * torch.Size(shape).numel()
        if size and size + n_bytes > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append((name, shape, n_bytes))
        size += n_bytes
    index = {}
    for nth, shard in enumerate(shards, 1):
        file_name = f"model-{nth:05}-of-{len(shards):05}.safetensors"
        header, end = {}, 0
        for name, shape, n_bytes in shard:
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + n_bytes]}
            end += n_bytes
            index[name] = file_name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, file_name), "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name, shape, _ in shard:
                file.write(random_bytes(torch, name, shape, device, generator))
    with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump({"metadata": {}, "weight_map": index}, file)


def random_bytes(torch, name, shape, device, generator):
    """A tensor's bytes: norms are 1, all else is normal."""
    if name.endswith("norm.weight"):
        tensor = torch.ones(shape, dtype=torch.bfloat16)
    else:
        tensor = torch.empty(shape, dtype=torch.float32, device=device)
        tensor.normal_(0.0, STANDARD_DEVIATION, generator=generator)
        tensor = tensor.to(torch.bfloat16).cpu()
    return memoryview(tensor.view(torch.uint8).numpy().reshape(-1))
