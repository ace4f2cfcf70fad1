"""An engine that a program of the device starts: its files keep their names, and are its identity."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.transport.local import LocalTransport
from bnnbench.devices.transport.protocol import Transport
from bnnbench.harness.bench.reach import _lacking
from bnnbench.harness.errors import CallError, SuiteError
from bnnbench.harness.plan.comparisons import CompareConfig
from bnnbench.harness.plan.config import RunConfig
from bnnbench.harness.plan.side import Selection
from bnnbench.harness.plan.trusted import require_own_baseline
from bnnbench.harness.suite.load import parse_suite
from bnnbench.harness.tasks.baselines import save_baseline
from bnnbench.kernels.engines import Start
from bnnbench.kernels.engines.custom import CustomEngine
from bnnbench.kernels.engines.tflite_benchmark import SummaryEngine
from bnnbench.results import load
from bnnbench.results.errors import StoreError
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.runs import Store
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench, one_sentence

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_engine"
KERNEL = '\n[[kernel]]\nop = "bgemm"\nm = 4\nn = 4\nk = 64\n'
SUITE = (
    """
name = "own"
engines = ["mine"]
invocations = 1
samples = 3
min_sample_ms = 0.1
warmup_ms = 1

[engine.mine]
command = ["python3", "{folder}/run it.py"]
files = ["run it.py", "parts/counting.py"]
"""
    + KERNEL
)
COUNTING = "def dot(x, y, k):\n    return k - 2 * bin(x ^ y).count('1')\n"


def engine(folder: Path) -> None:
    """The example as two files, one of which finds the other by its name."""
    text = (EXAMPLE / "my_engine.py").read_text()
    line = 'k - 2 * bin(x ^ y).count("1")'
    assert line in text
    (folder / "run it.py").write_text("from counting import dot\n" + text.replace(line, "dot(x, y, k)"))
    (folder / "parts").mkdir(exist_ok=True)
    (folder / "parts/counting.py").write_text(COUNTING)
    (folder / "own.toml").write_text(SUITE)


def identity_of(folder: Path) -> str:
    """Computed by the rule of docs/suites.md."""
    digest = hashlib.sha256()
    for name, path in (("run it.py", "run it.py"), ("counting.py", "parts/counting.py")):
        content = (folder / path).read_bytes()
        digest.update(name.encode() + b"\0" + str(len(content)).encode() + b"\0" + content)
    return digest.hexdigest()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of it here, saved as the baseline `main`."""
    bench = Bench(tmp_path_factory.mktemp("own"))
    engine(bench.folder)
    bench.measure("own.toml")
    done = bench.run("baseline", "save", "main", "--store", "store")
    assert done.returncode == 0, done.stderr
    bench.write("saved.txt", done.stdout)
    return bench.folder


def of_its_user(measured: Path, bench: Bench) -> None:
    """The same folder, with the key that signed its store."""
    shutil.copytree(measured, bench.folder, dirs_exist_ok=True)


def test_the_example_runs_over_ssh_and_leaves_nothing(bench: Bench, board: LoopbackSsh) -> None:
    words = ("--device", "board", "--engine", "mine", "--invocations", "1")
    frame = load(bench.measure(EXAMPLE / "python.toml", *words))
    assert list(frame["status"]) == ["ok"]
    assert list((board.home / ".bnnbench/tmp").iterdir()) == []


def test_of_two_files_one_finds_the_other_and_both_are_the_build(measured: Path) -> None:
    frame = load(Store(measured / "store").run())
    assert list(frame["status"]) == ["ok"]
    assert set(frame["engine_build"]) == {identity_of(measured)}


@pytest.mark.parametrize("change", ["content", "name"])
def test_the_names_and_contents_of_all_files_are_the_identity(tmp_path: Path, change: str) -> None:
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in paths:
        path.write_text("pass")
    mine = CustomEngine("mine", ("python3", "{folder}/a.py"), {}, tuple(paths))
    before = mine.prepare("aarch64-linux-musl", None, None)
    assert [(file.name, file.executable) for file in before.files] == [("a.py", True), ("b.py", True)]
    assert before.program == "python3"
    assert mine.prepare("x86_64-linux-musl", None, None).build.sha256 == before.build.sha256
    if change == "content":
        paths[1].write_text("fail")
    else:
        paths[1] = paths[1].rename(tmp_path / "c.py")
    assert (
        replace(mine, files=tuple(paths)).prepare("aarch64-linux-musl", None, None).build.sha256 != before.build.sha256
    )


def test_placeholders_of_both_protocols() -> None:
    start = Start(["tmp/r/files-x/a", "tmp/r/files-x/b"], folder="tmp/r/files-x", model="blobs/1", threads=2)
    mine = CustomEngine("x", ("python3", "-u", "{folder}/a", "--lib={folder}", "{files}"), {})
    assert mine.command(start) == [
        *("python3", "-u", "./tmp/r/files-x/a", "--lib=./tmp/r/files-x"),
        *("tmp/r/files-x/a", "tmp/r/files-x/b"),
    ]
    summary = SummaryEngine("x", ("sh", "{folder}/a", "{model}", "-j{threads}"), {})
    assert summary.command(start) == ["sh", "./tmp/r/files-x/a", "blobs/1", "-j2"]


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ('command = ["{binary}"]', "{binary} is used, but no binary is given; give one for each architecture"),
        ('command = ["{binary}"]\nbinary = {}', "but no binary is given"),
        ("command = []", "command: it must start with a program that the device has"),
        ('command = [" "]', "command: it must start with a program that the device has"),
        ('command = ["./run"]', "command: './run' must be a program's name, a path from /, or one of {folder}/."),
        ('command = ["python3"]\nfiles = ["s.py"]', "does not say where the files go: {folder} is the folder with all"),
        ('command = ["python3", "{folder}/s.py"]', "speaks of files, and none are given; name them with files = [...]"),
        ('command = ["python3", "{files}"]', "speaks of files, and none are given"),
        ('command = ["python3", "{files}"]\nfiles = ["s.py", "x/s.py"]', "files: two have the name s.py"),
        ('command = ["python3", "{file}"]\nfiles = ["s.py"]', "{file} is not one of {binary}, {files}, {folder}."),
        ('command = ["python3", "{files}"]\nfiles = ["nix.py"]', "nix.py does not exist"),
        ('command = ["{binary}", "{folder}"]\nbinary = { arm = "s.py" }', "{folder} is for an engine without binary"),
        (
            'command = ["{files}"]\nfiles = ["s.py"]',
            "must start with a program's name, a path from /, or {folder}/FILE",
        ),
        ('command = ["{folder}"]\nfiles = ["s.py"]', "or {folder}/FILE, not '{folder}'"),
        ('command = ["{folder}/"]\nfiles = ["s.py"]', "or {folder}/FILE, not '{folder}/'"),
        ('protocol = "none"\ncommand = ["{threads}", "{model}"]', "or {folder}/FILE, not '{threads}'"),
        ('command = ["python3", "--x={files}"]\nfiles = ["s.py"]', "{files} becomes several words, so it must be a"),
        ('command = ["{binary}", "-{files}"]\nbinary = { arm = "s.py" }', "so it must be a word by itself"),
        ('protocol = "none"\ncommand = ["tool"]', "does not say where the {model} goes"),
    ],
)
def test_what_is_wrong_is_one_sentence(engine: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").touch()
    with pytest.raises(SuiteError) as caught:
        parse_suite(f'name = "s"\n[engine.x]\n{engine}\n{KERNEL}', tmp_path / "s.toml")
    assert sentence in str(caught.value)
    assert "[engine.x]" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "engine", ['command = ["tool"]', 'command = ["/opt/tool", "-x"]', 'command = ["{folder}/s.py"]\nfiles = ["s.py"]']
)
def test_what_is_right(engine: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").touch()
    suite = parse_suite(f'name = "s"\n[engine.x]\n{engine}\n{KERNEL}', tmp_path / "s.toml")
    assert suite.engines == ["native", "numba", "x"]


def test_a_program_that_the_device_has_not_is_named_with_the_device(bench: Bench, board: LoopbackSsh) -> None:
    engine(bench.folder)
    path = bench.write("own.toml", SUITE.replace('"python3"', '"python9.9"'))
    wanted = "there is no program python9.9 on device 'board', and the engine 'mine' is started with it"
    measured = bench.run("run", path, "--device", "board", "--store", "store")
    assert measured.returncode == 2
    assert wanted in one_sentence(measured.stderr)
    checked = bench.run("engines", "check", "mine", "--suite", path, "--device", "board")
    assert checked.returncode == 3
    assert f"device 'board' cannot run the engine 'mine': {wanted}" in one_sentence(checked.stderr)


def test_a_path_on_the_device_is_looked_for_there(tmp_path: Path) -> None:
    mine = CustomEngine("mine", ("x",), {})
    program = tmp_path / "a program"
    with LocalTransport(LOCAL) as transport:
        assert _lacking(transport, mine, "sh") is None
        assert (lacking := _lacking(transport, mine, str(program))) is not None
        assert lacking.reason.startswith(f"there is no program {program} on device 'local'")
        assert lacking.code == "not_installed"
        program.touch(0o755)
        assert _lacking(transport, mine, str(program)) is None


def test_nothing_but_binaries_is_run_on_an_emulated_cpu() -> None:
    mine = CustomEngine("mine", ("python3",), {})
    refusal = _lacking(cast(Transport, SimpleNamespace(emulator=object())), mine, "python3")
    assert refusal is not None
    assert refusal == ("the engine 'mine' has no binary, and nothing else is run on an emulated CPU", "no_binary")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_engines_check_takes_it(bench: Bench) -> None:
    done = bench.run("engines", "check", "mine", "--suite", EXAMPLE / "python.toml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_stands_in_for_a_binary_that_it_has_not(tmp_path: Path) -> None:
    engine(tmp_path)
    suite = parse_suite(SUITE, tmp_path / "own.toml")
    side = Selection("mine@other.py", "mine", {"": "/other.py"})
    config = RunConfig(suite, ["local"], compare=CompareConfig(Selection("native"), side))
    with pytest.raises(CallError, match=r"'mine@other\.py': \[engine\.mine\] has no binary that another file could"):
        config.chosen_engines()


def test_a_baseline_keeps_its_files_with_their_names(measured: Path) -> None:
    found = Baselines(measured / "store").declared("main", "mine")
    assert found is not None
    assert (found.binary, found.names) == ({}, ["run it.py", "counting.py"])
    assert [Path(file).name for file in found.files] == found.names
    assert Path(found.files[1]).read_text() == COUNTING
    said = (measured / "saved.txt").read_text()
    assert f"mine ({found.files[0].split('/')[-2][:12]}, " in said
    assert "not kept: python3, which starts mine: the device's own is run" in said


def test_check_runs_the_files_of_then_beside_those_of_now(measured: Path, bench: Bench) -> None:
    """Those of now are wrong: had the base taken them too, it would be wrong as well."""
    of_its_user(measured, bench)
    (bench.folder / "parts/counting.py").write_text(COUNTING.replace("k - 2", "k - 1"))
    words = ("check", "own.toml", "--baseline", "main", "--store", "store", "--budget", "1s", "--format", "json")
    done = bench.run(*words)
    assert done.returncode == 1, done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {(one["base"], one["head"]) for one in verdicts} == {("mine@main", "mine")}
    assert {(one["reason"] or "").split(":")[0] for one in verdicts} == {"head"}, verdicts


@pytest.mark.slow
def test_both_sides_of_a_comparison_have_a_folder_of_their_own(measured: Path, bench: Bench) -> None:
    of_its_user(measured, bench)
    words = ("check", "own.toml", "--baseline", "main", "--store", "store", "--budget", "2s", "--format", "json")
    done = bench.run(*words)
    assert done.returncode in (0, 3), done.stderr
    run = bench.store.run("latest")
    assert {gate.status for gate in run.gates.values()} == {"ok"}
    assert {one.status for one in run.invocations} == {"ok"}
    assert len(run.invocations) >= 4
    assert {build.sha256 for build in run.record.builds if build.engine in ("base", "head")} == {identity_of(measured)}


def test_from_elsewhere_what_it_would_run_is_told(measured: Path) -> None:
    """The key is its user's and not that of this process."""
    with pytest.raises(CallError, match=r"would run `python3 '\{folder\}/run it\.py'` and engines/"):
        require_own_baseline(Baselines(measured / "store"), "main", trusts=False)


@pytest.mark.parametrize("change", ["content", "name"])
def test_what_changed_since_is_not_kept_as_what_was_measured(measured: Path, tmp_path: Path, change: str) -> None:
    run = Store(measured / "store").run()
    path = measured / "parts/counting.py"
    try:
        if change == "content":
            path.write_text(COUNTING + "\n")
        else:
            path.rename(path.with_name("other.py"))
        with pytest.raises(CallError, match=r"changed since run|counting\.py of engine 'mine' cannot be read"):
            save_baseline(Baselines(tmp_path), "x", run, trusts=True)
    finally:
        path.with_name("other.py").unlink(missing_ok=True)
        path.write_text(COUNTING)


@pytest.mark.parametrize(
    "names", [["../../x", "b"], ["a"], ["a", ""], ["a", ".."], ["/etc/passwd", "b"], ["a", "b", "c"]]
)
def test_names_of_a_hostile_baseline(measured: Path, tmp_path: Path, names: list[str]) -> None:
    shutil.copytree(measured / "store/baselines", tmp_path / "baselines")
    baselines = Baselines(tmp_path)
    path = baselines.document("main")
    document: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    document["declared"][0]["names"] = names
    path.write_bytes(msgspec.json.encode(document))
    with pytest.raises(StoreError, match="names a file outside its folder"):
        baselines.declared("main", "mine")
