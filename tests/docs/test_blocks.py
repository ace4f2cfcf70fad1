"""Every block of code in the documents is right: commands parse, files load, and what is marked so is executed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cyclopts import CycloptsError

from bnnbench.devices import inventory
from bnnbench.harness.cli.main import app
from bnnbench.harness.suite.load import load_suites
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.records import Entry
from tests.docs.blocks import BLOCKS, DOCUMENTS, LANGUAGES, ROOT, Block, MarkerError, blocks_of, spans_of
from tests.harness.bench import Bench

PROGRAMS = {"adb", "apt", "bazelisk", "cd", "cp", "git", "make", "mkdir", "pip", "pkg", "pytest", "python3", "ssh"}
PROGRAMS |= {"ssh-keygen", "sshd", "termux-wake-lock", ".venv/bin/python", "$PYTHON", "PYTHON=$(bnnbench"}
"""What blocks of commands may call beside bnnbench; one that is missing here fails until somebody has looked at it."""
TARGETS = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
FULL_OF_PLACEHOLDERS = re.compile(r"\b(COMMAND|SHELL|FILE\.json|FORMAT|pytest-benchmark \|)(?=\W|$)|\.\.\.| \| ")
"""Marks a line that shows a form and not a call: `bnnbench COMMAND --help`, `--format a | b`."""

QUICK_SUITE = """
name = "quick"
invocations = 2
samples = 3
min_sample_ms = 0.1
warmup_ms = 1

[[kernel]]
op = "bgemm"
m = 16
n = 24
k = 200
"""


def name_of(block: Block) -> str:
    return block.place


def every(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


# Kinds and markers


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_block_is_of_a_known_kind(block: Block) -> None:
    assert_known(block)


def assert_known(block: Block) -> None:
    assert block.language in LANGUAGES, f"{block.place}: a block is one of {', '.join(LANGUAGES)}"
    if block.language == "sh":
        assert block.how, f"{block.place}: a block of commands needs a marker; see tests/docs/blocks.py"
    if block.language == "text":
        assert block.marker is None, f"{block.place}: text is not run"
        calls = [line for line in block.text.splitlines() if line.startswith(("bnnbench ", "$ ", "pip "))]
        assert not calls, f"{block.place}: these are commands: {calls}"
    if block.runner is not None:
        assert block.document.name in block.runner.read_text(), f"{block.runner} does not read {block.document.name}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```\nx\n```", "a block is one of"),
        ("```rust\nx\n```", "a block is one of"),
        ("```sh\nmake\n```", "needs a marker"),
        ("```text\nbnnbench run\n```", "these are commands"),
        ("<!-- example: perhaps -->\n```sh\nmake\n```", "unknown marker"),
        ("<!-- example: not run -->\n```sh\nmake\n```", "unknown marker"),
        ("<!-- example: run -->\n\n```sh\nmake\n```", "no block follows"),
        ("```sh\nmake\n", "does not end"),
    ],
)
def test_other_blocks_are_refused(text: str, complaint: str) -> None:
    with pytest.raises((AssertionError, MarkerError), match=complaint):
        assert_all_known(text)


def assert_all_known(text: str) -> None:
    for block in blocks_of(ROOT / "README.md", text):
        assert_known(block)


# Commands


@pytest.mark.parametrize("block", every("sh"), ids=name_of)
def test_commands_exist(block: Block) -> None:
    for line in block.commands:
        assert_command(line)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_sentences_exist(document: Path) -> None:
    for line in spans_of(document):
        assert_command(line)


def assert_command(line: str) -> None:
    """Each call of bnnbench in a line is taken by the real parser, with all of its values."""
    words = shlex.split(line, comments=True)
    assert words[0] in PROGRAMS | {"bnnbench"}, f"{line!r}: {words[0]} is none of PROGRAMS"
    if words[0] == "make":
        assert set(words[1:]) <= set(TARGETS), f"{line!r}: the Makefile has {', '.join(TARGETS)}"
    if words[0] != "bnnbench" or FULL_OF_PLACEHOLDERS.search(line):
        return
    for call in " ".join(map(shlex.quote, words)).split("'&&'"):
        parse(shlex.split(call)[1:], line)


def parse(words: list[str], line: str) -> None:
    if words in (["--help"], ["--version"]) or words[-1:] == ["--help"]:
        words = words[:-1]
    path: list[str] = []
    here = app
    while words[len(path) :] and words[len(path)] in here:
        here = here[words[len(path)]]
        path.append(words[len(path)])
    assert path or not words, f"{line!r}: there is no such command"
    rest = words[len(path) :]
    if not rest:
        return  # the command's name alone
    if rest[0].startswith("-") and has_options_alone(rest):
        known = {name for argument in here.assemble_argument_collection() for name in argument.names}
        assert set(rest) <= known, f"{line!r}: {sorted(set(rest) - known)} is not an option of it"
        return
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise AssertionError(f"{line!r}: {' '.join(str(error).split())}") from None


def has_options_alone(words: list[str]) -> bool:
    """`bnnbench run --resume` in a sentence names an option without its value."""
    return all(re.fullmatch(r"--[a-z-]+", word) for word in words)


@pytest.mark.parametrize(
    "line",
    [
        "bnnbench fly --far",
        "bnnbench run --invocations many",
        "bnnbench run --fast suite.toml",
        "bnnbench report --device",
        "bnnbench devices sing pi4",
        "bnnbench pick quicknet_s",
        "bnnbench run x && bnnbench fly",
        "make fly",
        "wget x",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        assert_command(line)


# Files


@pytest.mark.parametrize("block", every("toml"), ids=name_of)
def test_toml_is_loaded(block: Block, tmp_path: Path) -> None:
    furnish(tmp_path)
    path = tmp_path / "shown.toml"
    if re.search(r"^\[device\.", block.text, re.MULTILINE):
        path.write_text(block.text)
        assert len(inventory.load(path).devices) > 1
        return
    has_work, has_name = "[[" in block.text, re.search(r"^name =", block.text, re.MULTILINE)
    kernel = "" if has_work else '\n[[kernel]]\nop = "bgemm"\nm = 1\nn = 1\nk = 1\n'
    path.write_text(("" if has_name else 'name = "x"\n') + block.text + kernel)
    assert load_suites([path]).name


@pytest.mark.parametrize("block", every("json"), ids=name_of)
def test_json_is_a_record(block: Block) -> None:
    """A line of the journal: the real type, and no key that it does not have."""
    document = json.loads(block.text)
    document.pop("seq", None)
    document.pop("sum", None)
    record = msgspec.convert(document, Entry)  # type: ignore[arg-type]
    assert set(document) <= set(msgspec.to_builtins(record))


# Execution


def furnish(folder: Path) -> None:
    """What the documents speak of: models, images, suites, an engine, and devices that are all this machine; a run that
    is stored already."""
    models = shipped_models()
    for name in ("quicknet.tflite", "mine.tflite", "small.tflite"):
        shutil.copy(models["quicknet_xs"], folder / name)
    engine = ROOT / "examples/own_engine/my_engine.py"
    for name in ("my_engine.py", "lce_benchmark_model", "build/a64/mine", "build/x64/mine", "weights.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(engine, folder / name)
    architectures = "{ x86_64 = 'my_engine.py', aarch64 = 'my_engine.py', arm = 'my_engine.py' }"
    declared = f"\n[engine.mine]\ncommand = ['{{binary}}']\nbinary = {architectures}\n"
    (folder / "suite.toml").write_text('engines = ["native", "mine"]\n' + QUICK_SUITE + declared)
    (folder / "devices.toml").write_text('[device.pi4]\ntransport = "local"\n')
    np.save(folder / "images.npy", np.zeros((2, 28, 28, 1), np.float32))
    stored = ROOT / "tests/docs/frozen/0.1.0"
    shutil.copytree(stored, folder / "runs" / json.loads((stored / "run.json").read_text())["run_id"])


@pytest.fixture
def reader(tmp_path: Path) -> Bench:
    """Somebody who follows a document in a folder of their own."""
    furnish(tmp_path)
    bench = Bench(tmp_path)
    bench.environment["PATH"] = f"{Path(sys.executable).parent}:{bench.environment['PATH']}"
    bench.environment["MPLBACKEND"] = "agg"
    return bench


def executed(*, slow: bool) -> list[object]:
    """A document's blocks, to be executed one after the other; without slow ones, of a document that has some."""
    found: list[object] = []
    for document in DOCUMENTS:
        chosen = [block for block in BLOCKS if block.document == document and wants(block, slow)]
        if any((block.how == "slow") == slow for block in chosen):
            found.append(pytest.param(chosen, id=str(document.relative_to(ROOT))))
    return found


def wants(block: Block, slow: bool) -> bool:
    return block.language in ("sh", "python") and (block.how in ("run", None) or (slow and block.how == "slow"))


def follow(reader: Bench, blocks: list[Block]) -> None:
    shown: list[str] = []
    if any('@v1.2"' in block.text for block in blocks):
        save = "bnnbench run suite.toml -e native && bnnbench baseline save main && bnnbench baseline save v1.2"
        done(reader, ["bash", "-c", save], save)
    for block in blocks:
        if block.language == "python":
            # Blocks of a document go on from each other, as a reader's session does.
            shown.append(block.text)
            continue
        perform(reader, shown)
        shown.clear()
        shell(reader, block)
    perform(reader, shown)


def perform(reader: Bench, shown: list[str]) -> None:
    if shown:
        done(reader, [sys.executable, "-c", "\n".join(shown)], shown[0].splitlines()[0])


def shell(reader: Bench, block: Block) -> None:
    done(reader, ["bash", "-euo", "pipefail", "-c", block.text], block.place)


def done(reader: Bench, words: list[str], what: str) -> None:
    ended = subprocess.run(
        words, cwd=reader.folder, env=reader.environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert ended.returncode == 0, f"{what}: exit status {ended.returncode}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.parametrize("blocks", executed(slow=False))
def test_document_works_as_it_stands(reader: Bench, blocks: list[Block]) -> None:
    follow(reader, blocks)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("blocks", executed(slow=True))
def test_slow_blocks_work_too(reader: Bench, blocks: list[Block]) -> None:
    follow(reader, blocks)


def test_a_block_that_fails_is_noticed(reader: Bench) -> None:
    text = "<!-- example: run -->\n```sh\nbnnbench report 1999\n```"
    with pytest.raises(AssertionError, match="exit status 2"):
        follow(reader, list(blocks_of(ROOT / "README.md", text)))
    with pytest.raises(AssertionError, match="exit status 1"):
        follow(reader, list(blocks_of(ROOT / "README.md", "```python\nimport bnnbench as bnn\nbnn.fly()\n```")))
