/* spritty: game sprites from prompts. Everything is in the library; see src/cli/options.h. */
#include "cli/options.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
