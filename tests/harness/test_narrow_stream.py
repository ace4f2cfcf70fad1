"""Output where the locale has ASCII only: never an error, names can be told apart, JSON stays JSON, files are UTF-8."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bnnbench.harness.cli.failure import explain
from bnnbench.harness.cli.main import main
from bnnbench.harness.cli.narrow_stream import narrowed
from tests.harness.bench import Bench
from tests.kernels.model_builder import Builder

NAME = "pööl ±µ 日本 \N{PILE OF POO}"


def written(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: str) -> tuple[str, str, object]:
    """What a command writes to stdout and stderr of this encoding, strictly, and its exit status."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main(list(words))
    for stream in streams:
        assert stream.errors == "strict", "as it was before"
        stream.flush()
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    return out, err, ended.value.code


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of two runs and a model, all of whose names need Unicode."""
    monkeypatch.chdir(tmp_path)
    for day in ("01", "02"):
        times = [1e-6 + place * 1e-9 for place in range(8)]
        document = {"datetime": f"2026-01-{day}T00:00:00", "benchmarks": [{"fullname": NAME, "stats": {"data": times}}]}
        (tmp_path / f"{day}.json").write_text(json.dumps(document))
        written(monkeypatch, "ascii", "import", f"{day}.json", "--store", "störe")
    b = Builder()
    x = b.input((1, 4))
    b.tensors[x]["name"] = NAME
    (tmp_path / "modèl.tflite").write_bytes(b.content(b.op("RELU", [x], b.tensor((1, 4), name="größe"))))
    np.save(tmp_path / "in.npy", np.ones((1, 4), "f4"))
    return tmp_path


COMMANDS = (
    ("report", "--store", "störe"),
    ("report", "--store", "störe", "--json"),
    ("export", "--store", "störe", "--format", "csv"),
    ("export", "--store", "störe", "--format", "pytest-benchmark"),
    ("compare", "20260101", "20260102", "--store", "störe"),
    ("compare", "20260101", "20260102", "--store", "störe", "--json"),
    ("chart", "latency", "--store", "störe", "-o", "größe.svg"),
    ("model", "info", "modèl.tflite"),
    ("model", "info", "modèl.tflite", "--json"),
    ("model", "list"),
    ("devices", "list"),
    ("baseline", "list", "--store", "störe", "--json"),
    ("report", "pööl", "--store", "störe"),
    ("infer", "fehlt-ä.tflite", "-i", "in.npy", "-o", "x.npy"),
    ("chart", "grö", "--store", "störe"),
    ("nöpe",),
    ("--help",),
    ("run", "--help"),
)


@pytest.mark.parametrize(
    ("words", "encoding"), [*((words, "ascii") for words in COMMANDS), (COMMANDS[4], "latin-1")], ids=str
)
def test_no_command_fails_by_its_output(
    store: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], encoding: str
) -> None:
    (store / "runs").mkdir()
    out, err, status = written(monkeypatch, encoding, *words)
    assert status in (None, 0, 2)
    assert "Unicode" not in out + err
    assert "internal error" not in err
    if "--json" in words or "pytest-benchmark" in words:
        json.loads(out)


def test_names_can_be_told_apart_and_json_is_right(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = json.loads(
        written(monkeypatch, "ascii", "compare", "20260101", "20260102", "--store", "störe", "--json")[0]
    )["ratios"]
    assert row["workload"] == NAME
    table = written(monkeypatch, "ascii", "compare", "20260101", "20260102", "--store", "störe")[0]
    assert "p\\u00f6\\u00f6l +-u \\u65e5\\u672c ?" in table
    assert "1.004 us (1.000-1.007)" in table


def test_what_is_written_to_files_is_utf_8(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not written(monkeypatch, "ascii", "report", "--store", "störe", "-o", "r")[2]
    assert not written(monkeypatch, "ascii", "export", "--store", "störe", "--format", "csv", "-o", "x.csv")[2]
    for name in ("r/index.html", "r/results.csv", "x.csv"):
        assert "pööl" in (store / name).read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("plain\n", "plain\n"),
        ("ß\n日", "\\u00df\n\\u65e5"),
        ("12 µs ±3 %, 2.0× – 60 °C …", "12 us +-3 %, 2.0x - 60 C ..."),
        ("\N{CJK UNIFIED IDEOGRAPH-20000}", "\\ud840\\udc00"),  # as JSON has it
        ("\N{PILE OF POO}█⠋", "???"),
    ],
)
def test_what_ascii_shows(text: str, right: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict", newline="")
    with narrowed(stream):
        stream.write(text)
        stream.flush()
    assert stream.buffer.getvalue().decode("ascii") == right  # type: ignore[attr-defined]


def test_a_file_that_the_locale_cannot_name_is_a_sentence() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "größe.tflite".encode("ascii")
    sentence, status = explain(caught.value)
    assert (status, "'größe.tflite': set LC_ALL" in sentence) == (2, True)


@pytest.mark.parametrize(
    "locale",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONIOENCODING": ""}],
    ids=["ascii", "no-utf8-mode"],
)
def test_a_run_under_the_c_locale(bench: Bench, locale: dict[str, str]) -> None:
    bench.write("suite.toml", 'name = "pööl"\n[[kernel]]\nname = "pööl"\nop = "bmaxpool2d"\ninput = [8, 8, 33]\n')
    bench.environment |= {"LC_ALL": "C", **locale}
    done = bench.run("run", "suite.toml", "-e", "native", "--invocations", "1", "--store", "store")
    assert done.returncode in (0, 3), done.stderr
    assert "Unicode" not in done.stdout + done.stderr
    assert "internal error" not in done.stderr
    assert (done.stdout + done.stderr).isascii()
    assert bench.store.run().record.suite_name == "pööl"
