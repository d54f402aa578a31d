/* The reader of config files on any bytes, and every preset in them. */
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c = {0};
    struct err e;
    if (!config_parse(&c, (const char *)data, size, "fuzz.ini", &e)) {
        for (int i = 0; i < c.count; i++) {
            struct settings s = {0};
            config_preset(&c, c.presets[i].name, &s, &e);
            settings_free(&s);
        }
    }
    config_free(&c);
    return 0;
}
