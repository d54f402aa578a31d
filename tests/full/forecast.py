#!/usr/bin/env python3
"""What `spritty plan` says against what `spritty gen` takes: peak memory within 10%, time within 25%.

    python3 tests/full/forecast.py                                  # the embedded model
    python3 tests/full/forecast.py --sdxl sdxl.safetensors --tokenizer DIR   # and SDXL's shapes (make_sdxl.py)
    options: --runs 3, --prefix "chrt -r 5", --only WORD, --spritty build/spritty, --json FILE

Each combination is planned once and made `runs` times (SDXL's once); the medians count; time is from opening the model to
the last pixel. The first forecast measures this machine, into a cache folder of its own. On a machine that does other things,
--prefix "chrt -r 5" keeps its cores for spritty (as root). Exits 1 when a forecast is off.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

TINY = [
    "",
    "--batch 4",
    "--batch 8 --steps 10",
    "--size 256x256 --steps 10",
    "--size 512x512 --steps 4",
    "--cfg 1",
    "--cfg 1 --size 256x256 --batch 4 --steps 8",
    "--hires 2 --steps 8",
    "--image START --denoise 0.6",
    "--image START --hires 1.5 --hires-upscale lanczos --steps 8",
    "--sampler heun --steps 10",
    "--size 768x768 --steps 1 --memory constrained",
]
SDXL = [
    "--size 512x512 --steps 1 --cfg 7",
    "--size 512x512 --steps 2 --cfg 1",
    "--size 512x512 --steps 2 --cfg 1 --image START --denoise 0.5",
    "--size 768x768 --steps 1 --cfg 1",
    "--size 1024x1024 --steps 1 --cfg 1",
]
STAGES = ("load", "text", "encode", "sample", "refine", "hires", "decode")


def call(args, words, env):
    p = subprocess.run(shlex.split(args.prefix) + [args.spritty] + words, capture_output=True, text=True, env=env)
    if p.returncode:
        sys.exit(f"{' '.join(words)}: {p.stderr.strip()}")
    return json.loads(p.stdout)


def compare(args, name, model, words, runs, env):
    plan = call(args, ["plan", "a green slime", *model, *words, "--json", "-q"], env)
    if name == args.first:  # a load says how fast files are read here
        call(args, ["gen", "a green slime", *model, *words, "-s", "1", "--json", "-q", "-o", env["OUT"]], env)
        plan = call(args, ["plan", "a green slime", *model, *words, "--json", "-q"], env)
    took = []
    peaks = []
    for i in range(runs):
        r = call(args, ["gen", "a green slime", *model, *words, "-s", "1", "--json", "-q", "-o", env["OUT"]], env)
        took.append({s: r["ms"].get(s) or 0 for s in STAGES})
        peaks.append(r["bytes"]["peak"])
    peak = statistics.median(peaks)
    total = statistics.median(sum(t.values()) for t in took)
    stages = {s: statistics.median(t[s] for t in took) for s in STAGES}
    said = {s["name"]: s["ms"] for s in plan["stages"]}
    row = {"name": name, "peak_said": plan["bytes"]["peak"], "peak": peak, "ms_said": plan["ms"], "ms": total, "load_average": os.getloadavg()[0],
           "stages_said": said, "stages": stages}
    row["peak_off"] = row["peak_said"] / peak - 1
    row["ms_off"] = row["ms_said"] / total - 1
    row["good"] = abs(row["peak_off"]) <= 0.10 and abs(row["ms_off"]) <= 0.25
    inner = ", ".join(f"{s} {said.get(s, 0) / 1e3:.2f}/{stages[s] / 1e3:.2f}" for s in STAGES if stages[s])
    print(f"{name:66} {row['peak_said'] / 1e6:8.0f} {peak / 1e6:8.0f} {row['peak_off']:+6.1%} "
          f"{row['ms_said'] / 1e3:8.2f} {total / 1e3:8.2f} {row['ms_off']:+6.1%} {'' if row['good'] else 'OFF'}  {inner}",
          flush=True)
    return row


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--spritty", default="build/spritty")
    p.add_argument("--sdxl")
    p.add_argument("--tokenizer")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--prefix", default="")
    p.add_argument("--only", default="")
    p.add_argument("--json")
    p.add_argument("--cache", help="a folder for the measured rates, kept")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        env = dict(os.environ, XDG_CACHE_HOME=args.cache or f"{work}/cache", XDG_CONFIG_HOME=f"{work}/config",
                   OUT=f"{work}/out.png")
        start = f"{work}/start.png"
        call(args, ["gen", "a slime", "-m", "models/tiny", "-s", "1", "--steps", "4", "--raw", "-o", start, "--json",
                    "-q"], env)
        todo = [(f"tiny {c}".strip(), ["-m", "models/tiny"], c, args.runs) for c in TINY]
        if args.sdxl:
            model = ["-m", args.sdxl] + (["--tokenizer", args.tokenizer] if args.tokenizer else [])
            todo += [(f"sdxl {c}", model, c, 1) for c in SDXL]
        todo = [t for t in todo if args.only in t[0]]
        args.first = todo[0][0]
        print(f"{'':66} {'MB said':>8} {'took':>8} {'':>6} {'s said':>8} {'took':>8}         by stage, said/took", flush=True)
        rows = [compare(args, name, model, [start if w == "START" else w for w in shlex.split(c)], runs, env)
                for name, model, c, runs in todo]
    good = sum(r["good"] for r in rows)
    print(f"{good} of {len(rows)} within 10% of the peak and 25% of the time; load average now "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(rows, f, indent=1)
    sys.exit(good != len(rows))


if __name__ == "__main__":
    main()
