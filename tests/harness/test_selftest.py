"""The report of a device: right where it is right, and without a name in it."""

from __future__ import annotations

import json
import platform
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.devices.doctor import Finding
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.tasks import selftest as task
from bnnbench.harness.tasks.redaction import redactor_of
from bnnbench.harness.tasks.selftest import is_right
from bnnbench.harness.tasks.selftest_report import read, render
from bnnbench.kernels.ops import BGemm
from bnnbench.kernels.targets import ISA_LEVELS
from bnnbench.results.redactor import Redactor
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench, one_sentence

pytestmark = pytest.mark.timeout(120)
USER = "zebediah"
SPEC = DeviceSpec(
    name="attic",
    host="attic.example.org",
    user="zebediah",
    port=2222,
    identity_file=Path("/keys/of/mine"),
    serial="0A1B2C",
)
SECRETS = {
    "login attic.example.org refused": "host",
    "login attic refused": "device name",
    "zebediah was here": "user",
    "user ann@example.org": "user",
    "key /keys/of/mine": "path",
    "log in /home/ann/.ssh/config": "path",
    "log in /Users/ann": "path",
    "device 0A1B2C": "serial",
    "Serial : 10000000abcdef": "serial",
    "peer 192.0.2.7": "address",
    "peer 2001:db8::7": "address",
    "peer fe80::1%eth0": "address",
    "at ssh://pi@board:22/x": "address",
    "eth0 dc:a6:32:01:02:03": "MAC",
    "boot 6af7f18f-d86a-461a-80e3-a9061364d82a": "machine id",
}


@pytest.mark.parametrize("text", SECRETS)
def test_what_names_somebody_is_taken_out(text: str) -> None:
    redactor = redactor_of(SPEC, {"/home/zebediah": "path"})
    done = redactor.text(text)
    assert redactor.taken == {SECRETS[text]: 1}, done
    assert (
        done.endswith(f"<{SECRETS[text]}>") or done.startswith(f"<{SECRETS[text]}>") or f" <{SECRETS[text]}> " in done
    )


@pytest.mark.parametrize(
    "text",
    [
        *("Raspberry Pi 4 Model B Rev 1.4", "Linux 6.18.44-fc-v782", "2026-01-02 03:04:05 UTC", "3.11.7", "12:30:05"),
        *(
            "/sys/class/thermal/thermal_zone*/temp",
            "bconv2d 5x4x33->7 3x3",
            "soc:firmware",
            "root of the problem",
        ),
    ],
)
def test_what_names_nobody_is_kept(text: str) -> None:
    assert redactor_of(replace(SPEC, name="pi4"), {}).text(text) == text


def test_ids_are_taken_out_of_facts_by_their_names() -> None:
    redactor = Redactor({})
    facts = {
        "machine_id": {"value": "1f9e4e655be50085", "source": "/etc/machine-id"},
        "model": {"value": "Pi", "source": "x"},
    }
    done = redactor.value(facts)
    assert done["machine_id"] == {"value": "<machine id>", "source": "/etc/machine-id"}
    assert done["model"]["value"] == "Pi"
    assert redactor.taken == {"machine id": 1}


@pytest.fixture
def here(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is in the bench's place."""
    for name in ("BNNBENCH_LOCK", "BNNBENCH_CACHE", "HOME"):
        monkeypatch.setenv(name, bench.environment[name])


def report(bench: Bench, device: str) -> tuple[str, dict[str, object]]:
    """The file of a quick look, and the document in it."""
    bench.environment |= {"LOGNAME": USER, "USER": USER}
    done = bench.run("selftest", "-d", device, "--quick", "-o", "report.md")
    assert done.returncode == 0, done.stderr
    assert "attach it to an issue" in done.stdout
    text = (bench.folder / "report.md").read_text()
    document = read(text)
    assert is_right(document)
    assert "**Every kernel is right.**" in text
    for level in document["correctness"].values():
        assert set(level["ops"]) == {"bgemm", "bconv2d", "bitpack", "bmaxpool2d"}
        assert level["cases"] > 40
    return text, document


def assert_no_names(text: str, bench: Bench) -> None:
    facts = json.loads(bench.run("devices", "probe", "local", "--json").stdout)
    secrets = [USER, str(bench.folder), bench.environment["HOME"], platform.node(), "127.0.0.1"]
    secrets += [facts[name]["value"] for name in ("boot_id", "machine_id")]
    # As a word: the name of a host may be a part of any other one.
    assert [one for one in secrets if one and re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text)] == []


def test_of_this_machine(bench: Bench) -> None:
    text, document = report(bench, "local")
    assert_no_names(text, bench)
    assert document["redacted"]["machine id"] == 2  # type: ignore[index]
    assert set(document["correctness"]) <= {level.isa for level in ISA_LEVELS}  # type: ignore[arg-type]
    assert set(document["roofs"]) == set(document["correctness"])  # type: ignore[call-overload]
    assert document["a_a"]["pairs"] == 6  # type: ignore[index]
    assert document["counters"]["page_faults"] == "readable"  # type: ignore[index]
    for title in ("Roofs", "The engine against itself", "Signs of throttling", "Counters", "Versions", "Taken out"):
        assert f"\n## {title}\n" in text


@pytest.mark.slow
def test_over_ssh(bench: Bench, board: LoopbackSsh) -> None:
    text, document = report(bench, "board")
    assert_no_names(text, bench)
    assert str(board.spec("board").port) not in json.dumps(document["facts"])
    assert document["transport"] == "ssh"


@pytest.mark.board
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 (Debian: qemu-user) is missing")
def test_of_an_emulated_cpu(bench: Bench) -> None:
    text, document = report(bench, "qemu://cortex-a72")
    assert "roofs" not in document
    assert "its times mean nothing" in text


def test_planted_names_are_not_in_the_file(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a device's own words come into it."""
    monkeypatch.setenv("LOGNAME", USER)
    planted = [USER, str(Path("~").expanduser()), "192.0.2.99", "dc:a6:32:01:02:03", "/home/ann/keys", "10000000cafe"]
    words = f"{USER} of {Path('~').expanduser()} at 192.0.2.99, dc:a6:32:01:02:03, /home/ann/keys, serial: 10000000cafe"
    monkeypatch.setattr(task, "sweep", lambda: [BGemm(m=2, n=3, k=70)])
    monkeypatch.setattr(task, "diagnose", lambda *_: [Finding("planted", words, words)])
    document = task.selftest("local", None, print, lambda *_: None, quick=True)
    text = render(document)
    assert [one for one in planted if one in text] == []
    assert {"user", "path", "address", "MAC", "serial"} <= set(document["redacted"])
    assert "**Every kernel is right.**" in text


def test_a_wrong_kernel_is_named(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    right = task.KernelWorkload.expected.func  # type: ignore[attr-defined]

    def wrong(self: object) -> object:
        output = right(self)
        return output + 1 if self.spec == BGemm(m=1, n=1, k=1) else output  # type: ignore[attr-defined]

    monkeypatch.setattr(task, "QUICK_EVERY", 1)
    monkeypatch.setattr(task, "sweep", lambda: [BGemm(m=1, n=1, k=1), BGemm(m=2, n=3, k=70)])
    monkeypatch.setattr(task.KernelWorkload, "expected", property(wrong))
    document = task.selftest("local", None, print, lambda *_: None, quick=True)
    assert not is_right(document)
    text = render(document)
    assert "**Not every kernel is right, see below.**" in text
    for level in document["correctness"].values():
        assert (level["cases"], level["right"]) == (2, 1)
        assert level["failures"][0] == {"case": "bgemm 1x1x1", "why": "the output is not the oracle's"}


def test_nothing_in_it_is_markup() -> None:
    document = {
        "created": "2026-01-02T03:04:05",
        "quick": True,
        "correctness": {},
        "facts": {"model": {"value": "<img src=x> | `a` [b](c)\n# d\n```", "source": "x"}},
        "findings": [{"weight": "low", "what": "<b>", "mend": "|"}],
        "versions": {},
        "redacted": {},
    }
    text = render(document)
    shown = text[: text.index("<details>")]
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "\n# d" not in shown
    assert read(text)["facts"] == document["facts"]


def test_a_place_that_is_not_there_is_refused_before_anything_is_measured(bench: Bench) -> None:
    done = bench.run("selftest", "-o", "nowhere/report.md", timeout=20)
    assert done.returncode == 2
    assert "--output nowhere/report.md cannot be written" in one_sentence(done.stderr)
