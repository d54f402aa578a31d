"""Small random ControlNets, small_a_control/ and small_b_control/, and what they make of the models.

    venv/bin/python golden_control.py

small_a's is whole, stored as its model (fp16 variant); small_a_control/original_names.txt has what
each of its tensors is called in files of the original layout, checked by diffusers' converter where
that knows the name. small_b's has a plain middle and other transformer depths than its model. Their
zero convolutions are not zero: what they add is about as large as what it is added to.

control.safetensors: networks in float64 as in golden_dumps.py, whose inputs they read; whole runs in
float32 as in golden_stages.py.
"""
import os
import shutil

import diffusers
import numpy as np
import torch
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from PIL import Image
from safetensors.torch import load_file

from golden_dumps import check_close, load, run_unet, save
from golden_models import randomize, unet_name
from golden_sampling import BETAS, schedule
from golden_stages import CFG, NEGATIVE, PROMPT, SEED, Euler

DOWN, ATTENDING = "DownBlock2D", "CrossAttnDownBlock2D"
FACTOR = {"a": 8, "b": 2}
SIZE = 64
PART = dict(scale=0.6, start=0.25, end=0.75)


# ---- the ControlNets ----------------------------------------------------------------------------

def build(name):
    if name == "a":
        sizes = dict(block_out_channels=(32, 32, 64), down_block_types=[DOWN, DOWN, ATTENDING],
                     transformer_layers_per_block=[1, 1, 1], attention_head_dim=[1, 1, 1],
                     cross_attention_dim=128, addition_time_embed_dim=256, norm_num_groups=32,
                     projection_class_embeddings_input_dim=48 + 6 * 256,
                     conditioning_embedding_out_channels=(6, 8, 10, 12))
    else:
        sizes = dict(block_out_channels=(16, 24, 32), down_block_types=[ATTENDING, DOWN, ATTENDING],
                     transformer_layers_per_block=[1, 1, 3], attention_head_dim=[2, 3, 2],
                     cross_attention_dim=80, addition_time_embed_dim=32, norm_num_groups=8,
                     projection_class_embeddings_input_dim=40 + 6 * 32,
                     mid_block_type="UNetMidBlock2D",
                     conditioning_embedding_out_channels=(5, 12))
    torch.manual_seed({"a": 41, "b": 42}[name])
    model = diffusers.ControlNetModel(layers_per_block=1, use_linear_projection=True,
                                      addition_embed_type="text_time", **sizes)
    randomize(model, exact=name == "a")
    generator = torch.Generator().manual_seed(43)
    for key, p in sorted(model.controlnet_cond_embedding.named_parameters()):
        if p.dim() == 4:  # SiLU takes half of each
            x = torch.randn(p.shape, generator=generator) * 1.6 / p[0].numel() ** 0.5
            p.data = x.bfloat16().half().float() if name == "a" else x
    return model.eval().requires_grad_(False)


def original_name(key):
    """As ldm's ControlNet calls it (ComfyUI's comfy/cldm/cldm.py), without control_model."""
    rest = key.split(".", 2)
    if key.startswith("controlnet_cond_embedding."):
        at = {"conv_in": 0, "conv_out": 7}.get(rest[1])
        if at is None:
            block, kind = rest[2].split(".")
            return f"input_hint_block.{2 * (int(block) + 1)}.{kind}"
        return f"input_hint_block.{2 * at}.{rest[2]}"
    if key.startswith("controlnet_down_blocks."):
        return f"zero_convs.{rest[1]}.0.{rest[2]}"
    if key.startswith("controlnet_mid_block."):
        return f"middle_block_out.0.{rest[1]}"
    return unet_name(key, 1, [False, False, True])


def write_names(path, model):
    state = model.state_dict()
    names = {key: original_name(key) for key in state}
    assert len(set(names.values())) == len(names)
    got = convert_controlnet_checkpoint({n: state[k] for k, n in names.items()}, model.config)
    for key, x in state.items():  # the converter is SD 1's and knows no size conditions
        assert key.startswith("add_embedding.") or torch.equal(got[key], x), key
    with open(path, "w", encoding="utf-8") as f:
        for key, name in names.items():
            print(key, name, file=f)


def make_controls(out):
    for name in "ab":
        folder, model = f"{out}/small_{name}_control", build(name)
        shutil.rmtree(folder, ignore_errors=True)
        if name == "a":
            model.half().save_pretrained(folder, variant="fp16")
            write_names(f"{folder}/original_names.txt", model)
        else:
            model.save_pretrained(folder)


def load_control(out, name, dtype):
    model = diffusers.ControlNetModel.from_pretrained(
        f"{out}/small_{name}_control", variant="fp16" if name == "a" else None,
        torch_dtype=torch.float32)
    return model.to(dtype).eval().requires_grad_(False)


def picture(height, width):
    """A hint: lines and a gradient, different in each colour and direction."""
    y, x = np.mgrid[0:height, 0:width]
    lines = np.where((x + 2 * y) % 11 < 3, 255, 0)
    return np.stack([lines, x * 255 // width, 255 - (y * 255 // height) * (lines == 0)],
                    -1).astype(np.uint8)


def as_tensor(pixels, dtype):
    return (torch.from_numpy(pixels).double() / 255).permute(2, 0, 1)[None].to(dtype)


# ---- networks -----------------------------------------------------------------------------------

def controlled(unet, control, x, t, states, added, hint, scale):
    down, mid = control(x, t, states, hint.expand(len(x), -1, -1, -1), conditioning_scale=scale,
                        added_cond_kwargs=added, return_dict=False)
    y = unet(x, t, states, added_cond_kwargs=added, down_block_additional_residuals=down,
             mid_block_additional_residual=mid)
    return y.sample, down, mid


def dump_networks(out, name, tensors):
    """Over cases 0 and 1 of dump_{a,b}/unet.safetensors."""
    inputs = load_file(f"{out}/dump_{name}/unet.safetensors")
    nets = {t: (load(out, name, t)["unet"], load_control(out, name, t))
            for t in (torch.float64, torch.float32)}
    for k in (0, 1):
        latent, t, states, pooled, ids = (inputs[f"{k}.{key}"] for key in (
            "latent", "timestep", "encoder_hidden_states", "text_embeds", "time_ids"))
        pixels = picture(latent.shape[2] * FACTOR[name], latent.shape[3] * FACTOR[name])
        tensors[f"{name}.{k}.hint"] = torch.from_numpy(pixels)
        for scale in (1.0, 0.6):
            y = {}
            for dtype, (unet, control) in nets.items():
                y[dtype], down, mid = controlled(
                    unet, control, latent.to(dtype), t[0].to(dtype), states.to(dtype),
                    {"text_embeds": pooled.to(dtype), "time_ids": ids.to(dtype)},
                    as_tensor(pixels, dtype), scale)
                if dtype == torch.float64 and scale == 1 and k == 1:
                    tensors |= {f"{name}.1.down.{i}": d[:1] for i, d in enumerate(down)}
                    tensors[f"{name}.1.mid"] = mid[:1]
            check_close(f"control {name} {k}", y[torch.float64], y[torch.float32])
            tensors[f"{name}.{k}.output.{scale:g}"] = y[torch.float64]
        plain = run_unet(nets[torch.float64][0], latent.double(), t[0].double(), states.double(),
                         pooled.double(), ids.double())
        change = (tensors[f"{name}.{k}.output.1"] - plain).norm() / plain.norm()
        print(f"{name} {k}: the output changes by {change.item():.2f} of its norm; residuals",
              *(f"{d.std().item():.2f}" for d in (*down, mid)))


# ---- whole runs ---------------------------------------------------------------------------------

def first_latent(name, steps):
    side = SIZE // FACTOR[name]
    noise = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(SEED))
    top = schedule("normal", steps)[0]
    return noise * (top * top + 1) ** 0.5


def run_diffusers(name, parts, control, pixels, steps, scale=1.0, start=0.0, end=1.0, kind=None):
    """kind: what a union is told."""
    image = Image.fromarray(pixels)
    shown = {"image": image} if kind is None else {"control_image": image, "control_mode": kind}
    cls = diffusers.StableDiffusionXLControlNetPipeline
    if kind is not None:
        cls = diffusers.StableDiffusionXLControlNetUnionPipeline
    s = diffusers.EulerDiscreteScheduler(
        timestep_spacing="linspace", prediction_type="epsilon" if name == "a" else "v_prediction",
        **BETAS)
    p = cls(scheduler=s, controlnet=control, force_zeros_for_empty_prompt=name == "a", **parts)
    p.set_progress_bar_config(disable=True)
    s.set_timesteps(steps)
    return p(prompt=PROMPT, negative_prompt=NEGATIVE, **shown, num_inference_steps=steps,
             guidance_scale=CFG, output_type="latent", height=SIZE, width=SIZE,
             latents=first_latent(name, steps) / s.init_noise_sigma,
             controlnet_conditioning_scale=scale, control_guidance_start=start,
             control_guidance_end=end).images


def run_comfyui(parts, control, pixels, steps, start, end):
    """ComfyUI's ControlNetApplyAdvanced: shares of the timesteps (percent_to_sigma), ends included."""
    e = Euler(parts, sigmas=schedule("normal", steps))
    unet, hint = parts["unet"], as_tensor(pixels, torch.float32)

    def step(x, t, states, added_cond_kwargs):
        on = 999 * (1 - end) <= t <= 999 * (1 - start)
        y = controlled(unet, control, x, t, states, added_cond_kwargs, hint, float(on))[0]
        return diffusers.models.unets.unet_2d_condition.UNet2DConditionOutput(sample=y)
    e.unet = step
    return e.run(first_latent("a", steps), 0, e.guided)


def dump_runs(out, name, tensors):
    parts, control = load(out, name, torch.float32), load_control(out, name, torch.float32)
    pixels = picture(SIZE, SIZE)
    tensors[f"{name}.run.hint"] = torch.from_numpy(pixels)
    run = lambda *a, **k: run_diffusers(name, parts, control, pixels, *a, **k)
    for steps in (4, 10) if name == "a" else (4,):  # whose timesteps are whole numbers
        tensors[f"{name}.run.{steps}"] = run(steps)
        tensors[f"{name}.run.{steps}.part"] = run(steps, **PART)
    if name == "a":  # where the tools take other steps
        tensors["a.range.diffusers"] = run(4, start=0.3, end=0.9)
        tensors["a.range.comfyui"] = run_comfyui(parts, control, pixels, 4, 0.3, 0.9)
        error = run_comfyui(parts, control, pixels, 4, 0.25, 0.75) - run(4, start=0.25, end=0.75)
        assert error.norm() < 1e-4 * tensors["a.run.4"].norm(), error.norm()


def make_control(out):
    make_controls(out)
    tensors = {}
    with torch.no_grad():
        for name in "ab":
            dump_networks(out, name, tensors)
            dump_runs(out, name, tensors)
    for key in ("a.run.4", "a.run.10", "b.run.4"):
        print(key, "part differs by", ((tensors[key] - tensors[key + ".part"]).norm()
                                       / tensors[key].norm()).item())
    save(f"{out}/control.safetensors", tensors, seed=SEED, cfg=CFG, prompt=PROMPT,
         negative=NEGATIVE, **PART)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_control(os.path.dirname(os.path.abspath(__file__)))
