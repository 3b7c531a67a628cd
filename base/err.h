/* base/err.h - the one error type, the message that goes with it, and the assertion
 * that is never compiled out.
 *
 * A function returns vs_err; one whose failure a person must act on also takes a
 * vs_diag and writes one line into it: what, where, and what would be right. */
#ifndef VS_BASE_ERR_H
#define VS_BASE_ERR_H

#define VS_MUST_CHECK __attribute__((warn_unused_result))
#define VS_PRINTF(fmt_idx, first_idx) __attribute__((format(printf, fmt_idx, first_idx)))

typedef enum vs_err {
    VS_OK = 0,
    /* Peer: expected, handled, never fatal. */
    VS_ERR_MALFORMED, /* bytes do not decode */
    VS_ERR_PROOF,     /* decodes, but a proof or signature fails */
    VS_ERR_STATE,     /* valid message, wrong round or phase */
    VS_ERR_LIMIT,     /* over a documented maximum, or outside a documented range */
    /* Machine: propagate to main. */
    VS_ERR_NOMEM,
    VS_ERR_IO,
    VS_ERR_TIMEOUT,
} vs_err;

#define VS_DIAG_BYTES 480u /* one line, zero-terminated */

/* The message of an error. Never holds a secret. */
typedef struct vs_diag {
    char text[VS_DIAG_BYTES];
} vs_diag;

/* Stable lower-case name, e.g. "malformed". Never NULL. */
const char *vs_err_name(vs_err err);

/* Write a message (cut to fit; control characters from a peer become '?') and return err,
 * so that `return vs_fail(diag, VS_ERR_LIMIT, "...")` reads as one step. diag may be NULL. */
vs_err vs_fail(vs_diag *diag, vs_err err, const char *fmt, ...) VS_PRINTF(3, 4);

/* Put "<context>: " before the message that is there. diag may be NULL. */
void vs_diag_prefix(vs_diag *diag, const char *fmt, ...) VS_PRINTF(2, 3);

_Noreturn void vs_panic(const char *file, int line, const char *what);

/* Caller bug. On in every build. */
#define VS_ASSERT(cond) ((cond) ? (void)0 : vs_panic(__FILE__, __LINE__, #cond))

/* Expensive internal invariant: test builds only. */
#ifdef VS_VERIFY
#define VS_VERIFY_CHECK(cond) VS_ASSERT(cond)
#else
#define VS_VERIFY_CHECK(cond) ((void)0)
#endif

#endif /* VS_BASE_ERR_H */
