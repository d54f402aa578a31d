/* See interrupt.h. */
#include "cli/interrupt.h"

#include <signal.h>

atomic_bool interrupt_flag;

static void on_interrupt(int signal)
{
    (void)signal;
    atomic_store(&interrupt_flag, true);
}

void interrupts_catch(void)
{
    struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND | SA_RESTART};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool interrupted(void)
{
    return atomic_load(&interrupt_flag);
}
