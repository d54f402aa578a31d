#!/usr/bin/env python3
"""What ComfyUI and A1111 make of prompts -> syntax.json, syntax.safetensors, embeddings/.

    venv/bin/python golden_syntax.py --comfyui CHECKOUT --a1111 CHECKOUT

Their own modules are imported from the checkouts and run: comfy/sd1_clip.py, sdxl_clip.py and
clip_model.py; modules/prompt_parser.py, sd_emphasis.py, sd_hijack_clip.py, sd_hijack_open_clip.py,
extra_networks.py, styles.py, and the class EmbeddingsWithFixes of sd_hijack.py. What those import
besides (web server, other models) is replaced by stand-ins that do nothing. The text encoders are
those of small_b: ComfyUI runs them with its own network, A1111 with transformers' (as it does for
CLIP-L; its bigG is open_clip's, whose states transformers' are known to equal). Both tools read the
vocabulary of small_b/tokenizer.
"""
import argparse
import ast
import importlib
import json
import os
import random
import sys
import types
from unittest.mock import MagicMock

import torch
from safetensors.torch import load_file, save_file

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "small_b")
STEPS = 10

WRITTEN = r"""
a red slime
(a)
((a))
(((a)))
[a]
[[a]]
(a:1.3)
(a:0.5) b
a (b:1.3) c
((a:1.3))
((a:1.3) b)
(a (b:1.5) c:1.2)
([a])
[(a)]
[a:1.3]
(a:1.3
a:1.3)
(a: 1.3 )
(a :1.3)
(a:+1.3)
(a:-0.5)
(a:.5)
(a:5.)
(a:1e1)
(a:b)
(a:b:1.2)
(:1.2)
()
[]
(())
( )
(a)(b)
(un)(sure)
(a)b(c)
a(b)c
((a)
(a))
)a(
)(
))((
((((a
a))))
[a
a]
(a]
[a)
([a)]
\(a\)
\[a\]
\(a:1.2\)
(\(a\):1.2)
(a\):1.2)
a\
a\\b
\\(a)
\\\(a)
:
::
a:b
a:b:c
a, b, c
a (b, c:1.2), d
BREAK
a BREAK b
aBREAK b
a BREAKb
a, BREAK, b
BREAK a
a BREAK
a BREAK BREAK b
(a BREAK b)
(a BREAK b:1.2)
(a:-1)BREAK
a
BREAK
b
a BREAK  (b:1.2) BREAK
(a:0)
(a:10)
(a:0.0001)
(masterpiece, best quality:1.2), (red slime:0.9), [blurry], ((crown))
a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).
hello! wow!! (stop!:1.1)
! a ! b
a&b <c> "d" 'e' #f @g
<|endoftext|> a
It's the (knight's:1.2) sword
{a|b} __c__
(red:1.2)(blue:1.2)
(a:1.2)(b:1.3)(c:1.2)
score_9, score_8_up, (pixel art:1.3), embedding
(a:1.1) (b)
(a, (b, [c, (d:1.5)], e), f:0.8)
(a:1.0)
1girl, (2d:1.2), 3.14
(1:2)
(1.5)
(a:1.3.4)
(a:--1)
((a:2):3)
((a:2):3
(a:2):3)
a:2:3)
"""

LONG = ["a, " * 40, "cat " * 90, "red slime, " * 20, "abcdefghij " * 12, "x" * 200,
        "one two three, " * 9 + "four five six seven eight nine ten, end",
        "(heavy word:1.3) " * 12, "(a red slime with a golden crown, sitting:1.2), " * 4,
        "a BREAK " + "b c d, " * 30, ("word " * 30 + ", ") * 2 + "(tail:0.7)",
        "a," * 37 + " bb cc dd " + "(ee, ff, gg:1.4)" * 5, "[" + "dim light, " * 15 + "]",
        "knight " * 12 + "BREAK slime " * 6, "!" * 80, "(!:1.2) " * 30]

SCHEDULES = r"""
a [b:3]
a [b:c:3] d
a [b:c:.5] d
a [b:c:0.25][d:e:7]
a [b : c : 1] d
[a:b:[c:d:2]:5]
a[b:[c:d:2]:4]e
[a::5] b
[:a:5] b
[::5]
[:5]
[a|b]
[a|b|c] d
[fe|]male
[|||a]
[a|(b:1.1)]
[(a:2):3]
a [[[b]]:2]
a [unbalanced
((a][:b:c [d:3]
a | b [c:d:5]
a [b|c [d:e:5]
[a:b:c:5]
[a:5:6]
[a:1.5]
[a:b:1.0]
[a:b:0]
[a:b:-2]
[a:b:100]
[a:b:1e1]
[a: 3 ]
[ a : b : 0.5 ]
\[a:b:5\]
[a\:b:c:5]
a\
a [b:c:5]\
(a [b:c:5]:1.2)
([a|b]:1.3) c
[(a|b):5]
[a|[b:c:4]]
[[a|b]:[c|d]:5]
[[a|b|c]|d]
(a:b) [c:d:2]
(a:b:c) [d:e:2]
[a:b:5] [c|d] BREAK [e::3]
a AND b
a AND b :0.5
a :1.2 AND b:-1 AND c
a :1.5
a:1.5
a : 2 b
aAND b
a ANDb
AND
a AND
a AND [b:c:5] :0.7
a:1. AND b:.5 AND c:5
a :1.2.3
1:2:3
a
 AND b : 2
"""

STATES = ["a red slime", "a (red:1.4) slime", "((crown)) [dull] (gold:0.3)", "(slime:-0.5), a",
          "a BREAK b (c:1.5)", "red slime, " * 26 + "(end:1.3)", "(a, (b, [c, (d:1.5)], e), f:0.8)",
          "!", "hello! (wow!:1.2)", "",
          "a embedding:zorp, (b embedding:zorp:1.2) embedding:sub/mist end", "zorp (mist:1.3), zorp"]
MIXED = ["[slime|(knight:1.3)] red", "a [b:(c:1.4):4]"]


def random_prompts(count):
    rng = random.Random(5)
    pieces = ["(", ")", "[", "]", ":", ":1.2)", ":0.5)", "a", "b", " ", ",", "\\", "\\(", "\\)",
              "BREAK", " BREAK ", "cat", "(x:1.3)", "[y]", "\n"]
    return ["".join(rng.choice(pieces) for _ in range(rng.randint(2, 14))) for _ in range(count)]


def random_schedules(count):
    rng = random.Random(6)
    pieces = ["[", "]", ":", "|", "(", ")", ":3]", ":0.5]", "a", "b", " ", "[a:b:2]", "[c|d]",
              "[e:4]", "\\"]
    return ["".join(rng.choice(pieces) for _ in range(rng.randint(3, 9))) for _ in range(count)]


# ---- the tools ----

class Quiet(MagicMock):
    __spec__ = None


def stub(name, **what):
    module = Quiet(name=name)
    for key, value in what.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def load_a1111(path):
    """Their modules, with stand-ins for what would start the web UI."""
    package = types.ModuleType("modules")
    package.__path__ = [os.path.join(path, "modules")]
    sys.modules["modules"] = package
    options = types.SimpleNamespace(emphasis="Original", comma_padding_backtrack=20,
                                    use_old_emphasis_implementation=False,
                                    textual_inversion_add_hashes_to_infotext=False,
                                    textual_inversion_print_at_load=False,
                                    CLIP_stop_at_last_layers=1, sdxl_clip_l_skip=False)
    hijack = types.SimpleNamespace(fixes=None, extra_generation_params={}, embedding_db=None)
    for name in ("devices", "sd_hijack", "shared", "errors"):
        module = stub("modules." + name)
        setattr(package, name, module)
    package.devices.device = torch.device("cpu")
    package.devices.cond_cast_unet = lambda x: x
    package.shared.opts = options
    package.sd_hijack.model_hijack = hijack
    stub("open_clip")
    stub("open_clip.tokenizer")
    m = types.SimpleNamespace(options=options, hijack=hijack)
    for name in ("prompt_parser", "sd_emphasis", "sd_hijack_clip", "extra_networks", "styles"):
        setattr(m, name, importlib.import_module("modules." + name))
        setattr(package, name, getattr(m, name))
    source = open(os.path.join(path, "modules", "sd_hijack.py"), encoding="utf-8").read()
    tree = ast.parse(source)
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and
             n.name == "EmbeddingsWithFixes"]
    space = {"torch": torch, "devices": package.devices}
    exec(compile(ast.Module(found, []), "sd_hijack.py", "exec"), space)
    m.EmbeddingsWithFixes = space["EmbeddingsWithFixes"]
    for name in ("dataset", "image_embedding", "learn_schedule", "saving_settings"):
        stub("modules.textual_inversion." + name)
    inversion = types.ModuleType("modules.textual_inversion")
    inversion.__path__ = [os.path.join(path, "modules", "textual_inversion")]
    sys.modules["modules.textual_inversion"] = inversion
    for name in ("hashes", "images", "sd_hijack_checkpoint", "sd_models", "sd_samplers"):
        setattr(package, name, stub("modules." + name))
    package.hashes.sha256 = lambda *a: "0" * 64
    inversion.dataset = sys.modules["modules.textual_inversion.dataset"]
    m.inversion = importlib.import_module("modules.textual_inversion.textual_inversion")
    return m


class OpenClip:
    """open_clip's tokenizer, as far as A1111 asks it, over the small vocabulary."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.encoder = dict(tokenizer.get_vocab())
        self.encoder["<start_of_text>"] = tokenizer.bos_token_id
        self.encoder["<end_of_text>"] = tokenizer.eos_token_id

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def wrap_a1111(m, tokenizer, first, second):
    """Both of A1111's encoders around transformers' networks."""
    stub("open_clip.tokenizer", _tokenizer=OpenClip(tokenizer))
    sys.modules["open_clip"].tokenizer = sys.modules["open_clip.tokenizer"]
    open_clip = importlib.import_module("modules.sd_hijack_open_clip")
    for net, key in ((first, "clip_l"), (second, "clip_g")):
        net.set_input_embeddings(m.EmbeddingsWithFixes(net.get_input_embeddings(), m.hijack, key))
    layer = first.config.num_hidden_layers - 1
    l_side = types.SimpleNamespace(tokenizer=tokenizer, transformer=first, layer="hidden",
                                   layer_idx=layer, return_pooled=False)

    def run_second(tokens):
        out = second(input_ids=tokens, output_hidden_states=True)
        return {"penultimate": out.hidden_states[-2], "pooled": out.text_embeds}

    g_side = types.SimpleNamespace(encode_with_transformer=run_second, layer="penultimate",
                                   return_pooled=True)
    wrapped = (m.sd_hijack_clip.FrozenCLIPEmbedderForSDXLWithCustomWords(l_side, m.hijack),
               open_clip.FrozenOpenCLIPEmbedder2WithCustomWords(g_side, m.hijack))
    db = m.inversion.EmbeddingDatabase()
    model = types.SimpleNamespace(cond_stage_model=wrapped[0])
    db.expected_shape = first.config.hidden_size + second.config.hidden_size
    sys.modules["modules.shared"].sd_model = model
    db.get_expected_shape = lambda: db.expected_shape
    db.add_embedding_dir(os.path.join(HERE, "embeddings"))
    db.load_textual_inversion_embeddings(force_reload=True)
    assert set(db.word_embeddings) == {"zorp", "mist"}, db.word_embeddings
    m.hijack.embedding_db = db
    return wrapped


def load_comfyui(path):
    sys.argv = sys.argv[:1] + ["--cpu"]
    sys.path.insert(0, path)
    for name in ("comfy_aimdo", "av", "torchsde"):
        sys.modules.setdefault(name, Quiet(name=name))
    import comfy.options
    comfy.options.enable_args_parsing()
    import comfy.ops
    import comfy.sd1_clip
    import comfy.sdxl_clip
    return types.SimpleNamespace(sd1_clip=comfy.sd1_clip, ops=comfy.ops, sdxl=comfy.sdxl_clip)


def comfyui_encoder(m, folder, special):
    config = json.load(open(os.path.join(folder, "config.json")))
    name = [f for f in os.listdir(folder) if f.endswith(".safetensors")][0]
    weights = load_file(os.path.join(folder, name))
    weights = {("" if k.startswith(("text_model.", "text_projection")) else "text_model.") + k: v
               for k, v in weights.items()}

    def model(config, dtype, device, operations):
        net = comfy_model(config, dtype, device, operations)
        net.text_model.embeddings.token_embedding = operations.Embedding(
            config["vocab_size"], config["hidden_size"], dtype=dtype, device=device)
        if "text_projection.weight" in weights:
            net.text_projection = operations.Linear(config["hidden_size"],
                                                    config["projection_dim"], bias=False,
                                                    dtype=dtype, device=device)
        return net

    import comfy.clip_model
    comfy_model = comfy.clip_model.CLIPTextModel
    clip = m.sd1_clip.SDClipModel(layer="hidden", layer_idx=-2, textmodel_json_config=config,
                                  dtype=torch.float32, model_class=model, special_tokens=special,
                                  layer_norm_hidden_state=False)
    missing = clip.transformer.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {
        "text_projection.weight"}, missing
    return clip


# ---- what is written down ----



def trim(ids, weights):
    """[ids, weights] of a chunk: the last id goes on to the end, as does the weight 1."""
    assert len(ids) == len(weights) == 77
    while len(ids) > 1 and ids[-1] == ids[-2]:
        ids = ids[:-1]
    weights = [round(float(w), 7) for w in weights]
    while weights and weights[-1] == 1:
        weights.pop()
    return [ids, weights]


def comfyui_chunks(tokenizer, text):
    out = []
    for chunk in tokenizer.tokenize_with_weights(text):
        ids = [-1 if torch.is_tensor(t) else int(t) for t, _ in chunk]
        out.append(trim(ids, [w for _, w in chunk]))
    return out


def a1111_chunks(wrapped, text):
    chunks, _ = wrapped.tokenize_line(text)
    out = []
    for c in chunks:
        ids = list(c.tokens)
        for offset, emb in c.fixes:
            ids[offset + 1:offset + 1 + emb.vectors] = [-1] * emb.vectors
        out.append(trim(ids, c.multipliers))
    return out


def write_embeddings():
    g = torch.Generator().manual_seed(31)
    os.makedirs(os.path.join(HERE, "embeddings", "sub"), exist_ok=True)
    for name, n in (("zorp", 2), ("sub/mist", 1)):
        save_file({"clip_l": torch.randn(n, 32, generator=g) * 0.5,
                   "clip_g": torch.randn(n, 48, generator=g) * 0.5},
                  os.path.join(HERE, "embeddings", name + ".safetensors"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--comfyui", required=True)
    parser.add_argument("--a1111", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    write_embeddings()
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    tokenizer = CLIPTokenizer.from_pretrained(os.path.join(MODEL, "tokenizer"))
    eos = tokenizer.eos_token_id
    first = CLIPTextModel.from_pretrained(os.path.join(MODEL, "text_encoder"))
    second = CLIPTextModelWithProjection.from_pretrained(os.path.join(MODEL, "text_encoder_2"))
    web = load_a1111(args.a1111)
    wrapped = wrap_a1111(web, tokenizer, first, second)
    comfy = load_comfyui(args.comfyui)
    folder = os.path.join(HERE, "embeddings")
    tokenizers = [comfy.sd1_clip.SDTokenizer(os.path.join(MODEL, "tokenizer"), pad_with_end=k == 0,
                                             embedding_directory=folder,
                                             embedding_size=(32, 48)[k],
                                             embedding_key=("clip_l", "clip_g")[k])
                  for k in range(2)]
    encoders = [comfyui_encoder(comfy, os.path.join(MODEL, name),
                                {"start": eos - 1, "end": eos, "pad": pad})
                for name, pad in (("text_encoder", eos), ("text_encoder_2", 0))]

    written = WRITTEN.strip("\n").split("\n")
    i = written.index("BREAK", written.index("(a:-1)BREAK"))
    written[i - 1:i + 2] = ["a\nBREAK\nb"]
    texts = written + LONG + random_prompts(80) + [t for t in STATES if t not in written]
    cases = []
    for text in texts:
        escaped = comfy.sd1_clip.escape_important(text)
        parts = [[comfy.sd1_clip.unescape_important(t), w]
                 for t, w in comfy.sd1_clip.token_weights(escaped, 1.0)]
        case = {"text": text, "comfyui": {"parts": parts,
                                          "chunks": comfyui_chunks(tokenizers[0], text)}}
        try:
            case["a1111"] = {"parts": web.prompt_parser.parse_prompt_attention(text),
                             "chunks": a1111_chunks(wrapped[0], text)}
        except ValueError as error:
            print(f"A1111 fails on {text!r}: {error}")
        cases.append(case)

    changes = SCHEDULES.strip("\n").split("\n")
    i = changes.index(" AND b : 2")
    changes[i - 1:i + 1] = ["a\n AND b : 2"]
    schedules = []
    for text in changes + random_schedules(150):
        (clauses,), flat, _ = web.prompt_parser.get_multicond_prompt_list([text])
        got = []
        for index, weight in clauses:
            plan, = web.prompt_parser.get_learned_conditioning_prompt_schedules([flat[index]],
                                                                                STEPS)
            got.append([weight, flat[index], plan])
        schedules.append({"text": text, "clauses": got})

    tags = []
    for text in ["a <lora:b:0.8> c", "<lora:a><lyco:b:1:te=0.5>", "<a:b>", "<3 >", "<lora:>",
                 "<lora:a<b:c>", "x <hypernet:y:1", "<<lora:a:b:c=d>>"]:
        rest, found = web.extra_networks.parse_prompt(text)
        tags.append({"text": text, "rest": rest,
                     "tags": [[kind] + p.items for kind, ps in found.items() for p in ps]})

    tensors = {}
    for n, text in enumerate(STATES):
        sides = [e.encode_token_weights(t.tokenize_with_weights(text))
                 for e, t in zip(encoders, tokenizers)]
        cut = min(s[0].shape[1] for s in sides)
        tensors[f"comfyui.{n}"] = torch.cat([s[0][:, :cut] for s in sides], -1)[0].contiguous()
        tensors[f"comfyui.{n}.pooled"] = sides[1][1][0].contiguous()
        z, pooled = wrapped[1]([text])
        tensors[f"a1111.{n}"] = torch.cat([wrapped[0]([text]), z], -1)[0].contiguous()
        tensors[f"a1111.{n}.pooled"] = pooled[0].contiguous()
    for n, text in enumerate(MIXED):
        plan, = web.prompt_parser.get_learned_conditioning_prompt_schedules([text], STEPS)
        z, pooled = wrapped[1]([t for _, t in plan])
        z = torch.cat([wrapped[0]([t for _, t in plan]), z], -1)
        for step in (0, 1):
            tensors[f"mixed.{n}.{step}"] = z[step].contiguous()
    for k in ("comfyui", "a1111"):
        for n in range(len(STATES)):
            print(k, n, list(tensors[f"{k}.{n}"].shape), f"{tensors[f'{k}.{n}'].norm():.3f}",
                  repr(STATES[n][:40]))
    save_file(tensors, os.path.join(HERE, "syntax.safetensors"))
    with open(os.path.join(HERE, "syntax.json"), "w") as f:
        json.dump({"steps": STEPS, "states": STATES, "mixed": MIXED, "tags": tags}, f)
        f.seek(f.tell() - 1)
        for key, rows in (("cases", cases), ("schedules", schedules)):
            f.write(f',\n"{key}": [\n')
            f.write(",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]")
        f.write("}\n")


if __name__ == "__main__":
    main()
