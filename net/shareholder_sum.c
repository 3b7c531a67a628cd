/* The running sum of accepted shares (net/shareholder_impl.h). Every pass opens the stored bytes
 * again and checks that they still open c_j. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "mpc/prg.h"
#include "net/shareholder_impl.h"

void vs_sh_sum_wipe(sh_round *r)
{
    sodium_free(r->sum.column); /* wipes */
    free(r->sum.goal);
    r->sum = (sh_sum){.columns = r->sum.columns};
    for (uint32_t i = 0; i < r->n_clients; i++) r->client[i].in_sum = false;
}

static vs_err sum_make(sh_round *r)
{
    bool *goal = r->sum.goal;
    r->sum.goal = NULL;
    vs_sh_sum_wipe(r);
    r->sum.goal = goal;
    r->sum.column = sodium_allocarray(r->sum.columns, sizeof *r->sum.column);
    if (r->sum.column == NULL) return VS_ERR_NOMEM;
    memset(r->sum.column, 0, r->sum.columns * sizeof *r->sum.column);
    return VS_OK;
}

/* Elements first .. first+n of a share vector. The mask columns M and M+1 fall off here: their sum
 * over clients would reveal more than the sum of the updates. */
static void sum_apply(sh_sum *sum, uint32_t first, const vs_fe *x, size_t n, bool subtract)
{
    if (first >= sum->columns) return;
    if (n > sum->columns - first) n = sum->columns - first;
    if (subtract)
        vs_fe_sub_many(sum->column + first, x, n);
    else
        vs_fe_add_many(sum->column + first, x, n);
}

static vs_err apply_seed(vs_shareholder *sh, const uint8_t seed[VS_SEED_BYTES], bool subtract)
{
    sh_sum *sum = &sh->round->sum;
    vs_prg *prg = NULL;
    vs_err err = vs_prg_new(&prg, seed, VS_PRG_SHARE);
    if (err != VS_OK) return err;
    for (uint32_t first = 0; first < sum->columns; first += VS_CHUNK_ELEMENTS) {
        size_t n =
            sum->columns - first < VS_CHUNK_ELEMENTS ? sum->columns - first : VS_CHUNK_ELEMENTS;
        vs_prg_fill(prg, sh->elements, first, n);
        sum_apply(sum, first, sh->elements, n, subtract);
    }
    vs_prg_free(prg);
    return VS_OK;
}

/* Chunk `chunk` >= 1, in sh->plain. VS_ERR_PROOF: not what was accepted. */
static vs_err apply_chunk(vs_shareholder *sh, uint32_t chunk, size_t len, vs_share_root *root,
                          vs_h32 *seed_root, bool subtract)
{
    if (sh->round->is_seed) {
        vs_share_root_seed(seed_root, sh->plain);
        return apply_seed(sh, sh->plain, subtract);
    }
    vs_share_root_update(root, sh->plain, len);
    if (vs_fe_decode_many(sh->elements, sh->plain, len / VS_FE_BYTES) != VS_OK) return VS_ERR_PROOF;
    sum_apply(&sh->round->sum, (chunk - 1) * VS_CHUNK_ELEMENTS, sh->elements, len / VS_FE_BYTES,
              subtract);
    return VS_OK;
}

/* Read, open and apply every stored chunk, then compare with c_j. VS_ERR_PROOF: the bytes are gone
 * or changed; the sum is then worthless. */
static vs_err apply_stored(vs_shareholder *sh, const sh_client *c, vs_seal *seal,
                           const vs_header *h, bool subtract, vs_diag *diag)
{
    const sh_round *r = sh->round;
    const vs_header_share *share = &h->share[vs_round_position(&r->round, sh->j)];
    uint8_t nonce[VS_NONCE_BYTES] = {0};
    vs_share_root root;
    vs_h32 opened = {{0}}, commitment;
    vs_err err = VS_OK;
    vs_share_root_init(&root);
    for (uint32_t chunk = 0; chunk < r->chunks && err == VS_OK; chunk++) {
        bool found = false;
        size_t len = vs_sh_chunk_len(r, chunk);
        vs_buf_reset(&sh->sealed);
        sh_place at = vs_sh_chunk_place(sh, c, chunk);
        err = sh->store.ops->blob_read(sh->store.ctx, at.blob.text, at.offset, len, &sh->sealed,
                                       &found, diag);
        if (err == VS_OK && (!found || sh->sealed.len != len)) err = VS_ERR_PROOF;
        if (err == VS_OK) {
            err =
                vs_unseal_chunk(seal, sh->plain, sh->sealed.p, len, chunk, chunk + 1 == r->chunks);
        }
        if (err != VS_OK) break;
        if (chunk == 0)
            memcpy(nonce, sh->plain, sizeof nonce);
        else
            err = apply_chunk(sh, chunk, len - VS_SEAL_TAG_BYTES, &root, &opened, subtract);
    }
    if (!r->is_seed) vs_share_root_final(&root, &opened);
    vs_commit_share(&commitment, &h->ctx, sh->j, nonce, &opened);
    if (err == VS_OK && !vs_h32_equal(&commitment, &share->commitment)) err = VS_ERR_PROOF;
    sodium_memzero(nonce, sizeof nonce);
    sodium_memzero(&root, sizeof root);
    sodium_memzero(sh->plain, VS_SEAL_CHUNK_MAX);
    sodium_memzero(sh->elements, VS_CHUNK_ELEMENTS * sizeof *sh->elements);
    return err;
}

static void mark(sh_round *r, sh_client *c, bool in)
{
    c->in_sum = in;
    r->sum.n_in += in ? 1u : UINT32_MAX;
}

/* Add or subtract one client. VS_ERR_PROOF, VS_ERR_STATE (no secret): not possible any more. */
static vs_err apply_client(vs_shareholder *sh, sh_client *c, bool subtract, vs_diag *diag)
{
    vs_header *h = malloc(sizeof *h);
    vs_buf bytes = {0}, secret = {0};
    vs_seal *seal = NULL;
    bool found = false;
    vs_err err = h == NULL ? VS_ERR_NOMEM : vs_sh_header_load(sh, &c->submission, &bytes, h, diag);
    if (err == VS_OK) err = vs_sh_round_secret(sh, sh->newest, &secret, &found, diag);
    if (err == VS_OK && !found) err = VS_ERR_STATE;
    if (err == VS_OK) {
        int at = vs_round_position(&sh->round->round, sh->j);
        err = vs_seal_new_receiver(&seal, secret.p, &h->share[at].ephemeral_key, &h->ctx, sh->j);
    }
    if (err == VS_OK) err = apply_stored(sh, c, seal, h, subtract, diag);
    if (err == VS_OK) mark(sh->round, c, !subtract);
    free(h);
    vs_seal_free(seal);
    vs_buf_free(&bytes);
    vs_buf_free_secret(&secret);
    return err;
}

/* The stored bytes of this client are lost: the sum starts again without it. */
static void give_up_on(sh_round *r, sh_client *c)
{
    r->n_broken += !c->broken;
    c->broken = true;
    vs_sh_sum_wipe(r);
}

vs_err vs_sh_sum_include(vs_shareholder *sh, sh_client *c, const sh_upload *up, vs_diag *diag)
{
    sh_round *r = sh->round;
    vs_err err = r->sum.column == NULL ? sum_make(r) : VS_OK;
    if (err == VS_OK && up != NULL && up->kept != NULL) {
        sum_apply(&r->sum, 0, up->kept, r->sum.columns, false);
        mark(r, c, true);
    } else if (err == VS_OK) {
        err = apply_client(sh, c, false, diag);
    }
    if (err == VS_ERR_PROOF) give_up_on(r, c);
    if (err == VS_ERR_STATE) r->sum.stuck = true;
    return vs_sh_is_fatal(err) ? err : VS_OK;
}

/* --- catching up ---------------------------------------------------------------------------------
 */

static bool is_wanted(const sh_round *r, uint32_t i)
{
    if (r->sum.goal != NULL) return r->sum.goal[i];
    return r->client[i].state == SH_ACCEPTED && !r->client[i].broken;
}

bool vs_sh_sum_is_behind(const sh_round *r)
{
    if (r == NULL || r->over || r->answered || r->closed || r->sit_out) return false;
    if (r->sum.stuck) return false;
    if (r->sum.goal != NULL) return r->sum.next < r->n_clients;
    return r->sum.n_in + r->n_broken < r->n_accepted;
}

vs_err vs_sh_sum_slice(vs_shareholder *sh, vs_diag *diag)
{
    sh_round *r = sh->round;
    const uint64_t one = (uint64_t)r->sum.columns * VS_FE_BYTES;
    uint64_t did = 0;
    uint32_t n_did = 0;
    vs_err err = r->sum.column == NULL ? sum_make(r) : VS_OK;
    if (r->sum.goal == NULL && r->sum.next >= r->n_clients) r->sum.next = 0;
    while (err == VS_OK && did < SH_SUM_SLICE_BYTES && n_did < SH_SUM_SLICE_CLIENTS &&
           r->sum.next < r->n_clients) {
        sh_client *c = &r->client[r->sum.next];
        bool wanted = is_wanted(r, r->sum.next);
        if (c->in_sum != wanted) {
            err = apply_client(sh, c, !wanted, diag);
            did += one;
            n_did++;
        }
        if (err == VS_ERR_PROOF) {
            give_up_on(r, c);
            return VS_OK;
        }
        if (err == VS_OK) r->sum.next++;
    }
    if (err == VS_ERR_STATE) r->sum.stuck = true;
    return vs_sh_is_fatal(err) ? err : VS_OK;
}

/* --- exactly U -----------------------------------------------------------------------------------
 */

static int by_pseudonym(const void *a, const void *b)
{
    const sh_client *const *x = a, *const *y = b;
    return vs_h32_compare_vartime(&(*x)->pseudonym, &(*y)->pseudonym);
}

/* wanted[i]: client i is in U. *missing: a record is none of our accepted clients'. */
static vs_err find_wanted(sh_round *r, const uint8_t *records, uint32_t n, bool *wanted,
                          bool *missing)
{
    sh_client **sorted = malloc((r->n_clients + 1) * sizeof(sh_client *));
    if (sorted == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < r->n_clients; i++) sorted[i] = &r->client[i];
    qsort(sorted, r->n_clients, sizeof(sh_client *), by_pseudonym);
    uint32_t at = 0;
    *missing = false;
    for (uint32_t i = 0; i < n && !*missing; i++) {
        vs_record rec;
        vs_record_decode(&rec, records + (size_t)i * VS_RECORD_BYTES);
        while (at < r->n_clients &&
               vs_h32_compare_vartime(&sorted[at]->pseudonym, &rec.pseudonym) < 0) {
            at++;
        }
        const sh_client *c = at < r->n_clients ? sorted[at] : NULL;
        *missing = c == NULL || c->state != SH_ACCEPTED || c->broken ||
                   !vs_h32_equal(&c->pseudonym, &rec.pseudonym) ||
                   !vs_h32_equal(&c->manifest_hash, &rec.manifest_hash) ||
                   !vs_h32_equal(&c->commit_root, &rec.commit_root);
        if (!*missing) wanted[c - r->client] = true;
    }
    free(sorted);
    return VS_OK;
}

/* Fewer passes: from the sum that is there, or from zero? */
static vs_err start_from(sh_round *r, uint32_t n)
{
    uint32_t different = 0;
    for (uint32_t i = 0; i < r->n_clients; i++) {
        different += r->sum.goal[i] != r->client[i].in_sum;
    }
    r->sum.next = 0;
    return r->sum.column == NULL || different > n ? sum_make(r) : VS_OK;
}

/* The set does not change any more, so a goal that is there is this one; but a client may have been
 * found broken since. */
static vs_err set_goal(sh_round *r, const uint8_t *records, uint32_t n, bool *missing)
{
    bool *wanted = calloc(r->n_clients + 1, sizeof *wanted);
    vs_err err = wanted == NULL ? VS_ERR_NOMEM : find_wanted(r, records, n, wanted, missing);
    bool same = r->sum.goal != NULL && err == VS_OK &&
                memcmp(r->sum.goal, wanted, r->n_clients * sizeof *wanted) == 0;
    if (err != VS_OK || *missing || same) {
        free(wanted);
        return err;
    }
    free(r->sum.goal);
    r->sum.goal = wanted;
    return start_from(r, n);
}

vs_err vs_sh_sum_exactly(vs_shareholder *sh, const uint8_t *records, uint32_t n, bool *missing,
                         uint32_t *left, vs_diag *diag)
{
    sh_round *r = sh->round;
    bool found = false;
    vs_buf secret = {0};
    *left = 0;
    vs_err err = vs_sh_round_secret(sh, sh->newest, &secret, &found, diag);
    vs_buf_free_secret(&secret);
    if (err != VS_OK) return err;
    err = set_goal(r, records, n, missing);
    if (err == VS_OK && !found) *missing = true; /* nothing opens any more */
    if (err == VS_OK && !*missing) err = vs_sh_sum_slice(sh, diag);
    if (err == VS_OK && !*missing) err = set_goal(r, records, n, missing); /* found broken? */
    if (err == VS_OK && !*missing) *left = r->n_clients - r->sum.next;
    return err;
}
