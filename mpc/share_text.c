#include "mpc/share_text.h"

#include <string.h>

#include <sodium.h>

#include "base/ct.h"
#include "base/hash.h"

#define VERSION_LINE "veilsum-share-v1"
#define VERSION_START "veilsum-share-v"

enum {
    LINE_BYTES = 57, /* of payload in a line of 76 characters */
    LINE_CHARS = 76,
    CHECKSUM_LINE = 9 + 64 + 1 /* "checksum ", digits, LF */
};

size_t vs_share_payload_bytes(const vs_share_set *set)
{
    return vs_prime_share_bytes(&set->prime, VS_SHARE_SALT_BYTES + (size_t)set->secret_len);
}

void vs_share_commit_secret(vs_h32 *out, const uint8_t *salted, uint32_t len)
{
    vs_hash h;
    vs_hash_start(&h, "veilsum-share-secret-v1");
    vs_hash_u32(&h, len);
    vs_hash_bytes(&h, salted, VS_SHARE_SALT_BYTES + (size_t)len);
    vs_hash_final(&h, out);
    VS_CT_PUBLIC(out, sizeof *out); /* hides the secret behind 32 random bytes */
}

void vs_share_commit(vs_h32 *out, uint32_t x, const uint8_t nonce[VS_SHARE_NONCE_BYTES],
                     const uint8_t *payload, size_t len)
{
    vs_hash h;
    vs_hash_start(&h, "veilsum-share-commit-v1");
    vs_hash_u32(&h, x);
    vs_hash_bytes(&h, nonce, VS_SHARE_NONCE_BYTES);
    vs_hash_u64(&h, len);
    vs_hash_bytes(&h, payload, len);
    vs_hash_final(&h, out);
    VS_CT_PUBLIC(out, sizeof *out); /* hides the payload behind the nonce */
}

void vs_share_set_id(vs_h32 *out, const vs_share_set *set)
{
    vs_hash h;
    vs_hash_start(&h, "veilsum-share-set-v1");
    vs_hash_u32(&h, set->n);
    vs_hash_u32(&h, set->t);
    vs_hash_u32(&h, set->secret_len);
    vs_hash_u32(&h, set->prime.limbs);
    for (uint32_t l = 0; l < set->prime.limbs; l++) vs_hash_u64(&h, set->prime.p[l]);
    vs_hash_h32(&h, &set->secret);
    for (uint32_t j = 0; j < set->n; j++) vs_hash_h32(&h, &set->commit[j]);
    vs_hash_final(&h, out);
}

/* Of everything above the checksum line. */
static void checksum(char hex[VS_HEX_CHARS(32)], const uint8_t *text, size_t len)
{
    vs_hash h;
    vs_h32 sum;
    vs_hash_start(&h, "veilsum-share-checksum-v1");
    vs_hash_bytes(&h, text, len);
    vs_hash_final(&h, &sum);
    vs_hex_encode(hex, &sum, sizeof sum);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void put_hex(vs_buf *out, const char *name, const void *data)
{
    char hex[VS_HEX_CHARS(32)];
    vs_hex_encode(hex, data, 32);
    vs_buf_text(out, name);
    vs_buf_bytes(out, hex, 64);
    vs_buf_u8(out, '\n');
    sodium_memzero(hex, sizeof hex);
}

vs_err vs_share_encode(vs_buf *out, const vs_share_set *set, uint32_t x,
                       const uint8_t nonce[VS_SHARE_NONCE_BYTES], const uint8_t *payload)
{
    VS_ASSERT(x >= 1 && x <= set->n && set->n <= VS_PRIME_SHARES_MAX);
    size_t start = out->len;
    size_t len = vs_share_payload_bytes(set);
    char prime[VS_PRIME_TEXT_CHARS];
    char line[LINE_CHARS + 1];
    char sum[VS_HEX_CHARS(32)];
    vs_prime_format(prime, &set->prime);
    vs_buf_text(out, VERSION_LINE "\n");
    put_hex(out, "set ", &set->id);
    vs_buf_printf(out, "shares %u\nthreshold %u\nbytes %u\nprime %s\n", set->n, set->t,
                  set->secret_len, prime);
    put_hex(out, "secret ", &set->secret);
    for (uint32_t j = 0; j < set->n; j++) put_hex(out, "commit ", &set->commit[j]);
    vs_buf_printf(out, "share %u\n", x);
    put_hex(out, "nonce ", nonce);
    vs_buf_text(out, "payload\n");
    for (size_t at = 0; at < len; at += LINE_BYTES) {
        size_t part = len - at < LINE_BYTES ? len - at : LINE_BYTES;
        vs_base64_encode(line, payload + at, part);
        vs_buf_bytes(out, line, (part + 2) / 3 * 4);
        vs_buf_u8(out, '\n');
    }
    sodium_memzero(line, sizeof line);
    if (!out->failed) {
        checksum(sum, out->p + start, out->len - start);
        VS_CT_PUBLIC(sum, sizeof sum); /* stands in the file beside the payload */
        vs_buf_printf(out, "checksum %s\n", sum);
    }
    return vs_buf_check(out);
}

/* --- reading ------------------------------------------------------------------------------------
 */

typedef struct lines {
    const char *next, *end;
    vs_err err; /* of the first line that is wrong; sticky */
    vs_diag *diag;
} lines;

static void damaged(lines *in, const char *name, const char *wanted)
{
    if (in->err == VS_OK) {
        in->err = vs_fail(in->diag, VS_ERR_MALFORMED, "damaged share: \"%s\" %s", name, wanted);
    }
}

/* What follows "<name> " in the next line, zero-terminated in out[cap], or "" and an error. */
static void member(lines *in, const char *name, char *out, size_t cap)
{
    size_t skip = strlen(name) + 1;
    size_t left = (size_t)(in->end - in->next);
    const char *lf = in->err == VS_OK && left != 0 ? memchr(in->next, '\n', left) : NULL;
    size_t len = lf == NULL ? 0 : (size_t)(lf - in->next);
    out[0] = '\0';
    if (len < skip || memcmp(in->next, name, skip - 1) != 0 || in->next[skip - 1] != ' ') {
        damaged(in, name, "is not where it belongs");
    } else if (len - skip >= cap) {
        damaged(in, name, "is too long");
    } else {
        memcpy(out, in->next + skip, len - skip);
        out[len - skip] = '\0';
        in->next = lf + 1;
        if (strlen(out) != len - skip) damaged(in, name, "holds a zero byte");
    }
}

static void member_hex(lines *in, const char *name, void *out)
{
    char text[VS_HEX_CHARS(32)];
    member(in, name, text, sizeof text);
    if (in->err == VS_OK &&
        (strspn(text, "0123456789abcdef") != 64 || vs_hex_decode(out, 32, text) != VS_OK)) {
        damaged(in, name, "is not 64 lower-case hexadecimal digits");
    }
    sodium_memzero(text, sizeof text);
}

static uint32_t member_number(lines *in, const char *name, uint32_t min, uint32_t max)
{
    char text[9]; /* no maximum has more digits */
    uint32_t v = 0;
    member(in, name, text, sizeof text);
    if (in->err != VS_OK) return 0;
    size_t len = strlen(text);
    for (size_t i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        v = v * 10 + (uint32_t)(text[i] - '0');
    }
    if (len == 0 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1) || v < min ||
        v > max) {
        damaged(in, name, "is not a number in its range");
        return 0;
    }
    return v;
}

static void member_prime(lines *in, vs_prime *out, uint32_t n)
{
    char text[VS_PRIME_TEXT_CHARS];
    char again[VS_PRIME_TEXT_CHARS] = "";
    vs_diag why;
    member(in, "prime", text, sizeof text);
    if (in->err != VS_OK) return;
    if (vs_prime_read(out, text, &why) == VS_OK) vs_prime_format(again, out);
    if (strcmp(text, again) != 0) {
        damaged(in, "prime", "is not 0x and the digits of an odd number of 8 to 4096 bits");
    } else if (!vs_prime_has_points(out, n)) {
        damaged(in, "prime", "is too small for so many shares");
    }
}

static void member_payload(lines *in, vs_share *out)
{
    static const char head[] = "payload\n";
    size_t len = vs_share_payload_bytes(&out->set);
    size_t chars = (len + 2) / 3 * 4; /* 76 characters are 57 bytes, so lines do not matter */
    size_t all = chars + (chars + LINE_CHARS - 1) / LINE_CHARS;
    if (in->err == VS_OK && (in->end - in->next < (ptrdiff_t)strlen(head) ||
                             memcmp(in->next, head, strlen(head)) != 0)) {
        damaged(in, "payload", "is not where it belongs");
    }
    if (in->err != VS_OK) return;
    in->next += strlen(head);
    if ((size_t)(in->end - in->next) != all) {
        damaged(in, "payload", "has not the length that the other lines call for");
        return;
    }
    uint8_t *payload = vs_buf_extend(&out->payload, len);
    if (payload == NULL) {
        in->err = vs_fail(in->diag, VS_ERR_NOMEM, "out of memory for a share");
        return;
    }
    for (size_t at = 0; at < len && in->err == VS_OK; at += LINE_BYTES) {
        size_t part = len - at < LINE_BYTES ? len - at : LINE_BYTES;
        size_t line = (part + 2) / 3 * 4;
        size_t got = 0;
        if (in->next[line] != '\n' ||
            vs_base64_decode(payload + at, part, &got, in->next, line) != VS_OK || got != part) {
            damaged(in, "payload", "is not base64 in lines of 76 characters");
        }
        in->next += line + 1;
    }
    if (in->err == VS_OK && !vs_prime_share_is_canonical(&out->set.prime, payload, len)) {
        damaged(in, "payload", "has an element that is not below the prime");
    }
}

/* Version, and a checksum line that fits. On VS_OK in->end is where that line starts. */
static vs_err open_text(lines *in)
{
    static const char line[] = VERSION_LINE "\n";
    size_t len = (size_t)(in->end - in->next);
    char hex[VS_HEX_CHARS(32)];
    if (len < strlen(VERSION_START) ||
        memcmp(in->next, VERSION_START, strlen(VERSION_START)) != 0) {
        return vs_fail(in->diag, VS_ERR_MALFORMED, "is not a share: a share starts with %s",
                       VERSION_LINE);
    }
    if (len < strlen(line) || memcmp(in->next, line, strlen(line)) != 0) {
        size_t digits = strlen(VERSION_START);
        while (digits < len && digits < 24 && in->next[digits] > ' ' && in->next[digits] < 0x7f) {
            digits++;
        }
        return vs_fail(in->diag, VS_ERR_STATE,
                       "is a share of another version, \"%.*s\"; this program reads %s",
                       (int)digits, in->next, VERSION_LINE);
    }
    if (len < strlen(line) + CHECKSUM_LINE || in->end[-1] != '\n' ||
        memcmp(in->end - CHECKSUM_LINE, "checksum ", 9) != 0) {
        return vs_fail(in->diag, VS_ERR_MALFORMED,
                       "damaged share: it does not end with a checksum line");
    }
    in->end -= CHECKSUM_LINE;
    checksum(hex, (const uint8_t *)in->next, (size_t)(in->end - in->next));
    if (memcmp(in->end + 9, hex, 64) != 0) {
        return vs_fail(in->diag, VS_ERR_MALFORMED, "damaged share: its checksum does not fit");
    }
    in->next += strlen(line);
    return VS_OK;
}

static void read_members(lines *in, vs_share *out)
{
    vs_share_set *set = &out->set;
    member_hex(in, "set", &set->id);
    set->n = member_number(in, "shares", 2, VS_PRIME_SHARES_MAX);
    set->t = member_number(in, "threshold", 2, set->n);
    set->secret_len = member_number(in, "bytes", 0, VS_SHARE_SECRET_MAX);
    member_prime(in, &set->prime, set->n);
    member_hex(in, "secret", &set->secret);
    for (uint32_t j = 0; j < set->n; j++) member_hex(in, "commit", &set->commit[j]);
    out->x = member_number(in, "share", 1, set->n);
    member_hex(in, "nonce", out->nonce);
    if (in->err == VS_OK) member_payload(in, out);
}

vs_err vs_share_decode(vs_share *out, const void *text, size_t len, vs_diag *diag)
{
    memset(out, 0, sizeof *out);
    if (len > VS_SHARE_TEXT_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "is longer than any share (%u bytes)",
                       VS_SHARE_TEXT_MAX);
    }
    const char *start = len == 0 ? "" : text;
    lines in = {.next = start, .end = start + len, .err = VS_OK, .diag = diag};
    vs_h32 want;
    in.err = open_text(&in);
    if (in.err == VS_OK) read_members(&in, out);
    if (in.err == VS_OK) {
        vs_share_set_id(&want, &out->set);
        if (!vs_h32_equal(&want, &out->set.id)) {
            in.err = vs_fail(diag, VS_ERR_PROOF,
                             "altered share: its set id is not that of its "
                             "other members");
        }
    }
    if (in.err == VS_OK) {
        vs_share_commit(&want, out->x, out->nonce, out->payload.p, out->payload.len);
        if (!vs_h32_equal(&want, &out->set.commit[out->x - 1])) {
            in.err = vs_fail(diag, VS_ERR_PROOF,
                             "altered share: its payload is not the one that "
                             "was split as share %u",
                             out->x);
        }
    }
    if (in.err != VS_OK) vs_share_free(out);
    return in.err;
}

void vs_share_free(vs_share *share)
{
    vs_buf_free_secret(&share->payload);
    sodium_memzero(share, sizeof *share);
}
