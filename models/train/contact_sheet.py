"""A sheet of generated sprites to look at, the prompt's order row by row.

    python contact_sheet.py OUT.png [--model FOLDER] [--count 64] [--cfg 3.5] [--cfg-end 1]
                                    [--seed 0] [--prompts FILE]

Without --prompts: the example prompts, then random ones, half of them held-out combinations.
"""
import argparse
import os

import numpy as np
import torch
from PIL import Image

import data
import draw
import evaluate
import export
import prompts


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--model", default=os.path.join(evaluate.HERE, "..", "tiny"))
    ap.add_argument("--count", type=int, default=64)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--cfg", type=float, default=3.5)
    ap.add_argument("--cfg-end", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--prompts")
    args = ap.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))
    r = np.random.default_rng(args.seed)
    if args.prompts:
        with open(args.prompts) as f:
            texts = [line.strip() for line in f if line.strip()]
        texts = [texts[i % len(texts)] for i in range(args.count)]
    else:
        texts = list(export.EXAMPLES[:args.count])
        held = sorted(data.HELD_OUT)
        while len(texts) < args.count:
            k, c = held[r.integers(len(held))] if len(texts) % 2 else (None, None)
            texts.append(prompts.prompt(draw.sample_spec(r, kind=k, colour=c), r))
    pipe, images = evaluate.pipeline(args.model), []
    for i in range(0, len(texts), 16):
        part = texts[i:i + 16]
        images.append(evaluate.generate(pipe, part, range(args.seed * 1000 + i,
                                                          args.seed * 1000 + i + len(part)),
                                        args.steps, args.cfg, args.cfg_end))
    tiles = np.pad(np.concatenate(images), ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=128)
    cols = 8 if len(tiles) % 8 == 0 else len(tiles)
    rows = [np.concatenate(list(tiles[i:i + cols]), 1) for i in range(0, len(tiles), cols)]
    Image.fromarray(np.concatenate(rows)).save(args.out)
    for i, t in enumerate(texts):
        print(i // cols, i % cols, t)


if __name__ == "__main__":
    main()
