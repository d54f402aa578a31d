#include "sdxl/infer.h"
int infer_config(const struct safetensors *st, struct model_config *c, struct err *e)
{
    (void)c;
    return err_set(e, "%s: single files are not supported yet", safetensors_path(st));
}
