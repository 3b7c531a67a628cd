/* A shareholder and the privacy budget: it opens no round whose claim is not what its log gives. */
#include "net/budget.h"
#include "tests/net/shareholder_world.h"

static void noisy(vs_federation *f)
{
    f->quantiser.max_weight = 1;
    f->quantiser.bits = 20;
    f->privacy = (vs_privacy){.mechanism = VS_MECHANISM_SKELLAM,
                              .noise_multiplier = 2,
                              .delta = 1e-5,
                              .max_epsilon = 6,
                              .beta = VS_PRIVACY_BETA,
                              .clients_per_round = 3};
}

static void reopen(world *w)
{
    w->round = vs_test_open_round(w->open, w->tf);
    vs_buf_reset(&w->open_bytes);
    vs_test_open_envelope(&w->open_bytes, w->open, w->tf);
}

Test(shareholder_budget, refuses_to_open_a_round_that_claims_another_epsilon)
{
    world *w = world_new_adjusted(2, 2, 8, noisy);
    must_be(w, ask_key(w, 1));
    make_open(w, 1, DIM);
    const double right = w->open->entry.u.open.epsilon;
    w->open->entry.u.open.epsilon =
        right * 1.5; /* more than it is: allowed alone, wrong in the log */
    reopen(w);
    expect_code(w, send_open(w), vsw_Code_REFUSED);
    cr_expect_not_null(strstr(text(w), "epsilon"), "%s", text(w));
    w->open->entry.u.open.epsilon = right;
    reopen(w);
    must_be(w, send_open(w));
    world_free(w);
}

/* It asks for what its log lacks instead of believing a sum that it cannot check. */
Test(shareholder_budget, asks_for_the_log_before_it_opens_a_later_round)
{
    world *w = world_new_adjusted(2, 2, 8, noisy);
    must_be(w, ask_key(w, 5));
    make_open(w, 5, DIM);
    expect_code(w, send_open(w), vsw_Code_STATE);
    world_free(w);
}
