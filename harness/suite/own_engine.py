"""What is wrong with an `[engine.NAME]`, beside what the schema knows: its command, its binaries, its files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from bnnbench.devices.closest import closest
from bnnbench.kernels.engines import DECLARED
from bnnbench.kernels.targets import TRIPLES

from .tables import EngineTable

_ARCHITECTURES = [triple.architecture for triple in TRIPLES.values()]
_BINARY, _FILES, _FOLDER = "{binary}", "{files}", "{folder}"


def wrong_name(name: str) -> str | None:
    """A sentence on the name of an engine, without a full stop; None when it can be one."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        return None
    return f"engine name {name!r} may hold letters, digits, '.', '_' and '-' only"


def wrong_engine(table: EngineTable) -> str | None:
    """The first thing that is wrong, to follow the table's name, without a full stop; None when nothing is."""
    return _wrong_placeholder(table) or (_wrong_binary(table) if table.binary else _wrong_program(table))


def _wrong_placeholder(table: EngineTable) -> str | None:
    words, kind = table.command, DECLARED[str(table.protocol)]
    for placeholder in re.findall(r"\{[^{}]*\}", " ".join(words)):
        if placeholder not in kind.placeholders:
            return f"command: {placeholder} is not one of {', '.join(kind.placeholders)}"
    if any(_FILES in word and word != _FILES for word in words):
        return f"command: {_FILES} becomes several words, so it must be a word by itself"
    for placeholder in kind.required:
        is_needed = table.binary or placeholder != _BINARY
        if is_needed and not _names(words, placeholder):
            return f"command: {words} does not say where the {placeholder} goes"
    return None


def _wrong_binary(table: EngineTable) -> str | None:
    if _names(table.command, _FOLDER):
        return f"command: {_FOLDER} is for an engine without binary; {_FILES} becomes the paths of its files"
    for architecture in table.binary:
        if architecture not in _ARCHITECTURES:
            hint = f"{closest(architecture, _ARCHITECTURES)}; there are {', '.join(dict.fromkeys(_ARCHITECTURES))}"
            return f"binary: unknown architecture {architecture!r}{hint}"
    return None


def _wrong_program(table: EngineTable) -> str | None:
    """Of an engine that a program on the device starts."""
    words = table.command
    if _names(words, _BINARY):
        return (
            f"command: {_BINARY} is used, but no binary is given; give one for each architecture, such as "
            'binary = { aarch64 = "FILE" }, or start with a program that the device has'
        )
    if not words or not words[0].strip():
        return "command: it must start with a program that the device has, or with {binary} and a binary given"
    if "{" in words[0] and not (words[0].startswith(f"{_FOLDER}/") and len(words[0]) > len(f"{_FOLDER}/")):
        return f"command: it must start with a program's name, a path from /, or {_FOLDER}/FILE, not {words[0]!r}"
    if "/" in words[0] and not words[0].startswith(("/", f"{_FOLDER}/")):
        return f"command: {words[0]!r} must be a program's name, a path from /, or one of {_FOLDER}/"
    says_where = any(_names(words, placeholder) for placeholder in (_FILES, _FOLDER))
    if table.files and not says_where:
        return (
            f"command: {words} does not say where the files go: {_FOLDER} is the folder with all, {_FILES} their paths"
        )
    if says_where and not table.files:
        return f"command: {words} speaks of files, and none are given; name them with files = [...]"
    twice = [name for name, count in Counter(Path(file).name for file in table.files).items() if count > 1]
    return f"files: two have the name {twice[0]}, but all go into one folder; rename one" if twice else None


def _names(words: list[str], placeholder: str) -> bool:
    return any(placeholder in word for word in words)
