"""`import bnnbench`: what it loads, what its functions return, print and raise."""

from __future__ import annotations

import doctest
import inspect
import pickle
import platform
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from matplotlib.figure import Figure

import bnnbench as bnn
from bnnbench.harness.api import runs
from bnnbench.harness.api.words import command
from bnnbench.harness.cli import ab, check, evaluate, infer, profile, run
from bnnbench.harness.run.execute import RunResult
from bnnbench.harness.tasks import measure
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from tests.harness.bench import BNNBENCH, SMALL_SUITE

HEAVY = ("IPython", "jinja2", "llvmlite", "matplotlib", "msgspec", "numba", "numpy", "pandas", "paramiko", "pyarrow")
HEAVY += ("scipy", "statistics", "tflite", "zipfile")
ONLY_THERE = {"notify", "notify_always", "json", "debug", "format", "output", "trace", "roofline", "only_regressions"}
"""Options that say what the command line prints and writes."""
ONLY_HERE = {"progress", "all_outputs"}
QUICK = SMALL_SUITE.replace("min_sample_ms = 1\n", "min_sample_ms = 0.1\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder, which is the working folder, with a suite."""
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(folder / name))
        patch.setenv("BNNBENCH_LOCK", f"test {folder}")
        (folder / "quick.toml").write_text(QUICK)
        yield folder


@pytest.fixture(scope="module")
def made(place: Path) -> bnn.Run:
    return bnn.run("quick.toml", engine=["native"], invocations=2, store="store")


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import bnnbench; bnnbench.__all__; dir(bnnbench)",
        "from bnnbench import Error, Run, run, infer, evaluate, ab, check, profile, devices, load",
    ],
)
def test_the_package_loads_nothing_heavy(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import bnnbench as bnn\nbnn.devices(); from bnnbench.devices.probe import probe; bnn.devices()",
        "import bnnbench.devices.probe\nbnnbench.devices(); bnnbench.devices.probe.probe",
        "import bnnbench.devices.probe as probe; from bnnbench import devices\ndevices(); devices.probe.probe",
        "from bnnbench.devices import probe; from bnnbench import *; devices(); probe.probe",
    ],
)
def test_devices_are_listed_by_the_package_of_that_name(code: str, place: Path) -> None:
    assert "bnnbench" in modules_after(code)


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    assert set(bnn.__all__) <= set(dir(bnn))
    for name in bnn.__all__:
        assert inspect.getdoc(getattr(bnn, name)), name
    assert bnn.__version__
    with pytest.raises(AttributeError, match="has no attribute 'devise'"):
        _ = bnn.devise  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "of_command"),
    [
        (bnn.run, run.run),
        (bnn.evaluate, evaluate.evaluate),
        (bnn.ab, ab.ab),
        (bnn.check, check.check),
        (bnn.infer, infer.infer),
        (bnn.profile, profile.profile),
    ],
)
def test_arguments_are_the_options_of_the_command_and_each_is_described(function: Any, of_command: Any) -> None:
    ours, theirs = (set(inspect.signature(one).parameters) for one in (function, of_command))
    assert ours - ONLY_HERE == theirs - ONLY_THERE
    text = inspect.getdoc(function) or ""
    for name in ours:
        assert f"    {name}: " in text, name
    for section in ("Args:", "Returns:", "Raises:", "Example:"):
        assert section in text


def test_a_run_has_frames_and_says_nothing(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = bnn.run(place / "quick.toml", device=["local"], engine="native", invocations=1, threads=1, store="one")
    assert capfd.readouterr() == ("", "")
    assert made.outcome == "complete"
    assert not made.failures
    assert list(made.frame["status"]) == ["ok", "ok"]
    assert len(made.invocations) == 2
    assert made.verdicts.empty
    assert made.path == Path("one/runs") / made.id
    assert repr(made) == f"<bnnbench.Run {made.id}: small, 2 cases, complete>"


def test_progress_is_told_when_asked(made: bnn.Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert bnn.run(resume=made.id, store="store", progress=True).id == made.id
    out, err = capfd.readouterr()
    assert out == ""
    assert "nothing is left to measure" in err


def test_a_run_keeps_a_command_that_repeats_it(made: bnn.Run) -> None:
    python, option, code = made._stored[0].record.command
    assert (python, option) == ("python", "-c")
    compile(code, "command", "exec")
    assert "bnnbench.run('quick.toml', engine=['native'], invocations=2, store='store')" in code
    (*_, code) = command("ab", ["a.toml", Path("b.toml")], {"threads": 0, "trust": False, "store": Path("s")})
    assert code == "import bnnbench; bnnbench.ab(['a.toml', 'b.toml'], threads=0, store='s')"
    (*_, code) = command("check", None, {"baseline": "main", "device": "local"})
    assert code == "import bnnbench; bnnbench.check(baseline='main', device='local')"
    (*_, code) = command("run", None, {"device": "local"})
    assert code == "import bnnbench; bnnbench.run()"


def test_a_run_that_is_resumed_takes_no_number_of_invocations(made: bnn.Run) -> None:
    with pytest.raises(bnn.CallError, match="resume goes with store"):
        bnn.run(resume=made.id, store="store", invocations=0)


def test_a_notebook_shows_the_table_of_the_report_and_no_markup_of_others(made: bnn.Run) -> None:
    html = made._repr_html_()
    assert html.count("<tr>") == 3
    assert html.startswith("<div class=")
    for row in made.frame.to_dict("records"):
        assert f"<td>{escape(str(row['workload']))}" in html
    record = made._stored[0].record
    case = msgspec.structs.replace(record.cases[0], workload="<script>alert(1)</script>")
    hostile = msgspec.structs.replace(record, cases=[case])
    shown = bnn.Run(replace(made._stored[0], record=hostile), made._store, "complete", {})._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_charts_and_reports_of_one_run_and_of_several(made: bnn.Run, place: Path) -> None:
    figure = made.chart("latency")
    assert isinstance(figure, Figure)
    figure.savefig(place / "latency.png")
    every = bnn.load("store")
    assert isinstance(every.chart("latency", width=4.0), Figure)
    assert every[made.id[:15]].id == made.id
    assert every[-1].id == made.id == next(iter(every)).id
    assert bnn.load(made.path)[0].frame.equals(made.frame)
    page = made.report(place / "report")
    assert made.id in page.read_text()
    with pytest.raises(bnn.CallError, match=r"there is no chart 'parreto' \(did you mean 'pareto'\?\)"):
        made.chart("parreto")
    with pytest.raises(bnn.CallError, match="there is nothing to draw"):
        made.chart("pareto")


def test_one_image_and_several_go_through_a_model() -> None:
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    scores = bnn.infer("quicknet_xs", images)
    assert scores.shape == (3, 10)
    assert np.array_equal(bnn.infer("quicknet_xs", images[1]), scores[1:2])
    (named,) = bnn.infer("quicknet_xs", images, all_outputs=True).values()
    assert np.array_equal(named, scores)


def test_a_comparison_has_verdicts(place: Path) -> None:
    done = bnn.ab("quick.toml", base="numba", head="native", filter="maxpool", budget=2, store="compared")
    (row,) = done.verdicts[done.verdicts["metric"] == "latency"].to_dict("records")
    assert (row["base"], row["head"], row["run_id"]) == ("numba", "native", done.id)
    assert "numba → native" in done._repr_html_()


def test_a_check_says_what_the_command_says(place: Path) -> None:
    bnn.run("quick.toml", engine="native", filter="maxpool", invocations=1, store="checked")
    save = [BNNBENCH, "baseline", "save", "main", "--store", "checked"]
    subprocess.run(save, check=True, capture_output=True, timeout=60)
    done = bnn.check(baseline="main", budget="2s", store="checked", max_inconclusive=1.0)
    assert done.status in (0, 1)
    assert done.is_fine == (done.status == 0)
    assert len(done.runs) == 1
    assert not done.not_measured
    assert set(done.verdicts["base"]) == {"native@main"}
    assert "native@main → native" in done._repr_html_()
    assert repr(done) == f"<bnnbench.Check status={done.status} runs={[done.runs[0].id]}>"
    with pytest.raises(bnn.CallError, match="baseline 'nix'"):
        bnn.check(baseline="nix", store="checked")


def test_a_profile_has_a_row_per_step(place: Path) -> None:
    done = bnn.profile("quicknet_xs", runs=2)
    assert done.frame["share"].sum() == pytest.approx(1, abs=0.5)
    assert done.trace("steps.json").read_text().startswith("{")
    assert done.roofline(place / "steps.svg").is_file()
    with pytest.raises(bnn.CallError, match="--roofline is written as pdf, svg, png"):
        done.roofline("steps.gif")
    assert "roof_share" in done._repr_html_()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bnn.run("nix"), ["run", "nix"]),
        (lambda: bnn.run(threads=0), ["run", "-t", "0"]),
        (lambda: bnn.evaluate("quicknet_s", images=0), ["eval", "quicknet_s", "--images", "0"]),
        (lambda: bnn.load("nix")[0], ["report", "--store", "nix"]),
    ],
)
def test_errors_are_the_sentences_of_the_command_line(place: Path, call: Any, words: list[str]) -> None:
    done = subprocess.run([BNNBENCH, *words], capture_output=True, text=True, timeout=60, cwd=place)
    with pytest.raises(bnn.CallError) as caught:
        call()
    assert isinstance(caught.value, bnn.Error)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is not None
    assert done.returncode == 2
    assert done.stderr.strip().endswith(f"bnnbench: {caught.value}")


def test_an_error_of_the_engine_gives_the_device_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise EngineError("the engine 'native' has hung up")

    image = np.zeros((28, 28, 1), np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(EngineClient, "infer", broken)
        with pytest.raises(bnn.MeasureError, match=r"the engine 'native' has hung up\."):
            bnn.infer("quicknet_xs", image)
    assert not [one for one in psutil.Process().children(recursive=True) if "engine" in " ".join(one.cmdline())]
    assert bnn.infer("quicknet_xs", image).shape == (1, 10)


def test_an_error_of_the_program_itself_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("bnnbench.harness.tasks.measure.load_suites", broken)
    with pytest.raises(ZeroDivisionError):
        bnn.run()


def test_an_interrupted_run_ends_the_script_and_says_how_to_go_on(
    made: bnn.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "start_run", lambda *_: RunResult(made._stored[0], "interrupted"))
    with pytest.raises(KeyboardInterrupt, match=rf"bnnbench\.run\(resume='{made.id}', store='store'\)"):
        bnn.run("quick.toml", store="store")


def test_the_inventory_is_listed_and_a_device_tells_its_facts(place: Path) -> None:
    (place / "lab.toml").write_text('[device.pi4]\ntransport = "ssh"\nhost = "pi4.lab"\nuser = "pi"\n')
    found = {device.name: device for device in bnn.devices("lab.toml")}
    assert found["pi4"].address == "ssh://pi@pi4.lab"
    assert str(found["local"].facts()["triple"]).startswith(platform.machine())
    with pytest.raises(bnn.CallError, match=r"nix\.toml does not exist"):
        bnn.devices("nix.toml")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "ab" else name for name in sorted(bnn.__all__)]
)
def test_examples_of_docstrings_say_what_happens(place: Path, name: str) -> None:
    public = getattr(bnn, name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(recurse=False).find(public, name, globs={"bnn": bnn}):
        runner.run(example)
    assert not runner.failures


def test_errors_travel_between_processes() -> None:
    for kind in (bnn.Error, bnn.CallError, bnn.MeasureError):
        assert str(pickle.loads(pickle.dumps(kind("said.")))) == "said."  # noqa: S301


def test_runs_are_a_sequence(made: bnn.Run) -> None:
    several = runs.Runs([made, made], made._store)
    assert len(several[:1]) == 1
    assert several._repr_html_().count(made.id) == 2
    assert len(several.frame) == 2 * len(made.frame)
    with pytest.raises(IndexError):
        several[2]
    with pytest.raises(bnn.CallError, match="2 runs begin with ''"):
        several[""]


def test_a_busy_device_is_waited_for_as_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bnnbench.harness.api import inference
    from bnnbench.harness.bench import waiting

    seen: list[float] = []

    def look(*_: Any, **__: Any) -> None:
        seen.append(waiting.current().limit_s)
        raise ValueError("seen")

    monkeypatch.setattr("bnnbench.harness.tasks.infer.infer", look)
    for wait in (None, 90, "10m"):
        with pytest.raises(ValueError, match="seen"):
            inference.infer("quicknet_xs", [0.0], wait=wait)
    assert seen == [0.0, 90.0, 600.0]
    assert waiting.current().limit_s == 0.0
    with pytest.raises(bnn.CallError, match="soon"):
        bnn.infer("quicknet_xs", [0.0], wait="soon")
