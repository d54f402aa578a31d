/* Names of what can be switched; see tuning.h. */
#include "ops/tuning.h"

#include "base/choices.h"

CHOICES(memory, "auto", "speed", "balanced", "constrained")
CHOICES(weights, "auto", "full", "half")
CHOICES(switch, "auto", "on", "off")
CHOICES(attention, "auto", "flash", "tiled", "sliced")
CHOICES(autotune, "measure", "heuristic", "off")
