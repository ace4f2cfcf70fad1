"""The list of commands: its sentences, and what a call loads before a command begins."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

from bnnbench.harness.cli.commands import COMMANDS
from bnnbench.harness.cli.main import app
from tests.harness.test_api import HEAVY

OURS = "bnnbench.harness.cli."
OF_EVERY_CALL = {"commands", "failure", "main", "narrow_stream", "terminal"}
"""The modules of the command line that are not one command's."""


def loaded(*calls: list[str]) -> set[str]:
    """The modules after these calls in one fresh interpreter, each of which ends with status 0."""
    code = f"""
import sys
from bnnbench.harness.cli.main import main
for words in {calls!r}:
    try: main(words)
    except SystemExit as end: assert not end.code, words
print("loaded", *sys.modules)
"""
    # Nothing of a tool that measures coverage, which loads modules of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"]], ids=" ".join)
def test_a_call_without_a_command_loads_none(words: list[str]) -> None:
    modules = loaded(words)
    assert {name.removeprefix(OURS) for name in modules if name.startswith(OURS)} <= OF_EVERY_CALL
    assert modules & set(HEAVY) <= (
        {"zipfile"} if words == ["--version"] else set()
    )  # importlib.metadata is made of it


def test_the_help_of_commands_loads_nothing_heavy() -> None:
    assert not loaded(*([name, "--help"] for name in COMMANDS)) & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    module, _, attribute = COMMANDS[name].app.partition(":")
    command = getattr(__import__(OURS + module, fromlist=[attribute]), attribute)
    said = inspect.getdoc(command.default_command) if command.default_command else command.help
    assert said == COMMANDS[name].help
    assert app[name] is command


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        inner = [(name, word) for word in app[name] if not word.startswith("-")]
        found += [*inner, (name,)] if app[name].default_command else inner
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_help_page_ends_with_examples_of_its_command(words: tuple[str, ...]) -> None:
    page = app
    for word in words:
        page = page[word]
    title, *lines = str(page.help_epilogue).splitlines()
    call = f"bnnbench {' '.join(words)}"
    assert title.startswith("Example")
    assert any(call in line for line in [title, *lines])
    assert all(len(line) <= 100 for line in lines), "it would be folded in most terminals"
