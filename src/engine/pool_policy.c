/* Who gets a job, and who how many images: decisions without devices. See pool.h. */
#include <string.h>

#include "engine/pool.h"

int pool_policy_by_name(const char *name)
{
    const struct settings_key *k = settings_key(settings_key_index("policy"));
    for (int i = 0; k->choice(i); i++)
        if (!strcmp(k->choice(i), name))
            return i;
    return -1;
}

/* xorshift64: enough to spread jobs. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state ? *state : 0x9e3779b97f4a7c15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Of several that are alike, the first after the last choice: so that idle devices are all used. */
static int least_busy(const struct pool_load *l, int count, int turn)
{
    int best = -1;
    for (int k = 1; k <= count; k++) {
        int i = (turn + k) % count;
        if (l[i].usable &&
            (best < 0 || l[i].left_ms + l[i].job_ms < l[best].left_ms + l[best].job_ms))
            best = i;
    }
    return best;
}

static int nth_usable(const struct pool_load *l, int count, int n)
{
    for (int i = 0; i < count; i++)
        if (l[i].usable && n-- == 0)
            return i;
    return -1;
}

int pool_choose(enum pool_policy policy, const struct pool_load *l, int count, int *turn,
                uint64_t *random)
{
    int usable = 0, at = -1;
    for (int i = 0; i < count; i++)
        usable += l[i].usable;
    if (usable == 0)
        return -1;
    if (policy == POLICY_RANDOM)
        at = nth_usable(l, count, (int)(next_random(random) >> 33) % usable);
    else if (policy == POLICY_LEAST_BUSY)
        at = least_busy(l, count, *turn);
    for (int k = 1; at < 0 && k <= count; k++)
        if (l[(*turn + k) % count].usable)
            at = (*turn + k) % count;
    return *turn = at;
}

int pool_shares(const struct pool_load *l, int count, int images, int *share)
{
    int used = 0;
    for (int i = 0; i < count; i++)
        share[i] = 0;
    for (; images > 0; images--) {
        int best = -1;
        double soonest = 0;
        for (int i = 0; i < count; i++) {
            double then = l[i].left_ms + (share[i] + 1) * l[i].job_ms;
            if (l[i].usable && (best < 0 || then < soonest))
                best = i, soonest = then;
        }
        if (best < 0)
            return 0;
        used += share[best]++ == 0;
    }
    return used;
}
