#include "net/step.h"

#include <stdlib.h>

static vs_out *add_item(vs_outbox *box)
{
    if (box->failed) return NULL;
    if (box->n == box->cap) {
        size_t cap = box->cap == 0 ? 16 : 2 * box->cap;
        vs_out *grown = realloc(box->item, cap * sizeof *grown);
        if (grown == NULL) {
            box->failed = true;
            return NULL;
        }
        box->item = grown;
        box->cap = cap;
    }
    vs_out *item = &box->item[box->n++];
    *item = (vs_out){0};
    return item;
}

vs_out *vs_outbox_reply(vs_outbox *box, uint64_t conn)
{
    vs_out *item = add_item(box);
    if (item == NULL) return NULL;
    item->kind = VS_OUT_REPLY;
    item->conn = conn;
    return item;
}

vs_out *vs_outbox_send(vs_outbox *box, uint32_t peer, uint64_t tag, uint32_t timeout_ms)
{
    VS_ASSERT(peer < VS_PEERS_MAX);
    vs_out *item = add_item(box);
    if (item == NULL) return NULL;
    item->kind = VS_OUT_SEND;
    item->peer = peer;
    item->tag = tag;
    item->timeout_ms = timeout_ms;
    return item;
}

void vs_outbox_clear(vs_outbox *box)
{
    for (size_t i = 0; i < box->n; i++) vs_buf_free(&box->item[i].msg);
    box->n = 0;
    box->failed = false;
}

void vs_outbox_free(vs_outbox *box)
{
    vs_outbox_clear(box);
    free(box->item);
    *box = (vs_outbox){0};
}
