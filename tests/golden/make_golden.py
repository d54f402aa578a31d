#!/usr/bin/env python3
"""Makes everything in this folder that the tests compare with. See README.md for what is what.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make_golden.py --clip-bpe bpe_simple_vocab_16e6.txt.gz [tokens models ...]

Without names, everything is made. All seeds are fixed: the same versions give the same files.
bpe_simple_vocab_16e6.txt.gz is OpenAI's (github.com/openai/CLIP, clip/); only `tokens` needs it.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", default=["tokens"])
    parser.add_argument("--clip-bpe", default="bpe_simple_vocab_16e6.txt.gz")
    args = parser.parse_args()
    if "tokens" in args.what:
        from golden_tokens import make_tokens
        make_tokens(HERE, args.clip_bpe)


if __name__ == "__main__":
    main()
