"""Every sampler and schedule over an analytic denoiser, and the noise: samplers.safetensors.

The model is exact for pixels that are mixtures of Gaussians (one mixture with the prompt, another
without), so the C test has the same function; and the UNets of small_a and, over 8 steps, small_b
(samplers_unet.safetensors: small_a over 3 and 20).
Where a reference has the sampler, it is run:
  k-diffusion: euler, euler_ancestral, heun, dpm_2(_ancestral), dpmpp_2s_ancestral, dpmpp_2m, lms,
               and with its BrownianTreeNoiseSampler dpmpp_sde, dpmpp_2m_sde, dpmpp_3m_sde
  diffusers:   UniPCMultistep (bh1, bh2; last sigma 0.001, as ComfyUI has it), TCD, DDIM
ddpm, lcm, CFG++ and today's dpmpp_sde are ComfyUI's own: they are restated here, and so are the
schedules. With --comfyui DIR (a checkout) all that ComfyUI has is compared with its own code.
A1111's Philox is restated in numpy and compared with the values in its documentation.
"""
import importlib.util
import inspect
import math
import os
import sys
import types

import diffusers
import numpy as np
import scipy.stats
import torch
from safetensors.torch import load_file

from golden_dumps import load, run_unet, save
from golden_sampling import (BETAS, TABLE, interpolated_timestep, k_diffusion, nearest_timestep,
                             sample, schedule)

SEED, STEPS = 20, (3, 8, 20)
COND, UNCOND = ([-1.0, 0.4, 1.3], 0.5), ([-0.6, 0.9], 0.7)  # means and deviation


# ---- what is sampled ----------------------------------------------------------------------------

def denoised_of(mixture, x, sigma):
    means, deviation = mixture
    variance, kept = deviation ** 2 + sigma ** 2, deviation ** 2 / (deviation ** 2 + sigma ** 2)
    logs = torch.stack([-(x - m) ** 2 / (2 * variance) for m in means])
    return (logs.softmax(0) * torch.stack([m + kept * (x - m) for m in means])).sum(0)


class Mixtures:
    shape, cfg = (2, 4, 5, 3), 3.0  # 120 values: a row with a tail

    def both(self, x, sigma):
        """Without and with the prompt."""
        return denoised_of(UNCOND, x, sigma), denoised_of(COND, x, sigma)


class Unet:
    """A small model, on the conditions of its trajectory dump."""
    shape, cfg = (1, 4, 8, 8), 5.0

    def __init__(self, out, name):
        self.unet, self.v = load(out, name)["unet"], name == "b"
        dump = load_file(f"{out}/dump_{name}/trajectory.safetensors")
        pair = {k: torch.cat([dump[f"cond.{k}"], dump[f"uncond.{k}"]]).double()
                for k in ("states", "pooled")}
        self.conditions = [pair["states"], pair["pooled"], dump["time_ids"].repeat(2, 1).double()]

    def both(self, x, sigma):
        sigma, y = float(sigma), x.double()
        t = interpolated_timestep(sigma)
        assert abs(t % 1 - 0.5) > 1e-3, (sigma, t)  # no doubt which is the nearest
        scale = (sigma * sigma + 1) ** -0.5
        out = run_unet(self.unet, torch.cat([y, y]) * scale, nearest_timestep(sigma),
                       *self.conditions)
        both = y * scale ** 2 - out * sigma * scale if self.v else y - sigma * out
        return both[1:].to(x.dtype), both[:1].to(x.dtype)


problem = Mixtures()


def uncond(x, sigma):
    return problem.both(x, sigma)[0]


def denoise(x, sigma):
    u, c = problem.both(x, sigma)
    return u + problem.cfg * (c - u)


def model(x, sigma, **kwargs):
    return denoise(x, sigma.reshape(-1)[0])


def start(sigma, dtype=torch.float64):
    """The first noise of the seed at sigma[0], and the stream behind it."""
    generator = torch.Generator().manual_seed(SEED)

    def draw(*_):
        return torch.randn(problem.shape, generator=generator).to(dtype)
    return draw() * (float(sigma) ** 2 + 1) ** 0.5, draw


# ---- samplers that are no package ---------------------------------------------------------------

def ancestral(s, t):
    up = min(t, (t ** 2 * (s ** 2 - t ** 2) / s ** 2) ** 0.5)
    return (t ** 2 - up ** 2) ** 0.5, up


def restated(name, sigmas):
    x, draw = start(sigmas[0])
    for s, t in zip(sigmas, sigmas[1:]):
        s, t = float(s), float(t)
        d, noise = denoise(x, s), None
        if name == "lcm":
            x, noise = d, t
        elif name == "ddpm":
            a, b = 1 / (s * s + 1), 1 / (t * t + 1)
            eps, alpha = (x - d) / s, a / b
            x = alpha ** -0.5 * (x * a ** 0.5 - (1 - alpha) * eps / (1 - a) ** 0.5) / b ** 0.5
            noise = ((1 - alpha) * (1 - b) / (1 - a) / b) ** 0.5
        else:
            down, noise = ancestral(s, t) if name == "euler_ancestral_cfg_pp" else (t, 0)
            x = d + (x - uncond(x, s)) / s * down
        if t > 0 and noise:
            x = x + draw() * noise
    return x


def dpmpp_sde(sigmas):
    """Today's ComfyUI, in float: it asks the tree at the sigmas, k-diffusion at exp(log(sigma))."""
    x, _ = start(sigmas[0], torch.float32)
    tree = k_diffusion().sampling.BrownianTreeNoiseSampler(x, sigmas[-2], sigmas[0], seed=SEED)
    for s, t in zip(sigmas, sigmas[1:]):
        d = denoise(x, s)
        if t == 0:
            return d
        low, high = s.log().neg(), t.log().neg()
        mid = (low + (high - low) / 2).neg().exp()
        down, up = ancestral(s, mid)
        y = down / s * x + (1 - down / s) * d + up * tree(s, mid)
        down, up = ancestral(s, t)
        x = down / s * x + (1 - down / s) * denoise(y, mid) + up * tree(s, t)


def unipc(variant, sigmas):
    """diffusers' steps, in its scale x / sqrt(sigma^2 + 1), on given sigmas."""
    steps = len(sigmas) - 1
    s = diffusers.UniPCMultistepScheduler(solver_order=3, solver_type=variant,
                                          prediction_type="epsilon", **BETAS)
    s.set_timesteps(steps)
    s.sigmas = sigmas.double().clone()
    s.sigmas[-1] = 0.001
    s.timesteps = torch.arange(steps, 0, -1)
    s.num_inference_steps = steps
    x, _ = start(sigmas[0])
    x = x / (1 + float(sigmas[0]) ** 2) ** 0.5
    for i, t in enumerate(s.timesteps):
        k = float(sigmas[i])
        y = x * (1 + k * k) ** 0.5
        x = s.step((y - denoise(y, k)) / k, t, x).prev_sample
    return x * (1 + 0.001 ** 2) ** 0.5


def tcd(steps):
    """diffusers' TCD on timesteps of its own, whose sigmas are given back with the result."""
    s = diffusers.TCDScheduler(**BETAS)
    s.set_timesteps(steps)
    sigmas = torch.cat([TABLE[s.timesteps], torch.zeros(1)]).float()
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn(problem.shape, generator=generator)
    for i, t in enumerate(s.timesteps):
        k = float(sigmas[i])
        y = x * (1 + k * k) ** 0.5
        eps = ((y - denoise(y, k)) / k).float()
        x = s.step(eps, t, x, eta=0.3, generator=generator).prev_sample
    return x, sigmas


# ---- ComfyUI's own code, run beside -------------------------------------------------------------

def comfyui(folder):
    """Its k_diffusion/sampling.py and uni_pc.py, with stand-ins for what they import."""
    def module(name, **members):
        m = sys.modules[name] = types.ModuleType(name)
        m.__dict__.update(members)
        return m

    def read(name, path):
        spec = importlib.util.spec_from_file_location(name, os.path.join(folder, path))
        m = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(m)
        return m

    def set_post_cfg(options, function, **_):
        return {**options, "post_cfg": function}

    package = module("comfy")
    package.__path__ = [os.path.join(folder, "comfy")]
    package.model_patcher = module("comfy.model_patcher",
                                   set_model_options_post_cfg_function=set_post_cfg)
    package.model_sampling = module("comfy.model_sampling", CONST=type("CONST", (), {}))
    package.utils = module("comfy.utils", model_trange=range)
    package.memory_management = module("comfy.memory_management")
    module("comfy.k_diffusion").__path__ = [os.path.join(folder, "comfy", "k_diffusion")]
    sampling = read("comfy.k_diffusion.sampling", "comfy/k_diffusion/sampling.py")
    sampling.trange = lambda n, **_: range(n)
    solver = read("comfy.extra_samplers.uni_pc", "comfy/extra_samplers/uni_pc.py")
    return {**{k[7:]: f for k, f in vars(sampling).items() if k.startswith("sample_")},
            "uni_pc": solver.sample_unipc, "uni_pc_bh2": solver.sample_unipc_bh2}


class ComfyModel:
    """What its samplers ask of a model."""
    def __init__(self):
        self.model_sampling = self
        self.inner_model = types.SimpleNamespace(inner_model=self, model_patcher=self)

    def get_model_object(self, _):
        return self

    @staticmethod
    def noise_scaling(sigma, noise, latent, max_denoise=False):
        return noise * sigma + latent

    def __call__(self, x, sigma, model_options=None, **_):
        d = model(x, sigma)
        if model_options and "post_cfg" in model_options:
            u = uncond(x, sigma.reshape(-1)[0])
            d = model_options["post_cfg"]({"uncond_denoised": u, "denoised": d})
        return d


def check_comfyui(functions, name, sigmas, want):
    new = "lambda_s_1" if name == "dpmpp_sde" else "Denoising" if name == "lms" else ""
    if new not in inspect.getsource(functions[name]):
        return  # older ones do as k-diffusion does
    brownian = name.endswith("_sde")
    dtype = torch.float32 if brownian else torch.float64
    x, draw = start(sigmas[0], dtype)
    extra = {"extra_args": {"seed": SEED}}
    if name in ("ddpm", "lcm", "dpm_2_ancestral", "dpmpp_2s_ancestral") or "euler_anc" in name:
        extra["noise_sampler"] = draw
    got = functions[name](ComfyModel(), x, sigmas.to(dtype).clone(), disable=True, **extra)
    error = ((got - want).abs().max() / want.abs().max()).item()
    print(f"  {name} with {len(sigmas) - 1} steps: ComfyUI differs by {error:.1e}")
    assert error < (1e-5 if brownian else 2e-6), name


# ---- runs ---------------------------------------------------------------------------------------

def run(name, sigmas):
    k = k_diffusion().sampling
    if name == "dpmpp_sde":
        return dpmpp_sde(sigmas)
    if "_sde" in name:  # in float, as the tools do: the tree is asked at float's sigmas
        x, _ = start(sigmas[0], torch.float32)
        positive = sigmas[sigmas > 0]
        tree = k.BrownianTreeNoiseSampler(x, positive.min(), positive.max(), seed=SEED)
        function = getattr(k, f"sample_{name.split('.')[0]}")
        return function(model, x, sigmas, disable=True, noise_sampler=tree)
    if name in ("uni_pc", "uni_pc_bh2"):
        return unipc("bh2" if name == "uni_pc_bh2" else "bh1", sigmas)
    if name in ("ddpm", "lcm", "euler_cfg_pp", "euler_ancestral_cfg_pp"):
        return restated(name, sigmas)
    x, draw = start(sigmas[0])
    if name == "ddim":
        return sample("ddim", denoise, x, [float(s) for s in sigmas], None)[0][-1]
    if name == "lms":  # ComfyUI ends on what the model sees
        x = k.sample_lms(model, x, sigmas.double()[:-1], disable=True)
        return denoise(x, float(sigmas[-2]))
    extra = {"noise_sampler": draw} if "ancestral" in name else {}
    return getattr(k, f"sample_{name.split('.')[0]}")(model, x, sigmas.double(), disable=True,
                                                      **extra)


NAMES = ["euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral",
         "dpmpp_sde", "dpmpp_sde.a1111", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "lms",
         "lms.a1111", "ddim", "ddpm", "uni_pc", "uni_pc_bh2", "lcm", "euler_cfg_pp",
         "euler_ancestral_cfg_pp"]


def samplers(functions):
    tensors = {}
    for steps in STEPS:
        sigmas = torch.tensor(schedule("karras", steps), dtype=torch.float64).float()
        tensors[f"karras.{steps}"] = sigmas
        for name in NAMES:
            x = tensors[f"sampler.{name}.{steps}"] = run(name, sigmas)
            if functions and name in functions:
                check_comfyui(functions, name, sigmas, x)
        x, sigmas = tcd(steps)
        tensors |= {f"sampler.tcd.{steps}": x, f"tcd.{steps}": sigmas}
    return tensors


def unets(out):
    global problem
    tensors, sigmas = {}, torch.tensor(schedule("karras", 8), dtype=torch.float64).float()
    for which in "ab":
        problem = Unet(out, which)
        for name in NAMES:
            tensors[f"unet_{which}.{name}"] = run(name, sigmas)
        tensors[f"unet_{which}.tcd"], _ = tcd(8)
    problem = Mixtures()
    return tensors


def unet_steps(out):
    """The same over the other numbers of steps, for small_a; where a model's answers differ so little
    from the reference's rounding that a longer run shows no more, one model is enough."""
    global problem
    problem, tensors = Unet(out, "a"), {}
    for steps in STEPS:
        if steps == 8:
            continue
        sigmas = torch.tensor(schedule("karras", steps), dtype=torch.float64).float()
        for name in NAMES:
            tensors[f"unet_a.{name}.{steps}"] = run(name, sigmas)
        tensors[f"unet_a.tcd.{steps}"], _ = tcd(steps)
    problem = Mixtures()
    return tensors


# ---- schedules ----------------------------------------------------------------------------------

AYS = [14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
       0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582]
AYS_A1111 = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029]


def aligned(levels, n):
    """Both tools go from the lowest level up, so that one alone is the lowest."""
    at = np.linspace(0, 1, n)
    up = np.interp(at, np.linspace(0, 1, len(levels)), np.log(levels[::-1]))
    return np.exp(up)[::-1].tolist()


def comfyui_schedule(name, n):
    low, high = TABLE[0].item(), TABLE[-1].item()
    if name == "ddim_uniform":
        return TABLE[1::max(1000 // n, 1)].flip(0).tolist() + [0.0]
    if name == "beta":
        ts = scipy.stats.beta.ppf(1 - np.linspace(0, 1, n, endpoint=False), 0.6, 0.6)
        ts = np.rint(ts * 999).astype(int).tolist()
        return [TABLE[t].item() for i, t in enumerate(ts) if i == 0 or ts[i - 1] != t] + [0.0]
    if name == "linear_quadratic":
        if n == 1:
            return [high, 0.0]
        half, threshold = n // 2, 0.025
        rest, over = n - half, half - threshold * n
        square, slope = over / (half * rest ** 2), threshold / half - 2 * over / rest ** 2
        way = [i * threshold / half for i in range(half)]
        way += [square * i * i + slope * i + square * half ** 2 for i in range(half, n)]
        return [(1 - w) * high for w in way] + [0.0]
    if name == "kl_optimal":
        ramp = [i / max(n - 1, 1) for i in range(n)]
        return [math.tan(r * math.atan(low) + (1 - r) * math.atan(high)) for r in ramp] + [0.0]
    return aligned(AYS, n + 1)[:-1] + [0.0]


def a1111_schedule(name, n):
    low, high = TABLE[0].item(), TABLE[-1].item()
    if name == "beta":
        ts = scipy.stats.beta.ppf(1 - np.linspace(0, 1, n), 0.6, 0.6)
        return [low + float(t) * (high - low) for t in ts] + [0.0]
    if name == "kl_optimal":
        return [math.tan(i / n * math.atan(low) + (1 - i / n) * math.atan(high))
                for i in range(n + 1)]
    return aligned(AYS_A1111, n) + [0.0]


def schedules():
    tensors = {}
    for n in (1, 3, 10, 20, 30, 200):
        for name in ("ddim_uniform", "beta", "linear_quadratic", "kl_optimal", "align_your_steps"):
            tensors[f"schedule.comfyui.{name}.{n}"] = torch.tensor(comfyui_schedule(name, n))
        for name in ("beta", "kl_optimal", "align_your_steps"):
            tensors[f"schedule.a1111.{name}.{n}"] = torch.tensor(a1111_schedule(name, n))
    return tensors


# ---- noise --------------------------------------------------------------------------------------

def philox(seed, call, n):
    """A1111's rng_philox.py, restated."""
    c = np.zeros((4, n), np.uint64)
    c[0], c[2] = call, np.arange(n)
    k, low = [seed & 0xFFFFFFFF, seed >> 32], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = np.stack([(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & low,
                      (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & low])
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    unit = np.float32(2.3283064e-10)
    turn = np.float32(2.3283064e-10 * 6.2831855)
    u = c[0] * np.float64(unit) + np.float64(unit / np.float32(2))
    v = c[1] * np.float64(turn) + np.float64(turn / np.float32(2))
    return torch.from_numpy((np.sqrt(-2.0 * np.log(u)) * np.sin(v)).astype(np.float32))


DOCUMENTED = [-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564,
              -0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497]


def noise():
    assert np.abs(philox(0, 0, 12).numpy() - DOCUMENTED).max() < 1e-6
    tensors = {"philox.documented": torch.tensor(DOCUMENTED)}
    for seed in (0, 42, 2**32 + 7, 2**64 - 1):
        for call in (0, 3):
            tensors[f"philox.{seed}.{call}"] = philox(seed, call, 100)
    k = k_diffusion().sampling
    sigmas = torch.tensor(schedule("karras", 6)).float()
    for seed in (1, 12345678901, 2**64 - 1):
        for shape in ((1, 1, 3, 5), (1, 4, 5, 3), (1, 4, 33, 47)):
            x = torch.zeros(shape)
            tree = k.BrownianTreeNoiseSampler(x, sigmas[-2], sigmas[0], seed=seed)
            for i, j in ((0, 1), (0, 5), (2, 3), (4, 5), (1, 4)):
                w = tree(sigmas[i], sigmas[j]).reshape(-1)
                name = f"brownian.{seed}.{w.numel()}.{i}.{j}"
                tensors[f"{name}.head"] = w[:32].clone()
                tensors[f"{name}.tail"] = w[-32:].clone()
    tensors["brownian.sigmas"] = sigmas
    for seed, spawn in ((0, ()), (7, (3, 5)), (2**64 - 1, (2**40 + 1, 41))):
        words = np.random.SeedSequence(seed, spawn_key=spawn, pool_size=24).generate_state(4)
        key = f"sequence.{seed}." + ".".join(map(str, spawn))
        tensors[key] = torch.tensor(words.astype(np.int64))
    return tensors


def make_samplers(out, comfyui_folder=None):
    functions = comfyui(comfyui_folder) if comfyui_folder else None
    tensors = {**samplers(functions), **unets(out), **schedules(), **noise()}
    save(f"{out}/samplers.safetensors", tensors, seed=SEED, cfg=Mixtures.cfg,
         shape=Mixtures.shape, cond=COND, uncond=UNCOND)
    save(f"{out}/samplers_unet.safetensors", unet_steps(out), seed=SEED, cfg=Unet.cfg)
