"""Judges models/tiny-lines: do sprites get the hint's shape, and is the prompt still heard?

    python evaluate_control.py JUDGE.pt [--control FOLDER] [--images 192] [--steps 20] [--cfg 3.5]
                                        [--strength 1] [--json FILE] [--sheet FILE.png]

The hints are of drawings of a seed that nothing was trained with, a third each edges, sketches and
filled; every second drawing is bent (hints.py), the others are as models/tiny draws. Each is made
with its own prompt without and with the ControlNet, then with it in another colour. Overlap is
that of silhouettes, cells of both over cells of either, with holes filled; the judge says whether
kind and colour are what was asked for. The sheet shows hint, without, with, in the other colour.
"""
import argparse
import collections
import json
import os
import platform
import time

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionXLControlNetPipeline

import classifier
import draw
import evaluate
import hints

FOLDER = os.path.join(evaluate.HERE, "..", "tiny-lines")
SEED = 990017
HINTS = ("edges", "sketch", "filled")


def controlled(pipe, folder):
    """The pipeline with the ControlNet; it shares the other parts."""
    control = ControlNetModel.from_pretrained(folder).float().to(pipe.device)
    return StableDiffusionXLControlNetPipeline(**pipe.components, controlnet=control)


def generate(pipe, texts, images, seeds, args):
    noise = torch.cat([torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(s))
                       for s in seeds]).to(pipe.device, pipe.unet.dtype)
    hint = torch.from_numpy(np.stack(images)).float()[:, None].expand(-1, 3, -1, -1) / 255
    pipe.set_progress_bar_config(disable=True)
    out = pipe(texts, image=hint.contiguous(), num_inference_steps=args.steps, guidance_scale=args.cfg,
               controlnet_conditioning_scale=args.strength, latents=noise, height=128, width=128,
               output_type="np").images
    return np.round(np.clip(out, 0, 1) * 255).astype(np.uint8)


def whole(mask):
    """The mask with its holes filled."""
    room = np.pad(mask.astype(np.uint8), 1)
    cv2.floodFill(room, None, (0, 0), 2)
    return room[1:-1, 1:-1] != 2


def silhouettes(images):
    """Of images on white: [n, 32, 32]."""
    return np.stack([whole((c < 244).any(2)) for c in evaluate.cells(images)])


def overlap(a, b):
    return np.array([(x & y).sum() / max(1, (x | y).sum()) for x, y in zip(a, b)])


def cases(count):
    """Drawings on white, their specs and hints; the second half of each kind of hint is bent."""
    r, all_ = np.random.default_rng(SEED), []
    for i in range(count):
        spec = draw.sample_spec(r, kind=draw.KIND_NAMES[i % len(draw.KIND_NAMES)])
        spec.update(background="white", sparkling=False)
        bent, kind = i // len(HINTS) % 2 == 1, HINTS[i % len(HINTS)]
        drawn = hints.drawing(spec, bent)
        all_.append({"spec": spec, "bent": bent, "hint": kind, "alpha": whole(drawn["alpha"]),
                     "drawn": drawn["sprite"], "image": hints.hint(drawn, r, kind)})
    return all_


def other_colour(spec):
    i = draw.COLOUR_NAMES.index(spec["colour"])
    return {**spec, "colour": draw.COLOUR_NAMES[(i + 5) % len(draw.COLOUR_NAMES)]}


def shares(values, all_):
    """The mean, and that of each kind of hint, of bent drawings and of others."""
    groups = collections.defaultdict(list)
    for v, c in zip(values, all_):
        for name in ("all", c["hint"], "bent" if c["bent"] else "as drawn"):
            groups[name].append(v)
    return {n: round(float(np.mean(groups[n])), 4)
            for n in ("all", *HINTS, "as drawn", "bent") if groups[n]}


def verdict(judge, images, specs):
    kind, colour, _ = classifier.labels(specs)
    with torch.no_grad():
        a, b, _ = judge(classifier.to_tensor(evaluate.cells(images)))
    right = a.argmax(1) == kind, b.argmax(1) == colour
    return {"kind": round(right[0].float().mean().item(), 4),
            "colour": round(right[1].float().mean().item(), 4),
            "both": round((right[0] & right[1]).float().mean().item(), 4)}


def write_sheet(path, all_, columns):
    rows = []
    for i, c in enumerate(all_):
        tiles = [np.repeat(c["image"][:, :, None], 3, 2)] + [images[i] for images in columns]
        rows.append(np.concatenate([np.pad(t, ((2, 2), (2, 2), (0, 0)), constant_values=128)
                                    for t in tiles], 1))
    per = (len(rows) + 3) // 4
    sheet = [np.concatenate(rows[i:i + per]) for i in range(0, len(rows), per)]
    sheet = [np.pad(s, ((0, per * 132 - len(s)), (0, 12), (0, 0)), constant_values=64) for s in sheet]
    cv2.imwrite(path, np.concatenate(sheet, 1)[:, :, ::-1])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("judge")
    ap.add_argument("--control", default=FOLDER)
    ap.add_argument("--images", type=int, default=192)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--cfg", type=float, default=3.5)
    ap.add_argument("--strength", type=float, default=1.0)
    ap.add_argument("--json")
    ap.add_argument("--sheet")
    args = ap.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))
    all_, pipe = cases(args.images), evaluate.pipeline(os.path.join(evaluate.HERE, "..", "tiny"))
    guided, judge = controlled(pipe, args.control), classifier.load(args.judge)
    own, other = [c["spec"] for c in all_], [other_colour(c["spec"]) for c in all_]
    made = {"without": [], "with": [], "other colour": []}
    for i in range(0, len(all_), 16):
        part, seeds = all_[i:i + 16], range(7000 + i, 7000 + min(i + 16, len(all_)))
        texts, changed = ([evaluate.plain_prompt(s) for s in specs[i:i + 16]] for specs in (own, other))
        images = [c["image"] for c in part]
        made["without"].append(evaluate.generate(pipe, texts, seeds, args.steps, args.cfg))
        made["with"].append(generate(guided, texts, images, seeds, args))
        made["other colour"].append(generate(guided, changed, images, seeds, args))
    made = {n: np.concatenate(m) for n, m in made.items()}
    result = {"images": len(all_), "steps": args.steps, "cfg": args.cfg, "strength": args.strength,
              "overlap": {n: shares(overlap(silhouettes(m), [c["alpha"] for c in all_]), all_)
                          for n, m in made.items()},
              "judge": {n: verdict(judge, m, other if n == "other colour" else own)
                        for n, m in made.items()},
              "drawings": verdict(judge, np.stack([draw.upsample(c["drawn"]) for c in all_]), own),
              "machine": platform.machine(), "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(result, indent=1))
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    if args.sheet:
        write_sheet(args.sheet, all_[:48], list(made.values()))


if __name__ == "__main__":
    main()
