/*
 * What comes through a queue: URLs, and lists of fields as jobs, events and results.
 *
 * Input: a kind, then fields: a byte for the name's length, two for the value's, both texts. Where
 * a checksum is empty, the right one is put in, so that what lies behind the check is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/digest.h"
#include "queue/message.h"

static char sums[FIELDS_MAX][65];

static void read_fields(struct fields *f, const uint8_t *data, size_t size)
{
    f->n = 0;
    while (size >= 3 && f->n < FIELDS_MAX) {
        size_t name = data[0], value = (size_t)(data[1] << 8 | data[2]);
        data += 3, size -= 3;
        name = name < size ? name : size;
        value = value < size - name ? value : size - name;
        f->at[f->n++] = (struct field){.name = (const char *)data,
                                       .data = (const char *)data + name,
                                       .name_size = name,
                                       .size = value};
        data += name + value, size -= name + value;
    }
}

/* "in:0:sha256" of "in:0:data", "sha256:0" of "png:0". */
static void right_sums(struct fields *f)
{
    for (int i = 0; i < f->n; i++) {
        struct field *x = &f->at[i];
        char name[32];
        int k;
        snprintf(name, sizeof name, "%.*s", x->name_size < 31 ? (int)x->name_size : 0, x->name);
        if (x->size ||
            (sscanf(name, "in:%d:sha256", &k) != 1 && sscanf(name, "sha256:%d", &k) != 1))
            continue;
        snprintf(name, sizeof name, name[0] == 'i' ? "in:%d:data" : "png:%d", k);
        const struct field *of = fields_get(f, name);
        if (!of)
            continue;
        digest_of(of->data, of->size, sums[i]);
        x->data = sums[i];
        x->size = 64;
    }
}

static void read_url(const uint8_t *data, size_t size)
{
    struct queue_url u;
    char *text = strndup((const char *)data, size);
    char *stripped = text ? secret_strip(text) : NULL;
    queue_url_parse(&u, text ? text : "", NULL);
    if (text)
        secret_blot(text);
    free(stripped);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fields f;
    static struct queue_message m;
    static struct queue_result r;
    struct err e = {""};
    char id[QUEUE_ID_MAX + 1];
    bool result;
    if (size < 1)
        return 0;
    if (data[0] % 4 == 3) {
        read_url(data + 1, size - 1);
        return 0;
    }
    read_fields(&f, data + 1, size - 1);
    right_sums(&f);
    if (data[0] % 4 == 0)
        message_read(&m, &f, &e);
    else if (data[0] % 4 == 1)
        event_free(event_read(&f, id, &result, &e));
    else
        result_read(&r, &f, &e);
    return 0;
}
