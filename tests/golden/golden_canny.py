"""Edges as OpenCV finds them: canny.json, for tests/test_canny.c.

    python golden_canny.py        with opencv-python-headless 5.0 and numpy

The pictures are made by formulas that the test has as well; of each map of edges its SHA-256 is
kept. Run twice, with and without Intel's IPP, which OpenCV asks where it is built in: both agree.
"""
import hashlib
import json
import os

import cv2
import numpy as np


def noise(index):
    x = index.astype(np.uint64) * 2654435761 & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 2246822519 & 0xFFFFFFFF
    x ^= x >> 13
    return x & 255


def picture(kind, w, h):
    y, x, k = np.mgrid[:h, :w, :3].astype(np.int64)
    pixel = y * w + x
    values = {
        "noise": lambda: noise(pixel * 3 + k),
        "grey noise": lambda: noise(pixel),
        "few levels": lambda: (noise(pixel * 3 + k) & 3) * 60,
        "slopes": lambda: x * (3 + k) + y * (5 - k),
        "blocks": lambda: noise((y // 8 * 64 + x // 8) * 3 + k),
        "rings": lambda: ((2 * x - w) ** 2 + (2 * y - h) ** 2) // (16 + 3 * k),
        "flat": lambda: 0 * x + 77,
    }[kind]()
    return (values & 255).astype(np.uint8)


CASES = [("noise", 1, 1), ("noise", 1, 7), ("noise", 7, 1), ("noise", 2, 2), ("noise", 3, 50),
         ("noise", 50, 3), ("noise", 101, 67), ("grey noise", 64, 64), ("few levels", 33, 129),
         ("slopes", 200, 120), ("blocks", 256, 192), ("rings", 255, 257), ("rings", 64, 31),
         ("flat", 16, 16)]
THRESHOLDS = [(100, 200), (200, 100), (0, 0), (20, 600), (300, 900)]


def main():
    rows = []
    for kind, w, h in CASES:
        for low, high in THRESHOLDS:
            maps = []
            for ipp in (True, False):
                cv2.ipp.setUseIPP(ipp)
                maps.append(cv2.Canny(picture(kind, w, h), low, high))
            assert (maps[0] == maps[1]).all()
            rows.append({"kind": kind, "size": [w, h], "low": low, "high": high,
                         "edges": int((maps[0] == 255).sum()),
                         "sha256": hashlib.sha256(maps[0].tobytes()).hexdigest()})
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "canny.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "maps,", sum(r["edges"] for r in rows), "edges")


main()
