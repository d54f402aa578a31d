/* The LoRA picker's rows: what is there, what is used, how strongly. Pure. */
#ifndef SPRITTY_LORA_ROWS_H
#define SPRITTY_LORA_ROWS_H

#include <stdbool.h>

#include "base/err.h"

struct lora_rows {
    struct lora_row {
        char *name;
        bool used;
        double unet, text; /* strengths */
    } * at;
    int count;
};

/* Those of the setting (prompt/lora_list.h) first, in its order and used; then the other names.
 * -1 with err: the setting is broken, or no memory. lora_rows_free after either. */
int lora_rows_make(struct lora_rows *, const char *const *names, int count, const char *setting,
                   struct err *);
void lora_rows_free(struct lora_rows *);
/* One step of 0.05, from -4 to 4, of both strengths or of the text encoders' alone; a row that is
 * not used becomes so, as it is. */
void lora_row_step(struct lora_row *, int by, bool text_only);
/* The setting's text again (malloc'd): "" when none is used. NULL without memory. */
char *lora_rows_text(const struct lora_rows *);

#endif
