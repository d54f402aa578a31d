"""Writes models/tiny as a diffusers folder from the checkpoint in DIR (averaged weights, FP16).

    python export.py DIR [--out FOLDER] [--random]      --random: untrained weights, for loaders
"""
import argparse
import json
import os
import shutil

import numpy as np
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler
from safetensors.torch import load_file, save_file

import draw
import prompts
import train

SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 num_train_timesteps=1000, prediction_type="v_prediction",
                 timestep_spacing="leading", steps_offset=1)
EXAMPLES = ["a green slime with a crown", "a blue knight with a sword", "a red potion",
            "a big purple wizard", "a pink mushroom with wings", "a sparkling cyan gem",
            "an orange cat facing left", "a white ghost on a black background"]


def write_part(path, module):
    shutil.rmtree(path, ignore_errors=True)
    for p in module.parameters():
        p.data = p.data.clone(memory_format=torch.contiguous_format)
    module.half().save_pretrained(path, variant="fp16", safe_serialization=True)
    forget_origin(os.path.join(path, "config.json"))


def write(folder, modules, vae):
    unet, one, two = modules
    parts = {"unet": unet, "vae": vae, "text_encoder": one, "text_encoder_2": two}
    for name, module in parts.items():
        write_part(os.path.join(folder, name), module)
    published_names(os.path.join(folder, "text_encoder", "model.fp16.safetensors"))
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(os.path.join(folder, "scheduler"))
    with open(os.path.join(folder, "model_index.json"), "w") as f:
        json.dump({"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.30.0",
                   "feature_extractor": [None, None], "force_zeros_for_empty_prompt": True,
                   "image_encoder": [None, None],
                   "scheduler": ["diffusers", "EulerDiscreteScheduler"],
                   "text_encoder": ["transformers", "CLIPTextModel"],
                   "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
                   "tokenizer": ["transformers", "CLIPTokenizer"],
                   "tokenizer_2": ["transformers", "CLIPTokenizer"],
                   "unet": ["diffusers", "UNet2DConditionModel"],
                   "vae": ["diffusers", "AutoencoderKL"]}, f, indent=2)


def forget_origin(path):
    """diffusers writes into a configuration which folder its weights were read from."""
    with open(path) as f:
        config = json.load(f)
    config.pop("_name_or_path", None)
    with open(path, "w") as f:
        f.write(json.dumps(config, indent=2, sort_keys=True) + "\n")


def published_names(path):
    """SDXL folders name the first encoder's tensors text_model.*; transformers 5 leaves that out."""
    tensors = {n if n.startswith("text_model.") else "text_model." + n: t
               for n, t in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def preview_factors(folder):
    """Least squares from latents (in scaled space) to the mean colour of their 2x2 cells, -1..1."""
    z = np.load(os.path.join(folder, "latents.npy"), mmap_mode="r")[:2000].astype(np.float64)
    x = np.load(os.path.join(folder, "sprites.npy"), mmap_mode="r")[:2000].astype(np.float64) / 127.5 - 1
    x = x.reshape(len(x), 16, 2, 16, 2, 3).mean((2, 4)).reshape(-1, 3)
    z = z.transpose(0, 2, 3, 1).reshape(-1, z.shape[1])
    z = np.concatenate([z, np.ones((len(z), 1))], 1)
    w = np.linalg.lstsq(z, x, rcond=None)[0]
    return np.round(w[:-1], 4).tolist(), np.round(w[-1], 4).tolist()


def write_card(folder, data, cfg):
    factors, bias = preview_factors(data)
    card = {"latent_rgb_factors": factors, "latent_rgb_bias": bias, "cell": draw.CELL,
            "sprite_size": [draw.SIZE, draw.SIZE],
            "background": list(draw.BACKGROUNDS[draw.DEFAULT_BACKGROUND]), "default_negative": "",
            "default": {"steps": 20, "cfg": cfg, "size": "128x128", "sampler": "euler",
                        "scheduler": "normal", "empty_negative": "zeros"},
            # It draws pixel art alone, and was never trained with a negative prompt.
            "presets": {"pixel-art": {"prompt": "{prompt}", "negative": ""}},
            "kinds": draw.KIND_NAMES, "kind_words": prompts.KIND_WORDS,
            "colours": draw.COLOUR_NAMES, "colour_words": prompts.COLOUR_WORDS,
            "example_prompts": EXAMPLES}
    with open(os.path.join(folder, "spritty.json"), "w") as f:
        json.dump(card, f, indent=1)


def read_vae(folder):
    """Of the run; or where it trained none, the model's."""
    own = os.path.join(folder, "vae")
    return AutoencoderKL.from_pretrained(own) if os.path.exists(own) else \
        AutoencoderKL.from_pretrained(os.path.join(train.MODEL, "vae"), variant="fp16")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--out", default=train.MODEL)
    ap.add_argument("--random", action="store_true")
    ap.add_argument("--cfg", type=float, default=3.5)
    args = ap.parse_args()
    modules, trainer = train.build("cpu")
    if not args.random:
        trainer.load_state(torch.load(os.path.join(args.folder, "ckpt.pt")))
        trainer.load_ema()
    os.makedirs(args.out, exist_ok=True)
    if os.path.abspath(args.out) != os.path.abspath(train.MODEL):
        for name in ("tokenizer", "tokenizer_2"):
            shutil.copytree(os.path.join(train.MODEL, name), os.path.join(args.out, name),
                            dirs_exist_ok=True)
    write(args.out, modules, read_vae(args.folder))
    if os.path.exists(os.path.join(args.folder, "latents.npy")):
        write_card(args.out, args.folder, args.cfg)
    total = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(args.out) for f in fs)
    print(f"step {trainer.step_count}, {total / 1e6:.2f} MB in {args.out}",
          {n: sum(p.numel() for p in m.parameters())
           for n, m in zip(("unet", "text_encoder", "text_encoder_2"), modules)})


if __name__ == "__main__":
    main()
