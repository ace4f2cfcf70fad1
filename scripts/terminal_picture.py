"""Draws docs/terminal.svg: what a command really printed, in a terminal of 100 columns.

    python scripts/terminal_picture.py FOLDER COMMAND...     # FOLDER: where it runs; the picture goes to docs/

The picture of README was made with:

    python scripts/terminal_picture.py /tmp/shown bnnbench eval quicknet_xs quicknet_s quicknet_m
"""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS = 100
TARGET = Path(__file__).parents[1] / "docs" / "terminal.svg"


def output_of(words: list[str], folder: Path) -> str:
    """What the command writes to stdout when that is a terminal. Raises CalledProcessError."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    process = subprocess.Popen(words, cwd=folder, stdout=its, stderr=subprocess.DEVNULL, env=environment)
    os.close(its)
    read = b""
    while chunk := _some(ours):
        read += chunk
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, words)
    return read.decode().replace("\r\n", "\n")


def _some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def main() -> None:
    """Runs the command, and draws the prompt, the command and its output."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    console.print(Text("$ " + shlex.join(words), style="bold"))
    console.print(Text.from_ansi(output_of(words, folder)))
    svg = console.export_svg(title="bnnbench", theme=MONOKAI)
    # The fonts that rich names are on another host.
    start, end = svg.index("@font-face"), svg.rindex("@font-face")
    svg = svg[:start] + svg[svg.index("}", end) + 1 :]
    TARGET.write_text(svg.replace("Fira Code, monospace", "monospace"))


if __name__ == "__main__":
    main()
