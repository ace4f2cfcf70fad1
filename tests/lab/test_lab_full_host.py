"""A lab host whose folder cannot be written to: a sentence for the client, and no fault of the program."""

from __future__ import annotations

import asyncio
import errno
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.lab import calls, session
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.wire import Ended
from bnnbench.results.errors import store_error

FULL = OSError(errno.ENOSPC, "No space left on device")


def said(host: Host, reason: str) -> str:
    return (
        f"the lab host 'rack' cannot write to {host.folder} ({reason}): make it writable or free space, or "
        "join with another --folder."
    )


def test_records_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Ended:
        raise store_error(FULL, tmp_path / "journal.jsonl") from FULL

    monkeypatch.setattr(session, "_work", full)
    host = Host(tmp_path, {}, name="rack")
    monkeypatch.setattr(Host, "beside", lambda _, device: [device])
    order = SimpleNamespace(record=SimpleNamespace(run_id="run"), device="pi")
    ended = session.session_for(host, order).ended.result(timeout=10)  # type: ignore[arg-type]
    assert (ended.outcome, ended.kind, ended.trace) == ("failed", "CannotMeasure", None)
    assert ended.message == said(host, "No space left on device")


def test_files_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file in the place of the folder")
    host = Host(tmp_path, {}, name="rack")
    worker = SimpleNamespace(plugins={calls.PLUGIN: SimpleNamespace(host=host)})
    name = f"{sha256(b'model').hexdigest()}/net.tflite"
    with pytest.raises(CannotMeasure) as raised:
        asyncio.run(calls.receive_file(name, "me", 0, b"model", True, worker))  # type: ignore[arg-type]
    assert str(raised.value) == said(host, "Not a directory")
