/* The manual page of a command, from its table. */
#include <string.h>

#include "cli/args.h"

enum { COLUMNS = 80, INDENT = 4, INDENT_TEXT = 8 };

/* Words of text[0..len) between the margins, starting and ending a line. */
static void wrap(FILE *out, const char *text, size_t len, int indent)
{
    int column = 0;
    size_t i = 0;
    while (i < len) {
        size_t word = 0;
        while (i < len && (text[i] == ' ' || text[i] == '\n')) i++;
        while (i + word < len && text[i + word] != ' ' && text[i + word] != '\n') word++;
        if (word == 0) break;
        if (column > 0 && column + 1 + (int)word > COLUMNS) {
            (void)fputc('\n', out);
            column = 0;
        }
        if (column == 0) {
            column = fprintf(out, "%*s", indent, "");
        } else {
            column += fprintf(out, " ");
        }
        column += (int)fwrite(text + i, 1, word, out);
        i += word;
    }
    (void)fputc('\n', out);
}

/* Every line as it is, indented. */
static void keep(FILE *out, const char *text, size_t len, int indent)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end == NULL ? len : (size_t)(end - text);
        (void)fprintf(out, "%*s%.*s\n", line == 0 ? 0 : indent, "", (int)line, text);
        len -= line + (end != NULL);
        text += line + (end != NULL);
    }
}

static void paragraphs(FILE *out, const char *text, int indent)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t len = end == NULL ? strlen(text) : (size_t)(end - text);
        if (*text == ' ') {
            keep(out, text, len, indent);
        } else {
            wrap(out, text, len, indent);
        }
        text += len;
        while (*text == '\n') text++;
        if (*text != '\0') (void)fputc('\n', out);
    }
}

static void synopsis(const vs_command *command, FILE *out)
{
    char line[2048];
    size_t n = 0;
    n += (size_t)snprintf(line, sizeof line, "veilsum %s", command->name);
    for (const vs_opt *o = command->options; o != NULL && o->name != NULL; o++) {
        bool flag = o->kind == VS_OPT_FLAG;
        if (n >= sizeof line) break;
        /* a no-break space of our own, so that an option and its value stay on one line */
        n += (size_t)snprintf(line + n, sizeof line - n, " %s--%s%s%s%s%s", o->required ? "" : "[",
                              o->name, flag ? "" : "\x01", flag ? "" : o->arg,
                              o->required ? "" : "]", o->repeat ? "..." : "");
    }
    for (const vs_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        if (n >= sizeof line) break;
        n += (size_t)snprintf(line + n, sizeof line - n, " %s%s%s%s", p->min == 0 ? "[" : "",
                              p->name, p->min == 0 ? "]" : "", p->max > 1 ? "..." : "");
    }
    /* wrap by hand: later lines are indented further, below the first option */
    int column = fprintf(out, "%*s", INDENT, "");
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        int len = (int)strlen(word);
        if (column + 1 + len > COLUMNS) {
            column = fprintf(out, "\n%*s", 2 * INDENT_TEXT, "") - 1;
        } else if (column > INDENT) {
            column += fprintf(out, " ");
        }
        for (char *c = word; *c != '\0'; c++) (void)fputc(*c == '\x01' ? ' ' : *c, out);
        column += len;
    }
    (void)fputc('\n', out);
}

static void options(const vs_command *command, FILE *out)
{
    char text[2048];
    for (const vs_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        (void)fprintf(out, "%*s%s%s\n", INDENT, "", p->name, p->max > 1 ? "..." : "");
        paragraphs(out, p->help, INDENT_TEXT);
        (void)fputc('\n', out);
    }
    for (const vs_opt *o = command->options; o != NULL && o->name != NULL; o++) {
        (void)fprintf(out, "%*s--%s%s%s\n", INDENT, "", o->name, o->arg == NULL ? "" : " ",
                      o->arg == NULL ? "" : o->arg);
        (void)snprintf(text, sizeof text, "%s%s%s%s%s%s", o->help, o->required ? " Required." : "",
                       o->repeat ? " May be given more than once." : "",
                       o->fallback == NULL ? "" : " Default: ",
                       o->fallback == NULL ? "" : o->fallback, o->fallback == NULL ? "" : ".");
        paragraphs(out, text, INDENT_TEXT);
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "%*s--help, --version\n", INDENT, "");
    paragraphs(out, "Print this page, or the version, and do nothing else.", INDENT_TEXT);
}

void vs_command_help(const vs_command *command, FILE *out)
{
    char name[512];
    (void)snprintf(name, sizeof name, "veilsum %s - %s", command->name, command->summary);
    (void)fprintf(out, "NAME\n");
    paragraphs(out, name, INDENT);
    (void)fprintf(out, "\nSYNOPSIS\n");
    synopsis(command, out);
    (void)fprintf(out, "\nDESCRIPTION\n");
    paragraphs(out, command->description, INDENT);
    (void)fprintf(out, "\nOPTIONS\n");
    options(command, out);
    if (command->examples != NULL) {
        (void)fprintf(out, "\nEXAMPLES\n");
        keep(out, command->examples, strlen(command->examples), INDENT);
    }
    (void)fprintf(out, "\nEXIT STATUS\n%*s0 done; 1 refused, or a check failed; 2 wrong usage.\n",
                  INDENT, "");
}
