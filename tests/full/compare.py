#!/usr/bin/env python3
"""Times the full SDXL architecture: a sampling step under guidance, the decode, peak memory; beside a peer.

    python3 tests/full/make_sdxl.py sdxl.safetensors tokenizer/          (once: 6.9 GB of random weights)
    python3 tests/full/compare.py sdxl.safetensors --tokenizer tokenizer/ [--peer PATH/TO/sd-cli] [--sizes 512 1024]

The peer is stable-diffusion.cpp's sd-cli, built by whoever runs this, outside the repository; --peer may be given
several times, with flags in the same string ("sd-cli --diffusion-fa --type q8_0"). All run in turn on the same machine
within minutes, since machines are noisy and only the ratio means something; --rounds N repeats and keeps the best.
Steps: spritty 2, of which the faster counts (the first one also prepares the kernels); the peer --peer-steps (1).
Prints one line a run and a table; --json FILE keeps the figures.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile

PROMPT, NEGATIVE = "a green slime with a crown, pixel art", "blurry"


def run(argv):
    """stdout, stderr and the peak resident bytes of one process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        p = subprocess.Popen(argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(p.pid, 0)
        out.seek(0), err.seek(0)
        text = out.read(), err.read()
    if status != 0:
        sys.exit(f"{shlex.join(argv)}\nfailed:\n{text[0][-2000:]}{text[1][-2000:]}")
    return text[0], text[1], usage.ru_maxrss * 1024


def run_spritty(a, size, folder):
    argv = [a.spritty, "gen", PROMPT, "-n", NEGATIVE, "-m", a.model, "--size", f"{size}x{size}", "--steps", "2",
            "--cfg", "5", "--seed", "1", "--raw", "--json", "-q", "-o", f"{folder}/a.png"]
    if a.tokenizer:
        argv += ["--tokenizer", a.tokenizer]
    out, _, peak = run(argv + a.spritty_args)
    j = json.loads(out)
    return {"step": min(j["ms"]["steps"]) / 1e3, "first_step": j["ms"]["steps"][0] / 1e3,
            "decode": j["ms"]["decode"] / 1e3, "text": j["ms"]["text"] / 1e3, "load": j["ms"]["load"] / 1e3,
            "peak": peak}


def seconds(text, pattern):
    m = re.findall(pattern, text)
    if not m:
        sys.exit(f"the peer's output has no line like {pattern!r}:\n{text[-3000:]}")
    return float(m[-1])


def run_peer(a, peer, size, folder):
    argv = shlex.split(peer) + ["-m", a.model, "-p", PROMPT, "-n", NEGATIVE, "-W", str(size), "-H", str(size),
                                "--steps", str(a.peer_steps), "--cfg-scale", "5", "--seed", "1",
                                "--sampling-method", "euler", "-t", str(os.cpu_count()), "-o", f"{folder}/b.png"]
    out, err, peak = run(argv)
    text = out + err
    sampling = seconds(text, r"sampling completed, taking ([0-9.]+)s")
    # what it loads lazily inside that time is not a step's work
    loading = re.search(r"sampling using.*?\n(.*)sampling completed", text, re.S)
    lazy = sum(map(float, re.findall(r"loading tensors completed, taking ([0-9.]+)s", loading.group(1)))) if loading else 0
    return {"step": (sampling - lazy) / a.peer_steps, "lazy_load": lazy,
            "decode": seconds(text, r"(?:decode_first_stage completed|latent 1 decoded), taking ([0-9.]+)s"), "peak": peak}


def best(runs):
    return {k: min(r[k] for r in runs) for k in runs[0]}


def show(name, size, r):
    print(f"{size:>5}  {r['step']:8.2f} s  {r['decode']:8.2f} s  {r['peak'] / 1e9:6.2f} GB  {name}", flush=True)


def cpu_name():
    with open("/proc/cpuinfo") as f:
        m = re.search(r"model name\s*:\s*(.*)", f.read())
    return m.group(1) if m else platform.processor()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--spritty", default="build/spritty")
    p.add_argument("--spritty-args", type=shlex.split, default=[])
    p.add_argument("--tokenizer")
    p.add_argument("--peer", action="append", default=[])
    p.add_argument("--peer-steps", type=int, default=1)
    p.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--json")
    a = p.parse_args()
    result = {"machine": cpu_name(), "cores": os.cpu_count(), "date": str(datetime.date.today()), "runs": []}
    print(f"{result['machine']}, {result['cores']} cores, {result['date']}\n"
          f" size       step      decode       peak", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in a.sizes:
            names = ["spritty"] + a.peer
            runs = {n: [] for n in names}
            for _ in range(a.rounds):
                for n in names:
                    r = run_spritty(a, size, folder) if n == "spritty" else run_peer(a, n, size, folder)
                    runs[n].append(r)
                    show(n, size, r)
            for n in names:
                result["runs"].append({"size": size, "name": n, **best(runs[n])})
    ours = {r["size"]: r for r in result["runs"] if r["name"] == "spritty"}
    for r in result["runs"]:
        if r["name"] != "spritty":
            o = ours[r["size"]]
            print(f"{r['size']}: {r['step'] / o['step']:.1f} times the step, {r['decode'] / o['decode']:.1f} times the "
                  f"decode, {o['peak'] / r['peak']:.2f} of the memory of {r['name']}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
