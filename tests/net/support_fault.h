/* tests/net/support_fault.h - one fault in one party's life, at the k-th place where it can happen.
 *
 * A test runs the same round for k = 1, 2, ... until the fault no longer finds its place: so every
 * place is tried, and none is chosen by hand. */
#ifndef VS_TESTS_NET_SUPPORT_FAULT_H
#define VS_TESTS_NET_SUPPORT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "net/store.h"

typedef enum vs_fault_kind {
    VS_FAULT_NONE,
    /* Places: calls that change the store. */
    VS_FAULT_KILL_BEFORE_WRITE, /* the process dies as the k-th begins */
    VS_FAULT_KILL_AFTER_WRITE,  /* it dies when the k-th is done, before it can tell anybody */
    VS_FAULT_KILL_TORN_WRITE,   /* places: blob writes of two bytes and more. Half is written */
    VS_FAULT_EIO,               /* the k-th fails, nothing changed; later ones work */
    VS_FAULT_ENOSPC,            /* the k-th and every later one fails until the process restarts */
    /* Places: messages, as they arrive and as they leave. */
    VS_FAULT_KILL_AT_MESSAGE, /* it dies before the k-th is taken or sent */
    /* Places: calls of the random generator. */
    VS_FAULT_RNG,
    /* Places: allocations of our own code (a program linked with vs_fault_wrap_alloc). */
    VS_FAULT_ALLOC,
    /* Places: changes and syncs of files (a program with disk_shim.c, which does the rest). */
    VS_FAULT_DISK,
} vs_fault_kind;

typedef struct vs_fault {
    vs_fault_kind kind;
    uint32_t actor; /* as in support_sim.h */
    uint64_t at;    /* k, from 1 */
    bool power_cut; /* with its death, what was not synced is gone too */
    /* state */
    uint64_t seen;
    bool fired;
    bool dead; /* the process is dead: nothing that it does any more may have an effect */
    vs_store inner;
    vs_rng inner_rng;
} vs_fault;

const char *vs_fault_name(vs_fault_kind kind);

/* The store that the fault stands in front of. f is borrowed. */
vs_store vs_fault_store(vs_fault *f, vs_store inner);
vs_rng vs_fault_rng(vs_fault *f, vs_rng inner);
/* A message boundary: true when the process dies here. */
bool vs_fault_message(vs_fault *f);

/* Has it found its place? */
bool vs_fault_fired(const vs_fault *f);
/* The process starts again; the fault, if it has happened, does not happen again. */
void vs_fault_heal(vs_fault *f);

/* Allocations between these two count (and may fail); f NULL: none. Tests link the wrappers with
 * -Wl,--wrap=malloc and so on (tests/extra.cmake). */
void vs_fault_alloc_begin(vs_fault *f);
void vs_fault_alloc_end(void);
void vs_fault_alloc_pause(bool pause);
/* The wrappers' question: does this allocation fail? */
bool vs_fault_alloc_fails(void);

#endif /* VS_TESTS_NET_SUPPORT_FAULT_H */
