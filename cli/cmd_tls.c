#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "net/tls.h"

enum { PATH_BYTES = 4096, LIST_BYTES = 2048 };

/* "NAME[,NAME...]" cut in place. The number of names, 0 when there are none or too many. */
static uint32_t split_names(char *list, const char *names[VS_TLS_HOSTS_MAX])
{
    uint32_t n = 0;
    for (char *at = list; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) *comma++ = '\0';
        if (*at == '\0' || n == VS_TLS_HOSTS_MAX) return 0;
        names[n++] = at;
        at = comma;
    }
    return n;
}

/* One --host: a folder of the first name. */
static int make_host(const vs_args *args, const char *dir, const char *list, vs_table *t)
{
    char text[LIST_BYTES];
    char out[PATH_BYTES];
    const char *names[VS_TLS_HOSTS_MAX];
    vs_diag diag = {{0}};
    if (strlen(list) >= sizeof text) return vs_args_usage(args, "--host: too many names");
    memcpy(text, list, strlen(list) + 1);
    uint32_t n = split_names(text, names);
    if (n == 0) {
        return vs_args_usage(args, "--host: \"%.60s\" is not NAME or NAME,NAME,... with at most %u",
                             list, VS_TLS_HOSTS_MAX);
    }
    int len = snprintf(out, sizeof out, "%s/%s", dir, names[0]);
    if (len < 0 || (size_t)len >= sizeof out) return vs_out_error("%s: path too long", dir);
    vs_err err = vs_tls_make_host(dir, out, names, n, (uint32_t)vs_args_uint(args, "days"), &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    vs_table_cell(t, "%s", names[0]);
    vs_table_cell(t, "%s (its TLS folder: ca.pem and host.pem)", out);
    return VS_EXIT_OK;
}

static int run_tls_new(const vs_args *args)
{
    const char *dir = vs_args_positional(args, 0);
    char key[PATH_BYTES];
    vs_diag diag = {{0}};
    vs_table t = {.columns = 2};
    int status = VS_EXIT_OK;
    int len = snprintf(key, sizeof key, "%s/ca.key", dir);
    if (len < 0 || (size_t)len >= sizeof key) return vs_out_error("%s: path too long", dir);
    bool fresh = !vs_file_exists(key);
    if (fresh) {
        uint32_t days = (uint32_t)vs_args_uint(args, "ca-days");
        if (vs_tls_make_ca(dir, vs_args_text(args, "name"), days, &diag) != VS_OK) {
            return vs_out_fail(&diag);
        }
    }
    vs_table_cell(&t, "CA key");
    vs_table_cell(&t, "%s (%s)", key, fresh ? "keep it, keep it to yourself" : "was there");
    vs_table_cell(&t, "CA certificate");
    vs_table_cell(&t, "%s/ca.pem (everybody gets it)", dir);
    for (uint32_t i = 0; status == VS_EXIT_OK && i < vs_args_count(args, "host"); i++) {
        status = make_host(args, dir, vs_args_nth(args, "host", i), &t);
    }
    if (status == VS_EXIT_OK) status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

/* --- a key that stays on its host ---------------------------------------------------------------
 */

static int run_tls_request(const vs_args *args)
{
    const char *dir = vs_args_positional(args, 0);
    vs_diag diag = {{0}};
    vs_table t = {.columns = 2};
    if (vs_tls_make_request(dir, &diag) != VS_OK) return vs_out_fail(&diag);
    vs_table_cell(&t, "key");
    vs_table_cell(&t, "%s/host.key (it stays here)", dir);
    vs_table_cell(&t, "request");
    vs_table_cell(&t, "%s/host.csr (give it to who has the CA)", dir);
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static int run_tls_sign(const vs_args *args)
{
    char text[LIST_BYTES];
    const char *names[VS_TLS_HOSTS_MAX];
    const char *list = vs_args_text(args, "host");
    const char *out = vs_args_text(args, "out");
    vs_diag diag = {{0}};
    if (strlen(list) >= sizeof text) return vs_args_usage(args, "--host: too many names");
    memcpy(text, list, strlen(list) + 1);
    uint32_t n = split_names(text, names);
    if (n == 0) {
        return vs_args_usage(args, "--host: \"%.60s\" is not NAME or NAME,NAME,... with at most %u",
                             list, VS_TLS_HOSTS_MAX);
    }
    vs_err err = vs_tls_sign(vs_args_positional(args, 0), vs_args_text(args, "request"), out, names,
                             n, (uint32_t)vs_args_uint(args, "days"), &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    vs_table t = {.columns = 2};
    vs_table_cell(&t, "certificate");
    vs_table_cell(&t, "%s, for %s", out, list);
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static const vs_opt no_options[] = {{.name = NULL}};

static const vs_positional host_dir[] = {
    {.name = "DIR",
     .min = 1,
     .max = 1,
     .help = "TLS folder of this host, made if it is not there."},
    {.name = NULL},
};

const vs_command vs_cmd_tls_request = {
    .name = "tls request",
    .summary = "make a host's TLS key, to be signed elsewhere",
    .description =
        "Instead of veilsum tls new --host, when the host's private key is to stay where it is: "
        "writes DIR/host.key and DIR/host.csr. The CA signs the request (veilsum tls sign); then "
        "put certificate and key into DIR/host.pem, and ca.pem beside it.",
    .options = no_options,
    .positionals = host_dir,
    .examples = "veilsum tls request tls\n"
                "cat s1.pem tls/host.key > tls/host.pem   # when it is signed",
    .run = run_tls_request,
};

static const vs_opt sign_options[] = {
    {.name = "request",
     .arg = "FILE.csr",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "What veilsum tls request has made there."},
    {.name = "host",
     .arg = "NAME[,NAME...]",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Names and addresses of the host as they stand in the federation file. What the "
             "request asks for does not count."},
    {.name = "out",
     .arg = "FILE.pem",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Where to write the certificate."},
    {.name = "days",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 3650,
     .fallback = "398",
     .help = "How long it is valid."},
    {.name = NULL},
};

static const vs_positional ca_dir[] = {
    {.name = "DIR", .min = 1, .max = 1, .help = "Folder of the CA, made by veilsum tls new."},
    {.name = NULL},
};

const vs_command vs_cmd_tls_sign = {
    .name = "tls sign",
    .summary = "sign a host's request with the private CA",
    .description = "Writes a certificate for the key of the request and the names given here.",
    .options = sign_options,
    .positionals = ca_dir,
    .examples = "veilsum tls sign ca --request s1.csr --host s1.example.org --out s1.pem",
    .run = run_tls_sign,
};

/* --- tls new ------------------------------------------------------------------------------------
 */

static const vs_opt options[] = {
    {.name = "host",
     .arg = "NAME[,NAME...]",
     .kind = VS_OPT_TEXT,
     .repeat = true,
     .help = "Make a key and a certificate for a host, in the folder DIR/NAME: host names and "
             "addresses as they stand in the federation file. Give it again to renew."},
    {.name = "name",
     .arg = "NAME",
     .kind = VS_OPT_TEXT,
     .fallback = "veilsum private CA",
     .help = "Name of a new CA."},
    {.name = "days",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 3650,
     .fallback = "398",
     .help = "How long the certificates of hosts are valid."},
    {.name = "ca-days",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 10950,
     .fallback = "3650",
     .help = "How long a new CA is valid."},
    {.name = NULL},
};

static const vs_positional dir_only[] = {
    {.name = "DIR", .min = 1, .max = 1, .help = "Folder of the CA, made if it is not there."},
    {.name = NULL},
};

const vs_command vs_cmd_tls_new = {
    .name = "tls new",
    .summary = "make a private CA and certificates of hosts",
    .description =
        "For addresses tls+tcp://HOST:PORT. The first call makes DIR/ca.key and DIR/ca.pem; every "
        "call makes a key and a certificate for each --host. Give each host its folder, named tls, "
        "beside its federation file, and everybody else ca.pem in such a folder. VEILSUM_TLS or "
        "--tls of a daemon names another folder.",
    .options = options,
    .positionals = dir_only,
    .examples = "veilsum tls new ca --host agg.example.org --host s1.example.org,10.0.0.7\n"
                "veilsum tls new ca --host s1.example.org,10.0.0.7   # renew",
    .run = run_tls_new,
};
