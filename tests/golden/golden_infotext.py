"""What A1111's own parser makes of generation parameters: infotext.json, for tests/test_a1111.c.

    python golden_infotext.py CHECKOUT    a checkout of AUTOMATIC1111/stable-diffusion-webui

Runs modules/infotext_utils.py from there; what that imports and the parser does not need is replaced
by empty stand-ins. `written` holds texts put together as modules/processing.py (create_infotext)
does it, which our writer has to give as well.
"""
import json
import os
import sys
import types


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def load(checkout):
    class Anything:
        def __getattr__(self, name):
            return Anything()

        def __call__(self, *args, **kwargs):
            return Anything()

    options = types.SimpleNamespace(
        infotext_styles="Ignore", infotext_skip_pasting=[], auto_backcompat=False,
        use_old_hires_fix_width_height=False)
    package = stand_in("modules")
    package.__path__ = [os.path.join(checkout, "modules")]
    gradio = stand_in("gradio", update=lambda: {}, components=types.SimpleNamespace(Component=object))
    gradio.Gallery = object
    image = stand_in("PIL.Image", Image=object)
    stand_in("PIL", Image=image)
    attention = stand_in("modules.prompt_parser", parse_prompt_attention=lambda text: [])
    for name, members in {
        "paths": {"data_path": "."},
        "shared": {"opts": options, "prompt_styles": Anything(), "cmd_opts": Anything()},
        "ui_tempdir": {}, "script_callbacks": {}, "images": {}, "sd_models": {}, "hashes": {},
        "processing": {"old_hires_fix_first_pass_dimensions": lambda w, h: (w, h)},
        "errors": {}, "sd_samplers": Anything().__dict__, "sysinfo": {},
        "infotext_versions": {"backcompat": lambda d: None},
    }.items():
        setattr(package, name, stand_in("modules." + name, **members))
    package.prompt_parser = attention
    import importlib
    return importlib.import_module("modules.infotext_utils")


LAST = "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 64x32"
TEXTS = [
    "a cat\n" + LAST,
    "a cat\nNegative prompt: bad, worse\n" + LAST,
    "  a cat  \n  second line \n\nNegative prompt:bad\n worse \n" + LAST,
    "a cat\nNegative prompt: one\nNegative prompt: two\n" + LAST,
    "Negative prompt: only\n" + LAST,
    LAST,
    "",
    "no settings at all",
    "two, settings\nSteps: 20, Sampler: Euler",
    "three: of, them: are, enough: here",
    "a: b, cc: d, ee: f",
    "a prompt with steps\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 965400086, "
    "Size: 512x512, Model hash: 45dee52b",
    "x\n" + LAST + ', Model: "a, b: c", Lora hashes: "one: 123, two: 456", Version: v1.10.1',
    "x\n" + LAST + ', Note: "with \\"quotes\\" and \\u00e9 and \\n", Last: "unclosed',
    "x\n" + LAST + ', Note: "closed" but more, Other: 1',
    "x\n" + LAST + ', Empty: , Blank:   , Full: yes',
    "x\n" + LAST + ", Steps: 30",
    "x\n" + LAST + ", Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent (nearest-exact), "
    "Denoising strength: 0.7",
    "x\n" + LAST + ", Hires resize: 1024x1024, Tile: 12x, Half: x12, Both: 1x2x3",
    "x\n" + LAST + ",,, ,Odd - key/name: value ,  Spaced  :  out  ",
    "x\n" + LAST + ", k: short, _u: under, 9n: nine, K\u00e9y: accent, \u9375\u540d: han, -m: dash",
    "x\n" + LAST + ", url: http://a.b/c:d, time: 12:30:45",
    "x\n" + LAST + '\n',
    "x\r\nNegative prompt: y\r\n" + LAST + "\r\n",
    "x\n" + LAST + "\n\n  \t ",
    "\u3000x\u00a0\n\u2003Negative prompt: y\u2003\n" + LAST,
    "(a:1.2), [b:c:0.5], <lora:foo:0.8>, BREAK, {x|y}\n" + LAST,
    "x\n" + LAST + ', Template: "a {b}", Wild: "", Quote: ", Two: ""',
    "x\n" + LAST + ', Back: "a\\\\", Slash: "\\/", Tail: "\\',
    "x\nNegative prompt: Steps: 1, Sampler: a, Seed: 2\n" + LAST,
    "emoji \U0001f431, Steps\n" + LAST + ", \U0001f431key: v, ke\U0001f431yy: w",
    "x\n" + LAST + ", \u00bdhalf: v, \u2160one: w, \u0301mark: y, a\u0301b: z",
]

# prompt, negative prompt
WRITTEN = [
    ("a green slime", ""),
    ("a green slime, (crown:1.2)", "blurry, [photo]"),
    ("line one\nline two", "one\ntwo"),
    ("quotes \" and \\ and 'these'", "Steps: 20, Sampler: a, Seed: 3"),
    ("Steps: 20, Sampler: Euler, CFG scale: 7", "x"),
    ("\u65e5\u672c\u8a9e, \U0001f431, \u00e9", "\u4e0d\u597d"),
    ("", ""),
    ("", "only this"),
    ("a, b: c, d: e, f: g", ""),
    ("tabs\tand  spaces", "x"),
]


def main():
    utils = load(sys.argv[1])
    unsaid = utils.parse_generation_parameters("x")

    def parse(text):  # without what the parser adds to any text
        result = utils.parse_generation_parameters(text)
        return {k: v for k, v in result.items()
                if k in ("Prompt", "Negative prompt") or unsaid.get(k) != v}

    texts = [{"text": t, "result": parse(t)} for t in TEXTS]
    written = []
    for prompt, negative in WRITTEN:
        params = {"Steps": 12, "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": 5.5,
                  "Seed": 18446744073709551615, "Size": "128x96", "Model hash": "0123456789",
                  "Model": "a, b: c", "RNG": "NV", "Version": "spritty VERSION"}
        line = ", ".join(f"{k}: {utils.quote(v)}" for k, v in params.items())
        middle = f"\nNegative prompt: {negative}" if negative else ""
        text = f"{prompt}{middle}\n{line}".strip()
        written.append({"prompt": prompt, "negative": negative, "text": text,
                        "result": parse(text)})
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "infotext.json")
    with open(out, "w", encoding="utf-8") as f:
        json.dump({"texts": texts, "written": written}, f, indent=1,
                  ensure_ascii=False, default=str)
        f.write("\n")


main()
