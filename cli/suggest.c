#include "cli/suggest.h"

#include <string.h>

enum { WORD_MAX = 40 };

/* Levenshtein distance; words longer than WORD_MAX are far from everything. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX + 1];
    if (a_len > WORD_MAX || b_len > WORD_MAX) return WORD_MAX;
    for (size_t j = 0; j <= b_len; j++) row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[b_len];
}

vs_suggestion vs_suggest_start(const char *typed, size_t len)
{
    return (vs_suggestion){.typed = typed, .len = len, .distance = 3, .best = NULL};
}

void vs_suggest_try(vs_suggestion *s, const char *word)
{
    size_t word_len = strlen(word);
    size_t d = distance(s->typed, s->len, word, word_len);
    if (d < s->distance && 2 * d < word_len) {
        s->distance = d;
        s->best = word;
    }
}
