"""What an engine tells is bounded where it is read: a reply that cannot be fails its request with one sentence."""

from __future__ import annotations

import pytest

from bnnbench.kernels.engines.claims import run_contradiction, unexplained
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.errors import EngineError
from tests.harness.hostile import HOSTILE, reply_of
from tests.kernels.test_client import Script

HONEST = {
    "hello": '"protocol": 1, ',
    "load": "",
    "run": '"samples_ns": [1000.0], ',
    "output": f'"sha256": "{"0" * 64}", ',
}
MORE = {
    "inference of more than was asked for": ("infer", '"count": 3, "ns": 5'),
    "inference of an hour": ("infer", '"count": 2, "ns": 3600000000000'),
    "negative inference": ("infer", '"count": 2, "ns": -1'),
    "step below the first": ("profile", '"ops": [{"index": -1, "op": "a", "ns": [1.0]}], "total_ns": [1.0]'),
    "profile of no time": ("profile", '"ops": [], "total_ns": [0.0]'),
    "profile of an hour": ("profile", '"ops": [], "total_ns": [3.6e12]'),
    "negative count": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "counters": {"cycles": [-1]}}], "total_ns": [1.0]',
    ),
    "counts beyond all": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "counters": {"cycles": [1e19]}}], "total_ns": [1.0]',
    ),
    "counts of other runs": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "counters": {"cycles": [1, 2]}}], "total_ns": [1.0]',
    ),
    "a counter that nobody asked for": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "counters": {"moonbeams": [1]}}], "total_ns": [1.0]',
    ),
    "counters that are text": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "counters": {"cycles": ["many"]}}], "total_ns": [1.0]',
    ),
    "a reading of negative cost": ("profile", '"ops": [], "total_ns": [1.0], "counters_cost": {"ns": -1}'),
    "counters by the thousand in hello": ("hello", '"protocol": 1, "counters": [' + '"a",' * 1000 + '"a"]'),
    "trace before its file": (
        "trace",
        '"tensors": [{"step": 0, "name": "a", "shape": [1], "dtype": "u32", "offset": -4, "bytes": 4}]',
    ),
    "ops that are no list": ("profile", '"ops": {"index": 0}, "total_ns": [1.0]'),
    "an op without times": ("profile", '"ops": [{"index": 0, "op": "a"}], "total_ns": [1.0]'),
    "ops of more runs": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [1.0, 1.0]}], "total_ns": [1.0]'),
    "ops of no run": ("profile", '"ops": [{"index": 0, "op": "a", "ns": []}], "total_ns": [1.0]'),
    "totals of more runs": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [1.0]}], "total_ns": [1.0, 1.0]'),
    "totals of no run": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [1.0]}], "total_ns": []'),
    "an op of negative time": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [-1.0]}], "total_ns": [1.0]'),
    "an op whose time is none": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [NaN]}], "total_ns": [1.0]'),
    "an op of endless time": ("profile", '"ops": [{"index": 0, "op": "a", "ns": [1e999]}], "total_ns": [1.0]'),
    "an op whose time is text": ("profile", '"ops": [{"index": 0, "op": "a", "ns": ["1.0"]}], "total_ns": [1.0]'),
    "total whose time is none": ("profile", '"ops": [], "total_ns": [NaN]'),
    "ops that take longer than all": (
        "profile",
        '"ops": [' + ", ".join(['{"index": 0, "op": "a", "ns": [2e3]}'] * 9) + '], "total_ns": [1e3]',
    ),
    "op with a name of megabytes": ("profile", '"ops": [{"index": 0, "op": "LONG", "ns": [1.0]}], "total_ns": [1.0]'),
    "step of no parts": ("divide", '"steps": [{"units": 1, "parts": 0}]'),
    "step of too many parts": ("divide", f'"steps": [{{"units": 1, "parts": {10**9}}}]'),
    "negative units": ("divide", '"steps": [{"units": -1, "parts": 1}]'),
    "node before the first": (
        "profile",
        '"ops": [{"index": 0, "op": "a", "ns": [1.0], "node": -1}], "total_ns": [1.0]',
    ),
    "roof of nothing": ("peak", '"popcount_gops": 0'),
    "roof of infinity": ("peak", '"read_gb_s": {"l1": 1e999}'),
    "clock of the roof": ("peak", '"clock_hz": 0'),
}


def ask(client: EngineClient, verb: str) -> object:
    match verb:
        case "run":
            return client.run("a", samples=1, iterations=1, limit_ns=10**9)
        case "infer":
            return client.infer("a", input="i", output="o", count=2, limit_ns=10**9)
        case "profile":
            return client.profile("a", runs=1, limit_ns=10**9, counters=["cycles"])
        case "trace":
            return client.trace("a", "t")
        case "divide":
            return client.divide("a", 4)
        case "load":
            return client.load("a", {})
        case "output":
            return client.output("a")
        case "peak":
            return client.peak()
    return client.hello()


@pytest.mark.parametrize(("verb", "keys"), {**HOSTILE, **MORE}.values(), ids={**HOSTILE, **MORE})
def test_reply_that_cannot_be(verb: str, keys: str) -> None:
    with pytest.raises(EngineError) as caught:
        ask(EngineClient(Script(reply_of(keys, HONEST.get(verb, ""))), "mine"), verb)
    sentence = str(caught.value)
    assert sentence.startswith("engine 'mine' answered ")
    assert sentence.endswith(".")
    assert len(sentence) < 400


def test_refusal_of_megabytes_is_cut() -> None:
    with pytest.raises(EngineError) as caught:
        EngineClient(Script('{"ok": false, "error": "' + "x" * 3_000_000 + '"}'), "mine").hello()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("verb", HONEST)
def test_honest_reply_is_taken(verb: str) -> None:
    ask(EngineClient(Script(reply_of('"an_unknown_key": [1]', HONEST[verb])), "mine"), verb)


MS = 10**6


@pytest.mark.parametrize(
    ("ran", "iterations", "waited_ms", "wrong"),
    [
        (Ran(samples_ns=[1e6] * 3), 100, 310, None),
        (Ran(samples_ns=[1e6] * 3), 100, 100, "claims 300.000 ms of work"),
        (Ran(samples_ns=[1e6] * 3, iterations=100), None, 100, "claims 300.000 ms of work"),
        (Ran(samples_ns=[1.0], warmup_samples_ns=[5e8], start_ns=0, end_ns=600 * MS), 1, 610, None),
        (Ran(samples_ns=[1.0], start_ns=5, end_ns=4), 1, 10, "ended before it began"),
        (Ran(samples_ns=[1.0], start_ns=0, end_ns=900 * MS), 1, 10, "to have run for"),
        (Ran(samples_ns=[4e8], start_ns=0, end_ns=10 * MS), 1, 500, "samples of 400.000 ms within 10.000 ms"),
    ],
)
def test_claims_beside_the_wait(ran: Ran, iterations: int | None, waited_ms: int, wrong: str | None) -> None:
    found = run_contradiction(ran, iterations, waited_ms * MS)
    assert (found is None) if wrong is None else (found is not None and wrong in found)


@pytest.mark.parametrize(
    ("ran", "warmup_ms", "waited_ms", "round_trip_ms", "odd"),
    [
        (Ran(samples_ns=[1e6] * 20), 300, 325, 0, False),  # a warm-up that is not reported
        (Ran(samples_ns=[1e3]), 0, 900, 250, False),  # a slow link
        (Ran(samples_ns=[1e6] * 100), 0, 450, 0, False),  # much beside each block
        (Ran(samples_ns=[0.1] * 20), 0, 300, 0, True),
        (Ran(samples_ns=[0.1] * 20, warmup_samples_ns=[0.1] * 9), 300, 320, 0, True),
    ],
)
def test_claims_far_too_small(ran: Ran, warmup_ms: int, waited_ms: int, round_trip_ms: int, odd: bool) -> None:
    assert (unexplained(ran, 1, warmup_ms * MS, waited_ms * MS, round_trip_ms * MS) is not None) == odd
