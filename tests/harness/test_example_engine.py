"""The example of a user's own engine really runs, and the documents quote only commands that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from bnnbench.results import load
from tests.harness.bench import BNNBENCH, Bench

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_engine"
WIDE = {**os.environ, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]


def test_example_is_proven_and_compared_with_native(bench: Bench) -> None:
    frame = load(bench.measure(EXAMPLE / "suite.toml")).set_index(["workload", "engine"])
    product = frame.loc["bgemm 16x24x200"]
    assert list(product["status"]) == ["ok", "ok"]
    assert product.loc["native", "latency_ns"] * 10 < product.loc["mine", "latency_ns"]
    pooling = frame.loc["bmaxpool2d 8x8x64 2x2 s2"]
    assert pooling.loc["native", "status"] == "ok"
    assert pooling.loc["mine", "status"] == "skipped"
    assert pooling.loc["mine", "reason"] == "the engine says that it has no op bmaxpool2d"


def test_example_with_a_wrong_bit_is_caught(bench: Bench) -> None:
    """What the example computes is really looked at."""
    shutil.copytree(EXAMPLE, bench.folder / "own")
    engine = bench.folder / "own" / "my_engine.py"
    right = engine.read_text()
    assert "k - 2 * bin(" in right
    engine.write_text(right.replace("k - 2 * bin(", "k - 1 * bin("))
    frame = load(bench.measure(bench.folder / "own" / "suite.toml", "--engine", "mine", status=3))
    assert list(frame["status"]) == ["wrong_output", "skipped"]


def test_protocol_document_shows_the_example() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    assert f"```python\n{(EXAMPLE / 'my_engine.py').read_text()}```" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_quoted_commands_exist(document: Path) -> None:
    for line in quoted(document.read_text()):
        words = shlex.split(line, comments=True)[1:]
        path: tuple[str, ...] = ()
        while commands := subcommands(path):
            if not words or words[0].startswith("-"):
                break
            assert words[0] in commands, f"{line!r}: {' '.join(('bnnbench', *path))} has {', '.join(commands)}"
            path = (*path, words.pop(0))
        options = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
        assert options <= options_of(path), f"{line!r}: {sorted(options - options_of(path))} is no option of it"


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert quoted("so `bnnbench fly --far` and\n```\n$ bnnbench run x  # why\n```\nbnnbench is") == [
        "bnnbench fly --far",
        "bnnbench run x  # why",
    ]
    assert "fly" not in subcommands(())
    assert subcommands(("devices",)) == ["add", "calibrate", "doctor", "list", "probe", "restore"]
    assert subcommands(("run",)) == []
    assert {"--resume", "--device", "-d"} <= options_of(("run",))
    assert "--device" not in options_of(("report",))


def quoted(text: str) -> list[str]:
    """Lines of code blocks and code in sentences that begin with `bnnbench `."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose)]
    return [code for code in [*spans, *lines] if code.startswith("bnnbench ")]


def subcommands(path: tuple[str, ...]) -> list[str]:
    """Names in the list of commands of a help text; none for a command that does something itself."""
    box = re.search(r"─ Commands ─+╮\n(.*?)╰", help_of(path), re.DOTALL)
    return re.findall(r"^│ ([a-z][a-z-]*) ", box[1], re.MULTILINE) if box else []


def options_of(path: tuple[str, ...]) -> set[str]:
    """Option names in the boxes of a help text; its examples, which may be other commands', do not count."""
    rows = [line for line in help_of(path).splitlines() if line.startswith("│")]
    return {name for row in rows for name in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)} | {"--help", "--version"}


@cache
def help_of(path: tuple[str, ...]) -> str:
    done = subprocess.run([BNNBENCH, *path, "--help"], capture_output=True, text=True, timeout=30, check=True, env=WIDE)
    return done.stdout
