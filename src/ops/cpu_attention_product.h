/*
 * The inner product of attention for CPUs with vectors, included once for each kind of them:
 *
 *     c[r, 0:32] (+)= sum_i a[r, i] b[i, 0:32]
 *
 * An "element" of a and b is a float, or a pair of bf16 in 32 bits that one instruction multiplies
 * and adds. The includer defines NAME, TARGET (function attributes), VEC, WIDTH (floats in it),
 * ROWS and VECS (accumulators: ROWS rows of VECS vectors; VECS * WIDTH divides 32), V_SET, V_LOAD,
 * V_STORE, V_SPREAD (one element to all places) and V_ADD_PRODUCT(sum, a, b).
 */

/* rows is a multiple of ROWS; ld_c and ld_a are in 4-byte elements. */
TARGET static void NAME(float *c, int64_t ld_c, const void *a, int64_t ld_a, const void *b,
                        int64_t count, int rows, bool add)
{
    for (int first = 0; first < rows; first += ROWS)
        for (int col = 0; col < 32; col += VECS * WIDTH) {
            const float *pa = (const float *)a + first * ld_a, *pb = (const float *)b + col;
            float *pc = c + first * ld_c + col;
            VEC sum[ROWS][VECS];
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
                for (int v = 0; v < VECS; v++)
                    sum[r][v] = add ? V_LOAD(pc + r * ld_c + v * WIDTH) : V_SET(0.0f);
            for (int64_t i = 0; i < count; i++, pa++, pb += 32) {
                VEC right[VECS];
#pragma GCC unroll 16
                for (int v = 0; v < VECS; v++)
                    right[v] = V_LOAD(pb + v * WIDTH);
#pragma GCC unroll 16
                for (int r = 0; r < ROWS; r++) {
                    VEC left = V_SPREAD(pa + r * ld_a);
#pragma GCC unroll 16
                    for (int v = 0; v < VECS; v++)
                        sum[r][v] = V_ADD_PRODUCT(sum[r][v], left, right[v]);
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
                for (int v = 0; v < VECS; v++)
                    V_STORE(pc + r * ld_c + v * WIDTH, sum[r][v]);
        }
}

#undef NAME
#undef ROWS
#undef VECS
#undef V_SPREAD
#undef V_ADD_PRODUCT
