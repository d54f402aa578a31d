"""The networks of models/tiny: SDXL's architecture with small numbers."""
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

TEXT_1, TEXT_2, POOLED, TIME_IDS = 96, 128, 128, 32
CHANNELS, DEPTH = [64, 128, 160], [0, 1, 1]


def make_text(vocab, hidden, act, projection, pad):
    config = CLIPTextConfig(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=3 * hidden, projection_dim=projection,
        num_hidden_layers=3, num_attention_heads=hidden // 32, max_position_embeddings=77,
        hidden_act=act, bos_token_id=vocab - 2, eos_token_id=vocab - 1, pad_token_id=pad)
    return config


def make_text_encoders(vocab):
    one = CLIPTextModel(make_text(vocab, TEXT_1, "quick_gelu", TEXT_1, vocab - 1))
    two = CLIPTextModelWithProjection(make_text(vocab, TEXT_2, "gelu", POOLED, 0))
    for m in (one, two):   # CLIP's 0.02 is meant for a width of 512 and more
        for name, p in m.named_parameters():
            if name.endswith("embedding.weight"):
                torch.nn.init.normal_(p, std=0.3 if "token" in name else 0.1)
    return one, two


def make_unet(channels=CHANNELS, depth=DEPTH):
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=channels,
        layers_per_block=1, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        transformer_layers_per_block=[max(1, d) for d in depth],
        attention_head_dim=[c // 32 for c in channels], norm_num_groups=16,
        cross_attention_dim=TEXT_1 + TEXT_2, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=TIME_IDS,
        projection_class_embeddings_input_dim=6 * TIME_IDS + POOLED)


def encode(one, two, ids, ids_2):
    """Hidden states before the last layer of both, side by side; the second's pooled projection."""
    a = one(ids, output_hidden_states=True)
    b = two(ids_2, output_hidden_states=True)
    return torch.cat([a.hidden_states[-2], b.hidden_states[-2]], -1), b.text_embeds
