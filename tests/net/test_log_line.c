#include <criterion/criterion.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "net/log_line.h"
#include "net/metrics_text.h"
#include "tests/support.h"

Test(log_line, round_peer_event_and_level_are_read_from_a_notice)
{
    static const struct {
        const char *text;
        vs_log_level level;
        const char *event;
        uint64_t round;
        uint32_t peer;
        const char *rest;
    } cases[] = {
        {"round 3: set fixed, 8 clients, 4 votes", VS_LOG_INFO, "set_fixed", 3, 0,
         "set fixed, 8 clients, 4 votes"},
        {"round 3: shareholder 12 answered", VS_LOG_INFO, "answered", 3, 12,
         "shareholder 12 answered"},
        {"shareholder 2 is lost for voting: no reply in time", VS_LOG_WARN, "peer_lost", 0, 2,
         "shareholder 2 is lost for voting: no reply in time"},
        {"round 2 was not opened: 2 of 3", VS_LOG_WARN, "round_not_opened", 2, 0,
         "round 2 was not opened: 2 of 3"},
        {"shareholder 2 of \"fed\" listens on tcp://h:1", VS_LOG_INFO, "started", 0, 2,
         "shareholder 2 of \"fed\" listens on tcp://h:1"},
        {"round x: y", VS_LOG_INFO, "notice", 0, 0, "round x: y"},
        {"", VS_LOG_INFO, "notice", 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vs_log_line line = vs_log_line_of(cases[i].text);
        cr_expect_eq(line.level, cases[i].level, "%s", cases[i].text);
        cr_expect_str_eq(line.event, cases[i].event);
        cr_expect_eq(line.round, cases[i].round);
        cr_expect_eq(line.peer, cases[i].peer, "%s", cases[i].text);
        cr_expect_str_eq(line.text, cases[i].rest);
    }
}

/* Texts that the daemons can give have events of their own; a new one may come before its phrase.
 */
Test(log_line, notices_of_the_sources_are_known)
{
    uint32_t found = 0, unknown = 0;
    DIR *dir = opendir(VS_SOURCE_DIR "/net");
    cr_assert_not_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[4096];
        vs_buf text = {0};
        if (strstr(e->d_name, ".c") == NULL) continue;
        (void)snprintf(path, sizeof path, VS_SOURCE_DIR "/net/%s", e->d_name);
        cr_assert_eq(vs_file_read(&text, path, 1 << 20, NULL), VS_OK);
        vs_buf_u8(&text, 0);
        for (char *at = (char *)text.p; (at = strstr(at, "notice(")) != NULL; at++) {
            char *end = strchr(at, ';');
            char *quote = strchr(at, '"');
            if (end == NULL || quote == NULL || quote > end) continue;
            *end = '\0';
            if (strstr(quote, "\"%s\"") == quote) { /* a text made elsewhere: not opened */
                *end = ';';
                continue;
            }
            vs_log_line line = vs_log_line_of(quote);
            if (strcmp(line.event, "notice") == 0) {
                unknown++;
                cr_log_warn("no event for %s: %s", e->d_name, quote);
            }
            *end = ';';
            found++;
        }
        vs_buf_free(&text);
    }
    (void)closedir(dir);
    cr_expect_geq(found, 20u);
    cr_expect_leq(unknown * 5, found);
}

Test(log_line, text_and_json_hold_the_same)
{
    vs_buf out = {0};
    vs_log_line line = vs_log_line_of("round 3: shareholder 2 is lost for voting: a\"b\\c\x01\xff");
    vs_log_line_text(&out, &line, 1795219805123u, "aggregator", 0);
    vs_buf_u8(&out, 0);
    cr_expect_str_eq((char *)out.p,
                     "2026-11-21T00:10:05.123Z warn aggregator: round 3: shareholder 2 is lost for "
                     "voting: a\"b\\c\x01\xff\n");
    vs_buf_reset(&out);
    vs_log_line_json(&out, &line, 1795219805123u, "shareholder", 7);
    json_t *j = json_loadb((char *)out.p, out.len, 0, NULL);
    cr_assert_not_null(j);
    cr_expect_str_eq(json_string_value(json_object_get(j, "time")), "2026-11-21T00:10:05.123Z");
    cr_expect_str_eq(json_string_value(json_object_get(j, "level")), "warn");
    cr_expect_str_eq(json_string_value(json_object_get(j, "event")), "peer_lost");
    cr_expect_eq(json_integer_value(json_object_get(j, "index")), 7);
    cr_expect_eq(json_integer_value(json_object_get(j, "round")), 3);
    cr_expect_eq(json_integer_value(json_object_get(j, "peer")), 2);
    cr_expect_not_null(strstr(json_string_value(json_object_get(j, "text")), "a\"b\\c\x01"));
    json_decref(j);
    vs_buf_free(&out);
}

Test(metrics_text, a_histogram_counts_every_value_once)
{
    vs_histogram h = {0};
    vs_buf out = {0};
    vs_histogram_add(&h, 0);
    vs_histogram_add(&h, 0.001); /* a bound belongs to its bucket */
    vs_histogram_add(&h, 0.0011);
    vs_histogram_add(&h, 1000);
    vs_metrics_histogram(&out, "x_seconds", "op=\"a\"", &h);
    vs_buf_u8(&out, 0);
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_bucket{op=\"a\",le=\"0.001\"} 2\n"));
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_bucket{op=\"a\",le=\"0.005\"} 3\n"));
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_bucket{op=\"a\",le=\"60\"} 3\n"));
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_bucket{op=\"a\",le=\"+Inf\"} 4\n"));
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_sum{op=\"a\"} 1000.0021\n"));
    cr_expect_not_null(strstr((char *)out.p, "x_seconds_count{op=\"a\"} 4\n"));
    vs_buf_free(&out);
}
