/* cli/suggest.h - "did you mean": the word nearest to one that was mistyped. */
#ifndef VS_CLI_SUGGEST_H
#define VS_CLI_SUGGEST_H

#include <stddef.h>

typedef struct vs_suggestion {
    const char *typed; /* borrowed */
    size_t len;
    size_t distance;
    const char *best; /* NULL: nothing is near */
} vs_suggestion;

vs_suggestion vs_suggest_start(const char *typed, size_t len);
/* Keep word if it is nearer than what is there: at most 2 edits, fewer than half of the word. */
void vs_suggest_try(vs_suggestion *s, const char *word);

#endif /* VS_CLI_SUGGEST_H */
