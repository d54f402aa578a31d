#!/usr/bin/env python3
"""Makes everything in this folder that the tests compare with. See README.md for what is what.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make_golden.py --clip-bpe bpe_simple_vocab_16e6.txt.gz [tokens models ...]

Without names, everything is made. All seeds are fixed: the same versions give the same files.
bpe_simple_vocab_16e6.txt.gz is OpenAI's (github.com/openai/CLIP, clip/); only `tokens` needs it.
The work is done in golden_*.py, one file a subject.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
WHAT = ["tokens", "models", "clip", "unet", "vae", "schedules", "trajectories", "rng",
        "samplers", "stages", "lora", "tiny_vae", "control"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", help=" ".join(WHAT))
    parser.add_argument("--clip-bpe", default="bpe_simple_vocab_16e6.txt.gz")
    parser.add_argument("--comfyui", help="a checkout, to compare `samplers` with it as well")
    args = parser.parse_args()
    what = args.what or WHAT
    if set(what) - set(WHAT):
        parser.error(f"choose from {' '.join(WHAT)}")

    import torch
    torch.set_num_threads(1)
    if "tokens" in what:
        from golden_tokens import make_tokens
        make_tokens(HERE, args.clip_bpe)
    if "models" in what:
        from golden_models import make_models
        make_models(HERE)
        from golden_refiner_names import make_refiner_names
        make_refiner_names(HERE)
    if {"clip", "unet", "vae"} & set(what):
        from golden_dumps import make_dumps
        make_dumps(HERE, what)
    for name in ("schedules", "trajectories", "rng"):
        if name in what:
            import golden_sampling
            getattr(golden_sampling, f"make_{name}")(HERE)
    if "samplers" in what:
        from golden_samplers import make_samplers
        make_samplers(HERE, args.comfyui)
    if "lora" in what:
        from golden_lora import make_lora
        make_lora(HERE)
    if "stages" in what:
        from golden_stages import make_stages
        make_stages(HERE)
    if "tiny_vae" in what:
        from golden_tiny_vae import make_tiny_vae
        make_tiny_vae(HERE)
    if "control" in what:
        from golden_control import make_control
        make_control(HERE)
        from golden_control_union import make_control_union
        make_control_union(HERE)


if __name__ == "__main__":
    main()
