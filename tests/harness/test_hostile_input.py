"""Files and texts from outside: no command hangs, crashes or lets them steer the terminal."""

import io
import os
import warnings
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import load as load_inventory
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.harness.cli.array_file import read_input
from bnnbench.harness.cli.main import main
from bnnbench.harness.cli.terminal import Console, guarded, line
from bnnbench.harness.errors import CallError, CannotMeasure, SuiteError
from bnnbench.harness.run.resume import resume_run
from bnnbench.harness.suite.load import load_suites
from bnnbench.results.errors import StoreWarning
from bnnbench.results.printable import cell, harmless
from bnnbench.results.records import DeviceEvent, Invocation, Pair, RunEnd
from bnnbench.results.store.runs import Store
from bnnbench.results.tables.run_files import finish
from tests.results.conftest import synthetic_record
from tests.results.family import write_family

ESCAPES = "\x1b]52;c;aGk=\x07 \x9b2J \u202e \u2066 \r[red]\nbnnbench: all is well."
KERNEL = 'name = "x"\n[[kernel]]\nop = "bconv2d"\ninput = [8, 8, 32]\nfilters = 32\n'


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (".".join(["a"] * 50_000) + " = 1", "nested too deeply"),
        ("seed = " + "9" * 5000, "too many digits"),
        ('name = "x"\nseed = ' + "9" * 30, "seed"),
        (KERNEL + "dilation = [1000000000, 1000000000]", "make the input or the dilation smaller"),
        (KERNEL + "batch = 2000000000", "smaller"),
        ("invocations = 1000000000\n" + KERNEL, "<= 10000 in invocations"),
        ("samples = 1000000000\n" + KERNEL, "<= 10000 in samples"),
        ("threads = [1000000000]\n" + KERNEL, "<= 10000 in threads"),
    ],
)
def test_a_suite_that_nobody_would_write_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    with pytest.raises(SuiteError, match=said):
        load_suites([path])


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", ["a = " + "[" * 5000, ".".join(["a"] * 50_000) + " = 1", "seed = " + "9" * 5000])
def test_an_inventory_that_nobody_would_write_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(InventoryError, match=r"nested too deeply|too many digits|not valid TOML"):
        load_inventory(path)


@pytest.mark.timeout(30)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.toml"
    os.mkfifo(path)
    with pytest.raises(SuiteError, match="not a regular file"):
        load_suites([path])
    with pytest.raises(InventoryError, match="not a regular file"):
        load_inventory(path)
    with pytest.raises(CallError, match="not a regular file"):
        read_input(path)


def archive_with_a_password() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, input=np.zeros(3))
    content = bytearray(buffer.getvalue())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1  # the bit that says so
    return bytes(content)


def header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        archive_with_a_password(),
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"9" * 40 + b",)}\n"),
        header(b"{" * 900 + b"\n"),
        header(b"\xff\xfe{\n"),
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000,)}\n"),
        b"PK\x03\x04" + bytes(40),
        b"",
    ],
)
def test_an_input_that_is_no_array_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "input.npy"
    path.write_bytes(content)
    with pytest.raises(CallError, match="is not a NumPy file of numbers"):
        read_input(path)


def steers(text: str) -> bool:
    return any(letter in text for letter in "\x1b\x07\x9b\r\u202e\u2066")


def test_what_is_printed_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print(ESCAPES)
        Console(width=200).print(line(ESCAPES))
        warnings.warn(StoreWarning(ESCAPES), stacklevel=1)
        warnings.warn(StoreWarning(ESCAPES), stacklevel=1)
    shown = capsys.readouterr()
    assert not steers(shown.out + shown.err)
    assert shown.err.count("warning:") == 1
    assert [text for text in shown.err.splitlines() if text.startswith("bnnbench:")] == []
    assert "[red]" in shown.out


def test_colours_are_still_colours() -> None:
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system="standard").print(line("\x1b[31mred", "green"))
    assert "\x1b[32m?[31mred\x1b[0m" in file.getvalue()


@pytest.mark.timeout(60)
def test_commands_show_hostile_runs_harmlessly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = synthetic_record()
    store = Store(tmp_path / "store")
    cases = [
        msgspec.structs.replace(case, workload=case.workload + ESCAPES, engine=ESCAPES) for case in record.cases[:4]
    ]
    with store.create(msgspec.structs.replace(record, cases=cases)) as writer:
        writer.append(DeviceEvent(device="pi4", kind="lost", message=ESCAPES + "x" * 12_000_000))
        writer.append(RunEnd(finished=record.created, outcome="incomplete"))
        finish(writer)
    assert (writer.path / "journal.jsonl").stat().st_size < 200_000
    for words in (["compare", "latest"], ["export", "--format", "csv"], ["report", "-o", str(tmp_path / "report")]):
        with pytest.raises(SystemExit):
            main([*words, "--store", str(store.path)])
        shown = capsys.readouterr()
        assert not steers(shown.out + shown.err), words
    for words in (["nope" + ESCAPES], ["report", ESCAPES], ["export", "--format", ESCAPES]):
        with pytest.raises(SystemExit):
            main([*words, "--store", str(store.path)])
        shown = capsys.readouterr()
        assert not steers(shown.out + shown.err), words
        assert len([text for text in shown.err.splitlines() if text.startswith("bnnbench:")]) == 1


def test_a_damaged_run_is_a_warning_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = synthetic_record()
    store = Store(tmp_path / "store")
    with store.create(record) as writer:
        writer.append(DeviceEvent(device="pi4", kind="note", message="kept"))
        writer.append(DeviceEvent(device="pi4", kind="note", message="damaged"))
        finish(writer)
    path = writer.path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"damaged", b"damag\xff\xff"))
    with pytest.raises(SystemExit) as done:
        main(["export", "--format", "csv", "--store", str(store.path)])
    assert done.value.code == 0
    assert "line 2 of the journal is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "shown"), [("=cmd()", "'=cmd()"), ("+1", "'+1"), ("@x", "'@x"), ("a=b", "a=b")])
def test_a_cell_is_no_formula(text: str, shown: str) -> None:
    assert cell(text) == shown
    assert harmless("a\tb\nç漢\u200b👍") == "a\tb\nç漢\u200b👍"


def test_resume_writes_what_a_full_disk_left_out(tmp_path: Path) -> None:
    run = write_family(Store(tmp_path))
    assert run.path is not None
    whole = (run.path / "measurements.parquet").read_bytes()
    for name in ("measurements.parquet", "journal.end"):
        (run.path / name).unlink()
    assert resume_run(Store(tmp_path), "latest", Silent()).outcome == "complete"
    assert (run.path / "measurements.parquet").read_bytes() == whole
    assert (run.path / "journal.end").is_file()


def test_figures_that_cannot_be_stored_are_a_sentence(tmp_path: Path) -> None:
    with Store(tmp_path).create(synthetic_record()) as writer:
        context = RunContext(tmp_path, writer, Silent(), 1, 1, False, 0, 0, 0)
        # What needs no figure to say what it is of is stored as failed; anything else ends the run with a sentence.
        kept = context.append(Invocation(case_id="c", index=0, order=0, status="ok", first_ns=1e300, iterations=2**63))
        assert (kept.status, kept.first_ns) == ("failed", None)
        with pytest.raises(CannotMeasure, match="reported an impossible value"):
            context.append(
                Pair(comparison_id="c", stage="screen", number=0, first="base", base_ns=float("nan"), head_ns=1.0)
            )
