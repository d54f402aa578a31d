#!/usr/bin/env python3
"""Writes docs/pictures/finished.png: pictures of the embedded model as it makes them, finished, and
finished in other ways. Needs Pillow and a built spritty:

    python3 docs/pictures/make_finished.py build/spritty docs/pictures/finished.png
"""
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw

PROMPTS = ["a green slime with a crown", "a blue knight", "a red potion", "a white ghost",
           "a purple mushroom", "a brown chest", "a grey sword", "a pink fish"]
ROWS = [("as the model made it", None), ("finished", []),
        ("8 colours, outline", ["--colors", "8", "--outline", "outer"]),
        ("PICO-8, Bayer 4x4", ["--palette", "pico-8", "--dither", "bayer4"]),
        ("Game Boy", ["--palette", "gameboy"]), ("hue turned", "hue")]
SIDE, GAP, HEAD = 128, 8, 120


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def checker(size):
    tile = Image.new("RGBA", size, (146, 150, 162, 255))
    draw = ImageDraw.Draw(tile)
    for y in range(0, size[1], 8):
        for x in range(y % 16, size[0], 16):
            draw.rectangle((x, y, x + 7, y + 7), (164, 168, 180, 255))
    return tile


def fit(path):
    m = Image.open(path).convert("RGBA")
    factor = SIDE // 32 if m.width < SIDE else 1
    m = m.resize((m.width * factor, m.height * factor), Image.NEAREST)
    out = checker((SIDE, SIDE))
    m = m.crop((0, 0, *m.size))
    out.alpha_composite(m.crop((max(0, (m.width - SIDE) // 2), max(0, m.height - SIDE),
                                min(m.width, (m.width + SIDE) // 2), m.height)),
                        ((SIDE - min(m.width, SIDE)) // 2, SIDE - min(m.height, SIDE)))
    return out


def main(spritty, to):
    out = Image.new("RGBA", (HEAD + len(PROMPTS) * (SIDE + GAP), len(ROWS) * (SIDE + GAP) + GAP),
                    (24, 25, 30, 255))
    draw = ImageDraw.Draw(out)
    with tempfile.TemporaryDirectory() as folder:
        raw, done = folder + "/raw.png", folder + "/done.png"
        for column, prompt in enumerate(PROMPTS):
            run(spritty, "gen", prompt, "-s", "5", "--raw", "-q", "-o", raw)
            run(spritty, "variants", prompt, "--of", "recolors", "-s", "5", "-q", "-o",
                folder + "/v.png")
            for row, (name, options) in enumerate(ROWS):
                if options == "hue":
                    picture = folder + "/v-hue180.png"
                elif options is None:
                    picture = raw
                else:
                    run(spritty, "finish", raw, "--cell", "4", *options, "-q", "-o", done)
                    picture = done
                at = (HEAD + column * (SIDE + GAP), GAP + row * (SIDE + GAP))
                out.paste(fit(picture), at)
                if column == 0:
                    draw.text((8, at[1] + SIDE // 2), name, (200, 202, 210, 255))
    out.convert("RGB").quantize(256).save(to, optimize=True)


main(*sys.argv[1:])
