/* tests/cli/support_run.h - run the built program and look at what it printed. */
#ifndef VS_TESTS_CLI_SUPPORT_RUN_H
#define VS_TESTS_CLI_SUPPORT_RUN_H

typedef struct vs_run {
    int status; /* exit status; 128 + signal if it was killed */
    char *out;  /* all of stdout, malloc'd */
    char *err;  /* all of stderr, malloc'd */
} vs_run;

/* Run veilsum in this folder with these arguments (NULL-terminated, without the program's name) and
 * wait for it; killed after 60 s. */
vs_run vs_run_program(const char *folder, const char *const *args);
#define VS_RUN(folder, ...) vs_run_program((folder), (const char *const[]){__VA_ARGS__, NULL})
void vs_run_free(vs_run *run);

/* Run and expect this exit status and these exact texts; NULL: anything, "": nothing. Prints what
 * differs and returns 0 on a mismatch. */
int vs_run_expect(const char *folder, int status, const char *out, const char *err,
                  const char *const *args);
#define VS_RUN_EXPECT(folder, status, out, err, ...)                                               \
    vs_run_expect((folder), (status), (out), (err), (const char *const[]){__VA_ARGS__, NULL})

#endif /* VS_TESTS_CLI_SUPPORT_RUN_H */
