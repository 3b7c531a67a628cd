#include "tests/attack/support_arena_impl.h"

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

#define LIFE_S 240u /* of a daemon, should the test be killed */

void arena_fail(const char *what, const char *text)
{
    (void)fprintf(stderr, "arena: %s: %s\n", what, text);
    abort();
}

void arena_must(vs_err err, const vs_diag *diag, const char *what)
{
    if (err != VS_OK) arena_fail(what, diag == NULL ? vs_err_name(err) : diag->text);
}

uint64_t arena_now_ms(void)
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
    arena_fail("ports", "none are free");
    return 0;
}

void arena_path(char out[400], const arena *a, const char *name)
{
    (void)snprintf(out, 400, "%s/%s", a->folder, name);
}

const char *arena_party(char out[16], uint32_t party)
{
    if (party == 0)
        (void)snprintf(out, 16, "agg");
    else
        (void)snprintf(out, 16, "s%u", party);
    return out;
}

void arena_write_file(const arena *a, const char *name, const void *data, size_t len)
{
    char path[400];
    arena_path(path, a, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        arena_fail(path, "cannot write");
}

static void save_key(const arena *a, uint32_t party, const vs_keys *keys)
{
    char name[16], file[32], path[400];
    vs_diag diag;
    (void)snprintf(file, sizeof file, "%s.key", arena_party(name, party));
    arena_path(path, a, file);
    arena_must(vs_keys_save(keys, path, &diag), &diag, "key file");
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
    if (pid < 0) arena_fail("fork", "no process");
    if (pid == 0) exec_program(a, log, args);
    return pid;
}

static void read_log(arena *a, const char *name)
{
    char path[400];
    vs_buf_reset(&a->text);
    arena_path(path, a, name);
    if (vs_file_exists(path)) arena_must(vs_file_read(&a->text, path, 1 << 22, NULL), NULL, name);
    vs_buf_u8(&a->text, 0);
}

static void spawn_daemon(arena *a, uint32_t party)
{
    char name[16], key[32], data[32], log[32];
    (void)arena_party(name, party);
    (void)snprintf(key, sizeof key, "%s.key", name);
    (void)snprintf(data, sizeof data, "%s", name);
    (void)snprintf(log, sizeof log, "%s.log", name);
    arena_write_file(a, log, "", 0); /* nothing of an earlier run is taken for this one */
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
    (void)snprintf(log, sizeof log, "%s.log", arena_party(name, party));
    for (uint64_t end = arena_now_ms() + 30000; arena_now_ms() < end;) {
        read_log(a, log);
        if (strstr((const char *)a->text.p, "listens on") != NULL) return;
        if (waitpid(a->pid[party], NULL, WNOHANG) == a->pid[party]) break;
        arena_pump(a, 10);
    }
    arena_fail(log, (const char *)a->text.p);
}

void arena_start(arena *a, uint32_t party)
{
    spawn_daemon(a, party);
    await_daemon(a, party);
}

static int reap(arena *a, uint32_t party)
{
    int status = 0;
    for (uint64_t end = arena_now_ms() + 30000; arena_now_ms() < end;) {
        if (waitpid(a->pid[party], &status, WNOHANG) == a->pid[party]) {
            a->pid[party] = 0;
            return status;
        }
        arena_pump(a, 5);
    }
    arena_fail("stop", "a daemon does not end");
    return -1;
}

void arena_stop(arena *a, uint32_t party)
{
    char name[16], log[32];
    (void)kill(a->pid[party], SIGTERM);
    int status = reap(a, party);
    (void)snprintf(log, sizeof log, "%s.log", arena_party(name, party));
    read_log(a, log);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) arena_fail(log, (const char *)a->text.p);
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
    arena_must(vs_store_mem_open(&a->store[j]), NULL, "store");
    arena_must(vs_shareholder_new(&a->role[j], a->tf->fed, a->tf->shareholder[j - 1], a->store[j],
                                  vs_test_rng_of(&a->rng[j]), arena_now_ms(), &diag),
               &diag, "liar");
    arena_must(vs_edge_new(&a->edge[j], a->tf->fed->shareholder[j - 1].party.address, 32, &diag),
               &diag, "liar");
}

static void step_liar(arena *a, uint32_t j, const vs_event *event, vs_outbox *box)
{
    vs_diag diag = {{0}};
    vs_request q;
    arena_must(vs_shareholder_step(a->role[j], arena_now_ms(), event, box, &diag), &diag, "liar");
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
        arena_must(err, NULL, "edge");
        step_liar(a, j, &event, &box);
        arena_must(vs_edge_flush(a->edge[j], &box, NULL), NULL, "edge");
        vs_outbox_free(&box);
    }
}

void arena_pump(arena *a, uint32_t ms)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    const uint64_t end = arena_now_ms() + ms;
    do {
        for (uint32_t j = 1; j <= a->n; j++) {
            if (a->edge[j] != NULL) pump_one(a, j);
        }
        (void)nanosleep(&pause, NULL);
    } while (arena_now_ms() < end);
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
    arena_write_file(a, "federation.json", a->tf->fed->file.p, a->tf->fed->file.len);
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
    arena_must(vs_request_encode(&msg, head, body, len), NULL, "request");
    vs_buf_reset(&a->reply);
    if (a->edge[party] != NULL)
        ask_liar(a, party, &msg);
    else
        arena_must(vs_edge_call(address_of(a, party), &msg, ARENA_CALL_MS, &a->reply, &diag), &diag,
                   "call");
    vs_buf_free(&msg);
    arena_must(vs_reply_decode(&a->head, a->reply.p, a->reply.len), NULL, "reply");
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
