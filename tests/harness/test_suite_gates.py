"""Gates, budgets and allowances of a suite, as `bnnbench ab`, `check` and `run` follow them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bnnbench.harness.errors import SuiteError
from bnnbench.harness.suite.load import parse_suite
from tests.harness.bench import Bench
from tests.harness.conftest import SUITE
from tests.harness.replaying import replayed
from tests.harness.test_check import replay

DOCS = Path(__file__).parents[2] / "docs"


def compared(bench: Bench, settings: str, status: int, *words: str, factor: float = 1.05) -> dict[str, Any]:
    """The document of a comparison whose head takes `factor` times as long, with `settings` in its suite."""
    call = replayed(bench, factor=factor)
    suite = (bench.folder / "replay.toml").read_text()
    bench.write("replay.toml", f"{suite}\n{settings}\n" if settings.startswith("[") else f"{settings}\n{suite}\n")
    done = bench.run(*call, *words, "--json", "-", timeout=110)
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def latency(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["verdicts"] if one["metric"] == "latency")
    return found


@pytest.mark.parametrize(
    ("settings", "status", "word", "fails"),
    [
        ("", 1, "regression", True),
        ("[verdict]\nfloor = 0.1\nmargin = 0.2", 0, "equivalent", False),
        ("[verdict.latency]\nfloor = 0.1\nmargin = 0.2", 0, "equivalent", False),
        ('[[verdict.rule]]\nworkload = "bgemm"\nmetric = "latency"\nfloor = 0.1\nmargin = 0.2', 0, "equivalent", False),
        ('[[verdict.rule]]\nworkload = "conv"\nmetric = "latency"\nfloor = 0.1\nmargin = 0.2', 1, "regression", True),
        ('[[verdict.allow]]\nmetric = "latency"\nreason = "known"\nuntil = 2999-01-01', 0, "regression", False),
        ('[[verdict.allow]]\nmetric = "latency"\nreason = "old"\nuntil = 2001-01-01', 1, "regression", True),
        (
            '[[verdict.allow]]\nmetric = "latency"\nup_to = 0.01\nreason = "x"\nuntil = 2999-01-01',
            1,
            "regression",
            True,
        ),
        ('gate = ["peak_rss"]', 0, "regression", False),
    ],
)
def test_what_a_suite_asks_decides(bench: Bench, settings: str, status: int, word: str, fails: bool) -> None:
    found = latency(compared(bench, settings, status))
    assert (found["verdict"], found["fails"]) == (word, fails)


def test_an_improvement_fails_where_nothing_was_to_change(bench: Bench) -> None:
    found = compared(bench, '[verdict.latency]\ndirection = "both"', 1, factor=0.9)
    assert latency(found)["verdict"] == "improvement"
    assert latency(found)["fails"]


def test_a_gate_that_no_case_has_cannot_pass(bench: Bench) -> None:
    found = compared(bench, 'gate = ["latency", "accuracy"]', 3, factor=1.0)
    assert found["not_measured"] == [{"what": "gate 'accuracy'", "reason": "no case has a verdict on accuracy"}]


def test_budgets_are_of_the_head(bench: Bench) -> None:
    """The replayed base takes 1 ms, the head 1.05 ms."""
    bounds = '"latency_ms <= 1.0", "latency_s <= 1", "accuracy >= 0.9"'
    found = compared(bench, f"[verdict]\nbudget = [{bounds}]\n[verdict.latency]\nfloor = 0.1", 1)
    outcomes = {one["budget"]: one["outcome"] for one in found["budgets"]}
    base = latency(found)["base_value"]
    assert outcomes.pop("latency_s <= 1") == "pass"
    assert not latency(found)["fails"]
    assert found["not_measured"] == [
        {"what": "budget 'accuracy >= 0.9'", "reason": "no measured case has such a figure"}
    ]
    (one,) = [item for item in found["budgets"] if item["budget"] == "latency_ms <= 1.0"]
    assert outcomes == {"latency_ms <= 1.0": "fail"}
    assert one["low"] > one["limit"] == pytest.approx(1e6)
    assert one["value"] == pytest.approx(1.05 * base, rel=0.02)


def test_a_run_is_judged_by_budgets_too(bench: Bench) -> None:
    suite = (bench.folder / "small.toml").read_text().replace("invocations = 2", "invocations = 5")
    bench.write("tight.toml", f'{suite}\n[verdict]\nbudget = ["latency_ns <= 1", "peak_rss_gb <= 1"]\n')
    done = bench.run("run", "tight.toml", "-e", "native", "--store", "store")
    assert done.returncode == 1, done.stderr
    assert "4 budgets: 2 over, 2 within" in done.stdout
    assert re.search(
        r"over budget: latency of bconv2d [^,]* on local, native is [\d.]+ .s \([^)]*\), latency_ns <= 1\n", done.stdout
    )
    shown = bench.run("runs", "show", "latest", "--store", "store")
    assert "2 over, 2 within" in shown.stdout
    bench.write("wide.toml", f'{suite}\n[verdict]\nbudget = "latency <= 1 s"\n')
    done = bench.run("run", "wide.toml", "-e", "native", "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    assert [one["outcome"] for one in json.loads(done.stdout)["budgets"]] == ["pass", "pass"]


def test_a_check_uses_the_gates_of_today_and_lists_only_what_fails(bench: Bench) -> None:
    suite = bench.write("suite.toml", SUITE)
    bench.measure("suite.toml")
    assert bench.run("baseline", "save", "main", "--store", "store").returncode == 0
    head = replay(bench, factor=1.06)
    words = ["check", "--baseline", "main", "--store", "store", "--head", head]
    brief = bench.run(*words, "--only-regressions", "--format", "json", timeout=110)
    assert brief.returncode == 1, brief.stderr
    shown = json.loads(brief.stdout)["verdicts"]
    assert shown
    assert all(one["fails"] for one in shown)
    text = '\n[[verdict.allow]]\nmetric = "latency"\nreason = "a safer kernel, #7"\nuntil = 2999-12-31\n'
    suite.write_text(suite.read_text() + text)
    allowed = bench.run(*words, timeout=110)
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert "1 allowed" in allowed.stdout
    assert "allowed until 2999-12-31: a safer kernel, #7" in " ".join(allowed.stdout.split())
    assert "the suite's gates have changed since main was saved; those of today are used" in allowed.stderr
    none = bench.run(*words, "--only-regressions", timeout=110)
    assert none.returncode == 0
    assert "a safer kernel" not in none.stdout


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('gate = ["latenci"]', "there is no metric 'latenci' (did you mean 'latency'?)"),
        ("gate = []", "gate names no metric; leave it out"),
        ("gate = 3", "expected a list, got a whole number in gate"),
        ("[verdict.sise]\nfloor = 0.1", "there is no metric 'sise' (did you mean 'size'?)"),
        ("[verdict.size]\nflor = 0.1", "unknown key 'flor' in verdict.size (did you mean 'floor'?)"),
        ("[verdict.size]\nfloor = 2", "expected a number < 1.0 in verdict.size.floor"),
        ('[verdict.size]\ndirection = "up"', "it is one of both, worse"),
        ('[verdict]\nbudget = ["latency_ms < 3"]', "'latency_ms < 3' is not a budget"),
        ("[verdict]\nbudget = 3", "in verdict.budget"),
        ('[[verdict.rule]]\nworkload = "("\nfloor = 0.1', "verdict.rule 1: workload '(' is not a regular expression"),
        ('[[verdict.rule]]\nworkload = "a"', "verdict.rule 1 asks for nothing"),
        ("[verdict.rule]\nfloor = 0.1", "write [[verdict.rule]], not [verdict.rule]"),
        (
            '[[verdict.allow]]\nmetric = "size"\nuntil = 2027-01-01',
            "missing required field 'reason' in verdict.allow 1",
        ),
        ('[[verdict.allow]]\nmetric = "size"\nreason = ""\nuntil = 2027-01-01', "in verdict.allow 1.reason"),
        ('[[verdict.allow]]\nmetric = "size"\nreason = "x"\nuntil = 2027-13-01', "is not valid TOML"),
        ('[[verdict.allow]]\nmetric = "size"\nreason = "x"\nuntil = "soon"', "verdict.allow 1.until"),
        ('[[verdict.allow]]\nmetric = "sise"\nreason = "x"\nuntil = 2027-01-01', "there is no metric 'sise'"),
    ],
)
def test_wrong_settings_are_one_sentence(settings: str, said: str) -> None:
    kernel = '[[kernel]]\nop = "bgemm"\nm = 1\nn = 1\nk = 1\n'
    parts = [kernel, settings] if settings.startswith("[") else [settings, kernel]
    text = "\n".join(['name = "x"', *parts])
    with pytest.raises(SuiteError) as error:
        parse_suite(text, Path("suite.toml"))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_the_example_of_the_documentation_is_a_suite() -> None:
    page = (DOCS / "verdicts.md").read_text(encoding="utf-8")
    (block,) = [text for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[verdict]" in text]
    suite = parse_suite(block, Path("suite.toml"))
    assert suite.gate == ["latency", "accuracy", "size"]
    assert suite.verdict.metric["size"].floor == 0.05
    assert suite.verdict.rule[0].budget == ["latency_ms <= 40"]
    assert suite.verdict.allow[0].until.isoformat() == "2027-03-31"
