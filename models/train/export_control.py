"""Writes models/tiny-lines from the checkpoint in DIR: averaged weights, FP16, a diffusers folder.

    python export_control.py DIR [--out FOLDER]
"""
import argparse
import hashlib
import os

import torch

import export
import train
import train_control


def write(folder, control):
    for p in control.parameters():
        p.data = p.data.clone(memory_format=torch.contiguous_format)
    control.half().save_pretrained(folder, safe_serialization=True)
    export.forget_origin(os.path.join(folder, "config.json"))
    names = ("config.json", "diffusion_pytorch_model.safetensors")
    os.chmod(os.path.join(folder, names[1]), 0o644)
    with open(os.path.join(folder, "SHA256SUMS"), "w") as sums:
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                sums.write(f"{hashlib.sha256(f.read()).hexdigest()}  {name}\n")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--out", default=os.path.join(train.HERE, "..", "tiny-lines"))
    args = ap.parse_args()
    control, *_, trainer = train_control.build("cpu")
    trainer.load_state(torch.load(os.path.join(args.folder, "ckpt.pt")))
    trainer.load_ema()
    write(args.out, control)
    size = os.path.getsize(os.path.join(args.out, "diffusion_pytorch_model.safetensors"))
    print(f"step {trainer.step_count}, {sum(p.numel() for p in control.parameters()):,} numbers, "
          f"{size / 1e6:.2f} MB in {args.out}")


if __name__ == "__main__":
    main()
