/*
 * The softmax step of attention, included once for each kind of CPU and of weights:
 *
 *     p[i] = 2^(scale s[i] - maximum), 0 from `seen` on
 *
 * over one row of `width` scores (a multiple of 32), with the running maximum and sum kept up to
 * date and the factor given that older sums are to be multiplied with. scale has log2(e) in it, so
 * the powers are those of e. s is overwritten.
 *
 * 2^x = 2^n 2^r with n the nearest integer and 2^r as 1 + a polynomial, a fit of our own by least
 * squares reweighted towards the largest relative error, 9.1e-8 over -0.5 to 0.5.
 *
 * The includer defines NAME, TARGET, VEC, WIDTH, V_LOAD, V_SET (a value to all places), V_MAX,
 * V_MULTIPLY_ADD(a, b, c), V_ROUND (to integers), V_POWER(p, n) (p 2^n), V_WEIGHTS(pointer, i, v)
 * (stores weights i on), V_MAX_OF and V_SUM_OF (over the places of *v). What it gets past V_ROUND
 * is at most 0 and may be as low as -1e30.
 */
TARGET static void NAME(void *p, float *s, int width, int seen, float scale, float *maximum,
                        float *sum, float *factor)
{
    for (int i = seen; i < width; i++)
        s[i] = -1e30f;
    VEC most = V_LOAD(s), total = V_SET(0.0f), scales = V_SET(scale);
    for (int i = WIDTH; i < width; i += WIDTH)
        most = V_MAX(most, V_LOAD(s + i));
    float largest = V_MAX_OF(&most) * scale;
    largest = largest > *maximum ? largest : *maximum;
    VEC minus = V_SET(-largest), one = V_SET(1.0f);
    for (int i = 0; i < width; i += WIDTH) {
        VEC x = V_MULTIPLY_ADD(V_LOAD(s + i), scales, minus);
        VEC n = V_ROUND(x), r = x - n;
        VEC e = V_MULTIPLY_ADD(V_SET(0.0013264723f), r, V_SET(0.0096715130f));
        e = V_MULTIPLY_ADD(e, r, V_SET(0.055507336f));
        e = V_MULTIPLY_ADD(e, r, V_SET(0.24022242f));
        e = V_MULTIPLY_ADD(e, r, V_SET(0.69314700f));
        e = V_MULTIPLY_ADD(e, r, one);
        e = V_POWER(e, n);
        total = total + e;
        V_WEIGHTS(p, i, e);
    }
    *factor = *maximum == largest ? 1.0f : exp2f(*maximum - largest);
    *sum = *sum * *factor + V_SUM_OF(&total);
    *maximum = largest;
}

#undef NAME
#undef V_WEIGHTS
