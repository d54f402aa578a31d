"""Prompts for drawn sprites, and the byte-level BPE vocabulary learnt from them.

    python prompts.py MODEL_DIR       writes tokenizer/ and tokenizer_2/
"""
import collections
import json
import os
import re
import sys

import numpy as np

import draw

# The first word is the usual one. The vocabulary was learnt before half of the others came in, "golden"
# among them, so these are spelt in several tokens.
KIND_WORDS = {
    "slime": ["slime", "blob", "jelly slime", "jelly", "ooze", "goo"],
    "knight": ["knight", "warrior", "armored knight", "soldier", "paladin", "fighter", "guard"],
    "potion": ["potion", "flask", "magic potion", "elixir", "vial", "bottle", "health potion"],
    "sword": ["sword", "blade", "longsword", "broadsword", "dagger"],
    "shield": ["shield", "buckler", "knight shield"],
    "mushroom": ["mushroom", "toadstool", "fungus", "shroom"],
    "ghost": ["ghost", "spirit", "spook", "phantom", "specter"],
    "chest": ["chest", "treasure chest", "treasure", "loot chest"],
    "key": ["key", "dungeon key", "door key"], "coin": ["coin", "token", "money"],
    "gem": ["gem", "jewel", "crystal", "diamond", "gemstone"],
    "tree": ["tree", "oak tree", "pine tree"], "heart": ["heart", "health heart", "love heart"],
    "skull": ["skull", "human skull", "skeleton head"],
    "ship": ["ship", "boat", "sailing ship", "sailboat", "pirate ship", "galleon"],
    "robot": ["robot", "droid", "android", "mech"],
    "cat": ["cat", "kitten", "kitty"], "bat": ["bat", "vampire bat"],
    "crown": ["crown", "royal crown", "tiara", "king's crown"],
    "book": ["book", "tome", "spell book", "spellbook", "grimoire", "magic book"],
    "flower": ["flower", "blossom", "daisy"],
    "bomb": ["bomb", "explosive", "grenade"], "star": ["star", "five-pointed star"],
    "fish": ["fish", "tropical fish"],
    "wizard": ["wizard", "mage", "sorcerer", "magician", "warlock"],
    "house": ["house", "cottage", "hut", "home", "cabin"], "apple": ["apple", "fruit"],
    "bird": ["bird", "chick", "songbird"], "crab": ["crab", "crab monster"],
    "snail": ["snail", "sea snail"], "candle": ["candle", "wax candle"],
    "umbrella": ["umbrella", "parasol"]}
COLOUR_WORDS = {
    "red": ["red", "crimson", "scarlet", "ruby", "ruby red", "blood red", "maroon", "burgundy"],
    "orange": ["orange", "amber", "pumpkin orange"],
    "yellow": ["yellow", "golden", "gold", "lemon yellow"],
    "green": ["green", "emerald green", "emerald", "lime green", "lime", "forest green", "grass green",
              "olive"],
    "cyan": ["cyan", "turquoise", "teal", "aqua", "light blue", "sky blue", "ice blue"],
    "blue": ["blue", "royal blue", "navy", "navy blue", "sapphire", "azure", "dark blue", "cobalt"],
    "purple": ["purple", "violet", "lavender", "amethyst", "indigo", "lilac"],
    "pink": ["pink", "rose pink", "magenta", "hot pink", "fuchsia"],
    "brown": ["brown", "wooden", "chocolate brown", "bronze", "copper", "tan"],
    "black": ["black", "dark", "jet black", "obsidian", "shadow", "ebony"],
    "grey": ["grey", "gray", "silver", "steel", "iron", "stone"],
    "white": ["white", "snow white", "ivory", "bone white", "pearl white"]}
BIG, SMALL = ["big", "large", "huge", "giant", "enormous"], ["small", "tiny", "little", "mini"]
SPARKLE = ["sparkling", "shiny", "glittering", "sparkly", "magical", "enchanted", "glowing"]
CROWN = ["with a crown", "wearing a crown", "with a golden crown", "with crown",
         "wearing a golden crown"]
SWORD = ["with a sword", "holding a sword", "with a sword in hand", "armed with a sword",
         "wielding a sword", "with a blade"]
WINGS = ["with wings", "with white wings", "flying", "with angel wings"]
BEFORE = ["pixel art", "pixel art of", "sprite of", "pixel art sprite of", "a sprite of", "cute",
          "game sprite of", "8-bit", "16-bit", "an icon of", "rpg item,", "game asset,", "a picture of",
          "2d game art of", "video game"]
AFTER = ["pixel art", "game asset", "16-bit", "8-bit", "sprite", "cute", "simple", "high quality",
         "retro game", "icon", "detailed", "rpg", "item", "character", "fantasy", "masterpiece",
         "32x32", "centered", "clean", "best quality", "single object"]


def pick(r, words, usual=0.6):
    return words[0] if len(words) == 1 or r.random() < usual else words[1 + r.integers(len(words) - 1)]


def prompt(spec, r):
    """One of the many ways to ask for this sprite."""
    kind, colour = pick(r, KIND_WORDS[spec["kind"]], 0.5), pick(r, COLOUR_WORDS[spec["colour"]], 0.45)
    size = {"big": pick(r, BIG, 0.5), "small": pick(r, SMALL, 0.5), "normal": ""}[spec["size"]]
    shiny = pick(r, SPARKLE, 0.5) if spec["sparkling"] else ""
    if r.random() < 0.03:
        colour = ""
    extra, winged = [], ""
    if spec["crown"]:
        extra.append(pick(r, CROWN, 0.5))
    if spec["sword"]:
        extra.append(pick(r, SWORD, 0.4))
    if spec["wings"]:
        if r.random() < 0.35:
            winged = "winged"
        else:
            extra.append(pick(r, WINGS, 0.6))
    if spec["facing"] == "left" and r.random() < 0.9 or \
            spec["facing"] == "right" and r.random() < 0.12:
        extra.append(("facing " if r.random() < 0.7 else "looking ") + spec["facing"])
    ground = ""
    if spec["background"] != draw.DEFAULT_BACKGROUND or r.random() < 0.1:
        word = {"grey": "gray" if r.random() < 0.4 else "grey"}.get(spec["background"],
                                                                    spec["background"])
        ground = ("on a %s background" if r.random() < 0.6 else "%s background") % word
    if r.random() < 0.15:      # tags
        tags = [w for w in [kind, colour, size, shiny, winged] if w]
        tags += [re.sub(r"^(with a|wearing a|holding a|armed with a|with) ", "", e) for e in extra]
        r.shuffle(tags)
        if ground:
            tags.append(ground)
        text = ", ".join(tags)
    else:
        words = [w for w in [size, shiny, winged] if w]
        r.shuffle(words)
        words.insert(len(words) if r.random() < 0.85 else 0, colour)
        phrase = " ".join(w for w in words + [kind] if w)
        if r.random() < 0.05 and colour:
            phrase = " ".join([w for w in [size, shiny, winged] if w] + [kind, "in", colour])
        r.shuffle(extra)
        start = r.random()
        if start < 0.45:
            phrase = ("an " if phrase[0] in "aeiou" else "a ") + phrase
        elif start < 0.5:
            phrase = "the " + phrase
        if r.random() < 0.25:
            phrase = BEFORE[r.integers(len(BEFORE))] + " " + phrase
        joint = " and " if len(extra) == 2 and r.random() < 0.4 else (" " if r.random() < 0.8 else ", ")
        text = phrase + "".join((" " if i == 0 else joint) + e for i, e in enumerate(extra))
        if ground:
            text += (" " if r.random() < 0.6 else ", ") + ground
    if r.random() < 0.2:
        n = int(r.integers(1, 4))
        text += ", " + ", ".join(AFTER[i] for i in r.choice(len(AFTER), n, replace=False))
    return text + ("." if r.random() < 0.03 else "")


# ---------------------------------------------------------------------------------------------
# Vocabulary: the 256 byte symbols, the same ending a word, merges, two marks; as CLIP orders them.

def byte_symbols():
    """Bytes as printable characters: printable Latin-1 stands for itself, the rest from 256 on."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    return [chr(b) for b in keep] + [chr(256 + i) for i in range(len(rest))]


def learn_merges(words, limit):
    """Byte-pair encoding: join the most frequent pair until the words are whole."""
    split = {w: list(w[:-1]) + [w[-1] + "</w>"] for w in words}
    merges = []
    while len(merges) < limit:
        pairs = collections.Counter()
        for w, parts in split.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[w]
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        for w, parts in split.items():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = [parts[i] + parts[i + 1]]
                i += 1
    return merges


def write_tokenizers(folder, samples=20000, limit=900):
    r = np.random.default_rng(7)
    words = collections.Counter()
    for _ in range(samples):
        words.update(re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", prompt(draw.sample_spec(r), r)))
    merges = learn_merges(words, limit)
    symbols = byte_symbols()
    vocab = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges]
    vocab = list(dict.fromkeys(vocab)) + ["<|startoftext|>", "<|endoftext|>"]
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "vocab.json"), "w", encoding="utf-8") as f:
            json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False)
        with open(os.path.join(path, "merges.txt"), "w", encoding="utf-8") as f:
            f.write("#version: 0.2\n" + "".join("%s %s\n" % m for m in merges))
        marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                 "unk_token": "<|endoftext|>", "pad_token": pad}
        with open(os.path.join(path, "special_tokens_map.json"), "w") as f:
            json.dump(marks, f, indent=2)
        with open(os.path.join(path, "tokenizer_config.json"), "w") as f:
            json.dump({"add_prefix_space": False, "do_lower_case": True, "errors": "replace",
                       "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **marks}, f, indent=2)
    return len(vocab), len(merges), len(words)


if __name__ == "__main__":
    print("vocabulary %d, merges %d, words %d" % write_tokenizers(sys.argv[1]))
    r = np.random.default_rng(3)
    for _ in range(12):
        print("   ", prompt(draw.sample_spec(r), r))
