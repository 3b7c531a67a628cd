#include "cli/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/out.h"
#include "ledger/export.h"

vs_err vs_ledger_folder(char out[VS_LEDGER_PATH_BYTES], const char *dir, vs_diag *diag)
{
    static const char *const places[] = {"", "/ledger"};
    char file[VS_LEDGER_PATH_BYTES];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(out, VS_LEDGER_PATH_BYTES, "%s%s", dir, places[i]);
        int m = snprintf(file, sizeof file, "%s%s/ledger.db", dir, places[i]);
        if (n < 0 || m < 0 || m >= (int)sizeof file) {
            return vs_fail(diag, VS_ERR_LIMIT, "%.200s...: path too long", dir);
        }
        if (vs_file_exists(file)) return VS_OK;
    }
    return vs_fail(diag, VS_ERR_IO, "%s: no ledger.db in this folder, nor in its folder ledger",
                   dir);
}

vs_err vs_ledger_or_published(char out[VS_LEDGER_PATH_BYTES], bool *published, const char *dir,
                              vs_diag *diag)
{
    char file[VS_LEDGER_PATH_BYTES + 16];
    *published = false;
    vs_err err = vs_ledger_folder(out, dir, diag);
    if (err != VS_ERR_IO) return err;
    int n = snprintf(out, VS_LEDGER_PATH_BYTES, "%s", dir);
    (void)snprintf(file, sizeof file, "%s/" VS_EXPORT_CHECKPOINT, dir);
    *published = n > 0 && n < (int)VS_LEDGER_PATH_BYTES && vs_file_exists(file);
    if (*published) return VS_OK;
    return vs_fail(
        diag, VS_ERR_IO,
        "%s: no ledger.db in this folder, nor in its folder ledger, and no checkpoint of "
        "a published log",
        dir);
}

/* --- arguments ---------------------------------------------------------------------------------
 */

vs_err vs_ledger_hash(vs_h32 *out, const char *option, const char *text, vs_diag *diag)
{
    size_t len = 0;
    vs_h32 hash = {{0}};
    if (vs_base64_decode(hash.b, sizeof hash.b, &len, text, strlen(text)) != VS_OK ||
        len != sizeof hash.b) {
        return vs_fail(diag, VS_ERR_MALFORMED, "--%s: \"%.80s\" is not the base64 of 32 bytes",
                       option, text);
    }
    *out = hash;
    return VS_OK;
}

vs_err vs_ledger_number(uint64_t *out, const char *option, const char *text, vs_diag *diag)
{
    uint64_t v = 0;
    bool ok = text[0] != '\0';
    for (const char *c = text; ok && *c != '\0'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        ok = *c >= '0' && *c <= '9' && v <= (UINT64_MAX - digit) / 10;
        if (ok) v = v * 10 + digit;
    }
    if (!ok) {
        return vs_fail(diag, VS_ERR_MALFORMED, "--%s: \"%.80s\" is not a whole number of 0..%llu",
                       option, text, (unsigned long long)UINT64_MAX);
    }
    *out = v;
    return VS_OK;
}

vs_err vs_ledger_vkeys(vs_note_key *out, uint32_t cap, uint32_t *n, const vs_args *args,
                       vs_diag *diag)
{
    *n = vs_args_count(args, "vkey");
    if (*n > cap) {
        return vs_fail(diag, VS_ERR_LIMIT, "--vkey: given %u times, at most %u", (unsigned)*n,
                       (unsigned)cap);
    }
    for (uint32_t i = 0; i < *n; i++) {
        vs_err err = vs_note_key_parse(&out[i], vs_args_nth(args, "vkey", i), diag);
        if (err != VS_OK) {
            vs_diag_prefix(diag, "--vkey");
            return err;
        }
    }
    return VS_OK;
}

/* --- an entry in a few words -------------------------------------------------------------------
 */

static void add(vs_diag *says, const char *fmt, ...) VS_PRINTF(2, 3);
static void add(vs_diag *says, const char *fmt, ...)
{
    size_t len = strlen(says->text);
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(says->text + len, sizeof says->text - len, fmt, list);
    va_end(list);
}

static void add_indices(vs_diag *says, const char *what, const uint32_t *index, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0) {
            add(says, ", %s: %u", what, (unsigned)index[i]);
        } else {
            add(says, " %u", (unsigned)index[i]);
        }
    }
}

static void say_open(vs_diag *says, const vs_entry_open *o)
{
    add(says, "%u coordinates of %u bits, %u to %u clients, %u shareholders", (unsigned)o->dim,
        (unsigned)o->quantization_bits, (unsigned)o->min_clients, (unsigned)o->max_clients,
        (unsigned)o->n_shareholders);
    if (o->noise_variance != 0) add(says, ", epsilon %.4g so far", o->epsilon);
}

static void say_result(vs_diag *says, const vs_entry_result *r)
{
    add(says, "sum over %u clients, weight %llu, %u answers, %s", (unsigned)r->count,
        (unsigned long long)r->weight_sum, (unsigned)r->n_answers,
        r->certain ? "certain" : "not certain");
    add_indices(says, "proven wrong", r->wrong, r->n_wrong);
    add_indices(says, "outvoted", r->outvoted, r->n_outvoted);
    if (r->next_clip_norm != 0) add(says, ", next clip_norm %.4g", r->next_clip_norm);
}

static void say_abort(vs_diag *says, const vs_entry_abort *a)
{
    add(says, "%s", vs_abort_reason_name(a->reason));
    if (a->detail[0] != '\0') add(says, ": %s", a->detail);
    if (a->closed) add(says, ", closed");
    add_indices(says, "not voting", a->not_voting, a->n_not_voting);
}

static void say_evidence(vs_diag *says, const vs_entry_evidence *e)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    vs_hex_encode(hex, e->pseudonym.b, sizeof e->pseudonym.b);
    if (e->claim == VS_CLAIM_STATEMENT) {
        add(says, "shareholder %u says that submission of %.16s... in round %llu was not right",
            (unsigned)e->index, hex, (unsigned long long)e->about);
        return;
    }
    add(says, "%s by the %s", vs_claim_name(e->claim), vs_party_name(e->party));
    if (e->party == VS_PARTY_SHAREHOLDER) add(says, " %u", (unsigned)e->index);
    if (e->about != 0) add(says, " in round %llu", (unsigned long long)e->about);
    if (e->party == VS_PARTY_CLIENT) add(says, ", unmasks %.16s...", hex);
}

static void say_key(vs_diag *says, const vs_entry_key *k)
{
    char old_key[VS_BASE64_CHARS(VS_H32_BYTES)], new_key[VS_BASE64_CHARS(VS_H32_BYTES)];
    vs_base64_encode(old_key, k->old_key.b, VS_H32_BYTES);
    vs_base64_encode(new_key, k->new_key.b, VS_H32_BYTES);
    add(says, "%s of %s", k->action == VS_KEY_REVOKE ? "revocation" : "rotation",
        vs_party_name(k->party));
    if (k->index != 0) add(says, " %u", (unsigned)k->index);
    add(says, ", key %s", old_key);
    if (k->action == VS_KEY_ROTATE) add(says, " becomes %s", new_key);
}

static void say(vs_diag *says, const vs_entry *e)
{
    switch (e->kind) {
    case VS_ENTRY_FEDERATION:
        add(says, "begins the log of a federation, key %s+%08x", e->u.federation.log_key.name,
            (unsigned)e->u.federation.log_key.id);
        break;
    case VS_ENTRY_OPEN: say_open(says, &e->u.open); break;
    case VS_ENTRY_SET:
        add(says, "%u clients in, %u rejected, %u votes", (unsigned)e->u.set.count,
            (unsigned)e->u.set.rejected_count, (unsigned)e->u.set.n_votes);
        break;
    case VS_ENTRY_ANSWER: add(says, "by shareholder %u", (unsigned)e->u.answer.index); break;
    case VS_ENTRY_RESULT: say_result(says, &e->u.result); break;
    case VS_ENTRY_ABORT: say_abort(says, &e->u.abort); break;
    case VS_ENTRY_CLOSED:
        add(says, "shareholder %u will never vote in it", (unsigned)e->u.closed.index);
        break;
    case VS_ENTRY_EVIDENCE: say_evidence(says, &e->u.evidence); break;
    case VS_ENTRY_KEY: say_key(says, &e->u.key); break;
    }
}

void vs_ledger_read(vs_ledger_line *out, vs_dsse *dsse, uint64_t index, const vs_buf *entry)
{
    vs_dsse own = {0};
    vs_dsse *d = dsse != NULL ? dsse : &own;
    vs_diag text = {{0}};
    *out = (vs_ledger_line){.index = index, .len = entry->len, .kind = "?"};
    vs_merkle_leaf(&out->leaf_hash, entry->p, entry->len);
    vs_err err = vs_dsse_parse(d, entry->p, entry->len, &text);
    if (err == VS_OK) {
        memcpy(out->kind, d->kind, sizeof out->kind);
        err = vs_entry_decode(&out->e, d->kind, d->payload.p, d->payload.len, &text);
    }
    if (err == VS_OK) say(&text, &out->e);
    (void)vs_fail(&out->says, VS_OK, "%s", text.text); /* makes it printable */
    if (dsse == NULL) vs_dsse_free(&own);
}

void vs_ledger_time(char out[32], uint64_t unix_time_s)
{
    struct tm utc;
    time_t t = (time_t)unix_time_s;
    if (unix_time_s > VS_ENTRY_TIME_MAX || gmtime_r(&t, &utc) == NULL ||
        strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0) {
        (void)snprintf(out, 32, "%llu", (unsigned long long)unix_time_s);
    }
}

json_t *vs_ledger_json_text(const char *text)
{
    vs_diag ascii;
    json_t *j = json_string(text);
    if (j != NULL) return j;
    (void)snprintf(ascii.text, sizeof ascii.text, "%s", text);
    for (char *c = ascii.text; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80) *c = '?';
    }
    return json_string(ascii.text);
}

int vs_ledger_invalid(const vs_args *args, const vs_diag *why)
{
    if (!vs_args_flag(args, "json")) return vs_out_error("invalid: %s", why->text);
    json_t *j = json_pack("{s:b, s:o}", "valid", 0, "reason", vs_ledger_json_text(why->text));
    (void)vs_out_json(j);
    return VS_EXIT_FAILED;
}
