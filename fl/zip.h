/* fl/zip.h - the directory of a ZIP archive in memory, and stored archives written front to back.
 *
 * Names are bytes: nothing here is ever written under them. */
#ifndef VS_FL_ZIP_H
#define VS_FL_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define VS_ZIP_NAME_MAX 255u /* bytes */

typedef struct vs_zip_entry {
    const char *name; /* name_len bytes in the archive, not terminated */
    size_t name_len;
    const uint8_t *data; /* packed_len bytes in the archive */
    size_t packed_len;
    size_t len;    /* once inflated; packed_len if stored */
    bool deflated; /* else stored */
    uint32_t crc;  /* CRC-32 of the len bytes */
} vs_zip_entry;

/* The entries in the order of their data, at most max_entries. *out is the caller's to free().
 * Local headers and directory agree, nothing overlaps or lies outside the archive. name is for
 * messages. VS_ERR_MALFORMED, VS_ERR_LIMIT, VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_zip_parse(vs_zip_entry **out, size_t *count, const uint8_t *bytes,
                                  size_t len, size_t max_entries, const char *name, vs_diag *diag);

/* --- writing: local header, data, ..., directory -------------------------------------------- */

/* A stored entry; ZIP64 fields only where a size or an offset needs them. */
typedef struct vs_zip_stored {
    const char *name; /* UTF-8 */
    uint64_t len, at; /* bytes of data; offset of the local header */
    uint32_t crc;
} vs_zip_stored;

#define VS_ZIP_CRC_AT 14u /* where a local header has its CRC-32, little-endian */

void vs_zip_local_put(vs_buf *out, const vs_zip_stored *entry);
/* The directory, which begins at this offset, and the end of the archive. */
void vs_zip_directory_put(vs_buf *out, const vs_zip_stored *entries, uint32_t count, uint64_t at);

#endif /* VS_FL_ZIP_H */
