/* A list of sigmas of any bytes: refused, or falling to 0 within its room. */
#include <stdlib.h>
#include <string.h>

#include "sdxl/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    float *sigma = malloc((MAX_STEPS + 1) * sizeof *sigma);
    char *text = malloc(size + 1);
    struct err e;
    if (sigma && text) {
        memcpy(text, data, size);
        text[size] = '\0';
        int n = sigmas_parse(text, sigma, &e);
        if (n == 0 || n > MAX_STEPS || (n > 0 && sigma[n] != 0))
            abort();
        for (int i = 0; i < n; i++)
            if (!(sigma[i] > sigma[i + 1]))
                abort();
    }
    free(sigma);
    free(text);
    return 0;
}
