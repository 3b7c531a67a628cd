/* tests/arm64/criterion/criterion.h - the part of Criterion that our tests use, for `./dev arm64`.
 *
 * Criterion starts every test by executing its own program again, which a user-mode emulator cannot
 * do. Here a test is a forked child. Same names, same meaning; assertions of the real library that
 * nobody uses are missing. */
#ifndef VS_TESTS_ARM64_CRITERION_H
#define VS_TESTS_ARM64_CRITERION_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct shim_options {
    int signal, exit_code, zero;
    double timeout;
    bool disabled;
    void (*init)(void);
    void (*fini)(void);
} shim_options;

typedef struct shim_test {
    const char *suite, *name;
    void (*run)(void); /* NULL: a suite's options */
    shim_options o;
    struct shim_test *next;
} shim_test;

__attribute__((weak)) shim_test *shim_first;
__attribute__((weak)) int shim_failed;

static inline void shim_add(shim_test *t)
{
    t->next = shim_first;
    shim_first = t;
}

#define SHIM_REGISTER(id, ...)                                                                     \
    static shim_test shim_##id = {__VA_ARGS__};                                                    \
    __attribute__((constructor)) static void shim_register_##id(void)                              \
    {                                                                                              \
        shim_add(&shim_##id);                                                                      \
    }
#define SHIM_TEST(s, n, ...)                                                                       \
    static void shim_run_##s##_##n(void);                                                          \
    SHIM_REGISTER(s##_##n, .suite = #s, .name = #n, .run = shim_run_##s##_##n,                     \
                  .o = {.zero = 0, __VA_ARGS__})                                                   \
    static void shim_run_##s##_##n(void)
#define Test(s, ...) SHIM_TEST_OF(s, __VA_ARGS__, .zero = 0)
#define SHIM_TEST_OF(s, n, ...) SHIM_TEST(s, n, __VA_ARGS__)
#define TestSuite(s, ...) SHIM_REGISTER(suite_##s, .suite = #s, .o = {.zero = 0, __VA_ARGS__})

__attribute__((format(printf, 5, 6))) static inline void
shim_report(bool fatal, const char *file, int line, const char *what, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fprintf(stderr, "%s:%d: %s ", file, line, what);
    (void)vfprintf(stderr, fmt, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
    shim_failed = 1;
    if (fatal) _exit(1);
}

#define SHIM_CHECK(fatal, cond, ...)                                                               \
    do {                                                                                           \
        if (!(cond)) shim_report(fatal, __FILE__, __LINE__, #cond, " " __VA_ARGS__);               \
    } while (0)

#define cr_assert(c, ...) SHIM_CHECK(true, c, __VA_ARGS__)
#define cr_expect(c, ...) SHIM_CHECK(false, c, __VA_ARGS__)
#define cr_assert_not(c, ...) SHIM_CHECK(true, !(c), __VA_ARGS__)
#define cr_expect_not(c, ...) SHIM_CHECK(false, !(c), __VA_ARGS__)
#define cr_assert_fail(...) SHIM_CHECK(true, false, __VA_ARGS__)
#define cr_assert_null(p, ...) SHIM_CHECK(true, (p) == NULL, __VA_ARGS__)
#define cr_expect_null(p, ...) SHIM_CHECK(false, (p) == NULL, __VA_ARGS__)
#define cr_assert_not_null(p, ...) SHIM_CHECK(true, (p) != NULL, __VA_ARGS__)
#define cr_expect_not_null(p, ...) SHIM_CHECK(false, (p) != NULL, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) SHIM_CHECK(true, (a) == (b), __VA_ARGS__)
#define cr_expect_eq(a, b, ...) SHIM_CHECK(false, (a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) SHIM_CHECK(true, (a) != (b), __VA_ARGS__)
#define cr_expect_neq(a, b, ...) SHIM_CHECK(false, (a) != (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) SHIM_CHECK(true, (a) < (b), __VA_ARGS__)
#define cr_expect_lt(a, b, ...) SHIM_CHECK(false, (a) < (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...) SHIM_CHECK(true, (a) <= (b), __VA_ARGS__)
#define cr_expect_leq(a, b, ...) SHIM_CHECK(false, (a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...) SHIM_CHECK(true, (a) > (b), __VA_ARGS__)
#define cr_expect_gt(a, b, ...) SHIM_CHECK(false, (a) > (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...) SHIM_CHECK(true, (a) >= (b), __VA_ARGS__)
#define cr_expect_geq(a, b, ...) SHIM_CHECK(false, (a) >= (b), __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) SHIM_CHECK(true, strcmp(a, b) == 0, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) SHIM_CHECK(false, strcmp(a, b) == 0, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) SHIM_CHECK(true, memcmp(a, b, n) == 0, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) SHIM_CHECK(false, memcmp(a, b, n) == 0, __VA_ARGS__)
#define cr_expect_arr_neq(a, b, n, ...) SHIM_CHECK(false, memcmp(a, b, n) != 0, __VA_ARGS__)

/* init and fini: the test's own, else its suite's. */
static inline shim_options shim_options_of(const shim_test *t)
{
    shim_options o = t->o;
    for (const shim_test *s = shim_first; s != NULL; s = s->next) {
        if (s->run != NULL || strcmp(s->suite, t->suite) != 0) continue;
        if (o.init == NULL) o.init = s->o.init;
        if (o.fini == NULL) o.fini = s->o.fini;
    }
    return o;
}

static inline bool shim_passes(const shim_test *t)
{
    const shim_options o = shim_options_of(t);
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (o.init != NULL) o.init();
        t->run();
        if (o.fini != NULL) o.fini();
        (void)fflush(NULL);
        _exit(shim_failed);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    if (o.signal != 0) return WIFSIGNALED(status) && WTERMSIG(status) == o.signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == o.exit_code;
}

__attribute__((weak)) int main(void)
{
    unsigned n = 0, failed = 0;
    for (const shim_test *t = shim_first; t != NULL; t = t->next) {
        if (t->run == NULL || t->o.disabled) continue;
        n++;
        if (shim_passes(t)) continue;
        failed++;
        (void)fprintf(stderr, "[FAIL] %s::%s\n", t->suite, t->name);
    }
    (void)fprintf(stderr, "[====] Tested: %u | Passing: %u | Failing: %u\n", n, n - failed, failed);
    return failed != 0 || n == 0;
}

#endif /* VS_TESTS_ARM64_CRITERION_H */
