"""Trains the VAE of models/tiny.

A sprite is 32x32 cells of 4x4 equal pixels, so the two finest levels of the factor-8 VAE have
nothing to learn. We train a two-level AutoencoderKL on cells (factor 2) and then expand it to the
four levels of SDXL: the finer residual blocks add zero, the finer downsamplers average 2x2 pixels
and the finer upsamplers copy. The result is the same function on cells, so 4x4 blocks come out
exactly constant, and training costs a sixteenth. The expanded weights can be finetuned as usual.

Last, the latents are moved and scaled, inside the 1x1 convolutions beside them, so that the white
background is zero in all channels and each channel has unit mean square: the noisiest steps then
start from "nothing there", which is a plain white image.

    python train_vae.py DIR [seconds] [--resume]
                                      reads DIR/sprites.npy, writes DIR/vae/ and DIR/latents.npy
    python train_vae.py DIR seconds --decoder FOLDER [rate]
                                      trains on the decoder of the VAE in FOLDER alone, from
                                      DIR/latents.npy and, if it is there, DIR/pairs.npz (pairs.py):
                                      the latents stay what they were, so a UNet that knows them is
                                      good with either. Writes DIR/decoder/, in FP16 as models/tiny is.
                                      Seconds are one process's, so pauses do not shorten the run;
                                      DIR/seconds may hold others, which may change while it runs
    python train_vae.py DIR --encode FOLDER      writes DIR/latents.npy by the VAE in FOLDER
"""
import os
import pickle
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import export
import parallel

WIDTH, DEEP, GROUPS, LATENT = 32, 64, 8, 4
DIRT = 0.2
HELD = 512   # pairs, the last ones, that nothing learns from: the decoder is judged by them
NEAR = 0.24  # root mean square from the drawing's latents; seven of ten pairs are as near
BLOCK = 50   # 200 took ten times as long: torch asked the system for new pages at every operator


def make(widths):
    n = len(widths)
    return AutoencoderKL(in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * n,
                         up_block_types=["UpDecoderBlock2D"] * n, block_out_channels=widths,
                         layers_per_block=1, latent_channels=LATENT, norm_num_groups=GROUPS,
                         sample_size=128, scaling_factor=1.0, force_upcast=False)


def keep_centre(model):
    """The first and last convolutions see one cell only: at pixel size they must stay pointwise."""
    with torch.no_grad():
        for conv in (model.encoder.conv_in, model.decoder.conv_out):
            centre = conv.weight[:, :, 1, 1].clone()
            conv.weight.zero_()
            conv.weight[:, :, 1, 1] = centre


def copy_tap(conv, taps):
    """Makes a 3x3 convolution with equal widths pass each channel on, averaging the taps."""
    conv.weight.zero_()
    conv.bias.zero_()
    i = torch.arange(conv.weight.shape[0])
    for y, x in taps:
        conv.weight[i, i, y, x] = 1 / len(taps)


@torch.no_grad()
def expand(cell):
    """The four-level VAE that computes on 4x4 blocks what `cell` computes on cells."""
    full = make([WIDTH, WIDTH, WIDTH, DEEP])
    src, dst = cell.state_dict(), full.state_dict()
    moved = {"encoder.down_blocks.0.": "encoder.down_blocks.2.",
             "encoder.down_blocks.1.": "encoder.down_blocks.3."}
    for name, value in src.items():
        for old, new in moved.items():
            if name.startswith(old):
                name = new + name[len(old):]
        dst[name].copy_(value)
    full.load_state_dict(dst)
    for block in (full.encoder.down_blocks[0], full.encoder.down_blocks[1]):
        for res in block.resnets:
            res.conv2.weight.zero_(), res.conv2.bias.zero_()
        copy_tap(block.downsamplers[0].conv, [(0, 0), (0, 1), (1, 0), (1, 1)])
    for block in (full.decoder.up_blocks[2], full.decoder.up_blocks[3]):
        for res in block.resnets:
            res.conv2.weight.zero_(), res.conv2.bias.zero_()
    for block in (full.decoder.up_blocks[1], full.decoder.up_blocks[2]):
        copy_tap(block.upsamplers[0].conv, [(1, 1)])
    return full


@torch.no_grad()
def collapse(full):
    """The inverse of expand()."""
    cell = make([WIDTH, DEEP])
    src = full.state_dict()
    moved = {"encoder.down_blocks.0.": "encoder.down_blocks.2.",
             "encoder.down_blocks.1.": "encoder.down_blocks.3."}
    for name, value in cell.state_dict().items():
        for new, old in moved.items():
            if name.startswith(new):
                name = old + name[len(new):]
                break
        value.copy_(src[name])
    return cell


@torch.no_grad()
def normalise(model, white, rms):
    """New latent = (latent - white) / rms for each channel; the function as a whole stays."""
    c, enc, dec = LATENT, model.quant_conv, model.post_quant_conv
    enc.weight[:c] /= rms.view(-1, 1, 1, 1)
    enc.bias[:c] = (enc.bias[:c] - white) / rms
    enc.bias[c:] -= 2 * rms.log()
    dec.bias += dec.weight[:, :, 0, 0] @ white
    dec.weight *= rms.view(1, -1, 1, 1)


def images(sprites, idx, device):
    x = torch.from_numpy(sprites[idx]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def load(folder):
    return collapse(AutoencoderKL.from_pretrained(folder, variant="fp16").float())


@torch.no_grad()
def encode(out, folder):
    model, sprites = load(folder).eval(), np.load(os.path.join(out, "sprites.npy"), mmap_mode="r")
    latents = [model.encode(images(sprites, np.arange(i, min(i + BLOCK, len(sprites))), "cpu"))
               .latent_dist.mean.half().numpy() for i in range(0, len(sprites), BLOCK)]
    np.save(os.path.join(out, "latents.npy"), np.concatenate(latents))


class Decoded:
    """Batches of latents and the drawings that a decoder should make of them: three of four are what
    the UNet left (pairs.py), the others drawn ones with noise of up to DIRT. Of what the UNet left,
    what went too far from its drawing teaches that things vanish, so that is left out; what sparkles
    comes three times as often."""

    def __init__(self, out):
        read = lambda name: np.load(os.path.join(out, name), mmap_mode="r")
        self.sprites, self.latents, self.returned = read("sprites.npy"), read("latents.npy"), None
        if not os.path.exists(os.path.join(out, "pairs.npz")):
            return
        pairs = read("pairs.npz")
        z, index = pairs["z"], pairs["index"]
        far = np.sqrt(np.square(z.astype(np.float32) - self.latents[index]).mean((1, 2, 3)))
        self.held, self.held_index = (a[-HELD:][far[-HELD:] < NEAR] for a in (z, index))
        self.returned, self.index = (a[:-HELD][far[:-HELD] < NEAR] for a in (z, index))
        with open(os.path.join(out, "specs.pkl"), "rb") as f:
            specs = pickle.load(f)
        self.share = np.cumsum([3 if specs[i]["sparkling"] else 1 for i in self.index])

    def batch(self, rng, n):
        idx = rng.integers(0, len(self.sprites), n if self.returned is None else n // 4)
        z = torch.from_numpy(self.latents[idx]).float()
        z = z + DIRT * torch.rand(len(z), 1, 1, 1) * torch.randn_like(z)
        if self.returned is not None:
            k = np.searchsorted(self.share, rng.random(n - n // 4) * self.share[-1], side="right")
            z = torch.cat([z, torch.from_numpy(self.returned[k]).float()])
            idx = np.concatenate([idx, self.index[k]])
        return z.contiguous(memory_format=torch.channels_last), images(self.sprites, idx, "cpu")


def thin(x):
    """1 where what is drawn is less than three cells wide: [n, 1, 32, 32]."""
    drawn = ((x - x[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.1).float()
    broad = F.max_pool2d(-F.max_pool2d(-drawn, 3, 1, 1), 3, 1, 1)
    return drawn * (1 - broad)


def exactness(y, x):
    """One part is the plain distance, whose median keeps tones flat where the mean of what is likely
    would waver between them. The logarithm gives most for the last bit to a drawing's own colour.
    Both would leave out what is seen in less than half of such latents, which are sparkles and the
    like; so what is less than three cells wide counts four times."""
    d = (y - x).abs()
    weight = 1 + 3 * thin(x)
    return 0.25 * (weight * d).mean() + 0.07 * (weight[:, 0] * torch.log1p(d.amax(1) / 0.03)).mean()


def seconds(out, planned):
    path = os.path.join(out, "seconds")
    if not os.path.exists(path):
        return planned
    with open(path) as f:
        return float(f.read())


def train_decoder(out, budget, folder, peak):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    decoded, model = Decoded(out), load(folder)
    keep_centre(model)
    trainer = parallel.Trainer([model.post_quant_conv, model.decoder], parallel.cpu_workers(), "cpu",
                               ema=0.998, muon=os.environ.get("MUON", "1") == "1")
    judge(model, decoded)
    start, done = time.process_time(), torch.zeros(1).share_memory_()

    def work(rank):
        torch.manual_seed(rank)
        rng = np.random.default_rng([7, rank])
        trainer.start(rank)

        def loss_of():
            z, x = decoded.batch(rng, 16)
            return exactness(model.decode(z).sample, x)

        while done < 1:
            step = trainer.step_count
            trainer.step(loss_of, 2, peak * min(1, (step + 1) / 100) *
                         (0.5 + 0.5 * np.cos(np.pi * done.item())) + 1e-6)
            if rank == 0:
                keep_centre(model)
                spent = time.process_time() - start
                done[0] = min(spent / seconds(out, budget), 1.0)
                if step % 100 == 0:
                    print(f"{step} {spent:.0f}s loss {trainer.take_loss():.4f}", flush=True)
                if step % 500 == 499:
                    torch.save(trainer.state(), os.path.join(out, "decoder.pt"))
            trainer.meet()

    parallel.run(trainer, work)
    trainer.load_ema()
    keep_centre(model)
    judge(model, decoded)
    report(model, decoded.sprites)
    export.write_part(os.path.join(out, "decoder"), expand(model).eval())


@torch.no_grad()
def judge(model, decoded):
    """Of the pairs held out: the loss, and the cells within 8 of 255 of their drawing's colour, of all
    that are not white and of the thin ones."""
    if decoded.returned is None:
        return
    loss, right, of, n = 0, torch.zeros(2), torch.zeros(2), len(decoded.held)
    for i in range(0, n, BLOCK):
        x = images(decoded.sprites, decoded.held_index[i:i + BLOCK], "cpu")
        y = model.decode(torch.from_numpy(decoded.held[i:i + BLOCK]).float()).sample
        loss += exactness(y, x).item() * len(x) / n
        exact = ((y - x).abs().amax(1) < 8 / 127.5)
        for j, cells in enumerate((x.amin(1) < 0.96, thin(x)[:, 0] > 0)):
            right[j] += exact[cells].sum()
            of[j] += cells.sum()
    all_cells, thin_cells = (100 * right / of).tolist()
    print(f"{n} pairs held out: loss {loss:.4f}, {all_cells:.2f}% of the cells exact, "
          f"{thin_cells:.2f}% of the thin ones", flush=True)


@torch.no_grad()
def report(model, sprites):
    cells = images(sprites, np.arange(64), "cpu")
    err = (model.decode(model.encode(cells).latent_dist.mean).sample.clamp(-1, 1) - cells).abs() * 127.5
    print(f"mean error {err.mean():.2f} of 255, cells off by more than 24: "
          f"{(err.amax(1) > 24).float().mean() * 100:.2f}%")


def main():
    if "--decoder" in sys.argv:
        return train_decoder(sys.argv[1], float(sys.argv[2]), sys.argv[4],
                             float(sys.argv[5]) if len(sys.argv) > 5 else 7e-4)
    if "--encode" in sys.argv:
        return encode(sys.argv[1], sys.argv[3])
    out, budget = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 900
    device = "cuda" if torch.cuda.is_available() else "cpu"
    micro, count = (256, 1) if device == "cuda" else (16, 2)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sprites = np.load(os.path.join(out, "sprites.npy"))
    model = make([WIDTH, DEEP])
    if "--resume" in sys.argv:
        model = collapse(AutoencoderKL.from_pretrained(os.path.join(out, "vae")))
    model = model.to(device)
    keep_centre(model)
    trainer = parallel.Trainer([model], parallel.cpu_workers() if device == "cpu" else 1, device,
                               ema=0.99)
    start = time.time()
    latents = torch.zeros(len(sprites), LATENT, 16, 16).share_memory_()

    def work(rank):
        torch.manual_seed(rank)
        rng = np.random.default_rng(rank)
        trainer.start(rank)
        seen = {}

        def loss_of():
            x = images(sprites, rng.integers(0, len(sprites), micro), device)
            with torch.autocast(device, torch.bfloat16):
                post = model.encode(x).latent_dist
                mean, logvar = post.mean.float(), post.logvar.float()
                z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
                y = model.decode(z).sample.float()
            kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).mean()
            l1, l2 = (y - x).abs().mean(), F.mse_loss(y, x)
            seen.update(l1=l1.item(), mse=l2.item(), kl=kl.item(), std=mean.std().item(),
                        sigma=(0.5 * logvar).exp().mean().item())
            return l1 + 2 * l2 + 1e-3 * kl

        done, step = 0.0, 0
        while done < 1:
            lr = 3e-3 * min(1, (step + 1) / 60) * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-6
            trainer.step(loss_of, count, lr)
            if rank == 0:
                keep_centre(model)
                trainer.norms[0] = min((time.time() - start) / budget, 1.0)
                if step % 50 == 0:
                    print(f"{step} {time.time() - start:.0f}s", *[f"{k} {v:.4f}" for k, v in seen.items()],
                          flush=True)
            trainer.meet()
            done = trainer.norms[0].item()
            trainer.meet()
            step += 1
        if rank == 0:
            trainer.load_ema()
            keep_centre(model)
        trainer.meet()
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            for i in range(50 * rank, len(sprites), 50 * trainer.workers):
                x = images(sprites, np.arange(i, min(i + 50, len(sprites))), device)
                latents[i:i + 50] = model.encode(x).latent_dist.mean.float().cpu()
        trainer.meet()

    parallel.run(trainer, work)
    finish(model, sprites, latents, out)


@torch.no_grad()
def finish(model, sprites, latents, out):
    model = model.float().cpu().eval()
    blank = torch.ones(1, 3, 32, 32)
    white = model.encode(blank).latent_dist.mean[0].mean((1, 2))
    moved = latents - white.view(1, -1, 1, 1)
    rms = moved.square().mean((0, 2, 3)).sqrt()
    np.save(os.path.join(out, "latents.npy"), (moved / rms.view(1, -1, 1, 1)).half().numpy())
    print("white", white.tolist(), "rms", rms.tolist())
    normalise(model, white, rms)
    full = expand(model).eval()
    full.save_pretrained(os.path.join(out, "vae"))
    cells = images(sprites, np.arange(64), "cpu")
    pixels = cells.repeat_interleave(4, 2).repeat_interleave(4, 3)
    z = model.encode(cells).latent_dist.mean
    small, big = model.decode(z).sample, full.decode(z).sample
    print("expanded decoder differs by", (big[:, :, ::4, ::4] - small).abs().max().item(),
          "expanded encoder by", (full.encode(pixels).latent_dist.mean - z).abs().max().item(),
          "within a cell by", (big[:, :, ::4, ::4] - big[:, :, 1::4, 3::4]).abs().max().item())
    report(model, sprites)


if __name__ == "__main__":
    main()
