"""Finds the grids of the made set with spritty and with the public tools, and compares.

    make build/spritty build/bench_grid
    python3 tests/full/finish_peers.py --set DIR [--every N] [--spritty build/spritty]
        [--pixeldetector CHECKOUT] [--unfake CHECKOUT] [--palettize CHECKOUT]

DIR is filled by `build/bench_grid --write DIR` when it is empty: drawn sprites of known grid, enlarged
by 4 to 16, blurred, noised, JPEG-compressed, shifted, on fractions of pixels, wandering. The checkouts are
of Astropulse/pixeldetector, jenissimo/unfake.js and Astropulse/sd-palettize; they stay where they are.
Their own code runs: pixeldetector's pixel_detect, unfake.js' processImage (node; finish_peers.mjs stands
in for the browser), sd-palettize's kCentroid, which looks for no grid and is told the cell's size.

Every result is held against the sprite that was drawn. Its size is right when it has as many cells, or one
more or less (a part of a cell at a border). Then, where it lies best, a pixel is wrong whose colour is nearer
to another of the sprite's colours than to the right one. A grid counts as found when the size is right
and at most a tenth of the pixels are wrong. Milliseconds are processor time, so that neighbours on the
machine count little, and the median of the pictures: of the tools' own work in one process that does
all pictures, without reading and writing files or starting; of spritty, a process a picture, of all of
it, with starting and the files. What spritty says of its own work stands beside it.
"""

import argparse
import json
import os
import resource
import runpy
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import types

import numpy as np
from PIL import Image

KINDS = ["clean", "clean, shifted", "blurred", "blurred more", "noisy", "JPEG 90", "JPEG 75",
         "JPEG 50, blurred", "fractions, nearest", "fractions, mixed", "fractions, blurred",
         "fractions, JPEG 75", "wandering", "wandering, blurred"]  # tests/grids.h
WHOLE = [4, 5, 6, 7, 8, 10, 12, 16]
BROKEN = [4.27, 5.33, 6.4, 7.5, 8.53, 10.67, 12.8, 15.06]


def oklab(rgb):
    c = rgb.astype(np.float64) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    m1 = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                   [0.2119034982, 0.6806995451, 0.1073969566],
                   [0.0883024619, 0.2817188376, 0.6299787005]])
    m2 = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                   [1.9779984951, -2.4285922050, 0.4505937099],
                   [0.0259040371, 0.7827717662, -0.8086757660]])
    return np.cbrt(c @ m1.T) @ m2.T


def score(result, truth):
    """(size is right, share of wrong pixels)"""
    h, w = truth.shape[:2]
    rh, rw = result.shape[:2]
    if abs(rw - w) > 1 or abs(rh - h) > 1:
        return False, 1.0
    colors, right = np.unique(truth.reshape(-1, 3), axis=0, return_inverse=True)
    right = right.reshape(h, w)
    lab, palette = oklab(result), oklab(colors)
    nearest = ((lab[:, :, None, :] - palette) ** 2).sum(-1).argmin(-1)
    best = 1.0
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            y0, x0 = max(0, -dy), max(0, -dx)
            y1, x1 = min(h, rh - dy), min(w, rw - dx)
            good = (nearest[y0 + dy:y1 + dy, x0 + dx:x1 + dx] == right[y0:y1, x0:x1]).sum()
            best = min(best, 1 - good / ((y1 - y0) * (x1 - x0)))
    return True, best


def by_spritty(program, paths, folder):
    results = []
    for path in paths:
        out = os.path.join(folder, "out.png")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([program, "finish", path, "--cell", "auto", "--colors", "all", "--background",
                              "keep", "-o", out, "--json", "-q"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        results.append((np.array(Image.open(out).convert("RGB")), 1e3 * used,
                        json.loads(run.stdout)["files"][0]["ms"]))
    return results


def by_pixeldetector(checkout, paths, folder):
    argv, sys.argv = sys.argv, ["pixeldetector", "-i", os.path.join(folder, "none")]
    tool = runpy.run_path(os.path.join(checkout, "pixeldetector.py"))
    sys.argv = argv
    results = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        start = time.process_time()
        try:
            out = np.array(tool["pixel_detect"](image)[0])
        except (ValueError, ZeroDivisionError, OverflowError):  # no peaks
            out = np.zeros((1, 1, 3), np.uint8)
        results.append((out, 1e3 * (time.process_time() - start)))
    return results


def by_palettize(checkout, paths, folder):
    class Anything(types.ModuleType):
        def __getattr__(self, name):
            return type(name, (), {})
    names = ["modules", "modules.scripts", "modules.images", "modules.processing", "modules.ui",
             "modules.shared", "hitherdither", "gradio", "cv2", "requests"]
    sys.modules.update({n: Anything(n) for n in names if n not in sys.modules})
    sys.modules["modules"].scripts = sys.modules["modules.scripts"]
    sys.modules["modules.scripts"].basedir = lambda: folder
    tool = runpy.run_path(os.path.join(checkout, "scripts", "palettize.py"))
    results = []
    for path in paths:
        kind, size = (int(x) for x in os.path.basename(path).split("-")[:2])
        scale = round((BROKEN if KINDS[kind].startswith("fractions") else WHOLE)[size])
        image = Image.open(path).convert("RGB")
        start = time.process_time()
        out = np.array(tool["kCentroid"](image, int(image.width / scale), int(image.height / scale), 2))
        results.append((out, 1e3 * (time.process_time() - start)))
    return results


def by_unfake(checkout, paths, folder):
    names = []
    for i, path in enumerate(paths):
        image = Image.open(path).convert("RGBA")
        names.append(os.path.join(folder, f"{i}.raw"))
        with open(names[-1], "wb") as f:
            f.write(struct.pack("<II", *image.size) + image.tobytes())
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "finish_peers.mjs")
    run = subprocess.run(["node", runner, os.path.join(checkout, "browser-tool", "lib")], text=True,
                         input="\n".join(names), stdout=subprocess.PIPE, check=True)
    results = []
    for name, ms in zip(names, run.stdout.split()):
        with open(name + ".out", "rb") as f:
            w, h = struct.unpack("<II", f.read(8))
            out = np.frombuffer(f.read(), np.uint8).reshape(h, w, 4)[:, :, :3]
        results.append((out, float(ms)))
    return results


def report(name, results, pictures, truths):
    scores = [score(out, truth) for (out, *_), truth in zip(results, truths)]
    print(f"\n{name}\n{'kind':20} {'found':>7} {'size':>7} {'wrong pixels':>13} {'ms':>8}")
    kinds = [int(os.path.basename(p).split("-")[0]) for p in pictures]
    for kind in sorted(set(kinds)) + [None]:
        at = [i for i, k in enumerate(kinds) if kind is None or k == kind]
        found = sum(scores[i][0] and scores[i][1] <= 0.1 for i in at) / len(at)
        size = sum(scores[i][0] for i in at) / len(at)
        wrong = statistics.mean(scores[i][1] for i in at)
        ms = statistics.median(results[i][1] for i in at)
        label = "all" if kind is None else KINDS[kind]
        print(f"{label:20} {100 * found:6.1f}% {100 * size:6.1f}% {wrong:13.4f} {ms:8.2f}", flush=True)
    if len(results[0]) > 2:
        print(f"its own work: {statistics.median(r[2] for r in results):.2f} ms")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--set", required=True, metavar="DIR")
    p.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th picture")
    p.add_argument("--spritty", default="build/spritty")
    for tool in ("pixeldetector", "unfake", "palettize"):
        p.add_argument("--" + tool, metavar="CHECKOUT")
    a = p.parse_args()
    os.makedirs(a.set, exist_ok=True)
    if not os.listdir(a.set):
        subprocess.run(["build/bench_grid", "--write", a.set], check=True, stdout=subprocess.DEVNULL)
    pictures = sorted(os.path.join(a.set, f) for f in os.listdir(a.set) if f.endswith("-picture.png"))
    pictures = pictures[::a.every]
    truths = [np.array(Image.open(f.replace("-picture", "-sprite")).convert("RGB")) for f in pictures]
    print(f"{len(pictures)} pictures")
    with tempfile.TemporaryDirectory() as folder:
        report("spritty", by_spritty(a.spritty, pictures, folder), pictures, truths)
        for name, checkout, run in (("pixeldetector", a.pixeldetector, by_pixeldetector),
                                    ("sd-palettize, told the cell's size", a.palettize, by_palettize),
                                    ("unfake.js", a.unfake, by_unfake)):
            if checkout:
                report(name, run(checkout, pictures, folder), pictures, truths)


if __name__ == "__main__":
    main()
