"""Draws the training data: 32x32 pixel-art sprites, one kind of thing in one colour each.

Every sprite is drawn by this program alone; no picture from elsewhere is in it. A kind is a
function that paints parts (a mask, a ramp of tones, a way to shade) on a canvas whose
coordinates run from 0 to 32 with (16, 16) in the middle; the canvas maps them to pixels at any
scale, so that "big" and "small" keep one-pixel outlines. The colour of the prompt is always the
colour of the largest part; wood, gold, steel and bone keep theirs.

    python draw.py sheet.png          a contact sheet, one row a kind
"""
import sys

import numpy as np

SIZE = 32       # cells of a sprite
CELL = 4        # pixels of a cell in the 128x128 image
WORK = 48       # the canvas drawn on, cropped to SIZE when the sprite is placed

# ---------------------------------------------------------------------------------------------
# Tones: outline, shadow, middle, light, highlight. Shadows lean to blue, lights to yellow.

COLOURS = {
    "red":    [(74, 10, 30), (158, 22, 44), (216, 42, 48), (244, 96, 76), (255, 190, 160)],
    "orange": [(92, 34, 14), (198, 82, 16), (244, 132, 28), (255, 176, 72), (255, 226, 164)],
    "yellow": [(98, 66, 10), (214, 160, 20), (252, 214, 44), (255, 236, 112), (255, 252, 206)],
    "green":  [(12, 52, 38), (24, 116, 58), (56, 172, 66), (126, 214, 88), (214, 248, 160)],
    "cyan":   [(10, 62, 80), (20, 150, 168), (58, 208, 212), (142, 238, 228), (222, 255, 246)],
    "blue":   [(16, 24, 84), (32, 62, 168), (48, 104, 226), (102, 160, 250), (190, 220, 255)],
    "purple": [(44, 16, 76), (94, 40, 148), (142, 70, 202), (184, 122, 236), (230, 196, 255)],
    "pink":   [(104, 24, 70), (216, 84, 140), (250, 136, 180), (255, 180, 206), (255, 228, 236)],
    "brown":  [(44, 24, 18), (92, 54, 32), (134, 84, 48), (172, 120, 72), (214, 172, 120)],
    "black":  [(8, 8, 14), (24, 24, 34), (44, 44, 58), (74, 76, 96), (134, 138, 160)],
    "grey":   [(38, 40, 50), (96, 100, 112), (138, 142, 152), (178, 182, 190), (220, 224, 228)],
    "white":  [(62, 66, 90), (184, 192, 214), (228, 234, 244), (246, 249, 253), (255, 255, 255)],
}
WOOD = [(44, 24, 20), (96, 58, 34), (142, 92, 52), (180, 128, 78), (216, 172, 118)]
GOLD = [(92, 54, 10), (200, 132, 20), (246, 192, 44), (255, 226, 106), (255, 250, 200)]
STEEL = [(36, 40, 60), (104, 112, 138), (160, 168, 190), (204, 212, 226), (244, 248, 252)]
BONE = [(74, 58, 50), (188, 168, 138), (232, 218, 188), (248, 240, 216), (255, 252, 240)]
SKIN = [(84, 40, 34), (206, 138, 104), (244, 188, 146), (255, 214, 176), (255, 234, 208)]
LEAF = [(14, 52, 34), (30, 112, 56), (64, 162, 66), (122, 204, 88), (196, 236, 140)]
FIRE = [(140, 40, 16), (236, 94, 24), (255, 164, 36), (255, 220, 84), (255, 252, 210)]
GLASS = [(52, 74, 96), (160, 190, 208), (206, 226, 236), (230, 242, 248), (255, 255, 255)]
INK = (20, 16, 30)
WHITE = (255, 255, 255)
BLUSH = (246, 122, 130)

BACKGROUNDS = {"white": (255, 255, 255), "grey": (160, 160, 164), "black": (0, 0, 0)}
DEFAULT_BACKGROUND = "white"


class Canvas:
    """WORK x WORK pixels; masks are boolean arrays in kind coordinates (0..32, y down)."""

    def __init__(self, scale, flip, tilt=0.0):
        g = (np.arange(WORK) + 0.5 - WORK / 2) / scale
        x, y = np.meshgrid(-g if flip else g, g)
        ct, st = np.cos(tilt), np.sin(tilt)
        self.X, self.Y = ct * x + st * y + 16, -st * x + ct * y + 16
        self.scale, self.flip, self.tilt = scale, flip, tilt
        self.rgb = np.zeros((WORK, WORK, 3), np.uint8)
        self.alpha = np.zeros((WORK, WORK), bool)

    # Masks.
    def E(self, cx, cy, rx, ry=None):
        ry = rx if ry is None else ry
        return ((self.X - cx) / rx) ** 2 + ((self.Y - cy) / ry) ** 2 <= 1

    def R(self, x0, y0, x1, y1):
        return (self.X >= x0) & (self.X <= x1) & (self.Y >= y0) & (self.Y <= y1)

    def P(self, *pts):
        inside = np.zeros_like(self.alpha)
        for (x0, y0), (x1, y1) in zip(pts, pts[1:] + pts[:1]):
            if y0 == y1:
                continue
            cross = (self.Y < y0) != (self.Y < y1)
            inside ^= cross & (self.X < x0 + (self.Y - y0) * (x1 - x0) / (y1 - y0))
        return inside

    def L(self, x0, y0, x1, y1, w):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((self.X - x0) * dx + (self.Y - y0) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        w = max(w, 1.15 / self.scale)
        return (self.X - x0 - t * dx) ** 2 + (self.Y - y0 - t * dy) ** 2 <= (w / 2) ** 2

    def star(self, cx, cy, r_out, r_in, n, turn=-np.pi / 2):
        a = turn + np.arange(2 * n) * np.pi / n
        r = np.where(np.arange(2 * n) % 2 == 0, r_out, r_in)
        return self.P(*[(cx + q * np.cos(t), cy + q * np.sin(t)) for q, t in zip(r, a)])

    # Paint.
    def part(self, mask, ramp, shade="ball", line=True):
        """Fills mask with the ramp's tones, light from the top left, and outlines it."""
        if not mask.any():
            return
        ramp = np.asarray(ramp, np.uint8)
        if line:
            ring = dilate(mask) & ~mask
            self.rgb[ring] = ramp[0]
            self.alpha |= ring
        tone = np.full(mask.shape, 2)
        ys, xs = np.nonzero(mask)
        x0, x1, y0, y1 = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
        gx, gy = np.meshgrid(np.arange(WORK) + 0.5, np.arange(WORK) + 0.5)
        u = (gx - (x0 + x1) / 2) / max((x1 - x0) / 2, 1)
        v = (gy - (y0 + y1) / 2) / max((y1 - y0) / 2, 1)
        if shade == "ball":
            d = 0.62 * u + 0.8 * v
            rim = u * u + v * v > 0.62
            tone[(d > 0.42) & (rim | (d > 0.62))] = 1
            tone[d < -0.38] = 3
            tone[(u + 0.42) ** 2 + (v + 0.48) ** 2 < 0.035] = 4
        elif shade == "bevel":
            tone[~shift(mask, 0, 1) | ~shift(mask, 1, 0)] = 3
            tone[~shift(mask, 0, -1) | ~shift(mask, -1, 0)] = 1
        elif shade == "tube":
            tone[u < -0.3] = 3
            tone[u > 0.45] = 1
        elif shade == "down":
            tone[v < -0.3] = 3
            tone[v > 0.4] = 1
        elif isinstance(shade, int):
            tone[:] = shade
        self.rgb[mask] = ramp[tone[mask]]
        self.alpha |= mask

    def to_pixel(self, x, y):
        dx, dy = x - 16, y - 16
        ct, st = np.cos(self.tilt), np.sin(self.tilt)
        px, py = (ct * dx - st * dy) * self.scale, (st * dx + ct * dy) * self.scale
        return (-px if self.flip else px) + WORK / 2, py + WORK / 2

    def dot(self, x, y, w, h, colour):
        """A crisp rectangle of whole pixels, at least one, centred near (x, y)."""
        px, py = self.to_pixel(x, y)
        pw, ph = max(1, int(round(w * self.scale))), max(1, int(round(h * self.scale)))
        left, top = int(np.floor(px - pw / 2 + 0.5)), int(np.floor(py - ph / 2 + 0.5))
        self.rgb[top:top + ph, left:left + pw] = colour
        self.alpha[top:top + ph, left:left + pw] = True

    def eyes(self, x, y, gap, w=2.2, h=3.2, colour=INK, glint=True):
        for side in (-1, 1):
            self.dot(x + side * gap, y, w, h, colour)
        if glint and self.scale > 0.7:
            for side in (-1, 1):
                px, py = self.to_pixel(x + side * gap, y)
                pw, ph = max(1, int(round(w * self.scale))), max(1, int(round(h * self.scale)))
                if ph > 1:
                    self.rgb[int(np.floor(py - ph / 2 + 0.5)),
                             int(np.floor(px - pw / 2 + 0.5))] = WHITE


def shift(m, dx, dy):
    out = np.zeros_like(m)
    h, w = m.shape
    out[max(dy, 0):h + min(dy, 0), max(dx, 0):w + min(dx, 0)] = \
        m[max(-dy, 0):h + min(-dy, 0), max(-dx, 0):w + min(-dx, 0)]
    return out


def dilate(m):
    return m | shift(m, 1, 0) | shift(m, -1, 0) | shift(m, 0, 1) | shift(m, 0, -1)


# ---------------------------------------------------------------------------------------------
# Kinds. f(canvas, ramp, random) -> anchors: "head" (x, y, width) for a crown, "hand" (x, y) for
# a sword, "back" (x, y) for wings; none where the thing makes no sense.

def slime(c, C, r):
    w, h, tip = r.uniform(10.5, 13), r.uniform(12, 17), r.random() < 0.35
    body = c.E(16, 23, w, 5.5) | (c.E(16, 24.5, w - 0.3, h) & (c.Y < 25))
    top = 24.5 - h
    if tip:
        body |= c.P((12.5, top + 2.5), (17.2, top - 3.5), (19.5, top + 2.5))
    c.part(body, C, "ball")
    ey = 24.5 - h * r.uniform(0.28, 0.4)
    gap = r.uniform(3.4, 4.8)
    c.eyes(16, ey, gap)
    mouth = r.integers(3)
    if mouth == 0:
        c.dot(16, ey + 3.2, 3, 1, INK)
    elif mouth == 1:
        c.dot(16, ey + 3.2, 2.4, 2, C[0])
    if r.random() < 0.5 and c.scale > 0.7:
        for s in (-1, 1):
            c.dot(16 + s * (gap + 2.6), ey + 2.4, 2, 1, C[1])
    return {"head": (16, top + 0.8 - 1.2 * tip, 9), "hand": (27, 22), "back": (16, 18)}


def knight(c, C, r):
    wide = r.uniform(-0.6, 0.8)
    for s in (-1, 1):
        c.part(c.R(16 + s * 3.2 - 2, 24, 16 + s * 3.2 + 2, 29.2), C, "bevel")
    c.part(c.E(7.8 - wide, 20.5, 2.6, 3.6), C, "ball")
    c.part(c.P((9.5 - wide, 17), (22.5 + wide, 17), (21.5, 26), (10.5, 26)), C, "tube")
    c.part(c.R(10.4, 23, 21.6, 24.4), GOLD, "bevel", line=False)
    c.part(c.E(24.2 + wide, 20.5, 2.6, 3.6), C, "ball")
    head = c.E(16, 10.5, 7.2, 7) | c.R(9.2, 10, 22.8, 16)
    plume = r.integers(3)
    if plume == 0:
        c.part(c.L(15, 3, 9, 2.5, 3) | c.L(9, 2.5, 6.5, 6, 2.6), STEEL, "down")
    elif plume == 1:
        c.part(c.R(14.6, 1.2, 17.4, 9), GOLD, "bevel")
    c.part(head, C, "ball")
    c.part(c.R(12, 10, 23, 13.2), [INK] * 5, 0, line=False)
    c.dot(15.4, 11.6, 1.6, 2, WHITE)
    c.dot(20, 11.6, 1.6, 2, WHITE)
    if r.random() < 0.5:
        c.part(c.R(17, 13.2, 18.2, 17), C, 1, line=False)
    return {"head": (16, 4.2, 10), "hand": (25.5 + wide, 21), "back": (16, 19)}


def potion(c, C, r):
    form = r.integers(3)
    if form == 0:
        k = r.uniform(8.5, 10)
        body, full = c.E(16, 20.5, k, 8.5), 15.5
    elif form == 1:
        body, full = c.P((13.5, 11), (18.5, 11), (26, 27.5), (24, 29), (8, 29), (6, 27.5)), 17
    else:
        k = r.uniform(6.5, 8)
        body, full = c.R(16 - k, 14, 16 + k, 29) | c.E(16, 14.5, k, 3), 16.5
    neck = c.R(13.4, 7, 18.6, 15)
    full += r.uniform(-1.5, 1.2)
    c.part(body | neck, GLASS, "ball")
    c.part(body & (c.Y > full), C, "ball", line=False)
    c.part(body & (c.Y > full) & (c.Y < full + 1.2), C, 4, line=False)
    c.part(c.R(12, 7.6, 20, 9.2), GLASS, "tube")
    c.part(c.R(13.6, 3, 18.4, 6.8), WOOD, "tube")
    for _ in range(r.integers(1, 4)):
        c.dot(r.uniform(12, 20), r.uniform(full + 3, 26), 1, 1, C[4])
    return {"back": (16, 19)}


def sword(c, C, r):
    w = r.uniform(2.4, 3.6)
    tip = -1 + r.uniform(0, 2.5)
    blade = c.P((16 - w, 21), (16 - w, tip + 4), (16, tip), (16 + w, tip + 4), (16 + w, 21))
    c.part(blade, C, 2)
    c.part(blade & (c.X < 15.6), C, 3, line=False)
    c.part(blade & (abs(c.X - 15.2) < 0.6) & (c.Y > tip + 4), C, 4, line=False)
    c.part(blade & (c.X > 17), C, 1, line=False)
    g = r.uniform(5, 7.5)
    c.part(c.R(15, 23, 17, 29), WOOD, "bevel")
    if r.random() < 0.5:
        c.part(c.R(16 - g, 21, 16 + g, 23.4), GOLD, "down")
    else:
        c.part(c.L(16 - g, 20, 16, 22.5, 2.6) | c.L(16 + g, 20, 16, 22.5, 2.6), GOLD, "down")
    c.part(c.E(16, 30.2, 2), GOLD, "ball")
    return {"back": (16, 22)}


def shield(c, C, r):
    form = r.integers(3)
    if form == 0:
        m = c.R(5, 4, 27, 15) | (c.E(16, 14, 11, 15) & (c.Y > 14))
    elif form == 1:
        m = c.E(16, 16, 12.3)
    else:
        m = c.P((16, 3), (27, 6), (26, 18), (16, 30), (6, 18), (5, 6))
    rim = STEEL if r.random() < 0.6 or form == 1 else GOLD
    c.part(m, rim, "ball")
    inner = m.copy()
    for _ in range(max(1, int(round(2.2 * c.scale)))):
        inner &= shift(inner, 1, 0) & shift(inner, -1, 0) & shift(inner, 0, 1) & shift(inner, 0, -1)
    c.part(inner, C, "ball", line=False)
    emblem = 2 if form == 1 and r.random() < 0.6 else r.integers(5)
    if emblem == 0:
        c.part(inner & (c.R(14.6, 0, 17.4, 32) | c.R(0, 12.6, 32, 15.4)), rim, 3, line=False)
    elif emblem == 1:
        c.part(c.star(16, 15, 5.6, 2.5, 5), rim, 3, line=False)
    elif emblem == 2:
        c.part(c.E(16, 15, 3.4), rim, "ball")
    elif emblem == 3:
        c.part(inner & (abs(c.X - c.Y) < 2.4), rim, 3, line=False)
    return {"back": (16, 16)}


def mushroom(c, C, r):
    w, h = r.uniform(11.5, 13.5), r.uniform(10, 13.5)
    sw = r.uniform(4.6, 6.4)
    c.part(c.E(16, 26.5, sw + 0.8, 3.4) | c.R(16 - sw, 16, 16 + sw, 26.5), BONE, "tube")
    cap = (c.E(16, 17.5, w, h) & (c.Y < 17.5)) | c.E(16, 17.3, w, 2.4)
    c.part(cap, C, "ball")
    spots = [(16 + r.uniform(-1.5, 1.5), 17.5 - h * 0.62, 2.5), (9.3, 15, 2.1), (22.8, 14.8, 2.2)]
    for x, y, k in spots[:r.integers(2, 4)]:
        c.part(c.E(x, y, k + r.uniform(-0.3, 0.5), k) & cap, BONE, 4, line=False)
    if r.random() < 0.65:
        c.eyes(16, 22.6, 2.8, 1.8, 3, glint=False)
    return {"head": (16, 17.8 - h, 8), "hand": (24, 23), "back": (16, 22)}


def ghost(c, C, r):
    w = r.uniform(8.6, 10.4)
    body = c.E(16, 13.5, w, 10.5) | c.R(16 - w, 13, 16 + w, 25)
    ph = r.integers(2)
    n = 3
    for i in range(n):
        x = 16 - w + (i + 0.5) * 2 * w / n
        body |= c.E(x, 25.2, w / n - 0.2, 3.6 - 0.8 * ((i + ph) % 2))
    if r.random() < 0.4:
        body |= c.L(16 + w - 1, 25, 16 + w + 2.5, 28.5, 4)
    for s in (-1, 1):
        c.part(c.E(16 + s * (w + 0.6), 18 + r.uniform(-2, 1.5), 2.6, 2.2), C, "ball")
    c.part(body, C, "ball")
    c.eyes(16.8, 13.2, 3.6, 2.8, 4)
    if r.random() < 0.7:
        c.dot(16.8, 18.6, 2.6, 2.6, INK)
    return {"head": (16, 3.8, 9), "hand": (26.8, 18), "back": (16, 17)}


def chest(c, C, r):
    w = r.uniform(11.5, 13.2)
    open_ = r.random() < 0.35
    if open_:
        c.part(c.R(16 - w, 4, 16 + w, 12), C, "down")
        c.part(c.R(16 - w + 2, 6.5, 16 + w - 2, 13), [C[0]] * 5, 0, line=False)
        heap = c.E(16, 15.5, w - 2.5, 5.5)
        c.part(heap & (c.Y < 17), GOLD, "ball")
        for _ in range(4):
            c.dot(r.uniform(9, 23), r.uniform(11.8, 14), 1, 1, GOLD[4])
    else:
        c.part((c.E(16, 15, w, 9.5) & (c.Y < 15)) & (abs(c.X - 16) < w - 0.4), C, "down")
    c.part(c.R(16 - w, 15.5, 16 + w, 27.5), C, "bevel")
    c.part(c.R(16 - w, 20.8, 16 + w, 21.6), C, 1, line=False)
    metal = GOLD if r.random() < 0.7 else STEEL
    for x in (16 - w + 2.4, 16 + w - 2.4):
        m = c.R(x - 1.2, 15.5, x + 1.2, 27.5)
        if not open_:
            m |= c.R(x - 1.2, 8.6, x + 1.2, 15) & c.E(16, 15, w, 9.5)
        c.part(m, metal, "tube", line=False)
    c.part(c.R(16 - w, 14.6, 16 + w, 16.4), metal, "down", line=False)
    c.part(c.R(13.6, 14, 18.4, 19.4), metal, "bevel")
    c.dot(16, 17, 1.6, 2, INK)
    return {"back": (16, 20)}


def key(c, C, r):
    form, k = r.integers(3), r.uniform(6, 7.2)
    shaft = c.R(14.4, 11, 17.6, 30)
    n = r.integers(2, 4)
    teeth = np.zeros_like(c.alpha)
    for i in range(n):
        y = 28.4 - i * 3.9
        teeth |= c.R(17, y - 1.2, 22 + (i % 2) * 1.2, y + 1.2)
    if form == 0:
        bow, hole = c.E(16, 8, k), c.E(16, 8, k - 3.2)
    elif form == 1:
        bow, hole = c.P((16, 0.5), (23.5, 8), (16, 15.5), (8.5, 8)), c.E(16, 8, 2.6)
    else:
        bow = c.E(12, 7, 4.6) | c.E(20, 7, 4.6) | c.E(16, 3.6, 4.2) | c.E(16, 10, 3.5)
        hole = c.E(11.6, 7, 1.5) | c.E(20.4, 7, 1.5)
    m = (bow | shaft | teeth) & ~hole
    c.part(m, C, "bevel")
    ring = dilate(hole) & bow & ~hole
    c.rgb[hole & ~(bow & ~hole)] = 0
    c.part(ring & m, C, 1, line=False)
    c.part(hole, [C[0]] * 5, 0, line=False)
    if c.scale * 3 > 2.4:
        inner = hole & shift(hole, 1, 0) & shift(hole, -1, 0) & shift(hole, 0, 1) & shift(hole, 0, -1)
        c.alpha[inner] = False
    return {"back": (16, 14)}


def coin(c, C, r):
    k = r.uniform(10, 12)
    sq = r.uniform(0.82, 1)
    t = r.uniform(1.5, 3)
    c.part(c.E(16 + t, 16, k * sq, k), C, 1)
    face = c.E(16 - t * 0.4, 16, k * sq, k)
    c.part(face, C, 3)
    c.part(c.E(16 - t * 0.4, 16, k * sq - 2, k - 2), C, "ball", line=False)
    edge = c.E(16 - t * 0.4, 16, k * sq - 2, k - 2)
    c.part(edge & ~shift(edge, 1, 1), C, 1, line=False)
    x, form = 16 - t * 0.4, r.integers(4)
    if form == 0:
        c.part(c.star(x, 16.3, 5.8, 2.6, 5), C, 4)
    elif form == 1:
        c.part(c.R(x - 1.4, 10.5, x + 1.4, 21.5), C, 4)
    elif form == 2:
        c.part(c.P((x, 10.5), (x + 4.4, 16), (x, 21.5), (x - 4.4, 16)), C, 4)
    else:
        c.part(c.R(x - 2.6, 13.4, x + 2.6, 18.6), [C[0]] * 5, 0, line=False)
    return {"back": (16, 16)}


def gem(c, C, r):
    form = r.integers(3)
    w = r.uniform(10.5, 12.5)
    if form == 0:    # brilliant
        t = 6.5
        m = c.P((16 - w, 12), (16 - w * 0.55, t), (16 + w * 0.55, t), (16 + w, 12), (16, 28))
        c.part(m, C, 2)
        c.part(m & (c.Y < 12), C, 3, line=False)
        c.part(m & c.P((16 - w, 12), (10.6, 12), (16, 28)), C, 3, line=False)
        c.part(m & c.P((21.4, 12), (16 + w, 12), (16, 28)), C, 1, line=False)
        c.part(m & c.P((10, 12), (13.5, t), (18.5, t), (22, 12)), C, 4, line=False)
        c.part(m & (abs(c.Y - 12.3) < 0.55), C, 1, line=False)
    elif form == 1:  # long hexagon
        k = w * 0.72
        m = c.P((16, 3), (16 + k, 9.5), (16 + k, 22.5), (16, 29), (16 - k, 22.5), (16 - k, 9.5))
        c.part(m, C, 2)
        c.part(m & (c.X < 16 - k * 0.45), C, 3, line=False)
        c.part(m & (c.X > 16 + k * 0.45), C, 1, line=False)
        c.part(m & c.P((16, 3), (16 + k, 9.5), (16 + k * 0.45, 11.5), (16 - k * 0.45, 11.5),
                       (16 - k, 9.5)), C, 4, line=False)
        c.part(m & c.P((16, 29), (16 + k, 22.5), (16 + k * 0.45, 20.5), (16 - k * 0.45, 20.5),
                       (16 - k, 22.5)), C, 1, line=False)
    else:            # rhombus
        k = w * 0.85
        m = c.P((16, 3), (16 + k, 16), (16, 29), (16 - k, 16))
        c.part(m, C, 2)
        c.part(m & (c.X < 16) & (c.Y < 16), C, 4, line=False)
        c.part(m & (c.X >= 16) & (c.Y < 16), C, 3, line=False)
        c.part(m & (c.X >= 16) & (c.Y >= 16), C, 1, line=False)
        c.part(c.P((16, 10), (16 + k * 0.45, 16), (16, 22), (16 - k * 0.45, 16)), C, 3, line=False)
    return {"back": (16, 16)}


def tree(c, C, r):
    form = r.integers(3)
    tw = r.uniform(2, 3)
    c.part(c.R(16 - tw, 19, 16 + tw, 29) | c.P((16 - tw - 2, 30), (16, 25), (16 + tw + 2, 30)),
           WOOD, "tube")
    if form == 0:
        k = r.uniform(8.5, 10)
        m = c.E(16, 10.5, k, 8.5) | c.E(9.5, 15, 6, 5.5) | c.E(22.5, 15, 6, 5.5)
        c.part(m, C, "ball")
        for _ in range(4):
            x, y = r.uniform(10, 22), r.uniform(7, 17)
            c.dot(x, y, 2.4, 1, C[3] if r.random() < 0.5 else C[1])
    elif form == 1:
        for y, w in ((25, 11.5), (18.5, 9.5), (12, 7)):
            c.part(c.P((16 - w, y), (16, y - 11), (16 + w, y)), C, "ball")
    else:
        m = c.E(16, 11.5, r.uniform(8.5, 10.5), 10)
        c.part(m, C, "ball")
        for _ in range(r.integers(0, 4)):
            c.dot(r.uniform(10.5, 21.5), r.uniform(6, 17), 2, 2, C[4])
    return {"back": (16, 14)}


def heart(c, C, r):
    w = r.uniform(6, 7)
    m = c.E(16 - w + 0.6, 11.5, w, 6.6) | c.E(16 + w - 0.6, 11.5, w, 6.6)
    m |= c.P((16 - 2 * w + 1.2, 13.8), (16 + 2 * w - 1.2, 13.8), (16, 28.5))
    m |= c.R(10, 11, 22, 14)
    c.part(m, C, "ball")
    c.part(c.E(11, 10, 2.4, 1.8), C, 4, line=False)
    if r.random() < 0.2:
        c.eyes(16, 14.5, 3.6)
    return {"head": (16, 7.5, 8), "back": (16, 14)}


def skull(c, C, r):
    w = r.uniform(9.8, 11.4)
    jw = r.uniform(5.2, 6.6)
    c.part(c.R(16 - jw, 19, 16 + jw, 27.5), C, "tube")
    c.part(c.E(16, 13, w, 9.8), C, "ball")
    c.part(c.R(16 - jw + 0.6, 20, 16 + jw - 0.6, 24), C, 2, line=False)
    for s in (-1, 1):
        c.part(c.E(16 + s * 4.4, 14.2, 2.9, 3.2), [INK] * 5, 0, line=False)
    c.part(c.P((16, 17), (18, 20.4), (14, 20.4)), [INK] * 5, 0, line=False)
    for x in (12.8, 16, 19.2):
        c.dot(x, 25.8, 1, 2.6, C[0])
    if r.random() < 0.3:
        c.dot(11.6, 14.6, 1.4, 1.4, FIRE[1]), c.dot(20.4, 14.6, 1.4, 1.4, FIRE[1])
    return {"head": (16, 4.2, 10), "hand": (27, 20), "back": (16, 17)}


def ship(c, C, r):
    c.part(c.R(15, 2.5, 17, 22), WOOD, "tube")
    form = r.integers(2)
    if form == 0:
        b = r.uniform(0, 1.5)
        c.part(c.P((14, 4), (14, 20), (3.6 - b * 0.5, 20)), C, "ball")
        c.part(c.P((18, 5.5), (27 + b, 20), (18, 20)), C, "ball")
    else:
        k = r.uniform(8, 9.5)
        m = c.P((16 - k + 1, 5), (16 + k - 1, 5), (16 + k + 1.2, 13), (16 + k - 0.5, 20),
                (16 - k - 0.5, 20), (16 - k + 2.4, 13))
        c.part(m, C, "ball")
        if r.random() < 0.5:
            c.part(m & (abs(c.Y - 12.5) < 1.1), C, 4, line=False)
    c.part(c.P((17, 0.5), (23, 2.2), (17, 4)), C, 2)
    hull = c.P((2.5, 21.5), (30, 20.2), (25.5, 29), (7, 29))
    c.part(hull, WOOD, "down")
    c.part(hull & (c.Y < 23.4), WOOD, 4, line=False)
    for x in (10.5, 16, 21.5):
        c.dot(x, 25.4, 1.6, 1.6, INK)
    return {"back": (16, 18)}


def robot(c, C, r):
    w = r.uniform(7.4, 9)
    c.part(c.R(15.4, 1, 16.6, 6), STEEL, 2)
    c.part(c.E(16, 1.6, 1.6), FIRE, "ball")
    for s in (-1, 1):
        c.part(c.R(16 + s * 3.4 - 1.7, 25, 16 + s * 3.4 + 1.7, 29.5), STEEL, "tube")
        c.part(c.R(16 + s * 9.3 - 1.6, 18, 16 + s * 9.3 + 1.6, 25), STEEL, "tube")
    c.part(c.R(9.6, 17, 22.4, 26), C, "bevel")
    form = r.integers(3)
    if form == 0:
        c.part(c.R(12.6, 19.5, 19.4, 23.5), STEEL, "bevel", line=False)
        c.dot(14.6, 21.5, 1.4, 1.4, FIRE[1]), c.dot(17.6, 21.5, 1.4, 1.4, LEAF[3])
    elif form == 1:
        c.part(c.E(16, 21.4, 2.4), FIRE, "ball", line=False)
    head = c.R(16 - w, 5.4, 16 + w, 16) if r.random() < 0.6 else \
        (c.E(16, 10.8, w, 6.2) | c.R(16 - w, 10.8, 16 + w, 16))
    c.part(head, C, "bevel")
    c.part(c.R(16 - w + 2, 8, 16 + w - 2, 13.6), [INK] * 5, 0, line=False)
    eye = (120, 236, 244) if r.random() < 0.7 else FIRE[3]
    c.dot(12.9, 10.8, 2, 2.4, eye), c.dot(19.1, 10.8, 2, 2.4, eye)
    return {"head": (16, 5.8, 10), "hand": (26, 23), "back": (16, 20)}


def cat(c, C, r):
    form = r.integers(2)
    up = r.uniform(-3, 2)
    c.part(c.L(23, 27, 28, 24, 3) | c.L(28, 24, 28.2, 15.5 + up, 3), C, "ball")
    c.part(c.E(17, 23.5, 7.8, 6.4) | c.R(10, 23, 23, 29), C, "ball")
    for x in (12.2, 17.4):
        c.part(c.R(x - 1.7, 25, x + 1.7, 29.4), C, "bevel")
    for s in (-1, 1):
        c.part(c.P((15 + s * 8, 3), (15 + s * 8.2, 11), (15 + s * 2, 8)), C, "ball")
        c.part(c.P((15 + s * 7, 5.6), (15 + s * 7, 9), (15 + s * 4.4, 8.4)),
               [BLUSH] * 5, 2, line=False)
    c.part(c.E(15, 13, 9, 6.9), C, "ball")
    eye = INK if form == 0 else (236, 226, 60)
    if C[2] == COLOURS["black"][2]:
        eye = (236, 226, 60)
    c.eyes(15.4, 12.8, 4, 2.2, 3, eye, glint=form == 0)
    c.dot(15.4, 15.6, 1.8, 1, BLUSH)
    if r.random() < 0.5:
        c.part(c.E(13.5, 25, 2.6, 3), C, 4, line=False)
    return {"head": (15, 6.6, 8), "hand": (24, 24), "back": (18, 20)}


def bat(c, C, r):
    up, span = r.uniform(-3.5, 3.5), r.uniform(12.5, 15)
    for s in (-1, 1):
        x = lambda k: 16 + s * k
        m = c.P((x(3), 13), (x(8), 8 - up * 0.6), (x(span), 7 - up), (x(span + 0.3), 17 - up * 0.7),
                (x(span - 3.4), 15.5 - up * 0.4), (x(9.6), 21), (x(7), 18), (x(3), 22))
        c.part(m, C, "ball")
        c.part(m & (c.L(x(7.2), 9 - up * 0.5, x(9), 19, 0.9)), C, 1, line=False)
    for s in (-1, 1):
        c.part(c.P((16 + s * 5.4, 4.6), (16 + s * 5.4, 11), (16 + s * 1, 10)), C, 2)
    c.part(c.E(16, 15, 6, 7.2), C, "ball")
    eye = WHITE if r.random() < 0.5 else (255, 220, 60)
    c.dot(13.6, 13.4, 2.2, 2.4, eye), c.dot(18.4, 13.4, 2.2, 2.4, eye)
    c.dot(14, 13.8, 1, 1.2, INK), c.dot(18.2, 13.8, 1, 1.2, INK)
    c.dot(14.4, 18, 1, 1.8, WHITE), c.dot(17.6, 18, 1, 1.8, WHITE)
    return {"head": (16, 8.6, 7)}


def crown(c, C, r):
    w = r.uniform(10.5, 12.5)
    h = r.uniform(0, 3)
    n = 3 if r.random() < 0.6 else 5
    pts = [(16 - w + 1, 26)]
    for i in range(n):
        x = 16 - w - 0.4 + i * 2 * (w + 0.4) / (n - 1)
        mid = 1 - abs(x - 16) / w
        pts.append((x, 9.5 - 3.5 * mid + h))
        if i < n - 1:
            pts.append((x + (w + 0.4) / (n - 1), 17 + h * 0.5))
    pts.append((16 + w - 1, 26))
    c.part(c.P(*pts), C, "ball")
    balls = r.random() < 0.6
    for i, (x, y) in enumerate(pts[1:-1:2]):
        if balls:
            c.part(c.E(x, y - 0.5, 1.9), C, 4)
    c.part(c.R(16 - w + 0.6, 22.5, 16 + w - 0.6, 27), C, "down")
    jewel = [STEEL, GOLD, BONE][r.integers(3)]
    for x in (-6, 0, 6):
        c.part(c.E(16 + x, 24.7, 1.5), jewel, 4, line=False)
    return {}


def book(c, C, r):
    if r.random() < 0.65:
        d = r.uniform(2.5, 4)
        c.part(c.R(6.5 + d * 0.3, 5.5, 25 + d * 0.4, 29), C, 1)
        c.part(c.R(8, 26, 25.4, 28.6), BONE, "down", line=False)
        c.part(c.R(6, 3, 24.5, 25.5), C, "bevel")
        c.part(c.R(6, 3, 9, 25.5), C, 1, line=False)
        form = r.integers(4)
        metal = GOLD if r.random() < 0.7 else BONE
        if form == 0:
            c.part(c.star(16.8, 14, 5.2, 2.3, 5), metal, 3, line=False)
        elif form == 1:
            c.part(c.P((16.8, 9), (21, 14), (16.8, 19), (12.6, 14)), metal, 3, line=False)
        elif form == 2:
            c.part(c.R(12, 8, 21.6, 9.4) | c.R(12, 11.4, 21.6, 12.8), metal, 3, line=False)
        else:
            c.part(c.E(16.8, 14, 3.6), metal, "ball", line=False)
    else:
        for s in (-1, 1):
            c.part(c.P((16, 9), (16 + s * 13.5, 6.5), (16 + s * 13.5, 26), (16, 29)), C, "bevel")
        for s in (-1, 1):
            page = c.P((16, 8), (16 + s * 4, 6), (16 + s * 11.4, 5.4), (16 + s * 11.4, 22.5),
                       (16 + s * 4, 23), (16, 25.4))
            c.part(page, BONE, 3)
            for y in (10, 13, 16, 19):
                c.part(page & c.R(16 + min(s * 3.4, s * 9.4), y, 16 + max(s * 3.4, s * 9.4), y + 1),
                       C, 2, line=False)
        c.part(c.R(15.4, 8, 16.6, 26), BONE, 1, line=False)
    return {"back": (16, 16)}


def flower(c, C, r):
    bend = r.uniform(-1.5, 1.5)
    c.part(c.L(16, 14, 16 + bend, 30, 2.2), LEAF, "tube")
    c.part(c.E(11.2 + bend, 25, 4, 2.1), LEAF, "ball")
    if r.random() < 0.7:
        c.part(c.E(20.8 + bend, 23, 4, 2.1), LEAF, "ball")
    form = r.integers(3)
    if form < 2:
        n = 5 + r.integers(2)
        m = np.zeros_like(c.alpha)
        k = r.uniform(3.8, 4.6)
        for i in range(n):
            a = -np.pi / 2 + i * 2 * np.pi / n
            m |= c.E(16 + 5.8 * np.cos(a), 11 + 5.8 * np.sin(a), k)
        c.part(m, C, "ball")
        for i in range(n):
            a = -np.pi / 2 + (i + 0.5) * 2 * np.pi / n
            c.part(c.L(16, 11, 16 + 6.6 * np.cos(a), 11 + 6.6 * np.sin(a), 0.8), C, 1, line=False)
        c.part(c.E(16, 11, 3.2), GOLD, "ball")
    else:
        m = c.E(16, 13, 7.6, 7) & (c.Y > 9)
        m |= c.P((8.4, 13), (9.4, 3.8), (13, 9.6), (16, 2.6), (19, 9.6), (22.6, 3.8), (23.6, 13))
        c.part(m, C, "ball")
        c.part(m & c.P((14, 20), (12.8, 9), (16, 4), (19.2, 9), (18, 20)), C, 3, line=False)
    return {}


def bomb(c, C, r):
    k = r.uniform(9.4, 10.8)
    c.part(c.E(16, 20, k), C, "ball")
    c.part(c.R(13, 7.4, 19, 11), STEEL, "tube")
    bx = r.uniform(3, 6)
    c.part(c.L(16.5, 6.5, 18, 3.4, 1.6) | c.L(18, 3.4, 16 + bx + 3, 3, 1.6), BONE, 2)
    if r.random() < 0.85:
        x = 16 + bx + 4.2
        c.part(c.star(x, 3.6, 4, 1.7, 4, r.uniform(0, 1.5)), FIRE, 2)
        c.part(c.E(x, 3.6, 1.3), FIRE, 4, line=False)
    if r.random() < 0.3:
        c.eyes(16, 20, 3.6, colour=WHITE, glint=False)
    return {"back": (16, 19)}


def star(c, C, r):
    k, inner = r.uniform(12.5, 14), r.uniform(0.46, 0.54)
    m = c.star(16, 16.8, k, k * inner, 5)
    c.part(m, C, "ball")
    for i in range(5):
        a = -np.pi / 2 + i * 2 * np.pi / 5
        b = a + np.pi / 5
        c.part(m & c.P((16, 16.8), (16 + k * np.cos(a), 16.8 + k * np.sin(a)),
                       (16 + k * inner * np.cos(b), 16.8 + k * inner * np.sin(b))),
               C, 1 if i in (1, 2) else 2, line=False)
    c.part(c.E(12.4, 14, 1.4), C, 4, line=False)
    if r.random() < 0.45:
        c.eyes(16, 16, 2.6, 1.8, 3.2, glint=False)
    return {"head": (16, 6, 7)}


def fish(c, C, r):
    h = r.uniform(6.4, 8.8)
    t = r.uniform(5.5, 7.5)
    c.part(c.P((9, 16), (2.2, 16 - t), (4, 16), (2.2, 16 + t)), C, "ball")
    c.part(c.P((13, 16 - h + 2), (11, 16 - h - 3.4), (20, 16 - h + 1)), C, 1)
    c.part(c.P((14, 16 + h - 2), (12, 16 + h + 3), (18, 16 + h - 1)), C, 1)
    body = c.E(18, 16, 10.6, h)
    c.part(body, C, "ball")
    form = r.integers(3)
    if form == 0:
        c.part(body & (abs(c.X - 16) < 1.2), C, 4, line=False)
        c.part(body & (abs(c.X - 11.4) < 1), C, 4, line=False)
    elif form == 1:
        for x, y in ((12, 14.6), (14.4, 17.2), (16.8, 14.6), (11.6, 18.2)):
            c.dot(x, y, 1.6, 1, C[1])
    c.part(body & c.E(19, 16 + h, 8, 3.2), C, 4, line=False)
    c.part(c.E(17, 17.6, 2.4, 1.6), C, 1, line=False)
    c.dot(23.2, 14, 3, 3, WHITE)
    c.dot(23.8, 14.2, 1.6, 2, INK)
    c.dot(27.4, 18, 1.8, 1, C[0])
    return {"head": (19, 16 - h + 0.6, 7), "hand": (19, 19)}


def wizard(c, C, r):
    staff = r.random() < 0.6
    if staff:
        c.part(c.L(26, 12, 26, 29.5, 1.8), WOOD, "tube")
        c.part(c.E(26, 10.4, 2.4), [GOLD, STEEL][r.integers(2)], "ball")
    c.part(c.P((11, 17), (21, 17), (24.5, 29.5), (7.5, 29.5)), C, "tube")
    for s in (-1, 1):
        c.part(c.L(16 + s * 5.5, 19, 16 + s * 8.8, 22.5, 4), C, "ball")
        c.part(c.E(16 + s * 9.6, 23.4, 1.5), SKIN, "ball")
    c.part(c.E(16, 14, 5.6, 5), SKIN, "ball")
    blen = r.uniform(22, 26)
    c.part(c.P((10.6, 14.8), (21.4, 14.8), (16, blen)) | c.E(16, 16.6, 4.6, 2.6), BONE, "ball")
    c.dot(13.8, 13.4, 1.4, 2, INK), c.dot(18.2, 13.4, 1.4, 2, INK)
    bend = r.uniform(-4.5, 4.5)
    hat = c.P((9.5, 10.5), (16 + bend - 0.8, 0.5), (16 + bend + 1.2, 0.8), (22.5, 10.5))
    c.part(hat, C, "ball")
    c.part(hat & c.R(0, 8.2, 32, 9.8), GOLD, 3, line=False)
    c.part(c.E(16, 11, 9.4, 1.7), C, "down")
    return {"hand": (26, 22.6), "back": (16, 20)}


def house(c, C, r):
    w = r.uniform(9, 10.5)
    if r.random() < 0.6:
        c.part(c.R(21, 4, 24.5, 13), STEEL, "tube")
    c.part(c.R(16 - w, 14, 16 + w, 29), BONE, "bevel")
    peak = r.uniform(2.5, 5)
    roof = c.P((16 - w - 4, 16.5), (16 - (3 if r.random() < .3 else 0.5), peak),
               (16.5, peak), (16 + w + 4, 16.5))
    c.part(roof, C, "ball")
    for y in (8.5, 12):
        c.part(roof & (abs(c.Y - y) < 0.55), C, 1, line=False)
    dx = r.uniform(-3.5, 3.5)
    c.part(c.R(16 + dx - 2.5, 21, 16 + dx + 2.5, 29), WOOD, "bevel")
    c.dot(16 + dx + 1.4, 25, 1, 1, GOLD[3])
    for s in (-1, 1):
        x = 16 + s * (w - 3.2)
        if abs(x - 16 - dx) > 5.2:
            c.part(c.R(x - 1.6, 19, x + 1.6, 22.4), GLASS, "bevel")
    return {}


def apple(c, C, r):
    k = r.uniform(6.8, 8)
    m = c.E(16 - 4, 18.5, k, 9) | c.E(16 + 4, 18.5, k, 9)
    c.part(m, C, "ball")
    c.part(c.E(16, 10.6, 2.8, 1.3), C, 1, line=False)
    c.part(c.L(16, 10.5, 17 + r.uniform(-1, 1), 5, 1.6), WOOD, "tube")
    if r.random() < 0.85:
        c.part(c.E(20.6, 6.6, 3.6, 2), LEAF, "ball")
    c.part(c.E(10.6, 15, 1.8, 2.6), C, 4, line=False)
    return {"back": (16, 18)}


def bird(c, C, r):
    up = r.integers(2)
    c.part(c.L(14, 26, 14, 29.4, 1.4) | c.L(18, 26, 18, 29.4, 1.4), FIRE, 2)
    c.part(c.P((8, 18), (1.5, 13.5 + 4 * r.random()), (2.6, 20), (9, 23)), C, "ball")
    c.part(c.E(16, 19.5, 9.4, 7.4) | c.E(20.5, 12, 6.6, 6.4), C, "ball")
    c.part(c.E(19, 22.4, 5, 3.4), C, 4, line=False)
    c.part(c.P((26, 10.4), (31, 13), (26, 15)), FIRE, "down")
    if up:
        c.part(c.P((9.5, 20), (8, 7.5), (17, 17.5)) | c.E(13, 18.6, 4, 2.6), C, "ball")
    else:
        c.part(c.E(12.6, 19.6, 5, 3.5), C, "ball")
    if r.random() < 0.4:
        c.part(c.P((17, 7), (16, 2.4), (20, 5.8)), C, 2)
    c.dot(22.4, 11.4, 2, 2.6, INK)
    if c.scale > 0.7:
        c.dot(22, 10.6, 1, 1, WHITE)
    return {"head": (20.5, 6.4, 7), "back": (13, 17)}


def crab(c, C, r):
    up = r.uniform(-2, 2)
    for s in (-1, 1):
        for i in range(3):
            c.part(c.L(16 + s * 7, 21 + i * 1.6, 16 + s * (13.6 - i * 1.6), 23.4 + i * 2.4, 1.8), C, 1)
        c.part(c.L(16 + s * 8, 18, 16 + s * 12, 13.5 + up * 0.5, 2.6), C, 2)
        claw = c.E(16 + s * 11.6, 9.8 + up, 4.2, 4.4) & \
            ~c.P((16 + s * 11.6, 10.6 + up), (16 + s * 10, 4 + up), (16 + s * 13.6, 4 + up))
        c.part(claw, C, "ball")
    for s in (-1, 1):
        c.part(c.L(16 + s * 3, 11.6, 16 + s * 3, 16, 1.6), C, 2)
        c.part(c.E(16 + s * 3, 11, 2.1), BONE, 4)
        c.dot(16 + s * 3, 11.2, 1.6, 2, INK)
    c.part(c.E(16, 20, r.uniform(8.6, 10), 6.4), C, "ball")
    if r.random() < 0.7:
        c.dot(16, 22, 4, 1, C[0])
    return {"head": (16, 13.8, 7)}


def snail(c, C, r):
    c.part(c.L(5, 27, 25, 27, 4.4) | c.L(25, 27, 26.4, 18, 4.6), BONE, "ball")
    for x in (25, 28.4):
        c.part(c.L(26.4, 18, x, 12.6, 1.3), BONE, 2)
        c.part(c.E(x, 12, 1.5), [INK] * 5, 0, line=False)
    k = r.uniform(8.6, 10)
    c.part(c.E(13.4, 17.5, k), C, "ball")
    turn = r.uniform(0, 6.28)
    for i in range(44):
        a, q = turn + i * 0.28, (k - 1.6) * (1 - i / 46)
        c.part(c.E(13.4 + q * np.cos(a), 17.5 + q * np.sin(a), 0.62 / min(c.scale, 1)), C, 1,
               line=False)
    c.dot(28, 20.6, 1.4, 1, INK)
    return {"head": (13.4, 17.5 - k + 0.6, 7)}


def candle(c, C, r):
    w, top = r.uniform(4.4, 6), r.uniform(11, 14.5)
    c.part(c.E(16, 27.4, 11, 2.8), GOLD, "down")
    if r.random() < 0.6:
        c.part(c.E(27, 25.6, 3) & ~c.E(27, 25.6, 1.4), GOLD, 2)
    body = c.R(16 - w, top, 16 + w, 26.5) | c.E(16, 26.5, w, 1.6)
    c.part(body, C, "tube")
    c.part(c.E(16, top, w, 1.7), C, 4, line=False)
    for x, d in ((16 - w + 1.2, r.uniform(3, 7)), (16 + w * 0.4, r.uniform(2, 5))):
        c.part(c.L(x, top, x, top + d, 2) & body, C, 4, line=False)
    c.part(c.L(16, top, 16, top - 2.5, 1), [INK] * 5, 0, line=False)
    lean = r.uniform(-1.6, 1.6)
    f = top - 5
    c.part(c.E(16, f, 3, 3.2) | c.P((13.2, f - 0.6), (16 + lean, f - 8), (18.8, f - 0.6)), FIRE, 2)
    c.part(c.E(16, f + 0.6, 1.6, 2.2), FIRE, 4, line=False)
    return {}


def umbrella(c, C, r):
    c.part(c.R(15, 4, 17, 26), STEEL, "tube")
    c.part((c.E(12.6, 26, 4.2) & ~c.E(12.6, 26, 2) & (c.Y > 26)) | c.R(15, 16, 16.8, 26.4),
           WOOD, "bevel")
    w, h = r.uniform(12, 13.8), r.uniform(10, 12.5)
    m = c.E(16, 16.5, w, h) & (c.Y < 16.5)
    n = 4
    for i in range(n):
        x = 16 - w + (i + 0.5) * 2 * w / n
        m &= ~c.E(x, 17.5, w / n - 0.5, 2.4)
    c.part(m, C, "ball")
    for k in (-0.42, 0.42):
        curve = abs((c.X - 16) - k * w * np.sqrt(np.clip(1 - ((c.Y - 16.5) / h) ** 2, 0, 1))) < 0.55
        c.part(m & curve, C, 1, line=False)
    c.part(c.R(15.3, 2.2, 16.7, 5), STEEL, 3)
    return {}


KINDS = {f.__name__: f for f in (
    slime, knight, potion, sword, shield, mushroom, ghost, chest, key, coin, gem, tree, heart, skull,
    ship, robot, cat, bat, crown, book, flower, bomb, star, fish, wizard, house, apple, bird, crab,
    snail, candle, umbrella)}
KIND_NAMES = list(KINDS)
COLOUR_NAMES = list(COLOURS)

# What can wear, hold or carry what; and what has a left and a right.
CROWNED = ("slime", "knight", "mushroom", "ghost", "heart", "skull", "robot", "cat", "bat", "fish",
           "bird", "crab", "snail")
ARMED = ("slime", "knight", "ghost", "skull", "robot", "cat", "mushroom", "wizard")
WINGED = ("slime", "potion", "sword", "shield", "key", "coin", "gem", "heart", "skull", "book",
          "bomb", "robot", "cat", "knight", "mushroom")
FACING = ("knight", "ship", "cat", "fish", "bird", "snail", "key", "sword", "bomb", "wizard", "ghost",
          "book", "umbrella", "apple")
TILTED = {"sword": (np.pi / 4, 0.55), "key": (np.pi / 4, 0.4)}   # angle, how often


def held_sword(c, x, y):
    blade = c.P((x - 1.3, y - 2), (x - 1.3, y - 13), (x, y - 15.4), (x + 1.3, y - 13), (x + 1.3, y - 2))
    c.part(blade, STEEL, "tube")
    c.part(c.R(x - 3.6, y - 2.6, x + 3.6, y - 1), GOLD, 2)
    c.part(c.R(x - 0.8, y - 0.8, x + 0.8, y + 2.4), WOOD, "tube")


def worn_crown(c, x, y, w):
    k = w / 2
    pts = [(x - k + 0.4, y + 1.4), (x - k - 0.6, y - 4.6), (x - k * 0.45, y - 2), (x, y - 5.8),
           (x + k * 0.45, y - 2), (x + k + 0.6, y - 4.6), (x + k - 0.4, y + 1.4)]
    c.part(c.P(*pts), GOLD, "ball")
    c.dot(x, y - 0.8, 1.6, 1.4, (222, 40, 60))


def wings(c, x, y):
    for s in (-1, 1):
        m = c.P((x + s * 4, y), (x + s * 10, y - 9), (x + s * 15.5, y - 10), (x + s * 14, y - 4),
                (x + s * 12.4, y + 0.5), (x + s * 8, y + 3.5))
        c.part(m, STEEL, 4)
        c.part(m & (abs((c.Y - y + 3) * 1.6 + s * 0.8 * (c.X - x) - 4) < 0.8), STEEL, 2, line=False)


def sample_spec(r, kind=None, colour=None, allowed=None):
    """Draws what a sprite shall be: a dict that both draw() and the prompts read."""
    while True:
        k = kind or KIND_NAMES[r.integers(len(KIND_NAMES))]
        col = colour or COLOUR_NAMES[r.integers(len(COLOUR_NAMES))]
        if allowed is None or allowed(k, col):
            break
    size = ["normal", "big", "small"][int(r.choice(3, p=[0.7, 0.15, 0.15]))]
    spec = {"kind": k, "colour": col, "size": size, "facing": None, "crown": False, "sword": False,
            "wings": False, "sparkling": bool(r.random() < 0.10),
            "background": ["white", "grey", "black"][int(r.choice(3, p=[0.88, 0.06, 0.06]))],
            "seed": int(r.integers(1 << 31))}
    if k in FACING:
        spec["facing"] = "left" if r.random() < 0.3 else "right"
    if k in CROWNED and r.random() < 0.22:
        spec["crown"] = True
    if k in ARMED and r.random() < 0.2:
        spec["sword"] = True
    if k in WINGED and not spec["sword"] and r.random() < 0.1:
        spec["wings"] = True
    if spec["background"] == spec["colour"]:
        spec["background"] = DEFAULT_BACKGROUND
    return spec


def draw(spec):
    """uint8 [32, 32, 3]. The same spec gives the same pixels."""
    r = np.random.default_rng(spec["seed"])
    lo, hi = {"normal": (0.84, 0.94), "big": (1.06, 1.14), "small": (0.54, 0.62)}[spec["size"]]
    scale, jitter = r.uniform(lo, hi), r.integers(-1, 2, 2)
    tilt = 0.0
    if spec["kind"] in TILTED and r.random() < TILTED[spec["kind"]][1]:
        tilt = TILTED[spec["kind"]][0]
    ramp = COLOURS[spec["colour"]]
    shape_seed = int(r.integers(1 << 31))
    for _ in range(4):
        c = Canvas(scale, spec["facing"] == "left", -tilt if spec["facing"] == "left" else tilt)
        if tilt:   # the tilt is applied before the mirror
            c = Canvas(scale, spec["facing"] == "left", tilt)
        paint(c, spec, ramp, shape_seed)
        ys, xs = np.nonzero(c.alpha)
        w, h = xs.max() - xs.min() + 1, ys.max() - ys.min() + 1
        if max(w, h) <= SIZE and xs.min() > 0 and ys.min() > 0 and xs.max() < WORK - 1 \
                and ys.max() < WORK - 1:
            break
        scale *= min(0.95, (SIZE - 0.5) / max(w, h))
    x0, y0 = (xs.min() + xs.max() + 1) // 2 - SIZE // 2, (ys.min() + ys.max() + 1) // 2 - SIZE // 2
    slack_x, slack_y = (SIZE - w) // 2, (SIZE - h) // 2
    x0 += int(np.clip(jitter[0], -slack_x, slack_x))
    y0 += int(np.clip(jitter[1], -slack_y, slack_y))
    x0, y0 = np.clip([x0, y0], 0, WORK - SIZE)
    out = np.empty((SIZE, SIZE, 3), np.uint8)
    out[:] = BACKGROUNDS[spec["background"]]
    a = c.alpha[y0:y0 + SIZE, x0:x0 + SIZE]
    out[a] = c.rgb[y0:y0 + SIZE, x0:x0 + SIZE][a]
    if spec["sparkling"]:
        sparkle(out, a, r)
    return out


def paint(c, spec, ramp, seed):
    r = np.random.default_rng(seed)
    kind = KINDS[spec["kind"]]
    if spec["wings"]:   # wings are behind: learn the anchor on a scratch canvas first
        anchors = kind(Canvas(c.scale, c.flip, c.tilt), ramp, np.random.default_rng(seed))
        wings(c, *anchors["back"])
    anchors = kind(c, ramp, r)
    if spec["crown"]:
        worn_crown(c, *anchors["head"])
    if spec["sword"]:
        held_sword(c, *anchors["hand"])


def sparkle(out, alpha, r):
    """Three to four little golden crosses, mostly on the rim of the thing."""
    near = dilate(dilate(alpha)) & ~shift(shift(alpha, 2, 2), -4, -4)
    ys, xs = np.nonzero(near[3:-3, 3:-3])
    if len(ys) == 0:
        return
    for i in r.choice(len(ys), min(len(ys), int(r.integers(3, 5))), replace=False):
        y, x = ys[i] + 3, xs[i] + 3
        k = 2 if r.random() < 0.6 else 1
        out[y, x - k:x + k + 1] = GOLD[2]
        out[y - k:y + k + 1, x] = GOLD[2]
        out[y, x] = WHITE


def upsample(img):
    return img.repeat(CELL, 0).repeat(CELL, 1)


if __name__ == "__main__":
    from PIL import Image
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    rows = []
    for k in KIND_NAMES:
        rows.append(np.concatenate([np.pad(draw(sample_spec(rng, kind=k, colour=COLOUR_NAMES[j])),
                                           ((1, 1), (1, 1), (0, 0)), constant_values=128)
                                    for j in range(12)], 1))
    half = len(rows) // 2
    sheet = np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], 1)
    Image.fromarray(sheet.repeat(2, 0).repeat(2, 1)).save(sys.argv[1])
