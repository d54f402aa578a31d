/* Variables of the environment that users may set: for --help, the manual page and doctor. */
#include <stddef.h>

#include "cli/options_table.h"

static const struct env_row table[] = {
    {"SPRITTY_CUDA", "path of libspritty_cuda.so, where it does not lie beside the program"},
    {"SPRITTY_NVML", "path of the driver's libnvidia-ml.so.1, where it is not found"},
    {"SPRITTY_GRAPHICS", "sixel, kitty, iterm, blocks or none, whatever the terminal says"},
    {"SPRITTY_COLORS", "none, 16, 256 or true, whatever the terminal says"},
    {"SPRITTY_SHARE", "folder of the shipped config.ini, models and themes"},
    {"SPRITTY_HUB", "a hub in place of https://huggingface.co (HF_ENDPOINT is read too)"},
    {"SPRITTY_QUEUE", "the URL of `spritty worker --queue`, where it is not said"},
    {"SPRITTY_REDIS_PASSWORD", "the password for a queue's URL that has none"},
    {"SPRITTY_REDIS_PASSWORD_FILE", "a file whose first line is that password"},
    {"HF_TOKEN", "for models of the hub that ask for a login"},
    {"CUDA_VISIBLE_DEVICES", "which GPUs spritty may see"},
    {"CUDA_HOME", "where CUDA's libraries are, where the system does not find them"},
    {"CUDNN_HOME", "the same for cuDNN's"},
    {"OMP_WAIT_POLICY", "how threads wait: active or passive (unset: briefly awake, then asleep)"},
    {"NO_COLOR", "no colours"},
    {"XDG_CONFIG_HOME", "in place of ~/.config"},
    {"XDG_DATA_HOME", "in place of ~/.local/share"},
};

const struct env_row *cli_environment(int i)
{
    return i >= 0 && (size_t)i < sizeof table / sizeof *table ? &table[i] : NULL;
}
