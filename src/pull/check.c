/* See check.h. */
#include "pull/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/digest.h"
#include "sdxl/weights_kind.h"

enum { MAX_TEXT = 64 << 20 };

static bool ends(const char *name, const char *with)
{
    size_t n = strlen(name), m = strlen(with);
    return n > m && !strcasecmp(name + n - m, with);
}

int pull_check_name(const char *name, struct err *e)
{
    static const char *const good[] = {".safetensors", ".json", ".txt"};
    static const char *const pickles[] = {".ckpt", ".pt", ".pth", ".bin", ".pkl"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (ends(name, good[i]))
            return 0;
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++)
        if (ends(name, pickles[i]))
            return err_set(e,
                           "'%.100s' is a pickle, which can run any code and is not read here; "
                           "look for a .safetensors file",
                           name);
    return err_set(e, "'%.100s': only .safetensors, .json and .txt files are pulled", name);
}

/* ---- form ---- */

static int wrong_kind(const char *name, const char *is, const char *wanted, struct err *e)
{
    return err_set(e, "%s: it is a %s file, not the %s that was asked for", name, is, wanted);
}

static int check_weights(const char *path, const char *name, enum pull_kind kind,
                         const char **folder, struct err *e)
{
    static const struct {
        enum pull_kind kind;
        enum weights_kind is;
    } wanted[] = {{KIND_CHECKPOINT, WEIGHTS_CHECKPOINT},
                  {KIND_LORA, WEIGHTS_LORA},
                  {KIND_VAE, WEIGHTS_VAE},
                  {KIND_TINY_VAE, WEIGHTS_TINY_VAE},
                  {KIND_CONTROL, WEIGHTS_CONTROL}};
    struct safetensors *s = safetensors_open(path, e);
    if (!s)
        return -1;
    enum weights_kind is = weights_summary(s).kind;
    safetensors_close(s);
    *folder = is == WEIGHTS_LORA                            ? "loras"
              : is == WEIGHTS_VAE || is == WEIGHTS_TINY_VAE ? "vae"
              : is == WEIGHTS_CONTROL                       ? "controlnets"
              : is == WEIGHTS_EMBEDDING                     ? "embeddings"
                                                            : "models";
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i].kind == kind && wanted[i].is != is)
            return wrong_kind(name, weights_kind_name(is), weights_kind_name(wanted[i].is), e);
    return 0;
}

static int check_text(const char *path, const char *name, struct err *e)
{
    size_t size;
    char *text = file_read(path, MAX_TEXT, &size, e);
    if (!text)
        return -1;
    bool page = text[strspn(text, " \t\r\n")] == '<';
    bool zero = memchr(text, '\0', size) != NULL;
    free(text);
    return page || zero || !size ? wrong_kind(name, page ? "web page's" : "binary", "text", e) : 0;
}

static int check_json(const char *path, struct err *e)
{
    struct json_doc *doc = json_load(path, MAX_TEXT, e);
    json_free(doc);
    return doc ? 0 : -1;
}

int pull_check(const char *path, const char *name, enum pull_kind kind, const char **folder,
               struct err *e)
{
    *folder = "models";
    if (kind == KIND_JSON || (kind == KIND_ANY && ends(name, ".json")))
        return check_json(path, e);
    if (kind == KIND_TEXT || (kind == KIND_ANY && ends(name, ".txt")))
        return check_text(path, name, e);
    return check_weights(path, name, kind, folder, e);
}

/* ---- hash ---- */

/* Quotes and the mark of weak ones are left out. */
size_t pull_hash_of(const char *tag, char out[72])
{
    if (!strncmp(tag, "W/", 2))
        tag += 2;
    tag += *tag == '"';
    size_t n = strspn(tag, "0123456789abcdefABCDEF");
    bool whole = !tag[n] || (tag[n] == '"' && !tag[n + 1]);
    if (!whole || (n != 64 && n != 40))
        return 0;
    for (size_t i = 0; i < n; i++)
        out[i] = tag[i] >= 'A' && tag[i] <= 'F' ? (char)(tag[i] + 32) : tag[i];
    out[n] = '\0';
    return n;
}

int pull_check_hash(const char *path, const char *tag, bool (*tick)(void *user, uint64_t bytes),
                    void *user, bool *stopped, struct err *e)
{
    enum { BLOCK = 1 << 20 };
    char want[72], have[72], head[40];
    size_t kind = pull_hash_of(tag, want), n = 0;
    struct digest big;
    struct digest git;
    struct stat st;
    uint64_t done = 0;
    if (!kind)
        return 1;
    FILE *f = fopen(path, "rbe");
    char *block = malloc(BLOCK);
    int rc = f && block && !fstat(fileno(f), &st) ? 0 : err_set(e, "cannot read %s", path);
    digest_start(&big, DIGEST_SHA256);
    digest_start(&git, DIGEST_SHA1);
    if (!rc) /* git hashes this, with its zero byte, and then the file */
        digest_add(&git, head,
                   (size_t)snprintf(head, sizeof head, "blob %lld", (long long)st.st_size) + 1);
    while (!rc && (n = fread(block, 1, BLOCK, f)) > 0) {
        if (kind == 64)
            digest_add(&big, block, n);
        else
            digest_add(&git, block, n);
        done += n;
        if (!tick(user, done)) {
            *stopped = true;
            rc = -1;
        }
    }
    if (!rc && ferror(f))
        rc = err_set(e, "cannot read %s", path);
    if (f)
        fclose(f);
    free(block);
    if (rc)
        return rc;
    if (kind == 64)
        digest_hex(&big, have);
    else
        digest_hex(&git, have);
    return !strcmp(want, have)
               ? 0
               : err_set(e, "its hash is %.12s..., not %.12s... as the server says", have, want);
}
