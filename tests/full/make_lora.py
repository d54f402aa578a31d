#!/usr/bin/env python3
"""Writes a LoRA of random FP16 values for SDXL's sizes, in kohya's original naming.

    python3 tests/full/make_lora.py sdxl_random.safetensors lora.safetensors [RANK [attention|all]]

For measuring what exchanging one costs. The modules are read off the checkpoint (make_sdxl.py): all
attention layers of the UNet and of the text encoder with Hugging Face's names, or with `all` every
linear layer of their transformers (feed-forward and projections too), as kohya's scripts train.
Needs numpy alone.
"""
import json
import re
import struct
import sys

import numpy as np

UNET, TEXT = "model.diffusion_model.", "conditioner.embedders.0.transformer."
ATTENTION = re.compile(r"(attn[12]\.to_(q|k|v|out\.0)|self_attn\.(q|k|v|out)_proj)\.weight$")
LINEAR = re.compile(r"(to_(q|k|v|out\.0)|(q|k|v|out)_proj|fc[12]|proj_(in|out)|ff\.net\.(0\.proj|2))"
                    r"\.weight$")


def modules(path, pattern):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    for name, t in header.items():
        if not pattern.search(name) or len(t.get("shape", [])) not in (2, 4):
            continue
        if len(t["shape"]) == 4 and t["shape"][2] != 1:
            continue
        if name.startswith(UNET):
            yield "lora_unet_" + name[len(UNET):-7].replace(".", "_"), *t["shape"][:2]
        elif name.startswith(TEXT):
            yield "lora_te1_" + name[len(TEXT):-7].replace(".", "_"), *t["shape"][:2]


def main():
    model, out = sys.argv[1:3]
    rank = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    pattern = LINEAR if sys.argv[4:] == ["all"] else ATTENTION
    tensors, products = [], 0
    for name, rows, cols in sorted(modules(model, pattern)):
        tensors += [(name + ".alpha", ()), (name + ".lora_down.weight", (rank, cols)),
                    (name + ".lora_up.weight", (rows, rank))]
        products += rows * cols * rank
    header, at = {"__metadata__": {"ss_output_name": "random", "ss_network_dim": str(rank)}}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(5)
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            if not shape:
                f.write(np.float16(rank / 2).tobytes())
            else:
                scale = 0.05 / np.sqrt(shape[1])
                f.write((random.standard_normal(shape, np.float32) * scale).astype(np.float16))
    print(f"{out}: {len(tensors) // 3} modules, rank {rank}, {at / 1e6:.0f} MB, "
          f"{products / 1e9:.1f} G multiplications")


main()
