#!/usr/bin/env python3
"""Writes a single-file SDXL base checkpoint with random FP16 weights: the full architecture, 6.9 GB.

    python3 tests/full/make_sdxl.py sdxl_random.safetensors [TOKENIZER_FOLDER [MERGES.txt.gz]]
    python3 tests/full/make_sdxl.py --refiner refiner_random.safetensors     # SDXL's refiner, 6.1 GB
    python3 tests/full/make_sdxl.py --control control_random.safetensors     # a ControlNet for SDXL, 2.5 GB

For measuring speed and memory of the real sizes where the real weights are not to be had; the pictures
are noise. Needs numpy alone. Names are those of the original release (as in compat lists of ComfyUI and
kohya sd-scripts); scales are chosen so that activations stay in FP16's range in any program.
With the second argument it also writes the vocabulary folder that a single file lacks: from OpenAI's merges
(bpe_simple_vocab_16e6.txt.gz) the real one, without them a made-up one of the same size.
"""
import gzip
import json
import os
import struct
import sys

import numpy as np

# UNets: channels and transformer depth of each level, depth in the middle, widths of text and pooled inputs.
BASE = {"channels": (320, 640, 1280), "depth": (0, 2, 10), "middle": 10, "context": 2048, "added": 2816}
REFINER = {"channels": (384, 768, 1536, 1536), "depth": (0, 4, 4, 0), "middle": 4, "context": 1280, "added": 2560}
LAYERS = 2  # residual blocks a level
tensors = []  # (name, shape, scale): scale None is a norm's weight (1), 0 a bias


def put(name, *shape, gain=1.0):
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    tensors.append((name + ".weight", shape, gain / np.sqrt(fan_in)))


def layer(name, *shape, bias=True, gain=1.0):
    put(name, *shape, gain=gain)
    if bias:
        tensors.append((name + ".bias", shape[:1], 0))


def norm(name, c):
    tensors.extend([(name + ".weight", (c,), None), (name + ".bias", (c,), 0)])


def res(p, cin, cout, time):
    norm(f"{p}.in_layers.0", cin)
    layer(f"{p}.in_layers.2", cout, cin, 3, 3)
    layer(f"{p}.emb_layers.1", cout, time)
    norm(f"{p}.out_layers.0", cout)
    layer(f"{p}.out_layers.3", cout, cout, 3, 3, gain=0.3)
    if cin != cout:
        layer(f"{p}.skip_connection", cout, cin, 1, 1)


def attention(p, c, context):
    layer(f"{p}.to_q", c, c, bias=False)
    layer(f"{p}.to_k", c, context, bias=False)
    layer(f"{p}.to_v", c, context, bias=False)
    layer(f"{p}.to_out.0", c, c, gain=0.3)


def transformer(p, c, depth, context):
    norm(f"{p}.norm", c)
    layer(f"{p}.proj_in", c, c)
    for d in range(depth):
        b = f"{p}.transformer_blocks.{d}"
        attention(f"{b}.attn1", c, c)
        layer(f"{b}.ff.net.0.proj", 8 * c, c)
        layer(f"{b}.ff.net.2", c, 4 * c, gain=0.3)
        attention(f"{b}.attn2", c, context)
        for i in (1, 2, 3):
            norm(f"{b}.norm{i}", c)
    layer(f"{p}.proj_out", c, c, gain=0.3)


def unet_down(p, channels, depth, middle, context, added):
    """Up to the middle; returns the channels of its skips."""
    time = 4 * channels[0]
    layer(f"{p}.time_embed.0", time, channels[0])
    layer(f"{p}.time_embed.2", time, time)
    layer(f"{p}.label_emb.0.0", time, added)
    layer(f"{p}.label_emb.0.2", time, time)
    layer(f"{p}.input_blocks.0.0", channels[0], 4, 3, 3)
    at, c, skips = 1, channels[0], [channels[0]]
    for level, out in enumerate(channels):
        for _ in range(LAYERS):
            res(f"{p}.input_blocks.{at}.0", c, out, time)
            if depth[level]:
                transformer(f"{p}.input_blocks.{at}.1", out, depth[level], context)
            c, at = out, at + 1
            skips.append(c)
        if level < len(channels) - 1:
            layer(f"{p}.input_blocks.{at}.0.op", c, c, 3, 3)
            at += 1
            skips.append(c)
    res(f"{p}.middle_block.0", c, c, time)
    transformer(f"{p}.middle_block.1", c, middle, context)
    res(f"{p}.middle_block.2", c, c, time)
    return skips


def unet(p, channels, depth, middle, context, added):
    skips = unet_down(p, channels, depth, middle, context, added)
    time, c, at = 4 * channels[0], channels[-1], 0
    for level in reversed(range(len(channels))):
        out = channels[level]
        for i in range(LAYERS + 1):
            res(f"{p}.output_blocks.{at}.0", c + skips.pop(), out, time)
            c, nth = out, 1
            if depth[level]:
                transformer(f"{p}.output_blocks.{at}.1", out, depth[level], context)
                nth = 2
            if i == LAYERS and level:
                layer(f"{p}.output_blocks.{at}.{nth}.conv", c, c, 3, 3)
            at += 1
    norm(f"{p}.out.0", c)
    layer(f"{p}.out.2", 4, c, 3, 3)


def control(p, channels, hint=(16, 32, 96, 256), **sizes):
    """A ControlNet: half a UNet, what reads the picture, and a convolution for each skip."""
    skips = unet_down(p, channels, **sizes)
    widths = [3, hint[0]]
    for c, wider in zip(hint, hint[1:]):
        widths += [c, wider]
    widths.append(channels[0])
    for i, (cin, cout) in enumerate(zip(widths, widths[1:])):
        layer(f"{p}.input_hint_block.{2 * i}", cout, cin, 3, 3)
    for i, c in enumerate(skips):
        layer(f"{p}.zero_convs.{i}.0", c, c, 1, 1, gain=0.1)
    layer(f"{p}.middle_block_out.0", channels[-1], channels[-1], 1, 1, gain=0.1)


def vae_res(p, cin, cout):
    norm(f"{p}.norm1", cin)
    layer(f"{p}.conv1", cout, cin, 3, 3)
    norm(f"{p}.norm2", cout)
    layer(f"{p}.conv2", cout, cout, 3, 3, gain=0.3)
    if cin != cout:
        layer(f"{p}.nin_shortcut", cout, cin, 1, 1)


def vae_mid(p, c):
    vae_res(f"{p}.block_1", c, c)
    norm(f"{p}.attn_1.norm", c)
    for name in ("q", "k", "v", "proj_out"):
        layer(f"{p}.attn_1.{name}", c, c, 1, 1, gain=0.3 if name == "proj_out" else 1)
    vae_res(f"{p}.block_2", c, c)


def vae(p, channels=(128, 256, 512, 512)):
    layer(f"{p}.encoder.conv_in", channels[0], 3, 3, 3)
    c = channels[0]
    for i, out in enumerate(channels):
        for j in range(2):
            vae_res(f"{p}.encoder.down.{i}.block.{j}", c, out)
            c = out
        if i < 3:
            layer(f"{p}.encoder.down.{i}.downsample.conv", c, c, 3, 3)
    vae_mid(f"{p}.encoder.mid", c)
    norm(f"{p}.encoder.norm_out", c)
    layer(f"{p}.encoder.conv_out", 8, c, 3, 3)
    layer(f"{p}.quant_conv", 8, 8, 1, 1)
    layer(f"{p}.post_quant_conv", 4, 4, 1, 1)
    layer(f"{p}.decoder.conv_in", c, 4, 3, 3)
    vae_mid(f"{p}.decoder.mid", c)
    for i in reversed(range(4)):
        for j in range(3):
            vae_res(f"{p}.decoder.up.{i}.block.{j}", c, channels[i])
            c = channels[i]
        if i:
            layer(f"{p}.decoder.up.{i}.upsample.conv", c, c, 3, 3)
    norm(f"{p}.decoder.norm_out", c)
    layer(f"{p}.decoder.conv_out", 3, c, 3, 3)


def clip_l(p, c=768, ffn=3072, layers=12):
    put(f"{p}.embeddings.token_embedding", 49408, c, gain=0.5)
    put(f"{p}.embeddings.position_embedding", 77, c, gain=0.5)
    for i in range(layers):
        b = f"{p}.encoder.layers.{i}"
        for name in ("q", "k", "v", "out"):
            layer(f"{b}.self_attn.{name}_proj", c, c)
        layer(f"{b}.mlp.fc1", ffn, c)
        layer(f"{b}.mlp.fc2", c, ffn)
        norm(f"{b}.layer_norm1", c)
        norm(f"{b}.layer_norm2", c)
    norm(f"{p}.final_layer_norm", c)


def big_g(p, c=1280, ffn=5120, layers=32):
    put(f"{p}.token_embedding", 49408, c, gain=0.5)
    tensors.append((f"{p}.positional_embedding", (77, c), 0.01))
    tensors.append((f"{p}.text_projection", (c, c), c ** -0.5))
    tensors.append((f"{p}.logit_scale", (1,), None))
    for i in range(layers):
        b = f"{p}.transformer.resblocks.{i}"
        tensors.append((f"{b}.attn.in_proj_weight", (3 * c, c), c ** -0.5))
        tensors.append((f"{b}.attn.in_proj_bias", (3 * c,), 0))
        layer(f"{b}.attn.out_proj", c, c)
        layer(f"{b}.mlp.c_fc", ffn, c)
        layer(f"{b}.mlp.c_proj", c, ffn)
        norm(f"{b}.ln_1", c)
        norm(f"{b}.ln_2", c)
    norm(f"{p}.ln_final", c)


def values(rng, pool, count, scale):
    """count FP16 values: pieces of a pool of normals, which is far quicker than drawing 3.5 billion."""
    if scale is None:
        return np.ones(count, np.float16)
    if scale == 0:
        return np.zeros(count, np.float16)
    out = np.empty(count, np.float16)
    for at in range(0, count, pool.size // 2):
        n = min(pool.size // 2, count - at)
        start = int(rng.integers(0, pool.size // 2))
        out[at:at + n] = pool[start:start + n] * np.float32(scale)
    return out


def write(path):
    header, at = {}, 0
    for name, shape, _ in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(0)
    pool = rng.standard_normal(1 << 22, dtype=np.float32)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape, scale in tensors:
            f.write(values(rng, pool, int(np.prod(shape)), scale).tobytes())
    print(f"{path}: {len(tensors)} tensors, {at // 2:,} parameters, {at:,} bytes")


def byte_symbols():
    keep = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = [b for b in range(256) if b not in keep]
    return [chr(b) for b in keep] + [chr(256 + i) for i in range(len(rest))]


def write_tokenizer(folder, merges_gz):
    symbols = byte_symbols()
    if merges_gz:
        with gzip.open(merges_gz, "rt", encoding="utf-8") as f:
            merges = f.read().split("\n")[1:49152 - 256 - 2 + 1]
    else:
        merges = [f"{a} {b}" for a in symbols for b in symbols][:48894]
    words = symbols + [s + "</w>" for s in symbols] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as f:
        json.dump({w: i for i, w in enumerate(words)}, f, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")


def main():
    refiner = "--refiner" in sys.argv
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    if not args:
        sys.exit(__doc__)
    if "--control" in sys.argv:
        control("control_model", **BASE)
        write(args[0])
        return
    unet("model.diffusion_model", **(REFINER if refiner else BASE))
    vae("first_stage_model")
    if refiner:
        big_g("conditioner.embedders.0.model")
    else:
        clip_l("conditioner.embedders.0.transformer.text_model")
        big_g("conditioner.embedders.1.model")
    write(args[0])
    if len(args) > 1:
        write_tokenizer(args[1], args[2] if len(args) > 2 else None)


if __name__ == "__main__":
    main()
