#include "net/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const char added = 'a';
static const char woken = 'w';

vs_err vs_queue_init(vs_queue *q, vs_diag *diag)
{
    *q = (vs_queue){.bell = {-1, -1}};
    (void)pthread_mutex_init(&q->mutex, NULL);
    bool ok = pipe(q->bell) == 0;
    for (size_t i = 0; ok && i < 2; i++) {
        ok = fcntl(q->bell[i], F_SETFL, O_NONBLOCK) == 0 &&
             fcntl(q->bell[i], F_SETFD, FD_CLOEXEC) == 0;
    }
    if (ok) return VS_OK;
    return vs_fail(diag, VS_ERR_IO, "cannot make a pipe: %s", strerror(errno));
}

void vs_queue_clear(vs_queue *q)
{
    for (size_t i = 0; i < 2; i++) {
        if (q->bell[i] >= 0) (void)close(q->bell[i]);
        q->bell[i] = -1;
    }
    (void)pthread_mutex_destroy(&q->mutex);
}

/* A full pipe ends the sleep as well, so a refused byte is no loss. */
static void ring(vs_queue *q, char why)
{
    int saved = errno;
    ssize_t written = write(q->bell[1], &why, 1);
    (void)written;
    errno = saved;
}

void vs_queue_add(vs_queue *q, vs_queue_node *node)
{
    node->next = NULL;
    (void)pthread_mutex_lock(&q->mutex);
    bool was_empty = q->first == NULL;
    if (was_empty) {
        q->first = node;
    } else {
        q->last->next = node;
    }
    q->last = node;
    /* Rung inside: after unlocking, the taker may free what holds this queue. */
    if (was_empty) ring(q, added);
    (void)pthread_mutex_unlock(&q->mutex);
}

vs_queue_node *vs_queue_take(vs_queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    vs_queue_node *node = q->first;
    if (node != NULL) q->first = node->next;
    if (q->first == NULL) q->last = NULL;
    (void)pthread_mutex_unlock(&q->mutex);
    return node;
}

bool vs_queue_sleep(vs_queue *q, uint64_t ms)
{
    struct pollfd fd = {.fd = q->bell[0], .events = POLLIN};
    char bytes[64];
    bool rung = false;
    if (poll(&fd, 1, ms < INT32_MAX ? (int)ms : INT32_MAX) <= 0) return false;
    for (ssize_t n; (n = read(q->bell[0], bytes, sizeof bytes)) > 0;) {
        if (memchr(bytes, woken, (size_t)n) != NULL) rung = true;
    }
    return rung;
}

void vs_queue_wake(vs_queue *q)
{
    ring(q, woken);
}
