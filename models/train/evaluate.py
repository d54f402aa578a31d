"""Judges models/tiny: held-out combinations of colour and kind, right kind and right colour?

    python evaluate.py JUDGE.pt [--model FOLDER] [--images 256] [--steps 20] [--cfg 3.5]
                                [--cfg-end 1] [--seen | --traits | --words]

Prompts are "a COLOUR KIND" for combinations that no training picture showed (--seen: for trained
ones), one seed each, 20 Euler steps with classifier-free guidance through diffusers (--cfg-end 0.4:
in the first 0.4 of them alone). The judge was trained on drawn sprites only. The aim is 85% with
both right.

Beside that it says how clean the pixels are: the share of cells, of those that are not white, that
lie within 8 of 255 in each channel of a colour which drawings have.

--traits asks for all that a prompt can say ("a small red cat with a crown on a black background"),
each trait as often as the others, and counts how often what was asked for is there, how often what
was not asked for is not, and in how many images everything is right.
"""
import argparse
import collections
import json
import math
import os
import platform
import time

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline

import classifier
import data
import draw
import prompts

HERE = os.path.dirname(os.path.abspath(__file__))


def pipeline(folder, dtype=torch.float32):
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, variant="fp16", torch_dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to("cuda" if torch.cuda.is_available() else "cpu")


def unguided_from(first):
    """A callback after which steps from `first` on are not guided."""
    def after(pipe, step, timestep, held):
        if step + 1 == first:
            pipe._guidance_scale = 1
            held = {n: t[len(t) // 2:] for n, t in held.items()}
        return held
    return {"callback_on_step_end": after, "callback_on_step_end_tensor_inputs":
            ["prompt_embeds", "add_text_embeds", "add_time_ids"]}


def generate(pipe, prompts, seeds, steps, cfg, cfg_end=1.0, negative=None):
    """uint8 [n, 128, 128, 3]. cfg_end: the share of the steps that are guided."""
    noise = torch.cat([torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(s))
                       for s in seeds]).to(pipe.device, pipe.unet.dtype)
    out = pipe(prompts, negative_prompt=negative, num_inference_steps=steps, guidance_scale=cfg,
               latents=noise, height=128, width=128, output_type="np",
               **(unguided_from(math.ceil(cfg_end * steps)) if cfg_end < 1 else {})).images
    return np.round(np.clip(out, 0, 1) * 255).astype(np.uint8)


def cells(images):
    """The mean of each 4x4 block."""
    n = len(images)
    return np.round(images.reshape(n, 32, 4, 32, 4, 3).mean((2, 4))).astype(np.uint8)


def clean(cells):
    """The share of drawn cells whose colour, up to 8 in each channel, is one that drawings have."""
    palette = np.unique(data.render_many(900, 1500, everything=True)[0].reshape(-1, 3), axis=0)
    inked = cells.reshape(-1, 3)[(cells.reshape(-1, 3) < 250).any(1)].astype(int)
    near = [(np.abs(inked[i:i + 4096, None] - palette[None]).max(-1) <= 8).any(1)
            for i in range(0, len(inked), 4096)]
    return float(np.concatenate(near).mean())


def trait_specs(count):
    """Sprites to ask for; of each trait in turn one, with whatever else chance gives it."""
    r, names, specs = np.random.default_rng(3), list(classifier.TRAITS), []
    while len(specs) < count:
        spec = draw.sample_spec(r)
        if classifier.TRAITS[names[len(specs) % len(names)]](spec):
            specs.append(spec)
    return specs


def plain_prompt(s):
    """The usual word for all of a spec's traits."""
    words = [s["size"] if s["size"] != "normal" else "", "sparkling" if s["sparkling"] else "",
             s["colour"], s["kind"], "with a crown" if s["crown"] else "",
             "with a sword" if s["sword"] else "", "with wings" if s["wings"] else "",
             "facing left" if s["facing"] == "left" else "",
             f"on a {s['background']} background" if s["background"] != "white" else ""]
    text = " ".join(w for w in words if w)
    return ("an " if text[0] in "aeiou" else "a ") + text


def judge_traits(pipe, judge, args):
    specs = trait_specs(args.images)
    images = [generate(pipe, [plain_prompt(s) for s in specs[i:i + 16]],
                       range(3000 + i, 3000 + i + len(specs[i:i + 16])), args.steps, args.cfg,
                       args.cfg_end)
              for i in range(0, len(specs), 16)]
    kind, colour, traits = classifier.labels(specs)
    with torch.no_grad():
        a, b, t = judge(classifier.to_tensor(cells(np.concatenate(images))))
    got, want = t > 0, traits > 0.5
    k, c, right = a.argmax(1) == kind, b.argmax(1) == colour, got == want
    share = lambda x: round(x.float().mean().item(), 4)
    return {"prompts": "traits", "images": len(specs), "steps": args.steps, "cfg": args.cfg,
            "cfg_end": args.cfg_end, "kind": share(k), "colour": share(c), "asked and there": share(got[want]),
            "not asked and not there": share(~got[~want]),
            "all of it right": share(k & c & right.all(1)),
            "there": {n: f"{int(got[want[:, i], i].sum())} of {int(want[:, i].sum())}"
                      for i, n in enumerate(classifier.TRAITS)},
            "machine": platform.machine(), "date": time.strftime("%Y-%m-%d")}


def word_prompts(count):
    """(prompt, word, kind, colour): each other word in turn, beside a usual one."""
    others = [(w, k, None) for k, words in prompts.KIND_WORDS.items() for w in words[1:]] + \
             [(w, None, c) for c, words in prompts.COLOUR_WORDS.items() for w in words[1:]]
    r = np.random.default_rng(4)
    for i in range(count):
        word, kind, colour = others[i % len(others)]
        of = kind or draw.KIND_NAMES[r.integers(len(draw.KIND_NAMES))]
        in_ = colour or draw.COLOUR_NAMES[r.integers(len(draw.COLOUR_NAMES))]
        text = f"{in_ if kind else word} {word if kind else of}"
        yield ("an " if text[0] in "aeiou" else "a ") + text, word, of, in_


def judge_words(pipe, judge, args):
    asked = list(word_prompts(args.images))
    images = []
    for i in range(0, len(asked), 16):
        texts = [a[0] for a in asked[i:i + 16]]
        images.append(generate(pipe, texts, range(5000 + i, 5000 + i + len(texts)), args.steps, args.cfg,
                               args.cfg_end))
    with torch.no_grad():
        seen = judge(classifier.to_tensor(cells(np.concatenate(images))))[:2]
    kinds, colours = ([names[i] for i in t.argmax(1)]
                      for names, t in zip((draw.KIND_NAMES, draw.COLOUR_NAMES), seen))
    right = [k == a[2] and c == a[3] for a, k, c in zip(asked, kinds, colours)]
    missed = collections.Counter(f"{a[0]}: {c} {k}"
                                 for a, k, c, ok in zip(asked, kinds, colours, right) if not ok)
    return {"prompts": "other words", "words": len({a[1] for a in asked}), "images": len(asked),
            "steps": args.steps, "cfg": args.cfg, "cfg_end": args.cfg_end,
            "right": f"{sum(right)} of {len(right)}", "wrong": dict(missed),
            "machine": platform.machine(), "date": time.strftime("%Y-%m-%d")}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("judge")
    ap.add_argument("--model", default=os.path.join(HERE, "..", "tiny"))
    ap.add_argument("--images", type=int, default=256)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--cfg", type=float, default=3.5)
    ap.add_argument("--cfg-end", type=float, default=1.0)
    ap.add_argument("--seen", action="store_true")
    ap.add_argument("--traits", action="store_true")
    ap.add_argument("--words", action="store_true")
    ap.add_argument("--json")
    args = ap.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))
    judge_by = judge_traits if args.traits else judge_words if args.words else None
    result = judge_by(pipeline(args.model), classifier.load(args.judge), args) if judge_by else \
        judge_combinations(args)
    print(json.dumps(result, indent=1))
    if args.json:
        with open(args.json, "w") as f:
            json.dump(result, f, indent=1)


def judge_combinations(args):
    combos = sorted(data.HELD_OUT)
    if args.seen:
        combos = [(k, c) for k in draw.KIND_NAMES for c in draw.COLOUR_NAMES if data.allowed(k, c)]
        np.random.default_rng(0).shuffle(combos)
    wanted = [tuple(combos[i % len(combos)]) for i in range(args.images)]
    pipe, judge, start = pipeline(args.model), classifier.load(args.judge), time.time()
    images = []
    for i in range(0, len(wanted), 16):
        part = wanted[i:i + 16]
        texts = [("an " if c[0] in "aeiou" else "a ") + f"{c} {k}" for k, c in part]
        images.append(generate(pipe, texts, range(1000 + i, 1000 + i + len(part)), args.steps,
                               args.cfg, args.cfg_end))
    seconds = time.time() - start
    images = cells(np.concatenate(images))
    x = classifier.to_tensor(images)
    with torch.no_grad():
        kind, colour = (t.argmax(1).numpy() for t in judge(x)[:2])
    want_k = np.array([draw.KIND_NAMES.index(k) for k, _ in wanted])
    want_c = np.array([draw.COLOUR_NAMES.index(c) for _, c in wanted])
    right_k, right_c = kind == want_k, colour == want_c
    wrong = collections.Counter()
    for i in np.nonzero(~(right_k & right_c))[0]:
        wrong[f"{wanted[i][1]} {wanted[i][0]} seen as "
              f"{draw.COLOUR_NAMES[colour[i]]} {draw.KIND_NAMES[kind[i]]}"] += 1
    return {"prompts": "seen combinations" if args.seen else "held-out combinations",
            "images": len(wanted), "combinations": len(set(wanted)), "steps": args.steps,
            "cfg": args.cfg, "cfg_end": args.cfg_end, "kind": float(right_k.mean()), "colour": float(right_c.mean()),
            "both": float((right_k & right_c).mean()), "clean": round(clean(images), 4), "seconds": round(seconds, 1),
            "machine": platform.machine(), "date": time.strftime("%Y-%m-%d"),
            "wrong": dict(wrong.most_common(40))}


if __name__ == "__main__":
    main()
