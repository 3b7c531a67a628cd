/* What a role stored and reads back after a restart, some of it changed: it refuses to start or
 * starts, and never stops the process. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/script.h"
#include "tests/net/support_world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ITEMS_MAX = 64, SHAREHOLDER = 2 };

/* All keyed values of a store. */
typedef struct items {
    char key[ITEMS_MAX][VS_STORE_NAME_MAX + 1];
    vs_buf value[ITEMS_MAX];
    uint32_t n;
} items;

static struct {
    vs_world *w;
    items shareholder, client, aggregator;
    vs_buf secret; /* of the shareholder's round */
} good;

static vs_err take(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    items *to = ctx;
    VS_ASSERT(to->n < ITEMS_MAX);
    strcpy(to->key[to->n], key);
    vs_buf_bytes(&to->value[to->n++], value, len);
    return VS_OK;
}

static void take_all(items *to, const vs_store *s)
{
    VS_ASSERT(s->ops->scan(s->ctx, "", take, to, NULL) == VS_OK && to->n > 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const vs_world_config config = {.committee = {.n = 4, .t = 1, .k = 1, .margin = 1},
                                    .n_clients = 2,
                                    .min_clients = 2,
                                    .max_clients = 4,
                                    .dim = 10,
                                    .seed = 7};
    vs_world *w = good.w = vs_world_new(&config);
    bool found = false;
    (void)argc;
    (void)argv;
    VS_ASSERT(vs_world_open(w, 1, 2) == vsw_Code_OK);
    VS_ASSERT(vs_world_run_to(w, vsw_Phase_COLLECT, 2000));
    vs_world_submit(w, 0);
    vs_world_submit(w, 1);
    (void)vs_world_run_to(w, vsw_Phase_ANSWERING, 60000);
    const vs_store *s = &w->sh_store[SHAREHOLDER];
    take_all(&good.shareholder, s);
    take_all(&good.client, &w->client_store[0]);
    take_all(&good.aggregator, &w->store);
    for (uint32_t j = 1; j <= 4; j++) { /* what only memory of sodium_malloc points to looks lost */
        vs_shareholder_free(w->sh[j]);
        w->sh[j] = NULL;
    }
    vs_aggregator_free(w->ag);
    w->ag = NULL;
    (void)!s->ops->secret_get(s->ctx, "round-0000000000000001", &good.secret, &found, NULL);
    return 0;
}

/* Put them into an empty store; the input says which are changed or missing. */
static void put_back(vs_store *s, const items *from, vs_reader *in)
{
    VS_ASSERT(vs_store_mem_open(s) == VS_OK);
    for (uint32_t i = 0; i < from->n; i++) {
        vs_buf b = {0};
        uint8_t how = vs_read_u8(in);
        vs_buf_bytes(&b, from->value[i].p, from->value[i].len);
        if (how % 8 == 1) (void)fuzz_damage(&b, in);
        const vs_store_item item = {
            .key = from->key[i], .value = b.p == NULL ? (const uint8_t *)"" : b.p, .len = b.len};
        if (how != 255) VS_ASSERT(s->ops->put(s->ctx, &item, 1, NULL) == VS_OK);
        vs_buf_free(&b);
    }
}

static void shareholder(vs_reader *in)
{
    static const pb_size_t ops[] = {vsw_Request_status_tag, vsw_Request_list_tag,
                                    vsw_Request_answer_tag, vsw_Request_answer_chunk_tag};
    vs_store s;
    vs_test_rng rng = {.seed = 3};
    vs_shareholder *sh = NULL;
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    const vs_test_fed *tf = good.w->tf;
    put_back(&s, &good.shareholder, in);
    if (vs_read_u8(in) % 4 != 0 && good.secret.len > 0) {
        VS_ASSERT(s.ops->secret_put(s.ctx, "round-0000000000000001", good.secret.p, good.secret.len,
                                    NULL) == VS_OK);
    }
    vs_err err = vs_shareholder_new(&sh, tf->fed, tf->shareholder[SHAREHOLDER - 1], s,
                                    vs_test_rng_of(&rng), good.w->now_ms, &diag);
    VS_ASSERT((err == VS_OK) == (sh != NULL));
    for (size_t i = 0; err == VS_OK && i < sizeof ops / sizeof ops[0]; i++) {
        vsw_Request head = {.which_op = ops[i]};
        vs_buf msg = {0};
        head.op.list.round = 1;
        memcpy(head.federation_id, tf->fed->id.b, 32);
        VS_ASSERT(vs_request_encode(&msg, &head, NULL, 0) == VS_OK);
        vs_event event = {.kind = VS_EVENT_REQUEST, .msg = msg.p, .len = msg.len};
        err = vs_shareholder_step(sh, good.w->now_ms + 50 * i, &event, &box, &diag);
        vs_outbox_clear(&box);
        vs_buf_free(&msg);
    }
    vs_outbox_free(&box);
    vs_shareholder_free(sh);
    vs_store_mem_close(&s);
}

static void client(vs_reader *in)
{
    vs_store s;
    vs_test_rng rng = {.seed = 3};
    vs_client *c = NULL;
    vs_outbox box = {0};
    vs_diag diag = {{0}};
    const vs_world *w = good.w;
    vs_client_input input = {.update = w->update[0], .dim = 10, .weight = 1, .purpose = ""};
    const vs_event tick = {.kind = VS_EVENT_TICK};
    put_back(&s, &good.client, in);
    memcpy(input.enrolment, w->tf->enrolment[0], sizeof input.enrolment);
    vs_err err =
        vs_client_new(&c, w->tf->fed, w->tf->client[0], s, vs_test_rng_of(&rng), &input, &diag);
    VS_ASSERT((err == VS_OK) == (c != NULL));
    if (c != NULL) (void)!vs_client_step(c, w->now_ms, &tick, &box, &diag);
    vs_outbox_free(&box);
    vs_client_free(c);
    vs_store_mem_close(&s);
}

static void aggregator(vs_reader *in)
{
    vs_store s;
    vs_test_rng rng = {.seed = 3};
    vs_aggregator *ag = NULL;
    vs_diag diag = {{0}};
    const vs_world *w = good.w;
    uint64_t size = vs_log_size(w->log);
    put_back(&s, &good.aggregator, in);
    vs_err err = vs_aggregator_new(&ag, w->tf->fed, w->tf->aggregator, w->log, s,
                                   vs_test_rng_of(&rng), w->now_ms, &diag);
    VS_ASSERT((err == VS_OK) == (ag != NULL));
    VS_ASSERT(vs_log_size(w->log) == size); /* starting alone tells the world nothing */
    vs_aggregator_free(ag);
    vs_store_mem_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    switch (vs_read_u8(&in) % 3) {
    case 0: shareholder(&in); break;
    case 1: client(&in); break;
    default: aggregator(&in); break;
    }
    return 0;
}
