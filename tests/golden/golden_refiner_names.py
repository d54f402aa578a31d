"""A refiner's shape, small: configs as diffusers writes them, and each tensor's name in a folder and
in a single file.

    tests/golden/refiner_shape/{unet,vae,text_encoder_2}/config.json
    tests/golden/refiner_shape/names.txt      part, name, shape, how, name in a single file

Levels, depths and the one text encoder are as in sd_xl_refiner_1.0, with heads of 64 in both networks;
only the widths and counts of layers are small. No weights: tests/test_refiner.c makes them. `how` says
what of the single file's tensor it is: = all, T transposed, q k v a third, c with two sizes of 1 behind.
diffusers' own converters (loaders/single_file_utils.py) must find each tensor again.
"""
import os
import shutil

import torch
from diffusers.loaders import single_file_utils as convert
from transformers import CLIPTextModelWithProjection

from golden_models import clip_config, openclip, text_name, unet, unet_name, vae, vae_name

BIGG = "conditioner.embedders.0.model."


def parts():
    torch.manual_seed(13)
    made = {
        "unet": unet((32, 64, 128, 32), (False, True, True, False), 1, [1, 1, 2, 1], [1, 1, 2, 1],
                     128, 48 - 256, 256, 32, 16),  # five sizes, not six
        "vae": vae((32, 32, 32, 32), 1, 32, 0.13025, True),
        "text_encoder_2": CLIPTextModelWithProjection(clip_config(128, 96, 2, 2, 48, "gelu", 2))}
    for part in made.values():
        for p in part.parameters():  # so that no two tensors are the same
            p.data = torch.randn(p.shape)
    return made


def single(made):
    """The file's tensors, and for each of the folder's where it is in it."""
    state, rows = {}, []
    u, levels = made["unet"].config, len(made["vae"].config.block_out_channels)
    cross = ["CrossAttn" in t for t in u.down_block_types]

    def put(part, key, value, how, name, stored):
        state[name] = stored
        rows.append((part, key, "x".join(map(str, value.shape)), how, name))

    for key, value in made["unet"].state_dict().items():
        name = "model.diffusion_model." + unet_name(key, u.layers_per_block, cross)
        put("unet", key, value, "=", name, value)
    for key, value in made["vae"].state_dict().items():
        name = "first_stage_model." + vae_name(key, levels)
        conv = ".attn_1." in name and name.endswith("weight") and value.dim() == 2
        put("vae", key, value, "c" if conv else "=", name,
            value[:, :, None, None] if conv else value)
    text = {text_name(k) if not k.startswith("text_projection") else k: v
            for k, v in made["text_encoder_2"].state_dict().items()}
    fused = openclip(text)
    for key, value in text.items():
        third = [t for t in "qkv" if f".{t}_proj." in key]
        if third:  # found by what is in it
            name = openclip_third(key)
            put("text_encoder_2", key, value, third[0], BIGG + name, fused[name])
            continue
        name = next(n for n, x in fused.items() if x.shape == value.shape and torch.equal(x, value)
                    or n == key == "text_projection" or n + ".weight" == key)
        how = "T" if name == "text_projection" else "="
        put("text_encoder_2", key, value, how, BIGG + name, fused[name])
    assert len(state) == len(fused) + sum(len(made[p].state_dict()) for p in ("unet", "vae"))
    return state, rows


def openclip_third(key):
    prefix, kind = key.removeprefix("text_model.").split(".self_attn.")
    return prefix.replace("encoder.layers", "transformer.resblocks") + ".attn.in_proj_" + kind[7:]


def check(state, made):
    got = {"unet": convert.convert_ldm_unet_checkpoint(dict(state), made["unet"].config),
           "vae": convert.convert_ldm_vae_checkpoint(dict(state), made["vae"].config),
           "text_encoder_2": convert.convert_open_clip_checkpoint(made["text_encoder_2"],
                                                                  dict(state), prefix=BIGG)}
    for part, tensors in got.items():
        tensors = {k.removeprefix("text_model."): x for k, x in tensors.items()}
        for key, want in made[part].state_dict().items():
            have = tensors.pop(key.removeprefix("text_model."))
            assert torch.equal(have.reshape(want.shape), want), (part, key)
        assert not [k for k in tensors if "position_ids" not in k], (part, list(tensors)[:5])


def make_refiner_names(out):
    made = parts()
    state, rows = single(made)
    check(state, made)
    for name, part in made.items():
        folder = f"{out}/refiner_shape/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        part.config.save_pretrained(folder) if name == "text_encoder_2" else part.save_config(folder)
    with open(f"{out}/refiner_shape/names.txt", "w", encoding="utf-8") as f:
        for row in rows:
            print(*row, file=f)


if __name__ == "__main__":
    make_refiner_names(os.path.dirname(os.path.abspath(__file__)))
