"""Archives of others are read without unpacking them, and no more of them than is allowed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.wild import archives

MODEL = b"\x00\x00\x00\x00TFL3" + b"\x00" * 100


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def found(content: bytes, folder: Path) -> list[str]:
    (folder / "package").write_bytes(content)
    before = sorted(folder.rglob("*"))
    names = [name for name, _ in archives.models(folder / "package")]
    assert sorted(folder.rglob("*")) == before
    return names


def test_models_in_archives_of_archives(tmp_path: Path) -> None:
    bundle = zipped(**{"deep.tflite": MODEL, "text.tflite": b"text"})
    assert found(zipped(**{"a.task": bundle, "b.tflite": MODEL, "c.py": MODEL}), tmp_path) == [
        "a.task!deep.tflite",
        "b.tflite",
    ]
    deeper = bundle
    for _ in range(5):
        deeper = zipped(**{"x.zip": deeper})
    assert found(deeper, tmp_path) == []


def test_names_that_lead_elsewhere_are_only_names(tmp_path: Path) -> None:
    assert found(zipped(**{"../../evil.tflite": MODEL}), tmp_path) == ["../../evil.tflite"]
    link = tarfile.TarInfo("link.tflite")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    content = tarred([(link, b""), (tarfile.TarInfo("/evil.tflite"), MODEL)])
    assert found(content, tmp_path) == ["/evil.tflite"]


def test_sizes_and_numbers_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBER_BYTES", 1000)
    bomb = zipped(**{"bomb.tflite": MODEL + b"\x00" * 5000, "b.tflite": MODEL})
    assert found(bomb, tmp_path) == ["b.tflite"]
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert len(found(zipped(**{f"{i}.tflite": MODEL for i in range(5)}), tmp_path)) == 2


@pytest.mark.parametrize("content", [b"PK\x03\x04broken", b"\x1f\x8bbroken", b"", b"text"])
def test_damaged_archives_have_no_models(content: bytes, tmp_path: Path) -> None:
    assert found(content, tmp_path) == []
