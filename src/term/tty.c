/* The terminal as a device; see tty.h. */
#include "term/tty.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mapfile.h"
#include "term/guard.h"

static const char enter_bytes[] = "\033[?1049h\033[?1l\033>\033[?2004h\033[?1004h"
                                  "\033[?1000h\033[?1002h\033[?1006h"
                                  /* xterm: Alt with a key is ESC and the key, not an accented
                                     letter; what was so before is kept. */
                                  "\033[?1036;1039s\033[?1036;1039h";

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { CRASHES = sizeof crashes / sizeof *crashes, ANSWERS_MS = 150 };

static struct {
    struct term_state state;
    struct guard guard;
    int signal_fd;
    sigset_t signals, mask_before;
    struct sigaction before[CRASHES];
    stack_t stack_before;
    volatile sig_atomic_t entered;
    bool open;
} device;

static char crash_stack[1 << 16]; /* a stack that overflowed is no place for a handler */

/* -- raw mode and back --------------------------------------------------------------------------*/

static void enter(void)
{
    /* From the background this stops us (SIGTTOU) until we are in the foreground again. */
    while (tcsetattr(device.state.fd, TCSANOW, &device.state.raw) && errno == EINTR)
        ;
    guard_tell(&device.guard, true);
    device.entered = 1;
    if (device.state.shared_flags >= 0)
        fcntl(device.state.fd, F_SETFL, device.state.shared_flags | O_NONBLOCK);
    term_write(device.state.fd, enter_bytes);
}

/* Answers that are on their way: read and dropped, while nothing echoes them. */
static void swallow_answers(void)
{
    char bytes[512];
    for (double end = clock_ms() + ANSWERS_MS, now; (now = clock_ms()) < end;) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&p, 1, (int)(end - now) + 1) > 0 && read(p.fd, bytes, sizeof bytes) <= 0)
            return;
    }
}

/* Async-signal-safe. */
static void leave(bool answers_due)
{
    if (!device.entered)
        return;
    device.entered = 0;
    term_leave_screen(&device.state);
    if (answers_due)
        swallow_answers();
    term_leave_raw(&device.state);
    guard_tell(&device.guard, false);
}

static struct termios raw_of(struct termios t)
{
    tcflag_t utf8 = t.c_iflag & IUTF8;
    cfmakeraw(&t);
    t.c_iflag |= utf8;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    return t;
}

/* -- crashes ------------------------------------------------------------------------------------*/

static void crashed(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (sig == SIGBUS && mapfile_mend(info->si_addr)) /* a file was cut short: no crash */
        return;
    leave(false);
    for (int i = 0; i < CRASHES; i++)
        if (crashes[i] == sig)
            sigaction(sig, &device.before[i], NULL);
    raise(sig); /* comes once this handler returns, at the place that crashed */
}

static void watch_crashes(void)
{
    stack_t stack = {.ss_sp = crash_stack, .ss_size = sizeof crash_stack};
    struct sigaction a = {.sa_sigaction = crashed, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    sigaltstack(&stack, &device.stack_before);
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &a, &device.before[i]);
}

static void unwatch_crashes(void)
{
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &device.before[i], NULL);
    sigaltstack(&device.stack_before, NULL);
}

/* -- signals ------------------------------------------------------------------------------------*/

static int block_signals(void)
{
    static const int all[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGCONT, SIGTSTP};
    sigemptyset(&device.signals);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sigaddset(&device.signals, all[i]);
    sigprocmask(SIG_BLOCK, &device.signals, &device.mask_before);
    device.signal_fd = signalfd(-1, &device.signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return device.signal_fd;
}

static void unblock_signals(void)
{
    struct timespec now = {0};
    while (sigtimedwait(&device.signals, NULL, &now) > 0)
        ; /* what came while we were going does not kill us at the end */
    if (device.signal_fd >= 0)
        close(device.signal_fd);
    device.signal_fd = -1;
    sigprocmask(SIG_SETMASK, &device.mask_before, NULL);
}

static void forget_sigcont(void)
{
    struct timespec now = {0};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGCONT);
    while (sigtimedwait(&one, NULL, &now) > 0)
        ;
}

int tty_signal_fd(struct tty *t)
{
    (void)t;
    return device.signal_fd;
}

int tty_signal(struct tty *t)
{
    struct signalfd_siginfo info;
    if (!t->open || read(device.signal_fd, &info, sizeof info) != sizeof info)
        return 0;
    if (info.ssi_signo == SIGCONT && device.entered)
        enter();
    return (int)info.ssi_signo;
}

void tty_suspend(struct tty *t)
{
    sigset_t stop;
    struct sigaction fatal = {.sa_handler = SIG_DFL}, before;
    if (!t->open)
        return;
    leave(t->answers_due);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigaction(SIGTSTP, &fatal, &before);
    kill(0, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, NULL); /* here we stop, and go on */
    sigprocmask(SIG_BLOCK, &stop, NULL);
    sigaction(SIGTSTP, &before, NULL);
    enter();
    forget_sigcont();
}

/* -- open and close -----------------------------------------------------------------------------*/

static bool same_terminal(int a, int b)
{
    unsigned x, y;
    return ioctl(a, TIOCGDEV, &x) || ioctl(b, TIOCGDEV, &y) || x == y;
}

/* A descriptor of its own for stdout's terminal: O_NONBLOCK belongs to a description, and that of
 * stdout is the shell's as well. Where the terminal can not be opened again (another user's, after
 * su) it is set there, and taken back. */
static int open_output(struct term_state *s)
{
    const char *paths[] = {"/proc/self/fd/1", ttyname(STDOUT_FILENO), "/dev/tty"};
    s->shared_flags = -1;
    for (int i = 0; i < 3; i++) {
        s->fd = paths[i] ? open(paths[i], O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
        if (s->fd >= 0 && isatty(s->fd) && same_terminal(s->fd, STDOUT_FILENO))
            return 0;
        if (s->fd >= 0)
            close(s->fd);
    }
    s->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    s->shared_flags = s->fd < 0 ? -1 : fcntl(s->fd, F_GETFL);
    return s->fd < 0 || s->shared_flags < 0 ? -1 : 0;
}

static int check_terminal(struct err *e)
{
    const char *term = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(e, "this is no terminal; without one, use: spritty gen PROMPT");
    if (!same_terminal(STDIN_FILENO, STDOUT_FILENO))
        return err_set(e, "stdin and stdout are two different terminals; use one");
    if (!term || !*term || !strcmp(term, "dumb"))
        return err_set(e, "TERM is %s, which can show no screens; set it to what your terminal is",
                       term && *term ? term : "not set");
    return 0;
}

static int open_device(struct err *e)
{
    if (open_output(&device.state))
        return err_set(e, "cannot open the terminal: %s", strerror(errno));
    if (tcgetattr(device.state.fd, &device.state.cooked))
        return err_set(e, "cannot read the terminal's modes: %s", strerror(errno));
    device.state.raw = raw_of(device.state.cooked);
    if (block_signals() < 0)
        return err_set(e, "cannot watch signals: %s", strerror(errno));
    return guard_start(&device.guard, &device.state, e);
}

int tty_open(struct tty *t, struct err *e)
{
    *t = (struct tty){.in = STDIN_FILENO, .out = -1};
    if (check_terminal(e))
        return -1;
    assert(!device.open);
    device.state.fd = device.signal_fd = device.guard.socket = -1;
    device.entered = 0;
    sigprocmask(SIG_BLOCK, NULL, &device.mask_before);
    sigemptyset(&device.signals);
    if (open_device(e)) {
        unblock_signals();
        if (device.state.fd >= 0)
            close(device.state.fd);
        return -1;
    }
    watch_crashes();
    t->out = device.state.fd;
    t->open = device.open = true;
    tty_resized(t);
    enter();
    return 0;
}

void tty_close(struct tty *t)
{
    if (!t->open)
        return;
    leave(t->answers_due);
    unwatch_crashes();
    guard_end(&device.guard);
    unblock_signals();
    close(device.state.fd);
    device.open = false;
    *t = (struct tty){.in = t->in, .out = -1};
}

/* -- in use -------------------------------------------------------------------------------------*/

int tty_read(struct tty *t, char *buf, size_t size)
{
    struct pollfd p = {.fd = t->in, .events = POLLIN};
    int ready = poll(&p, 1, 0);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return 0;
    ssize_t n = ready > 0 && (p.revents & POLLIN) ? read(t->in, buf, size) : -1;
    if (n < 0 && ready > 0 && (p.revents & POLLIN) && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n > 0 ? (int)n : -1;
}

static int within(int n, int otherwise, int most)
{
    return n <= 0 ? otherwise : n > most ? most : n;
}

bool tty_resized(struct tty *t)
{
    struct winsize w = {0};
    struct tty old = *t;
    ioctl(t->out, TIOCGWINSZ, &w);
    t->rows = within(w.ws_row, 24, 1000);
    t->cols = within(w.ws_col, 80, 2000);
    bool whole = t->rows == w.ws_row && t->cols == w.ws_col; /* else pixels say nothing of cells */
    t->pixels_w = whole ? w.ws_xpixel : 0;
    t->pixels_h = whole ? w.ws_ypixel : 0;
    return t->rows != old.rows || t->cols != old.cols || t->pixels_w != old.pixels_w ||
           t->pixels_h != old.pixels_h;
}
