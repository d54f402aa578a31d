/*
 * The terminal as a device, at the end of a pseudo-terminal: a child opens it and comes to one of
 * many ends; its terminal must be as it was. The end of all bytes means that nobody, the guard
 * included, holds the terminal any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "term/tty.h"

enum { PATIENCE_MS = 120000 };

/* -- the child ----------------------------------------------------------------------------------*/

static void say(struct tty *t, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t wrote = write(t->out, text, n);
        if (wrote < 0 && errno != EAGAIN)
            return;
        if (wrote > 0)
            text += wrote, n -= (size_t)wrote;
    }
}

static volatile int endless = 1;

static int overflow(volatile char *before)
{
    volatile char here[4096];
    here[0] = before ? before[0] : 1;
    return endless ? overflow(here) + here[0] : 0;
}

static void fill_output(struct tty *t)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    for (size_t n = sizeof block; n > 0; n /= 2)
        while (write(t->out, block, n) > 0)
            ;
}

static void obey(struct tty *t, char command)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)4096;
    switch (command) {
    case 'q':
        tty_close(t);
        tty_close(t);
        _exit(7);
    case 'x':
        _exit(8);
    case 'v':
        *nowhere = 1;
        break;
    case 'a':
        abort();
    case 'o':
        _exit(overflow(NULL));
    case 'k':
        kill(getpid(), SIGKILL);
        break;
    case 'z':
        tty_suspend(t);
        say(t, "again\n");
        break;
    case 'f':
        fill_output(t);
        tty_close(t);
        _exit(7);
    case 'd':
        t->answers_due = true;
        break;
    case 's':
        say(t, fcntl(1, F_GETFL) & O_NONBLOCK ? "blocked\n" : "own\n");
        break;
    default:
        break;
    }
}

static void tell_signal(struct tty *t, int sig)
{
    char line[64];
    tty_resized(t);
    snprintf(line, sizeof line, "signal %d, %dx%d\n", sig, t->rows, t->cols);
    say(t, line);
}

/* Does what it is told by single characters, until its terminal is gone. */
static _Noreturn void app(void)
{
    struct tty t;
    struct err e = {0};
    struct rlimit no_core = {0, 0};
    char c;
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL); /* not the test frame's */
    if (tty_open(&t, &e)) {
        printf("refused: %s\n", e.text);
        fflush(stdout);
        _exit(9);
    }
    say(&t, "ready\n");
    for (;;) {
        struct pollfd p[2] = {{.fd = t.in, .events = POLLIN},
                              {.fd = tty_signal_fd(&t), .events = POLLIN}};
        poll(p, 2, -1);
        for (int sig; (sig = tty_signal(&t));)
            tell_signal(&t, sig);
        int n = tty_read(&t, &c, 1);
        if (n < 0) {
            tty_close(&t);
            _exit(6);
        }
        if (n > 0)
            obey(&t, c);
    }
}

/* A shell with job control and one job, which it puts into the foreground again when told. */
static _Noreturn void shell(void)
{
    int status;
    char c;
    signal(SIGTTOU, SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        app();
    }
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
        tcsetpgrp(0, getpgrp());
        dprintf(1, "stopped by %d\n", WSTOPSIG(status));
        if (read(0, &c, 1) == 1 && c == 'K')
            kill(job, SIGKILL);
        tcsetpgrp(0, job);
        kill(-job, SIGCONT);
    }
    _exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* -- its terminal -------------------------------------------------------------------------------*/

static struct {
    int master;
    pid_t child;
    struct termios before;
    char seen[1 << 18];
    size_t len;
} term;

static void start(void (*run)(void), const char *kind, bool stdin_too)
{
    struct winsize size = {.ws_row = 30, .ws_col = 90, .ws_xpixel = 900, .ws_ypixel = 600};
    int slave;
    memset(&term, 0, sizeof term);
    assert_int_equal(openpty(&term.master, &slave, NULL, NULL, &size), 0);
    fcntl(term.master, F_SETFD, FD_CLOEXEC);
    assert_int_equal(tcgetattr(slave, &term.before), 0);
    term.before.c_iflag |= IUTF8;
    assert_int_equal(tcsetattr(slave, TCSANOW, &term.before), 0);
    fflush(stdout);
    term.child = fork();
    assert_true(term.child >= 0);
    if (term.child == 0) {
        if (kind)
            setenv("TERM", kind, 1);
        else
            unsetenv("TERM");
        close(term.master);
        login_tty(slave);
        if (!stdin_too)
            dup2(open("/dev/null", O_RDONLY), 0);
        alarm(300); /* should the test die */
        run();
    }
    close(slave);
}

/* More of what the child writes; false at the end. */
static bool more(void)
{
    struct pollfd p = {.fd = term.master, .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    assert_true(term.len < sizeof term.seen - 1);
    ssize_t n = read(term.master, term.seen + term.len, sizeof term.seen - 1 - term.len);
    term.len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Waits for it to write this, and forgets what was before. */
static void await(const char *text)
{
    for (;;) {
        char *at = memmem(term.seen, term.len, text, strlen(text));
        if (at) {
            size_t end = (size_t)(at - term.seen) + strlen(text);
            memmove(term.seen, term.seen + end, term.len -= end);
            return;
        }
        assert_true(more());
    }
}

static void type(const char *text)
{
    assert_int_equal(write(term.master, text, strlen(text)), strlen(text));
}

static int times(const char *text)
{
    int n = 0;
    for (const char *p = term.seen, *end = p + term.len;
         (p = memmem(p, (size_t)(end - p), text, strlen(text))); p++)
        n++;
    return n;
}

static bool is_raw(void)
{
    struct termios t;
    assert_int_equal(tcgetattr(term.master, &t), 0);
    return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_iflag & IXON) && (t.c_iflag & IUTF8);
}

static void assert_as_before(void)
{
    struct termios t;
    assert_int_equal(tcgetattr(term.master, &t), 0);
    assert_int_equal(t.c_iflag, term.before.c_iflag);
    assert_int_equal(t.c_oflag, term.before.c_oflag);
    assert_int_equal(t.c_cflag, term.before.c_cflag);
    assert_int_equal(t.c_lflag, term.before.c_lflag);
    assert_memory_equal(t.c_cc, term.before.c_cc, sizeof t.c_cc);
}

/* All processes end; the child's status. Orphans, such as the guard, come to us. */
static int all_end(void)
{
    int status = 0, s;
    pid_t pid;
    while ((pid = wait(&s)) > 0 || errno == EINTR)
        if (pid == term.child)
            status = s;
    assert_int_equal(errno, ECHILD);
    return status;
}

/* Reads to the end; the terminal was left once, and is as it was. Returns the child's status. */
static int ends_well(void)
{
    while (more())
        ;
    assert_int_equal(times("\033[?1049l"), 1);
    assert_int_equal(times("\033[?2004l"), 1);
    assert_int_equal(times("\033[?1000l"), 1);
    assert_int_equal(times("\033[?1004l"), 1);
    assert_int_equal(times("\033[?25h"), 1);
    assert_as_before();
    int status = all_end();
    close(term.master);
    return status;
}

static void run_to_end(char command, int *status)
{
    char text[2] = {command, 0};
    start(app, "xterm", true);
    await("ready\n");
    assert_true(is_raw());
    type(text);
    *status = ends_well();
}

/* -- tests --------------------------------------------------------------------------------------*/

static void it_opens_and_closes(void **state)
{
    (void)state;
    start(app, "xterm", true);
    await("\033[?1049h");
    await("\033[?2004h");
    await("ready\n");
    assert_true(is_raw());
    type("s");
    await("own\n");    /* not blocking is our descriptor, not the shell's */
    type("\003\032x"); /* keys, no signals */
    int status = ends_well();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 8);
    run_to_end('q', &status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void it_comes_back_after_a_crash(void **state)
{
    (void)state;
    static const struct {
        char command;
        int sig;
    } ends[] = {{'v', SIGSEGV}, {'a', SIGABRT}, {'o', SIGSEGV}, {'k', SIGKILL}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int status;
        run_to_end(ends[i].command, &status);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == ends[i].sig);
    }
}

static void signals_come_through_the_descriptor(void **state)
{
    (void)state;
    static const int sigs[] = {SIGTERM, SIGINT, SIGHUP, SIGTSTP};
    char text[64];
    start(app, "xterm", true);
    await("ready\n");
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        kill(term.child, sigs[i]);
        snprintf(text, sizeof text, "signal %d, 30x90", sigs[i]);
        await(text);
    }
    struct winsize size = {.ws_row = 20, .ws_col = 60};
    ioctl(term.master, TIOCSWINSZ, &size);
    snprintf(text, sizeof text, "signal %d, 20x60", SIGWINCH);
    await(text);
    size = (struct winsize){0};
    ioctl(term.master, TIOCSWINSZ, &size);
    await("24x80"); /* nobody knows */
    type("q");
    ends_well();
}

static void input_that_nobody_read_is_dropped(void **state)
{
    (void)state;
    int slave;
    char c;
    start(app, "xterm", true);
    await("ready\n");
    slave = open(ptsname(term.master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(slave >= 0);
    type("dq\033[?64;4c\033[0n");
    all_end();
    struct termios raw = term.before;
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    assert_int_equal(read(slave, &c, 1), -1);
    close(slave);
    close(term.master);
}

static void a_terminal_that_takes_nothing(void **state)
{
    (void)state;
    start(app, "xterm", true);
    await("ready\n");
    type("f");
    int status = all_end(); /* without reading a byte */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_as_before();
    close(term.master);
}

static void the_line_is_closed(void **state)
{
    (void)state;
    start(app, "xterm", true);
    await("ready\n");
    close(term.master);
    int status = all_end();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 6);
}

static void suspend_and_resume(void **state)
{
    (void)state;
    start(shell, "xterm", true);
    await("ready\n");
    for (int i = 0; i < 2; i++) {
        type("z");
        await("\033[?1049l");
        await("stopped by");
        assert_as_before();
        type("c\n");
        await("\033[?1049h");
        await("again\n");
        assert_true(is_raw());
    }
    type("q");
    int status = ends_well();
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void killed_while_suspended(void **state)
{
    (void)state;
    start(shell, "xterm", true);
    await("ready\n");
    type("z");
    await("stopped by");
    type("K\n");
    while (more())
        ;
    assert_int_equal(times("\033[?1049l"), 0); /* the screen is the shell's */
    assert_as_before();
    assert_int_equal(WEXITSTATUS(all_end()), 100 + SIGKILL);
    close(term.master);
}

static void stopped_by_someone_else(void **state)
{
    (void)state;
    start(app, "xterm", true);
    await("ready\n");
    kill(term.child, SIGSTOP);
    int status;
    assert_int_equal(waitpid(term.child, &status, WUNTRACED), term.child);
    assert_true(WIFSTOPPED(status));
    struct termios shells = term.before;
    assert_int_equal(tcsetattr(term.master, TCSANOW, &shells), 0);
    kill(term.child, SIGCONT);
    await("\033[?1049h");
    await("signal");
    assert_true(is_raw());
    type("q");
    ends_well();
}

static void nobody_could_wake_it(void **state)
{
    (void)state;
    start(app, "xterm", true); /* it leads its session: there is no shell */
    await("ready\n");
    type("z");
    await("again\n");
    assert_true(is_raw());
    type("q");
    ends_well();
}

static void what_is_no_terminal_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        bool stdin_too;
        const char *text;
    } cases[] = {{"xterm", false, "spritty gen"},
                 {"dumb", true, "TERM is dumb"},
                 {NULL, true, "TERM is not set"},
                 {"", true, "TERM is not set"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(app, cases[i].kind, cases[i].stdin_too);
        await("refused: ");
        await(cases[i].text);
        while (more())
            ;
        assert_int_equal(times("\033"), 0);
        assert_as_before();
        assert_int_equal(WEXITSTATUS(all_end()), 9);
        close(term.master);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_and_closes),
        cmocka_unit_test(it_comes_back_after_a_crash),
        cmocka_unit_test(signals_come_through_the_descriptor),
        cmocka_unit_test(input_that_nobody_read_is_dropped),
        cmocka_unit_test(a_terminal_that_takes_nothing),
        cmocka_unit_test(the_line_is_closed),
        cmocka_unit_test(suspend_and_resume),
        cmocka_unit_test(killed_while_suspended),
        cmocka_unit_test(stopped_by_someone_else),
        cmocka_unit_test(nobody_could_wake_it),
        cmocka_unit_test(what_is_no_terminal_is_refused),
    };
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
