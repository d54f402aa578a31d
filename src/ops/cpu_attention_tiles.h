/*
 * The inner product of attention over AMX tiles, included twice: with the instructions, and with
 * their emulation in plain C, so that this code is tested on machines without AMX. The includer
 * defines NAME, TARGET, TILES (declares what the tile names need) and TILE_ZERO(t), TILE_LOAD(t,
 * pointer, stride), TILE_STORE(t, pointer, stride), TILE_PRODUCT(sum, a, b); strides are bytes.
 *
 * A tile is 16 rows of 64 bytes. Tiles 0 to 3 are 32 rows x 32 columns of the result, 4 and 5 the
 * rows of a, 6 and 7 the columns of b: four products for four loads. Pairs of bf16 in a and b lie
 * as TDPBF16PS wants them, which is also how VDPBF16PS does (Intel SDM volume 2).
 */

/* As in cpu_attention_product.h; rows is a multiple of 32, count one of 16. */
TARGET static void NAME(float *c, int64_t ld_c, const void *a, int64_t ld_a, const void *b,
                        int64_t count, int rows, bool add)
{
    TILES;
    for (int first = 0; first < rows; first += 32) {
        const float *pa = (const float *)a + first * ld_a, *pb = b;
        float *pc = c + first * ld_c;
        if (add) {
            TILE_LOAD(0, pc, ld_c * 4);
            TILE_LOAD(1, pc + 16, ld_c * 4);
            TILE_LOAD(2, pc + 16 * ld_c, ld_c * 4);
            TILE_LOAD(3, pc + 16 * ld_c + 16, ld_c * 4);
        } else {
            TILE_ZERO(0);
            TILE_ZERO(1);
            TILE_ZERO(2);
            TILE_ZERO(3);
        }
        for (int64_t i = 0; i < count; i += 16) {
            TILE_LOAD(4, pa + i, ld_a * 4);
            TILE_LOAD(5, pa + i + 16 * ld_a, ld_a * 4);
            TILE_LOAD(6, pb + i * 32, 128);
            TILE_LOAD(7, pb + i * 32 + 16, 128);
            TILE_PRODUCT(0, 4, 6);
            TILE_PRODUCT(1, 4, 7);
            TILE_PRODUCT(2, 5, 6);
            TILE_PRODUCT(3, 5, 7);
        }
        TILE_STORE(0, pc, ld_c * 4);
        TILE_STORE(1, pc + 16, ld_c * 4);
        TILE_STORE(2, pc + 16 * ld_c, ld_c * 4);
        TILE_STORE(3, pc + 16 * ld_c + 16, ld_c * 4);
    }
}

#undef NAME
#undef TILES
#undef TILE_ZERO
#undef TILE_LOAD
#undef TILE_STORE
#undef TILE_PRODUCT
