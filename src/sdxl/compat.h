/*
 * Whose picture a seed means.
 *
 * ComfyUI, A1111 (with Forge) and diffusers differ in how noise is drawn and scaled, in which
 * timestep the model is told for a sigma, and in some schedules. The setting `compat` names the
 * tool to follow; docs/compatibility.md and docs/model.md have the differences.
 */
#ifndef SPRITTY_COMPAT_H
#define SPRITTY_COMPAT_H

enum compat { COMPAT_COMFYUI, COMPAT_A1111, COMPAT_DIFFUSERS };

/* Whose random numbers: auto is what the tool does by default (A1111's setting "RNG"). */
enum rng_kind { RNG_AUTO, RNG_CPU, RNG_GPU };

/* In the order of their indexes, NULL past the end; by name: index, or -1. */
const char *compat_name(int compat);
int compat_by_name(const char *name);
const char *rng_name(int kind);
int rng_by_name(const char *name);

#endif
