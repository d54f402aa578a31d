"""Two small random models of SDXL's architecture, as diffusers folders, and one as a single file.

small_a follows what a single file leaves unsaid (head size 64, 32 norm groups, 256 wide size
conditions), so that it can be stored that way too; small_b differs in everything that may differ.
small_a's weights are values that bf16 and fp16 both hold exactly: its folder is an fp16 variant,
its single file mixes F16, BF16 and F32, and both are the same numbers. small_b's weights are F32.
"""
import json
import os
import shutil

import torch
from diffusers import AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from golden_tokens import EOS, vocabulary, write_tokenizer

# A few dozen merges, enough that words of a prompt are made of one to three tokens.
MERGES = [tuple(m.split()) for m in """
s l|sl i|sli m|slim e</w>|r e|re d</w>|p i|pi x|pix e|pixe l</w>|a r|ar t</w>|k n|kn i|g h|gh t</w>
kni ght</w>|s w|sw o|swo r|swor d</w>|t h|th e</w>|i n|in g</w>|g r|gr e|gre e|gree n</w>|b l|bl u
blu e</w>|c a|ca t</w>|o r|or c</w>|s p|sp r|1 6</w>|3 2</w>|b i|bi t</w>|o f</w>|d r|dr a|dra g
drag o|drago n</w>|sh i|s h""".strip().replace("\n", "|").split("|")]
VOCAB = vocabulary(MERGES)
POSITIONS = 77


def clip_config(hidden, ffn, layers, heads, projection, act, eos):
    return CLIPTextConfig(
        vocab_size=len(VOCAB), hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
        num_attention_heads=heads, projection_dim=projection, hidden_act=act, layer_norm_eps=1e-5,
        max_position_embeddings=POSITIONS, bos_token_id=VOCAB[EOS] - 1, eos_token_id=eos,
        pad_token_id=1)


def unet(channels, cross, layers, depth, heads, context, pooled, added, groups, sample_size):
    down = ["CrossAttnDownBlock2D" if c else "DownBlock2D" for c in cross]
    up = ["CrossAttnUpBlock2D" if c else "UpBlock2D" for c in reversed(cross)]
    # attention_head_dim is a count of heads by level: the name is diffusers' old mistake
    return UNet2DConditionModel(
        sample_size=sample_size, in_channels=4, out_channels=4, block_out_channels=channels,
        down_block_types=down, up_block_types=up, layers_per_block=layers,
        transformer_layers_per_block=depth, attention_head_dim=heads, cross_attention_dim=context,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=added,
        projection_class_embeddings_input_dim=pooled + 6 * added, norm_num_groups=groups)


def vae(channels, layers, groups, scaling_factor, quant):
    return AutoencoderKL(
        block_out_channels=channels, down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels), layers_per_block=layers,
        latent_channels=4, norm_num_groups=groups, scaling_factor=scaling_factor,
        sample_size=64, force_upcast=False, use_quant_conv=quant, use_post_quant_conv=quant)


def build(name):
    """The four parts of a model, with random weights; every call gives the same numbers."""
    torch.manual_seed({"a": 11, "b": 12}[name])
    if name == "a":
        parts = {
            # eos_token_id 2 is what SDXL's configs say: transformers then takes the largest id
            "text_encoder": CLIPTextModel(clip_config(64, 128, 3, 1, 64, "quick_gelu", 2)),
            "text_encoder_2": CLIPTextModelWithProjection(
                clip_config(64, 96, 4, 1, 48, "gelu", 2)),
            "unet": unet((32, 32, 64), (False, False, True), 1, [1, 1, 1], [1, 1, 1], 128, 48, 256,
                         32, 16),
            "vae": vae((64, 32, 32, 32), 1, 32, 0.13025, True)}
    else:
        parts = {
            "text_encoder": CLIPTextModel(clip_config(32, 80, 4, 4, 24, "gelu", VOCAB[EOS])),
            "text_encoder_2": CLIPTextModelWithProjection(
                clip_config(48, 64, 3, 3, 40, "quick_gelu", VOCAB[EOS])),
            "unet": unet((16, 24, 32), (True, False, True), 1, [3, 1, 2], [2, 3, 2], 80, 40, 32, 8,
                         16),
            "vae": vae((16, 24), 2, 8, 0.25, False)}
    for part in parts.values():
        randomize(part, exact=name == "a")
        part.eval().requires_grad_(False)
    return parts


def randomize(model, exact):
    """Weights that keep activations of order 1; no bias is zero and no norm is the identity."""
    seed = torch.initial_seed() + sum(map(ord, type(model).__name__))
    generator = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        x = torch.randn(p.shape, generator=generator)
        if p.dim() == 1:
            x = 0.2 * x + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        elif "embedding" in name and "linear" not in name:
            x = 0.7 * x
        else:
            fan_in = p[0].numel()
            writes_residual = any(s in name for s in ("conv2", "to_out", "out_proj", "fc2",
                                                      "net.2", "proj_out"))
            sharp = any(s in name for s in ("to_q", "to_k", "q_proj", "k_proj"))
            x = x * (0.6 if writes_residual else 1.4 if sharp else 1.0) / fan_in ** 0.5
        p.data = x.bfloat16().half().float() if exact else x
        if exact:
            assert torch.equal(p.data, p.data.bfloat16().float())


def scheduler(name):
    common = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                  num_train_timesteps=1000, steps_offset=1)
    if name == "a":
        return EulerDiscreteScheduler(timestep_spacing="leading", **common)
    return DDIMScheduler(prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False,
                         **common)


def make_models(out):
    for name in "ab":
        folder, parts = f"{out}/small_{name}", build(name)
        shutil.rmtree(folder, ignore_errors=True)
        for part_name, part in parts.items():
            kwargs = dict(variant="fp16") if name == "a" else {}
            if name == "a" and part_name == "unet":
                kwargs["max_shard_size"] = "1MB"
            part = part.half() if name == "a" else part
            part.save_pretrained(f"{folder}/{part_name}", **kwargs)
        if name == "a":
            prefix_text_model(f"{folder}/text_encoder/model.fp16.safetensors")
        write_tokenizer(f"{folder}/tokenizer", MERGES, EOS)
        write_tokenizer(f"{folder}/tokenizer_2", MERGES, "!")
        scheduler(name).save_pretrained(f"{folder}/scheduler")
        write_index(folder, name)
    save_single(f"{out}/small_a_single.safetensors", build("a"))


def prefix_text_model(path):
    """transformers 5 saves CLIPTextModel without `text_model.`; published folders have it.

    small_a gets the published form, small_b keeps the new one: a loader has to take both.
    """
    state = {text_name(k): x for k, x in load_file(path).items()}
    save_file(state, path, metadata={"format": "pt"})


def write_index(folder, name):
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1",
             "force_zeros_for_empty_prompt": name == "a",
             "scheduler": ["diffusers", type(scheduler(name)).__name__],
             "text_encoder": ["transformers", "CLIPTextModel"],
             "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
             "tokenizer": ["transformers", "CLIPTokenizer"],
             "tokenizer_2": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    with open(f"{folder}/model_index.json", "w", encoding="utf-8") as f:
        json.dump(index, f, indent=2)
        f.write("\n")


# ---- the original layout ------------------------------------------------------------------------
# Names as in Stability's generative-models and OpenCLIP; the reverse direction is diffusers'
# loaders/single_file_utils.py, which check_single runs over what was written.

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
          "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET_FIXED = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
              "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
              "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v",
                 "to_out.0": "proj_out"}
OPENCLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
            "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}


def unet_name(key, layers, cross):
    """An original UNet name. cross: which levels have attention, going down."""
    for new, old in UNET_FIXED.items():
        if key.startswith(new + "."):
            return old + key[len(new):]
    where, *rest = key.split(".")
    if where == "mid_block":
        kind, j, *tail = rest
        slot = {"resnets": 2 * int(j), "attentions": 1}[kind]
        block = f"middle_block.{slot}"
    else:
        level, kind, j, *tail = int(rest[0]), rest[1], int(rest[2]), *rest[3:]
        if where == "down_blocks":
            if kind == "downsamplers":  # a block of its own, after the level's
                return f"input_blocks.{(level + 1) * (layers + 1)}.0.op.{tail[-1]}"
            block = f"input_blocks.{level * (layers + 1) + j + 1}.{int(kind == 'attentions')}"
        else:
            has_attention = cross[len(cross) - 1 - level]
            if kind == "upsamplers":  # the last entry of the level's last block
                slot = 2 if has_attention else 1
                return f"output_blocks.{level * (layers + 1) + layers}.{slot}.{'.'.join(tail)}"
            block = f"output_blocks.{level * (layers + 1) + j}.{int(kind == 'attentions')}"
    if kind == "resnets":
        tail[0] = RESNET[tail[0]]
    return ".".join([block, *tail])


def vae_name(key, levels):
    side, where, *rest = key.split(".")
    if side in ("quant_conv", "post_quant_conv") or where in ("conv_in", "conv_out"):
        return key
    if where == "conv_norm_out":
        return f"{side}.norm_out.{rest[-1]}"
    if where == "mid_block":
        kind, j, *tail = rest
        if kind == "attentions":
            inner = ".".join(tail[:-1])
            return f"{side}.mid.attn_1.{VAE_ATTENTION[inner]}.{tail[-1]}"
        block = f"{side}.mid.block_{int(j) + 1}"
    else:
        level, kind, j, *tail = int(rest[0]), rest[1], rest[2], *rest[3:]
        if where == "down_blocks":
            block = f"{side}.down.{level}"
        else:  # decoder levels are numbered from the output
            block = f"{side}.up.{levels - 1 - level}"
        if kind in ("downsamplers", "upsamplers"):
            return f"{block}.{kind[:-3]}e.{'.'.join(tail)}".replace("samplee", "sample")
        block += f".block.{j}"
    if tail[0] == "conv_shortcut":
        tail[0] = "nin_shortcut"
    return ".".join([block, *tail])


def openclip(state):
    """OpenCLIP's text tower: q, k and v in one matrix, the projection as [in, out]."""
    out = {}
    for key, value in state.items():
        key = key.removeprefix("text_model.")
        if key == "text_projection.weight":
            out["text_projection"] = value.T.contiguous()
        elif key.startswith("embeddings."):
            out["token_embedding.weight" if "token" in key else "positional_embedding"] = value
        elif key.startswith("final_layer_norm."):
            out[key.replace("final_layer_norm", "ln_final")] = value
        elif ".q_proj." in key:
            prefix, kind = key.split(".self_attn.q_proj.")
            name = prefix.replace("encoder.layers", "transformer.resblocks")
            fused = [state["text_model." + key.replace("q_proj", p)]
                     for p in ("q_proj", "k_proj", "v_proj")]
            out[f"{name}.attn.in_proj_{kind}"] = torch.cat(fused)
        elif ".k_proj." not in key and ".v_proj." not in key:
            for new, old in OPENCLIP.items():
                key = key.replace(new, old)
            out[key.replace("encoder.layers", "transformer.resblocks")] = value
    return out


def text_name(key):
    return key if key.startswith("text_model.") else "text_model." + key


def save_single(path, parts):
    """Everything in one file, with the extras that such files carry and that are to be ignored."""
    u, v = parts["unet"].config, parts["vae"].config
    cross = ["CrossAttn" in t for t in u.down_block_types]
    state = {}
    for key, value in parts["unet"].state_dict().items():
        state["model.diffusion_model." + unet_name(key, u.layers_per_block, cross)] = value.half()
    for key, value in parts["vae"].state_dict().items():
        name = vae_name(key, len(v.block_out_channels))
        if ".attn_1." in name and name.endswith("weight") and value.dim() == 2:
            value = value[:, :, None, None]
        state["first_stage_model." + name] = value.bfloat16()
    for key, value in parts["text_encoder"].state_dict().items():
        state["conditioner.embedders.0.transformer." + text_name(key)] = value
    state["conditioner.embedders.0.transformer.text_model.embeddings.position_ids"] = (
        torch.arange(POSITIONS)[None])
    for key, value in openclip(parts["text_encoder_2"].state_dict()).items():
        state["conditioner.embedders.1.model." + key] = value.half()
    state["conditioner.embedders.1.model.logit_scale"] = torch.tensor(4.6)
    state["denoiser.sigmas"] = torch.linspace(0.03, 14.6, 1000)
    state["alphas_cumprod"] = torch.linspace(0.999, 0.005, 1000)
    state["betas"] = torch.linspace(0.00085, 0.012, 1000)
    state = {k: x.contiguous() for k, x in state.items()}
    check_single(state, parts)
    save_file(state, path, metadata={"modelspec.architecture": "stable-diffusion-xl-v1-base"})


def check_single(state, parts):
    """diffusers' own converters must give back every tensor of the folder."""
    from diffusers.loaders import single_file_utils as s
    state = {k: x.float() if x.is_floating_point() else x for k, x in state.items()}
    got = {
        "unet": s.convert_ldm_unet_checkpoint(dict(state), parts["unet"].config),
        "vae": s.convert_ldm_vae_checkpoint(dict(state), parts["vae"].config),
        "text_encoder": s.convert_ldm_clip_checkpoint(dict(state)),
        "text_encoder_2": s.convert_open_clip_checkpoint(
            parts["text_encoder_2"], dict(state), prefix="conditioner.embedders.1.model.")}
    for part, tensors in got.items():
        tensors = {k.removeprefix("text_model."): x for k, x in tensors.items()}
        for key, want in parts[part].state_dict().items():
            have = tensors.pop(key.removeprefix("text_model."))
            assert torch.equal(have.reshape(want.shape), want), (part, key)
        assert not [k for k in tensors if "position_ids" not in k], (part, list(tensors)[:5])
