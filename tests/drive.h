/*
 * Drives a program through a pseudo-terminal: starts it in a controlled environment, types at it,
 * reads what it draws into an emulated terminal (emu.h), and waits for what should be seen.
 *
 * Nothing here sleeps: every wait is for a condition, and one that does not come true fails the
 * test with the screen as it stood. The program's HOME and XDG folders lie in a temporary folder;
 * nothing of the caller's environment reaches it.
 */
#ifndef SPRITTY_DRIVE_H
#define SPRITTY_DRIVE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h> /* login_tty */

#include "emu.h"

#ifndef DRIVE_GIVE_UP /* what ends a test; a bench brings its own */
#define DRIVE_GIVE_UP() fail()
#endif

enum { DRIVE_ENV = 16, DRIVE_OPEN = 8, DRIVE_ROW = 24 * 400 };

struct drive_options {
    int rows, cols;              /* 0: 24 x 80 */
    const char *const *argv;     /* NULL: the app, $SPRITTY or build/spritty */
    const char *home;            /* drive_home's */
    const struct emu_kind *kind; /* NULL: sixel */
    const char *env[DRIVE_ENV];  /* "NAME=value" besides or instead of the usual ones */
};

struct drive {
    struct emu *emu;
    int rows, cols;
    pid_t pid;
    int master;
    bool ended, eof;  /* waitpid had it; nobody holds the other side any more */
    int status;       /* of waitpid */
    uint64_t bytes;   /* that came from the program */
    double last_ms;   /* when the last of them came */
    double credit;    /* bytes that a slow terminal may read now */
    double credit_ms; /* as of then */
    struct bytes to_send;
    size_t sent;
    struct termios before;
    const char *home;
};

static struct drive *drive_open[DRIVE_OPEN]; /* for drive_close_all after a failed test */

static inline double drive_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* How long a wait may take: generous, as test machines are busy and sanitizers slow. */
static inline double drive_patience(void)
{
    const char *factor = getenv("SPRITTY_PATIENCE");
    double ms = 60e3;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    ms = 120e3;
#endif
    return ms * (factor ? atof(factor) : 1);
}

/* ---- folders ---- */

static inline const char *drive_home(void)
{
    char *path = strdup("/tmp/spritty-drive-XXXXXX");
    assert(path && mkdtemp(path));
    return path;
}

static inline int drive_unlink(const char *path, const struct stat *s, int what, struct FTW *at)
{
    (void)s, (void)what, (void)at;
    return remove(path);
}

static inline void drive_home_drop(const char *home)
{
    nftw(home, drive_unlink, 16, FTW_DEPTH | FTW_PHYS);
    free((char *)home);
}

static inline const char *drive_app(void)
{
    static char path[PATH_MAX];
    const char *said = getenv("SPRITTY");
    return realpath(said && *said ? said : "build/spritty", path) ? path : NULL;
}

/* ---- start ---- */

/* "NAME=value" replaces an entry of the same name. */
static inline void drive_set_env(char *env[], const char *entry)
{
    size_t name = strcspn(entry, "=") + 1, i = 0;
    while (env[i] && strncmp(env[i], entry, name))
        i++;
    assert(i < 2 * DRIVE_ENV - 1);
    free(env[i]);
    env[i] = strdup(entry);
}

static inline void drive_exec(const struct drive_options *o)
{
    static const char *const names[] = {
        "HOME=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME="};
    static const char *const under[] = {"", "/.config", "/.local/share", "/.local/state",
                                        "/.cache"};
    char *env[2 * DRIVE_ENV] = {0}, entry[PATH_MAX + 32], cwd[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(entry, sizeof entry, "%s%s%s", names[i], o->home ? o->home : "/nonexistent",
                 under[i]);
        drive_set_env(env, entry);
    }
    snprintf(entry, sizeof entry, "SPRITTY_SHARE=%s", getcwd(cwd, sizeof cwd));
    drive_set_env(env, entry);
    drive_set_env(env, "TERM=xterm-256color");
    drive_set_env(env, "LANG=C.UTF-8");
    drive_set_env(env, "OMP_WAIT_POLICY=passive");
    drive_set_env(env, "SPRITTY_MEASURE=never");
    drive_set_env(env, "SPRITTY_NVML=/nowhere"); /* the same screens with and without a GPU */
    drive_set_env(env, "PATH=/usr/local/bin:/usr/bin:/bin");
    drive_set_env(env, "PS1=$ ");
    static const char *const keep[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                                       "TSAN_OPTIONS", "OMP_NUM_THREADS"};
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        if (getenv(keep[i])) {
            snprintf(entry, sizeof entry, "%s=%s", keep[i], getenv(keep[i]));
            drive_set_env(env, entry);
        }
    if (o->kind && o->kind->outer)
        drive_set_env(env, "TMUX=/tmp/none,1,0");
    for (int i = 0; i < DRIVE_ENV && o->env[i]; i++)
        drive_set_env(env, o->env[i]);
    const char *const app[] = {drive_app(), NULL};
    const char *const *argv = o->argv ? o->argv : app;
    execvpe(argv[0], (char *const *)argv, env);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static inline void drive_child(const struct drive_options *o, int slave)
{
    /* A test that dies takes the program along; a caller under nohup must not shield it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (login_tty(slave) == 0)
        drive_exec(o);
    _exit(127);
}

static inline struct drive *drive_start(const struct drive_options *given)
{
    struct drive_options o = *given;
    o.rows = o.rows ? o.rows : 24;
    o.cols = o.cols ? o.cols : 80;
    struct drive *d = calloc(1, sizeof *d);
    assert(d);
    d->rows = o.rows;
    d->cols = o.cols;
    d->home = o.home;
    d->emu = emu_new(o.rows, o.cols, o.kind ? o.kind : &emu_sixel);
    struct winsize size = {.ws_row = (unsigned short)o.rows, .ws_col = (unsigned short)o.cols};
    int slave;
    assert(openpty(&d->master, &slave, NULL, NULL, &size) == 0);
    fcntl(d->master, F_SETFD, FD_CLOEXEC);
    fcntl(d->master, F_SETFL, O_NONBLOCK);
    tcgetattr(slave, &d->before);
    d->last_ms = d->credit_ms = drive_now();
    d->pid = fork();
    assert(d->pid >= 0);
    if (d->pid == 0)
        drive_child(&o, slave);
    close(slave);
    int i = 0;
    while (drive_open[i])
        i++;
    assert(i < DRIVE_OPEN);
    return drive_open[i] = d;
}

/* Ends the program, however far it is. */
static inline void drive_close(struct drive *d)
{
    for (int i = 0; i < DRIVE_OPEN; i++)
        if (drive_open[i] == d)
            drive_open[i] = NULL;
    if (!d->ended) {
        kill(d->pid, SIGKILL);
        waitpid(d->pid, &d->status, 0);
    }
    if (d->master >= 0)
        close(d->master);
    free(d->to_send.data);
    emu_free(d->emu);
    free(d);
}

/* For a test's teardown: whatever a failed test left open. */
static inline void drive_close_all(void)
{
    for (int i = 0; i < DRIVE_OPEN; i++)
        if (drive_open[i])
            drive_close(drive_open[i]);
}

/* ---- the loop ---- */

static inline void drive_send(struct drive *d, const char *bytes, size_t len)
{
    bytes_add(&d->to_send, bytes, len);
}

static inline void drive_give_answers(struct drive *d)
{
    struct emu *t = d->emu;
    while (t->answers > 0 && t->answer[0].due <= drive_now()) {
        drive_send(d, t->answer[0].text, strlen(t->answer[0].text));
        memmove(t->answer, t->answer + 1, (size_t)--t->answers * sizeof *t->answer);
    }
}

static inline void drive_write(struct drive *d)
{
    ssize_t n = 0;
    while (d->sent < d->to_send.size &&
           (n = write(d->master, d->to_send.data + d->sent, d->to_send.size - d->sent)) > 0)
        d->sent += (size_t)n;
    if (d->sent == d->to_send.size || (n < 0 && errno != EAGAIN))
        d->sent = d->to_send.size = 0;
}

/* Bytes that this kind of terminal takes now. */
static inline size_t drive_room(struct drive *d, size_t most)
{
    size_t rate = d->emu->kind.rate;
    if (rate == 0)
        return most;
    double now = drive_now();
    d->credit += (now - d->credit_ms) * (double)rate / 1e3;
    d->credit_ms = now;
    if (d->credit > (double)rate / 20)
        d->credit = (double)rate / 20;
    return d->credit < 1 ? 0 : d->credit < (double)most ? (size_t)d->credit : most;
}

/* Turns the crank once: waits at most `ms` for output, reads it, answers. Bytes read. */
static inline size_t drive_pump(struct drive *d, double ms)
{
    static char buf[1 << 16];
    if (d->master < 0)
        return 0;
    drive_give_answers(d);
    drive_write(d);
    size_t room = drive_room(d, sizeof buf);
    if (d->emu->answers > 0 || d->sent < d->to_send.size || room == 0 || d->emu->kind.rate)
        ms = ms < 5 ? ms : 5;
    struct pollfd p = {.fd = d->eof ? -1 : d->master, .events = room ? POLLIN : 0};
    poll(&p, 1, (int)ceil(d->eof && ms > 5 ? 5 : ms));
    ssize_t n = room && !d->eof ? read(d->master, buf, room) : 0;
    d->eof = d->eof || (n < 0 && errno == EIO);
    if (n > 0) {
        d->last_ms = drive_now();
        d->bytes += (size_t)n;
        d->credit -= (double)n;
        emu_feed(d->emu, buf, (size_t)n, d->last_ms);
        drive_give_answers(d);
        drive_write(d);
    }
    if (!d->ended && waitpid(d->pid, &d->status, WNOHANG) == d->pid)
        d->ended = true;
    return n > 0 ? (size_t)n : 0;
}

/* ---- looking ---- */

static inline const char *drive_row(const struct drive *d, int y)
{
    static char row[DRIVE_ROW];
    emu_row(d->emu, y, NULL, row);
    return row;
}

/* The row whose text matches an extended regular expression, or -1. */
static inline int drive_find(const struct drive *d, const char *pattern)
{
    regex_t re;
    assert(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    int found = -1;
    for (int y = 0; y < d->rows && found < 0; y++)
        if (regexec(&re, drive_row(d, y), 0, NULL, 0) == 0)
            found = y;
    regfree(&re);
    return found;
}

static inline bool drive_sees(const struct drive *d, const char *pattern)
{
    return drive_find(d, pattern) >= 0;
}

static inline void drive_print(const struct drive *d)
{
    VTermPos at = emu_cursor(d->emu);
    fprintf(stderr, "-- %d x %d, %s terminal, cursor %s at %d, %d", d->rows, d->cols,
            d->emu->kind.name, d->emu->cursor ? "shown" : "hidden", at.row, at.col);
    if (d->ended)
        fprintf(stderr, ", ended with status 0x%x", (unsigned)d->status);
    fputc('\n', stderr);
    static char row[DRIVE_ROW];
    for (int y = 0; y < d->rows; y++) {
        emu_row(d->emu, y, "\u2591", row);
        fprintf(stderr, "|%s\n", row);
    }
    for (int i = 0; i < d->emu->images; i++) {
        const struct emu_image *m = &d->emu->image[i];
        fprintf(stderr, "-- image %d: %d x %d px, %d x %d cells at %d, %d, %d cells are seen\n",
                m->serial, m->w, m->h, m->rows, m->cols, m->y, m->x, m->left);
    }
}

__attribute__((format(printf, 2, 3))) static inline void drive_fail(const struct drive *d,
                                                                    const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    drive_print(d);
    DRIVE_GIVE_UP();
}

#define drive_check(d, what)                                                                       \
    do {                                                                                           \
        if (!(what))                                                                               \
            drive_fail(d, "%s:%d: not so: %s", __FILE__, __LINE__, #what);                         \
    } while (0)

/* ---- waiting ---- */

/* Pumps until `what` is true; it may use everything in scope. */
#define drive_wait(d, what)                                                                        \
    do {                                                                                           \
        double until_ = drive_now() + drive_patience();                                            \
        while (!(what)) {                                                                          \
            if (drive_now() > until_ || ((d)->ended && drive_pump(d, 50) == 0 && !(what)))         \
                drive_fail(d, "%s:%d: did not come true: %s", __FILE__, __LINE__, #what);          \
            drive_pump(d, 100);                                                                    \
        }                                                                                          \
    } while (0)

#define drive_wait_text(d, pattern) drive_wait(d, drive_sees(d, pattern))
/* Of what was seen before: what a frame that is still being drawn does not show yet is gone too. */
#define drive_wait_gone(d, pattern) drive_wait(d, !drive_sees(d, pattern))

/* Until the program, and whoever else had the terminal, has ended and all output is read; its
 * status as waitpid tells it. */
static inline int drive_wait_end(struct drive *d)
{
    double until = drive_now() + drive_patience();
    while (!(d->ended && d->eof) && drive_now() < until)
        drive_pump(d, 100);
    if (!d->ended || !d->eof)
        drive_fail(d, d->ended ? "somebody keeps the terminal open" : "the program does not end");
    return d->status;
}

/* Until nothing has come for `ms`, and nothing is left to answer. */
static inline void drive_wait_quiet(struct drive *d, double ms)
{
    double start = drive_now(), until = start + drive_patience();
    for (;;) {
        double since = d->last_ms > start ? d->last_ms : start;
        if (drive_now() - since >= ms && d->emu->answers == 0)
            return;
        if (drive_now() > until) {
            drive_fail(d, "the screen does not come to rest");
            return;
        }
        drive_pump(d, ms);
    }
}

/* ---- typing ---- */

static inline void drive_type(struct drive *d, const char *text)
{
    drive_send(d, text, strlen(text));
    drive_write(d);
}

/* As a terminal sends a paste, if the program has asked for brackets. */
static inline void drive_paste(struct drive *d, const char *text)
{
    bool brackets = emu_mode(d->emu, 2004);
    drive_type(d, brackets ? "\033[200~" : "");
    drive_type(d, text);
    drive_type(d, brackets ? "\033[201~" : "");
}

/* xterm's bytes for "C-q", "M-x", "F5", "S-Tab", "C-Left", "PgUp", "a". */
static inline size_t drive_key_bytes(const char *name, bool application, char *out, size_t size)
{
    static const struct {
        const char *name, *plain; /* plain: without modifiers */
        char letter;              /* CSI 1 ; mod LETTER */
        int number;               /* CSI NUMBER ; mod ~ */
    } keys[] = {
        {"Up", NULL, 'A', 0},     {"Down", NULL, 'B', 0},   {"Right", NULL, 'C', 0},
        {"Left", NULL, 'D', 0},   {"Home", NULL, 'H', 0},   {"End", NULL, 'F', 0},
        {"F1", "\033OP", 'P', 0}, {"F2", "\033OQ", 'Q', 0}, {"F3", "\033OR", 'R', 0},
        {"F4", "\033OS", 'S', 0}, {"Insert", NULL, 0, 2},   {"Delete", NULL, 0, 3},
        {"PgUp", NULL, 0, 5},     {"PgDn", NULL, 0, 6},     {"F5", NULL, 0, 15},
        {"F6", NULL, 0, 17},      {"F7", NULL, 0, 18},      {"F8", NULL, 0, 19},
        {"F9", NULL, 0, 20},      {"F10", NULL, 0, 21},     {"F11", NULL, 0, 23},
        {"F12", NULL, 0, 24},     {"Enter", "\r", 0, 0},    {"Tab", "\t", 0, 0},
        {"Esc", "\033", 0, 0},    {"Space", " ", 0, 0},     {"Backspace", "\177", 0, 0},
    };
    int mods = 0; /* xterm's: 1 shift, 2 alt, 4 control */
    while (name[0] && name[1] == '-' && name[2]) {
        mods |= *name == 'S' ? 1 : *name == 'M' ? 2 : 4;
        name += 2;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i].name, name))
            continue;
        if (!strcmp(name, "Tab") && mods == 1)
            return (size_t)snprintf(out, size, "\033[Z");
        if (keys[i].plain && (mods & ~2) == 0)
            return (size_t)snprintf(out, size, "%s%s", mods ? "\033" : "", keys[i].plain);
        if (keys[i].letter && mods)
            return (size_t)snprintf(out, size, "\033[1;%d%c", mods + 1, keys[i].letter);
        if (keys[i].letter)
            return (size_t)snprintf(out, size, "\033%c%c", application ? 'O' : '[', keys[i].letter);
        if (mods)
            return (size_t)snprintf(out, size, "\033[%d;%d~", keys[i].number, mods + 1);
        return (size_t)snprintf(out, size, "\033[%d~", keys[i].number);
    }
    assert(strlen(name) == 1);
    char c = mods & 4 ? (char)(*name & 0x1f) : *name;
    return (size_t)snprintf(out, size, "%s%c", mods & 2 ? "\033" : "", c);
}

static inline void drive_key(struct drive *d, const char *name)
{
    char bytes[32];
    drive_send(d, bytes, drive_key_bytes(name, emu_mode(d->emu, 1), bytes, sizeof bytes));
    drive_write(d);
}

/* A click with the left button, as xterm's SGR mode tells it; cells from 0. */
static inline void drive_click(struct drive *d, int y, int x)
{
    char bytes[64];
    snprintf(bytes, sizeof bytes, "\033[<0;%d;%dM\033[<0;%d;%dm", x + 1, y + 1, x + 1, y + 1);
    drive_type(d, bytes);
}

static inline void drive_resize(struct drive *d, int rows, int cols)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    d->rows = rows;
    d->cols = cols;
    emu_resize(d->emu, rows, cols);
    assert(ioctl(d->master, TIOCSWINSZ, &size) == 0);
}

/* ---- the end ---- */

/* The line goes: as when sshd closes it. Nothing is read after that. */
static inline void drive_hang_up(struct drive *d)
{
    close(d->master);
    d->master = -1;
    double until = drive_now() + drive_patience();
    while (!d->ended && drive_now() < until) {
        d->ended = waitpid(d->pid, &d->status, WNOHANG) == d->pid;
        poll(NULL, 0, 5);
    }
    if (!d->ended)
        drive_fail(d, "the program does not end after its line was closed");
}

/* A child of `parent`, or 0. */
static inline pid_t drive_child_of(pid_t parent)
{
    for (pid_t pid = parent + 1; pid < parent + 500; pid++) {
        char path[64], line[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        char *got = fgets(line, sizeof line, f);
        fclose(f);
        int of = 0;
        char *name_end = got ? strrchr(line, ')') : NULL;
        if (name_end && sscanf(name_end + 1, " %*c %d", &of) == 1 && of == parent)
            return pid;
    }
    return 0;
}

/* Is the terminal as it was before the program: modes, screen, cursor, line discipline? */
static inline bool drive_restored(const struct drive *d)
{
    const struct emu *t = d->emu;
    struct termios now;
    tcgetattr(d->master, &now);
    static const int modes[] = {1,    9,    47,   1000, 1002, 1003, 1004, 1005,
                                1006, 1015, 1016, 1047, 1049, 2004, 2026};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (emu_mode(t, modes[i]))
            return false;
    return !t->alt && t->cursor && t->keyboard_modes <= 0 && now.c_lflag == d->before.c_lflag &&
           now.c_iflag == d->before.c_iflag && now.c_oflag == d->before.c_oflag &&
           now.c_cflag == d->before.c_cflag && now.c_cc[VMIN] == d->before.c_cc[VMIN] &&
           now.c_cc[VTIME] == d->before.c_cc[VTIME];
}

#endif
