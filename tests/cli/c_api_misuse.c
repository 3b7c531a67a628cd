/* Wrong arguments of the public interface: refused with a message, never fatal. For c_api.py. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <veilsum.h>

#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #cond, said);          \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static char said[VEILSUM_MESSAGE_BYTES];

static int says(const veilsum *v, const char *part)
{
    snprintf(said, sizeof said, "%s", veilsum_message(v));
    return strstr(said, part) != NULL;
}

static int opening(const char *federation, const char *key, const char *admin)
{
    veilsum *v;
    veilsum_options o = {.federation = "/nowhere.json", .key = key};
    EXPECT(veilsum_open(NULL, &o, said) == VEILSUM_REFUSED);
    EXPECT(veilsum_open(&v, NULL, said) == VEILSUM_REFUSED && v == NULL);
    EXPECT(veilsum_open(&v, &o, said) == VEILSUM_SYSTEM && strstr(said, "/nowhere.json") != NULL);
    EXPECT(veilsum_open(&v, &o, NULL) == VEILSUM_SYSTEM);
    o = (veilsum_options){.federation = federation, .key = admin};
    EXPECT(veilsum_open(&v, &o, said) == VEILSUM_SYSTEM && strstr(said, "enrolment") != NULL);
    o = (veilsum_options){.federation = federation, .key = key, .threads = 1000000};
    EXPECT(veilsum_open(&v, &o, said) == VEILSUM_REFUSED && strstr(said, "threads") != NULL);
    veilsum_close(NULL);
    veilsum_interrupt(NULL);
    EXPECT(veilsum_message(NULL)[0] == '\0');
    return 0;
}

static int submitting(veilsum *v)
{
    const double x[3] = {1, 2, 3};
    const uint64_t dims[8] = {3, UINT64_MAX, 1, 1, 1, 1, 1, 1};
    const veilsum_update u = {.weight = 1};
    veilsum_tensor t = {.n_dims = 1, .dims = dims, .type = VEILSUM_FLOAT64, .values = x};
    veilsum_tensor two[2] = {t, t};
    EXPECT(veilsum_submit(NULL, &u, &t, 1, NULL) == VEILSUM_REFUSED);
    EXPECT(veilsum_submit(v, NULL, &t, 1, NULL) == VEILSUM_REFUSED);
    EXPECT(veilsum_submit(v, &u, NULL, 1, NULL) == VEILSUM_REFUSED &&
           says(v, "one unnamed vector"));
    EXPECT(veilsum_submit(v, &u, &t, 0, NULL) == VEILSUM_REFUSED && says(v, "one unnamed vector"));
    EXPECT(veilsum_submit(v, &u, two, 2, NULL) == VEILSUM_REFUSED && says(v, "one unnamed vector"));
    EXPECT(veilsum_submit(v, &u, &t, 100000, NULL) == VEILSUM_REFUSED);
    two[0].name = "a";
    EXPECT(veilsum_submit(v, &u, two, 2, NULL) == VEILSUM_REFUSED &&
           says(v, "tensor 1: has no name"));
    two[1].name = "b\x01";
    EXPECT(veilsum_submit(v, &u, two, 2, NULL) == VEILSUM_REFUSED && says(v, "control character"));
    two[1].name = "b";
    EXPECT(veilsum_submit(v, &u, two, 2, NULL) == VEILSUM_REFUSED && says(v, "does not name them"));
    t.n_dims = 2;
    EXPECT(veilsum_submit(v, &u, &t, 1, NULL) == VEILSUM_REFUSED && says(v, "more than"));
    t.n_dims = 9;
    EXPECT(veilsum_submit(v, &u, &t, 1, NULL) == VEILSUM_REFUSED &&
           says(v, "at most 8 dimensions"));
    t.n_dims = 1;
    t.type = (veilsum_type)7;
    EXPECT(veilsum_submit(v, &u, &t, 1, NULL) == VEILSUM_REFUSED && says(v, "a type"));
    t.type = VEILSUM_FLOAT64;
    t.values = NULL;
    EXPECT(veilsum_submit(v, &u, &t, 1, NULL) == VEILSUM_REFUSED && says(v, "needs values"));
    t.values = x;
    const veilsum_update none = {.weight = 0};
    EXPECT(veilsum_submit(v, &none, &t, 1, NULL) == VEILSUM_REFUSED && says(v, "weight"));
    const veilsum_update model = {.weight = 1, .model = "/nowhere.npy"};
    EXPECT(veilsum_submit(v, &model, &t, 1, NULL) == VEILSUM_SYSTEM && says(v, "/nowhere.npy"));
    EXPECT(veilsum_submit_file(v, &u, "/nowhere.npz", NULL) == VEILSUM_SYSTEM &&
           says(v, "nowhere"));
    return 0;
}

static void *interrupt_soon(void *v)
{
    const struct timespec pause = {.tv_nsec = 300000000};
    (void)nanosleep(&pause, NULL);
    veilsum_interrupt(v);
    return NULL;
}

static int waiting(veilsum *v)
{
    double x[3] = {0};
    veilsum_round_info round;
    pthread_t thread;
    const uint64_t dims[1] = {3};
    const veilsum_update u = {.weight = 1};
    const veilsum_tensor t = {.n_dims = 1, .dims = dims, .type = VEILSUM_FLOAT64, .values = x};
    EXPECT(veilsum_round(v, 0, &round) == VEILSUM_REFUSED && says(v, "no round yet"));
    EXPECT(veilsum_round(v, 0, NULL) == VEILSUM_REFUSED);
    EXPECT(veilsum_result(v, 1, x, 3, NULL) == VEILSUM_REFUSED);
    EXPECT(veilsum_result_file(v, 1, "mean.txt", NULL) == VEILSUM_REFUSED &&
           says(v, ".safetensors"));
    EXPECT(pthread_create(&thread, NULL, interrupt_soon, v) == 0);
    EXPECT(veilsum_submit(v, &u, &t, 1, NULL) == VEILSUM_LATER && says(v, "told to stop"));
    EXPECT(pthread_join(thread, NULL) == 0);
    return 0;
}

int main(int argc, char **argv)
{
    veilsum *v, *second;
    if (argc != 4 || opening(argv[1], argv[2], argv[3]) != 0) return 1;
    const veilsum_options o = {.federation = argv[1], .key = argv[2]};
    EXPECT(veilsum_open(&v, &o, said) == VEILSUM_OK);
    EXPECT(veilsum_open(&second, &o, said) == VEILSUM_REFUSED && second == NULL);
    int status = submitting(v);
    if (status == 0) status = waiting(v);
    veilsum_close(v);
    return status;
}
