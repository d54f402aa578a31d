/* Classes of memory; see queue.h. */
#include "queue/queue.h"

static const int gib[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192};
enum { CLASSES = sizeof gib / sizeof *gib };

int queue_class(int i)
{
    return i >= 0 && i < CLASSES ? gib[i] : 0;
}

int queue_class_of(unsigned long long bytes)
{
    int i = 0;
    while (i < CLASSES && bytes > (unsigned long long)gib[i] << 30)
        i++;
    return queue_class(i);
}
