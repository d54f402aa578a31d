/* Putting the terminal back; see guard.h. */
#include "term/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a picture or a sequence that was cut off left open ends first (ST). The cursor goes to the
 * last line for terminals that have no other screen. */
static const char leave_bytes[] =
    "\033\\\033[?2026l\033[0m\033(B\017\033[r"
    "\033[?1036;1039r\033[?1006l\033[?1002l\033[?1000l\033[?1004l\033[?2004l"
    "\033[?1l\033>\033[999;1H\033[?1049l\033[0m\033[?25h";

void term_write(int fd, const char *bytes)
{
    size_t left = strlen(bytes);
    for (int waits = 0; left > 0;) {
        ssize_t n = write(fd, bytes, left);
        if (n > 0) {
            bytes += n;
            left -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN && waits < 5) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, 250);
            if (++waits == 4)
                tcflush(fd, TCOFLUSH);
        } else if (n == 0 || errno != EINTR) {
            return;
        }
    }
}

void term_leave_screen(const struct term_state *s)
{
    term_write(s->fd, leave_bytes);
}

void term_leave_raw(const struct term_state *s)
{
    sigset_t ttou, old; /* blocked, it does not stop one who sets modes from the background */
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(s->fd, TCSANOW, &s->cooked);
    tcflush(s->fd, TCIFLUSH);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (s->shared_flags >= 0)
        fcntl(s->fd, F_SETFL, s->shared_flags);
}

/* -- the child ----------------------------------------------------------------------------------*/

enum { SOCKET = 0, TERMINAL = 1 };

static void close_all_but(int socket, int terminal)
{
    int s = fcntl(socket, F_DUPFD, 10), t = fcntl(terminal, F_DUPFD, 10);
    if (dup2(s, SOCKET) < 0 || dup2(t, TERMINAL) < 0)
        _exit(1);
    if (close_range(2, ~0u, 0))
        for (int fd = 2; fd < 4096; fd++)
            close(fd);
}

static void ignore_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGSEGV && sig != SIGBUS && sig != SIGFPE && sig != SIGILL && sig != SIGABRT)
            signal(sig, SIG_IGN);
        else
            signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Has nobody else set it to their liking since, such as the shell that saw us die? */
static bool still_raw(void)
{
    struct termios t;
    return !tcgetattr(TERMINAL, &t) && !(t.c_lflag & (ICANON | ECHO | ISIG));
}

static _Noreturn void watch(struct term_state s)
{
    bool ours = false;
    s.fd = TERMINAL;
    for (;;) {
        char what;
        struct pollfd p[2] = {{.fd = SOCKET, .events = POLLIN}, {.fd = TERMINAL}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (p[1].revents & (POLLHUP | POLLERR | POLLNVAL))
            _exit(0);
        if (!p[0].revents)
            continue;
        if (read(SOCKET, &what, 1) != 1)
            break;
        ours = what == 'o';
    }
    if (ours) {
        term_leave_screen(&s);
        if (still_raw())
            term_leave_raw(&s);
    }
    _exit(0);
}

/* -- the parent ---------------------------------------------------------------------------------*/

int guard_start(struct guard *g, const struct term_state *s, struct err *e)
{
    int ends[2];
    *g = (struct guard){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return err_set(e, "cannot guard the terminal: %s", strerror(errno));
    g->pid = fork();
    if (g->pid == 0) {
        ignore_signals();
        setsid();
        close_all_but(ends[1], s->fd);
        prctl(PR_SET_NAME, "spritty-guard");
        if (chdir("/")) {
            /* a file system stays busy, no more */
        }
        watch(*s);
    }
    close(ends[1]);
    if (g->pid < 0) {
        close(ends[0]);
        return err_set(e, "cannot guard the terminal: %s; end some processes first",
                       strerror(errno));
    }
    g->socket = ends[0];
    return 0;
}

void guard_tell(const struct guard *g, bool ours)
{
    if (g->socket >= 0)
        send(g->socket, ours ? "o" : "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void guard_end(struct guard *g)
{
    if (g->socket < 0)
        return;
    guard_tell(g, false);
    close(g->socket);
    g->socket = -1;
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
