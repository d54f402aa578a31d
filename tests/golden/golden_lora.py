"""LoRA files in the forms that are met in the wild, and what the networks give with them merged.

    lora/NAME.safetensors            the file
    lora_expect.safetensors          NAME.unet: the UNet's output for case 2 of dump_b/unet;
                                     NAME.hidden_1, NAME.hidden_2, NAME.pooled: the text encoders'
                                     for the second prompt of dump_b/clip (hidden -2)

All over small_b, in float64. What diffusers can load is loaded by diffusers (load_lora_weights and
set_adapters over PEFT); LoHa, LoKr and DoRA come from peft's own layers; what only LyCORIS writes is
merged by LyCORIS. The same numbers under several namings must give the same output, which is
checked here for diffusers and in tests/test_lora_golden.c for us.
"""
import json
import os
import shutil

import peft
import torch
from diffusers import StableDiffusionXLPipeline, EulerDiscreteScheduler
from safetensors.torch import load_file, save_file

from golden_dumps import PROMPTS, encode, load, run_unet, save
from golden_models import unet_name

LAYERS, CROSS = 1, (True, False, True)  # small_b's UNet
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def randoms(seed):
    g = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, generator=g)


def modules_of(model, ends):
    return {n: m for n, m in sorted(model.named_modules())
            if any(n.endswith(e) for e in ends) and hasattr(m, "weight")}


def pair(rand, weight, r):
    """down and up of a module, so that their product is of the weight's order."""
    n = weight[0].numel()
    down = rand(r, *weight.shape[1:]) / n ** 0.5
    up = rand(weight.shape[0], r, *[1] * (weight.dim() - 2)) * (0.5 / r ** 0.5)
    return down, up


def context_of(out):
    dump = load_file(f"{out}/dump_b/unet.safetensors")
    return {k: dump[f"2.{k}"].double() for k in ("latent", "encoder_hidden_states", "text_embeds",
                                                  "time_ids", "timestep")}


def results(parts, case, text=True):
    y = run_unet(parts["unet"], case["latent"], case["timestep"], case["encoder_hidden_states"],
                 case["text_embeds"], case["time_ids"])
    out = {"unet": y}
    if text:
        e = encode(parts, PROMPTS[1:2])
        out |= {"hidden_1": e["hidden_2_1"], "hidden_2": e["hidden_2_2"], "pooled": e["pooled"]}
    return out


def pipeline(parts):
    return StableDiffusionXLPipeline(
        vae=parts["vae"], text_encoder=parts["text_encoder"], unet=parts["unet"],
        text_encoder_2=parts["text_encoder_2"], tokenizer=parts["tokenizer"],
        tokenizer_2=parts["tokenizer_2"], scheduler=EulerDiscreteScheduler(),
        add_watermarker=False)


def by_diffusers(out, case, files, weights=None, text=True):
    """files: paths; weights: what set_adapters takes."""
    parts = load(out, "b")
    pipe = pipeline(parts)
    names = [f"l{i}" for i in range(len(files))]
    for name, path in zip(names, files):
        pipe.load_lora_weights(path, adapter_name=name)
    pipe.set_adapters(names, weights or [1.0] * len(names))
    return results(parts, case, text)


# ---- files ----------------------------------------------------------------------------------------

def factors(parts, seed, rank, which=("unet", "text_encoder", "text_encoder_2"), conv=False):
    """{(part, module): (down, up)} for attention, feed-forward, projections; convolutions."""
    rand = randoms(seed)
    ends = ATTENTION + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
    if conv:
        ends += ["conv1", "time_emb_proj", "conv_shortcut", "conv2"]
    table = {}
    for part in which:
        for name, m in modules_of(parts[part], ends if part == "unet" else TEXT).items():
            table[part, name] = pair(rand, m.weight, rank)
    return table


def full_text(name):
    return name if name.startswith("text_") else f"text_model.{name}"


def kohya(table, alpha, original, dtype):
    """One alpha for all: diffusers 0.42 loses those of attention layers that differ from most."""
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    state = {}
    for (part, name), (down, up) in table.items():
        if part != "unet":
            name = full_text(name)
        elif original:
            name = unet_name(name + ".weight", LAYERS, CROSS)[:-len(".weight")]
        key = prefix[part] + name.replace(".", "_")
        state[key + ".lora_down.weight"] = down.to(dtype)
        state[key + ".lora_up.weight"] = up.to(dtype)
        state[key + ".alpha"] = torch.tensor(alpha, dtype=dtype)
    return state


def kohya_metadata():
    tags = {"10_slime": {"slime": 40, "pixel art": 38, "green": 7, "evil\u001b[2J": 3}}
    return {"ss_output_name": "golden slime", "ss_network_dim": "2", "ss_network_alpha": "1",
            "ss_base_model_version": "sdxl_base_v1-0", "ss_tag_frequency": json.dumps(tags),
            "sshs_model_hash": "0123456789abcdef" * 4}


def diffusers_form(table, dtype):
    state = {}
    for (part, name), (down, up) in table.items():
        name = name if part == "unet" else full_text(name)
        state[f"{part}.{name}.lora_A.weight"] = down.to(dtype)
        state[f"{part}.{name}.lora_B.weight"] = up.to(dtype)
    return state


def old_diffusers_form(table, dtype):
    """As before 0.22: the processors' layers, lora_linear_layer in the text encoders."""
    text = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}
    state = {}
    for (part, name), (down, up) in table.items():
        head, _, last = name.rpartition(".")
        if part == "unet" and ".attn" in name:
            if last == "0":
                head, last = head[:-len(".to_out")], "to_out"
            stem = f"{head}.processor.{last}_lora"
        elif part == "unet":
            stem = f"{name}.lora"
        else:
            name, head = full_text(name), full_text(head)
            stem = f"{head}.{text[last]}_lora" if last in text else f"{name}.lora_linear_layer"
        state[f"{part}.{stem}.down.weight"] = down.to(dtype)
        state[f"{part}.{stem}.up.weight"] = up.to(dtype)
    return state


def same(a, b, what):
    for k in a:
        error = ((a[k] - b[k]).norm() / a[k].norm()).item()
        assert error < 1e-12, f"{what}: {k} differs by {error:.1e}"


def make_namings(out, case, put):
    parts = load(out, "b")
    linear = {k: v for k, v in factors(parts, 31, 2).items()
              if "transformer_blocks" not in k[1] or "attn" in k[1] or ".ff." in k[1]}
    few = {k: v for k, v in factors(parts, 32, 2, conv=True).items() if k[0] == "unet"
           and ("mid_block" in k[1] or "down_blocks.2" in k[1])}
    put("kohya", kohya(linear, 1.0, False, torch.float16), kohya_metadata())
    put("kohya_original", kohya(linear, 1.0, True, torch.float16))
    put("conv_original", kohya(few, 1.0, True, torch.bfloat16))
    put("diffusers", diffusers_form(linear, torch.float32))
    put("diffusers_old", old_diffusers_form(linear, torch.float32))
    put("bare", {k[len("unet."):]: v for k, v in diffusers_form(few, torch.float32).items()})
    path = lambda n: f"{out}/lora/{n}.safetensors"
    expect = {}
    add = lambda name, r: expect.update({f"{name}.{k}": v for k, v in r.items()})
    one = by_diffusers(out, case, [path("kohya")])
    same(one, by_diffusers(out, case, [path("kohya_original")]), "original names")
    add("kohya", one)
    one = by_diffusers(out, case, [path("diffusers")])
    same(one, by_diffusers(out, case, [path("diffusers_old")]), "old names")
    add("diffusers", one)
    add("conv_original", by_diffusers(out, case, [path("conv_original")], text=False))
    # two at once, with weights of their own for UNet and text
    weights = [{"unet": 0.7, "text_encoder": 0.4, "text_encoder_2": 0.4}, -0.5]
    add("both", by_diffusers(out, case, [path("kohya"), path("diffusers")], weights))
    return expect


# ---- peft ---------------------------------------------------------------------------------------

def by_peft(out, case, name, config, seed):
    """Random adapter values under `config` on the UNet, saved by peft, and the output."""
    parts = load(out, "b")
    torch.manual_seed(seed)
    model = peft.get_peft_model(parts["unet"].float(), config)
    rand = randoms(seed)
    for key, p in sorted(model.named_parameters()):
        if p.requires_grad:
            if "magnitude" in key:
                p.data *= 1 + 0.2 * rand(*p.shape)
            else:
                p.data = rand(*p.shape) * (0.6 / max(p.shape[1:].numel(), 1) ** 0.25)
    folder = f"{out}/lora/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    os.remove(f"{folder}/README.md")
    os.chmod(f"{folder}/adapter_model.safetensors", 0o644)
    parts["unet"] = model.double().base_model.model
    return results(parts, case, text=False)


def make_peft(out, case):
    targets = r"mid_block.*(to_q|to_v|to_out.0|ff.net.2|conv1)|down_blocks.2.*(to_k|conv_shortcut)"
    configs = {
        "peft_loha": peft.LoHaConfig(r=3, alpha=2, target_modules=targets,
                                     use_effective_conv2d=True),
        "peft_loha_flat": peft.LoHaConfig(r=2, alpha=1, target_modules=targets),
        "peft_lokr": peft.LoKrConfig(r=2, alpha=3, target_modules=targets, decompose_both=True,
                                     decompose_factor=4, use_effective_conv2d=True),
        "peft_lokr_whole": peft.LoKrConfig(r=64, alpha=32, target_modules=targets),
        "peft_dora": peft.LoraConfig(r=2, lora_alpha=3, target_modules=targets, use_dora=True),
        "peft_rslora": peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, use_rslora=True,
                                       alpha_pattern={"ff.net.2": 2}),
    }
    expect = {}
    for i, (name, config) in enumerate(configs.items()):
        r = by_peft(out, case, name, config, 50 + i)
        expect.update({f"{name}.{k}": v for k, v in r.items()})
    return expect


# ---- LyCORIS ------------------------------------------------------------------------------------

def lycoris_states(parts):
    """{module: its tensors} of every kind that only LyCORIS writes, over a few modules."""
    rand = randoms(77)
    m = dict(parts["unet"].named_modules())
    conv, q, v = "mid_block.resnets.0.conv1", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q", \
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_v"
    k2 = "mid_block.attentions.0.transformer_blocks.1.attn2.to_k"
    down, fc = "down_blocks.2.resnets.0.conv2", "mid_block.attentions.0.transformer_blocks.1.ff.net.2"
    o, i = m[conv].weight.shape[:2]
    s = {}
    s[conv] = {"lora_up.weight": rand(o, 2, 1, 1), "lora_down.weight": rand(2, i, 1, 1) * 0.2,
               "lora_mid.weight": rand(2, 2, 3, 3) * 0.2, "alpha": torch.tensor(1.5)}
    o, i = m[q].weight.shape
    s[q] = {"lora_up.weight": rand(o, 2), "lora_down.weight": rand(2, i) * 0.2,
            "alpha": torch.tensor(1.0), "dora_scale": 1 + 0.2 * rand(1, i)}
    s[v] = {"lora_up.weight": rand(o, 2), "lora_down.weight": rand(2, i) * 0.2,
            "alpha": torch.tensor(4.0), "dora_scale": 1 + 0.2 * rand(o, 1)}
    o, i = m[k2].weight.shape
    s[k2] = {"diff": rand(o, i) * 0.2}
    o, i = m[down].weight.shape[:2]
    s[down] = {"hada_w1_a": rand(2, o), "hada_w1_b": rand(2, i), "hada_t1": rand(2, 2, 3, 3) * 0.4,
               "hada_w2_a": rand(2, o), "hada_w2_b": rand(2, i), "hada_t2": rand(2, 2, 3, 3) * 0.4,
               "alpha": torch.tensor(1.0)}
    o, i = m[fc].weight.shape
    s[fc] = {"lokr_w1": rand(4, 8) * 0.2, "lokr_w2_a": rand(o // 4, 3) * 0.4,
             "lokr_w2_b": rand(3, i // 8) * 0.4, "alpha": torch.tensor(2.0)}
    return s


def decompose_inputs(weight, s, multiplier):
    """DoRA with norms of the inputs, as LyCORIS has it without wd_on_output: by the formula."""
    down, up = s["lora_down.weight"], s["lora_up.weight"]
    moved = weight + s["alpha"] / down.shape[0] * up @ down
    moved = moved * s["dora_scale"] / moved.norm(dim=0, keepdim=True)
    return weight + multiplier * (moved - weight)


def by_lycoris(parts, states, multiplier):
    """Merged weights, by LyCORIS' own modules."""
    from lycoris.modules import get_module, make_module
    m = dict(parts["unet"].named_modules())
    for name, state in states.items():
        state = {k: v.double() for k, v in state.items()}
        full = {f"x.{k}": v for k, v in state.items()}
        if "dora_scale" in state and state["dora_scale"].shape[0] == 1:
            m[name].weight.data = decompose_inputs(m[name].weight, state, multiplier)
            continue
        if set(state) == {"diff"}:
            m[name].weight.data += multiplier * state["diff"]
            continue
        kind, params = get_module(full, "x")
        module = make_module(kind, params, "x", m[name]).double()
        if "alpha" in state and "lora_up.weight" not in state:
            # what its forward pass adds; get_merged_weight of 4.1.3 scales LoHa and LoKr twice
            merged = m[name].weight + multiplier * module.get_weight(m[name].weight.shape)
        else:
            merged, _ = module.get_merged_weight(multiplier=multiplier)
        m[name].weight.data = merged.reshape(m[name].weight.shape).double()


def make_lycoris(out, case, put):
    parts = load(out, "b")
    states = lycoris_states(parts)
    norm, bias = "mid_block.resnets.0.norm1", "mid_block.resnets.1.conv1"
    rand = randoms(78)
    m = dict(parts["unet"].named_modules())
    extra = {norm: {"w_norm": 0.1 * rand(*m[norm].weight.shape),
                    "b_norm": 0.1 * rand(*m[norm].bias.shape)},
             bias: {"diff": 0.1 * rand(*m[bias].weight.shape),
                    "diff_b": 0.1 * rand(*m[bias].bias.shape)}}
    file = {f"lora_unet_{name.replace('.', '_')}.{k}": v for name, s in (states | extra).items()
            for k, v in s.items()}
    put("lycoris", file)
    by_lycoris(parts, states, 1.0)
    m[norm].weight.data += extra[norm]["w_norm"]
    m[norm].bias.data += extra[norm]["b_norm"]
    m[bias].weight.data += extra[bias]["diff"]
    m[bias].bias.data += extra[bias]["diff_b"]
    return {f"lycoris.{k}": v for k, v in results(parts, case, text=False).items()}


def make_lora(out):
    os.makedirs(f"{out}/lora", exist_ok=True)
    case = context_of(out)

    def put(name, state, metadata=None):
        state = {k: v.contiguous() for k, v in state.items()}
        save_file(state, f"{out}/lora/{name}.safetensors", metadata=metadata)
        os.chmod(f"{out}/lora/{name}.safetensors", 0o644)

    expect = make_namings(out, case, put)
    expect |= make_peft(out, case)
    expect |= make_lycoris(out, case, put)
    save(f"{out}/lora_expect.safetensors", expect)
