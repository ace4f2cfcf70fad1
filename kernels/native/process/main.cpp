#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "process/roles.h"

int main(int count, char** arguments) {
  const char* role = count > 1 ? arguments[1] : "";
  if (!strcmp(role, "exec")) return bnn::launch(count - 2, arguments + 2);
  if (!strcmp(role, "lock")) return bnn::hold_lock(count - 2, arguments + 2);
  if (!strcmp(role, "start")) return bnn::time_start(count - 2, arguments + 2);
  if (!strcmp(role, "--help")) {
    puts(
        "bnnbench engine " BNN_VERSION
        "\n\n"
        "  engine [--isa NAME]      answer requests on stdin (try: hello)\n"
        "  engine exec [--cpus LIST] [--deadline-s S] -- COMMAND...\n"
        "  engine lock [--name NAME] [--holder TEXT] [--file PATH]\n"
        "  engine start [--drop FILE]... --requests FILE -- COMMAND...");
    return 0;
  }
  return bnn::serve(count - 1, arguments + 1);
}
