/* tests/analyse.h - included in front of every file by `./dev analyse` (but base/err.c): an
 * analyser that looks at one file at a time cannot know that vs_fail returns the error it is given.
 */
#ifndef VS_TESTS_ANALYSE_H
#define VS_TESTS_ANALYSE_H

#include "base/err.h"

static inline vs_err vs_fail_given(vs_err returned, vs_err given)
{
    (void)returned;
    return given;
}
#define vs_fail(diag, err, ...) vs_fail_given(vs_fail((diag), (err), __VA_ARGS__), (err))

#endif /* VS_TESTS_ANALYSE_H */
