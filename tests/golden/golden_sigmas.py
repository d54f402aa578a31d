#!/usr/bin/env python3
"""Noise levels as ComfyUI's own scheduler nodes make them: the table of tests/test_comfy_custom.c.

    venv/bin/python golden_sigmas.py CHECKOUT

Imports comfy_extras/nodes_custom_sampler.py of a checkout of ComfyUI and prints each list.
"""
import importlib.util
import sys

CHECKOUT = sys.argv[1]
sys.argv = [sys.argv[0], "--cpu"]
sys.path.insert(0, CHECKOUT)

import comfy.options

comfy.options.enable_args_parsing()
import comfy.model_sampling


class Sampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS):
    pass


class Model:
    sampling = Sampling()

    def get_model_object(self, _):
        return self.sampling


def main():
    path = f"{CHECKOUT}/comfy_extras/nodes_custom_sampler.py"
    spec = importlib.util.spec_from_file_location("nodes_custom_sampler", path)
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    model = Model()
    five = m.BasicScheduler().get_sigmas(model, "normal", 5, 1.0)[0]
    low = m.SplitSigmas().get_sigmas(five, 2)[1]
    lists = {
        "karras": m.KarrasScheduler().get_sigmas(4, 10.0, 0.1, 5.0),
        "exponential": m.ExponentialScheduler().get_sigmas(4, 10.0, 0.1),
        "polyexponential": m.PolyexponentialScheduler().get_sigmas(4, 14.614642, 0.0291675, 2.0),
        "laplace": m.LaplaceScheduler().get_sigmas(5, 14.614642, 0.0291675, 0.0, 0.5),
        "vp": m.VPScheduler().get_sigmas(4, 19.9, 0.1, 0.001),
        "turbo": m.SDTurboScheduler().get_sigmas(model, 3, 0.8),
        "normal": (five,),
        "first": m.SetFirstSigma().set_first_sigma(low, 6.0),
        "extend": m.ExtendIntermediateSigmas().extend(five, 2, -1.0, 1.0, "cosine"),
        "ddim_uniform": m.BasicScheduler().get_sigmas(model, "ddim_uniform", 15, 1.0),
    }
    for name, (levels,) in lists.items():
        print(name, ", ".join(f"{float(x):.7g}" for x in levels))


main()
