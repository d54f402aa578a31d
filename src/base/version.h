/* The version, as `--version` and the PNGs say it. */
#ifndef SPRITTY_VERSION_H
#define SPRITTY_VERSION_H

#define SPRITTY_VERSION "0.1.0"

/* "1a2b3c4d5e", with "-dirty" when files were changed since; "" when it was not built from git. */
const char *version_commit(void);

#endif
