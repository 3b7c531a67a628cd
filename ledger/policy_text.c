#include "ledger/policy_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define NAME_MAX VS_NOTE_NAME_MAX
#define WORDS_MAX (VS_TLOG_NODES_MAX + 4u)

/* --- parsing -----------------------------------------------------------------------------------
 */

typedef struct word {
    const char *p;
    size_t len;
} word;

typedef struct parser {
    vs_tlog_policy *out;
    vs_diag *diag;
    unsigned line;
    bool have_quorum;
    uint32_t n_words;
    word words[WORDS_MAX];
    char name[VS_TLOG_NODES_MAX][NAME_MAX + 1]; /* by node; "" where there is none */
} parser;

static vs_err bad(const parser *p, const char *what)
{
    return vs_fail(p->diag, VS_ERR_MALFORMED, "policy: line %u: %s", p->line, what);
}

static bool is(const word *w, const char *text)
{
    return w->len == strlen(text) && memcmp(w->p, text, w->len) == 0;
}

static bool find(const parser *p, const word *w, uint32_t *node)
{
    for (uint32_t i = 0; i < VS_TLOG_NODES_MAX; i++) {
        if (p->name[i][0] != '\0' && is(w, p->name[i])) {
            *node = i;
            return true;
        }
    }
    return false;
}

static vs_err define(parser *p, const word *w, uint32_t node)
{
    uint32_t there;
    if (w->len > NAME_MAX) return bad(p, "a name has more than 255 bytes");
    if (is(w, "none")) return bad(p, "the name none is taken");
    if (find(p, w, &there)) return bad(p, "this name is defined already");
    memcpy(p->name[node], w->p, w->len);
    return VS_OK;
}

/* "VKEY [URL]" from word `at` on. */
static vs_err parse_party(parser *p, vs_tlog_party *out, uint32_t at, uint8_t type)
{
    char vkey[VS_VKEY_CHARS];
    vs_diag why = {{0}};
    if (p->n_words <= at || p->n_words > at + 2) return bad(p, "must be a key and perhaps a URL");
    if (p->words[at].len >= sizeof vkey) return bad(p, "the key is too long");
    memcpy(vkey, p->words[at].p, p->words[at].len);
    vkey[p->words[at].len] = '\0';
    if (vs_note_key_parse(&out->key, vkey, &why) != VS_OK) return bad(p, why.text);
    if (out->key.type != type) {
        return bad(p, type == VS_NOTE_ED25519 ? "a log's key must be of type 0x01"
                                              : "a witness's key must be of type 0x04");
    }
    if (p->n_words == at + 2) {
        const word *url = &p->words[at + 1];
        if (url->len > VS_TLOG_URL_MAX) return bad(p, "the URL has more than 255 bytes");
        memcpy(out->url, url->p, url->len);
    }
    return VS_OK;
}

static vs_err check_new(const parser *p, const vs_tlog_party *all, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (vs_h32_equal(&all[i].key.public_key, &all[n].key.public_key)) {
            return bad(p, "this key is listed already");
        }
    }
    return VS_OK;
}

static vs_err parse_log(parser *p)
{
    vs_tlog_policy *o = p->out;
    if (o->n_logs == VS_TLOG_LOGS_MAX) return bad(p, "more than 32 logs");
    vs_err err = parse_party(p, &o->log[o->n_logs], 1, VS_NOTE_ED25519);
    if (err == VS_OK) err = check_new(p, o->log, o->n_logs);
    if (err == VS_OK) o->n_logs++;
    return err;
}

static vs_err parse_witness(parser *p)
{
    vs_tlog_policy *o = p->out;
    if (o->n_witnesses == VS_TLOG_WITNESSES_MAX) return bad(p, "more than 128 witnesses");
    if (p->n_words < 3) return bad(p, "a witness has a name and a key");
    vs_err err = parse_party(p, &o->witness[o->n_witnesses], 2, VS_NOTE_COSIGNATURE);
    if (err == VS_OK) err = check_new(p, o->witness, o->n_witnesses);
    if (err == VS_OK) err = define(p, &p->words[1], o->n_witnesses);
    if (err == VS_OK) o->n_witnesses++;
    return err;
}

static vs_err parse_threshold(parser *p, const word *w, uint32_t n, uint32_t *k)
{
    if (is(w, "all") || is(w, "any")) {
        *k = is(w, "all") ? n : 1;
        return VS_OK;
    }
    uint32_t v = 0;
    bool ok = w->len >= 1 && w->len <= 3 && w->p[0] != '0';
    for (size_t i = 0; ok && i < w->len; i++) {
        ok = w->p[i] >= '0' && w->p[i] <= '9';
        v = v * 10 + (uint32_t)(w->p[i] - '0');
    }
    if (!ok || v > n) return bad(p, "a group needs all, any, or a number from 1 to its members");
    *k = v;
    return VS_OK;
}

static vs_err parse_group(parser *p)
{
    vs_tlog_policy *o = p->out;
    if (o->n_groups == VS_TLOG_GROUPS_MAX) return bad(p, "more than 32 groups");
    if (p->n_words < 4) return bad(p, "a group has a name, a threshold and members");
    vs_tlog_group *g = &o->group[o->n_groups];
    vs_err err = parse_threshold(p, &p->words[2], p->n_words - 3, &g->k);
    for (uint32_t i = 3; err == VS_OK && i < p->n_words; i++) {
        uint32_t node;
        if (!find(p, &p->words[i], &node)) return bad(p, "a member is not defined above");
        if (g->member[node]) return bad(p, "a member is listed twice");
        for (uint32_t j = 0; j < o->n_groups; j++) {
            if (o->group[j].member[node]) return bad(p, "a member is in another group already");
        }
        g->member[node] = true;
    }
    if (err == VS_OK) err = define(p, &p->words[1], VS_TLOG_WITNESSES_MAX + o->n_groups);
    if (err == VS_OK) o->n_groups++;
    return err;
}

static vs_err parse_quorum(parser *p)
{
    if (p->have_quorum) return bad(p, "a second quorum line");
    if (p->n_words != 2) return bad(p, "quorum takes one name");
    p->have_quorum = true;
    if (is(&p->words[1], "none")) return VS_OK;
    p->out->needs_quorum = true;
    return find(p, &p->words[1], &p->out->quorum)
               ? VS_OK
               : bad(p, "the quorum's name is not defined above");
}

static vs_err split(parser *p, const char *line, size_t len)
{
    p->n_words = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)line[i];
        if (c == ' ' || c == '\t') {
            i++;
            continue;
        }
        size_t from = i;
        for (; i < len && line[i] != ' ' && line[i] != '\t'; i++) {
            c = (unsigned char)line[i];
            if (c < 0x20 || c == 0x7F) return bad(p, "a control character");
        }
        if (p->n_words == WORDS_MAX) return bad(p, "too many words");
        p->words[p->n_words++] = (word){line + from, i - from};
    }
    return VS_OK;
}

static vs_err parse_line(parser *p, const char *line, size_t len)
{
    static const struct {
        const char *word;
        vs_err (*parse)(parser *p);
    } kinds[] = {{"log", parse_log},
                 {"witness", parse_witness},
                 {"group", parse_group},
                 {"quorum", parse_quorum}};
    vs_err err = split(p, line, len);
    if (err != VS_OK || p->n_words == 0 || p->words[0].p[0] == '#') return err;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (is(&p->words[0], kinds[i].word)) return kinds[i].parse(p);
    }
    return bad(p, "must begin with log, witness, group, quorum or #");
}

vs_err vs_tlog_policy_parse(vs_tlog_policy *out, const void *text, size_t len, vs_diag *diag)
{
    const char *at = text;
    size_t left = len;
    vs_err err = VS_OK;
    memset(out, 0, sizeof *out);
    if (len > VS_TLOG_POLICY_MAX_BYTES) {
        return vs_fail(diag, VS_ERR_LIMIT, "policy: more than %u bytes", VS_TLOG_POLICY_MAX_BYTES);
    }
    parser *p = calloc(1, sizeof *p);
    if (p == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    p->out = out;
    p->diag = diag;
    while (err == VS_OK && left > 0) {
        const char *end = memchr(at, '\n', left);
        p->line++;
        if (end == NULL) {
            err = bad(p, "does not end in a newline");
            break;
        }
        err = parse_line(p, at, (size_t)(end - at));
        left -= (size_t)(end - at) + 1;
        at = end + 1;
    }
    if (err == VS_OK && !p->have_quorum) err = bad(p, "there is no quorum line");
    free(p);
    if (err != VS_OK) memset(out, 0, sizeof *out);
    return err;
}

vs_err vs_tlog_policy_load(vs_tlog_policy *out, const char *path, vs_diag *diag)
{
    vs_buf text = {0};
    memset(out, 0, sizeof *out);
    vs_err err = vs_file_read(&text, path, VS_TLOG_POLICY_MAX_BYTES, diag);
    if (err == VS_OK) {
        err = vs_tlog_policy_parse(out, text.p, text.len, diag);
        if (err != VS_OK) vs_diag_prefix(diag, "%s", path);
    }
    vs_buf_free(&text);
    return err;
}

/* --- verifying ---------------------------------------------------------------------------------
 */

/* Members are defined before their group, so one pass in order settles every node. */
bool vs_tlog_policy_met(const vs_tlog_policy *policy, const bool cosigned[VS_TLOG_WITNESSES_MAX])
{
    bool yes[VS_TLOG_NODES_MAX] = {0};
    if (!policy->needs_quorum) return true;
    memcpy(yes, cosigned, VS_TLOG_WITNESSES_MAX * sizeof yes[0]);
    for (uint32_t g = 0; g < policy->n_groups; g++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < VS_TLOG_NODES_MAX; i++) {
            n += policy->group[g].member[i] && yes[i] ? 1u : 0u;
        }
        yes[VS_TLOG_WITNESSES_MAX + g] = n >= policy->group[g].k;
    }
    return yes[policy->quorum];
}

static vs_err verify(vs_tlog_result *out, const vs_tlog_policy *policy, const uint8_t *note,
                     size_t len, vs_note_key *keys, vs_note_result *who, vs_diag *diag)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < policy->n_logs; i++) keys[n++] = policy->log[i].key;
    for (uint32_t i = 0; i < policy->n_witnesses; i++) keys[n++] = policy->witness[i].key;
    vs_err err = vs_note_verify(who, note, len, keys, n, diag);
    if (err == VS_OK) err = vs_checkpoint_parse(&out->checkpoint, note, who->text_len, diag);
    if (err != VS_OK) return err;
    out->text_len = who->text_len;
    for (out->log = 0; out->log < policy->n_logs; out->log++) {
        if (who->verified[out->log] && strcmp(keys[out->log].name, out->checkpoint.origin) == 0)
            break;
    }
    if (out->log == policy->n_logs) {
        return vs_fail(diag, VS_ERR_PROOF, "checkpoint of %s: not signed by a log of the policy",
                       out->checkpoint.origin);
    }
    for (uint32_t i = 0; i < policy->n_witnesses; i++) {
        out->cosigned[i] = who->verified[policy->n_logs + i];
        out->time_s[i] = who->verified_time[policy->n_logs + i];
        out->n_cosigned += out->cosigned[i] ? 1u : 0u;
    }
    out->quorum = vs_tlog_policy_met(policy, out->cosigned);
    return VS_OK;
}

vs_err vs_tlog_policy_verify(vs_tlog_result *out, const vs_tlog_policy *policy, const uint8_t *note,
                             size_t len, vs_diag *diag)
{
    _Static_assert(VS_TLOG_LOGS_MAX + VS_TLOG_WITNESSES_MAX <= VS_NOTE_SIGNATURES_MAX, "keys");
    vs_note_key *keys = calloc(VS_NOTE_SIGNATURES_MAX, sizeof *keys);
    vs_note_result *who = calloc(1, sizeof *who);
    memset(out, 0, sizeof *out);
    vs_err err = keys == NULL || who == NULL ? vs_fail(diag, VS_ERR_NOMEM, "out of memory")
                                             : verify(out, policy, note, len, keys, who, diag);
    if (err != VS_OK) memset(out, 0, sizeof *out);
    free(keys);
    free(who);
    return err;
}

/* --- simple policies ---------------------------------------------------------------------------
 */

vs_err vs_policy_text_format(vs_buf *out, const vs_policy *policy)
{
    char vkey[VS_VKEY_CHARS];
    vs_note_key_format(vkey, &policy->log_key);
    vs_buf_printf(out, "log %s\n", vkey);
    for (uint32_t i = 0; i < policy->n_cosigners; i++) {
        vs_note_key_format(vkey, &policy->cosigner[i]);
        vs_buf_printf(out, "witness cosigner-%u %s\n", (unsigned)(i + 1), vkey);
    }
    if (policy->quorum == 0) {
        vs_buf_text(out, "quorum none\n");
        return vs_buf_check(out);
    }
    vs_buf_printf(out, "group committee %u", (unsigned)policy->quorum);
    for (uint32_t i = 0; i < policy->n_cosigners; i++) {
        vs_buf_printf(out, " cosigner-%u", (unsigned)(i + 1));
    }
    vs_buf_text(out, "\nquorum committee\n");
    return vs_buf_check(out);
}

void vs_tlog_policy_of(vs_tlog_policy *out, const vs_policy *policy)
{
    memset(out, 0, sizeof *out);
    out->n_logs = 1;
    out->log[0].key = policy->log_key;
    out->n_witnesses = policy->n_cosigners;
    out->n_groups = 1;
    out->group[0].k = policy->quorum;
    for (uint32_t i = 0; i < policy->n_cosigners; i++) {
        out->witness[i].key = policy->cosigner[i];
        out->group[0].member[i] = true;
    }
    out->needs_quorum = policy->quorum > 0;
    out->quorum = VS_TLOG_WITNESSES_MAX;
}
