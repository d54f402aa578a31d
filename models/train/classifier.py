"""A small judge of kind, colour and traits, trained on drawn sprites only, never on generated ones.

It sees all combinations, fresh drawings every epoch, with noise, blur, fading and shifts, so that
it looks at shapes rather than at single pixels. The image is given at one pixel a cell.

    python classifier.py OUT.pt [minutes]
"""
import os
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import data
import draw


# What a prompt may ask for beside kind and colour; each is there or not.
TRAITS = {"big": lambda s: s["size"] == "big", "small": lambda s: s["size"] == "small",
          "crown": lambda s: s["crown"], "sword": lambda s: s["sword"], "wings": lambda s: s["wings"],
          "sparkling": lambda s: s["sparkling"], "facing left": lambda s: s["facing"] == "left",
          "black background": lambda s: s["background"] == "black",
          "grey background": lambda s: s["background"] == "grey"}


class Judge(nn.Module):
    def __init__(self, w=24):
        super().__init__()
        layers, c = [], 3
        for i, o in enumerate((w, 2 * w, 3 * w, 4 * w)):
            layers += [nn.Conv2d(c, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
            if i:
                layers += [nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if i < 3 else []
            c = o
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.kind = nn.Linear(c * 16, len(draw.KIND_NAMES))
        self.colour = nn.Linear(c * 16, len(draw.COLOUR_NAMES))
        self.traits = nn.Linear(c * 16, len(TRAITS))

    def forward(self, x):
        h = self.body(x)
        return self.kind(h), self.colour(h), self.traits(h)


def to_tensor(sprites):
    return torch.from_numpy(np.ascontiguousarray(sprites)).permute(0, 3, 1, 2).float() / 127.5 - 1


def labels(specs):
    return (torch.tensor([draw.KIND_NAMES.index(s["kind"]) for s in specs]),
            torch.tensor([draw.COLOUR_NAMES.index(s["colour"]) for s in specs]),
            torch.tensor([[float(has(s)) for has in TRAITS.values()] for s in specs]))


def augment(x):
    n = len(x)
    x = torch.roll(x, tuple(torch.randint(-1, 2, (2,)).tolist()), (2, 3))
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.lerp(x, soft, torch.rand(n, 1, 1, 1) * 0.6)
    x = x * (0.9 + 0.1 * torch.rand(n, 1, 1, 1)) + 0.04 * torch.randn(n, 3, 1, 1)
    return x + torch.randn_like(x) * 0.12 * torch.rand(n, 1, 1, 1)


def load(path):
    judge = Judge()
    judge.load_state_dict(torch.load(path))
    return judge.eval()


@torch.no_grad()
def accuracy(judge, sprites, specs):
    x, (kind, colour, traits) = to_tensor(sprites), labels(specs)
    outs = [judge(x[i:i + 256]) for i in range(0, len(x), 256)]
    k = torch.cat([o[0] for o in outs]).argmax(1) == kind
    c = torch.cat([o[1] for o in outs]).argmax(1) == colour
    t = (torch.cat([o[2] for o in outs]) > 0) == (traits > 0.5)
    return tuple(x.float().mean().item() for x in (k, c, k & c, t))


def main():
    path, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 6
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("THREADS", 1)))
    sprites, specs = data.render_many(501, 16000, everything=True)
    test, test_specs = data.render_many(502, 2000, everything=True)
    x, (kind, colour, traits) = to_tensor(sprites), labels(specs)
    judge = Judge().to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(judge.parameters(), lr=0, weight_decay=0.02)
    start, step = time.process_time(), 0
    while (done := (time.process_time() - start) / (60 * minutes)) < 1:
        for g in opt.param_groups:
            g["lr"] = 2e-3 * min(1, (step + 1) / 50) * (1 - done)
        i = torch.randint(0, len(x), (64,))
        a, b, t = judge(augment(x[i]))
        loss = F.cross_entropy(a, kind[i]) + F.cross_entropy(b, colour[i]) + \
            2 * F.binary_cross_entropy_with_logits(t, traits[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        step += 1
        if step % 100 == 0:
            print(step, f"{time.process_time() - start:.0f}s loss {loss.item():.4f}", flush=True)
    judge.eval()
    torch.save(judge.state_dict(), path)
    print("drawn sprites not trained on: kind %.4f, colour %.4f, both %.4f, traits %.4f"
          % accuracy(judge, test, test_specs))


if __name__ == "__main__":
    main()
