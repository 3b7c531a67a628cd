#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "net/keys.h"

enum { PATH_BYTES = 4096 };

/* "dir/alice.key" -> "alice". False: longer than any key name. */
static bool name_of(char out[VS_NOTE_NAME_MAX + 1], const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t len = strlen(base);
    if (len > 4 && strcmp(base + len - 4, ".key") == 0) len -= 4;
    if (len > VS_NOTE_NAME_MAX) return false;
    memcpy(out, base, len);
    out[len] = '\0';
    return true;
}

static int print_keys(const vs_keys *keys, const char *path, const char *pub_path, bool json)
{
    char identity[VS_BASE64_CHARS(32)];
    vs_base64_encode(identity, keys->pub.identity.b, 32);
    if (json) {
        return vs_out_json(json_pack("{s:s, s:s, s:s, s:s}", "name", keys->pub.name, "identity",
                                     identity, "secret_file", path, "public_file", pub_path));
    }
    vs_table t = {.columns = 2};
    vs_table_cell(&t, "name");
    vs_table_cell(&t, "%s", keys->pub.name);
    vs_table_cell(&t, "identity");
    vs_table_cell(&t, "%s", identity);
    vs_table_cell(&t, "secret key");
    vs_table_cell(&t, "%s (keep it, keep it to yourself)", path);
    vs_table_cell(&t, "public key");
    vs_table_cell(&t, "%s (give it to the federation's administrator)", pub_path);
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static int run_keygen(const vs_args *args)
{
    const char *path = vs_args_text(args, "out");
    const char *name = vs_args_text(args, "name");
    char from_path[VS_NOTE_NAME_MAX + 1];
    char pub_path[PATH_BYTES];
    vs_rng rng = vs_rng_system();
    vs_keys *keys = NULL;
    vs_diag diag;
    if (name == NULL && !name_of(from_path, path)) {
        return vs_args_usage(args, "the file's name is too long for a key's name: give --name");
    }
    vs_err err = vs_keys_public_path(pub_path, sizeof pub_path, path, &diag);
    if (err == VS_OK) {
        err = vs_keys_generate(&keys, name == NULL ? from_path : name, &rng, &diag);
    }
    if (err == VS_OK) err = vs_keys_save(keys, path, &diag);
    int status = err == VS_OK ? print_keys(keys, path, pub_path, vs_args_flag(args, "json"))
                              : vs_out_fail(&diag);
    vs_keys_free(keys);
    return status;
}

static const vs_opt options[] = {
    {.name = "out",
     .arg = "FILE.key",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help =
         "Secret key file to write, readable by its owner only. The public key goes to FILE.pub "
         "beside it. Neither replaces a file that is there."},
    {.name = "name",
     .arg = "NAME",
     .kind = VS_OPT_TEXT,
     .help = "Name of the key, without spaces and '+'. It stands in the federation file and in "
             "checkpoint signatures. Default: the file's name without .key."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_keygen = {
    .name = "keygen",
    .summary = "make the key pair of one party",
    .description =
        "A client, a shareholder, the aggregator and the admin each need a key pair. This makes "
        "one "
        "random master seed and writes it to FILE.key. Every role's key (identity, log, "
        "cosigner) derives from it, so one file is all that a party has to keep. FILE.pub holds "
        "the "
        "public keys and may be given to anyone.",
    .options = options,
    .examples = "veilsum keygen --out alice.key\n"
                "veilsum keygen --out shareholder.key --name hospital-1.example.org",
    .run = run_keygen};
