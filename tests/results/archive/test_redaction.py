"""A redacted archive names nobody: secrets are planted in every text of every record, and searched in all of it."""

from __future__ import annotations

import typing
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec
import pytest

from bnnbench.results import load
from bnnbench.results.archive.container import opened
from bnnbench.results.archive.pack import pack
from bnnbench.results.archive.redaction import Pseudonyms
from bnnbench.results.archive.unpack import unpack, unpack_aside
from bnnbench.results.records import (
    Accuracy,
    CaseRecord,
    DeviceEvent,
    Entry,
    Gate,
    Invocation,
    Pair,
    Peak,
    RunEnd,
    RunRecord,
    Verdict,
    Verdicts,
)
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from tests.results.archive.conftest import COMPARISON

KNOWN = {"buildhost": "host", "zebediah": "user", "0A1B2C3D": "serial", "/keys/of/mine": "path"}
"""What this machine knows of names."""
SECRETS = (
    "buildhost",
    "zebediah",
    "0A1B2C3D",
    "/keys/of/mine",
    "ann@example.org",
    "attic.example.org",
    "board7.acme.internal",
    "/home/ann/acme/secret.tflite",
    "/srv/acme/models/secret.tflite",
    "~/acme/secret.toml",
    "C:\\Users\\ann\\secret.tflite",
    "'/data/my models/secret.tflite'",
    "192.0.2.7",
    "2001:db8::7",
    "dc:a6:32:01:02:03",
    "6af7f18f-d86a-461a-80e3-a9061364d82a",
    "ssh://pi@board:2222/x",
    "serial: 10000000abcdef",
    "connect to host acmebox port 22",
    "Could not resolve hostname acmebox2: Name or service not known",
    "username=annabel",
)
HIDDEN = (
    *("buildhost", "zebediah", "0A1B2C3D", "keys/of", "ann@", "example.org", "board7", "acme", "secret", "Users"),
    *("my models", "192.0.2.7", "2001:db8", "dc:a6", "6af7f18f", "pi@board", "10000000abcdef", "annabel"),
    *("rack-17", "attic-pi", "f00dfeedf00dfeed"),
)
"""What must not be in a redacted archive, of these and of the run."""
TEXT = " and ".join(SECRETS)


def planted(kind: Any, key: str = "") -> Any:
    """A value of a type, with the secrets wherever a text can be."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return planted(options[0], key)
    if origin is typing.Literal:
        return options[0]
    if origin in (typing.Union, UnionType):
        return planted(next(option for option in options if option is not type(None)), key)
    if kind is str:
        return {"comparison_id": "c", "metric": "latency", "unit": "ns", "device": "rack-17"}.get(key, TEXT)
    if kind is Any:
        return {TEXT: TEXT, "list": [TEXT, {TEXT: TEXT}]}
    if origin is list:
        return [planted(options[0], key)]
    if origin is dict:
        return {TEXT: planted(options[1], key)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return planted_record(kind)
    return {bool: True, int: 1, float: 1.0}[kind]


def planted_record(kind: Any, **given: Any) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{name: planted(hint, name) for name, hint in hints.items()} | given)


def suite() -> dict[str, Any]:
    """What a run was asked for, with everything in it that can name a place."""
    side = {
        "text": "mine@/srv/acme/secret",
        "engine": "mine",
        "binaries": {"": "/srv/acme/secret"},
        "model": "secret models/acme.tflite",
        "models": {"layer": "/srv/acme/secret.tflite"},
        "declared": {"command": ["run", "--token=secret"], "binary": {"x86_64": "bin/acme"}, "files": ["acme.py"]},
    }
    return {
        "pools": {"serial=0A1B2C3D": ["rack-17"], "host~acme": ["rack-17", "local"]},
        "suite": {
            "name": TEXT,
            "model": [{"file": "/srv/the acme models/secret.tflite", "dataset": "acme/images", "name": TEXT}],
            "engine": {"mine": {"command": ["{binary}", "--key", "secret"], "files": ["acme/engine.py"]}},
        },
        "devices": ["rack-17", "ssh://pi@attic-pi:22"],
        "sources": ["acme/suite.toml", "/srv/acme/suite.toml"],
        "inventory": "/home/ann/acme.toml",
        "compare": {"base": side, "head": side},
        "filter": TEXT,
    }


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    """A run with the secrets in every text of its record and of a journal with every kind of entry."""
    fact = {"value": TEXT, "source": TEXT}
    facts: dict[str, Any] = dict.fromkeys(
        ("model", "kernel", "serial", "address", "anything", "boot_id", "machine_id"), fact
    )
    facts |= {"boot_id": {"value": "f00dfeedf00dfeed", "source": TEXT}, "emulated": {"value": False, "source": TEXT}}
    names = ("rack-17", "attic-pi")
    cases = [planted_record(CaseRecord, id=f"case{n}", device=name) for n, name in enumerate(names)]
    record = planted_record(
        RunRecord,
        run_id="20260131-142501-9f3a1c",
        created="2026-01-31T14:25:01+00:00",
        version="0.2.0",
        after=None,
        schema=1,
        seed=0,
        invocations_per_case=1,
        samples_per_invocation=1,
        cases=cases,
        devices=dict.fromkeys(names, facts),
        suite=suite(),
        counted=["attic-pi"],
        command=["bnnbench", "run", TEXT, "secret"],
        models={"/srv/the acme models/secret.tflite": "ab" * 32},
    )
    entries: list[Entry] = [
        planted_record(kind, **given)
        for kind, given in (
            (Gate, {"case_id": "case0", "status": "ok"}),
            (Invocation, {"case_id": "case0", "status": "ok"}),
            (Pair, {}),
            (Verdict, {}),
            (Verdicts, {}),
            (Accuracy, {"case_id": "case0", "right": None}),
            (Peak, {"device": "rack-17"}),
            (DeviceEvent, {"device": "rack-17", "message": f"rack-17 is away, attic-pi is not; {TEXT}"}),
            (RunEnd, {"overhead": {"rack-17": {"x": 1.0}}}),
        )
    ]
    store = Store(tmp_path / "store")
    with store.create(record) as writer:
        writer.append(*entries)
        writer.write_end()
    return store.run("latest")


def content_of(archive: Path) -> str:
    with zipfile.ZipFile(archive) as file:
        return "\n".join(file.read(name).decode() for name in file.namelist())


def leaks(archive: Path) -> list[str]:
    content = content_of(archive)
    return [secret for secret in HIDDEN if secret in content]


def calibration() -> Calibration:
    return planted_record(Calibration, device="rack-17", created="2026-01-30T00:00:00+00:00")  # type: ignore[no-any-return]


def test_the_secrets_are_there_before(run: StoredRun, tmp_path: Path) -> None:
    """Else the tests below could not fail."""
    plain = pack(run, tmp_path / "plain.bnn", calibrations=[calibration()]).path
    assert set(leaks(plain)) >= set(HIDDEN) - {"Users"}  # whose backslash JSON doubles, which does not hide it
    fields = {name for kind in (Gate, Invocation, DeviceEvent, Verdict, Accuracy) for name in kind.__struct_fields__}
    assert {"reason", "stderr", "message", "why", "counters_error"} <= fields


def test_nothing_of_them_is_in_a_redacted_archive(run: StoredRun, tmp_path: Path) -> None:
    done = pack(run, tmp_path / "clean.bnn", calibrations=[calibration()], known=KNOWN)
    assert leaks(done.path) == []
    assert done.manifest.redacted
    assert {"host", "user", "path", "serial", "address", "MAC", "machine id"} <= set(done.taken)


def test_a_redacted_run_is_read_like_any_other(run: StoredRun, tmp_path: Path) -> None:
    done = pack(run, tmp_path / "clean.bnn", calibrations=[calibration()], known=KNOWN)
    with opened(done.path) as archive:
        found = unpack(archive, Store(tmp_path / "other"))
        (tmp_path / "aside").mkdir()
        _, _, calibrations = unpack_aside(archive, tmp_path / "aside")
    again = Store(tmp_path / "other").run("latest")
    assert again.warnings == []
    assert found.path.name == run.record.run_id
    assert [type(entry) for entry in again.entries] == [type(entry) for entry in run.entries]
    assert list(again.record.devices) == ["device-1", "device-2"]
    assert list(calibrations) == ["device-1"]
    assert again.record.counted == ["device-2"]
    assert again.record.suite["devices"] == ["device-1", "device-2"]
    assert again.record.command == ["bnnbench", "run", "<arguments>"]
    assert again.record.fact("device-1", "serial") is None
    assert again.record.fact("device-1", "emulated") is False
    assert again.record.fact("device-1", "boot_id") == again.record.fact("device-2", "boot_id")
    assert again.events[0].message.startswith("device-1 is away, device-2 is not")
    assert list(load(again)["device"])[:2] == ["device-1", "device-2"]


def test_what_names_nobody_stays(store: Store, tmp_path: Path) -> None:
    """Of a real run: all figures, and all texts but those that are named here."""
    before = store.run(COMPARISON)
    done = pack(before, tmp_path / "clean.bnn", known=KNOWN)
    with opened(done.path) as archive:
        (tmp_path / "aside").mkdir()
        _, after, _ = unpack_aside(archive, tmp_path / "aside")
    assert after.entries == before.entries
    changed = {
        name for name in before.record.__struct_fields__ if getattr(before.record, name) != getattr(after.record, name)
    }
    assert changed == {"command", "suite", "devices"}
    facts: tuple[Mapping[str, Any], ...] = (before.record.devices["local"], after.record.devices["local"])
    assert {name for name in facts[0] if facts[0][name] != facts[1].get(name)} <= {
        *("boot_id", "machine_id", "address", "power_sources", "tools", "temperature_files", "cpu_quota_files"),
    }


@pytest.mark.parametrize(
    "text",
    [
        *("Linux 6.18.44-fc-v669", "3.11.7", "2026-01-02 03:04:05 UTC", "bgemm 16x24x200", "12:30:05"),
        *("/sys/class/thermal/thermal_zone0/temp", "tried /proc/cpuinfo, /dev/null", "ELF header of /bin/sh"),
        *("the host was lost", "ns/iteration", "{folder}/my_engine.py", "tiny_larq.tflite op 3", "1/2", "a / b"),
        *("<b>bold</b>", "no user is logged in", "Raspberry Pi 4 Model B Rev 1.4"),
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    assert Pseudonyms(KNOWN).text(text) == text


def test_the_same_value_has_the_same_number() -> None:
    names = Pseudonyms(KNOWN)
    assert names.text("from /srv/a to /srv/b") == "from <path 1> to <path 2>"
    assert names.text("'/srv/b' on buildhost, 192.0.2.7") == "'<path 2>' on <host 1>, <address 1>"
    assert names.taken == {"path": 3, "host": 1, "address": 1}
