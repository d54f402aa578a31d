/*
 * Finds and opens libspritty_cuda.so; see cuda.h.
 *
 * It lies beside the program (a checkout's build/), in lib/spritty of the prefix (installed), or
 * where $SPRITTY_CUDA says. The libraries that it needs are found by the linker's own ways, or else
 * in the folders where CUDA and pip put them: those are opened by path first, and the linker then
 * takes what is open. Without a driver nothing of all this is touched.
 */
#include "ops/cuda.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OBJECT "libspritty_cuda.so"

static _Atomic(const struct cuda_face *) face; /* once opened, for good */

/* ---- the object ---- */

static bool beside_program(const char *from_bin, char out[PATH_MAX])
{
    char dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(dir, '/');
    if (!slash)
        return false;
    *slash = '\0';
    n = snprintf(out, PATH_MAX, "%s/%s" OBJECT, dir, from_bin);
    return n < PATH_MAX && access(out, R_OK) == 0;
}

static bool find_object(char out[PATH_MAX], struct err *e)
{
    const char *said = getenv("SPRITTY_CUDA");
    if (said && *said) {
        snprintf(out, PATH_MAX, "%s", said);
        return true;
    }
    if (beside_program("", out) || beside_program("../lib/spritty/", out))
        return true;
    err_set(e, "the CUDA backend (" OBJECT ") was not built: install the CUDA toolkit with cuDNN, "
               "then make gpu");
    return false;
}

/* ---- the libraries ---- */

/* The name in "libcudnn.so.9: cannot open shared object file: ...". */
static bool missing_library(const char *message, char out[128])
{
    size_t n = strcspn(message, ":");
    if (n == 0 || n >= 128 || strncmp(message, "lib", 3) != 0 ||
        !strstr(message, "cannot open shared object"))
        return false;
    memcpy(out, message, n);
    out[n] = '\0';
    return true;
}

static bool open_in(const char *dir, const char *name)
{
    char pattern[PATH_MAX];
    glob_t found;
    bool opened = false;
    if (snprintf(pattern, sizeof pattern, "%s/%s", dir, name) >= PATH_MAX ||
        glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc && !opened; i++)
        opened = dlopen(found.gl_pathv[i], RTLD_LAZY | RTLD_GLOBAL) != NULL;
    globfree(&found);
    return opened;
}

/* Where CUDA's installer, distributions and pip put libraries; * as the shell means it. */
static bool open_library(const char *name)
{
    static const struct {
        const char *variable, *below;
    } place[] = {
        {"CUDA_HOME", "/lib64"},
        {"CUDA_HOME", "/lib"},
        {"CUDA_HOME", "/targets/*/lib"},
        {"CUDNN_HOME", "/lib*"},
        {NULL, "/usr/local/cuda/lib64"},
        {NULL, "/usr/local/cuda-*/lib64"},
        {NULL, "/opt/cuda/lib64"},
        {"VIRTUAL_ENV", "/lib/python3*/site-packages/nvidia/*/lib"},
        {"CONDA_PREFIX", "/lib"},
        {"CONDA_PREFIX", "/lib/python3*/site-packages/nvidia/*/lib"},
        {"HOME", "/.local/lib/python3*/site-packages/nvidia/*/lib"},
        {NULL, "/usr/local/lib/python3*/*-packages/nvidia/*/lib"},
        {NULL, "/usr/lib/python3*/*-packages/nvidia/*/lib"},
        {NULL, "/opt/*/lib/python3*/site-packages/nvidia/*/lib"},
        {NULL, "/opt/*/.venv/lib/python3*/site-packages/nvidia/*/lib"},
        {NULL, "/usr/local/nvidia/lib*"}, /* the driver's, in containers */
        {NULL, "/usr/lib/wsl/lib"},
    };
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        char dir[PATH_MAX];
        const char *root = place[i].variable ? getenv(place[i].variable) : "";
        if (!root || (place[i].variable && root[0] != '/') ||
            snprintf(dir, sizeof dir, "%s%s", root, place[i].below) >= PATH_MAX)
            continue;
        if (open_in(dir, name))
            return true;
    }
    return false;
}

/* dlopen, and again for as long as a library is missing that is found elsewhere. */
static void *open_object(const char *path, struct err *e)
{
    char name[128], last[128] = "";
    for (;;) {
        void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (object)
            return object;
        const char *message = dlerror();
        if (!message || !missing_library(message, name) || !strcmp(name, last) ||
            !open_library(name)) {
            err_set(e, "the CUDA backend cannot be opened: %s", message ? message : path);
            return NULL;
        }
        snprintf(last, sizeof last, "%s", name);
    }
}

/* ---- both ---- */

static const struct cuda_face *open_face(struct err *e)
{
    char path[PATH_MAX];
    const char *said = getenv("SPRITTY_CUDA"); /* tests have one that needs no driver */
    if (!(said && *said) && !dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL) &&
        !open_library("libcuda.so.1")) {
        err_set(e, "there is no NVIDIA driver here (libcuda.so.1)");
        return NULL;
    }
    void *object = find_object(path, e) ? open_object(path, e) : NULL;
    if (!object)
        return NULL;
    cuda_face_fn *ask = NULL;
    void *symbol = dlsym(object, CUDA_FACE_SYMBOL);
    memcpy(&ask, &symbol, sizeof ask);
    const struct cuda_face *f = ask ? ask(&CUDA_ABI) : NULL;
    if (!f) {
        err_set(e, "%s is of another build than this program; run make gpu again", path);
        dlclose(object);
    }
    return f;
}

/* Two threads that come at once both open it, which is the same twice. */
static const struct cuda_face *the_face(struct err *e)
{
    const struct cuda_face *f = atomic_load(&face);
    if (!f && (f = open_face(e)))
        atomic_store(&face, f);
    return f;
}

struct ops *ops_cuda_open(const struct cuda_options *options, struct err *e)
{
    const struct cuda_face *f = the_face(e);
    return f ? f->open(options, e) : NULL;
}

int ops_cuda_look(int index, struct cuda_info *info, struct err *e)
{
    const struct cuda_face *f = the_face(e);
    return f ? f->look(index, info, e) : -1;
}

int ops_cuda_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    const struct cuda_face *f = atomic_load(&face);
    return f ? f->memory(index, bytes_free, bytes_total) : -1;
}

void ops_cuda_bare(struct ops *o, bool on)
{
    const struct cuda_face *f = atomic_load(&face);
    if (f)
        f->bare(o, on);
}

void ops_cuda_account(struct ops *o, char *out, size_t size)
{
    const struct cuda_face *f = atomic_load(&face);
    out[0] = '\0';
    if (f)
        f->account(o, out, size);
}
