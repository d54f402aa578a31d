"""Latents as the UNet leaves them, beside the drawings that they stand for.

    python pairs.py DIR [--model FOLDER] [--count 12800] [--seed 9]    writes DIR/pairs.npz

The latents of drawings are noised as at one of the last steps of the sampler (251 of 1000 and so
on), and sampled back from there under guidance. So they still lie over their drawing, and have the
errors that a UNet makes, which are not those of white noise. train_vae.py --decoder learns from
them what the drawing was.
"""
import argparse
import os
import pickle
import time

import numpy as np
import torch
import torch.multiprocessing as mp
from diffusers import EulerDiscreteScheduler

import data
import model
import parallel
import prompts
import train

STEPS, CFG, BATCH = 20, 3.5, 16
FIRST = (12, 14, 15, 16, 17)    # of the 20 steps: timesteps 351, 251, 201, 151, 101


class Sampler:
    """Guided Euler steps through the networks of a folder, as evaluate.py asks diffusers for them."""

    def __init__(self, folder):
        self.unet, self.one, self.two = [m.eval() for m in train.exported(folder)]
        self.unet.to(memory_format=torch.channels_last)
        self.text, self.scheduler = train.Text(), EulerDiscreteScheduler.from_pretrained(
            os.path.join(folder, "scheduler"))

    @torch.no_grad()
    def returned(self, z, texts, first):
        """z [n, 4, 16, 16], noised as at step `first`, and sampled to the end."""
        hidden, pooled = model.encode(self.one, self.two, *self.text(texts, "cpu"))
        hidden, pooled = [torch.cat([torch.zeros_like(x), x]) for x in (hidden, pooled)]
        time_ids = torch.tensor([[128., 128, 0, 0, 128, 128]]).repeat(2 * len(z), 1)
        steps = self.scheduler
        steps.set_timesteps(STEPS)
        steps.set_begin_index(first)
        z = z + steps.sigmas[first] * torch.randn_like(z)
        for t in steps.timesteps[first:]:
            scaled = torch.cat([steps.scale_model_input(z, t)] * 2)
            v = self.unet(scaled.contiguous(memory_format=torch.channels_last), t, hidden,
                          added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}).sample
            plain, asked = v.chunk(2)
            z = steps.step(plain + CFG * (asked - plain), t, z).prev_sample
        return z


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--model", default=train.MODEL)
    ap.add_argument("--count", type=int, default=12800)
    ap.add_argument("--seed", type=int, default=9)
    args = ap.parse_args()
    latents = np.load(os.path.join(args.folder, "latents.npy"), mmap_mode="r")
    with open(os.path.join(args.folder, "specs.pkl"), "rb") as f:
        specs = pickle.load(f)
    share = np.cumsum([data.weight(s) for s in specs])
    z = torch.zeros(args.count, *latents.shape[1:], dtype=torch.half).share_memory_()
    index = torch.zeros(args.count, dtype=torch.long).share_memory_()
    workers, start = parallel.cpu_workers(), time.time()

    def work(rank):
        torch.set_num_threads(1)
        torch.manual_seed(91 + args.seed + rank)
        rng, sampler = np.random.default_rng([args.seed, rank]), Sampler(args.model)
        for at in range(rank * BATCH, args.count, workers * BATCH):
            n = min(BATCH, args.count - at)
            idx = np.searchsorted(share, rng.random(n) * share[-1], side="right")
            z[at:at + n] = sampler.returned(torch.from_numpy(latents[idx]).float(),
                                            [prompts.prompt(specs[i], rng) for i in idx],
                                            int(rng.choice(FIRST))).half()
            index[at:at + n] = torch.from_numpy(idx)
            if rank == 0 and at % (100 * BATCH) == 0:
                print(f"{at} of {args.count}, {time.time() - start:.0f}s", flush=True)

    children = [mp.get_context("fork").Process(target=work, args=(r,)) for r in range(workers)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("a worker failed")
    np.savez(os.path.join(args.folder, "pairs.npz"), z=z.numpy(), index=index.numpy())


if __name__ == "__main__":
    main()
