"""`bnnbench ab` as a user calls it: on real engines, and on one that replays recorded noise."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from bnnbench.results import load
from bnnbench.results.records import Pair, Verdict
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench, one_sentence
from tests.harness.replaying import replayed, verdicts
from tests.harness.test_run import journal, wait_for

QUICK = ["--store", "store"]


@pytest.mark.parametrize("cases", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_changed_is_equivalent(bench: Bench, cases: int) -> None:
    found = verdicts(bench, replayed(bench, cases=cases))
    assert len(found) == cases
    assert [one["verdict"] for one in found].count("equivalent") >= 0.9 * cases
    for one in found:
        assert one["verdict"] in ("equivalent", "inconclusive")
        assert one["low"] <= one["effect"] <= one["high"]
        assert one["pairs"] >= 10


@pytest.mark.parametrize(
    ("factor", "verdict", "status"),
    [(1.04, "regression", 1), pytest.param(0.96, "improvement", 0, marks=pytest.mark.slow)],
)
def test_a_change_is_called_after_fresh_pairs(bench: Bench, factor: float, verdict: str, status: int) -> None:
    (found,) = verdicts(bench, replayed(bench, factor=factor), status=status)
    assert (found["verdict"], found["confirmed"]) == (verdict, True)
    assert found["low"] <= factor - 1 <= found["high"]
    assert found["pairs"] >= 22
    assert found["mde"] < 0.04
    run = bench.store.run("latest")
    (record,) = run.record.comparisons
    stages = [pair.stage for pair in run.pairs_of(record.id)]
    assert stages == sorted(stages, reverse=True)  # screen, then confirm
    firsts = [pair.first for pair in run.pairs_of(record.id)]
    assert all({one, other} == {"base", "head"} for one, other in zip(firsts[::2], firsts[1::2], strict=True))


def test_a_clear_effect_stops_early(bench: Bench) -> None:
    (found,) = verdicts(bench, replayed(bench, factor=0.14))
    assert (found["verdict"], found["confirmed"], found["pairs"]) == ("improvement", True, 22)
    assert found["low"] <= -0.86 <= found["high"] < -0.8


@pytest.mark.parametrize(
    ("settings", "verdict_status", "reason", "status"),
    [
        ({"dies_at": 8}, "failed", "head, at pair", 1),
        ({"lies": 1}, "failed", "impossible samples", 1),
        ({"drift": 0.06}, "unstable", "head gets slower while it is timed", 3),
        pytest.param({"throttle": 0.6}, "unstable", "throttle", 3, marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_judged_gets_no_verdict(
    bench: Bench, settings: dict[str, float], verdict_status: str, reason: str, status: int
) -> None:
    (found,) = verdicts(bench, replayed(bench, **settings), status=status)
    assert found["verdict"] is None
    assert found["status"] == verdict_status
    assert reason in found["reason"]
    if "dies_at" in settings:
        assert "out of memory in layer 3" in found["reason"]


def test_a_broken_base_is_no_fault_of_the_head(bench: Bench) -> None:
    words = replayed(bench, dies_at=9)
    base, head = words[3], words[5]
    words[3], words[5] = head, base
    (found,) = verdicts(bench, words, status=3)
    assert found["status"] == "failed"
    assert found["reason"].startswith("base")


def test_pairs_with_a_risen_flag_are_dropped_and_no_other(bench: Bench) -> None:
    found = verdicts(bench, replayed(bench, cases=2, flag=0.05), status=0)
    run = bench.store.run("latest")
    risen = {
        (one.comparison_id, one.pair)
        for one in run.invocations
        if one.watch and any(before != after for before, after in one.watch.values())
    }
    pairs = [pair for record in run.record.comparisons for pair in run.pairs_of(record.id)]
    assert {(pair.comparison_id, pair.number) for pair in pairs if pair.dropped} == risen
    assert risen
    assert all(pair.dropped in (None, "head") for pair in pairs)
    for one in found:
        assert one["pairs"] >= 10  # what was dropped was done again
    assert sum(one["dropped_head"] for one in found) == len(risen)


def test_more_drops_on_one_side_are_reported(bench: Bench) -> None:
    (found,) = verdicts(bench, replayed(bench, flag=0.5), status=3)
    assert found["status"] == "unstable"
    assert found["dropped_base"] == 0
    assert "throttle" in found["reason"]


@pytest.mark.slow
def test_throttled_pairs_are_dropped_and_measured_again(bench: Bench) -> None:
    (found,) = verdicts(bench, replayed(bench, throttle=0.08), status=0)
    run = bench.store.run("latest")
    pairs = run.pairs_of(run.record.comparisons[0].id)
    for pair in pairs:
        assert pair.base_clock_hz is not None
        assert pair.head_clock_hz is not None
        differs = abs(pair.head_clock_hz / pair.base_clock_hz - 1) > 0.01
        assert (pair.dropped == "head") == differs
    assert found["dropped_head"] == sum(pair.dropped == "head" for pair in pairs)
    assert found["pairs"] == sum(pair.dropped is None for pair in pairs)


def test_an_interrupted_comparison_goes_on(bench: Bench) -> None:
    words = replayed(bench, cases=2, factor=1.08)
    process = bench.start(*words)
    wait_for(lambda: sum('"type":"pair"' in line for line in journal(bench)) >= 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    before = [one for one in bench.store.run("latest").entries if isinstance(one, Pair)]
    assert not [one for one in bench.store.run("latest").entries if isinstance(one, Verdict)]
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 1, done.stderr + done.stdout
    run = bench.store.run("latest")
    after = [one for one in run.entries if isinstance(one, Pair)]
    assert after[: len(before)] == before
    for record in run.record.comparisons:
        numbers = [pair.number for pair in run.pairs_of(record.id)]
        assert numbers == list(range(len(numbers)))
    assert {one.verdict for one in run.verdicts if one.metric == "latency"} == {"regression"}
    assert "2 regression" in done.stdout


def test_a_budget_ends_it(bench: Bench) -> None:
    found = verdicts(bench, [*replayed(bench, cases=2), "--budget", "0.1s"])
    assert len(found) == 2
    assert {one["verdict"] for one in found} == {"inconclusive"}
    assert all(one["reason"] for one in found)


def test_native_against_itself_over_ssh(bench: Bench, board: LoopbackSsh) -> None:
    """Real engines on a real SSH server: two files of equal length, outputs verified, nothing left behind."""
    suite = bench.write(
        "small.toml",
        'name = "small"\nwarmup_ms = 5\nmin_sample_ms = 1\n[[kernel]]\nop = "bgemm"\nm = 16\nn = 16\nk = 256\n',
    )
    words = ["ab", suite, "--base", "native", "--head", "native", "-d", "board", "--store", "store", "--json", "v.json"]
    done = bench.run(*words)
    assert done.returncode in (0, 1, 3), done.stderr
    document = json.loads((bench.folder / "v.json").read_text())
    assert document["schema"] == 1
    latency = document["verdicts"][0]
    assert latency["verdict"] != "regression" or latency["confirmed"]
    # Where others use the machine, its clock may change too often for any verdict; then that is said.
    assert latency["reason"] if latency["verdict"] is None else latency["pairs"] >= 10
    assert latency["base"] == latency["head"] == "native"
    run = bench.store.run("latest")
    assert {gate.status for gate in run.gates.values()} == {"ok"}
    frame = load(run)
    assert list(frame["variant"]) == ["base", "head"]
    assert set(frame["engine"]) == {"native"}


@pytest.mark.slow
def test_two_models(bench: Bench) -> None:
    golden = Path(__file__).parents[1] / "golden"
    suite = bench.write("quick.toml", 'name = "q"\nwarmup_ms = 5\nmin_sample_ms = 1\n[[model]]\nfile = "quicknet_s"\n')
    words = ["ab", suite, "--base", golden / "tiny_larq.tflite", "--head", golden / "tiny_odd.tflite"]
    done = bench.run(*words, *QUICK, "--json", "-")
    assert done.returncode in (0, 1, 3), done.stderr
    found = {one["metric"]: one for one in json.loads(done.stdout)["verdicts"]}
    sizes = [(golden / f"{name}.tflite").stat().st_size for name in ("tiny_larq", "tiny_odd")]
    assert [found["size"]["base_value"], found["size"]["head_value"]] == sizes
    assert found["latency"]["workload"] == "tiny_larq -> tiny_odd"
    if found["latency"]["verdict"] in ("regression", "improvement"):  # a busy machine may leave it open
        assert "other steps" in found["latency"]["why"]


@pytest.mark.slow
def test_two_models_that_chance_orders_are_no_regression(bench: Bench) -> None:
    """On 60 images quicknet_xl has two fewer right than quicknet_l, on all 10,000 eleven."""
    suite = bench.write(
        "chance.toml",
        'name = "q"\nwarmup_ms = 5\nmin_sample_ms = 1\n'
        '[[model]]\nfile = "quicknet_s"\ndataset = "fashion-mnist"\nimages = 60\n',
    )
    words = ["ab", suite, "--base", "quicknet_l", "--head", "quicknet_xl", "--budget", "1s", *QUICK, "--json", "-"]
    done = bench.run(*words)
    (found,) = [one for one in json.loads(done.stdout)["verdicts"] if one["metric"] == "accuracy"]
    assert (found["verdict"], found["effect_unit"]) == ("inconclusive", "difference")
    assert found["effect"] == pytest.approx(-2 / 60)
    assert found["low"] < found["effect"] < 0 < found["high"]
    assert "of 60 images, 3 are right only on the base and 1 only on the head" in found["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base", "native", "--head", "nativ"], "no engine 'nativ'"),
        (["--base", "native@nowhere", "--head", "native"], "neither a file nowhere nor a baseline 'nowhere'"),
        (["--base", "native@", "--head", "native"], "is not a side to compare"),
        (["--base", "native", "--head", "native", "--budget", "soon"], "is not a length of time"),
        (["--base", "missing.tflite", "--head", "native"], "missing.tflite does not exist"),
        (["--base", "quicknet_s", "--head", "native"], "one side is a model and the other, 'native', is not"),
    ],
)
def test_a_wrong_call_is_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    done = bench.run("ab", "small.toml", *words, *QUICK)
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_an_engine_of_another_machine_fails_by_name(bench: Bench) -> None:
    other = bench.folder / "other"
    other.write_bytes(b"\x7fELF" + bytes(60))
    other.chmod(0o755)
    (found,) = verdicts(
        bench, ["ab", "small.toml", "--filter", "maxpool", "--base", "native", "--head", f"native@{other}", *QUICK], 1
    )
    assert found["status"] == "failed"
    assert found["reason"].startswith("head")
