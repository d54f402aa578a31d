"""Renders the training set once: sprites as uint8 [n, 32, 32, 3] and their specs.

    python data.py DIR [count [seed]]         writes DIR/sprites.npy and DIR/specs.pkl
"""
import multiprocessing
import os
import pickle
import sys

import numpy as np

import draw

# The combinations of colour and kind that no training picture shows: two colours of each kind,
# a sixth of all. Every colour and every kind is still seen with ten others.
HELD_OUT = {(k, c) for i, k in enumerate(draw.KIND_NAMES) for j, c in enumerate(draw.COLOUR_NAMES)
            if (5 * i + j) % 12 in (0, 5)}


def allowed(kind, colour):
    return (kind, colour) not in HELD_OUT


def weight(spec):
    """How much more often than a plain sprite this one is shown: what is rare is learnt last."""
    rare = [spec["background"] != draw.DEFAULT_BACKGROUND, spec["size"] != "normal", spec["wings"],
            spec["sparkling"], spec["sword"]]
    return 1.7 ** sum(rare)


def render(seed_count_all):
    seed, count, everything = seed_count_all
    r = np.random.default_rng(seed)
    specs = [draw.sample_spec(r, allowed=None if everything else allowed) for _ in range(count)]
    return np.stack([draw.draw(s) for s in specs]), specs


def render_many(seed, count, everything=False, block=500):
    jobs = [((seed, i), min(block, count - i * block), everything)
            for i in range((count + block - 1) // block)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        parts = pool.map(render, jobs)
    return np.concatenate([p[0] for p in parts]), sum((p[1] for p in parts), [])


if __name__ == "__main__":
    out = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    sprites, specs = render_many(seed, count)
    np.save(os.path.join(out, "sprites.npy"), sprites)
    with open(os.path.join(out, "specs.pkl"), "wb") as f:
        pickle.dump(specs, f)
