"""Fits the small network that shows what a latent looks like without decoding it.

    python preview.py DIR [--model FOLDER] [--images 160] [--layers 3x24,1x24m,3] [--dry] [--sheet OUT.png]

A few convolutions turn each latent into 2x2 pixels: for models/tiny one pixel a cell of the sprite.
The pairs are latents as previews meet them (what the sampler sees at its
steps, from the noisiest to the last) and encoded drawings; the target is the decoder's own picture
of the same latent, shrunk. Writes latent_preview into FOLDER/spritty.json (--dry: only says the
error). DIR keeps the pairs, so that a second fit with other sizes takes a minute.
"""
import argparse
import json
import os
import re

import numpy as np
import torch
import torch.nn.functional as F

import data
import draw
import evaluate
import prompts

SCALE, STEPS = 2, 20
TEST_IMAGES, TEST_STEPS = 64, (1, 2, 5, 10, 15, 20)


class Net(torch.nn.Module):
    """As src/sdxl/preview.c computes it: the latent is continued beyond its edges once, a ReLU stands
    between the layers, the last channels are (row, column, colour). A layer with a mean adds a linear
    function of its inputs' mean over the picture: the decoder normalises over the whole picture, so
    no neighbourhood alone tells the hue."""

    def __init__(self, channels, layers):
        super().__init__()
        self.convs, self.means = torch.nn.ModuleList(), torch.nn.ModuleList()
        for kernel, out, mean in layers:
            self.convs.append(torch.nn.Conv2d(channels, out, kernel))
            self.means.append(torch.nn.Linear(channels, out, bias=False) if mean else None)
            channels = out

    def forward(self, z):
        left = sum(c.kernel_size[0] // 2 for c in self.convs)
        x = F.pad(z, [left] * 4, mode="replicate")
        for i, (conv, mean) in enumerate(zip(self.convs, self.means)):
            x = F.relu(x) if i else x
            inside = x[:, :, left:x.shape[2] - left, left:x.shape[3] - left]
            x = conv(x)
            if mean is not None:
                x = x + mean(inside.mean((2, 3)))[:, :, None, None]
            left -= conv.kernel_size[0] // 2
        n, _, h, w = x.shape
        x = x.reshape(n, SCALE, SCALE, 3, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, 3, h * SCALE, w * SCALE)


def asked(images, held_out, seed):
    """Prompts of combinations that the model was trained on, or of those that it never saw."""
    r, out = np.random.default_rng(seed), []
    combos = sorted(data.HELD_OUT)
    for i in range(images):
        k, c = combos[i % len(combos)] if held_out else (None, None)
        spec = draw.sample_spec(r, kind=k, colour=c, allowed=None if held_out else data.allowed)
        out.append(prompts.prompt(spec, r))
    return out


def seen_by_sampler(pipe, texts, seed, steps, cfg):
    """The denoised latents of every step: [steps, n, 4, 16, 16]."""
    seen, step = [], type(pipe.scheduler).step

    def watched(*args, return_dict=True, **kwargs):
        out = step(pipe.scheduler, *args, **kwargs)
        seen.append(out.pred_original_sample.float().cpu())
        return (out.prev_sample,)

    pipe.scheduler.step = watched
    evaluate.generate(pipe, texts, range(seed, seed + len(texts)), steps, cfg)
    del pipe.scheduler.step
    return torch.stack(seen)


@torch.no_grad()
def shrunk_decode(pipe, z):
    """What the decoder makes of latents, -1 to 1, SCALE pixels a latent each way."""
    out = []
    for part in z.split(16):
        x = pipe.vae.decode(part.to(pipe.device) / pipe.vae.config.scaling_factor).sample
        x = x.float().clamp(-1, 1)
        out.append(F.avg_pool2d(x, x.shape[-1] // (z.shape[-1] * SCALE)).cpu())
    return torch.cat(out)


@torch.no_grad()
def encoded_drawings(pipe, count, seed):
    sprites, _ = data.render_many(seed, count)
    x = torch.from_numpy(sprites).permute(0, 3, 1, 2).float() / 127.5 - 1
    x = x.repeat_interleave(draw.CELL, 2).repeat_interleave(draw.CELL, 3)
    return torch.cat([pipe.vae.encode(p.to(pipe.device)).latent_dist.mode().float().cpu()
                      for p in x.split(16)]) * pipe.vae.config.scaling_factor


def gather(pipe, images):
    """Training pairs, and held-out ones by step: z [steps, n, ...]."""
    r, z = np.random.default_rng(11), []
    for i in range(0, images, 16):
        steps, cfg = int(r.choice([8, 14, 20, 20, 30])), float(r.choice([2, 3.5, 3.5, 5]))
        texts = asked(16, False, 5000 + i)
        some = seen_by_sampler(pipe, texts, 50000 + i, steps, cfg)
        keep = np.append(r.choice(steps - 1, 6, replace=False), steps - 1)
        z.append(some[np.sort(keep)].flatten(0, 1))
        print(f"{i + 16} of {images} images", flush=True)
    z.append(encoded_drawings(pipe, images, (3, images)))
    test = []
    texts = asked(TEST_IMAGES, True, 77)
    for i in range(0, TEST_IMAGES, 16):
        test.append(seen_by_sampler(pipe, texts[i:i + 16], 90000 + i, STEPS, 3.5))
    test = torch.cat(test, 1)[[s - 1 for s in TEST_STEPS]]
    z = torch.cat(z)
    return {"z": z, "x": shrunk_decode(pipe, z), "test_z": test,
            "test_x": shrunk_decode(pipe, test.flatten(0, 1)).unflatten(0, test.shape[:2])}


def apart(x):
    """How far the channels are apart: nothing for greys."""
    return F.avg_pool2d(torch.stack([x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]], 1), SCALE)


def hue(x):
    return apart(x).abs().mean().item()


def fit(pairs, layers, updates, batch=48, rate=4e-3):
    torch.manual_seed(5)
    net = Net(pairs["z"].shape[1], layers).to(memory_format=torch.channels_last)
    # The mean square of all, a little pull on what is beyond white and black, and once more the hue,
    # which is what is hard.
    opt = torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.99), weight_decay=1e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, rate, total_steps=updates, pct_start=0.05)
    z = pairs["z"].contiguous(memory_format=torch.channels_last)
    for i in range(updates):
        pick = torch.randint(len(z), (batch,))
        out, want = net(z[pick]), pairs["x"][pick]
        loss = F.mse_loss(out.clamp(-1, 1), want) + 0.02 * F.mse_loss(out, want)
        loss = loss + 0.3 * F.mse_loss(apart(out), apart(want))
        opt.zero_grad()
        loss.backward()
        opt.step()
        plan.step()
        if (i + 1) % 1000 == 0:
            print(f"update {i + 1}: loss {loss.item():.4f}", flush=True)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.from_numpy(np.round(p.numpy(), 4)))
    return net


def linear(card, z):
    """The preview of the factors alone, each pixel shown as 2x2."""
    w, b = torch.tensor(card["latent_rgb_factors"]), torch.tensor(card["latent_rgb_bias"])
    x = torch.einsum("nchw,ck->nkhw", z, w) + b[:, None, None]
    return x.repeat_interleave(SCALE, 2).repeat_interleave(SCALE, 3)


def rms(a, b):
    return ((a.clamp(-1, 1) - b) ** 2).mean().item() ** 0.5


@torch.no_grad()
def report(net, card, pairs):
    for step, z, x in zip(TEST_STEPS, pairs["test_z"], pairs["test_x"]):
        ours, flat, end = net(z).clamp(-1, 1), linear(card, z), pairs["test_x"][-1]
        print(f"step {step:2}: rms {rms(ours, x):.3f} to the decode of that step "
              f"(linear {rms(flat, x):.3f}), {rms(ours, end):.3f} to the last "
              f"(the decode itself {rms(x, end):.3f}); hue {hue(ours):.3f} of {hue(x):.3f} "
              f"(linear {hue(flat.clamp(-1, 1)):.3f})")
    z, x = pairs["test_z"].flatten(0, 1), pairs["test_x"].flatten(0, 1)
    print(f"held-out prompts, all these steps: rms {rms(net(z), x):.4f}, "
          f"linear {rms(linear(card, z), x):.4f}, of -1 to 1")


def layer(conv, mean):
    out = {"kernel": conv.kernel_size[0], "bias": conv.bias.tolist(),
           "weight": conv.weight.flatten(1).tolist()}
    return out if mean is None else {**out, "mean": mean.weight.tolist()}


def write(path, layers):
    """Adds the network to spritty.json: a row of weights is an output's, channel by channel, in
    each the kernel's rows."""
    with open(path) as f:
        card = json.load(f)
    card.pop("latent_preview", None)
    net = {"latent_preview": {"scale": SCALE, "activation": "relu", "layers": layers}}
    number = r"-?[0-9.e-]+"
    rows = re.sub(rf"\[\s*{number}(?:,\s*{number})*\s*\]",
                  lambda m: json.dumps([round(v, 4) for v in json.loads(m.group())]),
                  json.dumps(net, indent=1))
    with open(path, "w") as f:
        f.write(json.dumps(card, indent=1)[:-2] + "," + rows[1:])
    print(f"{path}: {os.path.getsize(path)} bytes")


@torch.no_grad()
def sheet(path, net, pairs, count=16):
    """Rows: what the network shows at the steps; below it the decode. Columns: held-out prompts."""
    from PIL import Image
    rows = []
    for z, x in zip(pairs["test_z"][:, :count], pairs["test_x"][:, :count]):
        rows += [net(z).clamp(-1, 1), x]
    tiles = F.pad(torch.stack(rows), [1, 1, 1, 1])
    img = tiles.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    img = ((img * 127.5) + 127.5).round().to(torch.uint8).numpy()
    Image.fromarray(img.repeat(3, 0).repeat(3, 1)).save(path)


def layers_of(text):
    parts = [p.rstrip("m").split("x") + [p.endswith("m")] for p in text.split(",")]
    parts[-1].insert(1, SCALE * SCALE * 3)
    return [(int(kernel), int(out), mean) for kernel, out, mean in parts]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--model", default=os.path.join(evaluate.HERE, "..", "tiny"))
    ap.add_argument("--images", type=int, default=160)
    ap.add_argument("--layers", default="3x24,1x24m,3",
                    help="kernel x outputs, m: with the mean; the last one's kernel")
    ap.add_argument("--updates", type=int, default=4500)
    ap.add_argument("--dry", action="store_true")
    ap.add_argument("--sheet")
    args = ap.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))
    path = os.path.join(args.folder, "preview_pairs.pt")
    if not os.path.exists(path):
        torch.save(gather(evaluate.pipeline(args.model), args.images), path)
    pairs = torch.load(path)
    print(f"{len(pairs['z'])} pairs")
    with open(os.path.join(args.model, "spritty.json")) as f:
        card = json.load(f)
    net = fit(pairs, layers_of(args.layers), args.updates)
    report(net, card, pairs)
    if not args.dry:
        write(os.path.join(args.model, "spritty.json"),
              [layer(*l) for l in zip(net.convs, net.means)])
    if args.sheet:
        sheet(args.sheet, net, pairs)


if __name__ == "__main__":
    main()
