/*
 * spritty: game sprites from prompts. Everything is in the library; see src/cli/options.h.
 *
 * One thing must happen before the library is loaded. The OpenMP threads that oneDNN and our
 * kernels share wait for each other by spinning, for about a millisecond by default. With every
 * core to ourselves that is right; beside any other busy process a thread then spins for one that
 * is not running, and the work takes twenty times as long. A thousand turns (some microseconds) and
 * then sleeping costs a few percent on an idle machine. libgomp reads the setting once, when it is
 * loaded: hence the second exec.
 */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/options.h"

static void limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    char self[PATH_MAX]; /* its own name, which /proc/self/exe would hide from ps */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 1 || setenv("GOMP_SPINCOUNT", "1000", 1))
        return;
    self[n] = '\0';
    execv(self, argv); /* comes back only if it cannot: then as it was */
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    return cli_main(argc, argv);
}
