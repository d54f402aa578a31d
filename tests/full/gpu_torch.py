#!/usr/bin/env python3
"""SDXL base's UNet and VAE decoder in PyTorch, random weights of the same shapes, FP16, channels last,
scaled_dot_product_attention: what `make gpu-bench` measures beside spritty. Needs PyTorch alone.

    gpu_torch.py [--compile] [--side 1024] [--batch 1]

Prints a line of JSON a measurement: milliseconds of a guided step (two samples an image) and of a decode.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

TIME = 1280


class Res(nn.Module):
    def __init__(self, cin, cout, time=TIME, eps=1e-5):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(32, cin, eps), nn.Conv2d(cin, cout, 3, padding=1)
        self.time = nn.Linear(time, cout) if time else None
        self.norm2, self.conv2 = nn.GroupNorm(32, cout, eps), nn.Conv2d(cout, cout, 3, padding=1)
        self.skip = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x, emb=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None:
            h = h + self.time(F.silu(emb))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, c, context, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(c, c, bias=False)
        self.k, self.v = nn.Linear(context, c, bias=False), nn.Linear(context, c, bias=False)
        self.out = nn.Linear(c, c)

    def forward(self, x, y):
        n, s, c = x.shape
        q, k, v = (f(t).view(n, -1, self.heads, c // self.heads).transpose(1, 2)
                   for f, t in ((self.q, x), (self.k, y), (self.v, y)))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, s, c))


class Block(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.norm1, self.attn1 = nn.LayerNorm(c), Attention(c, c, heads)
        self.norm2, self.attn2 = nn.LayerNorm(c), Attention(c, 2048, heads)
        self.norm3, self.gate, self.down = nn.LayerNorm(c), nn.Linear(c, 8 * c), nn.Linear(4 * c, c)

    def forward(self, x, text):
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), text)
        h, g = self.gate(self.norm3(x)).chunk(2, -1)
        return x + self.down(h * F.gelu(g))


class Transformer(nn.Module):
    def __init__(self, c, depth):
        super().__init__()
        self.norm, self.proj_in = nn.GroupNorm(32, c, 1e-6), nn.Linear(c, c)
        self.blocks = nn.ModuleList(Block(c, c // 64) for _ in range(depth))
        self.proj_out = nn.Linear(c, c)

    def forward(self, x, text):
        n, c, h, w = x.shape
        y = self.proj_in(self.norm(x).permute(0, 2, 3, 1).reshape(n, h * w, c))
        for b in self.blocks:
            y = b(y, text)
        return x + self.proj_out(y).reshape(n, h, w, c).permute(0, 3, 1, 2)


class UNet(nn.Module):
    CHANNELS, DEPTH = (320, 640, 1280), (0, 2, 10)

    def __init__(self):
        super().__init__()
        ch, depth = self.CHANNELS, self.DEPTH
        self.time = nn.Sequential(nn.Linear(320, TIME), nn.SiLU(), nn.Linear(TIME, TIME))
        self.added = nn.Sequential(nn.Linear(2816, TIME), nn.SiLU(), nn.Linear(TIME, TIME))
        self.conv_in = nn.Conv2d(4, 320, 3, padding=1)
        self.down, self.up, skips, c = nn.ModuleList(), nn.ModuleList(), [320], 320
        for i in range(3):
            for _ in range(2):
                self.down.append(nn.ModuleList([Res(c, ch[i]), Transformer(ch[i], depth[i]) if depth[i] else None]))
                c = ch[i]
                skips.append(c)
            if i < 2:
                self.down.append(nn.ModuleList([nn.Conv2d(c, c, 3, 2, 1), None]))
                skips.append(c)
        self.mid = nn.ModuleList([Res(c, c), Transformer(c, depth[2]), Res(c, c)])
        for i in (2, 1, 0):
            for j in range(3):
                self.up.append(nn.ModuleList([Res(c + skips.pop(), ch[i]),
                                              Transformer(ch[i], depth[i]) if depth[i] else None]))
                c = ch[i]
            if i:
                self.up.append(nn.ModuleList([nn.Conv2d(c, c, 3, padding=1), None]))
        self.norm, self.conv_out = nn.GroupNorm(32, c), nn.Conv2d(c, 4, 3, padding=1)

    def forward(self, x, sinusoid, added, text):
        emb = self.time(sinusoid) + self.added(added)
        x = self.conv_in(x)
        skips = [x]
        for layer, attn in self.down:
            x = layer(x, emb) if isinstance(layer, Res) else layer(x)
            x = attn(x, text) if attn is not None else x
            skips.append(x)
        x = self.mid[2](self.mid[1](self.mid[0](x, emb), text), emb)
        for layer, attn in self.up:
            if isinstance(layer, Res):
                x = layer(torch.cat([x, skips.pop()], 1), emb)
                x = attn(x, text) if attn is not None else x
            else:
                x = layer(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.norm(x)))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        ch, c = (512, 512, 256, 128), 512
        self.conv_in = nn.Conv2d(4, 512, 3, padding=1)
        self.res1, self.res2 = Res(512, 512, 0, 1e-6), Res(512, 512, 0, 1e-6)
        self.norm, self.attn = nn.GroupNorm(32, 512, 1e-6), Attention(512, 512, 1)
        self.up = nn.ModuleList()
        for i in range(4):
            for _ in range(3):
                self.up.append(Res(c, ch[i], 0, 1e-6))
                c = ch[i]
            if i < 3:
                self.up.append(nn.Conv2d(c, c, 3, padding=1))
        self.norm_out, self.conv_out = nn.GroupNorm(32, 128, 1e-6), nn.Conv2d(128, 3, 3, padding=1)

    def forward(self, z):
        x = self.res1(self.conv_in(z))
        n, c, h, w = x.shape
        y = self.norm(x).permute(0, 2, 3, 1).reshape(n, h * w, c)
        x = self.res2(x + self.attn(y, y).reshape(n, h, w, c).permute(0, 3, 1, 2))
        for layer in self.up:
            x = layer(x) if isinstance(layer, Res) else layer(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(x)))


def timed(f, runs, device):
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    for _ in range(3 if device == "cuda" else 1):
        f()
    times = []
    for _ in range(runs):
        wait()
        began = time.perf_counter()
        f()
        wait()
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)[len(times) // 2]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--compile", action="store_true")
    a.add_argument("--side", type=int, default=1024)
    a.add_argument("--batch", type=int, default=1)
    a.add_argument("--runs", type=int, default=10)
    a.add_argument("--small", action="store_true", help="fewer channels and blocks: goes through all of it on a CPU")
    a.add_argument("--count", action="store_true", help="count the parameters and leave")
    o = a.parse_args()
    if o.count:
        with torch.device("meta"):
            print(json.dumps({name: sum(p.numel() for p in m().parameters()) for name, m in
                              (("unet", UNet), ("decoder", Decoder))}))
        return
    if o.small:
        UNet.CHANNELS, UNet.DEPTH = (64, 64, 128), (0, 1, 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.float16 if device == "cuda" else torch.float32
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    with torch.inference_mode():
        torch.set_default_dtype(kind)  # and there: 2.6 billion weights are drawn in a moment
        with torch.device(device):
            unet = UNet().to(memory_format=torch.channels_last)
        n, h = 2 * o.batch, o.side // 8
        inputs = [torch.randn(s, device=device, dtype=kind) for s in
                  ((n, 4, h, h), (n, 320), (n, 2816), (n, 77, 2048))]
        inputs[0] = inputs[0].to(memory_format=torch.channels_last)
        how = "compiled" if o.compile else "eager"
        took = {}
        for name, net, args in (("step", unet, inputs), ("decode", None, inputs[:1])):
            if net is None:
                del unet
                with torch.device(device):
                    net = Decoder().to(memory_format=torch.channels_last)
                args = [inputs[0][:1]]
            run = torch.compile(net, mode="max-autotune-no-cudagraphs" if o.batch > 1 else "reduce-overhead") if o.compile else net
            began = time.perf_counter()
            ms = timed(lambda: run(*args), o.runs, device)
            took[name] = ms
            print(json.dumps({"part": f"torch {how} {name}", "device": device, "torch": torch.__version__, "side": o.side,
                              "batch": o.batch, "ms": round(ms, 3), "seconds": round(time.perf_counter() - began, 1)}),
                  flush=True)
        # without its text encoders and its sampler, which are left out in PyTorch's favour
        print(json.dumps({"part": f"torch {how} image", "device": device, "side": o.side, "batch": o.batch,
                          "ms": round(20 * took["step"] + o.batch * took["decode"], 3)}), flush=True)


main()
