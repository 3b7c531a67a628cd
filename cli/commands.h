/* cli/commands.h - the table of commands (cli/commands.def). */
#ifndef VS_CLI_COMMANDS_H
#define VS_CLI_COMMANDS_H

#include "cli/args.h"

#define GROUP(title)
#define COMMAND(x) extern const vs_command vs_cmd_##x;
#include "cli/commands.def"
#undef GROUP
#undef COMMAND

/* Find the command that argv (without the program's name) starts with, and run it; or print the
 * program's help. Returns the exit status. */
int vs_commands_main(int argc, char *const *argv);

#endif /* VS_CLI_COMMANDS_H */
