/* tests/net/client_expect.h - run a client among the fakes and look at how it ended. */
#ifndef VS_TESTS_NET_CLIENT_EXPECT_H
#define VS_TESTS_NET_CLIENT_EXPECT_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "net/client_internal.h"
#include "tests/net/support_fakes.h"

static inline const vs_client_status *run(vs_fakes *w, vs_client **client)
{
    vs_diag diag = {{0}};
    *client = vs_fakes_client(w);
    cr_assert_eq(vs_fakes_run(w, *client, 0, &diag), VS_OK, "%s", diag.text);
    return vs_client_state(*client);
}

static inline void expect_done(vs_fakes *w)
{
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_DONE, "%s", s->error.text);
    vs_client_free(client);
}

static inline void expect_failed(vs_fakes *w, const char *words)
{
    vs_client *client;
    const vs_client_status *s = run(w, &client);
    cr_expect_eq(s->phase, VS_CLIENT_FAILED);
    cr_expect_not_null(strstr(s->error.text, words), "wanted \"%s\", got: %s", words,
                       s->error.text);
    vs_client_free(client);
}

static inline uint32_t n_secrets(vs_fakes *w)
{
    /* a seed's name depends on the record: ask for the record's own */
    vs_client *c = vs_fakes_client(w);
    vs_diag diag;
    bool found = false;
    vs_buf seed = {0};
    char name[128];
    (void)snprintf(name, sizeof name, "seed-%.32s-%llu", c->record_key + strlen("submission/"),
                   (unsigned long long)w->open->entry.round);
    cr_assert_eq(w->store.ops->secret_get(w->store.ctx, name, &seed, &found, &diag), VS_OK);
    vs_buf_free_secret(&seed);
    vs_client_free(c);
    return found ? 1 : 0;
}

#endif /* VS_TESTS_NET_CLIENT_EXPECT_H */
