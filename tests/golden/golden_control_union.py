"""A small random ControlNet Union for small_a, small_a_union/, and what it makes of the model.

    venv/bin/python golden_control_union.py

It knows 8 kinds of picture and is told one, or nothing ("auto", which diffusers does not have; as
ComfyUI's comfy/cldm/cldm.py has it for an empty list of kinds). All of it is random and of a useful
size: published ones begin with zeros where something is added.

What it makes of the means over the hint looks at no other token. diffusers puts that of the sample
beside the hint's, but its nn.MultiheadAttention is not batch_first: each token attends to those of
its own place in the batch's other images, and for the one hint of a batch they are itself. ComfyUI
and A1111 leave the sample's token out and attend along the sequence: the same numbers, which
check_alone sees.

control_union.safetensors: networks in float64 over the inputs of dump_a/unet.safetensors, whole
runs in float32, as in golden_control.py.
"""
import os
import shutil

import diffusers
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from golden_control import (DOWN, ATTENDING, FACTOR, PART, SIZE, as_tensor, controlled, picture,
                            original_name, run_comfyui, run_diffusers)
from golden_dumps import check_close, load, save
from golden_models import randomize
from golden_stages import CFG, NEGATIVE, PROMPT, SEED

KINDS, HEADS, WIDTH = 8, 8, 32
CANNY = 3
OWN = ("control_add_embedding.", "task_embedding", "transformer_layes.", "spatial_ch_projs.")


def build():
    torch.manual_seed(44)
    model = diffusers.ControlNetUnionModel(
        block_out_channels=(WIDTH, 32, 64), down_block_types=[DOWN, DOWN, ATTENDING],
        transformer_layers_per_block=[1, 1, 1], attention_head_dim=[1, 1, 1],
        cross_attention_dim=128, addition_time_embed_dim=256, norm_num_groups=32,
        projection_class_embeddings_input_dim=48 + 6 * 256, layers_per_block=1,
        use_linear_projection=True, addition_embed_type="text_time",
        conditioning_embedding_out_channels=(6, 8, 10, 12), num_control_type=KINDS,
        num_trans_channel=WIDTH, num_proj_channel=WIDTH, num_trans_head=HEADS, num_trans_layer=1)
    randomize(model, exact=True)
    generator = torch.Generator().manual_seed(45)
    for key, p in sorted(model.named_parameters()):
        if key.startswith("controlnet_cond_embedding.") and p.dim() == 4:  # SiLU takes half of each
            x = torch.randn(p.shape, generator=generator) * 1.6 / p[0].numel() ** 0.5
        elif key.endswith(("ln_1.weight", "ln_2.weight")):
            x = p.data + 1
        else:
            continue
        p.data = x.bfloat16().half().float()
    return model.eval().requires_grad_(False)


def make_union(out):
    folder, model = f"{out}/small_a_union", build()
    shutil.rmtree(folder, ignore_errors=True)
    model.half().save_pretrained(folder, variant="fp16")
    with open(f"{folder}/original_names.txt", "w", encoding="utf-8") as f:
        for key in model.state_dict():
            print(key, key if key.startswith(OWN) else original_name(key), file=f)


def load_union(out, dtype):
    model = diffusers.ControlNetUnionModel.from_pretrained(
        f"{out}/small_a_union", variant="fp16", torch_dtype=torch.float32)
    return model.to(dtype).eval().requires_grad_(False)


class Told:
    """The union as a ControlNet that has been told a kind; None: nothing."""

    def __init__(self, model, kind):
        self.model, self.kind = model, kind

    def __call__(self, x, t, states, hint, **more):
        told = torch.zeros(len(x), KINDS, dtype=x.dtype)
        if self.kind is not None:
            told[:, self.kind] = 1
            return self.model(x, t, states, controlnet_cond=[hint], control_type=told,
                              control_type_idx=[self.kind], **more)
        nothing = self.model.spatial_ch_projs.register_forward_hook(lambda m, i, y: 0 * y)
        try:  # which leaves the plain hint
            return self.model(x, t, states, controlnet_cond=[hint], control_type=told,
                              control_type_idx=[0], **more)
        finally:
            nothing.remove()


def alpha_alone(model, hint, kind):
    """As ComfyUI and A1111 have it: the hint's token is the whole sequence."""
    x = model.controlnet_cond_embedding(hint).mean(dim=(2, 3)) + model.task_embedding[kind]
    x = x[:, None]
    for layer in model.transformer_layes:
        qkv = F.linear(layer.ln_1(x), layer.attn.in_proj_weight, layer.attn.in_proj_bias)
        q, k, v = (y.unflatten(2, (HEADS, -1)).transpose(1, 2) for y in qkv.chunk(3, dim=2))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + layer.attn.out_proj(y)
        x = x + layer.mlp(layer.ln_2(x))
    return model.spatial_ch_projs(x[:, 0])


def check_alone(model, run, hint):
    """run() with diffusers' sequence gives the same alpha."""
    seen = []
    handle = model.spatial_ch_projs.register_forward_hook(lambda m, i, y: seen.append(y))
    run()
    handle.remove()
    alone = alpha_alone(model, hint, CANNY)
    assert len(seen) == 1 and (seen[0] - alone).norm() < 1e-12 * alone.norm()
    print(f"alpha has a size of {alone.std().item():.2f}")


def dump_networks(out, tensors):
    inputs = load_file(f"{out}/dump_a/unet.safetensors")
    nets = {t: (load(out, "a", t)["unet"], load_union(out, t))
            for t in (torch.float64, torch.float32)}
    for k in (0, 1):
        latent, t, states, pooled, ids = (inputs[f"{k}.{key}"] for key in (
            "latent", "timestep", "encoder_hidden_states", "text_embeds", "time_ids"))
        pixels = picture(latent.shape[2] * FACTOR["a"], latent.shape[3] * FACTOR["a"])
        tensors[f"a.{k}.hint"] = torch.from_numpy(pixels)

        def run(dtype, kind, scale):
            unet, union = nets[dtype]
            return controlled(unet, Told(union, kind), latent.to(dtype), t[0].to(dtype),
                              states.to(dtype),
                              {"text_embeds": pooled.to(dtype), "time_ids": ids.to(dtype)},
                              as_tensor(pixels, dtype), scale)
        check_alone(nets[torch.float64][1], lambda: run(torch.float64, CANNY, 1.0),
                    as_tensor(pixels, torch.float64))
        for name, kind, scale in (("canny", CANNY, 1.0), ("canny.part", CANNY, PART["scale"]),
                                  ("other", KINDS - 1, 1.0), ("auto", None, 1.0)):
            y, down, mid = run(torch.float64, kind, scale)
            check_close(f"union {k} {name}", y, run(torch.float32, kind, scale)[0])
            tensors[f"a.{k}.output.{name}"] = y
            if k == 1 and name in ("canny", "auto"):
                tensors |= {f"a.1.{name}.down.{i}": d[:1] for i, d in enumerate(down)}
                tensors[f"a.1.{name}.mid"] = mid[:1]
        y = tensors[f"a.{k}.output.canny"]
        print(k, "residuals", *(f"{d.std().item():.2f}" for d in (*down, mid)), "other kinds:", *(
            f"{((tensors[f'a.{k}.output.{n}'] - y).norm() / y.norm()).item():.2f}"
            for n in ("other", "auto")))


def dump_runs(out, tensors):
    parts, union = load(out, "a", torch.float32), load_union(out, torch.float32)
    pixels = picture(SIZE, SIZE)
    tensors["a.run.hint"] = torch.from_numpy(pixels)
    tensors["a.run.canny"] = run_diffusers("a", parts, union, pixels, 4, kind=CANNY)
    tensors["a.run.canny.part"] = run_diffusers("a", parts, union, pixels, 4, kind=CANNY, **PART)
    tensors["a.run.auto"] = run_comfyui(parts, Told(union, None), pixels, 4, 0.0, 1.0)
    same = run_comfyui(parts, Told(union, CANNY), pixels, 4, 0.0, 1.0)
    size = tensors["a.run.canny"].norm()
    assert (same - tensors["a.run.canny"]).norm() < 1e-4 * size
    print("runs differ by", *(f"{((tensors[key] - same).norm() / size).item():.2f}"
                              for key in ("a.run.canny.part", "a.run.auto")))


def make_control_union(out):
    make_union(out)
    tensors = {}
    with torch.no_grad():
        dump_networks(out, tensors)
        dump_runs(out, tensors)
    save(f"{out}/control_union.safetensors", tensors, seed=SEED, cfg=CFG, prompt=PROMPT,
         negative=NEGATIVE, **PART)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_control_union(os.path.dirname(os.path.abspath(__file__)))
