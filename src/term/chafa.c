/*
 * A picture as the symbols that come nearest, by libchafa, whose only home this is.
 *
 * Only for pictures that must be shrunk: there its choice among half blocks, quarters and edges
 * shows more than one colour a half cell would. We take the cells from its canvas and write them
 * ourselves (blocks.c), so no sequence of its own reaches the terminal, and fewer colours
 * than all are found in one way for all characters.
 */
#include "term/encoders.h"

#include <chafa.h>

static ChafaCanvas *new_canvas(int rows, int cols)
{
    ChafaSymbolMap *symbols = chafa_symbol_map_new();
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    /* Blocks that every font with line drawing has: no sextants, no wedges, no braille. */
    chafa_symbol_map_add_by_tags(symbols, CHAFA_SYMBOL_TAG_SPACE | CHAFA_SYMBOL_TAG_SOLID |
                                              CHAFA_SYMBOL_TAG_HALF | CHAFA_SYMBOL_TAG_QUAD |
                                              CHAFA_SYMBOL_TAG_BLOCK);
    chafa_canvas_config_set_geometry(config, cols, rows);
    chafa_canvas_config_set_symbol_map(config, symbols);
    chafa_canvas_config_set_pixel_mode(config, CHAFA_PIXEL_MODE_SYMBOLS);
    chafa_canvas_config_set_canvas_mode(config, CHAFA_CANVAS_MODE_TRUECOLOR);
    chafa_canvas_config_set_dither_mode(config, CHAFA_DITHER_MODE_NONE);
    chafa_canvas_config_set_preprocessing_enabled(config, FALSE); /* colours as they are */
    chafa_canvas_config_set_color_extractor(config, CHAFA_COLOR_EXTRACTOR_AVERAGE);
    chafa_canvas_config_set_work_factor(config, 0.5f);
    ChafaCanvas *canvas = chafa_canvas_new(config);
    chafa_canvas_config_unref(config);
    chafa_symbol_map_unref(symbols);
    return canvas;
}

static void unpack(int color, uint8_t out[3])
{
    int c = color < 0 ? 0 : color;
    out[0] = (uint8_t)(c >> 16);
    out[1] = (uint8_t)(c >> 8);
    out[2] = (uint8_t)c;
}

int chafa_cells(const struct image *flat, int rows, int cols, struct cell *cells, struct err *e)
{
    chafa_set_n_threads(1); /* the other cores are sampling */
    ChafaCanvas *canvas = new_canvas(rows, cols);
    if (!canvas)
        return err_set(e, "cannot draw a picture with libchafa");
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGBA8_UNASSOCIATED, flat->rgba, flat->width,
                                 flat->height, flat->width * 4);
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++, cells++) {
            int fg, bg;
            cells->glyph = chafa_canvas_get_char_at(canvas, x, y);
            chafa_canvas_get_colors_at(canvas, x, y, &fg, &bg);
            unpack(fg, cells->fg);
            unpack(bg, cells->bg);
        }
    chafa_canvas_unref(canvas);
    return 0;
}
