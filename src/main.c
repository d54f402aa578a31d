/*
 * spritty: game sprites from prompts. Everything is in the library; see src/cli/options.h.
 *
 * One thing must happen before the libraries begin. The OpenMP threads that oneDNN and our kernels
 * share wait for each other by spinning, for about a millisecond by default. With every core to
 * ourselves that is right; beside any other busy process a thread then spins for one that is not
 * running, and the work takes twenty times as long. A thousand turns (some microseconds) and then
 * sleeping costs a few percent on an idle machine. libgomp reads the setting once, when it is
 * loaded.
 *
 * What stands in .preinit_array runs before that, with the environment as the kernel gave it: there
 * is no room for another variable, so one that no library asks for makes way until main. Where
 * there is none of them, the program starts itself anew, which loads everything twice.
 */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/options.h"

#define SPINS "1000"

static char *moved; /* the variable that made way */

static bool is(const char *variable, const char *name)
{
    while (*name && *variable == *name)
        variable++, name++;
    return !*name && *variable == '=';
}

/* No function of the C library may be called yet. */
static void limit_early(int argc, char **argv, char **environment)
{
    static const char *const unread[] = {"_", "OLDPWD", "SHLVL", "PWD"};
    static char setting[] = "GOMP_SPINCOUNT=" SPINS;
    char **place = NULL;
    (void)argc, (void)argv;
    for (char **v = environment; *v; v++) {
        if (is(*v, "GOMP_SPINCOUNT") || is(*v, "OMP_WAIT_POLICY"))
            return;
        for (int i = 0; i < 4 && !place; i++)
            place = is(*v, unread[i]) ? v : NULL;
    }
    if (place)
        moved = *place, *place = setting;
}

__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **,
                                                                            char **) = limit_early;

static void limit_late(char **argv)
{
    if (moved)
        putenv(moved);
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    char self[PATH_MAX]; /* its own name, which /proc/self/exe would hide from ps */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 1 || setenv("GOMP_SPINCOUNT", SPINS, 1))
        return;
    self[n] = '\0';
    execv(self, argv); /* comes back only if it cannot: then as it was */
}

int main(int argc, char **argv)
{
    limit_late(argv);
    return cli_main(argc, argv);
}
