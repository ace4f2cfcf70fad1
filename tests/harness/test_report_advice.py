"""What a report says that mending its models would save."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bnnbench.harness.tasks.report_advice import advice
from bnnbench.results.store.stored_run import StoredRun
from tests.harness.bench import Bench
from tests.kernels.bad_models import BAD, good

pytestmark = pytest.mark.timeout(120)


def run_of(**models: Path) -> StoredRun:
    """As much of a run as is looked at: the paths of its models with their digests then."""
    kept = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in models.values()}
    return cast("StoredRun", SimpleNamespace(record=SimpleNamespace(models=kept)))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.tflite"
    path.write_bytes(BAD["float_between"][1]().content())
    return path


def test_each_model_has_its_findings_once(bad: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(bad.read_bytes())
    found = advice([run_of(a=bad), run_of(a=bad, b=copy)])
    assert [row.finding for row in found] == ["float-convolution", "float-weights"]
    assert "of the work" in found[0].saves
    assert "of the file" in found[1].saves
    assert all(row.words.endswith(".") and row.mend.endswith(".") for row in found)


def test_a_file_that_is_gone_changed_or_none_is_left_out(bad: Path, tmp_path: Path) -> None:
    whole = run_of(a=bad)
    bad.write_bytes(good().content())
    assert advice([whole]) == []
    bad.unlink()
    assert advice([whole]) == []
    bad.mkdir()
    assert advice([whole]) == []
    other = tmp_path / "text.tflite"
    other.write_text("no model")
    assert advice([run_of(a=other)]) == []
    odd: Any = SimpleNamespace(record=SimpleNamespace(models={"a\0b": "0"}))
    assert advice([odd]) == []


def test_a_report_has_a_section(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.measure("quicknet_m_zero_padded", "--engine", "native", "--invocations", "1")
    done = bench.run("report", "--store", "store", "-o", "report")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "index.html").read_text()
    section = page[page.index('<section id="advice">') :]
    assert "zero-padding" in section[: section.index("</section>")]
