/* The version, as `--version` and the PNGs say it. */
#ifndef SPRITTY_VERSION_H
#define SPRITTY_VERSION_H

#define SPRITTY_VERSION "0.1.0"

#endif
