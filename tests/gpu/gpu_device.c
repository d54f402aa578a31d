/* One JSON object about the device, or the reason why there is none on stderr and status 1. */
#include <stdio.h>

#include "ops/cuda.h"

int main(void)
{
    struct cuda_info g;
    struct err e = {""};
    if (ops_cuda_look(0, &g, &e) != 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("{\"device\": \"%s\", \"compute\": \"%d.%d\", \"driver\": \"%d.%d\", \"cuda\": "
           "\"%d.%d\", \"libraries\": \"%s\", \"archs\": \"%s\", \"bytes\": %zu}\n",
           g.name, g.major, g.minor, g.driver / 1000, g.driver % 1000 / 10, g.runtime / 1000,
           g.runtime % 1000 / 10, g.libraries, g.archs, g.bytes_total);
    return 0;
}
