"""`bnnbench alerts`, as a user calls it: a list that reads well, decisions that stay, and the command that settles."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bnnbench.harness.cli.main import app, main
from bnnbench.harness.plan.config import RunConfig
from bnnbench.harness.suite.tables import Suite
from bnnbench.harness.tasks.settle import settling
from bnnbench.results.alerts import Alert, alerts
from bnnbench.results.records import CaseRecord, Entry, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.store.baseline import Baseline, BaselineEngine
from bnnbench.results.store.runs import Store
from tests.docs.blocks import blocks_of
from tests.harness.bench import one_sentence
from tests.results.generated_store import write_run

BEGIN = datetime(2026, 2, 1, 6, tzinfo=UTC)
RUNS, SLOWER_FROM, FASTER_FROM = 24, 8, 16
LONG = "bconv2d 56x56x128 to 128, 3x3"

pytestmark = pytest.mark.timeout(60)


def write_night(store: Path, number: int, factors: dict[tuple[str, str], float]) -> None:
    """A run with a case for each (workload, engine), `factor` times as slow as at first."""
    dice = random.Random(number)  # noqa: S311
    created = BEGIN + timedelta(days=number)
    cases = [
        CaseRecord(id=f"{workload}/{engine}", workload=workload, kind="kernel", engine=engine, device="pi4", threads=1)
        for workload, engine in factors
    ]
    config = RunConfig(suite=Suite(name="nightly"), devices=["ssh://pi@pi4"], sources=["/suites/night ly.toml"])
    record = RunRecord(
        run_id=f"{created:%Y%m%d-%H%M%S}-{number:06x}",
        created=created.isoformat(timespec="microseconds"),
        version="0.2.0",
        suite_name="nightly",
        seed=number,
        cases=cases,
        invocations_per_case=2,
        samples_per_invocation=3,
        commit=f"{number:02x}" * 20,
        suite=msgspec.to_builtins(config),
        devices={"pi4": {"emulated": {"value": False, "source": "made up"}}},
    )
    entries: list[Entry] = [Gate(case_id=case.id, status="ok", iterations=10) for case in cases]
    for case, factor in zip(cases, factors.values(), strict=True):
        samples = [2e6 * factor * dice.gauss(1, 0.001) for _ in range(3)]
        entries += [
            Invocation(case_id=case.id, index=index, order=index, status="ok", iterations=10, samples_ns=samples)
            for index in range(2)
        ]
    write_run(store / "runs", record, [*entries, RunEnd(finished=record.created, outcome="complete", wall_ns=1.0)])


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One case gets slower, one faster, one is steady."""
    store = tmp_path_factory.mktemp("nights")
    for number in range(RUNS):
        slower = 1.041 if number >= SLOWER_FROM else 1.0
        faster = 0.9 if number >= FASTER_FROM else 1.0
        write_night(store, number, {(LONG, "native"): slower, ("bgemm", "native"): faster, ("bgemm", "numba"): 1.0})
    return store


@dataclass
class Caller:
    """Calls `bnnbench` in this process, in a folder with the store `runs`."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.captured.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = self.captured.readouterr()
        return subprocess.CompletedProcess(words, int(end.value.code or 0), out, err)


@pytest.fixture
def team(tmp_path: Path, nights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    shutil.copytree(nights / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Caller(tmp_path, capsys)


def listed(team: Caller, *words: str) -> list[dict[str, object]]:
    done = team.run("alerts", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    found: list[dict[str, object]] = document["alerts"]
    return found


def test_the_list_has_open_regressions_and_the_next_command(team: Caller) -> None:
    (alert,) = listed(team)
    assert (alert["kind"], alert["workload"], alert["device"]) == ("regression", LONG, "pi4")
    assert alert["first_run"] == "20260209-060000-000008"
    assert (alert["first_commit"], alert["previous_commit"]) == ("08" * 20, "07" * 20)
    done = team.run("alerts")
    assert done.returncode == 0
    assert max(map(len, (line for line in done.stdout.splitlines() if not line.startswith("`")))) <= 80
    assert re.search(rf"^{str(alert['id'])[:6]}  new +\+4\.1 %  bconv2d", done.stdout, re.MULTILINE)
    assert "2026-02-09" in done.stdout
    assert "08080808" in done.stdout
    text = "".join(done.stdout.split())  # the path may be folded
    assert f"1alertin{team.folder}/runs;1morewith--all" in text
    assert "`bnnbench ab " in done.stdout
    assert [one["kind"] for one in listed(team, "--all")] == ["regression", "improvement"]
    assert listed(team, "--since", "2026-02-10") == []
    assert len(listed(team, "--since", "2026-02-10", "--all")) == 1
    assert listed(team, "-d", "pi5") == []
    assert len(listed(team, "-d", "pi5", "-d", "pi4")) == 1
    assert "no open regressions in " in team.run("alerts", "-d", "pi5").stdout


def test_decisions_stay_and_closed_alerts_are_not_listed(team: Caller) -> None:
    id = str(listed(team)[0]["id"])
    done = team.run("alerts", "ack", id[:5], "--note", "bisecting, Ann \x1b[31m")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{id} is acknowledged: +4.1 % latency of {LONG} · native on pi4 since run 20260209")
    assert "\x1b" not in done.stdout
    (alert,) = listed(team)
    assert (alert["state"], alert["note"]) == ("acknowledged", "bisecting, Ann \x1b[31m")
    assert "acknowledged" in team.run("alerts").stdout
    assert team.run("alerts", "fix", id).returncode == 0
    assert listed(team) == []
    fixed = listed(team, "--all")[0]
    assert (fixed["state"], fixed["note"]) == ("fixed", alert["note"])
    assert team.run("alerts", "wontfix", id, "--note", "").returncode == 0
    assert team.run("alerts", "reopen", id).returncode == 0
    assert (listed(team)[0]["state"], listed(team)[0]["note"]) == ("new", "")
    assert team.run("store", "verify").returncode == 0
    assert "1 alert checked" in team.run("store", "verify").stdout
    assert team.run("store", "prune", "--keep", "1", "--yes").returncode == 0
    (file,) = (team.folder / "runs/alerts").iterdir()
    assert file.name == f"{id}.json"
    names = {path.name for path in Path("/etc").glob("hostname") if path.read_text().strip() in file.read_text()}
    assert not names


def test_show_says_all_and_what_settles_it(team: Caller) -> None:
    id = str(listed(team)[0]["id"])
    done = team.run("alerts", "show", id[:4])
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for words in (
        f"alert {id}",
        "regression of latency, by a change point of the case's history",
        "+4.1 % (+",
        "99.95 %",
        "first run 20260209-060000-000008 (commit 080808080808), begun 2026-02-09 06:00 UTC",
        "last run before 20260208-060000-000007 (commit 070707070707)",
        "8 before, 16 since",
        "still so yes",
        "FILE is the binary of native before run 20260209-060000-000008 at commit 070707070707.",
    ):
        assert words in text
    document = json.loads(team.run("alerts", "show", id, "--json").stdout)
    assert document["id"] == id
    assert shlex.split(document["settle"]) == [
        *("bnnbench", "ab", "/suites/night ly.toml", "--base", "native@FILE", "--head", "native"),
        *("-d", "pi4", "-t", "1", "--filter", f"^{LONG}$"),
    ]


def test_an_unknown_id_is_one_sentence(team: Caller) -> None:
    for command in ("show", "ack", "fix", "wontfix", "reopen"):
        done = team.run("alerts", command, "zz")
        assert done.returncode == 2
        assert "there is no alert 'zz': list all with bnnbench alerts --all" in one_sentence(done.stderr)
    done = team.run("alerts", "--since", "yesterday")
    assert done.returncode == 2
    assert "write it as 2026-01-31" in one_sentence(done.stderr)
    done = team.run("alerts", "--store", "nowhere")
    assert done.returncode == 2
    assert "no such folder" in one_sentence(done.stderr)
    id = str(listed(team)[0]["id"])
    done = team.run("alerts", "ack", id, "--note", "n" * 2001)
    assert done.returncode == 2
    assert "shorten it to 2,000" in one_sentence(done.stderr)
    assert not (team.folder / "runs/alerts").exists()


def test_the_commands_of_docs_alerts_md(team: Caller) -> None:
    blocks = [
        block for block in blocks_of(Path(__file__).parents[2] / "docs/alerts.md") if block.runner == Path(__file__)
    ]
    commands = [shlex.split(line, comments=True) for block in blocks for line in block.commands]
    assert len(commands) == 7
    id = str(listed(team)[0]["id"])
    for words in commands:
        done = team.run(*(id[:6] if word == "47a8e8" else word for word in words[1:]))
        assert done.returncode == 0, done.stderr


# What settles an alert


@pytest.fixture
def alert(nights: Path) -> Alert:
    return alerts(Store(nights))[0]


def saved(name: str, created: str, engine: str = "native", device: str = "pi4") -> Baseline:
    engines = [BaselineEngine(engine=engine, triple="t", sha256="0" * 64)]
    facts: dict[str, dict[str, object]] = {device: {}}
    return Baseline(
        name=name, created=created, version="0", run_id="r", suite={}, engines=engines, devices=facts, measured=[engine]
    )


def test_the_newest_baseline_before_the_change_is_the_base(alert: Alert, nights: Path) -> None:
    known = [
        saved("old", "2026-02-02T00:00:00+00:00"),
        saved("v1", "2026-02-04T00:00:00+00:00"),
        saved("other-engine", "2026-02-05T00:00:00+00:00", engine="numba"),
        saved("other-device", "2026-02-05T00:00:00+00:00", device="pi5"),
        saved("too-late", "2026-02-20T00:00:00+00:00"),
    ]
    found = settling(alert, Store(nights), known)
    assert "--base native@v1 --head native" in found.command
    assert found.needs is None
    assert "native@FILE" in settling(alert, Store(nights), known[2:]).command


def test_names_in_the_command_are_quoted(alert: Alert, nights: Path) -> None:
    subject = msgspec.structs.replace(alert.subject, workload="$(rm -rf ~); 'x' a.b|c", device="d; ls")
    hostile = msgspec.structs.replace(alert, subject=subject)
    words = shlex.split(settling(hostile, Store(nights), []).command)
    assert words[-1] == r"^\$\(rm -rf ~\); 'x' a\.b\|c$"
    assert re.fullmatch(words[-1], subject.workload)
    assert "d; ls" in words


def test_a_device_that_was_given_by_its_address_is_given_so_again(alert: Alert, nights: Path) -> None:
    subject = msgspec.structs.replace(alert.subject, device="pi@pi4")
    found = settling(msgspec.structs.replace(alert, subject=subject), Store(nights), [])
    assert "-d ssh://pi@pi4 -t 1" in found.command


def test_a_runtime_without_old_versions_is_measured_again(alert: Alert, nights: Path) -> None:
    of_lce = msgspec.structs.replace(alert, subject=msgspec.structs.replace(alert.subject, engine="lce"))
    found = settling(of_lce, Store(nights), [])
    assert found.command.startswith("bnnbench run ")
    assert "-e lce" in found.command
    assert found.needs is not None


def test_the_command_can_be_typed(alert: Alert, nights: Path) -> None:
    words = shlex.split(settling(alert, Store(nights), []).command)
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    assert bound.arguments["head"] == "native"
