"""What the networks compute, one file a subject: dump_{a,b}/{clip,unet,vae}.safetensors.

Computed in float64 from the stored weights and written as F32, so that a dump's own error is
that of one rounding; diffusers' float32 run is checked to agree. Layouts are PyTorch's (NCHW).
"""
import json
import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

PROMPTS = ["", "a red slime, pixel art", "green dragon! knight of the blue sword " * 12]


def load(out, name, dtype=torch.float64):
    """The parts of a saved model, as a user would load them, in `dtype`."""
    folder = f"{out}/small_{name}"
    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel,
               "text_encoder_2": CLIPTextModelWithProjection}
    parts = {}
    for part, cls in classes.items():
        kwargs = {"torch_dtype" if part in ("unet", "vae") else "dtype": torch.float32}
        model = cls.from_pretrained(f"{folder}/{part}", variant="fp16" if name == "a" else None,
                                    **kwargs)
        parts[part] = model.to(dtype).eval().requires_grad_(False)
    for t in ("tokenizer", "tokenizer_2"):
        parts[t] = CLIPTokenizer.from_pretrained(f"{folder}/{t}")
    return parts


def normal(seed, *shape):
    """Seeded standard normals that are exact in F32."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def save(path, tensors, **metadata):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tensors = {k: (x.float() if x.is_floating_point() else x).contiguous()
               for k, x in tensors.items()}
    for key, x in tensors.items():
        assert not x.is_floating_point() or x.isfinite().all(), key
    # one key: safetensors writes several in a random order
    save_file(tensors, path, metadata={"golden": json.dumps(metadata)})
    print(f"{os.sep.join(path.split(os.sep)[-2:])}: {len(tensors)} tensors")


def check_close(what, f64, f32, bound=2e-5):
    error = ((f64 - f32.double()).norm() / f64.norm()).item()
    assert error < bound, f"{what}: float32 differs by {error:.1e}"


def token_ids(tokenizer, prompts):
    return tokenizer(prompts, padding="max_length", max_length=77, truncation=True,
                     return_tensors="pt").input_ids


def encode(parts, prompts):
    """Everything that is read from the two text encoders, by the names of the dump."""
    out = {}
    for i, key in enumerate(("text_encoder", "text_encoder_2"), 1):
        ids = token_ids(parts["tokenizer" if i == 1 else "tokenizer_2"], prompts)
        r = parts[key](ids, output_hidden_states=True)
        states = r.hidden_states
        assert len(states) == parts[key].config.num_hidden_layers + 1
        out |= {f"ids_{i}": ids, f"hidden_2_{i}": states[-2], f"hidden_3_{i}": states[-3],
                f"hidden_1_{i}": states[-1], f"final_{i}": r.last_hidden_state}
        if i == 2:
            out["pooled"] = r.text_embeds
    return out


def context(parts, prompts):
    """SDXL's two inputs to the UNet: [n, 77, width of both] and pooled [n, projection]."""
    e = encode(parts, prompts)
    return torch.cat([e["hidden_2_1"], e["hidden_2_2"]], dim=-1), e["pooled"]


def run_unet(unet, latent, t, states, pooled, time_ids):
    t = torch.as_tensor(t, dtype=torch.float64)
    return unet(latent, t, encoder_hidden_states=states,
                added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}).sample


def make_dumps(out, subjects):
    for name in "ab":
        f64, f32 = load(out, name), load(out, name, torch.float32)
        folder = f"{out}/dump_{name}"
        if "clip" in subjects:
            dump_clip(f"{folder}/clip.safetensors", f64, f32)
        if "unet" in subjects:
            dump_unet(f"{folder}/unet.safetensors", f64["unet"], f32["unet"])
        if "vae" in subjects:
            dump_vae(f"{folder}/vae.safetensors", f64["vae"], f32["vae"])


def dump_clip(path, parts, parts32):
    got, rough = encode(parts, PROMPTS), encode(parts32, PROMPTS)
    for key, x in got.items():
        if x.is_floating_point():
            check_close(key, x, rough[key])
    save(path, got, prompts=PROMPTS)


def dump_unet(path, unet, unet32):
    """Cases 0..2: two at t 999; two wide ones at a broken t; one at t 1 with two chunks."""
    config = unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    cases = [(2, 16, 16, 999.0, 77), (2, 8, 24, 500.5, 77), (1, 16, 16, 1.0, 154)]
    sizes = [[1024.0, 768, 0, 16, 1024, 1024], [64.0, 192, 8, 0, 64, 192]]
    tensors = {}
    for i, (n, h, w, t, length) in enumerate(cases):
        x = {"latent": normal(100 + i, n, 4, h, w),
             "encoder_hidden_states": normal(200 + i, n, length, config.cross_attention_dim),
             "text_embeds": normal(300 + i, n, pooled),
             "time_ids": torch.tensor(sizes[:n]).double()}
        latent, *conditions = x.values()
        y = run_unet(unet, latent, t, *conditions)
        y32 = run_unet(unet32, latent.float(), t, *[c.float() for c in conditions])
        check_close(f"unet {i}", y, y32)
        tensors |= {f"{i}.{k}": v for k, v in x.items()}
        tensors |= {f"{i}.timestep": torch.tensor([t]), f"{i}.output": y}
    save(path, tensors)


def dump_vae(path, vae, vae32):
    """decode.*: z is the decoder's own input, i.e. the latent divided by the scaling factor."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    tensors = {}
    for i, (n, h, w) in enumerate([(1, 8, 8), (2, 4, 12)]):
        z = 2 * normal(400 + i, n, 4, h, w)
        image = vae.decode(z).sample
        check_close("decode", image, vae32.decode(z.float()).sample)
        tensors |= {f"decode.{i}.z": z, f"decode.{i}.image": image}
        pixels = normal(500 + i, n, 3, h * factor, w * factor).clamp(-1, 1)
        d = vae.encode(pixels).latent_dist
        check_close("encode", d.mean, vae32.encode(pixels.float()).latent_dist.mean)
        assert d.logvar.max() < 20 and d.logvar.min() > -30  # diffusers' clamp does nothing here
        tensors |= {f"encode.{i}.image": pixels, f"encode.{i}.mean": d.mean,
                    f"encode.{i}.logvar": d.logvar}
    save(path, tensors, scaling_factor=vae.config.scaling_factor)
