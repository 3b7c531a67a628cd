/* net/queue.h - events from other threads to one taker, and a bell that a signal handler may ring.
 *
 * Nodes live in what is queued, so adding cannot fail and takes no memory. */
#ifndef VS_NET_QUEUE_H
#define VS_NET_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct vs_queue_node {
    struct vs_queue_node *next;
    bool of_gate; /* a request of net/gate.h */
} vs_queue_node;

typedef struct vs_queue {
    pthread_mutex_t mutex;
    vs_queue_node *first, *last;
    int bell[2]; /* a pipe: a byte in it ends the sleep */
} vs_queue;

VS_MUST_CHECK vs_err vs_queue_init(vs_queue *q, vs_diag *diag);
void vs_queue_clear(vs_queue *q); /* also after a failed init */

void vs_queue_add(vs_queue *q, vs_queue_node *node); /* any thread; not while it is queued */
vs_queue_node *vs_queue_take(vs_queue *q);           /* oldest, or NULL */
/* Sleep until something is added, someone wakes us, or the time is over. True iff woken. */
bool vs_queue_sleep(vs_queue *q, uint64_t ms);
/* End the current or the next sleep. Async-signal-safe. */
void vs_queue_wake(vs_queue *q);

#endif /* VS_NET_QUEUE_H */
