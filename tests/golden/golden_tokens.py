"""Reference token ids -> tokens.json, and the tiny vocabulary of the small models.

The real CLIP vocabulary is not in this repository: it is built from OpenAI's
bpe_simple_vocab_16e6.txt.gz as their simple_tokenizer.py does, in a temporary folder.
"""
import gzip
import json
import os
import tempfile

from golden_prompts import prompts

BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def byte_symbols():
    """GPT-2's printable stand-in for each byte, in vocabulary order."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in kept]
    return [chr(b) for b in kept] + [chr(256 + i) for i in range(len(rest))]


def vocabulary(merges):
    """CLIP's order: bytes, bytes with the end-of-word suffix, one entry a merge, two specials."""
    symbols = byte_symbols()
    entries = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges] + [BOS, EOS]
    assert len(set(entries)) == len(entries)
    return {entry: i for i, entry in enumerate(entries)}


def write_tokenizer(folder, merges, pad):
    """A tokenizer folder as SDXL 1.0 ships it: the specials as objects, the pad token a string."""
    os.makedirs(folder, exist_ok=True)

    def special(text):
        return {"content": text, "lstrip": False, "normalized": True, "rstrip": False,
                "single_word": False}

    tokens = {"bos_token": special(BOS), "eos_token": special(EOS), "pad_token": pad,
              "unk_token": special(EOS)}
    config = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace",
              "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    for key, value in tokens.items():
        config[key] = {"__type": "AddedToken", **value} if isinstance(value, dict) else value
    for name, value in [("vocab.json", vocabulary(merges)), ("special_tokens_map.json", tokens),
                        ("tokenizer_config.json", config)]:
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            json.dump(value, f, ensure_ascii=False, indent=None if name == "vocab.json" else 2)
            f.write("\n")
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def real_merges(path):
    lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def make_tokens(out, bpe_path):
    """tokens.json: {"prompts": [{text, ids, ids_2 where it differs}], "chunks": [...]}.

    ids are those of tokenizer/, ids_2 those of tokenizer_2/, without begin and end, untruncated.
    """
    from transformers import CLIPTokenizer
    merges = real_merges(bpe_path)
    with tempfile.TemporaryDirectory() as tmp:
        write_tokenizer(f"{tmp}/1", merges, EOS)
        write_tokenizer(f"{tmp}/2", merges, "!")
        first, second = (CLIPTokenizer.from_pretrained(f"{tmp}/{i}") for i in "12")

    items = []
    for text in prompts():
        ids, ids_2 = (t(text, add_special_tokens=False)["input_ids"] for t in (first, second))
        items.append({"text": text, "ids": ids, **({"ids_2": ids_2} if ids_2 != ids else {})})
    chunks = []
    for text in ["", "a cat", "hello!", "x " * 74, "x " * 75, "x " * 76, "a<|endoftext|>b",
                 "! " * 90]:
        fixed = dict(padding="max_length", max_length=77, truncation=True)
        chunks.append({"text": text, "ids": first(text, **fixed)["input_ids"],
                       "ids_2": second(text, **fixed)["input_ids"]})
    with open(f"{out}/tokens.json", "w", encoding="utf-8") as f:
        def lines(rows):
            return ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":"))
                              for r in rows)
        f.write('{"vocab_size":49408,\n"prompts":[\n' + lines(items) + '\n],\n"chunks":[\n'
                + lines(chunks) + "\n]}\n")
    print(f"tokens.json: {len(items)} prompts, {sum('ids_2' in i for i in items)} with ids_2")
