"""A baseline is whole or the older one is still there, whenever a save is cut off."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.store.baselines import Baseline, BaselineEngine, Baselines

STEPS = ("rename", "replace", "mkdir", "open", "fsync", "chmod", "fchmod", "rmdir", "unlink")


class Killed(BaseException):
    """What a kill is to this process: nothing after it runs, not even what tidies up after an error."""


def baseline(version: str, engine: Path) -> tuple[Baseline, dict[str, Path]]:
    sha = hashlib.sha256(engine.read_bytes()).hexdigest()
    engines = [BaselineEngine(engine="native", triple="x", sha256=sha)]
    made = Baseline(name="main", created=f"2026-01-0{version}", version=version, run_id="r", suite={}, engines=engines)
    return made, {sha: engine}


def save(store: Path, version: str, folder: Path) -> None:
    engine = folder / f"engine{version}"
    engine.write_bytes(version.encode() * 9)
    made, files = baseline(version, engine)
    Baselines(store).save(made, files, {})


@contextmanager
def stopped(at: int, error: BaseException, patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The system call number `at` that changes the store, and all that follow, fail."""
    count = [0]

    def failing(call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            count[0] += 1
            if count[0] == at or (count[0] > at and isinstance(error, Killed)):
                raise error
            return call(*arguments, **options)

        return wrapped

    with patch.context() as change:
        for name in STEPS:
            change.setattr(os, name, failing(getattr(os, name)))
        yield count


def steps(tmp_path: Path) -> int:
    with pytest.MonkeyPatch.context() as patch, stopped(10**9, Killed(), patch) as count:
        save(tmp_path, "2", tmp_path)
    return count[0]


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["kill", "full"])
def test_a_save_that_is_cut_off_anywhere_loses_no_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (tmp_path / "count").mkdir()
    save(tmp_path / "count", "1", tmp_path)
    last = steps(tmp_path / "count")
    assert last > 8
    for at in range(1, last + 1):
        store = tmp_path / f"{at}"
        store.mkdir()
        save(store, "1", tmp_path)
        with stopped(at, error, monkeypatch), suppress(Killed, StoreError, OSError):
            save(store, "2", tmp_path)
        (found,) = Baselines(store).all()
        assert found.version in ("1", "2"), at
        assert Baselines(store).binaries("main", "native"), at
        save(store, "3", tmp_path)
        assert [one.version for one in Baselines(store).all()] == ["3"], at
        left = [path.name for path in (store / "baselines").iterdir() if path.name != ".lock"]
        assert left == ["main"], at


def test_what_is_no_baseline_is_not_listed(tmp_path: Path) -> None:
    save(tmp_path, "1", tmp_path)
    for name in (".saving-abc", ".hidden", "not a name"):
        (tmp_path / "baselines" / name).mkdir()
        (tmp_path / "baselines" / name / "capsule.json").write_text("{")
    (tmp_path / "baselines" / "file").write_text("")
    assert Baselines(tmp_path).names() == ["main"]
    with pytest.raises(StoreError, match=r"there is main$"):
        Baselines(tmp_path).get("other")


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b"{}", b'{"name":"\xed\xa0\x80"}'])
def test_a_damaged_baseline_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    save(tmp_path, "1", tmp_path)
    (tmp_path / "baselines" / "main" / "capsule.json").write_bytes(content)
    with pytest.raises(StoreError, match="is not a baseline"):
        Baselines(tmp_path).get("main")
    with pytest.warns(StoreWarning, match="is not a baseline"):
        assert Baselines(tmp_path).all() == []
