#include "cli/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

vs_err vs_stop_init(vs_stop *stop, vs_diag *diag)
{
    sigset_t set;
    *stop = (vs_stop){.fd = -1};
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0) {
        stop->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (stop->fd >= 0) return VS_OK;
    return vs_fail(diag, VS_ERR_IO, "cannot watch for signals: %s", strerror(errno));
}

void vs_stop_clear(vs_stop *stop)
{
    if (stop->fd >= 0) (void)close(stop->fd);
    stop->fd = -1;
}

bool vs_stop_sleep(vs_stop *stop, uint32_t ms)
{
    struct pollfd p = {.fd = stop->fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (stop->asked) return true;
    if (poll(&p, 1, (int)ms) > 0 && read(stop->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        stop->asked = true;
    }
    return stop->asked;
}

bool vs_stop_asked(vs_stop *stop)
{
    return vs_stop_sleep(stop, 0);
}
