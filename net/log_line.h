/* net/log_line.h - one line of a daemon's log: level, role, round, peer, event, text.
 *
 * Roles and daemons give notices: one line of text that begins with "round N: " when it belongs to
 * a round and says "shareholder J" first when it is about a peer. What level and event such a text
 * is, is decided here, by one table of phrases. No notice holds a secret or a client's key. */
#ifndef VS_NET_LOG_LINE_H
#define VS_NET_LOG_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef enum vs_log_level {
    VS_LOG_ERROR,
    VS_LOG_WARN,
    VS_LOG_INFO,
    VS_LOG_DEBUG,
} vs_log_level;

typedef struct vs_log_line {
    vs_log_level level;
    const char *event; /* a literal, "set_fixed"; "notice" for a text that no phrase knows */
    uint64_t round;    /* 0: none */
    uint32_t peer;     /* shareholder, 0: none */
    const char *text;  /* without "round N: "; borrowed */
} vs_log_line;

/* Never fails: a text that it does not know is an info of event "notice". */
vs_log_line vs_log_line_of(const char *text);
const char *vs_log_level_name(vs_log_level level);
/* "error", "warn", "info", "debug"; false for another word. */
bool vs_log_level_of(vs_log_level *out, const char *name);

/* Append the line with its end. index 0: the aggregator. Text:
 * "2026-11-21T00:10:05.123Z info shareholder 2: round 3: set fixed"; JSON: the same as an object
 * with time, level, role, index, round, peer, event, text (those that there are). */
void vs_log_line_text(vs_buf *out, const vs_log_line *line, uint64_t unix_ms, const char *role,
                      uint32_t index);
void vs_log_line_json(vs_buf *out, const vs_log_line *line, uint64_t unix_ms, const char *role,
                      uint32_t index);

#endif /* VS_NET_LOG_LINE_H */
