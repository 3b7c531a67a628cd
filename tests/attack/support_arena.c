#include "tests/attack/support_arena.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/file.h"
#include "fl/npy.h"
#include "ledger/dsse.h"
#include "net/call.h"
#include "net/keys.h"

#define CALL_MS 20000u
#define LIFE_S 240u /* of a daemon, should the test be killed */

static void fail(const char *what, const char *text)
{
    (void)fprintf(stderr, "arena: %s: %s\n", what, text);
    abort();
}

static void must(vs_err err, const vs_diag *diag, const char *what)
{
    if (err != VS_OK) fail(what, diag == NULL ? vs_err_name(err) : diag->text);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- ports and files -------------------------------------------------------------------------- */

static bool port_is_free(uint32_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool ok = s >= 0 && bind(s, (const struct sockaddr *)&to, sizeof to) == 0;
    if (s >= 0) (void)close(s);
    return ok;
}

/* Below the range that the system hands out; each process looks elsewhere first. */
static uint32_t find_ports(uint32_t n)
{
    for (uint32_t k = 0; k < 700; k++) {
        uint32_t base = 16000 + ((uint32_t)getpid() * 17 + k * 16) % 16000;
        uint32_t i = 0;
        while (i < n && port_is_free(base + i)) i++;
        if (i == n) return base;
    }
    fail("ports", "none are free");
    return 0;
}

static void path_of(char out[400], const arena *a, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", a->folder, name);
}

static const char *name_of(char out[16], uint32_t party)
{
    if (party == 0)
        (void)snprintf(out, 16, "agg");
    else
        (void)snprintf(out, 16, "s%u", party);
    return out;
}

static void write_file(const arena *a, const char *name, const void *data, size_t len)
{
    char path[400];
    path_of(path, a, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0) fail(path, "cannot write");
}

static void save_key(const arena *a, uint32_t party, const vs_keys *keys)
{
    char name[16], file[32], path[400];
    vs_diag diag;
    (void)snprintf(file, sizeof file, "%s.key", name_of(name, party));
    path_of(path, a, file);
    must(vs_keys_save(keys, path, &diag), &diag, "key file");
}

/* --- processes -------------------------------------------------------------------------------- */

static void exec_program(arena *a, const char *log, const char *const *args)
{
    const char *argv[32] = {VS_PROGRAM};
    for (size_t i = 0; i + 2 < sizeof argv / sizeof argv[0] && args[i] != NULL; i++) {
        argv[i + 1] = args[i];
    }
    if (chdir(a->folder) != 0) _exit(97);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDONLY);
    (void)dup2(in, 0);
    (void)dup2(out, 1);
    (void)dup2(out, 2);
    for (int fd = 3; fd < 256; fd++) (void)close(fd);
    (void)setenv("XDG_STATE_HOME", a->folder, 1); /* what an auditor remembers of other tests */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);       /* never outlives the test */
    (void)alarm(LIFE_S);
    (void)execv(VS_PROGRAM, (char *const *)(uintptr_t)argv);
    _exit(98);
}

static pid_t spawn(arena *a, const char *log, const char *const *args)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) fail("fork", "no process");
    if (pid == 0) exec_program(a, log, args);
    return pid;
}

static void read_log(arena *a, const char *name)
{
    char path[400];
    vs_buf_reset(&a->text);
    path_of(path, a, name);
    if (vs_file_exists(path)) must(vs_file_read(&a->text, path, 1 << 22, NULL), NULL, name);
    vs_buf_u8(&a->text, 0);
}

static void spawn_daemon(arena *a, uint32_t party)
{
    char name[16], key[32], data[32], log[32];
    (void)name_of(name, party);
    (void)snprintf(key, sizeof key, "%s.key", name);
    (void)snprintf(data, sizeof data, "%s", name);
    (void)snprintf(log, sizeof log, "%s.log", name);
    write_file(a, log, "", 0); /* nothing of an earlier run is taken for this one */
    const char *args[] = {party == 0 ? "aggregator" : "shareholder",
                          "--federation",
                          "federation.json",
                          "--key",
                          key,
                          "--data",
                          data,
                          NULL};
    a->pid[party] = spawn(a, log, args);
}

static void await_daemon(arena *a, uint32_t party)
{
    char name[16], log[32];
    (void)snprintf(log, sizeof log, "%s.log", name_of(name, party));
    for (uint64_t end = now_ms() + 30000; now_ms() < end;) {
        read_log(a, log);
        if (strstr((const char *)a->text.p, "listens on") != NULL) return;
        if (waitpid(a->pid[party], NULL, WNOHANG) == a->pid[party]) break;
        arena_pump(a, 10);
    }
    fail(log, (const char *)a->text.p);
}

void arena_start(arena *a, uint32_t party)
{
    spawn_daemon(a, party);
    await_daemon(a, party);
}

static int reap(arena *a, uint32_t party)
{
    int status = 0;
    for (uint64_t end = now_ms() + 30000; now_ms() < end;) {
        if (waitpid(a->pid[party], &status, WNOHANG) == a->pid[party]) {
            a->pid[party] = 0;
            return status;
        }
        arena_pump(a, 5);
    }
    fail("stop", "a daemon does not end");
    return -1;
}

void arena_stop(arena *a, uint32_t party)
{
    char name[16], log[32];
    (void)kill(a->pid[party], SIGTERM);
    int status = reap(a, party);
    (void)snprintf(log, sizeof log, "%s.log", name_of(name, party));
    read_log(a, log);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(log, (const char *)a->text.p);
}

int arena_run(arena *a, const char *const *args)
{
    int status = 0;
    pid_t pid = spawn(a, "run.log", args);
    while (waitpid(pid, &status, WNOHANG) != pid) arena_pump(a, 5);
    read_log(a, "run.log");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- liars ------------------------------------------------------------------------------------ */

static void start_liar(arena *a, uint32_t j)
{
    vs_diag diag = {{0}};
    a->rng[j].seed = 77 + j;
    must(vs_store_mem_open(&a->store[j]), NULL, "store");
    must(vs_shareholder_new(&a->role[j], a->tf->fed, a->tf->shareholder[j - 1], a->store[j],
                            vs_test_rng_of(&a->rng[j]), now_ms(), &diag),
         &diag, "liar");
    must(vs_edge_new(&a->edge[j], a->tf->fed->shareholder[j - 1].party.address, 32, &diag), &diag,
         "liar");
}

static void step_liar(arena *a, uint32_t j, const vs_event *event, vs_outbox *box)
{
    vs_diag diag = {{0}};
    vs_request q;
    must(vs_shareholder_step(a->role[j], now_ms(), event, box, &diag), &diag, "liar");
    if (a->hook == NULL || event->kind != VS_EVENT_REQUEST || box->n == 0 ||
        vs_request_decode(&q, event->msg, event->len) != VS_OK) {
        return;
    }
    a->hook(a->hook_ctx, a, j, &q, &box->item[0].msg);
    if (box->item[0].msg.len == 0) vs_outbox_clear(box); /* silence */
}

static void pump_one(arena *a, uint32_t j)
{
    vs_event event;
    for (uint32_t k = 0; k < 16; k++) {
        vs_outbox box = {0};
        vs_err err = vs_edge_wait(a->edge[j], &event, 0);
        if (err == VS_ERR_TIMEOUT) return;
        must(err, NULL, "edge");
        step_liar(a, j, &event, &box);
        must(vs_edge_flush(a->edge[j], &box, NULL), NULL, "edge");
        vs_outbox_free(&box);
    }
}

void arena_pump(arena *a, uint32_t ms)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    const uint64_t end = now_ms() + ms;
    do {
        for (uint32_t j = 1; j <= a->n; j++) {
            if (a->edge[j] != NULL) pump_one(a, j);
        }
        (void)nanosleep(&pause, NULL);
    } while (now_ms() < end);
}

/* --- life ------------------------------------------------------------------------------------- */

arena *arena_new(const arena_config *config)
{
    arena *a = calloc(1, sizeof *a);
    VS_ASSERT(a != NULL);
    vs_test_fed_config fed = {.committee = config->committee,
                              .n_clients = ARENA_SUBS_MAX,
                              .min_clients = config->min_clients,
                              .answer_timeout_s = config->answer_timeout_s,
                              .tcp_port_base = find_ports(ARENA_N_MAX + 1),
                              .seed = 11};
    (void)signal(SIGPIPE, SIG_IGN);
    a->tf = vs_test_federation_new(&fed);
    a->folder = vs_test_folder_new();
    a->n = a->tf->fed->committee.n;
    a->liars = config->liars;
    VS_ASSERT(a->n <= ARENA_N_MAX);
    write_file(a, "federation.json", a->tf->fed->file.p, a->tf->fed->file.len);
    save_key(a, 0, a->tf->aggregator);
    for (uint32_t j = 1; j <= a->n; j++) {
        save_key(a, j, a->tf->shareholder[j - 1]);
        if ((a->liars >> j & 1) != 0) start_liar(a, j);
    }
    for (uint32_t p = 0; p <= a->n; p++) {
        if (((a->liars | config->absent) >> p & 1) == 0) spawn_daemon(a, p);
    }
    for (uint32_t p = 0; p <= a->n; p++) {
        if (a->pid[p] != 0) await_daemon(a, p);
    }
    return a;
}

void arena_free(arena *a)
{
    for (uint32_t p = 0; p <= a->n; p++) {
        if (a->pid[p] == 0) continue;
        (void)kill(a->pid[p], SIGKILL);
        (void)waitpid(a->pid[p], NULL, 0);
    }
    for (uint32_t j = 1; j <= a->n; j++) {
        if (a->edge[j] == NULL) continue;
        vs_edge_free(a->edge[j]);
        vs_shareholder_free(a->role[j]);
        vs_store_mem_close(&a->store[j]);
    }
    for (uint32_t i = 0; i < ARENA_SUBS_MAX; i++) vs_test_sub_free(a->sub[i]);
    vs_buf_free(&a->open);
    vs_buf_free(&a->reply);
    vs_buf_free(&a->text);
    vs_test_federation_free(a->tf);
    vs_test_folder_remove(a->folder);
    free(a);
}

/* --- requests --------------------------------------------------------------------------------- */

static const char *address_of(const arena *a, uint32_t party)
{
    return party == 0 ? a->tf->fed->aggregator.address
                      : a->tf->fed->shareholder[party - 1].party.address;
}

static void ask_liar(arena *a, uint32_t j, const vs_buf *msg)
{
    vs_event event = {.kind = VS_EVENT_REQUEST, .conn = 1, .msg = msg->p, .len = msg->len};
    vs_outbox box = {0};
    step_liar(a, j, &event, &box);
    if (box.n == 1) vs_buf_bytes(&a->reply, box.item[0].msg.p, box.item[0].msg.len);
    vs_outbox_free(&box);
}

vsw_Code arena_ask(arena *a, uint32_t party, vsw_Request *head, const void *body, size_t len)
{
    vs_buf msg = {0};
    vs_diag diag = {{0}};
    memcpy(head->federation_id, a->tf->fed->id.b, VS_H32_BYTES);
    must(vs_request_encode(&msg, head, body, len), NULL, "request");
    vs_buf_reset(&a->reply);
    if (a->edge[party] != NULL)
        ask_liar(a, party, &msg);
    else
        must(vs_edge_call(address_of(a, party), &msg, CALL_MS, &a->reply, &diag), &diag, "call");
    vs_buf_free(&msg);
    must(vs_reply_decode(&a->head, a->reply.p, a->reply.len), NULL, "reply");
    vs_buf_reset(&a->text);
    if (a->head.head.which_result != vsw_Reply_error_tag) {
        vs_buf_u8(&a->text, 0);
        return vsw_Code_OK;
    }
    vs_buf_text(&a->text, a->head.head.result.error.text);
    vs_buf_u8(&a->text, 0);
    return a->head.head.result.error.code;
}

void arena_expect(arena *a, vsw_Code got, vsw_Code code, const char *words)
{
    const char *text = (const char *)a->text.p;
    if (got == code && strstr(text, words) != NULL) return;
    (void)fprintf(stderr, "expected %s \"%s\", got %s: %s\n", vs_code_name(code), words,
                  vs_code_name(got), text);
    abort();
}

/* --- rounds ----------------------------------------------------------------------------------- */

static vs_caller admin_of(const arena *a)
{
    return (vs_caller){.fed = a->tf->fed, .keys = a->tf->admin, .timeout_ms = CALL_MS};
}

static vsw_RoundInfo info_of(arena *a, uint64_t round, vs_buf *open)
{
    vs_caller caller = admin_of(a);
    vsw_RoundInfo info;
    vs_diag diag = {{0}};
    if (vs_call_round_info(&caller, round, &info, open, NULL, &diag) != VS_OK) {
        info = (vsw_RoundInfo){.next_round = 1};
    }
    return info;
}

vsw_RoundInfo arena_info(arena *a)
{
    return info_of(a, 0, NULL);
}

vsw_Code arena_control_open(arena *a, const vs_h32 *model_hash)
{
    vs_caller caller = admin_of(a);
    vs_diag diag = {{0}};
    vs_call_open open = {.round = a->number + 1, .dim = ARENA_DIM};
    if (model_hash != NULL) open.model_hash = *model_hash;
    vs_err err = vs_call_open_round(&caller, &open, &diag);
    if (err != VS_OK) fail("open", diag.text);
    return vsw_Code_OK;
}

/* Has every shareholder of this round the `open`? Then it takes uploads. */
static bool all_have_it(arena *a)
{
    for (uint32_t i = 0; i < a->round.open.n_shareholders; i++) {
        vsw_Request head = {.which_op = vsw_Request_status_tag};
        uint32_t j = a->round.open.shareholders[i].index;
        if (arena_ask(a, j, &head, NULL, 0) != vsw_Code_OK) return false;
        if (a->head.head.result.status.round != a->number) return false;
    }
    return true;
}

void arena_open(arena *a, const vs_h32 *model_hash)
{
    vs_diag diag = {{0}};
    for (uint32_t i = 0; i < ARENA_SUBS_MAX; i++) {
        vs_test_sub_free(a->sub[i]);
        a->sub[i] = NULL;
    }
    (void)arena_control_open(a, model_hash);
    a->number++;
    uint64_t end = now_ms() + 30000;
    vsw_Phase phase = vsw_Phase_IDLE;
    while (phase != vsw_Phase_COLLECT && now_ms() < end) {
        vs_buf_reset(&a->open);
        phase = info_of(a, a->number, &a->open).phase;
        arena_pump(a, 10);
    }
    if (phase != vsw_Phase_COLLECT) fail("open", vs_phase_name(phase));
    must(vs_round_from_open(&a->round, a->tf->fed, a->open.p, a->open.len, &diag), &diag, "open");
    while (!all_have_it(a) && now_ms() < end) arena_pump(a, 10);
}

vsw_Phase arena_wait(arena *a, vsw_Phase phase)
{
    vsw_Phase seen = vsw_Phase_IDLE;
    for (uint64_t end = now_ms() + 60000; now_ms() < end;) {
        seen = info_of(a, a->number, NULL).phase;
        if (seen == phase || seen == vsw_Phase_FINAL || seen == vsw_Phase_ABORTED) return seen;
        arena_pump(a, 15);
    }
    return seen;
}

void arena_control(arena *a, vs_operation op)
{
    vs_caller caller = admin_of(a);
    vs_diag diag = {{0}};
    must(vs_call_end_round(&caller, op, a->number, &diag), &diag, "control");
}

vsw_Phase arena_finish(arena *a)
{
    arena_control(a, VS_OPERATION_CLOSE);
    return arena_wait(a, vsw_Phase_FINAL);
}

bool arena_has_entry(arena *a, vs_entry_kind kind, uint32_t nth)
{
    vsw_Request head = {.which_op = vsw_Request_entry_tag,
                        .op.entry = {.round = a->number, .nth = nth}};
    (void)snprintf(head.op.entry.kind, sizeof head.op.entry.kind, "%s", vs_entry_kind_name(kind));
    return arena_ask(a, 0, &head, NULL, 0) == vsw_Code_OK;
}

vs_entry arena_entry(arena *a, vs_entry_kind kind, uint32_t nth)
{
    vs_entry entry;
    vs_dsse dsse = {0};
    vs_diag diag = {{0}};
    if (!arena_has_entry(a, kind, nth)) fail(vs_entry_kind_name(kind), (const char *)a->text.p);
    must(vs_dsse_parse(&dsse, a->head.body, a->head.body_len, &diag), &diag, "entry");
    must(vs_entry_decode(&entry, dsse.kind, dsse.payload.p, dsse.payload.len, &diag), &diag,
         "entry");
    vs_dsse_free(&dsse);
    return entry;
}

vs_entry_evidence arena_evidence(arena *a, uint32_t nth)
{
    for (uint64_t end = now_ms() + 20000; now_ms() < end;) {
        if (arena_has_entry(a, VS_ENTRY_EVIDENCE, nth)) break;
        arena_pump(a, 15);
    }
    return arena_entry(a, VS_ENTRY_EVIDENCE, nth).u.evidence;
}

/* --- submissions ------------------------------------------------------------------------------ */

vs_test_sub *arena_sub(arena *a, uint32_t i, uint64_t seed, const vs_test_cheat *cheat)
{
    return vs_test_sub_new(a->tf, &a->round, i, seed + 1000 * a->number, cheat);
}

vsw_Code arena_begin(arena *a, uint32_t j, const vs_buf *body)
{
    vsw_Request head = {.which_op = vsw_Request_submit_begin_tag,
                        .op.submit_begin = {.round = a->number}};
    return arena_ask(a, j, &head, body->p, body->len);
}

vsw_Code arena_chunks(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *sealed)
{
    vsw_Request head = {.which_op = vsw_Request_submit_chunk_tag,
                        .op.submit_chunk = {.round = a->number}};
    memcpy(head.op.submit_chunk.submission, sub->h.submission.b, VS_H32_BYTES);
    return arena_ask(a, j, &head, sealed->p, sealed->len);
}

vsw_Code arena_end_upload(arena *a, uint32_t j, const vs_test_sub *sub, const vs_buf *body)
{
    vsw_Request head = {.which_op = vsw_Request_submit_finish_tag,
                        .op.submit_finish = {.round = a->number}};
    memcpy(head.op.submit_finish.submission, sub->h.submission.b, VS_H32_BYTES);
    return arena_ask(a, j, &head, body->p, body->len);
}

vsw_Code arena_upload(arena *a, uint32_t j, const vs_test_sub *sub)
{
    vsw_Code code = arena_begin(a, j, &sub->begin);
    if (code == vsw_Code_OK) code = arena_chunks(a, j, sub, &sub->sealed[j - 1]);
    if (code == vsw_Code_OK) code = arena_end_upload(a, j, sub, &sub->finish);
    return code;
}

vsw_Code arena_manifest(arena *a, const vs_test_sub *sub)
{
    vsw_Request head = {.which_op = vsw_Request_manifest_tag, .op.manifest = {.round = a->number}};
    vs_buf body = {0};
    vs_buf_bytes(&body, sub->begin.p, sub->begin.len);
    vs_buf_bytes(&body, sub->finish.p, sub->finish.len);
    vsw_Code code = arena_ask(a, 0, &head, body.p, body.len);
    vs_buf_free(&body);
    return code;
}

vs_test_sub *arena_submit(arena *a, uint32_t i)
{
    a->sub[i] = arena_sub(a, i, 100 + i, NULL);
    for (uint32_t k = 0; k < a->round.open.n_shareholders; k++) {
        uint32_t j = a->round.open.shareholders[k].index;
        arena_expect(a, arena_upload(a, j, a->sub[i]), vsw_Code_OK, "");
    }
    arena_expect(a, arena_manifest(a, a->sub[i]), vsw_Code_OK, "");
    return a->sub[i];
}

/* --- outcomes --------------------------------------------------------------------------------- */

void arena_expect_sum(arena *a, vs_test_sub *const *subs, uint32_t n)
{
    vs_caller member = {.fed = a->tf->fed, .keys = a->tf->shareholder[0], .timeout_ms = CALL_MS};
    vs_entry_result result = arena_entry(a, VS_ENTRY_RESULT, 0).u.result;
    vs_buf sums = {0};
    vs_diag diag = {{0}};
    must(vs_call_get_blob(&member, &result.sum_blob, 1 << 24, &sums, &diag), &diag, "sums");
    if (result.count != n || sums.len != (size_t)subs[0]->n_coords * 8) {
        fail("sum", "over another number of clients");
    }
    for (uint32_t x = 0; x < subs[0]->n_coords; x++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += subs[i]->coords[x];
        if (vs_load_le64(sums.p + 8 * (size_t)x) != sum) fail("sum", "it is not exact");
    }
    vs_buf_free(&sums);
}

void arena_expect_honest(arena *a, uint32_t n)
{
    vsw_Phase phase = arena_wait(a, vsw_Phase_FINAL);
    if (phase != vsw_Phase_FINAL) {
        vs_buf_reset(&a->text);
        vs_buf_text(&a->text, info_of(a, a->number, NULL).detail);
        vs_buf_u8(&a->text, 0);
        fail(vs_phase_name(phase), (const char *)a->text.p);
    }
    arena_expect_sum(a, a->sub, n);
}

void arena_expect_audit(arena *a)
{
    const char *args[] = {"audit", "agg", "--federation", "federation.json", NULL};
    arena_stop(a, 0);
    int status = arena_run(a, args);
    if (status != 0 || strstr((const char *)a->text.p, "audit ok") == NULL) {
        fail("audit", (const char *)a->text.p);
    }
    args[1] = "agg/public"; /* as outsiders see it */
    if (arena_run(a, args) != 0) fail("audit of the published log", (const char *)a->text.p);
}

void arena_expect_evidence_file(arena *a, const vs_buf *bytes, const char *words)
{
    const char *args[] = {"evidence", "--federation", "federation.json", "lie.evidence", NULL};
    write_file(a, "lie.evidence", bytes->p, bytes->len);
    int status = arena_run(a, args);
    if (status != 0 || strstr((const char *)a->text.p, words) == NULL) {
        fail("evidence", (const char *)a->text.p);
    }
    bytes->p[bytes->len - 1] ^= 1; /* what was tampered with proves nothing */
    write_file(a, "lie.evidence", bytes->p, bytes->len);
    bytes->p[bytes->len - 1] ^= 1;
    if (arena_run(a, args) != 1) fail("changed evidence", (const char *)a->text.p);
}

void arena_kept_evidence(arena *a, uint32_t j, uint32_t nth, vs_buf *out)
{
    char path[400], name[16];
    vs_diag diag = {{0}};
    (void)snprintf(path, sizeof path, "%s/%s/blobs/evidence-%016" PRIx32, a->folder,
                   name_of(name, j), nth);
    must(vs_file_read(out, path, 1 << 24, &diag), &diag, "kept evidence");
}

void arena_client_files(arena *a, uint32_t i)
{
    char path[400], name[32];
    vs_diag diag = {{0}};
    double update[ARENA_DIM];
    const size_t dims[] = {ARENA_DIM};
    (void)snprintf(name, sizeof name, "c%u.key", i);
    path_of(path, a, name);
    must(vs_keys_save(a->tf->client[i], path, &diag), &diag, "client's key");
    (void)snprintf(name, sizeof name, "c%u.enrolment", i);
    path_of(path, a, name);
    must(vs_enrolment_save(path, &a->tf->fed->id, &a->tf->client[i]->pub, a->tf->enrolment[i],
                           &diag),
         &diag, "client's enrolment");
    for (uint32_t x = 0; x < ARENA_DIM; x++) update[x] = (double)(x % 7) / 10;
    (void)snprintf(name, sizeof name, "u%u.npy", i);
    path_of(path, a, name);
    must(vs_npy_write(path, update, dims, 1, &diag), &diag, "update");
}
