"""Trains models/tiny-lines, a ControlNet for models/tiny, from what hints.py wrote into DIR.

    python train_control.py DIR [--minutes M] [--resume]

Its blocks begin as a copy of the UNet's way down and middle; UNet and text encoders stay as they are.
Of every drawing a new hint is made each time. DIR/ckpt.pt is written every two minutes, DIR/deadline
may be moved while it runs, as with train.py; DIR/train.pids has the ids of all its processes, which
may be stopped and continued. At noisy steps a picture's shape is decided, so these are learnt twice as
often. A fifth of the prompts is left out: some zeros, as the sampler's negative is, some "".
"""
import argparse
import os
import pickle
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from diffusers import ControlNetModel

import hints
import model
import parallel
import prompts
import train

PEAK, WARM_UP = 1.5e-3, 60
HINT_WIDTHS = (8, 16, 32, 64)   # three strides of two: the VAE's factor of 8


def new_control(unet):
    torch.manual_seed(0)
    control = ControlNetModel.from_unet(unet, conditioning_channels=3,
                                        conditioning_embedding_out_channels=HINT_WIDTHS)
    # diffusers starts it with zeros too; behind the zeros of the last convolutions it learns sooner.
    torch.nn.init.kaiming_uniform_(control.controlnet_cond_embedding.conv_out.weight, a=1)
    return control


def build(device):
    unet, one, two = (m.to(device).eval().requires_grad_(False) for m in train.exported(train.MODEL))
    control = new_control(unet).to(device, memory_format=torch.channels_last).train()
    unet.to(memory_format=torch.channels_last)
    trainer = parallel.Trainer([control], parallel.cpu_workers() if device == "cpu" else 1, device,
                               ema=0.998, muon=True)
    return control, unet, one, two, trainer


def to_tensor(images, device):
    """Hints [n, 128, 128] as the network sees them: 0 to 1, three times."""
    x = torch.from_numpy(np.stack(images)).to(device).float() / 255
    return x[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def v_with(control, unet, noisy, t, hint, hidden, added):
    down, middle = control(noisy, t, hidden, hint, added_cond_kwargs=added, return_dict=False)
    return unet(noisy, t, hidden, added_cond_kwargs=added, down_block_additional_residuals=down,
                mid_block_additional_residual=middle).sample


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--minutes", type=float)
    ap.add_argument("--resume", action="store_true")
    args = ap.parse_args()
    out = args.folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    micro, count = (256, 1) if device == "cuda" else (int(os.environ.get("MICRO", 16)), 2)
    bf16 = os.environ.get("BF16", "0") == "1" or device == "cuda"
    torch.set_num_threads(1)
    control, unet, one, two, trainer = build(device)
    start, peak = time.time(), PEAK
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
    pids = os.path.join(out, "train.pids")
    open(pids, "w").close()
    latents = torch.from_numpy(np.load(os.path.join(out, "latents.npy"))).share_memory_()
    drawn = dict(np.load(os.path.join(out, "drawn.npz")))
    with open(os.path.join(out, "specs.pkl"), "rb") as f:
        specs = pickle.load(f)
    bar, text = train.alphas_bar().to(device), train.Text()
    log = open(os.path.join(out, "loss.csv"), "a")
    progress = torch.zeros(1).share_memory_()

    def work(rank):
        with open(pids, "a") as f:
            f.write(f"{os.getpid()}\n")
        torch.manual_seed(1000 * trainer.step_count + rank)
        rng = np.random.default_rng([trainer.step_count, rank])
        trainer.start(rank)
        time_ids = torch.tensor([[128., 128, 0, 0, 128, 128]], device=device).repeat(micro, 1)

        def loss_of():
            idx = rng.integers(len(specs), size=micro)
            drop = rng.random(micro)
            texts = ["" if d < 0.05 else prompts.prompt(specs[i], rng) for i, d in zip(idx, drop)]
            keep = torch.tensor((drop < 0.05) | (drop >= 0.2), device=device).float()
            ids, ids_2 = text(texts, device)
            hint = to_tensor([hints.hint(hints.nth(drawn, i), rng) for i in idx], device)
            x = latents[torch.from_numpy(idx)].to(device).float()
            low = torch.where(torch.rand(micro) < 0.5, 400, 0)
            t = (low + torch.rand(micro) * (1000 - low)).long().to(device)
            a = bar[t].view(-1, 1, 1, 1)
            noise = torch.randn_like(x)
            noisy = (a.sqrt() * x + (1 - a).sqrt() * noise).contiguous(
                memory_format=torch.channels_last)
            target = a.sqrt() * noise - (1 - a).sqrt() * x
            with torch.autocast(device, torch.bfloat16, enabled=bf16), sdpa_kernel(
                    SDPBackend.MATH if device == "cpu" else
                    [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
                with torch.no_grad():
                    hidden, pooled = model.encode(one, two, ids, ids_2)
                v = v_with(control, unet, noisy, t, hint, hidden * keep.view(-1, 1, 1),
                           {"text_embeds": pooled * keep.view(-1, 1), "time_ids": time_ids})
            return (v.float() - target).square().mean()

        first, last_save = trainer.step_count, time.time()
        while progress.item() < 1:
            lr = peak * min(1, (trainer.step_count - first + 1) / WARM_UP) * \
                (0.5 + 0.5 * np.cos(np.pi * progress.item())) + 1e-6
            trainer.step(loss_of, count, lr)
            if rank == 0:
                now, step = time.time(), trainer.step_count
                if step % 25 == 0:
                    log.write(f"{step},{now - start:.1f},{trainer.take_loss():.5f},{lr:.6f}\n")
                    log.flush()
                progress[0] = min(1, (now - start) / max(1, train.deadline(out) - start))
                if now - last_save > 120 or progress.item() >= 1:
                    train.save(trainer, out, start)
                    last_save = now
            trainer.meet()

    parallel.run(trainer, work)
    print("done at step", trainer.step_count)


if __name__ == "__main__":
    main()
