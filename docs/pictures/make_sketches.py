#!/usr/bin/env python3
"""Writes docs/pictures/sketch.png, a sketch to try, and docs/pictures/sketches.png: sketches and what
the embedded model makes of them with models/tiny-lines. Needs numpy, Pillow and a built spritty:

    python3 docs/pictures/make_sketches.py build/spritty docs/pictures
"""
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw

# Strokes through points of a sheet of 100x100, bent; those that begin with "-" have corners.
SKETCHES = [
    ([[(30, 70), (42, 44), (60, 22), (88, 8), (76, 32), (58, 58), (43, 80), (31, 69)],
      ["-", (20, 60), (50, 90)], ["-", (33, 76), (17, 92), (10, 84), (27, 68)]],
     "a red sword", "a golden sword"),
    ([[(12, 90), (14, 66), (34, 52), (50, 14), (57, 10), (60, 48), (84, 62), (90, 88), (50, 93), (12, 90)],
      ["o", (40, 68)], ["o", (62, 68)], [(42, 79), (51, 83), (60, 78)]],
     "a green slime", "a purple ghost"),
    ([["-", (6, 48), (26, 20), (80, 24), (95, 51), (6, 48)], ["-", (14, 50), (13, 89), (88, 90), (87, 52)],
      ["-", (60, 89), (59, 65), (75, 64), (76, 88)], ["-", (24, 60), (41, 60), (41, 75), (24, 74), (24, 60)]],
     "a blue house", "a brown chest"),
    ([[(26, 52), (46, 34), (72, 30), (92, 46), (76, 66), (48, 70), (26, 54)],
      ["-", (27, 53), (6, 34), (10, 72), (27, 54)], ["o", (78, 44)], ["-", (50, 34), (44, 16), (68, 30)]],
     "an orange fish", "a pink fish with a crown"),
    ([[(8, 46), (20, 18), (48, 8), (80, 22), (92, 50), (50, 56), (8, 46)],
      [(40, 55), (44, 74), (32, 92), (64, 93), (60, 72), (60, 55)]],
     "a red mushroom", "a cyan tree"),
    ([["-", (42, 40), (42, 8), (58, 8), (58, 40)], [(42, 40), (14, 62), (16, 88), (50, 94), (85, 88), (86, 62), (58, 40)],
      [(14, 70), (40, 66), (62, 72), (86, 68)]],
     "a purple potion", "a green potion"),
]
SIDE, GAP, HEAD, SEED = 128, 8, 150, "4"


def curve(points):
    """Catmull and Rom's through the points."""
    p = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, 16, endpoint=False)[:, None]
    parts = [0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2 +
                    (3 * b - a - 3 * c + d) * t ** 3) for a, b, c, d in zip(p, p[1:], p[2:], p[3:])]
    return [tuple(q) for q in np.concatenate([*parts, p[-1:]])]


def sketch(strokes, side=256):
    big = 4 * side
    m = Image.new("L", (big, big), 255)
    draw, to = ImageDraw.Draw(m), lambda ps: [(x * big / 100, y * big / 100) for x, y in ps]
    for s in strokes:
        if s[0] == "o":
            x, y = to(s[1:])[0]
            draw.ellipse((x - 26, y - 26, x + 26, y + 26), fill=0)
            continue
        line = to(s[1:] if s[0] == "-" else curve(s))
        draw.line(line, fill=0, width=20, joint="curve")
        for x, y in (line[0], line[-1]):
            draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=0)
    return m.resize((side, side), Image.BOX)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def main(spritty, to):
    rows = ["the sketch", "without it", "with it", "in other words"]
    out = Image.new("RGB", (HEAD + len(SKETCHES) * (SIDE + GAP), len(rows) * (SIDE + GAP) + GAP), (24, 25, 30))
    draw = ImageDraw.Draw(out)
    for row, name in enumerate(rows):
        draw.text((8, GAP + row * (SIDE + GAP) + SIDE // 2), name, (200, 202, 210))
    sketch(SKETCHES[0][0]).quantize(16).save(f"{to}/sketch.png", optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        lines, made = folder + "/lines.png", folder + "/made.png"
        follow = ["--control", "tiny-lines", "--control-image", lines, "--control-prepare", "invert"]
        for column, (strokes, first, second) in enumerate(SKETCHES):
            sketch(strokes).save(lines)
            pictures = [Image.open(lines).resize((SIDE, SIDE), Image.BOX)]
            for prompt, options in ((first, []), (first, follow), (second, follow)):
                run(spritty, "gen", prompt, "-s", SEED, "--raw", "-q", "-o", made, *options)
                pictures.append(Image.open(made).convert("RGB"))
            for row, picture in enumerate(pictures):
                out.paste(picture, (HEAD + column * (SIDE + GAP), GAP + row * (SIDE + GAP)))
    out.quantize(256).save(f"{to}/sketches.png", optimize=True)


main(*sys.argv[1:])
