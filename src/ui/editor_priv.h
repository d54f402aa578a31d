/* What the editor's files share: editor.c, the text and its changes; editor_rows.c, its rows. */
#ifndef SPRITTY_EDITOR_PRIV_H
#define SPRITTY_EDITOR_PRIV_H

#include "ui/editor.h"
#include "ui/undo.h"

/* What a change is a part of, for undo. KIND_NONE and KIND_OTHER are never continued. */
enum kind { KIND_NONE, KIND_TYPE, KIND_PASTE, KIND_ERASE, KIND_OTHER };

struct editor {
    char *text; /* EDITOR_MAX + 1 bytes */
    size_t len, cursor;
    unsigned long version;
    bool many_lines;
    int want; /* the column that LINE_UP and LINE_DOWN keep, or -1 */

    char *kill;
    size_t kill_len;
    bool killing; /* the last thing done was a cut: the next one adds to it */

    struct undo undo;
    enum kind last; /* what the newest change may be continued with */
    bool piece;     /* it ended with a long piece of a paste */

    struct editor_row *row; /* of wrapped text, for row_version and row_width */
    int rows, row_cap, row_width;
    unsigned long row_version;
};

/* End of the cluster that begins at `at`, and the columns that it takes on the screen, which draws
 * pictures joined into one side by side, as most terminals would. */
size_t editor_cluster_end(const struct editor *, size_t at, int *columns);
/* The cursor to the row above or below, in the column that it keeps. False: there is none. */
bool editor_line_by(struct editor *, int by, int width);

#endif
