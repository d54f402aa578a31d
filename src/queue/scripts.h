/*
 * What the server does in one piece: Lua scripts, each a transaction; see queue.h for the keys.
 *
 * Keys come in KEYS as far as they are known; the client's event stream is read from the job. All
 * have ARGV[1] = "{NAME}:".
 */
#ifndef SPRITTY_QUEUE_SCRIPTS_H
#define SPRITTY_QUEUE_SCRIPTS_H

enum script {
    /* KEYS stream, job. ARGV prefix, id, event stream, room, fields... -> {"queued"}; {"known",
     * state}; {"full", waiting}. One that was cancelled while it was made is sent anew. */
    SCRIPT_SUBMIT,
    /* KEYS streams... ARGV prefix, consumer, tries -> nil, or {stream, msg, id, fields, tries,
     * event stream}: the oldest job that is new */
    SCRIPT_NEXT,
    /* The same of a message that was read, KEYS stream, ARGV prefix, consumer, tries, msg; its
     * fields, which may be large, do not come once more: {} */
    SCRIPT_TAKE,
    /* KEYS streams... ARGV prefix, consumer, tries, idle ms -> as NEXT: a job that no one renews */
    SCRIPT_CLAIM,
    /* KEYS stream, job. ARGV prefix, consumer, msg -> {owned 0|1, cancelled 0|1, event stream} */
    SCRIPT_TOUCH,
    /* KEYS streams... ARGV prefix, consumer, idle ms: touches all messages of this consumer that
     * were not touched for so long at most */
    SCRIPT_HOLD,
    /* KEYS stream, job, result. ARGV prefix, consumer, msg, id, fields... -> "stored", "lost" */
    SCRIPT_DELIVER,
    /* KEYS stream, job. ARGV prefix, consumer, msg, id, state ("failed", "cancelled"), text, buried
     * 0|1 -> "stored", "lost" */
    SCRIPT_FAIL,
    /* KEYS stream, job. ARGV prefix, consumer, msg: back into the stream -> "stored", "lost" */
    SCRIPT_RELEASE,
    /* KEYS job. ARGV prefix, id -> its state before */
    SCRIPT_CANCEL,
    /* KEYS jobs... ARGV prefix -> states, "" for a job that is not there */
    SCRIPT_STATES,
    /* KEYS workers, worker. ARGV prefix, name, JSON, seconds */
    SCRIPT_BEAT,
    SCRIPTS
};

/* What goes in front of every script, and the script. */
const char *script_shared(void);
const char *script_text(enum script);

#endif
