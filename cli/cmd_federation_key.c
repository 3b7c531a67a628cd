/* federation revoke, federation rotate: changes of keys, signed and sent to the aggregator. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/beside.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "net/call.h"
#include "net/federation.h"
#include "net/keys.h"

enum { CALL_TIMEOUT_MS = 15000 };

/* Where a client acts without the admin: its enrolment, beside its key. */
static vs_err add_enrolment(vs_entry_key *k, const char *key_path, vs_diag *diag)
{
    char path[VS_BESIDE_BYTES];
    vs_h32 federation_id, client;
    vs_err err = vs_path_beside(path, key_path, ".enrolment", diag);
    if (err != VS_OK || !vs_file_exists(path)) return err;
    return vs_enrolment_load(path, &federation_id, &client, k->enrolment, diag);
}

static vs_err fill(vs_entry_key *k, const vs_args *args, bool rotate, const vs_federation *fed,
                   const vs_keys *signer, vs_diag *diag)
{
    vs_public_keys key;
    vs_buf text = {0};
    vs_err err = vs_public_keys_load(&key, vs_args_positional(args, 0), diag);
    if (err != VS_OK) return err;
    k->action = rotate ? VS_KEY_ROTATE : VS_KEY_REVOKE;
    k->old_key = key.identity;
    k->index = vs_federation_shareholder(fed, &key.identity);
    k->party = k->index == 0 ? VS_PARTY_CLIENT : VS_PARTY_SHAREHOLDER;
    if (rotate) {
        err = vs_public_keys_load(&key, vs_args_positional(args, 1), diag);
        if (err != VS_OK) return err;
        k->new_key = key.identity;
    }
    k->signer = signer->pub.identity;
    if (vs_h32_equal(&k->signer, &k->old_key) && k->party == VS_PARTY_CLIENT) {
        err = add_enrolment(k, vs_args_text(args, "key"), diag);
    }
    if (err == VS_OK) err = vs_key_statement_bytes(&text, &fed->id, k);
    if (err == VS_OK) vs_sign(k->sig, text.p, text.len, signer->identity_seed);
    vs_buf_free(&text);
    return err;
}

/* NEW.enrolment beside NEW.pub, so that the client's commands find it: the admin's signature where
 * the admin rotates, else zeros (net/keys.h). A file that is there stays. */
static vs_err write_enrolment(const vs_args *args, const vs_federation *fed, const vs_keys *signer,
                              vs_diag *diag)
{
    const char *pub = vs_args_positional(args, 1);
    char path[VS_BESIDE_BYTES];
    uint8_t sig[64] = {0};
    vs_public_keys key;
    size_t len = strlen(pub);
    if (len > 4 && strcmp(pub + len - 4, ".pub") == 0) len -= 4;
    int n = snprintf(path, sizeof path, "%.*s.enrolment", (int)len, pub);
    if (n < 0 || (size_t)n >= sizeof path) {
        return vs_fail(diag, VS_ERR_LIMIT, "%s: path too long", pub);
    }
    if (vs_file_exists(path)) return VS_OK;
    vs_err err = vs_public_keys_load(&key, pub, diag);
    if (err != VS_OK) return err;
    if (vs_h32_equal(&signer->pub.identity, &fed->admin_key)) {
        vs_enrolment_sign(sig, &fed->id, &key.identity, signer->identity_seed);
    }
    return vs_enrolment_save(path, &fed->id, &key, sig, diag);
}

static int tell(const vs_args *args, const vs_entry_key *k)
{
    char key[VS_BASE64_CHARS(VS_H32_BYTES)];
    const char *action = vs_key_action_name(k->action), *party = vs_party_name(k->party);
    vs_base64_encode(key, k->old_key.b, sizeof k->old_key.b);
    if (vs_args_flag(args, "json")) {
        return vs_out_json(json_pack("{s:s, s:s, s:i, s:s}", "action", action, "party", party,
                                     "index", (int)k->index, "old_key", key));
    }
    (void)printf("%s key %s is %s\n", party, key,
                 k->action == VS_KEY_REVOKE ? "revoked" : "rotated");
    return VS_EXIT_OK;
}

static int change_key(const vs_args *args, bool rotate)
{
    vs_federation *fed = NULL;
    vs_keys *signer = NULL;
    vs_entry_key k = {0};
    vs_diag diag = {{0}};
    vs_err err = vs_federation_load(&fed, vs_args_text(args, "federation"), &diag);
    if (err == VS_OK) err = vs_keys_load(&signer, vs_args_text(args, "key"), &diag);
    if (err == VS_OK) err = fill(&k, args, rotate, fed, signer, &diag);
    if (err == VS_OK) {
        vs_caller caller = {.fed = fed, .keys = signer, .timeout_ms = CALL_TIMEOUT_MS};
        err = vs_call_key(&caller, &k, &diag);
    }
    if (err == VS_OK && rotate) err = write_enrolment(args, fed, signer, &diag);
    int status = err == VS_OK ? tell(args, &k) : vs_out_fail(&diag);
    vs_keys_free(signer);
    vs_federation_free(fed);
    return status;
}

static int run_revoke(const vs_args *args)
{
    return change_key(args, false);
}

static int run_rotate(const vs_args *args)
{
    return change_key(args, true);
}

static const vs_opt options[] = {
    {.name = "federation",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The federation file. Its aggregator must be running."},
    {.name = "key",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The admin's secret key file, or the one of the old key itself (a client's with its "
             "enrolment beside it)."},
    VS_OPT_JSON,
    {0}};

static const vs_positional revoke_positionals[] = {
    {.name = "OLD.pub", .min = 1, .max = 1, .help = "A client's or a shareholder's public key."},
    {0}};

static const vs_positional rotate_positionals[] = {
    {.name = "OLD.pub", .min = 1, .max = 1, .help = "The client's public key so far."},
    {.name = "NEW.pub", .min = 1, .max = 1, .help = "The key that takes its place."},
    {0}};

const vs_command vs_cmd_federation_revoke = {
    .name = "federation revoke",
    .summary = "take a client's or shareholder's key out of use",
    .description =
        "Signs the revocation and gives it to the aggregator, which logs it. From that position of "
        "the log on shareholders and aggregator refuse a client's submissions; a shareholder is in "
        "no later round and its cosignatures do not count. What was accepted before stays.\n\nA "
        "client's key can be revoked between rounds and while one collects, a shareholder's "
        "between rounds. A federation that lost too many shareholders needs a new file.",
    .options = options,
    .positionals = revoke_positionals,
    .examples = "veilsum federation revoke --federation federation.json \\\n"
                "    --key admin.key mallory.pub",
    .run = run_revoke};

const vs_command vs_cmd_federation_rotate = {
    .name = "federation rotate",
    .summary = "replace a client's key",
    .description =
        "Signs that NEW.pub takes the place of OLD.pub, with the admin's key or with the old key "
        "itself, and gives it to the aggregator, which logs it. The old key is revoked; the new "
        "one must never have been used before; NEW.enrolment is written for it. A shareholder's "
        "key "
        "cannot "
        "be rotated: revoke it, and make a new federation file when too few are left.",
    .options = options,
    .positionals = rotate_positionals,
    .examples = "veilsum federation rotate --federation federation.json \\\n"
                "    --key alice.key alice.pub alice2.pub",
    .run = run_rotate};
