#include "ledger/note.h"

#include <string.h>

#include <sodium.h>

#include "ledger/text.h"

/* A line that repeats the key of an earlier line is allowed (retries of cosigners), but a note
 * must not be a way to make us verify signatures without end. */
enum { REPEATS_MAX = 64, KEY_ID_BYTES = 4 };

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a space */

/* One signature line, borrowed from the note except for the decoded signature. */
typedef struct sig_line {
    const char *name;
    size_t name_len;
    uint32_t id;
    size_t sig_len; /* of the decoded signature, without the key id */
    size_t sig_at;  /* offset in the scratch buffer */
} sig_line;

typedef struct note_lines {
    uint32_t n;
    sig_line line[VS_NOTE_SIGNATURES_MAX];
    vs_buf scratch; /* decoded signatures, owned */
} note_lines;

static vs_err not_a_note(vs_diag *diag, const char *why)
{
    return vs_fail(diag, VS_ERR_MALFORMED, "not a signed note: %s", why);
}

/* Offset of the first signature line: after the last blank line. 0 if there is none. */
static size_t find_signatures(const uint8_t *note, size_t len)
{
    for (size_t i = len; i >= 2; i--) {
        if (note[i - 1] == '\n' && note[i - 2] == '\n') return i;
    }
    return 0;
}

/* "U+2014 SP name SP base64(key id || signature)" without its LF. */
static vs_err parse_line(note_lines *lines, const char *text, size_t len, vs_diag *diag)
{
    size_t dash_len = sizeof dash - 1;
    if (len < dash_len || memcmp(text, dash, dash_len) != 0) {
        return not_a_note(diag, "a signature line does not begin with an em dash and a space");
    }
    text += dash_len;
    len -= dash_len;
    const char *space = memchr(text, ' ', len);
    if (space == NULL || !vs_text_name_ok(text, (size_t)(space - text))) {
        return not_a_note(diag, "a signature line has no valid key name");
    }
    size_t b64_len = len - (size_t)(space - text) - 1;
    size_t raw_len = 0;
    size_t at = lines->scratch.len;
    uint8_t *raw = vs_buf_extend(&lines->scratch, b64_len + 1); /* room enough */
    if (raw == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    if (vs_base64_decode(raw, b64_len, &raw_len, space + 1, b64_len) != VS_OK ||
        raw_len <= KEY_ID_BYTES) {
        return not_a_note(diag, "a signature is not the base64 of a key id and more");
    }
    lines->scratch.len = at + raw_len;
    lines->line[lines->n++] = (sig_line){.name = text,
                                         .name_len = (size_t)(space - text),
                                         .id = (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 |
                                               (uint32_t)raw[2] << 8 | raw[3],
                                         .sig_len = raw_len - KEY_ID_BYTES,
                                         .sig_at = at + KEY_ID_BYTES};
    return VS_OK;
}

static bool same_key(const sig_line *a, const sig_line *b)
{
    return a->id == b->id && a->name_len == b->name_len &&
           memcmp(a->name, b->name, a->name_len) == 0;
}

static uint32_t count_repeats(const note_lines *lines)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < lines->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (!same_key(&lines->line[i], &lines->line[k])) continue;
            n++;
            break;
        }
    }
    return n;
}

/* Form only. text_len receives the length of the signed text. */
static vs_err parse_note(note_lines *lines, size_t *text_len, const uint8_t *note, size_t len,
                         vs_diag *diag)
{
    if (len > VS_NOTE_MAX_BYTES) return not_a_note(diag, "longer than 128 KiB");
    if (!vs_text_ok(note, len, true)) {
        return not_a_note(diag, "not UTF-8, or control characters in it");
    }
    size_t sigs = find_signatures(note, len);
    if (sigs == 0 || sigs == len) return not_a_note(diag, "no signatures after a blank line");
    if (note[len - 1] != '\n') return not_a_note(diag, "the last line does not end in LF");
    vs_lines rest = {.next = (const char *)note + sigs, .left = len - sigs};
    const char *line;
    size_t line_len;
    while (vs_lines_next(&rest, &line, &line_len)) {
        if (lines->n == VS_NOTE_SIGNATURES_MAX) return not_a_note(diag, "too many signatures");
        vs_err err = parse_line(lines, line, line_len, diag);
        if (err != VS_OK) return err;
    }
    if (count_repeats(lines) > REPEATS_MAX) {
        return not_a_note(diag, "too many signatures by the same key");
    }
    *text_len = sigs - 1;
    return VS_OK;
}

static bool line_is_by(const sig_line *line, const vs_note_key *key)
{
    return line->id == key->id && strlen(key->name) == line->name_len &&
           memcmp(key->name, line->name, line->name_len) == 0;
}

/* Bytes of a signature by this key. A line of another length is not one: it is ignored, as lines
 * of unknown algorithms are. */
static size_t sig_bytes(const vs_note_key *key)
{
    return key->type == VS_NOTE_COSIGNATURE ? VS_COSIGNATURE_BYTES : crypto_sign_BYTES;
}

static vs_err verify_line(vs_note_result *out, uint32_t k, const vs_note_key *key,
                          const uint8_t *sig, const uint8_t *note, vs_diag *diag)
{
    bool ok;
    if (key->type == VS_NOTE_COSIGNATURE) {
        ok = vs_cosign_verify(sig, (const char *)note, out->text_len, key) == VS_OK;
    } else {
        ok = crypto_sign_verify_detached(sig, note, out->text_len, key->public_key.b) == 0;
    }
    if (!ok) {
        return vs_fail(diag, VS_ERR_PROOF, "note: signature by %s+%08x is wrong", key->name,
                       (unsigned)key->id);
    }
    if (!out->verified[k]) out->n_verified++;
    out->verified[k] = true;
    if (key->type == VS_NOTE_COSIGNATURE) {
        uint64_t time_s = vs_load_be64(sig);
        if (time_s > out->verified_time[k]) out->verified_time[k] = time_s;
    }
    return VS_OK;
}

static vs_err verify_lines(vs_note_result *out, const note_lines *lines, const uint8_t *note,
                           const vs_note_key *keys, uint32_t n_keys, vs_diag *diag)
{
    for (uint32_t i = 0; i < lines->n; i++) {
        const sig_line *line = &lines->line[i];
        uint32_t n_found = 0;
        uint32_t found = 0;
        for (uint32_t k = 0; k < n_keys; k++) {
            if (!line_is_by(line, &keys[k])) continue;
            found = k;
            n_found++;
        }
        if (n_found == 0 || line->sig_len != sig_bytes(&keys[found])) continue;
        if (n_found > 1) {
            return vs_fail(diag, VS_ERR_PROOF, "note: key %s+%08x is listed twice",
                           keys[found].name, (unsigned)keys[found].id);
        }
        vs_err err =
            verify_line(out, found, &keys[found], lines->scratch.p + line->sig_at, note, diag);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

vs_err vs_note_verify(vs_note_result *out, const uint8_t *note, size_t len, const vs_note_key *keys,
                      uint32_t n_keys, vs_diag *diag)
{
    VS_ASSERT(n_keys <= VS_NOTE_SIGNATURES_MAX);
    note_lines lines = {0};
    memset(out, 0, sizeof *out);
    vs_err err = parse_note(&lines, &out->text_len, note, len, diag);
    if (err == VS_OK) err = verify_lines(out, &lines, note, keys, n_keys, diag);
    if (err == VS_OK && out->n_verified == 0) {
        err = vs_fail(diag, VS_ERR_PROOF, "note: not signed by any known key");
    }
    vs_buf_free(&lines.scratch);
    if (err != VS_OK) memset(out, 0, sizeof *out);
    return err;
}

vs_err vs_note_add_line(vs_buf *note, const vs_note_key *key, const uint8_t *sig, size_t sig_len)
{
    uint8_t raw[KEY_ID_BYTES + VS_COSIGNATURE_BYTES];
    char b64[VS_BASE64_CHARS(sizeof raw)];
    VS_ASSERT(sig_len <= VS_COSIGNATURE_BYTES);
    for (unsigned i = 0; i < KEY_ID_BYTES; i++) raw[i] = (uint8_t)(key->id >> (24 - 8 * i));
    memcpy(raw + KEY_ID_BYTES, sig, sig_len);
    vs_base64_encode(b64, raw, KEY_ID_BYTES + sig_len);
    vs_buf_printf(note, "%s%s %s\n", dash, key->name, b64);
    return vs_buf_check(note);
}

vs_err vs_note_sign(vs_buf *out, const char *text, size_t text_len, const vs_note_key *key,
                    const uint8_t seed[32])
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t sig[crypto_sign_BYTES];
    VS_ASSERT(text_len > 0 && text[text_len - 1] == '\n');
    VS_ASSERT(key->type == VS_NOTE_ED25519);
    (void)crypto_sign_seed_keypair(public_key, secret, seed); /* cannot fail */
    VS_ASSERT(sodium_memcmp(public_key, key->public_key.b, sizeof public_key) == 0);
    (void)crypto_sign_detached(sig, NULL, (const uint8_t *)text, text_len, secret);
    sodium_memzero(secret, sizeof secret);
    vs_buf_bytes(out, text, text_len);
    vs_buf_u8(out, '\n');
    return vs_note_add_line(out, key, sig, sizeof sig);
}
