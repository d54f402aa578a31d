#!/usr/bin/env python3
"""Which steps A1111 takes: the tables of test_steps_of_a1111 in tests/test_stages.c.

    venv/bin/python golden_a1111_steps.py CHECKOUT

Runs setup_img2img_steps and apply_refiner of modules/sd_samplers_common.py, cut out of a checkout
(the module itself imports most of the program), over an image, a Hires. fix pass and a refiner.
"""
import ast
import contextlib
import sys
from types import SimpleNamespace as Some

import torch

from golden_sampling import TABLE, schedule


def functions(checkout):
    path = f"{checkout}/modules/sd_samplers_common.py"
    with open(path, encoding="utf-8") as f:
        tree = ast.parse(f.read())
    wanted = ("setup_img2img_steps", "apply_refiner")
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in wanted]
    opts = Some(img2img_fix_steps=False, refiner_switch_by_sample_steps=False)
    room = {"opts": opts, "torch": torch, "devices": Some(torch_gc=lambda: None),
            "shared": Some(sd_model=Some(sd_checkpoint_info="base")),
            "sd_models": Some(SkipWritingToConfig=contextlib.nullcontext,
                              reload_model_weights=lambda info: None)}
    exec(compile(tree, path, "exec"), room)
    return room["setup_img2img_steps"], room["apply_refiner"]


def main():
    setup, refine = functions(sys.argv[1])
    print("/* steps, denoise, second pass: whole schedule, steps taken of it */")
    for steps in (1, 4, 15, 20, 33):
        for denoise in (0.05, 0.3, 0.5, 0.75, 1.0):
            for second in (False, True):
                p = Some(steps=steps, denoising_strength=denoise)
                whole, t_enc = setup(p, steps if second else None)
                # sigma_sched = sigmas[steps - t_enc - 1:]
                print(f"{{{steps}, {denoise}, {str(second).lower()}, {whole}, {t_enc + 1}}},")
    print("/* schedule, steps, switch: the first step of the refiner */")
    for name in ("normal", "karras", "exponential"):
        for steps in (8, 20, 30):
            sigmas = torch.tensor(schedule(name, steps))
            for at in (0.2, 0.5, 0.8, 0.95):
                params = Some(refiner_switch_at=at, refiner_checkpoint_info=Some(short_title="r"),
                              extra_generation_params={}, setup_conds=lambda: None)
                cfg = Some(inner_model=Some(sigmas=TABLE), p=params, step=0, total_steps=steps,
                           update_inner_model=lambda: None)
                first = next((i for i in range(steps) if refine(cfg, sigmas[i])), steps)
                print(f'{{"{name}", {steps}, {at}, {first}}},')


main()
