"""`bnnbench estimate`, from a store with real (replayed) comparisons, and what runs say before they start."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bnnbench.results.statistics.planning import least_looks, of_sessions, of_sigma, outlook
from bnnbench.results.statistics.sequential import Rules, minimum_detectable_effect
from bnnbench.results.store.calibration import save
from tests.harness.bench import Bench
from tests.harness.replaying import replayed
from tests.results.calibrated import calibrated
from tests.simulation import estimates


class TestOutlook:
    def test_the_stated_effect_of_a_sigma_is_seen_nine_times_in_ten(self) -> None:
        for sigma in (0.01, 0.03):
            see = minimum_detectable_effect(Rules(), sigma)
            assert outlook(Rules(), of_sigma(sigma), see).power == pytest.approx(0.92, abs=0.06)

    def test_pairs_are_those_of_the_looks(self) -> None:
        calm = outlook(Rules(), of_sigma(0.002), 0.1)
        assert (calm.power, calm.pairs_same) == (1, 10)
        assert 22 <= calm.pairs_changed <= 24  # ten, and twelve that confirm a clear effect
        wild = outlook(Rules(), of_sigma(0.3), 0.02)
        assert wild.power < 0.05
        assert wild.pairs_same >= 30

    def test_more_looks_see_more(self) -> None:
        noise = of_sigma(0.025)
        assert outlook(Rules(), noise, 0.02).power < 0.9
        found = least_looks(Rules(), noise, 0.02, 0.9, 60)
        assert found is not None
        assert found.power >= 0.9
        assert found.looks[-1] > 30
        assert least_looks(Rules(), of_sigma(0.5), 0.02, 0.9, 45) is None

    def test_earlier_sessions_are_the_noise(self) -> None:
        sessions = [[0.05 + 0.001 * (number % 5 - 2) for number in range(20)]] * 3
        assert outlook(Rules(), of_sessions(sessions), 0.02).power == 1  # about their centre
        with pytest.raises(ValueError, match="no earlier comparison"):
            of_sessions([[0.1] * 7])

    @pytest.mark.parametrize("see", [0.01, 0.02])
    def test_what_is_promised_comes(self, see: float) -> None:
        """30 cases; `make statistics` has 2,000."""
        done = estimates.simulate(see, 30, workers=1)
        assert done.promised == pytest.approx(done.called, abs=0.2)
        assert done.promised_pairs == pytest.approx(done.pairs, rel=0.2)


def estimated(bench: Bench, *words: str, status: int = 0) -> Any:
    done = bench.run("estimate", "replay.toml", "-e", "replay", "--store", "store", *words)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A store with two comparisons in which nothing changed; nobody changes it."""
    bench = Bench(tmp_path_factory.mktemp("known"))
    words = replayed(bench, cases=2)
    assert bench.run(*words, timeout=110).returncode == 0
    second = bench.run(*words, timeout=110)
    assert re.search(r"local: about \d+ s if nothing changed, by the noise that is known of it", second.stderr)
    return bench


def test_what_a_comparison_takes_and_shows(known: Bench) -> None:
    found = json.loads(estimated(known, "--json").stdout)
    assert found["schema"] == 1
    assert [case["workload"] for case in found["cases"]] == ["bgemm 1x4x32", "bgemm 2x4x32"]
    for case in found["cases"]:
        assert case["noise"] == "2 stages of earlier comparisons"
        assert case["power"] >= 0.8  # sigma is 0.8 % there
        assert 10 <= case["pairs_unchanged"] <= 30
        assert 0.1 < case["seconds"] < 60
    assert found["seconds"] == pytest.approx(sum(case["seconds"] for case in found["cases"]))
    table = estimated(known).stdout
    assert "to see a change of 2 % in latency with 90 % probability" in table
    assert "2 cases: about" in table
    tiny = json.loads(estimated(known, "--json", "--see", "0.1%").stdout)
    assert all(case["power"] < 0.5 and case["needed_looks"] is None for case in tiny["cases"])
    assert "too noisy" in estimated(known, "--see", "0.1%").stdout


def test_a_budget_says_what_does_not_fit(known: Bench) -> None:
    each = json.loads(estimated(known, "--json").stdout)["cases"]
    seconds = sorted(case["seconds"] for case in each)
    one = f"{(seconds[0] + seconds[1]) * 0.7:.3f}s"
    found = json.loads(estimated(known, "--json", "--budget", one).stdout)
    assert [case["fits"] for case in found["cases"]].count(False) == 1
    assert "too short for bgemm" in estimated(known, "--budget", one).stdout
    assert "all fit into 60 min" in estimated(known, "--budget", "1h").stdout


def test_what_is_not_known_is_said(bench: Bench) -> None:
    replayed(bench)
    bench.write("devices.toml", '[device.pi4]\ntransport = "ssh"\nhost = "127.0.0.1"\nport = 1\nuser = "pi"\n')
    nothing = estimated(bench, "-d", "pi4").stdout
    assert "noise not known" in nothing
    assert "pi4: its noise is not known; run bnnbench devices calibrate pi4" in nothing
    save(bench.folder / "store", calibrated(0.02))
    words = estimated(bench, "-d", "pi4").stdout
    assert "never timed there" in words
    assert "bnnbench run ... -d pi4" in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--see", "2 percent"], "--see '2 percent' is not a share"),
        (["--see", "0%"], "--see '0%' is not an effect"),
        (["--budget", "10"], "'10' is not a length of time"),
        (["-d", "pi9"], "pi9"),
    ],
)
def test_wrong_words_are_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    replayed(bench)
    assert said in estimated(bench, *words, status=2).stderr


def test_a_run_says_how_long_it_will_take_where_it_knows(bench: Bench) -> None:
    first, second = (bench.run("run", "small.toml", "-e", "native", "--store", "store") for _ in range(2))
    assert "by earlier runs of these cases" not in first.stderr
    assert re.search(r"local: about \d+ s, by earlier runs of these cases", second.stderr)
