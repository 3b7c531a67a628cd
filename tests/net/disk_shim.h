/* tests/net/disk_shim.h - a disk that fails: libc's file calls, replaced in the program that links
 * disk_shim.c, or in any program by LD_PRELOAD (build/<preset>/libdisk_shim.so).
 *
 * It watches the files below one or two folders, counts each change (write, truncate, rename, link,
 * unlink, creation) and each fsync, and makes the k-th the last one, or fail. It remembers what was
 * not yet synced, so that a power cut can take it back: bytes of a file until an fsync of it, names
 * until an fsync of their folder.
 *
 * Preloaded, it reads VEILSUM_DISK_ROOT (folder), VEILSUM_DISK_FAULT (kill, power, some, eio, full)
 * and VEILSUM_DISK_AT (k), kills its process at the k-th place, and otherwise leaves the number of
 * places in the file VEILSUM_DISK_COUNT when the process exits. */
#ifndef VS_TESTS_NET_DISK_SHIM_H
#define VS_TESTS_NET_DISK_SHIM_H

#include <stdint.h>

typedef enum disk_fault {
    DISK_KILL,       /* dies before the k-th place; what was written stays (kill -9) */
    DISK_POWER,      /* the same, and everything unsynced is gone (power cut) */
    DISK_POWER_SOME, /* some of the unsynced writes are gone, some are not, in no order */
    DISK_EIO,        /* the k-th fails with EIO */
    DISK_FULL,       /* from the k-th on whatever needs room fails with ENOSPC */
} disk_fault;

/* hit is called at the k-th place; afterwards (kill, power) nothing has an effect until
 * disk_shim_revive. roots are absolute; the second may be NULL. */
void disk_shim_arm(const char *root, const char *second_root, disk_fault kind, uint64_t at,
                   void (*hit)(void *ctx), void *ctx);
/* The machine is up again: a power cut takes effect, no further fault. Every file must be closed.
 */
void disk_shim_revive(void);
void disk_shim_off(void);

#endif /* VS_TESTS_NET_DISK_SHIM_H */
