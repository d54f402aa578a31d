"""Data-parallel training for a few CPU cores that other programs use too, or for one GPU.

torch's own threads meet at a barrier after every operator: on shared cores that made training
three times slower than a single thread. Here each core runs a single-threaded process on a model
whose parameters are views of one shared flat tensor. The processes take micro-batches from a
common counter, so that a disturbed core simply takes fewer, meet once a step, and each updates
its own slice of the parameters, moments and averages. The result is plain synchronous training.

Matrices and convolution kernels may be updated by Muon (Keller Jordan 2024: the momentum made
orthogonal by five Newton-Schulz steps; scaled by 0.2 sqrt(max(rows, columns)) as in "Muon is
scalable for LLM training", Liu et al. 2025, so that Adam's rates fit); everything else by AdamW.
"""
import os

import torch
import torch.multiprocessing as mp


class Trainer:
    """Built in the parent, before the fork. On a GPU there is one worker and no fork."""

    def __init__(self, modules, workers, device, betas=(0.9, 0.98), decay=1e-3, ema=0.999, clip=1.0,
                 muon=False):
        named = [(n, p) for m in modules for n, p in m.named_parameters() if p.requires_grad]
        params = [p for _, p in named]
        self.as_matrix = [muon and is_hidden_matrix(n, p) for n, p in named]
        self.params, self.workers, self.device = params, workers, device
        self.betas, self.decay, self.ema_rate, self.clip = betas, decay, ema, clip
        n = sum(p.numel() for p in params)
        new = lambda *shape: torch.zeros(*shape, device=device) if device == "cuda" else \
            torch.zeros(*shape).share_memory_()
        self.flat, self.m, self.v, self.ema = new(n), new(n), new(n), new(n)
        self.grads, self.norms, self.losses = new(workers, n), new(workers), new(workers, 2)
        self.step_count = 0
        for p, view in zip(params, self.views(self.flat)):
            view.copy_(p.data)
            p.data = view
        self.ema.copy_(self.flat)
        ctx = mp.get_context("fork")
        self.barrier, self.counter = ctx.Barrier(workers), ctx.Value("l", 0)

    def views(self, flat):
        """One view a parameter; convolution kernels lie channels-last."""
        at = 0
        for p in self.params:
            chunk = flat[at:at + p.numel()]
            if p.dim() == 4:
                o, i, h, w = p.shape
                yield chunk.view(o, h, w, i).permute(0, 3, 1, 2)
            else:
                yield chunk.view(p.shape)
            at += p.numel()

    def start(self, rank):
        self.rank = rank
        for p, view in zip(self.params, self.views(self.grads[rank])):
            p.grad = view

    def meet(self):
        if self.workers > 1:
            self.barrier.wait()

    def step(self, loss_of, micro_batches, lr):
        """Adds up the gradients of micro_batches calls of loss_of() over all workers; one update."""
        grad = self.grads[self.rank]
        grad.zero_()
        while True:
            with self.counter.get_lock():
                i = self.counter.value
                self.counter.value += 1
            if i >= micro_batches:
                break
            loss = loss_of()
            (loss / micro_batches).backward()
            self.losses[self.rank, 0] += loss.detach()
            self.losses[self.rank, 1] += 1
        self.meet()
        k, mine = self.workers, self.share(self.rank)
        part = slice(mine[0][1], mine[-1][2])
        g = self.grads[0, part].clone()
        for other in range(1, k):
            g += self.grads[other, part]
        self.norms[self.rank] = g.square().sum()
        self.meet()
        norm = self.norms.sum().sqrt()
        g *= (self.clip / (norm + 1e-6)).clamp(max=1.0)
        self.update(g, mine, lr)
        if self.rank == 0:
            self.counter.value = 0
        self.meet()

    def share(self, rank):
        """[(index, begin, end)] of the parameters that this worker updates: whole ones, in a row."""
        total, at, mine = self.flat.numel(), 0, []
        for i, p in enumerate(self.params):
            middle = at + p.numel() / 2
            if total * rank <= middle * self.workers < total * (rank + 1):
                mine.append((i, at, at + p.numel()))
            at += p.numel()
        return mine

    def update(self, g, mine, lr):
        self.step_count += 1
        t, (b1, b2), base = self.step_count, self.betas, mine[0][1]
        part = slice(base, mine[-1][2])
        w, m, v, e = self.flat[part], self.m[part], self.v[part], self.ema[part]
        if not hasattr(self, "adam"):      # 1 where AdamW updates, 0 where Muon does
            self.adam = torch.ones_like(w)
            for i, begin, end in mine:
                self.adam[begin - base:end - base] = 0.0 if self.as_matrix[i] else 1.0
        m.lerp_(g, 1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        denom = (v / (1 - b2 ** t)).sqrt_().add_(1e-8)
        w.mul_(1 - lr * self.decay)
        w.addcdiv_(m * self.adam, denom, value=-lr / (1 - b1 ** t))
        for i, begin, end in mine:
            if self.as_matrix[i]:
                at = slice(begin - base, end - base)
                rows = self.params[i].shape[0]
                x = torch.lerp(g[at], m[at], b1).view(rows, -1)
                x = orthogonal(x) * (0.2 * max(x.shape) ** 0.5)
                w[at].add_(x.reshape(-1), alpha=-lr)
        e.lerp_(w, 1 - min(self.ema_rate, (1 + t) / (10 + t)))

    def take_loss(self):
        """Mean loss since the last call (rank 0 asks)."""
        total, count = self.losses.sum(0).tolist()
        self.losses.zero_()
        return total / max(count, 1)

    def load_ema(self):
        """Puts the averaged weights into the modules, for saving them."""
        self.flat.copy_(self.ema)

    def state(self):
        return {"flat": self.flat.cpu(), "m": self.m.cpu(), "v": self.v.cpu(),
                "ema": self.ema.cpu(), "step": self.step_count}

    def load_state(self, s):
        for name in ("flat", "m", "v", "ema"):
            getattr(self, name).copy_(s[name])
        self.step_count = s["step"]


def is_hidden_matrix(name, p):
    return p.dim() in (2, 4) and min(p.shape[:2]) > 8 and "embedding" not in name


def orthogonal(x):
    """Newton-Schulz: the nearest matrix with orthonormal rows, roughly, in bf16."""
    tall = x.shape[0] > x.shape[1]
    x = (x / (x.norm() + 1e-12)).bfloat16()
    x = x.T.contiguous() if tall else x
    for _ in range(5):
        a = x @ x.T
        x = torch.addmm(x, torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x.T if tall else x).float()


def run(trainer, work):
    """Calls work(rank) in every worker; the caller is rank 0 and returns when all are done."""
    children = []
    ctx = mp.get_context("fork")
    for rank in range(1, trainer.workers):
        child = ctx.Process(target=work, args=(rank,), daemon=True)
        child.start()
        children.append(child)
    work(0)
    for child in children:
        child.join()


def cpu_workers():
    return int(os.environ.get("WORKERS", os.cpu_count()))
