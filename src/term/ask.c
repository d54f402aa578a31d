/* See ask.h. Answers go through the decoder that the app uses, so that a stray key is no answer. */
#include "term/ask.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "term/input.h"

static void take(struct probe *p, struct input *in, const char *bytes, size_t n)
{
    struct input_event ev;
    input_feed(in, bytes, n);
    while (input_next(in, &ev))
        if (ev.kind == INPUT_ANSWER)
            probe_answer(p, ev.text, ev.len, clock_ms());
}

static void listen(struct probe *p, int fd, struct input *in, int timeout_ms)
{
    char bytes[512];
    double until = clock_ms() + timeout_ms;
    while (!p->caps.done && clock_ms() < until) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, (int)(until - clock_ms()) + 1) <= 0)
            continue;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return;
        take(p, in, bytes, (size_t)n);
    }
}

static void ask_raw(struct probe *p, int fd, struct input *in, int timeout_ms)
{
    char questions[1024];
    size_t n = probe_questions(p, clock_ms(), questions, sizeof questions);
    if (write(fd, questions, n) == (ssize_t)n)
        listen(p, fd, in, timeout_ms);
}

bool probe_ask(struct probe *p, int timeout_ms)
{
    struct winsize size;
    struct termios before, raw;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct input *in = input_new();
    probe_start(p, (const char *(*)(const char *))getenv);
    bool there = fd >= 0 && in && tcgetattr(fd, &before) == 0;
    if (there) {
        if (ioctl(fd, TIOCGWINSZ, &size) == 0)
            probe_winsize(p, size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(fd, TCSAFLUSH, &raw);
        ask_raw(p, fd, in, timeout_ms);
        tcsetattr(fd, TCSAFLUSH, &before);
    }
    input_free(in);
    if (fd >= 0)
        close(fd);
    return there;
}
