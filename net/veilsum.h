/* veilsum.h - take part in rounds of secure aggregation from a program of your own.
 *
 *   veilsum_open    a federation, as one of its clients
 *   veilsum_round   what the newest round wants
 *   veilsum_submit  an update: arrays in memory, or a file
 *   veilsum_wait    until the round is over
 *   veilsum_result  the weighted mean: into memory, or a file
 *   veilsum_close
 *
 * Every call returns a status; veilsum_message says in one line what went wrong, and what would be
 * right. Nothing here aborts on bad arguments, prints, or installs signal handlers.
 *
 * Threads: a handle is used by one thread at a time; different handles are independent. Two handles
 * (or processes) cannot have the same data folder open: the second veilsum_open is refused.
 * veilsum_interrupt alone may be called from any thread and from signal handlers.
 *
 * Memory: arrays are borrowed for the call. Updates of float64 that are one array, or arrays that
 * follow each other in memory in the federation's order, are used in place; others are copied once,
 * 8 bytes per value, and wiped.
 *
 * This is the whole public interface: veilsum_* and VEILSUM_*. Structs are zero-initialised by the
 * caller, so that members added later are "not given". Link by pkg-config (veilsum.pc). */
#ifndef VEILSUM_H
#define VEILSUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum veilsum_status {
    VEILSUM_OK = 0,
    VEILSUM_REFUSED, /* by a rule: wrong file, shape or round, already submitted, aborted, ... */
    VEILSUM_LATER,   /* no progress in time, or interrupted: the same call again goes on */
    VEILSUM_SYSTEM,  /* this machine: out of memory, a file cannot be read or written */
} veilsum_status;

typedef struct veilsum veilsum; /* holds the key: opaque */

typedef struct veilsum_options {
    const char *federation; /* path of the federation file */
    const char *key;        /* path of the client's secret key file */
    const char *enrolment;  /* path; NULL: the key's with .enrolment for .key */
    const char *data;       /* folder of what was submitted; NULL: the key's with .state for .key */
    uint32_t timeout_s;     /* without any progress; 0: 60 */
    uint32_t threads;       /* that quantise and share; 0: 1 */
} veilsum_options;

#define VEILSUM_MESSAGE_BYTES 480u

/* On VEILSUM_OK the caller owns *out (veilsum_close), else it is NULL and message (of
 * VEILSUM_MESSAGE_BYTES; may be NULL) says why. */
veilsum_status veilsum_open(veilsum **out, const veilsum_options *options, char *message);
/* NULL is a no-op. Wipes the key. */
void veilsum_close(veilsum *v);
/* Of the last call with this handle; "" after VEILSUM_OK. Valid until the next one. */
const char *veilsum_message(const veilsum *v);
/* The running call, or the next one, ends with VEILSUM_LATER. */
void veilsum_interrupt(veilsum *v);

typedef enum veilsum_phase {
    VEILSUM_COLLECTING = 1, /* takes updates */
    VEILSUM_ADDING,         /* the set is fixed, or being fixed */
    VEILSUM_FINAL,
    VEILSUM_ABORTED, /* veilsum_message says why */
} veilsum_phase;

typedef struct veilsum_round_info {
    uint64_t round;
    veilsum_phase phase;
    uint64_t num_params;      /* values of an update */
    uint64_t deadline;        /* of collection, unix seconds */
    uint8_t model_sha256[32]; /* zeros: the round is for no model */
} veilsum_round_info;

/* A round that is open or was; 0: the newest one. VEILSUM_REFUSED where there is none yet. */
veilsum_status veilsum_round(veilsum *v, uint64_t round, veilsum_round_info *out);

typedef enum veilsum_type {
    VEILSUM_FLOAT64 = 1, /* double */
    VEILSUM_FLOAT32,     /* float */
} veilsum_type;

typedef struct veilsum_tensor {
    const char *name; /* as in the federation file; NULL: the flat vector (one tensor only) */
    uint32_t n_dims;  /* at most 8; 0: one value */
    const uint64_t *dims;
    veilsum_type type;
    const void *values; /* in C order */
} veilsum_tensor;

typedef struct veilsum_update {
    uint64_t round;      /* 0: the newest one; waits for it to open */
    uint64_t weight;     /* number of examples; at least 1; stays secret */
    const char *model;   /* path of the model file that the update was computed from; NULL: none */
    const char *purpose; /* see veilsum submit --purpose; NULL: "" */
    int has_metrics;     /* where the federation sums metrics */
    double loss, accuracy;
} veilsum_update;

typedef struct veilsum_submission {
    uint64_t round;
    uint32_t receipts, shareholders; /* signed receipts, of how many shareholders */
    uint64_t bytes_sent;
    uint64_t clipped; /* coordinates clipped to the quantiser's range */
    double norm;      /* L2, before clipping */
} veilsum_submission;

/* Clip, quantise, share, seal, upload; VEILSUM_OK when enough shareholders have signed that they
 * hold it. Interrupted or killed, the same call with the same update goes on with the same bytes;
 * an update that is in already is reported again. Never sends two updates for one model and
 * purpose. out may be NULL. */
veilsum_status veilsum_submit(veilsum *v, const veilsum_update *update,
                              const veilsum_tensor *tensors, size_t count, veilsum_submission *out);
/* The same from an .npy, .npz or .safetensors file, memory-mapped. */
veilsum_status veilsum_submit_file(veilsum *v, const veilsum_update *update, const char *path,
                                   veilsum_submission *out);

/* Until the round is final. VEILSUM_REFUSED: it was aborted; VEILSUM_LATER after timeout_s seconds
 * (0: never). An aggregator that is away is waited for. */
veilsum_status veilsum_wait(veilsum *v, uint64_t round, uint32_t timeout_s);

typedef struct veilsum_mean {
    uint64_t round, num_params;
    uint32_t clients; /* in the sum */
    uint64_t weight_sum;
    int certain;           /* 0: the federation's margin allowed it, but liars may be among them */
    double epsilon, delta; /* spent so far; 0 without a mechanism */
    double loss, accuracy; /* means over the clients, where the federation sums metrics */
} veilsum_mean;

/* The mean of a finished round, checked against the ledger's entry: num_params values in the
 * federation's order; n must be that. out may be NULL. On error values are undefined. */
veilsum_status veilsum_result(veilsum *v, uint64_t round, double *values, uint64_t n,
                              veilsum_mean *out);
/* The same to an .npy, .npz or .safetensors file, by its name; float64; any length. */
veilsum_status veilsum_result_file(veilsum *v, uint64_t round, const char *path, veilsum_mean *out);

#ifdef __cplusplus
}
#endif

#endif /* VEILSUM_H */
