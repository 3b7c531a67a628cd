/* split and combine: a key or password in shares, as text files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "mpc/share_set.h"

enum { PATH_BYTES = 4096 };

/* --- split --------------------------------------------------------------------------------------
 */

/* "key.share", 3 -> "key.share.3" */
static vs_err share_path(char out[PATH_BYTES], const char *base, uint32_t x, vs_diag *diag)
{
    int len = snprintf(out, PATH_BYTES, "%s.%u", base, x);
    if (len > 0 && len < PATH_BYTES) return VS_OK;
    return vs_fail(diag, VS_ERR_LIMIT, "--out: path too long");
}

/* Before anything is written: none of the files may be there. */
static vs_err check_free(const char *base, uint32_t n, vs_diag *diag)
{
    char path[PATH_BYTES];
    for (uint32_t x = 1; x <= n; x++) {
        vs_err err = share_path(path, base, x, diag);
        if (err != VS_OK) return err;
        if (vs_file_exists(path)) {
            return vs_fail(diag, VS_ERR_STATE, "%s: exists already, not overwritten", path);
        }
    }
    return VS_OK;
}

static vs_err write_share(const vs_split *split, const char *base, uint32_t x, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_buf text = {0};
    vs_err err = share_path(path, base, x, diag);
    if (err == VS_OK && vs_split_text(split, &text, x) != VS_OK) {
        err = vs_fail(diag, VS_ERR_NOMEM, "%s: out of memory", path);
    }
    if (err == VS_OK) err = vs_file_create_durable(path, text.p, text.len, 0600, diag);
    vs_buf_free_secret(&text);
    return err;
}

/* All files or none. */
static vs_err write_shares(const vs_split *split, const char *base, uint32_t n, vs_diag *diag)
{
    char path[PATH_BYTES];
    vs_err err = VS_OK;
    uint32_t done = 0;
    while (err == VS_OK && done < n) {
        err = write_share(split, base, done + 1, diag);
        if (err == VS_OK) done++;
    }
    for (uint32_t x = 1; err != VS_OK && x <= done; x++) {
        if (share_path(path, base, x, NULL) != VS_OK || vs_file_erase(path, NULL) != VS_OK) {
            vs_diag_prefix(diag, "%s was written and cannot be erased", path);
        }
    }
    return err;
}

static int print_split(const vs_share_set *set, const char *base, bool json)
{
    char id[VS_HEX_CHARS(32)];
    vs_hex_encode(id, &set->id, sizeof set->id);
    if (json) {
        json_t *files = json_array();
        for (uint32_t x = 1; x <= set->n; x++) {
            (void)json_array_append_new(files, json_sprintf("%s.%u", base, x));
        }
        return vs_out_json(json_pack("{s:s, s:i, s:i, s:i, s:i, s:o}", "set", id, "shares",
                                     (int)set->n, "threshold", (int)set->t, "bytes",
                                     (int)set->secret_len, "prime_bits", (int)set->prime.bits,
                                     "files", files));
    }
    vs_table t = {.columns = 2};
    vs_table_cell(&t, "set");
    vs_table_cell(&t, "%s", id);
    vs_table_cell(&t, "shares");
    vs_table_cell(&t, "%s.1 to %s.%u (secret: each to another holder)", base, base, set->n);
    vs_table_cell(&t, "threshold");
    vs_table_cell(&t, "any %u of %u give the secret back, fewer tell nothing", set->t, set->n);
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static int run_split(const vs_args *args)
{
    const char *base = vs_args_text(args, "out");
    uint32_t n = (uint32_t)vs_args_uint(args, "shares");
    uint32_t t = (uint32_t)vs_args_uint(args, "threshold");
    vs_rng rng = vs_rng_system();
    vs_split *split = NULL;
    vs_buf secret = {0};
    vs_prime prime;
    vs_diag diag;
    if (t > n) {
        return vs_args_usage(args, "--threshold: %u is more than the %u shares of --shares", t, n);
    }
    const char *text =
        vs_args_given(args, "prime") ? vs_args_text(args, "prime") : VS_PRIME_DEFAULT;
    vs_err err = vs_prime_read(&prime, text, &diag);
    if (err != VS_OK) vs_diag_prefix(&diag, "--prime");
    if (err == VS_OK) err = check_free(base, n, &diag);
    if (err == VS_OK) {
        err = vs_file_read(&secret, vs_args_text(args, "in"), VS_SHARE_SECRET_MAX, &diag);
    }
    if (err == VS_OK) err = vs_split_new(&split, &prime, n, t, secret.p, secret.len, &rng, &diag);
    if (err == VS_OK) err = write_shares(split, base, n, &diag);
    int status = err == VS_OK ? print_split(vs_split_set(split), base, vs_args_flag(args, "json"))
                              : vs_out_fail(&diag);
    vs_split_free(split);
    vs_buf_free_secret(&secret);
    return status;
}

static const vs_opt split_options[] = {
    {.name = "shares",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .required = true,
     .min = 2,
     .max = VS_PRIME_SHARES_MAX,
     .help = "How many shares to make."},
    {.name = "threshold",
     .arg = "T",
     .kind = VS_OPT_UINT,
     .required = true,
     .min = 2,
     .max = VS_PRIME_SHARES_MAX,
     .help = "How many of them give the secret back. Fewer tell nothing but its length."},
    {.name = "in",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "The secret: any file of at most 1 MiB. /dev/stdin reads standard input."},
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Writes FILE.1 to FILE.N, readable by their owner only. No file is replaced: if one "
             "is there, nothing is written."},
    {.name = "prime",
     .arg = "P",
     .kind = VS_OPT_TEXT,
     .help = "Prime of 8 to 4096 bits to calculate with, decimal or 0x and hexadecimal. It is "
             "checked to be prime and stands in the shares. Default: 2^521 - 1."},
    VS_OPT_JSON,
    {0}};

const vs_command vs_cmd_split = {
    .name = "split",
    .summary = "split a key or password into shares",
    .description =
        "Shamir's secret sharing: each share alone is random numbers, any T of the N shares give "
        "the secret back (veilsum combine).\n"
        "\n"
        "A share is a text file that can be mailed or printed. It carries its version, a checksum "
        "and commitments to all shares of its set, so that combine names a damaged, altered or "
        "foreign one.\n"
        "\n"
        "The set id that is printed is public. Keep it: combine --set ID then refuses every share "
        "that is not of this split, however many there are.",
    .options = split_options,
    .examples = "veilsum split --shares 5 --threshold 3 --in key.bin --out key.share\n"
                "veilsum split --shares 3 --threshold 2 --in /dev/stdin --out pass < pw",
    .run = run_split};

/* --- combine ------------------------------------------------------------------------------------
 */

/* Decode every file. *n_read shares are to be freed, also on error. */
static vs_err read_shares(const vs_args *args, vs_share *share, const char **name, uint32_t n,
                          uint32_t *n_read, vs_diag *diag)
{
    vs_err err = VS_OK;
    for (*n_read = 0; err == VS_OK && *n_read < n;) {
        vs_buf text = {0};
        name[*n_read] = vs_args_positional(args, *n_read);
        err = vs_file_read(&text, name[*n_read], VS_SHARE_TEXT_MAX, diag);
        if (err == VS_OK) {
            err = vs_share_decode(&share[*n_read], text.p, text.len, diag);
            if (err != VS_OK) vs_diag_prefix(diag, "%s", name[*n_read]);
        }
        vs_buf_free_secret(&text);
        if (err == VS_OK) ++*n_read;
    }
    return err;
}

static vs_err write_secret(const vs_buf *secret, const char *path, vs_diag *diag)
{
    if (path != NULL) return vs_file_create_durable(path, secret->p, secret->len, 0600, diag);
    /* Unbuffered: no copy of the secret stays in stdio. A failed write shows in main. */
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    if (secret->len != 0 && fwrite(secret->p, 1, secret->len, stdout) != secret->len) {
        return vs_fail(diag, VS_ERR_IO, "cannot write the secret to standard output");
    }
    return VS_OK;
}

static int run_combine(const vs_args *args)
{
    uint32_t n = vs_args_positionals(args);
    const char *wanted = vs_args_text(args, "set");
    const char *out = vs_args_text(args, "out");
    const char *name[VS_PRIME_SHARES_MAX];
    uint32_t n_read = 0;
    vs_buf secret = {0};
    vs_h32 set;
    vs_diag diag;
    if (wanted != NULL && vs_hex_decode(set.b, sizeof set.b, wanted) != VS_OK) {
        return vs_args_usage(args, "--set: \"%s\" is not 64 hexadecimal digits", wanted);
    }
    vs_share *share = calloc(n, sizeof *share);
    vs_err err = share == NULL ? vs_fail(&diag, VS_ERR_NOMEM, "out of memory")
                               : read_shares(args, share, name, n, &n_read, &diag);
    if (err == VS_OK) err = vs_share_check(share, name, n, wanted == NULL ? NULL : &set, &diag);
    if (err == VS_OK) err = vs_share_combine(&secret, share, n, &diag);
    if (err == VS_OK) err = write_secret(&secret, out, &diag);
    for (uint32_t i = 0; i < n_read; i++) vs_share_free(&share[i]);
    free(share);
    vs_buf_free_secret(&secret);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt combine_options[] = {
    {.name = "out",
     .arg = "FILE",
     .kind = VS_OPT_TEXT,
     .help = "Write the secret to this new file, readable by its owner only. Default: standard "
             "output."},
    {.name = "set",
     .arg = "ID",
     .kind = VS_OPT_TEXT,
     .help = "The set id that split printed: every share of another set is refused. Default: the "
             "set of most of the shares given."},
    {0}};

static const vs_positional combine_files[] = {
    {.name = "FILE", .min = 1, .max = VS_PRIME_SHARES_MAX, .help = "Shares, in any order."}, {0}};

const vs_command vs_cmd_combine = {
    .name = "combine",
    .summary = "give back a secret from its shares",
    .description =
        "Reads the shares that veilsum split made and writes the secret. Every share given is "
        "checked, also beyond the threshold, and one that is damaged, altered, foreign (of "
        "another split) or there twice is named; leave it out and run again. The secret is "
        "written only if it is the one that the shares commit to.",
    .options = combine_options,
    .positionals = combine_files,
    .examples = "veilsum combine key.share.1 key.share.4 key.share.5 > key.bin\n"
                "veilsum combine --out key.bin key.share.*",
    .run = run_combine};
