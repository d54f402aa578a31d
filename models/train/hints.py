"""Drawings for a ControlNet to learn from, and the hints it gets: white lines on black.

    python hints.py DIR [count [seed]]    writes DIR/sprites.npy, specs.pkl and what hints are made of
    python hints.py sheet.png             drawings and their hints, to look at

A drawing of draw.py stands in the middle and is as wide as its kind is. A sketch is not. So in most of
them the canvas is turned, stretched, sheared and bent, and the sprite stands anywhere. Outlines stay
one cell wide, as the kinds paint on the bent canvas.

A hint is one of three things: the edges that Canny finds (the engine's are OpenCV's, bit by bit),
a rough sketch of the outline and of what lies within, or the filled shape. Needs OpenCV.
"""
import multiprocessing
import os
import pickle
import sys

import cv2
import numpy as np

import data
import draw

SIDE = draw.SIZE * draw.CELL   # pixels of a hint
cv2.setNumThreads(1)
FINE = 2 * SIDE                # sketches are drawn finer and shrunk, as a large picture's lines are


# ---- drawings ----

class Canvas(draw.Canvas):
    """A bent canvas that remembers which part is where: 0 is none, `outlined` are those with lines."""

    def __init__(self, scale, flip, tilt, bend):
        super().__init__(scale, flip, tilt)
        if bend:
            g = (np.arange(draw.WORK) + 0.5 - draw.WORK / 2) / scale
            x, y = np.meshgrid(-g if flip else g, g)
            x, y = bend(x, y)
            ct, st = np.cos(tilt), np.sin(tilt)
            self.X, self.Y = ct * x + st * y + 16, -st * x + ct * y + 16
        self.bent = bend is not None
        self.outlined, self.parts, self.count = (np.zeros((draw.WORK, draw.WORK), np.uint8),
                                                 np.zeros((draw.WORK, draw.WORK), np.uint8), 0)
        self.dots = np.zeros((draw.WORK, draw.WORK), bool)

    def part(self, mask, ramp, shade="ball", line=True):
        super().part(mask, ramp, shade, line)
        self.count = min(self.count + 1, 255)
        whole = draw.dilate(mask) if line else mask
        self.parts[whole] = self.count
        if line:
            self.outlined[whole] = self.count

    def dot(self, x, y, w, h, colour):
        before = self.rgb.copy()
        super().dot(x, y, w, h, colour)
        self.dots |= (self.rgb != before).any(2)

    def to_pixel(self, x, y):
        if not self.bent:
            return super().to_pixel(x, y)
        far = (self.X - x) ** 2 + (self.Y - y) ** 2
        i = int(far.argmin())
        return i % draw.WORK + 0.5, i // draw.WORK + 0.5


def random_bend(r):
    """A smooth map from places on the canvas to places of the kind, not far from the identity."""
    turn, shear = r.normal(0, 0.16), r.normal(0, 0.12)
    stretch = np.exp(r.normal(0, 0.16))
    waves = [(r.uniform(0, 1.3) * r.random(), r.uniform(0.1, 0.3), r.uniform(0, 6.28)) for _ in range(2)]

    def bend(x, y):
        ct, st = np.cos(turn), np.sin(turn)
        x, y = ct * x + st * y, -st * x + ct * y
        x, y = (x + shear * y) * stretch, y / stretch
        (a, f, p), (b, g, q) = waves
        return x + a * np.sin(f * y + p), y + b * np.sin(g * x + q)
    return bend


def fits(alpha):
    ys, xs = np.nonzero(alpha)
    w, h = xs.max() - xs.min() + 1, ys.max() - ys.min() + 1
    edge = min(xs.min(), ys.min()) > 0 and max(xs.max(), ys.max()) < draw.WORK - 1
    return edge and max(w, h) <= draw.SIZE


def place(alpha, r, anywhere):
    """The corner of the SIZE x SIZE window on the canvas."""
    corner = []
    for axis in (1, 0):
        at = np.nonzero(alpha.any(1 - axis))[0]
        lo, hi = int(at.max()) + 1 - draw.SIZE, int(at.min())
        middle = (int(at.min()) + int(at.max()) + 1) // 2 - draw.SIZE // 2
        want = r.integers(lo, hi + 1) if anywhere and hi > lo else middle + r.integers(-1, 2)
        corner.append(int(np.clip(np.clip(want, min(lo, hi), max(lo, hi)), 0, draw.WORK - draw.SIZE)))
    return corner


def drawing(spec, bent):
    """{"sprite" [32, 32, 3], "alpha", "outlined", "parts", "dots" [32, 32]}: the same for the same spec."""
    r = np.random.default_rng([spec["seed"], 77])
    lo, hi = {"normal": (0.84, 0.94), "big": (1.06, 1.14), "small": (0.54, 0.62)}[spec["size"]]
    if bent:
        lo, hi = {"normal": (0.66, 1.0), "big": (1.0, 1.14), "small": (0.5, 0.66)}[spec["size"]]
    scale, bend, flip = r.uniform(lo, hi), random_bend(r) if bent else None, spec["facing"] == "left"
    tilt = 0.0
    if spec["kind"] in draw.TILTED and r.random() < draw.TILTED[spec["kind"]][1]:
        tilt = draw.TILTED[spec["kind"]][0]
    seed = int(r.integers(1 << 31))
    for _ in range(8):
        c = Canvas(scale, flip, tilt, bend)
        paint(c, spec, seed)
        if fits(c.alpha):
            break
        scale *= 0.93
    x0, y0 = place(c.alpha, r, bent and r.random() < 0.7)
    cut = (slice(y0, y0 + draw.SIZE), slice(x0, x0 + draw.SIZE))
    out = np.empty((draw.SIZE, draw.SIZE, 3), np.uint8)
    out[:] = draw.BACKGROUNDS[spec["background"]]
    alpha = c.alpha[cut]
    out[alpha] = c.rgb[cut][alpha]
    if spec["sparkling"]:
        draw.sparkle(out, alpha, r)
    return {"sprite": out, "alpha": alpha, "outlined": c.outlined[cut], "parts": c.parts[cut],
            "dots": c.dots[cut]}


def paint(c, spec, seed):
    """draw.paint, whose scratch canvas for wings needs no bend: anchors are the kind's coordinates."""
    kind, ramp = draw.KINDS[spec["kind"]], draw.COLOURS[spec["colour"]]
    if spec["wings"]:
        scratch = draw.Canvas(c.scale, c.flip, c.tilt)
        draw.wings(c, *kind(scratch, ramp, np.random.default_rng(seed))["back"])
    anchors = kind(c, ramp, np.random.default_rng(seed))
    if spec["crown"]:
        draw.worn_crown(c, *anchors["head"])
    if spec["sword"]:
        draw.held_sword(c, *anchors["hand"])


def render(job):
    seed, count, everything, share = job
    r = np.random.default_rng(seed)
    specs = [draw.sample_spec(r, allowed=None if everything else data.allowed) for _ in range(count)]
    drawn = [drawing(s, r.random() < share) for s in specs]
    return {n: np.stack([d[n] for d in drawn]) for n in drawn[0]}, specs


def render_many(seed, count, everything=False, share=0.7, block=500):
    """Drawings as arrays by name, and their specs; `share` of them bent."""
    jobs = [((seed, i, 9), min(block, count - i * block), everything, share)
            for i in range((count + block - 1) // block)]
    with multiprocessing.Pool(int(os.environ.get("WORKERS", os.cpu_count()))) as pool:
        parts = pool.map(render, jobs, chunksize=1)
    return ({n: np.concatenate([p[0][n] for p in parts]) for n in parts[0][0]},
            sum((p[1] for p in parts), []))


# ---- hints ----

def edges(sprite, r):
    """What control-prepare canny makes of the drawing, or of one like it in other colours."""
    picture = sprite[:, :, r.permutation(3)]
    if r.random() < 0.5:
        picture = (255 * (picture / 255.0) ** r.uniform(0.6, 1.6)).astype(np.uint8)
    smooth = r.random() < 0.3
    picture = cv2.resize(picture, (SIDE, SIDE),
                         interpolation=cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST)
    if smooth and r.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), r.uniform(0.6, 1.6))
    if r.random() < 0.4:
        low, high = 100, 200
    else:
        high = r.uniform(60, 400)
        low = high * r.uniform(0.3, 0.8)
    return cv2.Canny(np.ascontiguousarray(picture), low, high)


def contours(mask, smooth):
    """Closed lines around what is set, in FINE pixels; those of specks are left out."""
    m = cv2.resize(mask.astype(np.uint8) * 255, (FINE, FINE), interpolation=cv2.INTER_NEAREST)
    m = cv2.GaussianBlur(m, (0, 0), smooth, borderType=cv2.BORDER_CONSTANT)
    found = cv2.findContours((m > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    return [c[:, 0].astype(np.float32) for c in found if len(c) > 44]


def wobble(n, reach, r):
    """A smooth closed curve of n offsets [n, 2], at most some `reach` away."""
    t, out = np.arange(n) * (2 * np.pi / n), np.zeros((n, 2), np.float32)
    for _ in range(4):
        k = r.integers(1, max(2, min(n // 30, 14)))
        out += np.cos(k * t[:, None] + r.uniform(0, 6.28, 2)) * r.normal(0, 0.5, 2)
    return reach * out


def hand(line, r, reach, angular):
    """The line as a hand might draw it."""
    if angular > 0:
        line = cv2.approxPolyDP(line[:, None], angular, True)[:, 0].astype(np.float32)
        closed = np.concatenate([line, line[:1]])
        steps = np.maximum(2, np.linalg.norm(np.diff(closed, axis=0), axis=1).astype(int))
        line = np.concatenate([a + (b - a) * np.linspace(0, 1, s, endpoint=False)[:, None]
                               for a, b, s in zip(closed, closed[1:], steps)]).astype(np.float32)
    return line + wobble(len(line), reach, r)


def stroke(img, line, thick, gaps, r):
    """Draws the closed line with some gaps."""
    n = len(line)
    keep = np.ones(n, bool)
    for _ in range(gaps):
        start, long = r.integers(n), int(n * r.uniform(0.01, 0.09))
        keep[(start + np.arange(long)) % n] = False
    start = int(np.argmin(keep)) if not keep.all() else 0
    order = (start + np.arange(n + 1)) % n
    runs = np.split(order, np.nonzero(~keep[order])[0])
    for run in runs:
        run = run[keep[run]]
        if len(run) > 3:
            cv2.polylines(img, [np.round(line[run] * 8).astype(np.int32)[:, None]], False, 255, thick,
                          cv2.LINE_AA, 3)


def moved(r):
    """A small turn, stretch and shift of the whole sketch."""
    a, k = r.normal(0, 0.025), np.exp(r.normal(0, 0.025, 2))
    by = r.normal(0, 3.5, 2).clip(-8, 8)
    m = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * k
    return lambda p: ((p - FINE / 2) @ m.T + FINE / 2 + by).astype(np.float32)


def regions(d, r):
    """Masks whose outlines a sketch shows: always the whole, often its parts."""
    masks, much = [d["alpha"]], r.random()
    if much > 0.35:
        ids = d["outlined"] if much < 0.8 else d["parts"]
        some = [i for i in np.unique(ids[ids > 0])]
        masks += [ids == i for i in some if (ids == i).sum() >= 9 and r.random() < 0.85]
    return masks


def sketch(d, r):
    img = np.zeros((FINE, FINE), np.uint8)
    move, smooth, reach = moved(r), r.uniform(1.5, 7), r.uniform(0, 4.5) * r.random()
    angular = r.uniform(2, 8) if r.random() < 0.3 else 0
    thick = int(r.integers(1, 13)) if r.random() < 0.6 else int(r.integers(3, 8))
    twice = r.random() < 0.15
    for mask in regions(d, r):
        for line in contours(mask, smooth):
            for _ in range(2 if twice else 1):
                gaps = int(r.integers(0, 5)) if r.random() < 0.6 else 0
                stroke(img, move(hand(line, r, reach, angular)), thick, gaps, r)
    if r.random() < 0.25:
        dots = cv2.resize(d["dots"].astype(np.uint8) * 255, (FINE, FINE), interpolation=cv2.INTER_NEAREST)
        img = np.maximum(img, cv2.GaussianBlur(dots, (0, 0), 2))
    return cv2.resize(img, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def filled(d, r):
    img = np.zeros((FINE, FINE), np.uint8)
    move, reach = moved(r), r.uniform(0, 4.5) * r.random()
    lines = [np.round(move(hand(line, r, reach, 0))).astype(np.int32)
             for line in contours(d["alpha"], r.uniform(1.5, 7))]
    if lines:
        cv2.fillPoly(img, lines, 255)
    if r.random() < 0.3:   # inner lines are black
        inner = np.zeros_like(img)
        for mask in regions(d, r)[1:]:
            for line in contours(mask, 3):
                stroke(inner, move(hand(line, r, reach, 0)), int(r.integers(2, 8)), 0, r)
        img = np.minimum(img, 255 - inner)
    return cv2.resize(img, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def worn(img, r):
    """Pencils are not white, paper is not even, and pictures were shrunk."""
    what = r.random()
    if what < 0.4:
        return np.where(img > 100, 255, 0).astype(np.uint8)
    if what < 0.55:
        img = cv2.GaussianBlur(img, (0, 0), r.uniform(0.4, 1.2))
    if what < 0.75:
        img = (img * r.uniform(0.55, 1)).astype(np.uint8)
    if what > 0.9:
        img = np.clip(img + r.normal(0, r.uniform(2, 12), img.shape), 0, 255).astype(np.uint8)
    return img


def hint(d, r, kind=None):
    """uint8 [128, 128] of a drawing: kind is "edges", "sketch", "filled" or chance's."""
    kind = kind or ("edges" if (p := r.random()) < 0.35 else "sketch" if p < 0.87 else "filled")
    if kind == "edges":
        return edges(d["sprite"], r)
    return worn(sketch(d, r) if kind == "sketch" else filled(d, r), r)


def nth(drawn, i):
    return {n: a[i] for n, a in drawn.items()}


# ---- files ----

def sheet(path):
    drawn, _ = render_many(3, 48)
    r, rows = np.random.default_rng(1), []
    for i in range(48):
        d = nth(drawn, i)
        tiles = [draw.upsample(d["sprite"])] + \
            [np.repeat(hint(d, r, k)[:, :, None], 3, 2) for k in ("edges", "sketch", "sketch", "filled")]
        rows.append(np.concatenate([np.pad(t, ((2, 2), (2, 2), (0, 0)), constant_values=128)
                                    for t in tiles], 1))
    cols = [np.concatenate(rows[i:i + 12]) for i in range(0, 48, 12)]
    cv2.imwrite(path, np.concatenate(cols, 1)[:, :, ::-1])


def main():
    if sys.argv[1].endswith(".png"):
        sheet(sys.argv[1])
        return
    out = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 41
    drawn, specs = render_many(seed, count)
    np.save(os.path.join(out, "sprites.npy"), drawn["sprite"])
    np.savez(os.path.join(out, "drawn.npz"), **drawn)
    with open(os.path.join(out, "specs.pkl"), "wb") as f:
        pickle.dump(specs, f)


if __name__ == "__main__":
    main()
