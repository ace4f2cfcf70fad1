"""`bnnbench`: the list of commands, and how errors become sentences and exit statuses."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext

from cyclopts import App, CycloptsError

from bnnbench.results.printable import MOST, shorten

from .commands import COMMANDS, RUN_EXAMPLES
from .failure import explain

app = App(
    name="bnnbench",
    help="Benchmark and profile binarized neural networks on the devices they ship to.",
    help_format="plaintext",
    help_epilogue=f"{RUN_EXAMPLES}\n  bnnbench report && open report/index.html",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
for name, command in COMMANDS.items():
    app.command(f"{__package__}.{command.app}", name=name, help=command.help)
app.register_install_completion_command("--install-completion", help="Install completion for your shell.")


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit status: 0 fine, 1 a regression, 2 the call is wrong, 3 it could not be measured, 130
    interrupted."""
    from .terminal import guarded

    with guarded():
        _run(sys.argv[1:] if arguments is None else arguments)


def _run(words: list[str]) -> None:
    debug = "--debug" in words
    try:
        command, bound, _ = app.parse_args(
            [word for word in words if word != "--debug"], exit_on_error=False, print_error=False
        )
        with _patience(bound.arguments.get("wait")):
            status = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        first = str(error).strip().splitlines()
        print(f"bnnbench: {shorten(' '.join(first), MOST)} Try bnnbench --help.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("bnnbench: interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output, `head` for one, has what it wants.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        sentence, code = explain(error)
        print(f"bnnbench: {shorten(sentence, MOST)}", file=sys.stderr)
        sys.exit(code)
    sys.exit(status if isinstance(status, int) else 0)


def _patience(wait: str | None) -> AbstractContextManager[None]:
    """`--wait` of the command: within it, a device that another benchmark holds is waited for. Raises CallError."""
    if wait is None:
        return nullcontext()
    from ..bench.waiting import waiting
    from .words import seconds

    return waiting(seconds(wait) or 0.0, lambda text: print(shorten(text, MOST), file=sys.stderr))
