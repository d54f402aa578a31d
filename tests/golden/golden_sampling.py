"""Noise, schedules and whole trajectories: rng, schedules, dump_{a,b}/trajectory.safetensors.

Conventions are ComfyUI's and k-diffusion's: x = x0 + sigma * noise, sigmas fall to 0, the UNet
reads x / sqrt(sigma^2 + 1). Formulas are written out here in float64. What others implement as
well is compared with theirs before anything is written:
  k-diffusion: euler, euler_ancestral, dpmpp_2m; karras, exponential; both rules for timesteps
  diffusers:   EulerDiscrete, EulerAncestralDiscrete, DPMSolverMultistep (dpmsolver++, midpoint)
               and DDIM steps; karras and exponential sigmas with their interpolated timesteps
normal, simple and sgm_uniform are ComfyUI's own (comfy/samplers.py, calculate_sigmas), which is no
package: they are restated here from its source; normal is checked against k-diffusion's
get_sigmas.
"""
import math
import sys
import types

import diffusers
import torch

from golden_dumps import context, load, normal, run_unet, save

SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "ddim"]
# Steps are such that no timestep falls half-way between two integers (see README.md).
SCHEDULES = {"normal": 6, "karras": 8, "exponential": 6, "simple": 6, "sgm_uniform": 5}
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             num_train_timesteps=1000)


def k_diffusion():
    """k_diffusion without its evaluation part, whose `clip` needs setuptools' pkg_resources."""
    sys.modules.setdefault("clip", types.ModuleType("clip"))
    import k_diffusion
    return k_diffusion


# ---- schedules ----------------------------------------------------------------------------------

def sigma_table():
    """sigma of each of the 1000 training timesteps."""
    betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
    alphas_cumprod = (1 - betas).cumprod(0)
    return ((1 - alphas_cumprod) / alphas_cumprod).sqrt()


TABLE = sigma_table()
LOGS = TABLE.log()


def sigma_of(t):
    """sigma at a broken timestep: linear in log sigma."""
    low, w = int(math.floor(t)), t - math.floor(t)
    high = int(math.ceil(t))
    return math.exp((1 - w) * LOGS[low].item() + w * LOGS[high].item())


def nearest_timestep(sigma):
    """ComfyUI: the integer whose log sigma is nearest."""
    return float((LOGS - math.log(sigma)).abs().argmin())


def interpolated_timestep(sigma):
    """A1111, k-diffusion (quantize off) and diffusers: the inverse of sigma_of."""
    x = math.log(sigma)
    low = min(max(int((LOGS <= x + 1e-12).sum()) - 1, 0), 998)
    w = (LOGS[low].item() - x) / (LOGS[low].item() - LOGS[low + 1].item())
    return low + min(max(w, 0.0), 1.0)


def schedule(name, n):
    """n + 1 sigmas, the last 0."""
    low, high = TABLE[0].item(), TABLE[-1].item()
    ramp = [i / max(n - 1, 1) for i in range(n)]
    if name == "normal":  # even in timesteps, both ends included
        out = [sigma_of(999 * (1 - r)) for r in ramp]
    elif name == "sgm_uniform":  # even in timesteps, the end left out
        out = [sigma_of(999 * (1 - i / n)) for i in range(n)]
    elif name == "simple":  # entries of the table
        out = [TABLE[-(1 + int(i * (1000 / n)))].item() for i in range(n)]
    elif name == "karras":  # rho 7
        a, b = high ** (1 / 7), low ** (1 / 7)
        out = [(a + r * (b - a)) ** 7 for r in ramp]
    elif name == "exponential":
        out = [math.exp(math.log(high) + r * (math.log(low) - math.log(high))) for r in ramp]
    return out + [0.0]


def check_schedules():
    k = k_diffusion()
    discrete = k.external.DiscreteSchedule(TABLE.clone(), quantize=False)

    def close(a, b, bound=2e-6):
        a, b = (torch.as_tensor(v, dtype=torch.float64) for v in (a, b))
        assert ((a - b).abs() <= bound * b.abs() + 1e-12).all(), (a, b)

    for n in (4, 20):
        limits = dict(sigma_min=TABLE[0].item(), sigma_max=TABLE[-1].item())
        close(k.sampling.get_sigmas_karras(n, **limits), schedule("karras", n))
        close(k.sampling.get_sigmas_exponential(n, **limits), schedule("exponential", n))
        close(discrete.get_sigmas(n), schedule("normal", n), 1e-5)  # k-diffusion's t is float32
        for kind in ("karras", "exponential"):
            s = diffusers.EulerDiscreteScheduler(timestep_spacing="linspace",
                                                 **{f"use_{kind}_sigmas": True}, **BETAS)
            s.set_timesteps(n)
            sigmas = schedule(kind, n)
            close(s.sigmas, sigmas, 3e-5)  # diffusers keeps its betas in float32
            close(s.timesteps + 1, [interpolated_timestep(x) + 1 for x in sigmas[:-1]], 1e-4)
    for sigma in schedule("karras", 9)[:-1]:
        x = torch.tensor(sigma, dtype=torch.float64)[None]
        close(interpolated_timestep(sigma) + 1, discrete.sigma_to_t(x) + 1, 1e-6)
        close(nearest_timestep(sigma), discrete.sigma_to_t(x, quantize=True).double())


def make_schedules(out):
    check_schedules()
    tensors = {"table": TABLE}
    for name in SCHEDULES:
        for n in (1, 4, 8, 20, 30, 50):
            sigmas = schedule(name, n)
            tensors[f"{name}.{n}"] = torch.tensor(sigmas, dtype=torch.float64)
            t = [interpolated_timestep(s) for s in sigmas[:-1]]
            tensors[f"{name}.{n}.interpolated"] = torch.tensor(t, dtype=torch.float64)
    save(f"{out}/schedules.safetensors", tensors)


# ---- samplers -----------------------------------------------------------------------------------

def sample(name, denoise, x, sigmas, noises):
    """All x (n + 1 of them) and all denoised (n). denoise(x, sigma) -> x0."""
    xs, denoised, old = [x], [], None
    for i, (s, s_next) in enumerate(zip(sigmas, sigmas[1:])):
        d = denoise(x, s)
        if name == "euler":
            x = x + (x - d) / s * (s_next - s)
        elif name == "ddim":  # eta 0, in the variance preserving space where it was published
            a, a_next = 1 / (1 + s * s), 1 / (1 + s_next * s_next)
            v = x * a ** 0.5
            eps = (v - a ** 0.5 * d) / (1 - a) ** 0.5
            x = (a_next ** 0.5 * d + (1 - a_next) ** 0.5 * eps) / a_next ** 0.5
        elif name == "euler_ancestral":  # eta 1
            up = min(s_next, (s_next ** 2 * (s ** 2 - s_next ** 2) / s ** 2) ** 0.5)
            down = (s_next ** 2 - up ** 2) ** 0.5
            x = x + (x - d) / s * (down - s)
            if s_next > 0:
                x = x + noises[i] * up
        elif name == "dpmpp_2m":
            if s_next == 0:
                x = d  # of first order; its exponential is 0
            else:
                h = math.log(s) - math.log(s_next)
                mix = d
                if old is not None:
                    r = (math.log(sigmas[i - 1]) - math.log(s)) / h
                    mix = d + (d - old) / (2 * r)
                x = s_next / s * x - math.expm1(-h) * mix
            old = d
        xs.append(x)
        denoised.append(d)
    return xs, denoised


def check_sampler(name, denoise, xs, denoised, sigmas, noises, noise_seed):
    """Against k-diffusion's loop and against diffusers' steps, fed with the same model outputs."""
    scale = max(x.abs().max().item() for x in xs)
    if name != "ddim":
        k = k_diffusion().sampling
        queue = iter(noises)
        extra = dict(noise_sampler=lambda a, b: next(queue)) if name == "euler_ancestral" else {}
        got = getattr(k, f"sample_{name}")(
            lambda x, s: denoise(x, s.item()), xs[0],
            torch.tensor(sigmas, dtype=torch.float64), disable=True, **extra)
        assert (got - xs[-1]).abs().max() < 1e-9 * scale, name

    n = len(sigmas) - 1
    space = [1.0] * (n + 1)
    if name == "euler":
        s = diffusers.EulerDiscreteScheduler(**BETAS)
    elif name == "euler_ancestral":
        s = diffusers.EulerAncestralDiscreteScheduler(**BETAS)
    elif name == "dpmpp_2m":
        s = diffusers.DPMSolverMultistepScheduler(
            algorithm_type="dpmsolver++", solver_type="midpoint", final_sigmas_type="zero",
            **BETAS)
        space = [(1 + x * x) ** -0.5 for x in sigmas]
    elif name == "ddim":
        return check_ddim()
    s.set_timesteps(n)
    s.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    if name != "dpmpp_2m":
        s.timesteps = torch.tensor([interpolated_timestep(x) for x in sigmas[:-1]])
    s.is_scale_input_called = True
    generator = torch.Generator().manual_seed(noise_seed)
    torch.randn(xs[0].shape, generator=generator)  # the initial noise came first
    for i, t in enumerate(s.timesteps):
        eps = (xs[i] - denoised[i]) / sigmas[i]
        extra = dict(generator=generator) if name == "euler_ancestral" else {}
        # float32 in: diffusers' ancestral noise then is the float32 stream of the generator
        y = s.step(eps.float(), t, (xs[i] * space[i]).float(), **extra).prev_sample / space[i + 1]
        assert (y - xs[i + 1]).abs().max() < 3e-6 * scale, (name, i)


def check_ddim():
    """diffusers' DDIM steps evenly through integers: compared on `simple` with 5 steps."""
    s = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **BETAS)
    s.set_timesteps(5)
    sigmas = schedule("simple", 5)
    x = 15 * normal(1, 1, 4, 4, 4)
    xs, ds = sample("ddim", lambda x, sigma: torch.sin(x), x, sigmas, None)
    for i, sigma in enumerate(sigmas[:-1]):
        a, a_next = ((1 + v * v) ** -0.5 for v in sigmas[i:i + 2])
        eps = (xs[i] - ds[i]) / sigma
        y = s.step(eps, int(nearest_timestep(sigma)), xs[i] * a).prev_sample / a_next
        assert (y - xs[i + 1]).abs().max() < 1e-4, (i, y, xs[i + 1])
    same, _ = sample("euler", lambda x, sigma: torch.sin(x), x, sigmas, None)
    assert (same[-1] - xs[-1]).abs().max() < 1e-10  # DDIM with eta 0 is Euler in sigma


def make_trajectories(out):
    cfg, seed = 5.0, 77
    for name in "ab":
        parts = load(out, name)
        v_prediction = name == "b"
        states, pooled = context(parts, ["a red slime, 16 bit pixel art", ""])
        if name == "a":  # force_zeros_for_empty_prompt
            states[1], pooled[1] = 0, 0
        factor = 2 ** (len(parts["vae"].config.block_out_channels) - 1)
        side = 8.0 * factor
        time_ids = torch.tensor([[side, side, 0, 0, side, side]] * 2).double()

        def denoiser(timestep):
            def denoise(x, sigma):
                c_in = (sigma * sigma + 1) ** -0.5
                y = run_unet(parts["unet"], torch.cat([x, x]) * c_in, timestep(sigma), states,
                             pooled, time_ids)
                both = x * c_in ** 2 - y * sigma * c_in if v_prediction else x - sigma * y
                return both[1:] + cfg * (both[:1] - both[1:])
            return denoise

        generator = torch.Generator().manual_seed(seed)
        noise, *noises = [torch.randn(1, 4, 8, 8, generator=generator).double()
                          for _ in range(8)]
        tensors = {"cond.states": states[:1], "cond.pooled": pooled[:1],
                   "uncond.states": states[1:], "uncond.pooled": pooled[1:],
                   "time_ids": time_ids[:1], "initial_noise": noise,
                   "step_noise": torch.cat(noises)}
        runs = [(s, k, "") for s in SAMPLERS for k in SCHEDULES]
        runs += [(s, "karras", ".interpolated") for s in ("euler", "dpmpp_2m")]
        for sampler, kind, rule in runs:
            sigmas = schedule(kind, SCHEDULES[kind])
            timestep = interpolated_timestep if rule else nearest_timestep
            fractions = [interpolated_timestep(s) % 1 for s in sigmas[:-1]]
            assert rule or all(abs(f - 0.5) > 0.01 for f in fractions), (kind, fractions)
            x = noise * (1 + sigmas[0] ** 2) ** 0.5
            denoise = denoiser(timestep)
            xs, ds = sample(sampler, denoise, x, sigmas, noises)
            check_sampler(sampler, denoise, xs, ds, sigmas, noises, seed)
            prefix = f"{sampler}.{kind}{rule}."
            timesteps = [timestep(s) for s in sigmas[:-1]]
            tensors |= {prefix + "sigmas": torch.tensor(sigmas, dtype=torch.float64),
                        prefix + "timesteps": torch.tensor(timesteps),
                        prefix + "x": torch.cat(xs), prefix + "denoised": torch.cat(ds)}
        save(f"{out}/dump_{name}/trajectory.safetensors", tensors, cfg=cfg, seed=seed,
             prediction="v_prediction" if v_prediction else "epsilon",
             prompt="a red slime, 16 bit pixel art", negative="",
             initial="noise * sqrt(1 + sigma^2)")


# ---- noise --------------------------------------------------------------------------------------

SEEDS = [0, 1, 42, 12345678901, 2**32 - 1, 2**32, 2**32 + 42, 2**63 - 1, 2**64 - 1]
CALLS = [1, 7, 16, 3, 17, 5, 15, 1, 100, 2, 1, 33]


def make_rng(out):
    tensors = {}
    for seed in SEEDS:
        def first(*shape):
            return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        for size in (1, 7, 15, 16, 17, 64, 100, 1024):
            tensors[f"{seed}.{size}"] = first(size)
        tensors[f"{seed}.1x4x16x16"] = first(1, 4, 16, 16)
        large = first(4 * 128 * 128)
        tensors |= {f"{seed}.65536.head": large[:32].clone(),
                    f"{seed}.65536.tail": large[-32:].clone()}
        generator = torch.Generator().manual_seed(seed)
        for i, size in enumerate(CALLS):
            tensors[f"{seed}.call.{i}"] = torch.randn(size, generator=generator)
        low = torch.randn(64, generator=torch.Generator().manual_seed(seed % 2**32))
        assert torch.equal(low, first(64))  # only the low 32 bits of a seed count
    save(f"{out}/rng.safetensors", tensors, seeds=[str(s) for s in SEEDS], calls=CALLS)
