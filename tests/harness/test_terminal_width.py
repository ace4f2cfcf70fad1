"""How wide a terminal is taken to be: what COLUMNS says, what it says itself, and no width at all in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

WORDS = [f"word{number}" for number in range(60)]
PROGRAM = (
    "from bnnbench.harness.cli.terminal import Console, guarded\n"
    "from bnnbench.results.sheet import Column, Sheet, say\n"
    f"words = {WORDS!r}\n"
    "with guarded():\n"
    "    console = Console()\n"
    "    sheet = Sheet(Column('names', folds=True), Column('figure', right=True))\n"
    "    sheet.add(' '.join(words), '2,412 GOPS')\n"
    "    sheet.print(console)\n"
    "    say(console, ' '.join(words))\n"
)


def environment(columns: str | None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    return {**kept, **more, **({} if columns is None else {"COLUMNS": columns})}


def piped(columns: str | None, **more: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment(columns, **more)
    )
    return done.stdout.splitlines()


def on_a_terminal(width: int, columns: str | None = None, term: str = "xterm") -> list[str]:
    said = in_a_terminal(PROGRAM, width, columns, term)
    return re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()


def in_a_terminal(program: str, width: int, columns: str | None = None, term: str = "xterm") -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environ = environment(columns, TERM=term)
    with subprocess.Popen([sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    return said.decode().replace("\r", "")


@pytest.mark.parametrize("more", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "forced colour"])
def test_a_pipe_has_no_width(more: dict[str, str]) -> None:
    lines = piped(None, **more)
    assert len(lines) == 4
    assert "2,412 GOPS" in lines[2]
    assert all(word in lines[2] and word in lines[3] for word in WORDS)


@pytest.mark.parametrize(("width", "columns", "wanted"), [(80, None, 80), (120, None, 120), (80, "100", 100)])
def test_a_terminal_is_as_wide_as_it_says_or_as_columns_says(width: int, columns: str | None, wanted: int) -> None:
    lines = on_a_terminal(width, columns)
    assert len(lines) > 8
    assert wanted - 12 < max(map(len, lines)) <= wanted
    assert all(word in " ".join(lines) for word in [*WORDS, "2,412 GOPS"])


def test_columns_counts_on_a_dumb_terminal_too() -> None:
    assert 88 < max(map(len, on_a_terminal(80, "100", "dumb"))) <= 100


def test_columns_counts_in_a_pipe_too() -> None:
    assert max(map(len, piped("70"))) <= 70


def test_a_live_display_draws_and_is_no_text() -> None:
    """The bars are escapes of our own, so the filter of what others print must not see them."""
    program = (
        "import sys\n"
        "from bnnbench.harness.cli.progress import Display\n"
        "from bnnbench.harness.cli.terminal import Console, guarded\n"
        "with guarded(), Display(Console(stderr=True)) as display:\n"
        "    display.phase('local', 'timing', 1, 2)\n"
        "    print('evil \\x1b[2J')\n"
        "    display.phase('local', 'timing', 2, 2)\n"
    )
    said = in_a_terminal(program, 80)
    assert "\x1b[2K" in said
    assert "?[" not in said.replace("\x1b[?", "")
    assert "evil" in said
    assert "\x1b[2J" not in said
