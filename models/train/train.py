"""Trains the UNet and both text encoders of models/tiny together, from DIR/latents.npy.

    python train.py DIR [--minutes M] [--resume | --from FOLDER]

The end of the run is a Unix time in DIR/deadline, which may be moved while it runs: the learning
rate falls by the clock, so that it is down when the time is up. DIR/ckpt.pt is written every two
minutes (weights, moments, averages) and DIR/loss.csv gets a row every 25 steps. --resume goes on
from DIR/ckpt.pt towards the deadline; with a new deadline the learning rate starts at half its
peak again. --from FOLDER goes on from exported weights when there is no checkpoint: the moments start
at zero, the learning rate at half its peak. One process a core on the CPU (see parallel.py), one process with larger batches on CUDA.
"""
import argparse
import os
import pickle
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import data
import model
import parallel
import prompts

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "tiny")
PEAK, WARM_UP = 2e-3, 100


def alphas_bar():
    """Stable Diffusion's noise: betas linear in the square root, 0.00085 to 0.012."""
    betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


class Text:
    """Tokenizes prompts for both encoders; the second pads with id 0."""

    def __init__(self):
        self.tok = CLIPTokenizer.from_pretrained(os.path.join(MODEL, "tokenizer"))
        self.vocab = len(self.tok)

    def __call__(self, texts, device):
        ids = torch.tensor(self.tok(texts, padding="max_length", max_length=77,
                                    truncation=True).input_ids)
        first_end = (ids == self.vocab - 1).int().argmax(1, keepdim=True)
        ids_2 = torch.where(torch.arange(77)[None] > first_end, torch.zeros_like(ids), ids)
        return ids.to(device), ids_2.to(device)


def exported(folder):
    """The UNet and both text encoders of a diffusers folder, in f32."""
    def load(kind, name):
        return kind.from_pretrained(os.path.join(folder, name), variant="fp16").float().train()
    return (load(UNet2DConditionModel, "unet"), load(CLIPTextModel, "text_encoder"),
            load(CLIPTextModelWithProjection, "text_encoder_2"))


def build(device, folder=None):
    torch.manual_seed(0)
    if folder:
        unet, one, two = exported(folder)
    else:
        one, two = model.make_text_encoders(Text().vocab)
        unet = model.make_unet()
    mods = [m.to(device) for m in (unet, one, two)]
    trainer = parallel.Trainer(mods, parallel.cpu_workers() if device == "cpu" else 1, device,
                               ema=0.9985, muon=os.environ.get("MUON", "1") == "1")
    return mods, trainer


def deadline(folder):
    with open(os.path.join(folder, "deadline")) as f:
        return float(f.read())


def save(trainer, folder, start):
    path = os.path.join(folder, "ckpt.pt")
    torch.save({**trainer.state(), "start": start}, path + ".new")
    os.replace(path + ".new", path)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--minutes", type=float)
    ap.add_argument("--resume", action="store_true")
    ap.add_argument("--from", dest="origin")
    args = ap.parse_args()
    out = args.folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    micro, count = (256, 1) if device == "cuda" else (int(os.environ.get("MICRO", 16)), 2)
    torch.set_num_threads(1)
    (unet, one, two), trainer = build(device, args.origin)
    start, peak = time.time(), PEAK / 2 if args.origin else PEAK
    if args.minutes:
        with open(os.path.join(out, "deadline"), "w") as f:
            f.write(str(start + 60 * args.minutes))
    if args.resume:
        state = torch.load(os.path.join(out, "ckpt.pt"))
        trainer.load_state(state)
        if args.minutes:
            peak = PEAK / 2
        else:
            start = state["start"]
    with open(os.path.join(out, "train.pid"), "w") as f:
        f.write(str(os.getpid()))
    latents = torch.from_numpy(np.load(os.path.join(out, "latents.npy"))).share_memory_()
    with open(os.path.join(out, "specs.pkl"), "rb") as f:
        specs = pickle.load(f)
    bar, text, share = alphas_bar().to(device), Text(), np.cumsum([data.weight(s) for s in specs])
    log = open(os.path.join(out, "loss.csv"), "a")
    progress = torch.zeros(1).share_memory_()

    def work(rank):
        torch.manual_seed(1000 * trainer.step_count + rank)
        rng = np.random.default_rng([trainer.step_count, rank])
        trainer.start(rank)
        time_ids = torch.tensor([[128., 128, 0, 0, 128, 128]], device=device).repeat(micro, 1)

        def loss_of():
            idx = np.searchsorted(share, rng.random(micro) * share[-1], side="right")
            texts, drop = [prompts.prompt(specs[i], rng) for i in idx], rng.random(micro)
            texts = ["" if d < 0.05 else t for t, d in zip(texts, drop)]
            keep = torch.tensor((drop < 0.05) | (drop >= 0.1), device=device).float()
            ids, ids_2 = text(texts, device)
            x = latents[torch.from_numpy(idx)].to(device).float()
            t = torch.randint(0, 1000, (micro,), device=device)
            a = bar[t].view(-1, 1, 1, 1)
            noise = torch.randn_like(x)
            noisy = (a.sqrt() * x + (1 - a).sqrt() * noise).contiguous(
                memory_format=torch.channels_last)
            target = a.sqrt() * noise - (1 - a).sqrt() * x
            with torch.autocast(device, torch.bfloat16), sdpa_kernel(
                    SDPBackend.MATH if device == "cpu" else
                    [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
                hidden, pooled = model.encode(one, two, ids, ids_2)
                v = unet(noisy, t, (hidden * keep.view(-1, 1, 1)).to(
                    torch.bfloat16), added_cond_kwargs={
                    "text_embeds": pooled * keep.view(-1, 1), "time_ids": time_ids}).sample
            return (v.float() - target).square().mean()

        first, last_save = trainer.step_count, time.time()
        while progress.item() < 1:
            p = progress.item()
            lr = peak * min(1, (trainer.step_count - first + 1) / WARM_UP) * \
                (0.5 + 0.5 * np.cos(np.pi * p)) + 1e-6
            trainer.step(loss_of, count, lr)
            if rank == 0:
                now = time.time()
                step = trainer.step_count
                if step % 25 == 0:
                    log.write(f"{step},{now - start:.1f},{trainer.take_loss():.5f},{lr:.6f}\n")
                    log.flush()
                progress[0] = min(1, (now - start) / max(1, deadline(out) - start))
                if now - last_save > 120 or progress.item() >= 1:
                    save(trainer, out, start)
                    last_save = now
            trainer.meet()

    parallel.run(trainer, work)
    print("done at step", trainer.step_count)


if __name__ == "__main__":
    main()
