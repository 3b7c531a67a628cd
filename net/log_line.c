#include "net/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct phrase {
    const char *part; /* of the text */
    const char *event;
    vs_log_level level;
} phrase;

/* The first one that occurs decides. */
static const phrase phrases[] = {
    {"is lost for", "peer_lost", VS_LOG_WARN},
    {"is this data folder an old copy", "log_behind", VS_LOG_ERROR},
    {"does not follow the log", "peer_behind", VS_LOG_WARN},
    {"two manifests", "client_conflict", VS_LOG_WARN},
    {"evidence", "evidence", VS_LOG_WARN},
    {"lied", "evidence", VS_LOG_WARN},
    {"contradict each other", "answers_contradict", VS_LOG_WARN},
    {"submission accepted", "submission_accepted", VS_LOG_DEBUG},
    {"submission refused", "submission_refused", VS_LOG_DEBUG},
    {"manifest refused", "submission_refused", VS_LOG_DEBUG},
    {"results and", "results_received", VS_LOG_INFO},
    {"[ROUND", "round_started", VS_LOG_INFO},
    {"gave a round key", "round_key", VS_LOG_INFO},
    {"froze its list", "listed", VS_LOG_INFO},
    {"voted", "voted", VS_LOG_INFO},
    {"cosigned", "cosigned", VS_LOG_DEBUG},
    {"answered", "answered", VS_LOG_INFO},
    {"closing", "round_closing", VS_LOG_WARN},
    {"closed the round", "round_closed", VS_LOG_WARN},
    {"aborted", "round_aborted", VS_LOG_WARN},
    {"was not opened", "round_not_opened", VS_LOG_WARN},
    {"collection ended", "collection_ended", VS_LOG_INFO},
    {"proposed a set", "set_proposed", VS_LOG_INFO},
    {"set fixed", "set_fixed", VS_LOG_INFO},
    {"epsilon", "privacy_budget", VS_LOG_INFO},
    {"accuracy", "round_metrics", VS_LOG_INFO},
    {"the key of a", "key_changed", VS_LOG_WARN},
    {"result of", "result", VS_LOG_INFO},
    {"final", "round_final", VS_LOG_INFO},
    {"open with", "round_open", VS_LOG_INFO},
    {"is open here", "round_open", VS_LOG_INFO},
    {"refused", "refused", VS_LOG_WARN},
    {"is served at", "http", VS_LOG_INFO},
    {"status at", "http", VS_LOG_INFO},
    {"listens on", "started", VS_LOG_INFO},
    {"stopping", "stopping", VS_LOG_INFO},
    {"stopped", "stopped", VS_LOG_INFO},
};

vs_log_line vs_log_line_of(const char *text)
{
    vs_log_line line = {.level = VS_LOG_INFO, .event = "notice", .text = text};
    char *end;
    if (strncmp(text, "round ", 6) == 0) {
        uint64_t round = strtoull(text + 6, &end, 10);
        if (end != text + 6 && end[0] == ':' && end[1] == ' ') {
            line.round = round;
            line.text = end + 2;
        } else if (end != text + 6) {
            line.round = round; /* "round 2 was not opened: ..." */
        }
    }
    if (strncmp(line.text, "shareholder ", 12) == 0) {
        unsigned long peer = strtoul(line.text + 12, &end, 10);
        if (end != line.text + 12 && *end == ' ' && peer <= UINT32_MAX) line.peer = (uint32_t)peer;
    }
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (strstr(line.text, phrases[i].part) == NULL) continue;
        line.event = phrases[i].event;
        line.level = phrases[i].level;
        break;
    }
    return line;
}

static const char *const level_names[] = {"error", "warn", "info", "debug"};

const char *vs_log_level_name(vs_log_level level)
{
    return level_names[level];
}

bool vs_log_level_of(vs_log_level *out, const char *name)
{
    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *out = (vs_log_level)i;
        return true;
    }
    return false;
}

/* "2026-11-21T00:10:05.123Z" */
static void put_time(vs_buf *out, uint64_t unix_ms)
{
    char when[32];
    struct tm utc;
    time_t s = (time_t)(unix_ms / 1000);
    (void)gmtime_r(&s, &utc);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    vs_buf_printf(out, "%s.%03uZ", when, (unsigned)(unix_ms % 1000));
}

void vs_log_line_text(vs_buf *out, const vs_log_line *line, uint64_t unix_ms, const char *role,
                      uint32_t index)
{
    put_time(out, unix_ms);
    vs_buf_printf(out, " %s %s", vs_log_level_name(line->level), role);
    if (index != 0) vs_buf_printf(out, " %" PRIu32, index);
    bool round_first = line->round != 0 && strncmp(line->text, "round ", 6) != 0;
    if (round_first) vs_buf_printf(out, ": round %" PRIu64, line->round);
    vs_buf_printf(out, ": %s\n", line->text);
}

/* A JSON string: bytes that are not ASCII are kept (names are UTF-8 or refused earlier). */
static void put_string(vs_buf *out, const char *name, const char *text)
{
    vs_buf_printf(out, "\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            vs_buf_printf(out, "\\%c", c);
        } else if (c < 0x20 || c >= 0x7f) {
            vs_buf_printf(out, "\\u%04x", c >= 0x80 ? 0xfffdu : (unsigned)c);
        } else {
            vs_buf_u8(out, c);
        }
    }
    vs_buf_u8(out, '"');
}

void vs_log_line_json(vs_buf *out, const vs_log_line *line, uint64_t unix_ms, const char *role,
                      uint32_t index)
{
    vs_buf_text(out, "{\"time\":\"");
    put_time(out, unix_ms);
    vs_buf_text(out, "\",");
    put_string(out, "level", vs_log_level_name(line->level));
    vs_buf_u8(out, ',');
    put_string(out, "role", role);
    if (index != 0) vs_buf_printf(out, ",\"index\":%" PRIu32, index);
    if (line->round != 0) vs_buf_printf(out, ",\"round\":%" PRIu64, line->round);
    if (line->peer != 0) vs_buf_printf(out, ",\"peer\":%" PRIu32, line->peer);
    vs_buf_u8(out, ',');
    put_string(out, "event", line->event);
    vs_buf_u8(out, ',');
    put_string(out, "text", line->text);
    vs_buf_text(out, "}\n");
}
