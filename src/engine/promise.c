/* See promise.h. */
#include "engine/promise.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct promise *first;

void promises_lock(void)
{
    pthread_mutex_lock(&lock);
}

void promises_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static void unlink_promise(struct promise *mine)
{
    struct promise **at = &first;
    while (*at && *at != mine)
        at = &(*at)->next;
    if (*at)
        *at = mine->next;
    *mine = (struct promise){0};
}

size_t promises_left(int of, const struct promise *mine)
{
    size_t bytes = 0;
    for (const struct promise *p = first; p; p = p->next)
        if (p != mine && p->of == of) {
            size_t left = p->left;
            bytes = left < (size_t)-1 - bytes ? bytes + left : (size_t)-1;
        }
    return bytes;
}

void promise_make(struct promise *mine, int of, size_t bytes)
{
    unlink_promise(mine);
    *mine = (struct promise){.next = first, .made = true, .of = of, .bytes = bytes, .left = bytes};
    first = mine;
}

void promise_take(struct promise *mine, size_t taken)
{
    size_t left = taken < mine->bytes ? mine->bytes - taken : 0;
    if (mine->made && left < mine->left)
        mine->left = left;
}

void promise_end(struct promise *mine)
{
    promises_lock();
    unlink_promise(mine);
    promises_unlock();
}
