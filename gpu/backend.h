/*
 * What the CUDA backend's files share: its state, its weights, and the seam to the libraries.
 *
 * The backend knows no library: cuBLASLt and cuDNN stand behind struct gpu_library, and whatever
 * they do not take, our own kernels (kernels.h) do. Without a library it is complete, which is how
 * tests run it on machines without a GPU.
 */
#ifndef SPRITTY_GPU_BACKEND_H
#define SPRITTY_GPU_BACKEND_H

#include "device.h"
#include "kernels.h"
#include "ops/arena.h"
#include "ops/check.h"
#include "ops/cost.h"

struct weight {
    struct weight_shape s;
    uint64_t serial; /* of its packing: no two have the same; 0: without values */
    void *w;  /* linear [out, in], convolution [out, k, k, in], table [in, out]: the act type;
               * a norm's gamma: f32 */
    float *b; /* bias or beta: f32, or NULL */
    /* for the libraries: the bias in the act type where that is not f32; sums of a 3x3
     * convolution's taps for a doubled input (gpu_fold), or NULL until they are wanted. */
    void *b_act, *folded;
    void *host;                /* pinned: the values, for those that come and go (window.c) */
    size_t away;               /* their bytes, once they have left; 0: w is the weight's own */
    int berth;                 /* 1 + its place in the window; 0: none, and w is NULL */
    size_t bytes;              /* of w and b */
    size_t more, folded_bytes; /* of what is there besides; of `folded`, for the backend to book */
};

/* Each returns 0, an error code for device_error, or NOT_TAKEN; a member may be NULL, which is the
 * same. Arguments are those of the calls of ops.h, checked. */
enum { NOT_TAKEN = -1 };
struct gpu_library {
    void *state;
    int (*linear)(void *state, struct tensor *y, const struct tensor *x, const struct weight *,
                  enum act act, const struct tensor *residual, void *stream);
    int (*conv2d)(void *state, struct tensor *y, const struct tensor *x, const struct weight *,
                  const struct conv_args *, void *stream);
    int (*attention)(void *state, struct tensor *y, const struct tensor *q, const struct tensor *k,
                     const struct tensor *v, int heads, float scale, bool causal, void *stream);
    void (*tune)(void *state, const struct tuning *);
    size_t (*held)(void *state); /* device memory of its own */
    void (*close)(void *state);
};

enum {
    STAGING = 4,            /* pinned buffers that take turns */
    STAGING_BYTES = 8 << 20 /* of each */
};

/* An activation that lies outside the slab: nothing, or too little, was reserved. */
struct stray {
    void *data, *place; /* place: its block in the arena */
};

/* A turn of a loop (turn.c). */
enum { TURNS = 16, TURN_NUMBERS = 1024 };
struct turn_kept {
    uint64_t sign; /* what the turn is */
    void *graph;   /* NULL: seen once, or refused */
    void *scratch; /* that the graph's calls use */
    bool refused;
    unsigned used;
    struct cost cost;
};
struct turn {
    enum turn_way { TURN_PLAIN, TURN_NOTE, TURN_RECORD } next, now;
    struct ops made; /* the calls, while notes stand in their place */
    uint64_t sign;
    float number[TURN_NUMBERS]; /* factors, in the order of the calls */
    int count;
    bool crowded;  /* more than there is room for: not to be kept */
    void *numbers; /* the same on the device, for graphs */
    struct cost before;
    struct turn_kept kept[TURNS];
    int kept_count;
    char lost[160]; /* why the last capture was given up; "": none was */
    unsigned clock;
};

/* What the host looks at while the device works (looking.c). */
struct slot_seen {
    void *done, *there, *sent; /* events: the mark; the copy; the copy is on the host */
    void *copy, *host;
    size_t bytes;
    bool sends;
    void *counted;         /* event: the count is on the host */
    unsigned *count, *bad; /* of values that are no numbers: the device's, the host's */
    bool counts;
};

/* Where weights come to that live in pinned memory (window.c). */
enum { BERTHS = 128 };
struct berth {
    struct weight *w; /* NULL: gone */
    size_t at, bytes;
    void *arrived, *done; /* events: the values are there; the calls that used them are done */
    bool used, is_done;   /* by a call; and the event is recorded */
};
struct window {
    void *data, *stream;
    void *left;  /* event: what was copied to the host is there */
    size_t room; /* 0: GPU_WINDOW, when it is opened */
    size_t head; /* where the next one goes */
    struct berth berth[BERTHS];
    int first, count;
    struct weight *current; /* which the call that is being made reads */
};

struct gpu {
    struct ops ops; /* first: a struct ops * of ours is a struct gpu * */
    struct gpu_library library;
    struct device_info info;
    void *stream;
    struct err err;
    bool failed;
    struct cost cost;
    size_t weight_bytes, device_peak;
    uint64_t weights; /* packed so far */
    struct turn turn;
    int recordings, replays;
    void *beside; /* a second stream, for what the host looks at; NULL: not yet */
    struct slot_seen seen[OPS_SLOTS];
    struct window window;
    struct tuning tuning;
    /* activations: the arena only keeps the books, at addresses that mean nothing */
    void *slab;
    size_t slab_bytes;
    struct stray *stray;
    int strays;
    /* on their way between host and device */
    void *staging[STAGING], *staged[STAGING]; /* buffers, and events: the buffer is free again */
    int staged_last;
    void *raw; /* values on the device before, or after, their conversion */
    size_t raw_bytes;
    void *merged; /* a weight in f32 while its changes are made, and what they are made of */
    size_t merged_bytes;
    void *scratch; /* group_norm's */
    size_t scratch_bytes;
    struct arena arena; /* last: it is large */
};

static inline struct gpu *gpu_of(struct ops *o)
{
    return (struct gpu *)o;
}

/* Keeps the first error; true if rc is 0. */
bool gpu_ok(struct gpu *, int rc, const char *what);

/* The staging buffers: 0, or an error code. */
int gpu_staging_open(struct gpu *);
void gpu_staging_close(struct gpu *);

/* Copies host memory of any alignment to the device, through the staging buffers. Returns when
 * `from` may be unmapped. */
void gpu_put(struct gpu *, void *to, const void *from, size_t bytes);

/* The other way. Waits for the values. */
void gpu_get(struct gpu *, void *to, const void *from, size_t bytes);

/* At least `bytes` at *at, which holds *held; the old content is lost. NULL after a failure. */
void *gpu_grow(struct gpu *, void **at, size_t *held, size_t bytes);

/* The calls of these names in struct ops (turn.c, looking.c). */
void gpu_turn_begin(struct ops *);
bool gpu_turn_end(struct ops *);
void gpu_mark(struct ops *, int slot);
void gpu_send(struct ops *, int slot, const struct tensor *);
void gpu_send_rgb(struct ops *, int slot, const struct tensor *, const float *rgb);
void gpu_watch(struct ops *, int slot, const struct tensor *);
size_t gpu_bad(struct ops *, int slot);
void gpu_bytes(struct ops *, uint8_t *bytes, size_t *bad, const struct tensor *image); /* pixels */
int gpu_passed(struct ops *, int slot, struct err *);
const void *gpu_sent(struct ops *, int slot);

/* The calls of these names in struct ops (window.c). */
bool gpu_park(struct ops *, struct weight *);
bool gpu_unpark(struct ops *, struct weight *, bool soon);
/* Before a weight is freed, after two were swapped, at the end. */
void gpu_window_forget(struct gpu *, struct weight *);
void gpu_window_swapped(struct gpu *, struct weight *, struct weight *);
void gpu_window_close(struct gpu *);

/* Notes numbers of the turn's calls. Where a graph finds them; NULL: there are too many. */
float *gpu_turn_numbers(struct gpu *, const float *k, int count);
void gpu_turns_close(struct gpu *);
void gpu_looking_close(struct gpu *); /* waits for the second stream */

/* The calls of these names in struct ops (weight.c). */
struct weight *gpu_pack_linear(struct ops *, const struct param *w, const struct param *b,
                               int count);
struct weight *gpu_pack_conv(struct ops *, const struct param *w, const struct param *b);
struct weight *gpu_pack_norm(struct ops *, const struct param *gamma, const struct param *beta);
struct weight *gpu_pack_table(struct ops *, const struct param *w);
void gpu_free_weight(struct ops *, struct weight *);
struct weight *gpu_no_weight(struct ops *);
void gpu_swap_weights(struct ops *, struct weight *a, struct weight *b);

/* Modules as NVTX ranges (ranges.c), where the toolkit has NVTX. */
void gpu_range_on(struct ops *);

/* The backend on device `index`, in f32, fp16 or bf16. Takes the library over, also when it fails;
 * NULL: none. NULL with the reason in err. */
struct ops *gpu_open(enum dtype act, int index, const struct gpu_library *, struct err *);

#endif
