/* The commit, which the Makefile asks git for; its own file, so that little is compiled anew. */
#include "base/version.h"

#ifndef SPRITTY_COMMIT
#define SPRITTY_COMMIT ""
#endif

const char *version_commit(void)
{
    return SPRITTY_COMMIT;
}
