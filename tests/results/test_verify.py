"""`store verify`: what is as it was written is whole, and every flipped bit is found, with its place."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bnnbench.results.records import RunEnd
from bnnbench.results.store.alert_states import AlertState, Subject, write_state
from bnnbench.results.store.baselines import Baseline, BaselineEngine, BaselineModel, Baselines
from bnnbench.results.store.calibration import Calibration, latest, save
from bnnbench.results.store.files import FILES, file_names, sum_of, write_files
from bnnbench.results.store.runs import Store
from bnnbench.results.store.seal import number_of
from bnnbench.results.store.signature import sign
from bnnbench.results.tables.run_files import finish
from bnnbench.results.verify.finding import ItemResult
from bnnbench.results.verify.items import items

STORE = Path(__file__).parents[1] / "docs/frozen/0.2.0"
FLIPS = 100


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Runs, a baseline and a calibration as this version writes them, signed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "store"
    for folder in STORE.glob("2*"):
        copy = Path(shutil.copytree(folder, path / "runs" / folder.name))
        for name in ("measurements.parquet", "journal.end", "run.json.signature", "values.json"):
            (copy / name).unlink()
        sign(copy / "run.json")
        with Store(path).reopen(folder.name) as writer:
            finish(writer)
    engine, model = tmp_path / "engine", tmp_path / "model"
    engine.write_bytes(random.Random(1).randbytes(3000))  # noqa: S311
    model.write_bytes(random.Random(2).randbytes(2000))  # noqa: S311
    shas = [sum_of(file.read_bytes()).sha256 for file in (engine, model)]
    baseline = Baseline(
        name="main",
        created="2026-01-01T00:00:00+00:00",
        version="0",
        run_id="r",
        suite={},
        engines=[BaselineEngine(engine="native", triple="t", sha256=shas[0])],
        models=[BaselineModel(workload="m", sha256=shas[1], size_bytes=2000)],
    )
    Baselines(path).save(baseline, {shas[0]: engine}, {shas[1]: model})
    save(path, calibration())
    write_state(path, decision())
    return Store(path)


def decision() -> AlertState:
    subject = Subject(
        kind="regression",
        source="history",
        device="pi4",
        workload="quicknet_s",
        engine="native",
        variant=None,
        threads=1,
        metric="latency",
    )
    return AlertState(
        id="0123456789ab",
        state="acknowledged",
        subject=subject,
        first_run="r",
        first_created="2026-01-01T00:00:00+00:00",
        until="2026-01-02T00:00:00+00:00",
        changed="2026-01-03T00:00:00+00:00",
        note="bisecting",
    )


def calibration() -> Calibration:
    return Calibration(
        device="pi4",
        created="2026-01-01T00:00:00+00:00",
        version="0",
        suite="s",
        kernel=None,
        floor=0.01,
        margin=0.02,
        comparisons=10,
        false_alarms=0,
        false_alarm_low=0.0,
        false_alarm_high=0.3,
        unstable=0,
        conclusive=1.0,
        sigma=None,
        mde=None,
        invocation_ms=None,
    )


def checked(store: Store, *runs: str) -> dict[str, ItemResult]:
    return {part.name: part.check() for part in items(store, runs)}


def damage(store: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in checked(store).values():
        for one in part.findings:
            if one.grade == "damage":
                found.setdefault(one.where, []).append(one.text)
    return found


def run_folder(store: Store, of: str = "60e40") -> Path:
    return next(folder for folder in store.runs_path.iterdir() if folder.name.endswith(of))


def test_what_was_written_is_whole(store: Store) -> None:
    found = checked(store)
    assert not [one for part in found.values() for one in part.findings]
    assert {part.kind for part in found.values()} == {"run", "baseline", "calibration", "alert"}
    assert {part.state for part in found.values() if part.kind == "run"} == {"ended"}
    assert all(part.signed for part in found.values() if part.kind in ("run", "baseline"))
    assert {path.stat().st_size for path in store.path.rglob("*.lock")} <= {0}
    on_disk = [path for path in store.path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    listed = sum(part.files for part in found.values()) + len(list(store.path.rglob(FILES)))
    assert listed == len([path for path in on_disk if path.name != ".lock"])


def test_each_of_100_flipped_bits_is_found(store: Store) -> None:
    """In every kind of file there is; none of no length."""
    dice = random.Random(17)  # noqa: S311
    files = sorted(path for path in store.path.rglob("*") if path.is_file() and path.stat().st_size)
    # Each file first, then by chance: a byte at random alone would almost always be of the largest one.
    chosen = [files[number % len(files)] for number in range(FLIPS)]
    assert 3 * len(files) < FLIPS
    by_part = items(store)
    missed = []
    for path in chosen:
        whole = path.read_bytes()
        at, bit = dice.randrange(len(whole)), dice.randrange(8)
        path.write_bytes(flipped(whole, at, bit))
        place = path.relative_to(store.path).as_posix()
        names = [part for part in by_part if part.name.split()[-1] in place]
        found = [one for part in names for one in part.check().findings if one.grade == "damage"]
        if not any(one.where == place for one in found):
            missed.append((place, at, bit, found))
        path.write_bytes(whole)
    assert not missed
    assert not damage(store)


def test_without_files_json_every_line_is_still_checked(store: Store) -> None:
    """As in stores of versions before."""
    folder = run_folder(store)
    (folder / FILES).unlink()
    assert not damage(store)
    path = folder / "journal.jsonl"
    whole, dice = path.read_bytes(), random.Random(3)  # noqa: S311
    for at in dice.sample(range(len(whole)), 40):
        path.write_bytes(flipped(whole, at, dice.randrange(8)))
        assert damage(store), at


def test_without_files_json_every_page_is_still_checked(store: Store) -> None:
    """The last byte of each column is in the data of a page; a page's header and the footer have no checksum."""
    folder = run_folder(store)
    (folder / FILES).unlink()
    path = folder / "measurements.parquet"
    whole = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    for column in columns:
        start = column.dictionary_page_offset or column.data_page_offset
        path.write_bytes(flipped(whole, start + column.total_compressed_size - 1, 0))
        assert damage(store), column.path_in_schema


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def spoil(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return do


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("do", "where", "said"),
    [
        (spoil("journal.jsonl", lambda d: b"".join([*_lines(d)[:1], *_lines(d)[2:]])), "journal.jsonl", "lost"),
        (spoil("journal.jsonl", lambda d: b"".join([*_lines(d)[:2], *_lines(d)[1:]])), "journal.jsonl", "doubled"),
        (spoil("journal.jsonl", lambda d: b"".join(_lines(d)[:2])), "journal.jsonl", "records were written"),
        (spoil("journal.jsonl", lambda d: d[:-1] + b"x"), "journal.jsonl", "its end is damaged"),
        (spoil("journal.end", lambda d: b"1\n"), "journal.end", "it says 1 records"),
        (spoil("journal.end", lambda d: b"x\n"), "journal.end", "no number of records"),
        (spoil("run.json", lambda d: d.replace(b'"seed": 0', b'"seed": 1')), "run.json", "checksum is wrong"),
        (spoil("measurements.parquet", lambda d: d[: len(d) // 2]), "measurements.parquet", "can't be read"),
        (lambda folder: (folder / "journal.jsonl").unlink(), "journal.jsonl", "is missing"),
    ],
)
@pytest.mark.parametrize("has_files", [True, False])
def test_damage_is_found_with_its_place(
    store: Store, do: Callable[[Path], None], where: str, said: str, has_files: bool
) -> None:
    folder = run_folder(store)
    if not has_files:
        (folder / FILES).unlink()
    do(folder)
    found = damage(store)
    assert set(found) == {f"runs/{folder.name}/{where}"}
    (texts,) = found.values()
    assert any(said in text for text in texts), texts
    assert all(": restore " in text or ": remove it" in text for text in texts)


def test_it_never_stops_at_the_first(store: Store) -> None:
    for folder in store.runs_path.iterdir():
        spoil("journal.jsonl", lambda data: data.replace(b"case_id", b"case_ix"))(folder)
    next((store.path / "devices/pi4").iterdir()).write_text("{")
    (run_folder(store) / "run.json").write_text("{")
    found = damage(store)
    assert len(found) == 5
    many = found[f"runs/{run_folder(store, '3948e').name}/journal.jsonl"]
    assert len(many) > 20


def test_a_parquet_file_of_other_rows_is_found(store: Store) -> None:
    one, other = run_folder(store), run_folder(store, "3948e")
    shutil.copyfile(other / "measurements.parquet", one / "measurements.parquet")
    write_files(one)
    (part,) = (part for part in checked(store).values() if part.findings)
    assert [finding.grade for finding in part.findings] == ["note"]  # as its writer made it
    (one / FILES).unlink()
    assert "rows" in damage(store)[f"runs/{one.name}/measurements.parquet"][0]


def test_a_run_that_is_being_written_is_no_damage(store: Store) -> None:
    folder = run_folder(store)
    with store.reopen(folder.name) as writer:
        writer.append(RunEnd(finished="now", outcome="interrupted"))
        with (folder / "journal.jsonl").open("ab") as file:
            file.write(b'{"type":"gate"')
        (folder / ".journal.end.abc").write_text("")
        found = checked(store, folder.name)[folder.name]
    assert found.state == "being written"
    assert [one.grade for one in found.findings] == ["note"]


def test_a_run_that_was_resumed_and_cut_off_is_no_damage(store: Store) -> None:
    folder = run_folder(store)
    end = next(line for line in reversed(_lines((folder / "journal.jsonl").read_bytes())))
    assert number_of(end.rstrip(b"\n"))
    with store.reopen(folder.name) as writer:
        writer.append(writer.read().invocations[0])
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"type":"gate"')
    assert not damage(store)
    spoil("journal.jsonl", lambda data: data.replace(b"case_id", b"case_ix", 1))(folder)
    assert damage(store)


def test_what_killed_processes_left_is_noted(store: Store) -> None:
    (run_folder(store) / ".run.json.x1y2").write_text("{")
    (store.path / "baselines/.saving-abc").mkdir()
    shutil.copytree(store.path / "baselines/main", store.path / "baselines/.old-main")
    gone = Path(shutil.copytree(run_folder(store), store.runs_path / "20200101-000000-aaaaaa"))
    (gone / "run.json").unlink()
    found = checked(store)
    notes = {one.where for part in found.values() for one in part.findings if one.grade == "note"}
    assert notes == {
        f"runs/{run_folder(store).name}/.run.json.x1y2",
        "baselines/.saving-abc",
        "baselines/.old-main",
    }
    assert set(damage(store)) == {"runs/20200101-000000-aaaaaa/run.json"}


def test_a_baseline_whose_replacement_was_cut_off_is_checked(store: Store) -> None:
    (store.path / "baselines/main").rename(store.path / "baselines/.old-main")
    assert checked(store)["baseline main"].findings == []
    (blob,) = (store.path / "baselines/.old-main/engines").iterdir()
    blob.write_bytes(b"other")
    assert set(damage(store)) == {f"baselines/.old-main/engines/{blob.name}"}


def test_a_store_of_0_2_0_is_whole_but_for_what_is_not_in_the_repository(tmp_path: Path) -> None:
    for folder in STORE.glob("2*"):
        shutil.copytree(folder, tmp_path / "runs" / folder.name)
    shutil.copytree(STORE / "baselines", tmp_path / "baselines")
    (missing,) = damage(Store(tmp_path))
    assert missing.startswith("baselines/main/engines/")


def test_a_calibration_has_a_checksum_and_old_ones_are_read(store: Store) -> None:
    (path,) = (store.path / "devices/pi4").iterdir()
    assert latest(store.path, "pi4") == calibration()
    path.write_bytes(path.read_bytes().replace(b'"comparisons": 10', b'"comparisons": 90'))
    assert "checksum" in damage(store)[f"devices/pi4/{path.name}"][0]
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration()), indent=1) + b"\n")
    assert latest(store.path, "pi4") == calibration()
    assert not damage(store)


def test_names_in_files_json_lead_nowhere(store: Store, tmp_path: Path) -> None:
    """A list from elsewhere that names a file outside: nothing there is read."""
    (tmp_path / "secret").write_text("x")
    folder = run_folder(store)
    shutil.copyfile(tmp_path / "secret", folder / "secret")
    write_files(folder)
    from bnnbench.results.store.seal import seal_document

    body = (folder / FILES).read_bytes().replace(b'"secret"', b'"../../../secret"')
    text = b"{\n" + body.split(b'"sealed": true,\n', 1)[1].rsplit(b',\n "sum"', 1)[0] + b"\n}"
    (folder / FILES).write_bytes(seal_document(text))
    assert any("is missing" in text for texts in damage(store).values() for text in texts)
    assert "secret" in file_names(folder)
