/* Names of the settings compat and rng. */
#include "sdxl/compat.h"

#include "base/choices.h"

CHOICES(compat, "comfyui", "a1111", "diffusers")
CHOICES(rng, "auto", "cpu", "gpu")
