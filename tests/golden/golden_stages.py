"""Stages beyond a prompt: image to image, inpainting, a second pass, a refiner, rescaled guidance.

Final latents of diffusers' pipelines over small_a (EulerDiscreteScheduler on the ten integer
timesteps 999, 888, ... 0, so that both sides see the same sigmas), and of ComfyUI's and A1111's
masks, ComfyUI's RescaleCFG and its two samplers of base and refiner, which are restated here over
Euler's rule; and of both tools' trees under k-diffusion's DPM++ 2M SDE where an image begins. small_refiner is made
here too: a folder as the SDXL refiner's, with the second text encoder alone. An inpainting model
(nine channels) is small_a with another first convolution, which is in the dump.
"""
import json
import os
import shutil

import diffusers
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import CLIPTextModelWithProjection

from golden_dumps import load, save
from golden_models import MERGES, clip_config, randomize, unet, vae
from golden_sampling import BETAS, interpolated_timestep, k_diffusion, schedule
from golden_tokens import write_tokenizer

PROMPT, NEGATIVE, SEED, STEPS, CFG = "a red slime, pixel art", "green cat", 7, 10, 5.0
SIZE = 64


# ---- the refiner --------------------------------------------------------------------------------

def make_refiner(out):
    folder = f"{out}/small_refiner"
    torch.manual_seed(13)
    parts = {"text_encoder_2": CLIPTextModelWithProjection(clip_config(64, 96, 3, 1, 48, "gelu", 2)),
             # five size conditions, not six
             "unet": unet((32, 32, 32), (False, True, False), 1, [1, 1, 1], [1, 1, 1], 64,
                          48 - 256, 256, 32, 16),
             "vae": vae((32, 32, 32, 32), 1, 32, 0.13025, True)}
    shutil.rmtree(folder, ignore_errors=True)
    for name, part in parts.items():
        randomize(part, exact=True)
        part.eval().requires_grad_(False).half().save_pretrained(f"{folder}/{name}", variant="fp16")
    write_tokenizer(f"{folder}/tokenizer_2", MERGES, "!")
    scheduler().save_pretrained(f"{folder}/scheduler")
    index = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "_diffusers_version": "0.42.1",
             "force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True,
             "scheduler": ["diffusers", "EulerDiscreteScheduler"], "text_encoder": [None, None],
             "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
             "tokenizer": [None, None], "tokenizer_2": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    with open(f"{folder}/model_index.json", "w", encoding="utf-8") as f:
        json.dump(index, f, indent=2)
        f.write("\n")
    for part in parts.values():
        part.float()
    return parts


# ---- diffusers ----------------------------------------------------------------------------------

def scheduler():
    return diffusers.EulerDiscreteScheduler(timestep_spacing="linspace", **BETAS)


class Leading(diffusers.EulerDiscreteScheduler):
    """Begins as a scheduler whose timesteps lead does: SDXL's own."""

    @property
    def init_noise_sigma(self):
        return (self.sigmas.max() ** 2 + 1) ** 0.5


def common(**more):
    return dict(prompt=PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS,
                guidance_scale=CFG, output_type="latent",
                generator=torch.Generator().manual_seed(SEED)) | more


def pipeline(cls, parts, **more):
    kind = getattr(diffusers, f"StableDiffusionXL{cls}Pipeline")
    p = kind(scheduler=scheduler(), force_zeros_for_empty_prompt=True, **parts, **more)
    p.set_progress_bar_config(disable=True)
    return p


def first_latent(side=SIZE // 8):
    """Noise at the first level, as a pipeline whose timesteps lead has it."""
    noise = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(SEED))
    top = schedule("normal", STEPS)[0]
    return noise * (top * top + 1) ** 0.5 / scheduler().init_noise_sigma


def inpainting(parts):
    """small_a whose UNet reads latent, mask and masked picture."""
    config = {k: x for k, x in parts["unet"].config.items() if not k.startswith("_")}
    unet9 = diffusers.UNet2DConditionModel(**(config | {"in_channels": 9}))
    conv_in = torch.randn(32, 9, 3, 3, generator=torch.Generator().manual_seed(17)) / 9
    weights = parts["unet"].state_dict() | {"conv_in.weight": conv_in.bfloat16().half().float()}
    unet9.load_state_dict(weights)
    return parts | {"unet": unet9.eval().requires_grad_(False)}, weights["conv_in.weight"]


def pictures():
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    image = np.stack([(x * 4) % 256, (y * 4) % 256, ((x // 8 + y // 8) % 2) * 200], -1)
    mask = np.where((x > 20) & (x < 50) & (y > 12) & (y < 44), 255, 0)
    return Image.fromarray(image.astype(np.uint8)), Image.fromarray(mask.astype(np.uint8), "L")


# ---- ComfyUI and A1111, restated ----------------------------------------------------------------

class Euler:
    """k-diffusion's Euler over small_a, with the timestep that belongs to each sigma."""

    def __init__(self, parts, side=SIZE, sigmas=None):
        p = pipeline("", parts)
        states, un_states, pooled, un_pooled = p.encode_prompt(
            PROMPT, negative_prompt=NEGATIVE, do_classifier_free_guidance=True)
        self.unet, self.sigmas = parts["unet"], sigmas or schedule("normal", STEPS)
        self.states = torch.cat([un_states, states])
        ids = torch.tensor([[side, side, 0, 0, side, side]] * 2).float()
        self.added = {"text_embeds": torch.cat([un_pooled, pooled]), "time_ids": ids}
        self.told = torch.zeros(1, 0, side // 8, side // 8)  # mask and picture, if it reads them

    def denoised(self, x, sigma):
        """Without and with the prompt."""
        t = torch.tensor(interpolated_timestep(sigma))
        shown = torch.cat([x / (sigma * sigma + 1) ** 0.5, self.told], 1)
        y = self.unet(torch.cat([shown, shown]), t, self.states,
                      added_cond_kwargs=self.added).sample
        return (x - sigma * y).chunk(2)

    def run(self, x, first, model):
        for s, s_next in zip(self.sigmas[first:], self.sigmas[first + 1:]):
            x = x + (x - model(x, s)) / s * (s_next - s)
        return x

    def run_sde(self, x, first, whole):
        """DPM++ 2M SDE over the end of the schedule. ComfyUI's tree spans that end, A1111's the whole
        schedule (create_noise_sampler in sd_samplers_common.py)."""
        k, sigmas = k_diffusion().sampling, torch.tensor(self.sigmas).float()
        top = sigmas[0] if whole else sigmas[first]
        tree = k.BrownianTreeNoiseSampler(x, sigmas[-2], top, seed=SEED)
        return k.sample_dpmpp_2m_sde(lambda x, s: self.guided(x, float(s[0])), x, sigmas[first:],
                                     disable=True, noise_sampler=tree)

    def run_ancestral(self, x, first, last):
        """ComfyUI's euler_ancestral on the CPU, whose generator begins with each sampler."""
        generator = torch.Generator().manual_seed(SEED + 1)
        for s, t in zip(self.sigmas[first:last], self.sigmas[first + 1:last + 1]):
            up = min(t, (t ** 2 * (s ** 2 - t ** 2) / s ** 2) ** 0.5)
            down = (t ** 2 - up ** 2) ** 0.5
            x = x + (x - self.guided(x, s)) / s * (down - s)
            if t > 0:
                x = x + torch.randn(x.shape, generator=generator) * up
        return x

    def guided(self, x, sigma):
        un, co = self.denoised(x, sigma)
        return un + CFG * (co - un)

    def rescaled(self, multiplier):
        """ComfyUI's RescaleCFG (comfy_extras/nodes_model_advanced.py)."""
        def model(x, s):
            un, co = ((x / (s * s + 1) - d) * (s * s + 1) ** 0.5 / s for d in self.denoised(x, s))
            both = un + CFG * (co - un)
            out = both * (co.std() / both.std()) * multiplier + both * (1 - multiplier)
            return x / (s * s + 1) - out * s / (s * s + 1) ** 0.5
        return model


def make_stages(out):
    parts = load(out, "a", torch.float32)
    image, mask = pictures()
    tensors = {"image": torch.from_numpy(np.array(image)), "mask": torch.from_numpy(np.array(mask))}

    with torch.no_grad():
        run = lambda cls, **more: pipeline(cls, parts)(**common(**more)).images
        tensors["img2img"] = run("Img2Img", image=image, strength=0.6)
        tensors["inpaint"] = run("Inpaint", image=image, mask_image=mask, strength=0.7,
                                 height=SIZE, width=SIZE)
        plain = dict(height=SIZE, width=SIZE, latents=first_latent())
        base = tensors["base"] = run("", **plain)
        tensors["rescale.diffusers"] = run("", guidance_rescale=0.7, **plain)
        tensors["unguided.diffusers"] = run("", **(plain | {"guidance_scale": 0.0}))
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic"):
            large = F.interpolate(base, size=(12, 12), mode=mode)
            tensors[f"hires.{mode}"] = run("Img2Img", image=large, strength=0.5)

        refiner = make_refiner(out) | {"tokenizer_2": parts["tokenizer_2"], "text_encoder": None,
                                       "tokenizer": None}
        half = run("", denoising_end=0.6, **plain)
        second = pipeline("Img2Img", refiner, requires_aesthetics_score=True)
        second.register_to_config(force_zeros_for_empty_prompt=False)
        tensors["refiner"] = second(**common(image=half, denoising_start=0.6)).images

        # masks; the posterior's mean
        e, s = Euler(parts), schedule("normal", STEPS)
        pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None] / 127.5 - 1
        keep = parts["vae"].encode(pixels).latent_dist.mode() * parts["vae"].config.scaling_factor
        noise = torch.randn(keep.shape, generator=torch.Generator().manual_seed(SEED))
        m = F.interpolate(torch.from_numpy(np.array(mask)).float()[None, None] / 255, size=(8, 8),
                          mode="bilinear")
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        grown = ((x > 17) & (x < 53) & (y > 9) & (y < 47)).astype(np.float32)

        def comfyui(over):
            return lambda x, sigma: (e.guided(x * m + (keep + over * sigma) * (1 - m), sigma) * m
                                     + keep * (1 - m))
        # 7 steps with denoise 0.7 are the last 7 of 10
        begun = keep + noise * s[3]
        tensors["mask.comfyui"] = e.run(begun, 3, comfyui(noise))
        # VAEEncodeForInpaint: grey under the mask, which then grows by three
        soft, m = m, F.interpolate(torch.from_numpy(grown)[None, None], size=(8, 8),
                                   mode="bilinear")
        plain, keep = keep, parts["vae"].encode(
            pixels * (torch.from_numpy(np.array(mask)) < 128)).latent_dist.mode()
        keep = keep * parts["vae"].config.scaling_factor
        tensors["mask.comfyui.grey"] = e.run(keep + noise * s[3], 3, comfyui(noise))
        m, keep = soft, plain
        # its ddim is Euler with a noise of seed + 1 over what is kept (inpaint_options "random")
        other = torch.randn(keep.shape, generator=torch.Generator().manual_seed(SEED + 1))
        tensors["mask.comfyui.ddim"] = e.run(begun, 3, comfyui(other))
        for tool in ("comfyui", "a1111"):
            tensors[f"brownian.{tool}"] = e.run_sde(begun, 3, tool == "a1111")
        # Hires. fix over pixels: bytes, cut off, enlarged by Pillow; ten of twenty steps
        first = e.run(noise * s[0], 0, e.guided)
        rgb = (parts["vae"].decode(first / parts["vae"].config.scaling_factor).sample + 1) / 2
        rgb = (255 * rgb.clamp(0, 1)).numpy()[0].transpose(1, 2, 0).astype(np.uint8)
        rgb = np.array(Image.fromarray(rgb).resize((96, 96), Image.LANCZOS), dtype=np.float32)
        rgb = torch.from_numpy(rgb / 255).permute(2, 0, 1)[None] * 2 - 1
        large = parts["vae"].encode(rgb).latent_dist.mode() * parts["vae"].config.scaling_factor
        h = Euler(parts, 96, schedule("normal", 2 * STEPS))
        wide = torch.randn(large.shape, generator=torch.Generator().manual_seed(SEED))
        tensors["hires.a1111.lanczos"] = h.run(large + wide * h.sigmas[STEPS], STEPS, h.guided)
        # two KSamplerAdvanced of one model and one seed
        half = e.run_ancestral(noise * (s[0] ** 2 + 1) ** 0.5, 0, 6)
        tensors["refiner.comfyui"] = e.run_ancestral(half, 6, STEPS)
        small = np.around(np.array(mask.convert("RGB").resize((8, 8))).astype(np.float32) / 255)
        r = torch.from_numpy(small[..., 0])[None, None]

        def a1111(x, sigma):
            return e.guided(x, sigma) * r + keep * (1 - r)
        # 0.6 of 10 steps: t_enc 6, so the last 7
        x = e.run(keep + noise * s[3], 3, a1111)
        tensors["mask.a1111"] = x * r + keep * (1 - r)

        # an inpainting model: what diffusers makes of it, and the two loops above with what
        # ComfyUI (InpaintModelConditioning, concat_cond) and A1111 (inpainting_image_conditioning)
        # show it: the mask rounded after or before it is shrunk, the picture grey under it
        nine, tensors["inpaint9.conv_in"] = inpainting(parts)
        p = pipeline("Inpaint", nine)
        p.scheduler = Leading.from_config(p.scheduler.config)
        for name, strength in (("inpaint9", 0.7), ("inpaint9.full", 1.0)):
            tensors[name] = p(**common(image=image, mask_image=mask, strength=strength,
                                       height=SIZE, width=SIZE)).images
        grey = pixels * (torch.from_numpy(np.array(mask)) < 128)
        vae, factor = nine["vae"], nine["vae"].config.scaling_factor
        grey, blank = (vae.encode(x).latent_dist.mode() * factor for x in (grey, 0 * pixels))
        e = Euler(nine)
        e.told = torch.cat([m.round(), grey], 1)
        tensors["mask9.comfyui"] = e.run(keep + noise * s[3], 3, comfyui(noise))
        picked = F.interpolate(torch.from_numpy(np.array(mask)).float()[None, None] / 255,
                               size=(8, 8))
        e.told = torch.cat([picked, grey], 1)
        x = e.run(keep + noise * s[3], 3, a1111)
        tensors["mask9.a1111"] = x * r + keep * (1 - r)
        # without a mask: all of it, over a grey picture, which ComfyUI has as four numbers
        e.told = torch.cat([torch.ones(1, 1, 8, 8), blank], 1)
        tensors["text9.a1111"] = e.run(noise * s[0], 0, e.guided)
        e.told[:, 1:] = torch.tensor([0.8223, -0.6876, 0.6364, 0.1380])[None, :, None, None]
        tensors["text9.comfyui"] = e.run(noise * (s[0] ** 2 + 1) ** 0.5, 0, e.guided)
        e = Euler(parts)
        tensors["rescale.comfyui"] = e.run(noise * (s[0] ** 2 + 1) ** 0.5, 0, e.rescaled(0.7))
    save(f"{out}/stages.safetensors", tensors, seed=SEED, steps=STEPS, cfg=CFG)
