"""A small random AutoencoderTiny, small_tiny_vae/, and what it computes, tiny_vae.safetensors.

It fits small_a's latents. Its halves differ in their blocks, and its convolutions are larger than
PyTorch starts them, so that a picture has something in it. As in golden_dumps.py, float64.
"""
import torch
from diffusers import AutoencoderTiny

from golden_dumps import check_close, normal, save

SIZES = [(6, 5), (8, 12)]  # of latents


def make(out):
    torch.manual_seed(11)
    width = [12] * 4
    model = AutoencoderTiny(encoder_block_out_channels=width, decoder_block_out_channels=width,
                            num_encoder_blocks=[1, 1, 0, 2], num_decoder_blocks=[2, 1, 1, 0])
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p * (1.7 if p.dim() == 4 else 3)).half())
    folder = f"{out}/small_tiny_vae"
    model.half().save_pretrained(folder)
    return folder


def make_tiny_vae(out):
    folder = make(out)
    f64, f32 = (AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32).to(t).eval()
                for t in (torch.float64, torch.float32))
    tensors = {}
    with torch.no_grad():
        for at, (h, w) in enumerate(SIZES):
            z = 2 * normal(70 + at, 1 + at, 4, h, w)
            image = normal(80 + at, 1 + at, 3, 8 * h, 8 * w).clamp(-1, 1)
            tensors |= {f"decode.{at}.z": z, f"decode.{at}.image": f64.decode(z).sample,
                        f"encode.{at}.image": image, f"encode.{at}.mean": f64.encode(image).latents}
            check_close("tiny decode", tensors[f"decode.{at}.image"], f32.decode(z.float()).sample)
            check_close("tiny encode", tensors[f"encode.{at}.mean"],
                        f32.encode(image.float()).latents)
            for key in (f"decode.{at}.image", f"encode.{at}.mean"):
                print(key, "deviation", round(tensors[key].std().item(), 3))
    save(f"{out}/tiny_vae.safetensors", tensors)
