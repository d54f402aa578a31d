/*
 * A job as it travels, and back: from a command of this machine to a message that means the same on
 * any other, and there to a command again.
 *
 * Packing settles every setting here, so that nothing of the other machine's config files shows
 * through: presets, styles and wildcards are applied, files (pictures, palettes) become bytes, the
 * model becomes a hash. LoRAs, embeddings, VAE, refiner and ControlNet go by name and SHA-256; the
 * worker has to have the same. What belongs to a machine (device, threads, tokenizer, output) stays
 * behind.
 *
 * Unpacking believes none of it: a job from outside names no path of the worker's. What a setting
 * says of files has to be a file of the message ("in:0"), or something that the worker has under
 * that hash. Nothing else of its files is looked at, since whether a job fails, and how, says what
 * is there.
 */
#ifndef SPRITTY_QUEUE_PACK_H
#define SPRITTY_QUEUE_PACK_H

#include "queue/message.h"
#include "queue/stock.h"

/* What a client remembers from job to job. Zero it, set `client` and `store`. */
struct packer {
    char client[33];     /* who sends: keeps the same id for the same job after a restart */
    const char *store;   /* the database that job rows are of */
    char path[PATH_MAX]; /* the last model, its hash, and when that was looked at */
    char hash[65];
    double hashed_at;
    char *planned; /* the last settings that were forecast */
    int class;
};
void packer_free(struct packer *);

struct packed {
    struct queue_message message;
    int class;         /* of memory, GiB */
    int pictures;      /* that the job asks for */
    char model[256];   /* its name here */
    char *job, *needs; /* the message's */
    void *data[QUEUE_INPUTS];
};

/* -1 with err: the job is wrong, or cannot travel. packed_free after either. */
int job_pack(struct packer *, const struct command *, struct packed *, struct err *);
void packed_free(struct packed *);

/* Whether it names a LoRA, a VAE and so on in its folder, and no file of anyone's. */
bool goes_by_name(const char *);

/* What of a worker's own goes into every job. */
struct workplace {
    const struct stock *stock;
    const char *device; /* and so on, as settings have them */
    int threads;
    const char *folder; /* where the message's files go; they are gone after job_unpack_clean */
};

/* -1: the job is wrong or not for this worker; err is told to who sent it. The caller's to free. */
int job_unpack(const struct queue_message *, const struct workplace *, struct command **,
               struct err *);
void job_unpack_clean(const struct queue_message *, const struct workplace *);

#endif
