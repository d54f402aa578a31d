"""Prompts for tokens.json: what people type, and what breaks tokenizers."""
import random

SUBJECTS = """
knight in rusty armor|slime with a crown|red potion bottle|skeleton archer|wooden treasure chest
goblin shaman holding a staff|pixel art dragon|mushroom house|space marine
blue-haired mage girl, 1girl|tiny robot|health bar icons|grass tile, seamless|stone wall tileset
campfire|iron sword +1|magic scroll|ninja, side view|zombie walking|ghost|cactus enemy
spaceship, top-down|asteroid|fox spirit (kitsune)|orc warrior|fairy|mimic|bat|giant spider|candle
""".strip().replace("\n", "|").split("|")

STYLES = """
16-bit|8-bit, NES palette|32x32 pixel art|64x64 sprite, transparent background|game boy, 4 colors
SNES RPG style, clean outline|isometric, limited palette|sprite sheet, 4 frames, walk cycle
masterpiece, best quality, absurdres|(pixel art:1.3), [blurry], flat shading
<lora:pixel-art-xl:1.2> pixel|white background --ar 1:1|by J.R.R. Tolkien & H.P. Lovecraft
don't blur; it's crisp!|front/side/back view|embedding:badhands, score_9, score_8_up
""".strip().replace("\n", "|").split("|")

# Each line is a prompt, written with Python escapes so that the invisible stays visible.
ODD = r"""
a
A
 
\t
\n
\r\n
   a   b   
\ta\t\tb\nc\r\nd\x0be\x0cf
a\u00a0b\u1680c\u2000d\u2003e\u200af\u2028g\u2029h\u202fi\u205fj\u3000k\u0085l
a\u200bb\u200cc\u200dd\u2060e\ufefff\u180eg\u00adh
\x1c\x1d\x1e\x1f
a\x1cb \x1f c
\x01\x02\x03
\x01a\x02
cat\x01dog\x7f
\x7f\x80\x81\x9f
\x1b[31mred\x1b[0m
bell\x07 backspace\x08
it's
IT'S
It'S don'T WE'RE they'Ve I'M i'LL he'D
'sorry 'tis 'remember 've 'mend 'llama 'dog
''s '''t "'re"
rock'n'roll o'clock y'all'd've
's
'S't'RE
it’s we’re ‘quoted’ “double”
'\u017f 'K\u212a
cats' dogs'
1234567890
3.14159 1,000,000 0x1F 1e-9
4k 8K uhd 16bit 32x32 2D 3d
v1.5b2 #ff00aa U+1F600
\u0660\u0661\u0662\u0663 \u06f1\u06f2\u06f3 \u0967\u0968\u0969 \u0e51\u0e52
\u2160\u2161\u216f \u2170\u217f \u2460\u2461 \u00bd\u00bc\u2155 x\u00b2y\u00b3 H\u2082O
\u4e00\u4e8c\u4e09 \u3007\u3021\u3029 \U0001d7d8\U0001d7e2 \U0001f100\U0001f10c
!
!!
!!!
!!!!!!!!!!!!!!!!
hello!
hello !
! hello
a!b!c
!a
a! 
wow!!! so cool!?
?!
...
.....
- -- --- ----
_ __ ___
a_b_c snake_case camelCase kebab-case
(((masterpiece))), [[[bad]]], {{{best}}}
(a:1.2) [b:0.5] {c|d}
\\(escaped\\) \\\\ \\n
@#$%^&*()_+-=[]{}|;':",./<>?`~
,,,,,,,,
;;;;
::::
<>
<|>
<||>
<|endoftext|>
<|startoftext|>
a<|endoftext|>b
a <|endoftext|> b
  <|endoftext|>  
<|endoftext|><|endoftext|>
<|startoftext|><|endoftext|>
<|startoftext|>cat<|endoftext|>!
<|ENDOFTEXT|>
a <|EndOfText|> b
<|STARTOFTEXT|> a
x<|StartOfText|>y
<|endoftext|
|endoftext|>
<|endoftext |>
< |endoftext|>
<<|endoftext|>>
<|<|endoftext|>|>
<|endof<|endoftext|>text|>
endoftext
startoftext
<|endoftext|>\u0301
<|startoftext|>\u0301e
<|startoftext|>\u0338
<|ENDOFTEXT|>\u0338x
<|endoftext|>\u0338
!\u0301
a!\u0338b
<\u0338 >\u0338 =\u0338
<|endof\u0074ext|>
<|endoftext\uff5c>
<|padding|> [PAD] <s> </s> </w> a</w>
</w>
\u0120 \u010a \u0100 \u0143
&amp; &lt;b&gt; &quot;x&quot; &#39; &nbsp; &amp;amp;
<b>bold</b> <!-- c -->
https://example.com/a?b=c&d=%20#e user@example.com
C:\\Games\\sprite.png ../../etc/passwd
caf\u00e9
cafe\u0301
CAF\u00c9 CAFE\u0301
na\u00efve re\u0301sume\u0301 fa\u00e7ade c\u0327
\u00c5ngstr\u00f6m \u212bngstr\u00f6m A\u030angstro\u0308m
\u1e9e stra\u00dfe STRASSE STRA\u1e9eE
\u0130stanbul \u0130\u0130 i\u0307 I\u0307 \u0131I
\u0130\u0301 \u00cc\u0307
\u039f\u0394\u039f\u03a3 \u03a3 \u03a3\u03a3 \u03a3\u0391\u03a3. \u03c2
\u01c5 \u01c4 \u01f2 \u01c8
\ufb01 \ufb02 \ufb03 \ufb05 \u0132 \u0133
\uff21\uff22\uff23 \uff41\uff42 \uff11\uff12 \uff01
\u212a \u2126 \u00b5 \u03bc
\u1f88 \u1fbc \u1fcc \u1fe5 \u1f7d
\u0390 \u03b9\u0308\u0301 \u1fd3
q\u0307\u0323 q\u0323\u0307 \u1e0b\u0323
\u1100\u1161\u11a8 \uac00\u11a8 \u1100\u1161 \uac01
\u0958 \u0915\u093c \u0929 \u0928\u093c
\u2adc \ufb1d \ufb4e \U0001d15e \U0001d1bb
\u0344 \u0374 \u037e \u0387 \u1fef \u2000\u2001
\uf900 \u8c48 \ufa0e \ufa10 \U0002f800
\u0300
\u0300\u0301\u0302
a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a
Z\u0351\u0343\u0352a\u0321\u031bl\u0334\u0335g\u0361\u035co\u0489
\u10a0\u10b0 \u10d0 \u1c90\u1c91 \u13a0 \uab70 \u13f8
\U00010400\U00010428 \U000104b0 \U00010c80 \U000118a0 \U00016e40 \U0001e900
\u1c89 \ua7cb \ua7da \ua7dc \U00010d50
\ua7ce \ua7d2 \ua7d4 \U00016ea0
\u2c00\u2c30 \u24b6\u24d0 \ua64a\ua64b \u1c80\u1c88
\u03f4 \u1e9b\u0323 \u2183 \u2184 \u2c62
\U000105d2\u0307 \U00011382\U000113c9
\u4e00\u5200 \u5263\u3068\u9b54\u6cd5
\u9f8d\u3092\u5012\u3059\u52c7\u8005\u3001\u30c9\u30c3\u30c8\u7d75
\u3042\u3044\u3046 \u30a2\u30a4\u30a6 \uff76\uff9e \u304c \u304b\u3099
\u50cf\u7d20\u827a\u672f\uff0c\u9a91\u58eb\uff0c16\u4f4d
a\u4e2db\u6587c
\ud53d\uc140 \uc544\ud2b8 \uae30\uc0ac
\u1112\u1161\u11ab\u1100\u1173\u11af
\u0631\u0633\u0645\u0629 \u0628\u0643\u0633\u0644 \u0641\u0627\u0631\u0633
\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u0640\u0640 \ufefb
\u05e9\u05c1\u05dc\u05d5\u05dd \u05d0\u05d1\u05d9\u05e8
\u0928\u092e\u0938\u094d\u0924\u0947 \u092f\u094b\u0926\u094d\u0927\u093e
\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937
\u0ba8\u0bbf \u0b95\u0bcd\u0bb7 \u0c24\u0c46\u0c32\u0c41\u0c17\u0c41
\u0e2d\u0e31\u0e28\u0e27\u0e34\u0e19 \u0e01\u0e33\u0e25\u0e31\u0e07
\u1019\u103c\u1014\u103a\u1019\u102c \u1781\u17d2\u1798\u17c2\u179a
\u0440\u044b\u0446\u0430\u0440\u044c \u0420\u042b\u0426\u0410\u0420\u042c
\u0451 \u0439 \u0438\u0306
\u03b9\u03c0\u03c0\u03cc\u03c4\u03b7\u03c2 \u0399\u03a0\u03a0\u038c\u03a4\u0397\u03a3
\u0570\u0561\u0575 \u0587 \u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8
Hi\u1ec7p s\u0129 gi\u00e1p s\u1eaft HI\u1ec6P S\u0128
rycerz w zbroi \u0142\u00f3\u017a\u0107 Ryt\u00ed\u0159 \u0160\u0165
\u0f56\u0f7c\u0f51 \u1820\u1826 \u2c81 \ua9a0
\U00012000\U00012400 \U00013000 \U00013430 \U0001342f
\U0001f600
\U0001f600\U0001f600\U0001f600
\U0001f600 \U0001f601
cat\U0001f408dog
\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466
\U0001f3f3\ufe0f\u200d\U0001f308 \U0001f3f4\u200d\u2620\ufe0f
\U0001f1ef\U0001f1f5\U0001f1e9\U0001f1ea \U0001f1fa
\U0001f44d\U0001f3fd \U0001f9d1\U0001f3ff\u200d\U0001f680
1\ufe0f\u20e3 #\ufe0f\u20e3 *\u20e3
\u2764 \u2764\ufe0f \u2764\ufe0e \u2b50\u2728
\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f
\U0001fae8 \U0001fae9 \U0001fabf
\u2190\u2192\u21d2 \u2200\u2203 \u221e \u2260 \u226e
\u2588\u2593\u2592\u2591 \u250c\u2500\u2510 \u25a0\u25cf
\u20ac\u00a3\u00a5\u20b9\u20bf $5 \u00a9\u00ae\u2122
\u3001\u3002\u300c\u300d\uff0c\uff01\uff1f\uff08\uff09
\u00bfqu\u00e9? \u00a1hola! \u00ab\u00bb \u2026 \u2014 \u2013
\u00aa \u00ba \u02b0 \u02c6 \u02d0 \u0294
\ue000 \uf8ff \U000f0000 \U0010fffd
\ufdd0 \ufffe \uffff \U0001fffe \U0010ffff
\u0378 \u0380 \u2072 \U0001ffff \U000e0001 \U000e01ef
\ud7ff \ue000 \ud7b0 \ud7a3
\ufff9 \ufffb \ufffc \ufffd
\u202eevil\u202c \u2066a\u2069 \u200ea\u200fb
a\ufe00 \u4e00\U000e0100
\u0c5c \u088f \U0001123f \U000323b0 \U0002ebf0
\U00020000 \U0002a6d6 \U00030000 \U00031350
\u2028
\u3000\u3000
\u00a0
\u200b
\ufeffstart
pneumonoultramicroscopicsilicovolcanoconiosis
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
hahahahahahahaha lololololol
qqqqqqqqq zxzxzxzx
ThIsIsMiXeDcAsE
xXx_SlAyEr_xXx
a.b.c.d e,f,g h-i-j
1girl,solo,looking at viewer,pixel art,
 , , ,
pixel  art
pixel\nart
PIXEL ART
pixel-art pixelart pixel_art
"""


def prompts():
    """The list of texts, in a fixed order, without duplicates."""
    out = ["", " ", "  ", "\t", "\n", "\r\n", " \t\n "]
    for i, subject in enumerate(SUBJECTS):
        out.append(subject)
        for k in (0, 5, 11):
            out.append(f"{subject}, {STYLES[(i * 7 + k) % len(STYLES)]}")
    out += STYLES
    for line in ODD.strip("\n").split("\n"):
        out.append(_unescape(line))
    out += _code_points()
    out += _random_mixes()
    out += _long()
    seen = set()
    return [p for p in out if not (p in seen or seen.add(p))]


def _unescape(line):
    """Python escapes to characters; what is already non-ASCII stays."""
    return line.encode("latin-1", "backslashreplace").decode("unicode_escape")


def _code_points():
    """Every block's neighbourhood once: runs of consecutive code points, several to a prompt."""
    out = []
    for start in list(range(0x01, 0x3000, 0x60)) + list(range(0x3000, 0x11000, 0x1000)):
        run = [c for c in range(start, start + 48) if not 0xD800 <= c <= 0xDFFF]
        out.append("".join(map(chr, run)))
        out.append(" x".join(map(chr, run[::3])))
    for start in (0x10100, 0x10400, 0x10D40, 0x11000, 0x16EA0, 0x1D400, 0x1D7CE, 0x1F000, 0x1F300,
                  0x1F900, 0x1FA70, 0x20000, 0x2F800, 0xE0100):
        out.append("".join(map(chr, range(start, start + 40))))
    return out


def _random_mixes():
    """Random strings over small alphabets in which boundaries of every kind meet."""
    rng = random.Random(1)
    alphabets = ["ab'sS tTdDmM ", "a1!? ,.'", "ab<|>endoftext ", "e\u0301\u0327o\u0308\u0338 =<",
                 "\u1100\u1161\u11a8\uac00 a", "\U0001f468\u200d\U0001f469\ufe0f\u2764 a",
                 "\u0130I\u0307\u03a3\u03c3\u1e9e\u00df ", "a\u00a0\u3000\u200b\t\n\x1f",
                 "0\u0660\u00bd\u2167\u4e00a ", "!\u0301!\u0338<|a ",
                 "\u0915\u094d\u0937\u093c\u093e "]
    out = []
    for alphabet in alphabets:
        for length in (3, 5, 8, 8, 13, 21, 34):
            out.append("".join(rng.choice(alphabet) for _ in range(length)))
    return out


def _long():
    """Long inputs, where quadratic loops and fixed buffers show."""
    rng = random.Random(2)
    words = " ".join(SUBJECTS + STYLES).split()
    out = [" ".join(rng.choice(words) for _ in range(n)) for n in (74, 75, 76, 77, 150, 1000)]
    out += ["a" * 1000, "ab" * 5000, "!" * 200, "\u00e9" * 300, "e\u0301" * 300,
            "\U0001f600" * 200, "\u4e00" * 500, "1" * 300, "a1" * 300,
            " " * 1000 + "a", "sprite" * 200, "\u0301" * 200, "." * 1000,
            "don't " * 200, "<|endoftext|>" * 40, "x " * 2500]
    out.append("".join(rng.choice("etaoinshrdlucmfwypvbgkjqxz") for _ in range(2000)))
    return out
