/* spritty: the program's door. Everything is in the library; see src/cli. */
#include <stdio.h>

int main(void)
{
    fprintf(stderr, "spritty: not built yet\n");
    return 1;
}
